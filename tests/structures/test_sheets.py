"""Sheets and the tubes that they are rolled into, against ASE, sisl, matgym's recognition and exact geometry."""

import numpy as np
import pytest
import sisl
from ase import Atoms
from ase.build import bulk, graphene, molecule, mx2
from ase.build import nanotube as ase_nanotube
from ase.io import read as ase_read
from ase.neighborlist import neighbor_list
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from matgym.errors import FormatError, StructureError
from matgym.structures import Crystal, Nanotube, Sheet
from matgym.structures.io import from_atoms, read_sheet, to_atoms, write
from scripts.studies.sheets import SHEETS, Rolled

BOND = 1.42
GRAPHENE = graphene(a=BOND * np.sqrt(3.0), vacuum=8.0)


def on_cylinder(atoms):
    """Return positions about the axis, which is z."""
    positions = atoms.get_positions().copy()
    positions[:, :2] -= positions[:, :2].mean(axis=0)
    return positions


def is_moved_copy(one, other, *, mirrored=False, upside_down=False):
    """Return whether atoms along z are others, rotated about z and shifted along it, up to what is asked."""
    assert len(one) == len(other)
    assert one.cell[2, 2] == pytest.approx(other.cell[2, 2], abs=1e-6)
    length = one.cell[2, 2]
    a, b = on_cylinder(one), on_cylinder(other)
    if mirrored != upside_down:
        a[:, 1] *= -1.0
    if upside_down:
        a[:, 2] *= -1.0
    b[:, 2] %= length
    images = np.concatenate([b + k * other.cell[2] for k in (-1, 0, 1)])
    tree, numbers = cKDTree(images), np.tile(other.numbers, 3)
    for k in np.flatnonzero(other.numbers == one.numbers[0]):
        turn = np.arctan2(b[k, 1], b[k, 0]) - np.arctan2(a[0, 1], a[0, 0])
        cosine, sine = np.cos(turn), np.sin(turn)
        moved = a @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        moved[:, 2] = np.mod(moved[:, 2] - a[0, 2] + b[k, 2], length)
        distance, nearest = tree.query(moved)
        if distance.max() < 1e-5 and (numbers[nearest] == one.numbers).all():
            return True
    return False


# ---- against other builders


@pytest.mark.parametrize("shape", [(8, 0), (6, 6), (10, 4), (7, 3)])
def test_graphene_is_the_tube_lattice_with_its_handedness(shape):
    rolled = Sheet.of(GRAPHENE).rolled(*shape).to_atoms()
    tube = to_atoms(Nanotube(*shape))
    assert is_moved_copy(rolled, tube)
    assert is_moved_copy(rolled, tube, mirrored=True) == (shape[1] in {0, shape[0]})


@pytest.mark.parametrize("shape", [(8, 0), (5, 5), (6, 2)])
def test_graphene_is_the_tube_of_ase_or_its_mirror_image(shape):
    rolled, other = Sheet.of(GRAPHENE).rolled(*shape, 2).to_atoms(), ase_nanotube(*shape, length=2, bond=BOND)
    assert is_moved_copy(rolled, other) or is_moved_copy(rolled, other, mirrored=True)


@pytest.mark.parametrize("shape", [(8, 0), (4, 2)])
def test_boron_nitride_is_the_tube_of_sisl_or_its_mirror_image(shape):
    geometry = sisl.geom.nanotube(1.45, chirality=shape)
    other = Atoms("B" * len(geometry), geometry.xyz, cell=geometry.cell, pbc=True)
    i, j = neighbor_list("ij", other, 1.6)
    steps = dijkstra(csr_array((np.ones(len(i)), (i, j))), indices=0)
    other.numbers[steps % 2 == 1] = 7  # sisl's own BN tubes have B-B and N-N bonds
    rolled = Sheet.of(graphene("BN", a=1.45 * np.sqrt(3.0), vacuum=8.0)).rolled(*shape).to_atoms()
    assert any(
        is_moved_copy(rolled, other, mirrored=mirrored, upside_down=upside_down)
        for mirrored in (False, True)
        for upside_down in (False, True)
    )


# ---- ten sheets


@pytest.mark.parametrize("name", SHEETS)
def test_atoms_bonds_and_neighbours_of_ten_sheets(name):
    factor = SHEETS[name][1]
    (row,) = Rolled(name, 6 * factor, 2 * factor).run().to_pylist()
    assert row["atoms_lost"] == row["bonds_lost"] == 0
    assert row["same_neighbours"]
    assert row["largest_error_angstrom"] < 1e-6
    assert abs(row["torsion"]) <= 0.01


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("h-BN", [1.446]), ("BC3", [1.42, 1.565]), ("C3N", [1.403]), ("silicene", [2.25]), ("MoS2", [2.41]),
        ("phosphorene", [2.224, 2.244]), ("octagraphene", [1.35, 1.48]), ("C3N4", [1.33, 1.46]),
    ],
)  # fmt: skip
def test_bond_lengths_of_the_sheets_are_the_published_ones(name, published):
    sheet = Sheet.of(SHEETS[name][0]())
    lengths = np.linalg.norm(sheet.bonds[2], axis=1)
    lengths = lengths[lengths < 3.0]  # without Mo-Mo
    assert all(np.abs(lengths - value).min() < 0.01 for value in published)
    assert all(np.abs(np.array(published) - length).min() < 0.01 for length in lengths)


# ---- where the layer is


def moved(atoms, name):
    """Return a layer elsewhere, or in another form."""
    cell, positions = atoms.cell.array, atoms.positions
    changed = atoms.copy()
    if name == "cut by the cell's end":
        changed.pbc = True
        changed.positions = positions + np.array([0.3, 0.2, -positions[:, 2].mean()])
        changed.wrap()
    elif name == "vacuum along a":
        changed = Atoms(atoms.numbers, positions[:, [2, 0, 1]], cell=cell[[2, 0, 1]][:, [2, 0, 1]], pbc=True)
    elif name == "turned":
        changed.rotate(37.0, (1.0, 2.0, 3.0), rotate_cell=True)
        changed.pbc = True
    elif name == "slanted vacuum":
        changed.set_cell(cell + np.array([[0.0] * 3, [0.0] * 3, [1.1, 0.7, 0.0]]))
        changed.pbc = True
    elif name == "no third vector":
        changed.set_cell(cell * [[1.0], [1.0], [0.0]])
        changed.pbc = (True, True, False)
    elif name == "of pymatgen":
        return AseAtomsAdaptor.get_structure(atoms)
    elif name == "a crystal":
        changed.pbc = True
        return Crystal.of(changed)
    return changed


@pytest.mark.parametrize(
    "name",
    [
        "cut by the cell's end",
        "vacuum along a",
        "turned",
        "slanted vacuum",
        "no third vector",
        "of pymatgen",
        "a crystal",
    ],
)
def test_the_layer_is_found_wherever_it_is(name):
    atoms = mx2("MoS2", a=3.16, thickness=3.17, vacuum=8.0)
    sheet, other = Sheet.of(atoms), Sheet.of(moved(atoms, name))
    assert other.thickness_angstrom == pytest.approx(3.17)
    assert np.linalg.norm(other.cell, axis=1) == pytest.approx([3.16, 3.16])
    assert is_moved_copy(other.rolled(8, 3).to_atoms(), sheet.rolled(8, 3).to_atoms())


def test_hexagonal_cells_at_60_and_120_degrees_give_the_same_tubes():
    cell = GRAPHENE.cell.array
    other = GRAPHENE.copy()
    other.set_cell([cell[0], cell[0] + cell[1], cell[2]])
    assert is_moved_copy(Sheet.of(other).rolled(7, 3).to_atoms(), Sheet.of(GRAPHENE).rolled(7, 3).to_atoms())


def test_the_other_side_of_a_sheet_becomes_the_outside():
    janus = mx2("MoS2", a=3.25, thickness=3.2, vacuum=8.0)
    janus.numbers[np.argmax(janus.positions[:, 2])] = 34
    sheet = Sheet.of(janus)
    for side, outer in ((sheet, "S"), (sheet.flipped(), "Se")):
        atoms = side.rolled(14, 5).to_atoms()
        radius = np.hypot(*on_cylinder(atoms)[:, :2].T)
        assert set(np.array(atoms.get_chemical_symbols())[radius > radius.mean() + 1.0]) == {outer}
    flat = Sheet.of(GRAPHENE)
    assert is_moved_copy(flat.flipped().rolled(7, 3).to_atoms(), flat.rolled(7, 3).to_atoms(), mirrored=True)


def test_what_is_no_layer_is_one_sentence():
    two = GRAPHENE.copy()
    two.positions[:, 2] += 3.35
    for structure, message in (
        (GRAPHENE + two, "2 parts"),
        (bulk("Si"), "three directions"),
        (molecule("CO"), "molecule"),
        (ase_nanotube(6, 0), "a chain"),
        (Atoms("Ar", cell=[9.0] * 3, pbc=True), "molecule"),
    ):
        with pytest.raises(StructureError, match=message):
            Sheet.of(structure)
    crystal = Crystal.of(graphene_in_vacuum())
    with pytest.raises(StructureError, match=r"occupancy is 0\.5"):
        Sheet.of(Crystal(crystal.cell, crystal.fractional, crystal.numbers, np.array([1.0, 0.5])))
    slanted = graphene_in_vacuum()
    a, b, c = slanted.cell.array
    slanted.set_cell([a + c, b + c, c])
    with pytest.raises(StructureError, match="not parallel to two of the cell vectors"):
        Sheet.of(slanted)


def graphene_in_vacuum():
    atoms = GRAPHENE.copy()
    atoms.pbc = True
    return atoms


# ---- the period


@pytest.mark.parametrize("seed", range(6))
def test_the_period_of_an_oblique_sheet_is_the_shortest_within_the_torsion(seed):
    rng = np.random.default_rng(seed)
    cell = np.array([[3.0, 0.0], [0.0, -3.5]]) + rng.uniform(-0.9, 0.9, (2, 2))
    sheet = Sheet(cell, np.zeros((1, 2)), np.zeros(1), np.array([6]))
    n, m = rng.integers(-6, 12, 2).tolist()
    found = sheet.translation(n, m)
    around = np.array([n, m]) @ cell
    around /= np.linalg.norm(around)
    everything = np.stack(np.meshgrid(np.arange(-80, 81), np.arange(-80, 81)), axis=-1).reshape(-1, 2)
    vectors = everything @ cell
    height = vectors @ [-around[1], around[0]]
    torsion = np.divide(vectors @ around, height, out=np.full(len(height), np.inf), where=height > 1e-6)
    fits = (height > 1e-6) & (np.abs(torsion) <= 0.01)
    assert found.length_angstrom == pytest.approx(height[fits].min())
    best = torsion[fits & (height < height[fits].min() + 1e-6)]
    assert np.abs(best - found.torsion).min() < 1e-9


def test_a_sheet_without_a_period_is_refused_with_its_misfit():
    sheet = Sheet(np.array([[3.0, 0.0], [0.731, -3.517]]), np.zeros((1, 2)), np.zeros(1), np.array([6]))
    with pytest.raises(StructureError, match=r"smallest misfit is a torsion of 0\.\d+%, and max_torsion is 0\.00%"):
        sheet.translation(7, 4, max_torsion=0.0)
    with pytest.raises(StructureError, match="more than 5,000 atoms"):
        sheet.translation(6000, 0)


def test_impossible_tubes_are_one_sentence():
    disulphide = Sheet.of(mx2("MoS2", vacuum=8.0))
    with pytest.raises(StructureError, match=r"reach 1\.60 Å inwards"):
        disulphide.rolled(2, 0)
    with pytest.raises(StructureError, match=r"Å apart, and 2\.4"):
        disulphide.rolled(4, 0)
    for words in ({"n": 0, "m": 0}, {"n": 4, "m": 0, "cells": 0}, {"n": 4, "m": 0, "max_torsion": -1.0}):
        with pytest.raises(StructureError, match="give n and m that are not both 0"):
            disulphide.rolled(**words)
    with pytest.raises(StructureError, match=r"n=4\.5 must be a whole number"):
        disulphide.rolled(4.5, 0)


def test_twisted_cells_continue_across_their_end():
    build, factor = SHEETS["phosphorene"]
    sheet = Sheet.of(build())
    assert 0.0 < abs(sheet.translation(5 * factor, 2 * factor).torsion) <= 0.01
    one, two = (sheet.rolled(5 * factor, 2 * factor, cells) for cells in (1, 2))
    assert is_moved_copy(one.to_atoms().repeat((1, 1, 2)), two.to_atoms())


# ---- Nanotube.from_sheet


@pytest.mark.parametrize("name", ["h-BN", "BC2N", "C3N", "C3N4"])
@pytest.mark.parametrize("shape", [(5, 1), (2, 4), (-3, 5)])
def test_honeycombs_become_the_nanotube_that_recognition_finds(name, shape):
    sheet = Sheet.of(SHEETS[name][0]())
    made = Nanotube.from_sheet(sheet, *shape)
    assert made.key == from_atoms(sheet.rolled(*shape).to_atoms()).key


def test_the_sites_of_boron_carbide_are_those_of_the_rolled_sheet():
    sheet = Sheet.of(SHEETS["BC3"][0]())  # bonds of 1.42 and 1.56 Å are not recognised in files
    made = Nanotube.from_sheet(sheet, 4, 1)
    assert (made.n, made.m, made.cells) == (8, 2, 2)
    pairs = np.sort(made.species[made.bonds[:, :2]], axis=1)
    assert len(np.unique(pairs, axis=0)) == 2  # C-C and B-C only
    assert (made.species == 3).mean() == 0.25


def test_a_sheet_that_is_no_honeycomb_points_to_rolled():
    for name, reason in (("silicene", "it holds Si"), ("octagraphene", "honeycomb"), ("phosphorene", "it holds P")):
        with pytest.raises(StructureError, match=rf"{reason}.*Sheet.rolled\(n, m\) rolls any sheet"):
            Nanotube.from_sheet(SHEETS[name][0](), 5, 5)
    with pytest.raises(StructureError, match="not both 0"):
        Nanotube.from_sheet(GRAPHENE, 0, 0)


# ---- files


@pytest.mark.parametrize("file", ["tube.cif", "POSCAR", "tube.extxyz"])
def test_rolled_tubes_are_written_and_read_back(file, tmp_path):
    tube = Sheet.of(mx2("MoS2", vacuum=8.0)).rolled(10, 5)
    write(tmp_path / file, tube)
    assert is_moved_copy(ase_read(tmp_path / file), tube.to_atoms())


def test_formats_that_hold_no_crystal_say_so(tmp_path):
    with pytest.raises(FormatError, match="write cif, poscar or extxyz instead"):
        write(tmp_path / "tube.lmp", Sheet.of(GRAPHENE).rolled(6, 0))


def test_a_sheet_is_read_from_a_file(tmp_path):
    GRAPHENE.write(tmp_path / "sheet.cif")
    assert read_sheet(tmp_path / "sheet.cif").area_angstrom2 == pytest.approx(np.sqrt(3.0) / 2.0 * 3.0 * BOND**2)
