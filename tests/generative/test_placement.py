"""Placements have the composition and no like bonds for any scores."""

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from matgym.generative.examples import like_bonds, valid
from matgym.generative.geometry import geometry
from matgym.generative.metrics import SHELLS
from matgym.generative.placement import place, soft_counterpart, straight_through
from matgym.structures import Species, SubstitutionEdits, tube_lattice

KINDS = (Species.B, Species.N)
UNBONDED = torch.arange(64)[:, None]  # sites that are their own neighbours, so that nothing is excluded
SUM_TOLERANCE = 0.01  # error of the composition at which the iterations stop
SHARE_TOLERANCE = 4.0  # standard errors of a share


@pytest.mark.parametrize("shape", [(8, 0, 4), (8, 0, 2), (10, 0, 4), (6, 4, 1), (5, 5, 6)])
def test_composition_is_exact_and_no_like_atoms_are_bonded(shape):
    lattice = tube_lattice(*shape)
    view = geometry(lattice)
    rng = torch.Generator().manual_seed(0)
    scores = 4.0 * torch.randn((64, 2, lattice.n_sites), generator=rng)
    atoms = lattice.n_sites // 10
    species = view.species(place(scores, torch.tensor([[atoms, atoms - 2]] * 64), view.neighbours), KINDS)
    assert valid(lattice, species, SubstitutionEdits(lattice.n_sites, {"B": atoms, "N": atoms - 2})).all()


def test_without_exclusion_and_with_one_species_it_is_the_top_k():
    scores = torch.randn((16, 1, 64), generator=torch.Generator().manual_seed(1))
    placed = place(scores, torch.full((16, 1), 7), UNBONDED)
    wanted = torch.zeros_like(scores).scatter(2, scores.topk(7, dim=2).indices, 1.0)
    assert torch.equal(placed, wanted)


def test_two_species_get_nearly_the_best_total_that_scipy_finds():
    """Greedy placement is not optimal, but close to the optimal assignment of atoms to sites."""
    scores = torch.randn((8, 2, 64), generator=torch.Generator().manual_seed(2))
    placed = place(scores, torch.full((8, 2), 6), UNBONDED)
    for row in range(8):
        table = scores[row].numpy()[np.repeat([0, 1], 6)]  # (atoms, sites)
        best = table[linear_sum_assignment(table, maximize=True)].sum()
        assert 0.98 * best <= float((placed[row] * scores[row]).sum()) <= best + 1e-4


def test_equal_scores_and_gumbel_noise_place_uniformly():
    view = geometry(tube_lattice(8, 0, 2))
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.gumbel(size=(4000, 2, 64)).astype(np.float32))
    placed = place(noise, torch.tensor([[5, 3]] * 4000), view.neighbours)
    for kind, atoms in enumerate((5, 3)):
        share = placed[:, kind].mean(dim=0).numpy()
        error = np.sqrt(atoms / 64 * (1 - atoms / 64) / 4000)
        assert np.abs(share - atoms / 64).max() < SHARE_TOLERANCE * error


def test_soft_counterpart_has_the_composition_in_expectation():
    scores = 1.5 * torch.randn(
        (32, 2, 96), generator=torch.Generator().manual_seed(3)
    )  # trained networks have scores with a deviation of 1.4 temperatures
    budget = torch.tensor([[8, 8], [1, 12], [10, 0], [4, 9]] * 8)
    soft = soft_counterpart(scores, budget, 1.0)
    assert torch.allclose(soft.sum(dim=2), budget.float(), rtol=SUM_TOLERANCE, atol=2e-3)
    assert (soft >= 0.0).all()
    assert (soft.sum(dim=1) <= 1.0 + 1e-5).all()


def test_gradient_of_a_placement_is_the_soft_counterparts():
    view = geometry(tube_lattice(8, 0, 2))
    scores = torch.randn((4, 2, 64), generator=torch.Generator().manual_seed(4), requires_grad=True)
    weights = torch.randn((4, 2, 64), generator=torch.Generator().manual_seed(5))
    budget = torch.full((4, 2), 5)
    (through,) = torch.autograd.grad((straight_through(scores, budget, view.neighbours, 1.5) * weights).sum(), scores)
    (soft,) = torch.autograd.grad((soft_counterpart(scores, budget, 1.5) * weights).sum(), scores)
    assert torch.allclose(through, soft)


@pytest.mark.parametrize("shape", [(8, 0, 3), (7, 2, 1)])
def test_shells_are_networkx_distances(shape):
    view = geometry(tube_lattice(*shape))
    graph = nx.Graph([(a, int(b)) for a, row in enumerate(view.neighbours) for b in row])
    distance = dict(nx.all_pairs_shortest_path_length(graph))
    sites = view.lattice.n_sites
    found = np.array([[distance[a][b] for b in range(sites)] for a in range(sites)])
    for shell in range(SHELLS):
        assert (view.shells[shell] == (found == shell + 1)).all()


def test_species_and_raster_order_are_each_others_inverse():
    lattice = tube_lattice(6, 4, 1)
    view = geometry(lattice)
    species = np.random.default_rng(0).choice([0, 3, 4], size=(5, lattice.n_sites)).astype(np.uint8)
    assert (view.species(view.one_hot(species, KINDS), KINDS) == species).all()


def test_like_bonds_are_counted():
    lattice = tube_lattice(8, 0, 2)
    species = np.zeros((3, lattice.n_sites), dtype=np.uint8)
    a, b, _ = lattice.bonds[0]
    species[0, [a, b]] = Species.B
    species[1, [a, b]] = [Species.B, Species.N]
    species[2, [a, b]] = Species.C13
    assert like_bonds(lattice, species).tolist() == [1, 0, 0]
