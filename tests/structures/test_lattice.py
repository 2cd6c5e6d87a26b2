import numpy as np
import pytest
from ase import Atoms
from ase.build import nanotube
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list

from matgym.errors import ChiralityError, StructureError
from matgym.structures import Nanotube, TubeLattice, tube_lattice

BOND_CUTOFF_ANGSTROM = 1.6  # bonds are 1.42 Å, a little less across a thin tube; second neighbours start at 2.2 Å

CHIRALITIES = [
    (n, m) for n in range(4, 9) for m in range(n + 1) if tube_lattice(n, m, 1).diameter_nm > 0.35 and (n, m) != (8, 7)
]


def ours(n, m, cells):
    tube = Nanotube(n, m, cells)
    return Atoms(
        f"C{tube.n_sites}",
        tube.positions_angstrom,
        cell=[0, 0, tube.length_angstrom],
        pbc=(False, False, True),
    )


def bonds_by_distance(atoms):
    a, b, image = neighbor_list("ijS", atoms, BOND_CUTOFF_ANGSTROM)
    return sorted(zip(a.tolist(), b.tolist(), image[:, 2].tolist(), strict=True))


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_tube_is_the_one_that_ase_builds(chirality, cells):
    theirs = nanotube(*chirality, length=cells, bond=1.42)
    atoms = ours(*chirality, cells)
    assert len(atoms) == len(theirs)
    assert atoms.cell[2, 2] == pytest.approx(theirs.cell[2, 2], abs=1e-9)
    radius = np.linalg.norm(theirs.positions[:, :2] - theirs.positions[:, :2].mean(axis=0), axis=1)
    assert Nanotube(*chirality).diameter_nm * 5.0 == pytest.approx(radius.mean(), abs=1e-9)

    # Turning and shifting our tube so that one of its A or B atoms lies on ASE's first one must bring every
    # atom onto one of ASE's; no mirror is allowed, so that handedness is compared too.
    def lies_on_theirs(site):
        turned = atoms.copy()
        angle = np.arctan2(*theirs.positions[0, 1::-1]) - np.arctan2(*turned.positions[site, 1::-1])
        turned.rotate(np.degrees(angle), "z")
        turned.positions[:, 2] += theirs.positions[0, 2] - turned.positions[site, 2]
        _, apart = get_distances(turned.positions, theirs.positions, cell=theirs.cell, pbc=theirs.pbc)
        return max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 1e-6

    assert lies_on_theirs(0) or lies_on_theirs(len(atoms) // 2)


@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_bonds_are_the_pairs_within_bonding_distance_in_space(chirality):
    bonds = tube_lattice(*chirality, 1).bonds
    both_ways = np.concatenate([bonds, bonds[:, [1, 0, 2]] * [1, 1, -1]])
    assert sorted(map(tuple, both_ways.tolist())) == bonds_by_distance(ours(*chirality, 1))


@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_every_site_has_three_neighbours_and_they_are_bonded_in_space(chirality):
    found = bonds_by_distance(ours(*chirality, 1))
    neighbours = tube_lattice(*chirality, 1).neighbours
    assert sorted((i, j) for i, row in enumerate(neighbours.tolist()) for j in row) == [(i, j) for i, j, _ in found]
    assert np.bincount([i for i, _, _ in found]).tolist() == [3] * len(neighbours)


@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("chirality", [(5, 0), (8, 0), (9, 0), (4, 4), (6, 6), (4, 2), (5, 3), (6, 1), (7, 4), (8, 2)])
def test_raster_neighbours_under_twisted_circular_padding_are_the_bonded_ones(chirality, cells):
    lattice = tube_lattice(*chirality, cells)
    a, b = np.arange(lattice.n_sites).reshape(2, *lattice.raster_shape)

    def padded(plane):  # one pixel on each side: rows first, with the shift, then columns
        shift = lattice.raster_shift
        rows = np.vstack([np.roll(plane[-1], shift), plane, np.roll(plane[0], -shift)])
        return np.pad(rows, ((0, 0), (1, 1)), mode="wrap")

    a_wide, b_wide = padded(a), padded(b)
    inner, above, left = (slice(1, -1),) * 2, (slice(0, -2), slice(1, -1)), (slice(1, -1), slice(0, -2))
    below, right = (slice(2, None), slice(1, -1)), (slice(1, -1), slice(2, None))
    pairs = [(a, b_wide[where]) for where in (inner, above, left)]
    pairs += [(b, a_wide[where]) for where in (inner, below, right)]
    on_raster = sorted((int(i), int(j)) for here, there in pairs for i, j in zip(here.flat, there.flat, strict=True))
    assert on_raster == [(i, j) for i, j, _ in bonds_by_distance(ours(*chirality, cells))]


@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_bond_vectors_are_bonds_of_graphene(chirality):
    around, along = tube_lattice(*chirality, 1).bond_vectors.T
    assert np.hypot(around, along) == pytest.approx(np.full(3, 1.42))
    assert [around.sum(), along.sum()] == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_sites_are_found_again_after_going_round_and_along(chirality):
    lattice = tube_lattice(*chirality, 2)
    sublattice = np.repeat([0, 1], lattice.n_cells)
    around = np.array(chirality)
    along = 2 * np.array(lattice.translation)
    for winding in (0 * around, around, along, 3 * along - 2 * around):
        assert (lattice.sites_at(lattice.site_cells + winding, sublattice) == np.arange(lattice.n_sites)).all()


@pytest.mark.parametrize(("n", "m"), [(0, 0), (3, 4), (-1, 0), (5, -1)])
def test_a_chirality_out_of_range_raises(n, m):
    with pytest.raises(ChiralityError, match=rf"\({n}, {m}\) is not canonical"):
        TubeLattice(n, m, 1)


def test_a_lattice_without_cells_raises():
    with pytest.raises(StructureError, match="0 cells"):
        TubeLattice(5, 0, 0)
