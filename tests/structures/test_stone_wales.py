"""Turned bonds: their graph against distances, their symmetry, their files, and bonds that cannot be turned."""

from itertools import combinations

import numpy as np
import pytest

from matgym.errors import SiteError, StructureError
from matgym.structures import Nanotube, Species
from matgym.structures.io import read, to_atoms, write

BOND_ANGSTROM = (1.3, 1.7)  # unrelaxed, bonds of a turned pair are 1.42 to 1.51 Å long, other pairs 2 Å and more apart
TUBES = [Nanotube(8, 0, 4), Nanotube(6, 6, 5), Nanotube(6, 4, 1), Nanotube(7, 3, 1), Nanotube(9, 3, 2)]


def turned(tube, seed, pairs=2):
    """Return the tube with random bonds turned and random species on random sites."""
    rng = np.random.default_rng(seed)
    tube = tube.with_species(rng.choice([0, 1, 3, 4], size=tube.n_sites, p=[0.7, 0.1, 0.1, 0.1]))
    while len(tube.stone_wales) < pairs:
        a = int(rng.integers(tube.lattice.n_cells))
        try:
            tube = tube.turned((a, int(rng.choice(tube.lattice.neighbours[a]))))
        except StructureError:
            continue
    return tube


def pairs_by_distance(tube):
    """(site, site, image) of atoms within a bond's length on the unrolled sheet, from positions alone."""
    radius = 5.0 * tube.diameter_nm
    x, y, z = tube.positions_angstrom.T
    around = np.arctan2(y, x) * radius
    found = set()
    for image in (-1, 0, 1):
        dx = around[None, :] - around[:, None]
        dx -= np.rint(dx / (2 * np.pi * radius)) * 2 * np.pi * radius
        dz = z[None, :] - z[:, None] + image * tube.length_angstrom
        distance = np.hypot(dx, dz)
        near = (distance > BOND_ANGSTROM[0]) & (distance < BOND_ANGSTROM[1])
        found |= {(int(i), int(j), image) for i, j in np.argwhere(near)}
    return found


@pytest.mark.parametrize("tube", TUBES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_bonds_of_turned_tubes_are_the_near_pairs_of_their_positions(tube, seed):
    tube = turned(tube, seed)
    ours = {(int(i), int(j), int(k)) for i, j, k in tube.bonds}
    assert ours | {(j, i, -k) for i, j, k in ours} == pairs_by_distance(tube)
    assert len(ours) == 3 * tube.lattice.n_cells


def smallest_rings(tube):
    """Return the number of pairs of bonds of an atom by size of their smallest ring, five for each pentagon."""
    neighbours = {site: set() for site in range(tube.n_sites)}
    for i, j, _ in tube.bonds.tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    census = {}
    for atom, near in neighbours.items():
        for start, stop in combinations(sorted(near), 2):
            size, front, seen = 2, {start}, {start, atom}
            while stop not in front:
                front = {j for i in front for j in neighbours[i]} - seen
                seen |= front
                size += 1
            census[size] = census.get(size, 0) + 1
    return census


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_a_turned_pair_makes_two_pentagons_and_two_heptagons(tube):
    tube = turned(tube.repeated(2), 0, pairs=1)
    assert smallest_rings(tube) == {5: 2 * 5, 6: 3 * tube.n_sites - 2 * 5 - 2 * 7, 7: 2 * 7}


def distances(tube):
    """Sorted distances between atoms of given species: the same for symmetric copies, mirror images included."""
    x = tube.positions_angstrom
    d = x[None] - x[:, None]
    d[..., 2] -= np.rint(d[..., 2] / tube.length_angstrom) * tube.length_angstrom
    code = tube.species.astype(int)
    kind = np.minimum.outer(code, code) * 10 + np.maximum.outer(code, code)
    return np.sort(np.linalg.norm(d, axis=2).round(6).ravel() + 1000.0 * kind.ravel())


@pytest.mark.parametrize("tube", TUBES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_symmetric_copies_of_turned_tubes_share_distances_and_key(tube, seed):
    tube = turned(tube, seed)
    copies = [tube.rotated(2), tube.screwed(1, 2), tube.flipped(), tube.flipped().screwed(2, -1)]
    if tube.lattice.is_achiral:
        copies += [tube.mirrored(), tube.mirrored().rotated()]
    for copy in copies:
        assert copy.key == tube.key
        np.testing.assert_allclose(distances(copy), distances(tube), atol=1e-5)
    other = tube.decorated({tube.stone_wales[0][0]: "14C"})
    assert other.key != tube.key


def test_unlike_atoms_on_a_pair_show_the_sense_of_the_turn():
    pristine = Nanotube(8, 0, 4)
    pair = (20, int(pristine.lattice.neighbours[20, 1]))
    one = pristine.decorated({pair[0]: "B"}).turned(pair)
    exchanged = pristine.decorated({pair[1]: "B"}).turned(pair)
    assert one.mirrored().key == one.key
    assert not np.array_equal(one.mirrored().species, one.species)
    assert np.allclose(distances(one), distances(one.mirrored()), atol=1e-5)
    assert exchanged != one


def test_repeating_repeats_the_turned_pairs():
    tube = turned(Nanotube(7, 3, 1), 1)
    longer = tube.repeated(3)
    assert len(longer.stone_wales) == 3 * len(tube.stone_wales)
    assert longer.key == tube.screwed(2, 1).repeated(3).key


def test_twist_shears_the_sheet():
    tube = Nanotube(5, 5, 2).twisted(0.02)
    around, along = tube.bond_vectors_angstrom.T
    flat_around, flat_along = Nanotube(5, 5, 2).bond_vectors_angstrom.T
    np.testing.assert_allclose(around - flat_around, 0.02 * flat_along, atol=1e-12)
    np.testing.assert_allclose(along, flat_along, atol=1e-12)
    assert tube.mirrored().torsion == -0.02
    assert tube.mirrored().key != tube.key
    assert tube.flipped().key == tube.key


@pytest.mark.parametrize("suffix", [".extxyz", ".lmp"])
def test_files_that_can_keep_turned_pairs_do(tmp_path, suffix):
    tube = turned(Nanotube(6, 6, 5), 3)
    path = tmp_path / f"tube{suffix}"
    write(path, tube)
    assert read(path) == tube


def test_bonds_that_cannot_be_turned_raise():
    tube = Nanotube(8, 0, 4)
    a, b = 20, int(tube.lattice.neighbours[20, 0])
    with pytest.raises(SiteError, match="not bonded"):
        tube.turned((20, 21))
    with pytest.raises(StructureError, match="touches another"):
        tube.turned((a, b)).turned((a, int(tube.lattice.neighbours[a, 1])))
    with pytest.raises(StructureError, match="vacancy"):
        tube.decorated({a: "vacancy"}).turned((a, b))
    with pytest.raises(StructureError, match="too few"):
        Nanotube(2, 2, 1).turned((0, int(Nanotube(2, 2, 1).lattice.neighbours[0, 1])))
    with pytest.raises(StructureError, match="twisted"):
        to_atoms(tube.twisted(0.01))
    assert Species.VACANCY not in tube.turned((a, b)).species


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_reversing_a_tube_mirrors_the_height_of_every_atom(tube):
    tube = turned(tube, 5)
    there = tube.reversed()
    assert there.reversed() == tube
    assert there.key == tube.key
    height, reversed_height = (t.lattice.site_fractions[:, 1] * t.length_angstrom for t in (tube, there))
    top = height.max()
    before = sorted(zip(height.round(6).tolist(), tube.species.tolist(), strict=True))
    after = sorted(zip((top - reversed_height).round(6).tolist(), there.species.tolist(), strict=True))
    np.testing.assert_allclose(before, after, atol=2e-6)


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_extended_tubes_contain_the_tube_in_their_middle(tube):
    tube = turned(tube, 6)
    longer = tube.extended(2)
    assert longer.cells == tube.cells + 4
    assert len(longer.stone_wales) == len(tube.stone_wales)
    assert longer.n_sites - longer.counts[Species.C12] == tube.n_sites - tube.counts[Species.C12]
    middle = np.abs(longer.lattice.site_fractions[:, 1] - 0.5) * longer.length_angstrom
    assert (longer.species[middle > tube.length_angstrom / 2 + 1e-6] == Species.C12).all()
    with pytest.raises(StructureError, match="extended by -1"):
        tube.extended(-1)
