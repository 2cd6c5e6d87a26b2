"""The sampler of the masked diffusion follows its probabilities: compared with counts and with an exact model."""

import numpy as np
import pytest
import torch

from matgym.generative.diffusion import DiffusionNetwork, DiffusionSize, MaskedDiffusion
from matgym.generative.examples import COLUMNS, ConditionScaling, valid
from matgym.generative.geometry import geometry
from matgym.structures import Species, SubstitutionEdits, tube_lattice
from matgym.tasks import Decorations


def sampled(generator, lattice, edits, targets, rng):
    return generator.sample(Decorations(lattice, edits), targets, rng).species.reshape(len(targets), -1)


KINDS = (Species.B, Species.N)
UNSCALED = ConditionScaling(np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
STANDARD_ERRORS = 4.0
LATTICE = tube_lattice(8, 0, 2)
FEW = DiffusionSize(8, 1, 4)  # passes over 64 sites, so that most sites are drawn with updated probabilities


def fresh(size=None):
    torch.manual_seed(0)
    return MaskedDiffusion(DiffusionNetwork(size or DiffusionSize(8, 1), 2).eval(), KINDS, "gap_ev", UNSCALED)


class Patterns(torch.nn.Module):
    """The exact probabilities of a distribution of a few tubes, which a perfectly trained network would predict."""

    def __init__(self, tubes, shares, steps):
        super().__init__()
        self.size = DiffusionSize(steps=steps)
        self.tubes, self.shares = tubes, shares  # (P, 3, S) one-hot, carbon last; (P,)

    def forward(self, _shape, known, covered, _left, _condition):
        held = torch.cat([known, 1.0 - known.sum(1, keepdim=True) - covered], dim=1)
        agree = torch.einsum("bks,pks->bp", held, self.tubes) == held.sum(dim=(1, 2))[:, None]
        share = agree * self.shares
        return torch.einsum("bp,pks->bks", share / share.sum(1, keepdim=True), self.tubes).log()


def bonded(lattice, first, second):
    """(B,) whether the one site of each tube is bonded to the other."""
    return (lattice.neighbours[first] == second[:, None]).any(axis=1)


def test_one_boron_and_one_nitrogen_are_bonded_as_often_as_by_chance():
    """Three of the 63 other sites are bonded to the boron's."""
    tubes, chance = 8000, 3 / 63
    edits = SubstitutionEdits(64, {"B": 1, "N": 1})
    drawn = sampled(fresh(FEW), LATTICE, edits, np.full(tubes, 0.9), np.random.default_rng(0))
    share = bonded(LATTICE, (drawn == Species.B).argmax(axis=1), (drawn == Species.N).argmax(axis=1)).mean()
    assert abs(share - chance) < STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / tubes)


def test_two_borons_are_equally_likely_at_every_distance_but_one_bond():
    """Of the 60 sites that are not bonded to the first, six are two bonds away."""
    tubes, chance = 8000, 6 / 60
    edits = SubstitutionEdits(64, {"B": 2})
    drawn = sampled(fresh(FEW), LATTICE, edits, np.full(tubes, 0.9), np.random.default_rng(1))
    first, second = np.nonzero(drawn == Species.B)[1].reshape(-1, 2).T
    assert not bonded(LATTICE, first, second).any()
    near = LATTICE.neighbours[LATTICE.neighbours[first]].reshape(tubes, -1)
    share = ((near == second[:, None]).any(axis=1)).mean()
    assert abs(share - chance) < STANDARD_ERRORS * np.sqrt(chance * (1 - chance) / tubes)


def test_exact_chances_give_the_exact_distribution():
    """Sampling site by site gives the three tubes of a distribution with their shares, and no other tube."""
    rng, shares, count = np.random.default_rng(2), np.array([0.2, 0.3, 0.5]), 3000
    edits = SubstitutionEdits(64, {"B": 5, "N": 4})
    real = sampled(fresh(), LATTICE, edits, np.full(3, 0.9), rng)
    placed = geometry(LATTICE).one_hot(real, KINDS)
    tubes = torch.cat([placed, 1.0 - placed.sum(1, keepdim=True)], dim=1)
    exact = Patterns(tubes, torch.tensor(shares, dtype=torch.float32), steps=64)
    drawn = sampled(MaskedDiffusion(exact, KINDS, "gap_ev", UNSCALED), LATTICE, edits, np.full(count, 0.9), rng)
    found = (drawn[:, None] == real).all(axis=2)
    faint = 0.01  # the sampler keeps a probability of a millionth for every species, at each of 64 sites
    assert found.any(axis=1).mean() > 1 - faint
    error = np.sqrt(shares * (1 - shares) / count)
    assert (np.abs(found.mean(axis=0) - shares) < STANDARD_ERRORS * error).all()


@pytest.mark.parametrize("scale", [0.0, 100.0])
def test_crowded_tubes_are_valid_for_any_network(scale):
    """A quarter of all sites holds dopants, more than in the data. At the larger scale probabilities underflow to zero,
    and atoms remain for which no covered site is allowed.
    """
    lattice = tube_lattice(8, 0, 3)
    edits = SubstitutionEdits(lattice.n_sites, {"B": 12, "N": 12})
    model = fresh()
    torch.nn.init.normal_(model.network.trunk.last.conv.weight, std=scale)
    drawn = sampled(model, lattice, edits, np.full(200, 0.9), np.random.default_rng(3))
    assert valid(lattice, drawn, edits).all()


def test_the_number_of_passes_can_change_without_new_weights():
    few, many = fresh(FEW), fresh(DiffusionSize(8, 1, 64))
    many.network.load_state_dict(few.network.state_dict())
    edits = SubstitutionEdits(64, {"B": 4, "N": 4})
    drawn = [sampled(model, LATTICE, edits, np.full(5, 0.9), np.random.default_rng(4)) for model in (few, many)]
    assert all(valid(LATTICE, tubes, edits).all() for tubes in drawn)
