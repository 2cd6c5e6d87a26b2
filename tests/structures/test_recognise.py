import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule, nanotube
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from matgym.errors import RecognitionError, StructureError
from matgym.structures import Nanotube, Species
from matgym.structures.io import read, to_atoms, write
from matgym.structures.recognition import recognise, survey
from matgym.units import POISSON_RATIO

CHIRALITIES = [(n, m) for n in range(3, 11) for m in range(n + 1)]
DECORATED = Nanotube(6, 4, 1).decorated({3: "B", 20: "N", 21: "vacancy", 40: "13C", 60: "14C", 61: "vacancy"})


def bare(tube):
    """Return only positions, elements and masses, as a file of another program holds them."""
    atoms = to_atoms(tube)
    return Atoms(atoms.symbols, atoms.positions, masses=atoms.get_masses(), cell=atoms.cell, pbc=atoms.pbc)


@pytest.mark.parametrize("chirality", CHIRALITIES)
def test_tube_that_ase_builds_is_recognised(chirality):
    cells = 1 if chirality[1] not in {0, chirality[0]} else 3
    assert recognise(nanotube(*chirality, length=cells)) == Nanotube(*chirality, cells)


@pytest.mark.parametrize("bond_angstrom", [1.39, 1.45])
def test_tube_of_another_bond_length_is_not_strained(bond_angstrom):
    found = survey(nanotube(8, 2, bond=bond_angstrom))
    assert found.tube == Nanotube(8, 2)
    assert found.bond_length_angstrom == pytest.approx(bond_angstrom, abs=1e-6)
    assert f"bond length {bond_angstrom:.3f} Å in the file" in found.notes[0]


def test_the_difference_of_axial_and_radial_scale_is_strain():
    atoms = nanotube(8, 2, bond=1.40)
    atoms.positions[:, 2] *= 1.03
    atoms.cell[2, 2] *= 1.03
    found = survey(atoms)
    assert found.tube.strain == pytest.approx(0.03 / (1.0 + 1.03 * POISSON_RATIO), abs=1e-6)
    assert found.bond_length_angstrom * (1.0 + found.tube.strain) == pytest.approx(1.40 * 1.03)


def test_boron_nitride_tube_has_boron_on_one_sublattice_and_nitrogen_on_the_other():
    atoms = nanotube(7, 0, length=2, bond=1.45)
    i, j = neighbor_list("ij", atoms, 1.7)
    parity = np.array([0] + [-1] * (len(atoms) - 1))
    while (parity < 0).any():  # from atom 0 along the bonds
        reached = parity[i] >= 0
        parity[j[reached]] = 1 - parity[i[reached]]
    atoms.symbols = np.where(parity, "N", "B")
    tube = recognise(atoms)
    assert (tube.n, tube.m, tube.cells) == (7, 0, 2)
    assert sorted(np.unique(plane).tolist() for plane in tube.image) == [[Species.B], [Species.N]]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([(5, 0), (8, 0), (5, 5), (6, 2), (7, 3)]), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_every_site_of_a_written_tube_is_recognised(chirality, cells, seed):
    rng = np.random.default_rng(seed)
    tube = Nanotube(*chirality, cells, strain=round(rng.uniform(-0.1, 0.1), 6))
    codes = rng.integers(0, 5, tube.n_sites)
    codes[rng.choice(tube.n_sites, tube.n_sites // 6, replace=False)] = Species.VACANCY
    tube = tube.with_species(codes)
    assert recognise(bare(tube)) == tube


def test_a_wall_that_vacancies_cut_into_parts_is_one_tube():
    """The parts share no bond and are as large as walls."""
    codes = np.zeros(32, dtype=np.int8)
    codes[[0, 4, 12, 15, 24]] = Species.VACANCY
    tube = Nanotube(8, 0, 1).with_species(codes)
    assert recognise(bare(tube)) == tube


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_turned_shifted_wrapped_shuffled_relaxed_tube_is_recognised_up_to_symmetry(axis, seed):
    rng = np.random.default_rng(seed)
    tube = [DECORATED, DECORATED.strained(0.08), Nanotube(9, 0, 3).decorated({0: "B", 9: "B", 33: "N"})][seed % 3]
    atoms = bare(tube)
    atoms.rotate(rng.uniform(0.0, 360.0), "z", center="COU")
    atoms.positions += rng.uniform(-20.0, 20.0, 3) + rng.normal(0.0, 0.05, atoms.positions.shape)
    order = np.roll([0, 1, 2], axis + 1)  # a cyclic exchange of the axes is a rotation
    atoms.set_cell(np.diag(atoms.cell.lengths()[order]))
    atoms.positions = atoms.positions[:, order]
    atoms.pbc = True
    atoms.wrap()
    assert recognise(atoms[rng.permutation(len(atoms))]).key == tube.key


def test_upside_down_tube_is_recognised_up_to_symmetry():
    atoms = bare(DECORATED)
    atoms.positions[:, 1:] *= -1.0  # half a turn about x
    assert recognise(atoms).key == DECORATED.key


def test_tube_along_a_slanted_cell_vector_is_recognised():
    atoms = bare(DECORATED)
    atoms.rotate(40.0, (1, 2, 3), rotate_cell=True)
    atoms.pbc = True
    assert recognise(atoms).key == DECORATED.key


@pytest.mark.parametrize("chirality", [(10, 10), (20, 0), (20, 20)])
@pytest.mark.parametrize("gap_angstrom", [3.2, 4.0])
def test_tube_in_a_hexagonal_bundle_is_recognised_across_the_cell_boundary(chirality, gap_angstrom):
    tube = Nanotube(*chirality, 1).decorated({0: "B", 17: "N", 18: "vacancy", 22: "vacancy"})
    atoms = bare(tube)
    side = tube.diameter_nm * 10.0 + gap_angstrom
    atoms.set_cell([side, side, atoms.cell[2, 2], 90, 90, 120])
    atoms.pbc = True
    for shift in np.linspace(0.0, side, 4):
        moved = atoms.copy()
        moved.positions += [shift, 0.7 * shift, 1.0]
        moved.wrap()
        assert recognise(moved).key == tube.key


def test_natural_carbon_counts_as_12c_and_isotopes_are_recognised_by_mass():
    atoms = nanotube(6, 0)  # ASE gives carbon its natural 12.011 u
    assert recognise(atoms).is_pristine
    atoms.set_masses([13.00335, 14.003, *[None] * (len(atoms) - 2)])
    counts = recognise(atoms).counts
    assert (counts[Species.C13], counts[Species.C14]) == (1, 1)


@pytest.mark.parametrize("n_atoms", [200, 2000])
def test_recognition_takes_well_under_a_second(n_atoms):
    atoms = bare(Nanotube(10, 10, n_atoms // 40))
    atoms.rotate(10.0, "z", center="COU")
    start = time.process_time()
    recognise(atoms)
    assert time.process_time() - start < (0.5 if n_atoms == 200 else 3.0)


# ---- Stone-Wales pairs


def with_turned_bonds(tube, rng, attempts=3):
    for bond in rng.integers(0, len(tube.lattice.bonds), attempts):
        a, b, _ = tube.lattice.bonds[bond].tolist()
        try:
            tube = tube.turned((a, b))
        except StructureError:  # it touches another pair
            continue
    return tube


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(8, 0, 4), (5, 5, 6), (10, 10, 4), (4, 2, 3), (6, 4, 1), (7, 3, 1)]),
    st.integers(0, 2**32 - 1),
)
def test_turned_bonds_are_recognised_with_all_sites(shape, seed):
    rng = np.random.default_rng(seed)
    tube = Nanotube(*shape, strain=round(rng.uniform(-0.1, 0.1), 6))
    tube = with_turned_bonds(tube.with_species(rng.integers(0, 5, tube.n_sites)), rng)
    free = np.setdiff1d(np.arange(tube.n_sites), tube.stone_wales)
    tube = tube.decorated(dict.fromkeys(rng.choice(free, 3, replace=False).tolist(), "vacancy"))
    assert recognise(bare(tube)) == tube


@pytest.mark.parametrize("name", ["tube.cif", "POSCAR"])
@pytest.mark.parametrize("shape", [(8, 0, 4), (5, 5, 6), (6, 4, 1)])
def test_turned_bonds_are_recognised_in_files_that_hold_positions_only(tmp_path, name, shape):
    tube = with_turned_bonds(Nanotube(*shape).decorated({0: "B", 9: "N", 30: "vacancy"}), np.random.default_rng(1))
    assert tube.stone_wales
    write(tmp_path / name, tube)
    assert read(tmp_path / name) == tube


@pytest.mark.parametrize("seed", range(10))
def test_turned_bonds_are_recognised_in_any_orientation(seed):
    rng = np.random.default_rng(seed)
    tube = with_turned_bonds(Nanotube(7, 0, 5, strain=0.05).decorated({0: "B", 1: "N"}), rng)
    atoms = bare(tube)
    if seed % 2:
        atoms.positions[:, 0] *= -1.0  # the mirror image
    atoms.rotate(rng.uniform(0.0, 360.0), "z", center="COU")
    atoms.positions += rng.uniform(-20.0, 20.0, 3) + rng.normal(0.0, 0.05, atoms.positions.shape)
    atoms.pbc = True
    atoms.wrap()
    assert recognise(atoms[rng.permutation(len(atoms))]).key == tube.key


def test_a_half_turned_bond_raises():
    tube = with_turned_bonds(Nanotube(8, 0, 4), np.random.default_rng(0), attempts=1)
    atoms = bare(tube)
    (pair,) = tube.stone_wales
    sites = list(pair)
    atoms.positions[sites] = (atoms.positions[sites] + bare(Nanotube(8, 0, 4)).positions[sites]) / 2.0
    with pytest.raises(RecognitionError, match=r"fits, but its bonds are 1.00 to 1.88 Å long"):
        recognise(atoms)


def test_turned_bonds_that_touch_raise_an_error_that_names_them():
    tube = Nanotube(8, 0, 4)
    first = tube.lattice.bonds[0, :2].tolist()
    around = np.isin(tube.lattice.bonds[:, :2], tube.lattice.neighbours[first].ravel()).any(axis=1)
    atoms, found = bare(tube), []
    for bond in np.flatnonzero(around):
        second = tube.lattice.bonds[bond, :2].tolist()
        if set(first) & set(second):
            continue
        moved = atoms.copy()
        for pair in (first, second):
            moved.positions[pair] = bare(tube.turned(tuple(pair))).positions[pair]
        with pytest.raises(RecognitionError) as caught:
            recognise(moved)
        found.append(str(caught.value))
    assert any("with turned bonds fits, but the Stone-Wales pair" in message for message in found)


# ---- structures that are no tubes


def flat_sheet():
    return graphene(size=(6, 4, 1), vacuum=8.0)


def rippled_sheet():
    sheet = graphene(size=(6, 4, 1), vacuum=8.0)
    sheet.positions += np.random.default_rng(0).normal(0.0, 0.1, sheet.positions.shape)
    sheet.pbc = True
    return sheet


def almost_flat_sheet():
    """Seen end on, an arc of a radius far beyond any tube."""
    sheet = graphene(size=(6, 4, 1), vacuum=8.0)
    sheet.rattle(1e-4, seed=0)
    return sheet


def no_atoms():
    return Atoms(cell=[20.0, 20.0, 4.26], pbc=True)


def half_a_tube():
    atoms = nanotube(10, 0, length=3)
    return atoms[atoms.positions[:, 0] > atoms.positions[:, 0].mean()]


def boxed_molecule():
    atoms = molecule("C60", vacuum=5.0)
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize(
    "build",
    [
        flat_sheet,
        rippled_sheet,
        almost_flat_sheet,
        no_atoms,
        half_a_tube,
        boxed_molecule,
        lambda: bulk("C", cubic=True) * (2, 2, 2),
    ],
)
def test_atoms_that_form_no_single_walled_tube_raise(build):
    with pytest.raises(RecognitionError, match=r"one cylinder|no chirality fits|sites are empty|no atoms"):
        recognise(build())


def test_atoms_without_a_periodic_axis_raise():
    atoms = nanotube(6, 0, length=3)
    atoms.pbc = False
    with pytest.raises(RecognitionError, match="periodic in no direction"):
        recognise(atoms)
    with pytest.raises(RecognitionError, match="holds no atoms"):
        recognise(Atoms())


def test_other_elements_raise_an_error_that_names_them():
    with pytest.raises(RecognitionError, match="element Si "):
        recognise(nanotube(6, 0, symbol="Si", bond=2.2))


def test_carbon_of_no_known_isotope_raises():
    atoms = nanotube(6, 0)
    atoms.set_masses([11.011, *[None] * (len(atoms) - 1)])
    with pytest.raises(RecognitionError, match=r"mass of 11\.011 u"):
        recognise(atoms)


def test_a_left_handed_tube_is_read_as_its_mirror_image_and_said():
    atoms = nanotube(4, 7)
    found = survey(atoms)
    assert found.tube == Nanotube(7, 4)
    assert "left-handed (4, 7) tube, read as its mirror image" in found.notes[0]
    atoms.positions[:, 0] *= -1.0
    assert survey(atoms).notes == ()


def test_mirror_image_of_an_achiral_tube_is_recognised():
    tube = Nanotube(6, 6, 2).decorated({0: "B", 5: "N", 11: "N"})
    atoms = bare(tube)
    atoms.positions[:, 0] *= -1.0
    assert recognise(atoms).key == tube.key


def test_a_tube_with_too_many_empty_sites_raises():
    tube = Nanotube(8, 0, 3)
    some = np.random.default_rng(1).permutation(tube.n_sites)
    kept = tube.decorated(dict.fromkeys(some[:19].tolist(), "vacancy"))
    assert recognise(bare(kept)) == kept
    with pytest.raises(RecognitionError, match="20 of its 96 sites are empty"):
        recognise(bare(tube.decorated(dict.fromkeys(some[:20].tolist(), "vacancy"))))


def test_a_tube_with_vacancies_on_one_sublattice_only_is_recognised():
    tube = Nanotube(8, 0, 3)
    tube = tube.decorated(dict.fromkeys(np.random.default_rng(2).permutation(48)[:19].tolist(), "vacancy"))
    atoms = bare(tube)
    atoms.rattle(0.08, seed=0)
    assert recognise(atoms) == tube


def test_two_atoms_on_one_site_raise():
    atoms = bare(Nanotube(8, 0, 3).decorated({0: "vacancy", 1: "vacancy"}))
    atoms.append(atoms[20])
    with pytest.raises(RecognitionError, match=r"atoms 20 and 94 are 0.0 Å apart: remove"):
        recognise(atoms)


def test_an_atom_off_the_wall_raises():
    atoms = bare(Nanotube(8, 0, 3))
    atoms.positions[0, 0] += 1.6  # site 0 lies on the x axis
    with pytest.raises(RecognitionError, match="do not form one cylinder"):
        recognise(atoms)


def test_an_atom_far_from_any_site_raises():
    atoms = bare(Nanotube(8, 0, 3))
    atoms.positions[10, 2] += 0.7
    with pytest.raises(RecognitionError, match=r"fits, but its bonds are 0.72 to 1.87 Å long"):
        recognise(atoms)


def test_a_first_atom_without_neighbours_is_one_sentence():
    """Found by the fuzzer: SciPy's empty sparse array was an error from within."""
    atoms = nanotube(8, 0)
    atoms.positions[0] += (40.0, 0.0, 0.0)
    with pytest.raises(RecognitionError):
        recognise(atoms)
