"""Extended tight binding: bands against tblite's own and longer cells, known gaps, relaxation, formation energies.

All tolerances but one, which says so, were chosen before the results. The gaps of unrelaxed tubes are those of an
independent script with tblite (`physics-nanotube.md` of the project), to their two or three digits.
"""

import sys

import numpy as np
import pytest

from matgym.errors import ConfigurationError, MissingExtraError, StructureError
from matgym.models import Level
from matgym.physics.electrons.bands import GAP_EV
from matgym.physics.mechanics.formation import FORMATION_EV
from matgym.physics.registry import levels_of, oracle_of
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.physics.xtb.relaxation import longer, scaled_atoms, tersoff_start
from matgym.physics.xtb.states import GUESS, VACUUM_ANGSTROM, XtbMethod, repeats, solve
from matgym.structures import Nanotube, Species

interface = pytest.importorskip("tblite.interface")
ase_units = pytest.importorskip("ase.units")

LEVEL_TOLERANCE_EV = 1e-4  # of levels that tblite prints itself
METAL_EV = 2e-3  # of the gap of a metal
FOLDED_EV = 0.3  # at least the gap that Γ alone gives it
CELLS_EV = 0.01  # of gaps of cells of different length
DOPED_CELLS_EV = 0.05  # the same with dopants, whose charges are those of Γ: 0.01 was chosen, 0.039 was measured
KNOWN_EV = 0.01  # of known gaps
REST_EV_PER_ANGSTROM = 0.03
NEUTRAL = 1e-6

DOPED = Nanotube(7, 0, 2).decorated({0: "B", 40: "N"})


def ideal(tube):
    """Return the atoms of a pristine tube on the rolled sheet."""
    from ase import Atoms

    side = 10.0 * tube.diameter_nm + VACUUM_ANGSTROM
    cell = [side, side, tube.length_angstrom]
    return Atoms(f"C{tube.n_sites}", positions=tube.positions_angstrom, cell=cell, pbc=True)


@pytest.fixture(scope="module")
def doped():
    """Atoms and states of a doped tube in the scaled Tersoff geometry."""
    atoms = scaled_atoms(tersoff_start(DOPED))
    return atoms, solve(atoms, XtbMethod.GFN1)


def test_levels_at_gamma_are_those_of_tblite(doped):
    atoms, states = doped
    calculator = interface.Calculator(
        "GFN1-xTB", atoms.numbers, atoms.positions / ase_units.Bohr,
        lattice=atoms.cell.array / ase_units.Bohr, periodic=np.ones(3, dtype=bool),
    )  # fmt: skip
    calculator.set("verbosity", 0)
    calculator.set("guess", GUESS)  # the start leaves 0.1 meV in the levels, within tblite's convergence
    found = calculator.singlepoint()
    np.testing.assert_allclose(
        states.bands(0.0), found["orbital-energies"] * ase_units.Hartree, atol=LEVEL_TOLERANCE_EV
    )
    assert states.electrons == round(found["orbital-occupations"].sum())
    assert states.energy_ev == pytest.approx(found["energy"] * ase_units.Hartree, abs=LEVEL_TOLERANCE_EV)


def test_bands_are_symmetric_and_periodic_in_the_phase(doped):
    _, states = doped
    np.testing.assert_allclose(states.bands(-0.8), states.bands(0.8), atol=LEVEL_TOLERANCE_EV)
    np.testing.assert_allclose(states.bands(0.8 + 2.0 * np.pi), states.bands(0.8), atol=LEVEL_TOLERANCE_EV)


def test_an_armchair_tube_is_a_metal_though_gamma_alone_has_a_gap():
    states = solve(ideal(Nanotube(5, 5, 4)), XtbMethod.GFN1)
    assert states.gap_at_gamma_ev > FOLDED_EV
    assert states.gap_ev() < METAL_EV


@pytest.mark.long
def test_the_gap_of_a_doped_cell_is_near_that_of_two(doped):
    _, states = doped
    twice = solve(scaled_atoms(tersoff_start(DOPED.repeated(2))), XtbMethod.GFN1)
    assert twice.gap_ev() == pytest.approx(states.gap_ev(), abs=DOPED_CELLS_EV)


def test_bands_of_one_cell_are_those_of_two():
    states, twice = (solve(ideal(Nanotube(7, 0, cells)), XtbMethod.GFN1) for cells in (2, 4))
    assert twice.gap_ev() == pytest.approx(states.gap_ev(), abs=CELLS_EV)
    both = np.sort(np.concatenate([states.bands(0.0), states.bands(np.pi)]))
    half = twice.electrons // 2
    np.testing.assert_allclose(twice.bands(0.0)[half - 6 : half + 6], both[half - 6 : half + 6], atol=CELLS_EV)


@pytest.mark.parametrize(("n", "gap_ev"), [(8, 0.90), (9, 0.108), (10, 0.84)])
def test_gaps_of_unrelaxed_zigzag_tubes(n, gap_ev):
    assert solve(ideal(Nanotube(n, 0, 2)), XtbMethod.GFN1).gap_ev() == pytest.approx(gap_ev, abs=KNOWN_EV)


def test_the_tube_at_rest_has_no_forces_and_neutral_charges():
    from tblite.ase import TBLite

    oracle = XtbElectrons()
    atoms = oracle.geometry(DOPED)
    atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < REST_EV_PER_ANGSTROM
    assert atoms.get_chemical_symbols().count("B") == atoms.get_chemical_symbols().count("N") == 2  # two periods
    start = scaled_atoms(tersoff_start(DOPED))
    start.calc = TBLite(method="GFN1-xTB", verbosity=0)
    assert atoms.get_potential_energy() < start.get_potential_energy()


def test_charges_are_those_of_sites_with_short_cells_repeated():
    short = Nanotube(7, 0, 1).decorated({0: "N", 20: "N"})
    assert longer(short).cells == 4
    charges = XtbElectrons(force_ev_per_angstrom=1.0).charges(short)
    assert charges.sum() == pytest.approx(0.0, abs=1e-3)
    assert np.argmin(charges) in {0, 20}
    np.testing.assert_array_equal(np.sort(np.argsort(charges)[:2]), [0, 20])


@pytest.mark.long
def test_formation_energies_and_gaps_of_a_batch():
    tubes = [Nanotube(7, 0, 2), DOPED, DOPED.decorated({25: "vacancy"}), Nanotube(7, 0, 2).twisted(0.01)]
    predictions = XtbElectrons().predict(tubes)
    formation = predictions[FORMATION_EV]
    assert formation[0] == pytest.approx(0.0, abs=1e-3)
    assert 0.0 < formation[1] < 6.0  # Tersoff and SevenNet: 2.4 eV for neighbours, 3.5 eV far apart
    assert 4.0 < formation[2] - formation[1] < 12.0  # a vacancy: 7 to 9 eV
    assert np.isnan(formation[3])
    assert "no period" in predictions.reasons[3]
    assert predictions[GAP_EV][0] > predictions[GAP_EV][1]
    given = XtbElectrons(chemical_potentials_ev={"N": 0.0, "B": 0.0})
    assert given.formation_ev(DOPED, 0.0) > 0.0


def test_the_registry_has_the_level():
    assert levels_of("gap")[-1] == Level.XTB
    assert levels_of("formation_ev") == (Level.CLASSICAL, Level.XTB, Level.MACHINE_LEARNED)
    assert oracle_of("formation", level=Level.XTB) == XtbElectrons()


def test_short_periods_are_repeated():
    assert [repeats(length) for length in (2.46, 4.26, 7.99, 8.0, 20.0)] == [7, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "GFN0-xTB"}, "method='GFN0-xTB' is not known"),
        ({"max_steps": 0}, "max_steps"),
        ({"chemical_potentials_ev": {"N": np.inf}}, "chemical_potentials_ev"),
    ],
)
def test_wrong_settings_are_errors(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        XtbElectrons(**arguments)


def test_tubes_that_are_too_large_or_twisted_are_errors():
    with pytest.raises(StructureError, match="too large for xTB"):
        XtbElectrons().geometry(Nanotube(20, 0, 10))
    with pytest.raises(StructureError, match="no period"):
        XtbElectrons().geometry(Nanotube(7, 0, 2).twisted(0.01))


def test_without_tblite_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tblite", None)  # every import of it raises an error
    with pytest.raises(MissingExtraError, match=r"matgym\[xtb\]"):
        XtbElectrons().predict([Nanotube(7, 0, 2)])


def test_a_vacant_site_has_no_charge():
    tube = Nanotube(7, 0, 2).decorated({0: "vacancy"})
    charges = XtbElectrons(force_ev_per_angstrom=5.0).charges(tube)
    assert np.isnan(charges[0])
    assert np.isfinite(charges[1:]).all()
    assert tube.species[0] == Species.VACANCY
