"""Nearest-neighbour retrieval, with and without a swap, within the data and beyond."""

import numpy as np
import pytest

from matgym.data import Dataset
from matgym.generative.examples import valid
from matgym.generative.nearest import NearestDesigns
from matgym.physics import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import SubstitutionEdits, TubeBatch, tube_lattice
from matgym.tasks import Decorations


def sampled(generator, lattice, edits, targets, rng):
    return generator.sample(Decorations(lattice, edits), targets, rng).species.reshape(len(targets), -1)


DATA = Dataset.load("nanotube-doping")
TARGETS = np.linspace(0.03, 0.2, 12)  # where the gaps of the data are dense
LABEL_EV = 0.01  # difference between the four nearest of some thousand structures in a dense region
ROUNDING_EV = 1e-6


def errors(lattice, species, targets):
    return np.abs(SelfConsistentElectrons().predict(TubeBatch.uniform(lattice, species))[GAP_EV.key] - targets)


def test_nearest_structures_have_the_gap_by_the_oracle():
    lattice, edits = tube_lattice(11, 0, 2), SubstitutionEdits(88, {"B": 4, "N": 4})
    generator = NearestDesigns(DATA, choices=1)
    species = sampled(generator, lattice, edits, TARGETS, np.random.default_rng(0))
    gaps = SelfConsistentElectrons().predict(TubeBatch.uniform(lattice, species))[GAP_EV.key]
    again = sampled(generator, lattice, edits, gaps, np.random.default_rng(1))
    assert valid(lattice, again, edits).all()
    assert errors(lattice, again, gaps).max() < ROUNDING_EV  # its own gap gives a symmetric copy of a structure


def test_a_swap_moves_one_atom_and_leaves_the_design_valid():
    lattice, edits = tube_lattice(11, 0, 3), SubstitutionEdits(132, {"B": 8, "N": 8})
    plain, swapped = (
        sampled(NearestDesigns(DATA, swaps=n, choices=1), lattice, edits, TARGETS, np.random.default_rng(0))
        for n in (0, 1)
    )
    assert valid(lattice, swapped, edits).all()
    assert ((plain != swapped).sum(axis=1) == 2).all()


@pytest.mark.parametrize("shape", [(11, 0, 5), (13, 0, 3), (7, 0, 2)])
def test_structures_of_other_lattices_are_changed_to_the_composition(shape):
    lattice = tube_lattice(*shape)
    edits = SubstitutionEdits(lattice.n_sites, {"B": 6, "N": 6})
    species = sampled(NearestDesigns(DATA), lattice, edits, TARGETS, np.random.default_rng(0))
    assert valid(lattice, species, edits).all()


def test_a_structure_continued_over_twice_its_cells_keeps_its_gap():
    """A supercell has the bands of its cell: the only error is the difference between the four nearest structures."""
    lattice, edits = tube_lattice(11, 0, 4), SubstitutionEdits(176, {"B": 16, "N": 16})
    three = NearestDesigns(DATA.take(np.flatnonzero(np.array(DATA.table.column("cells").to_pylist()) == 2)))
    species = sampled(three, lattice, edits, TARGETS, np.random.default_rng(0))
    exact = [(codes.reshape(2, -1) != 0).sum() == 32 for codes in species]
    assert all(exact)
    assert np.median(errors(lattice, species, TARGETS)) < LABEL_EV


def test_no_structure_of_a_left_out_band_is_returned():
    lattice, edits = tube_lattice(11, 0, 3), SubstitutionEdits(132, {"B": 8, "N": 8})
    targets = np.full(6, 0.25)
    species = sampled(NearestDesigns(DATA, left_out=(0.2, 0.3)), lattice, edits, targets, np.random.default_rng(0))
    assert errors(lattice, species, targets).min() > 0.05 - LABEL_EV
