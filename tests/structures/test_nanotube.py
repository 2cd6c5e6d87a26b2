import dataclasses
import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from matgym.errors import ChiralityError, SiteError, SpeciesError, StructureError
from matgym.structures import Nanotube, Species

TUBES = [Nanotube(6, 0, 2), Nanotube(4, 4, 2), Nanotube(4, 2, 1), Nanotube(5, 1, 1)]
fast = settings(max_examples=30, deadline=None)


@st.composite
def tubes(draw):
    n = draw(st.integers(3, 6))
    blank = Nanotube(n, draw(st.integers(0, n)), 1)
    codes = draw(st.binary(min_size=blank.n_sites, max_size=blank.n_sites))
    return blank.with_species([code % len(Species) for code in codes])


def as_atoms(tube):
    return Atoms(
        f"C{tube.n_sites}",
        tube.positions_angstrom,
        cell=[0, 0, tube.length_angstrom],
        pbc=(False, False, True),
    )


def sources_of(tube, operation):
    """Return the permutation of an operation, found by moving one marked atom after the other."""
    marks = [operation(tube.decorated({site: "B"})).species.argmax() for site in range(tube.n_sites)]
    return np.argsort(marks)


OPERATIONS = {
    "rotated": lambda tube: tube.rotated(),
    "screwed along a1": lambda tube: tube.screwed(1, 0),
    "screwed along a2": lambda tube: tube.screwed(0, 1),
    "flipped": lambda tube: tube.flipped(),
    "mirrored": lambda tube: tube.mirrored(),
}


# ---- arguments that raise


@pytest.mark.parametrize("chirality", [(0, 0), (3, 5), (-4, 0)])
def test_a_chirality_that_is_not_canonical_raises(chirality):
    with pytest.raises(ChiralityError, match="is not canonical"):
        Nanotube(*chirality)


@pytest.mark.parametrize("cells", [0, -2])
def test_a_tube_of_no_cells_raises(cells):
    with pytest.raises(StructureError, match=f"{cells} cells"):
        Nanotube(5, 0, cells)


@pytest.mark.parametrize("cells", [1.5, True, "2"])
def test_cells_that_are_no_whole_number_raise(cells):
    with pytest.raises(StructureError, match="must be a whole number"):
        Nanotube(5, 0, cells)


@pytest.mark.parametrize("strain", [0.5, -0.31, float("nan"), float("inf")])
def test_strain_beyond_failure_raises(strain):
    with pytest.raises(StructureError, match="strain"):
        Nanotube(5, 0, strain=strain)


@pytest.mark.parametrize("site", [-1, 20])
def test_a_site_that_does_not_exist_raises(site):
    with pytest.raises(SiteError, match=rf"site {site} does not exist: give sites from 0 to 19"):
        Nanotube(5, 0).decorated({site: "B"})


@pytest.mark.parametrize("species", ["Si", "", 6, -1])
def test_an_unknown_species_raises(species):
    with pytest.raises(SpeciesError, match="give one of 12C, 13C, 14C, B, N, vacancy"):
        Nanotube(5, 0).decorated({0: species})


@pytest.mark.parametrize("codes", [[0] * 19, [[0] * 20], [0] * 19 + [6], [0] * 19 + [-1], [0] * 19 + [256], [0.5] * 20])
def test_a_species_array_of_another_length_raises(codes):
    with pytest.raises(SpeciesError):
        Nanotube(5, 0, 1, codes)


# ---- a value


def test_tube_cannot_be_changed():
    given_codes = np.zeros(20, dtype=np.uint8)
    tube = Nanotube(5, 0, 1, given_codes)
    given_codes[0] = Species.B
    assert tube.is_pristine
    with pytest.raises(ValueError, match="read-only"):
        tube.species[0] = Species.B
    with pytest.raises(ValueError, match="read-only"):
        tube.image[0, 0, 0] = Species.B
    with pytest.raises(dataclasses.FrozenInstanceError):
        tube.n = 6


@fast
@given(tubes())
def test_the_image_of_a_tube_is_lossless(tube):
    assert tube.image.shape == (2, *tube.lattice.raster_shape)
    assert tube.with_species(tube.image.ravel()) == tube


@fast
@given(tubes(), st.data())
def test_tubes_are_equal_exactly_if_all_sites_are(tube, data):
    twin = Nanotube(tube.n, tube.m, tube.cells, tube.species.copy(), tube.strain)
    assert twin == tube
    assert hash(twin) == hash(tube)
    site = data.draw(st.integers(0, tube.n_sites - 1))
    other = (int(tube.species[site]) + 1) % len(Species)
    assert tube.decorated({site: other}) != tube
    assert tube.strained(0.01) != tube
    assert tube.repeated(2) != tube


def test_strain_stretches_the_axis_and_narrows_the_tube_by_poissons_ratio():
    relaxed, stretched = Nanotube(7, 3), Nanotube(7, 3).strained(0.1)
    assert stretched.length_angstrom / relaxed.length_angstrom == pytest.approx(1.1)
    assert stretched.diameter_nm / relaxed.diameter_nm == pytest.approx(1.0 - 0.149 * 0.1)


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_repeated_tube_is_the_same_tube_in_space(tube):
    decorated = tube.decorated({1: "B", 4: "N", 7: "vacancy"})
    numbers = decorated.species + 1
    once, twice = as_atoms(tube), as_atoms(tube.repeated(2))
    once.numbers = numbers
    twice.numbers = decorated.repeated(2).species + 1
    expected = once.repeat((1, 1, 2))
    for atom in twice:
        apart = np.linalg.norm(expected.positions - atom.position, axis=1)
        assert apart.min() < 1e-6
        assert expected.numbers[apart.argmin()] == atom.number


# ---- symmetry


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_symmetry_operations_preserve_bonds_and_all_distances_in_space(tube, name):
    if name == "mirrored" and not tube.lattice.is_achiral:
        with pytest.raises(StructureError, match="chiral"):
            tube.mirrored()
        return
    sources = sources_of(tube, OPERATIONS[name])
    assert sorted(sources) == list(range(tube.n_sites))
    turns_fully = name == "rotated" and math.gcd(tube.n, tube.m) == 1
    assert np.array_equal(sources, np.arange(tube.n_sites)) == turns_fully
    atoms = as_atoms(tube.strained(0.05))
    moved = atoms[sources]
    assert moved.get_all_distances(mic=True) == pytest.approx(atoms.get_all_distances(mic=True), abs=1e-9)
    bonds = [sorted(zip(*neighbor_list("ij", each, 1.6), strict=True)) for each in (atoms, moved)]
    assert bonds[0] == bonds[1]


def is_constant(fractions):
    return abs(np.exp(2j * np.pi * fractions).mean()) > 1.0 - 1e-9


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_turns_and_screws_keep_handedness_and_mirrors_change_it(tube, name):
    if name == "mirrored" and not tube.lattice.is_achiral:
        return
    x, y, z = tube.positions_angstrom.T
    angle, height = np.arctan2(y, x) / (2 * np.pi), z / tube.length_angstrom
    sources = sources_of(tube, OPERATIONS[name])
    # A motion of the tube turns by s * angle + constant and shifts to t * height + constant, s and t ±1; it
    # is proper if st = 1.
    motions = [
        s * t
        for s, t in itertools.product((1, -1), repeat=2)
        if is_constant(angle[sources] - s * angle) and is_constant(height[sources] - t * height)
    ]
    assert motions == [-1 if name == "mirrored" else 1]


@fast
@given(tubes(), st.data())
def test_symmetry_copies_share_their_key(tube, data):
    names = [name for name in OPERATIONS if name != "mirrored" or tube.lattice.is_achiral]
    copy = tube
    for name in data.draw(st.lists(st.sampled_from(names), max_size=4)):
        copy = OPERATIONS[name](copy)
    assert copy.key == tube.key
    assert copy.counts == tube.counts


def symmetries_in_space(tube):
    """Return all permutations of sites by rotations, shifts, reversals and reflections in space, found by trial."""
    positions, length = tube.positions_angstrom, tube.length_angstrom
    angle = np.arctan2(positions[:, 1], positions[:, 0])
    found = set()
    for turn, axial in itertools.product((1, -1), repeat=2):
        for target in range(tube.n_sites):  # site 0 goes to each site in turn
            phi = turn * (angle - angle[0]) + angle[target]
            z = axial * (positions[:, 2] - positions[0, 2]) + positions[target, 2]
            radius = tube.diameter_nm * 5.0
            moved = np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=1)
            apart = moved[:, None] - positions[None]
            apart[..., 2] -= length * np.rint(apart[..., 2] / length)
            distance = np.linalg.norm(apart, axis=2)
            if distance.min(axis=1).max() < 1e-6:
                found.add(tuple(distance.argmin(axis=1).tolist()))
    return found


@pytest.mark.parametrize("tube", [Nanotube(5, 0), Nanotube(3, 3), Nanotube(4, 1), Nanotube(3, 3, 2)], ids=str)
def test_two_tubes_share_a_key_exactly_if_a_motion_in_space_maps_one_onto_the_other(tube):
    group = symmetries_in_space(tube)
    by_motion, by_key = defaultdict(set), defaultdict(set)
    for b, n in itertools.permutations(range(tube.n_sites), 2):
        by_motion[min((image[b], image[n]) for image in group)].add((b, n))
        by_key[tube.decorated({b: "B", n: "N"}).key].add((b, n))
    assert sorted(map(sorted, by_motion.values())) == sorted(map(sorted, by_key.values()))


def test_keys_differ_for_other_strains_lengths_and_species():
    tube = Nanotube(5, 2).decorated({0: "B"})
    others = [
        tube.strained(0.01),
        tube.repeated(2),
        Nanotube(5, 2).decorated({0: "N"}),
        Nanotube(5, 3),
        Nanotube(5, 2),
    ]
    assert len({tube.key, *(other.key for other in others)}) == len(others) + 1
