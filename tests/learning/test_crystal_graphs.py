"""Graphs of crystals against ASE's neighbour list and pymatgen's lattices, and the invariance of the network."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from scipy.special import eval_legendre

from matgym.errors import ConfigurationError, StructureError
from matgym.learning.crystal_graphs import (
    LATTICE_FEATURES,
    SHORTEST,
    CrystalGraphs,
    lattice_features,
    nearest_neighbours,
    reduced,
)
from matgym.learning.crystal_network import CrystalBody, CrystalSettings, legendre
from matgym.structures.crystals import Crystal

SMALL = CrystalSettings(width=8, layers=2, hidden=(6,), neighbours=10, cutoff_angstrom=5.0)


def drawn(seed, count=5, skew=1.5):
    """Return a crystal of random atoms in a skewed cell of 18 Å³ for each atom."""
    rng = np.random.default_rng(seed)
    cell = np.eye(3) + np.triu(rng.uniform(-skew, skew, (3, 3)), 1) + np.diag(rng.uniform(-0.3, 0.3, 3))
    cell *= (18.0 * count / abs(np.linalg.det(cell))) ** (1 / 3)
    return Crystal(cell, rng.uniform(size=(count, 3)), rng.integers(1, 20, count), np.ones(count))


def other_cell(crystal, seed):
    """Return the same crystal with other cell vectors, turned, and with its atoms in another order."""
    rng = np.random.default_rng(seed)
    basis = np.array([[1, 1, 0], [0, 1, 2], [1, 1, 1]])
    assert abs(np.linalg.det(basis)) == pytest.approx(1.0)
    cell = basis @ crystal.cell
    order = rng.permutation(len(crystal.numbers))
    places = (crystal.fractional @ crystal.cell @ np.linalg.inv(cell))[order] + rng.uniform(size=3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Crystal(cell @ turn, places, crystal.numbers[order], crystal.occupancies)


@pytest.mark.parametrize("count", [1, 2, 7, 30])
@pytest.mark.parametrize("cutoff", [3.0, 6.5])
def test_neighbours_are_the_nearest_of_ases_list(count, cutoff):
    crystal = reduced(drawn(count, count))  # of a single atom, neighbours are in pairs of equal distance
    atoms = Atoms(crystal.numbers, scaled_positions=crystal.fractional, cell=crystal.cell, pbc=True)
    first, second, lengths = neighbor_list("ijd", atoms, cutoff)
    near, vectors, inside, reach = nearest_neighbours(crystal, cutoff, 12)
    distances = np.linalg.norm(vectors, axis=2)
    for atom in range(count):
        expected = np.sort(lengths[first == atom])
        thirteenth = expected[12] if len(expected) > 12 else cutoff
        assert reach[atom] == pytest.approx(thirteenth, rel=1e-5)
        expected = expected[expected < thirteenth - 1e-4]
        assert inside[atom].sum() == len(expected)
        np.testing.assert_allclose(distances[atom][inside[atom]], expected, atol=1e-9)
        assert set(near[atom][inside[atom]]) <= set(second[first == atom])
        assert (near[atom][~inside[atom]] == atom).all()
    apart = atoms.positions[near] - atoms.positions[:, None] - vectors  # of lattice vectors
    steps = apart[inside] @ np.linalg.inv(crystal.cell)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)


def test_lengths_of_lattice_vectors_are_those_of_pymatgen():
    lattice = pytest.importorskip("pymatgen.core").Lattice
    crystal = reduced(drawn(3))
    scale = crystal.volume ** (1 / 3)
    points = lattice(crystal.cell / scale).get_points_in_sphere([[0.0, 0.0, 0.0]], [0.0, 0.0, 0.0], 3.0)
    expected = np.sort([point[1] for point in points])[1:]  # without the origin; v and -v are both there
    features = lattice_features(crystal)
    assert features.shape == (LATTICE_FEATURES,)
    np.testing.assert_allclose(features[1 : 1 + SHORTEST], expected[: 2 * SHORTEST : 2], atol=1e-9)


def test_symmetry_makes_lengths_equal():
    closeness = {}
    for structure in ("sc", "fcc", "bcc"):
        features = lattice_features(reduced(Crystal.of(bulk("Cu", structure, a=4.0))))
        closeness[structure] = np.flatnonzero(features[1 + SHORTEST :][: SHORTEST - 1] < 0.5)[0] + 1
    assert closeness == {"sc": 3, "fcc": 6, "bcc": 4}  # half the number of nearest neighbours


@pytest.mark.parametrize("seed", range(3))
def test_features_do_not_depend_on_turns_orders_or_cell_vectors(seed):
    torch.manual_seed(seed)
    body, crystal = CrystalBody(SMALL).double(), drawn(seed, 6)
    one, other = (body(body.graphs([each])) for each in (crystal, other_cell(crystal, seed)))
    assert one.shape == (1, body.n_features) == (1, 6)
    torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)
    moved = Crystal(crystal.cell, crystal.fractional + 0.05 * np.eye(6, 3), crystal.numbers, crystal.occupancies)
    assert not torch.allclose(one, body(body.graphs([moved])), atol=1e-4)


def test_features_change_continuously_when_a_neighbour_leaves_the_cutoff():
    body = CrystalBody(CrystalSettings(width=8, layers=2, hidden=(6,), neighbours=40, cutoff_angstrom=3.0)).double()
    near, far = (
        body(
            body.graphs(
                [Crystal(4.0 * np.eye(3), np.array([[0, 0, 0], [x / 4.0, 0, 0]]), np.array([6, 7]), np.ones(2))]
            )
        )
        for x in (1.0 - 1e-6, 1.0 + 1e-6)  # the image at 3 Å
    )
    torch.testing.assert_close(near, far, atol=1e-4, rtol=0.0)


def test_crystals_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    body, crystals = CrystalBody(SMALL).double(), [drawn(seed, count) for seed, count in enumerate((1, 9, 4))]
    together = body(body.graphs(crystals))
    torch.testing.assert_close(together, torch.cat([body(body.graphs([each])) for each in crystals]))


def test_angles_are_seen():
    """Two chains of equal distances: bent by 90 and by 180 degrees, with no other neighbour within the cut-off."""
    body = CrystalBody(CrystalSettings(width=8, layers=1, hidden=(6,), cutoff_angstrom=1.2)).double()
    bent, straight = (
        Crystal(
            12.0 * np.eye(3), (np.array([[0, 0, 0], [1, 0, 0], place]) + 4.0) / 12.0, np.array([8, 1, 1]), np.ones(3)
        )
        for place in ([0, 1, 0], [-1, 0, 0])
    )
    graphs = body.graphs([bent, straight])
    assert graphs.inside.sum() == 8
    one, other = body(graphs)
    assert not torch.allclose(one, other, atol=1e-4)


def test_legendre_polynomials_are_those_of_scipy():
    x = np.linspace(-1.0, 1.0, 21)
    for degree, found in enumerate(legendre(torch.from_numpy(x), 5), start=1):
        np.testing.assert_allclose(found.numpy(), eval_legendre(degree, x), atol=1e-12)


def test_graphs_hold_all_atoms_of_a_batch():
    graphs = CrystalGraphs.of([drawn(0, 3), drawn(1, 5)], neighbours=7)
    assert graphs.crystal.tolist() == [0] * 3 + [1] * 5
    assert graphs.neighbours.shape == (8, 7)
    assert (graphs.crystal[graphs.neighbours] == graphs.crystal[:, None]).all()
    assert graphs.lattice.shape == (2, LATTICE_FEATURES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neighbours": 65}, "65 neighbours within 6 Å: give at most 64 within 12 Å"),
        ({"cutoff_angstrom": 20.0}, "16 neighbours within 20 Å"),
        ({"width": 0}, "width=0"),
        ({"layers": 65}, "layers=65"),
        ({"cutoff_angstrom": -1.0}, "cutoff_angstrom=-1"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        CrystalSettings(**changes)


def test_cells_with_too_many_pairs_are_refused():
    needle = Crystal(np.diag([0.05, 0.05, 500.0]), np.zeros((1, 3)), np.array([6]), np.ones(1))
    with pytest.raises(StructureError, match=r"60 atoms in a cell of 1.25 Å³ have .* pairs within 12 Å"):
        nearest_neighbours(Crystal(needle.cell, np.zeros((60, 3)), np.full(60, 6), np.ones(60)), 12.0, 12)
