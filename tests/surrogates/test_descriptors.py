"""Descriptors count pairs in space, and are equal for symmetric copies."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from matgym.data import Dataset
from matgym.errors import StructureError
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice
from matgym.structures.symmetry import mirror
from matgym.surrogates.descriptors import (
    PAIR_ANGSTROM,
    composition,
    like_offsets,
    of,
    pairs,
    unlike_offsets,
)
from matgym.surrogates.domain import SEEN_SPECIES
from matgym.units import CARBON_BOND_ANGSTROM

ROUNDING = 1e-6  # counts are summed in single precision
PLACE_ANGSTROM = 1e-3  # sites are at least a bond apart
SHAPES = [(8, 0, 4), (8, 0, 1), (6, 6, 2), (6, 4, 1), (7, 1, 1), (3, 3, 1), (1, 0, 1), (5, 2, 2)]
HEAD = len(SEEN_SPECIES) + 3
A1 = np.sqrt(3.0) * CARBON_BOND_ANGSTROM * np.array([1.0, 0.0])
A2 = np.sqrt(3.0) * CARBON_BOND_ANGSTROM * np.array([0.5, np.sqrt(0.75)])


def decorated(shape, count=3, seed=0):
    lattice = tube_lattice(*shape)
    rng = np.random.default_rng(seed)
    return lattice, rng.choice(list(Species), size=(count, lattice.n_sites)).astype(np.uint8)


def counted_in_space(tube):
    """Return the numbers of pairs in the order of `pairs`, from Cartesian positions on the tube."""
    radius, length = tube.diameter_nm * 5.0, tube.length_angstrom
    x, y, z = tube.positions_angstrom.T
    sheet = np.stack([np.arctan2(y, x) * radius, z], axis=1)
    around = 2.0 * np.pi * radius
    chiral = tube.n * A1 + tube.m * A2
    along = chiral / np.linalg.norm(chiral)
    turn = np.array([along, [along[1], -along[0]]])  # C lies around the tube, T = (t₁, t₂ < 0) up its axis
    copies = [
        (i, j)
        for i in range(-int(9 // around) - 2, int(9 // around) + 3)
        for j in range(-int(9 // length) - 2, int(9 // length) + 3)
    ]
    shifts = np.array(copies) * [around, length]
    is_b = np.arange(tube.n_sites) >= tube.n_sites // 2

    def count(p, q, thirds, one, other, from_b, to_b):
        step = turn @ ((p + thirds / 3.0) * A1 + (q + thirds / 3.0) * A2)
        starts = np.flatnonzero((tube.species == one) & (is_b == from_b))
        ends = np.flatnonzero((tube.species == other) & (is_b == to_b))
        if not len(starts) or not len(ends):
            return 0
        gaps = sheet[ends][None, :, None] + shifts - sheet[starts][:, None, None] - step
        return int((np.abs(gaps) < PLACE_ANGSTROM).all(axis=3).sum())

    like = [
        count(p, q, 0, s, t, False, False) + count(-p, -q, 0, s, t, True, True)
        for p, q in like_offsets()
        for s, t in product(SEEN_SPECIES, repeat=2)
    ]
    unlike = [
        count(p, q, 1, s, t, False, True) + (s != t) * count(p, q, 1, t, s, False, True)
        for p, q in unlike_offsets()
        for s, t in combinations_with_replacement(SEEN_SPECIES, 2)
    ]
    return np.array(like + unlike) / tube.n_sites


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pairs_are_those_of_the_positions(shape):
    lattice, species = decorated(shape, count=2)
    found = pairs(lattice, species)[:, HEAD:]
    for row, tube in enumerate(TubeBatch.uniform(lattice, species)):
        np.testing.assert_allclose(found[row], counted_in_space(tube), atol=ROUNDING)


def test_all_pairs_within_reach_are_counted_once():
    """ASE's neighbour list on the unrolled sheet, which is periodic both ways."""
    lattice, species = decorated((6, 4, 1), count=1)
    tube = TubeBatch.uniform(lattice, species)[0]
    angle, height = lattice.site_fractions.T
    cell = [lattice.circumference_angstrom, 20.0, lattice.length_angstrom]
    places = np.stack([angle * cell[0], np.full(len(angle), 10.0), height * cell[2]], axis=1)
    atoms = Atoms(f"C{tube.n_sites}", positions=places, cell=cell, pbc=(True, False, True))
    i, j = neighbor_list("ij", atoms, PAIR_ANGSTROM)
    held = species[0]
    found = pairs(lattice, species)[0, HEAD:] * lattice.n_sites
    like = found[: 9 * len(like_offsets())].reshape(-1, 3, 3).sum(axis=0)
    unlike = found[9 * len(like_offsets()) :].reshape(-1, 6).sum(axis=0)
    for (a, s), (b, t) in combinations_with_replacement(enumerate(SEEN_SPECIES), 2):
        listed = int(((held[i] == s) & (held[j] == t)).sum())  # s-s pairs from both ends, s-t from s
        column = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].index((a, b))
        counted = 2 * (like[a, a] + unlike[column]) if s == t else like[a, b] + like[b, a] + unlike[column]
        assert listed == pytest.approx(counted, abs=ROUNDING * lattice.n_sites)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rotated_screwed_and_turned_tubes_have_the_same_descriptors(shape):
    lattice, species = decorated(shape)
    for descriptor in (composition, pairs):
        expected = descriptor(lattice, species)
        for move in (
            Nanotube.rotated,
            Nanotube.flipped,
            Nanotube.reversed,
            lambda tube: tube.screwed(2, -1),
            lambda tube: tube.flipped().screwed(-3, 1),
        ):
            moved = of([move(tube) for tube in TubeBatch.uniform(lattice, species)], descriptor)
            np.testing.assert_allclose(moved, expected, atol=ROUNDING)


def test_a_longer_tube_has_the_same_pairs_a_site():
    tubes = TubeBatch.uniform(*decorated((8, 0, 2)))
    np.testing.assert_allclose(of([t.repeated(3) for t in tubes])[:, HEAD:], of(tubes)[:, HEAD:], atol=ROUNDING)


def test_pairs_differ_between_tubes_of_one_composition():
    lattice, species = decorated((6, 6, 2), count=1)
    shuffled = np.random.default_rng(1).permutation(species[0])[None]
    np.testing.assert_allclose(composition(lattice, shuffled), composition(lattice, species))
    assert np.abs(pairs(lattice, shuffled) - pairs(lattice, species)).max() > 1.0 / lattice.n_sites


def test_a_mirror_image_exchanges_directions_only():
    """Mirrored pairs stand at mirrored offsets, as far apart: each shell holds as many."""
    lattice, species = decorated((8, 0, 4))
    found, mirrored = (pairs(lattice, codes)[:, HEAD:] for codes in (species, species[:, mirror(lattice)]))
    for both, offsets, thirds in ((9, like_offsets(), 0), (6, unlike_offsets(), 1)):
        start = 0 if both == 9 else 9 * len(like_offsets())
        lengths = [np.linalg.norm((p + thirds / 3) * A1 + (q + thirds / 3) * A2).round(3) for p, q in offsets]
        for length in set(lengths):
            shell = np.flatnonzero(np.array(lengths) == length)
            a, b = (
                x[:, start : start + both * len(offsets)].reshape(len(x), -1, both)[:, shell] for x in (found, mirrored)
            )
            if both == 9:  # (s, t) at an offset is (t, s) at the opposite one
                a, b = (x.reshape(len(x), -1, 3, 3) for x in (a, b))
                a, b = a + a.swapaxes(2, 3), b + b.swapaxes(2, 3)
            np.testing.assert_allclose(a.sum(axis=1), b.sum(axis=1), atol=ROUNDING)


def test_composition_consists_of_shares_and_size():
    tube = Nanotube(8, 0, 4).decorated({0: "B", 5: "B", 9: "N", 64: "vacancy"})
    shares, size = np.split(of([tube], composition)[0], [3])
    np.testing.assert_allclose(shares, np.array([2, 1, 1]) / 128)
    np.testing.assert_allclose(size, [10.0 / tube.length_angstrom, 1.0 / tube.diameter_nm, 1.0])
    assert of([Nanotube(6, 6)], composition)[0, -1] == pytest.approx(-1.0)  # armchair: 30°


def test_only_the_given_species_count():
    lattice, species = decorated((6, 4, 1))
    isotopes = (Species.C13, Species.B)
    np.testing.assert_allclose(
        composition(lattice, species, isotopes)[:, :2],
        np.stack([(species == kind).mean(axis=1) for kind in isotopes], axis=1),
    )
    assert pairs(lattice, species, isotopes).shape == (3, 2 + 3 + 4 * len(like_offsets()) + 3 * len(unlike_offsets()))


def test_tubes_of_all_lattices_keep_their_order():
    tubes = [TubeBatch.uniform(*decorated(shape, count=1))[0] for shape in SHAPES]
    mixed = of([*tubes, *tubes])
    np.testing.assert_array_equal(mixed[: len(tubes)], mixed[len(tubes) :])
    np.testing.assert_array_equal(mixed, np.concatenate([of([tube]) for tube in [*tubes, *tubes]]))


def test_deformed_tubes_raise():
    with pytest.raises(StructureError, match="deformed"):
        of([Nanotube(8, 0).strained(0.01)])


def test_large_batches_equal_small_ones():
    data = Dataset.load("nanotube-doping").take(np.arange(700)).batch
    np.testing.assert_array_equal(of(data), np.concatenate([of(data[:600]), of(data[600:])]))
