"""The self-consistent π model: lattice sums against analytic and direct ones, limits, symmetry, conservation, failures.

All tolerances were chosen before the results.
"""

from itertools import pairwise

import numpy as np
import pytest

from matgym.errors import ConfigurationError, PropertyError, RelaxationError
from matgym.models import Level
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.charges import CHARGE_TOLERANCE, improved, occupations, self_consistent
from matgym.physics.electrons.electrostatics import COULOMB_EV_ANGSTROM, ohno
from matgym.physics.electrons.self_consistent import (
    MESH_ANGSTROM,
    SelfConsistentElectrons,
    SelfConsistentParameters,
    charged,
)
from matgym.physics.electrons.tight_binding import PiParameters, stacked
from matgym.physics.registry import levels_of, oracle_of, predict
from matgym.structures import Nanotube, Species

SUM_TOLERANCE = 1e-5  # relative, of lattice sums
GAP_TOLERANCE_EV = 1e-6  # of gaps of the same Hamiltonian
EXACT = 1e-9  # of sums of charges
STEP_ERROR_EV = 1e-3  # of potentials after many steps
CHARGE_ERROR = 1e-5  # of equivalent sites: ten times the tolerance of the iteration
LEAD_ERROR_EV = 0.1  # of the potential next to the leads
MESH_ERROR_EV = 5e-3  # of gaps from the charges of different meshes

TUBE = Nanotube(10, 0, 2).decorated({3: "B", 50: "N", 17: "N", 61: "B"})
CARBON = PiParameters()


def direct_sum(positions, charges, period, softening, twist=0.0, images=20_000):
    """Return the potentials of a neutral cell, in charges per Å, with an explicit sum over images."""
    steps = np.arange(-images, images + 1)
    potentials = np.zeros(len(charges))
    for i, place in enumerate(positions):
        for charge, (x, y, z) in zip(charges, positions, strict=True):
            angle = np.arctan2(y, x) + twist * steps
            radius = np.hypot(x, y)
            image = np.stack([radius * np.cos(angle), radius * np.sin(angle), z + period * steps])
            potentials[i] += charge * (1.0 / np.sqrt(((image - place[:, None]) ** 2).sum(axis=0) + softening**2)).sum()
    return potentials


def test_madelung_energy_of_a_chain_of_alternating_charges():
    on_site = 1000.0  # eV; the softening is then 0.01 Å, and the chain is of points
    chain = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    potential = ohno(chain, 2.0, np.full((1, 2), on_site), 1.0)[0] @ [1.0, -1.0]
    assert potential[0] - on_site == pytest.approx(-2.0 * np.log(2.0) * COULOMB_EV_ANGSTROM, rel=1e-3)
    assert potential.sum() == pytest.approx(0.0, abs=EXACT * on_site)


@pytest.mark.parametrize("twist", [0.0, 0.7])
def test_lattice_sum_equals_a_direct_sum(twist):
    rng = np.random.default_rng(1)
    angle, charges = rng.uniform(0.0, 2.0 * np.pi, 6), rng.normal(size=6)
    charges -= charges.mean()
    positions = np.column_stack([4.0 * np.cos(angle), 4.0 * np.sin(angle), rng.uniform(0.0, 8.5, 6)])
    u, permittivity = 8.0, 2.0
    potentials = ohno(positions, 8.5, np.full((1, 6), u), permittivity, twist)[0] @ charges
    strength = COULOMB_EV_ANGSTROM / permittivity
    expected = strength * direct_sum(positions, charges, 8.5, strength / u, twist)
    np.testing.assert_allclose(potentials, expected, atol=SUM_TOLERANCE * np.abs(expected).max())


def test_interaction_is_symmetric_with_different_atoms():
    u = np.array([[8.0, 9.0, 12.0]])
    places = np.array([[4.0, 0.0, 0.0], [0.0, 4.0, 1.0], [-4.0, 0.0, 3.0]])
    matrix = ohno(places, 8.5, u, 2.0)[0]
    np.testing.assert_allclose(matrix, matrix.T, atol=EXACT)


def test_steps_have_the_fixed_point_of_plain_relaxation():
    """Plain relaxation by a small step needs neither screening nor history."""
    tube = Nanotube(8, 0, 2).decorated({3: "B", 40: "N", 17: "vacancy"})
    oracle = SelfConsistentElectrons()
    (system,) = oracle.systems([tube], [0])
    everything, present = np.array([True]), tube.species != Species.VACANCY
    electrons = system.brought
    for _ in range(400):
        potentials = system.charge_potentials(electrons, everything)
        electrons = electrons + 0.05 * (system.electrons(potentials, everything) - electrons)
    wanted = system.charge_potentials(electrons, everything)
    found = improved(system, np.zeros_like(wanted), 20)
    np.testing.assert_allclose(found[:, present], wanted[:, present], atol=STEP_ERROR_EV)


def test_steps_from_neutral_atoms_lead_to_the_self_consistent_potentials():
    (system,) = SelfConsistentElectrons().systems([TUBE], [0])
    wanted = self_consistent(system, 100)[0]
    errors = [np.abs(improved(system, np.zeros_like(wanted), steps) - wanted).max() for steps in (0, 4, 8, 12)]
    assert errors[0] > 1.0  # eV
    assert all(later < before / 5.0 for before, later in pairwise(errors)), errors


def test_without_interaction_it_is_the_pi_model():
    onsite = {"B": 3.51, "N": -3.51}
    none = SelfConsistentParameters(
        carbon=CARBON, onsite_ev=onsite, u_ev=dict.fromkeys("CBN", 0.0), ratios={}, neighbours_ev={}
    )
    pi = PiParameters(onsite_ev={Species[key]: value for key, value in onsite.items()})
    tubes = [TUBE, Nanotube(6, 6, 3).decorated({0: "B", 9: "vacancy", 30: "vacancy"}), TUBE.strained(0.05)]
    expected = PiElectrons(pi, method="dense").predict(tubes)
    found = SelfConsistentElectrons(none).predict(tubes)
    for key in ("gap_ev", "fermi_ev"):
        np.testing.assert_allclose(found[key], expected[key], atol=GAP_TOLERANCE_EV)


def test_a_pristine_tube_has_no_charges_and_the_gap_of_the_pi_model():
    tubes = [Nanotube(9, 0, 2), Nanotube(10, 0, 2), Nanotube(6, 6, 4), Nanotube(8, 4, 1)]
    oracle = SelfConsistentElectrons()
    pi = PiElectrons(oracle.parameters.carbon)
    np.testing.assert_allclose(oracle.predict(tubes)["gap_ev"], pi.predict(tubes)["gap_ev"], atol=GAP_TOLERANCE_EV)
    assert np.abs(oracle.charges(tubes[0])).max() < CHARGE_TOLERANCE


def test_a_uniform_potential_changes_nothing():
    parameters = SelfConsistentParameters()
    (bare,) = stacked([TUBE], parameters.bare)
    system, every = charged(bare, [TUBE], parameters), np.ones(1, dtype=bool)
    potentials, electrons, _ = self_consistent(system, 100)
    np.testing.assert_allclose(
        system.electrons(potentials + 3.7, every), system.electrons(potentials, every), atol=EXACT
    )
    shifted = system.charge_potentials(electrons, every) - system.charge_potentials(system.brought, every)
    np.testing.assert_allclose(shifted, potentials, atol=EXACT)


def test_charges_are_conserved_and_reproduce_themselves():
    parameters = SelfConsistentParameters()
    (bare,) = stacked([TUBE], parameters.bare)
    system, every = charged(bare, [TUBE], parameters), np.ones(1, dtype=bool)
    potentials, electrons, change = self_consistent(system, 100)
    assert electrons.sum() == pytest.approx(TUBE.n_sites, abs=EXACT * TUBE.n_sites)
    assert change[0] <= CHARGE_TOLERANCE
    np.testing.assert_allclose(system.electrons(potentials, every), electrons, atol=2 * CHARGE_TOLERANCE)


def test_boron_gains_and_nitrogen_loses_pi_electrons():
    charges = SelfConsistentElectrons().charges(TUBE)
    assert (charges[TUBE.species == Species.B] < 0.0).all()
    assert (charges[TUBE.species == Species.N] > 0.0).all()
    assert charges.sum() == pytest.approx(0.0, abs=EXACT * TUBE.n_sites)


def test_equivalent_sites_have_equal_charges():
    ring = Nanotube(10, 0, 2).decorated(dict.fromkeys(range(0, 10, 5), "B") | dict.fromkeys(range(40, 50, 5), "N"))
    assert ring.rotated(5) == ring
    oracle = SelfConsistentElectrons()
    charges = oracle.charges(ring)
    sites = np.arange(ring.n_sites, dtype=np.float64)
    turned = np.array([np.flatnonzero(ring.with_species(_mark(site, ring)).rotated(5).species)[0] for site in sites])
    np.testing.assert_allclose(charges[turned.astype(int)], charges, atol=CHARGE_ERROR)
    np.testing.assert_allclose(
        oracle.predict([TUBE.rotated(3), TUBE.flipped()])["gap_ev"],
        np.repeat(oracle.predict([TUBE])["gap_ev"], 2),
        atol=CHARGE_ERROR,
    )


def _mark(site, tube):
    species = np.zeros(tube.n_sites, dtype=np.uint8)
    species[int(site)] = Species.B
    return species


def test_a_repeated_cell_has_the_same_gap_and_charges():
    oracle, twice = SelfConsistentElectrons(), TUBE.repeated(2)
    np.testing.assert_allclose(oracle.predict([twice])["gap_ev"], oracle.predict([TUBE])["gap_ev"], atol=MESH_ERROR_EV)
    assert sorted(oracle.charges(twice)[twice.species == Species.B].round(3))[::2] == sorted(
        oracle.charges(TUBE)[TUBE.species == Species.B].round(3)
    )


def test_rows_do_not_depend_on_their_batch():
    tubes = [TUBE, Nanotube(10, 0, 2).decorated({0: "N", 1: "N", 44: "B", 70: "B"}), Nanotube(6, 6, 4), TUBE]
    oracle = SelfConsistentElectrons()
    together = oracle.predict(tubes)["gap_ev"]
    alone = [oracle.predict([tube])["gap_ev"][0] for tube in tubes]
    np.testing.assert_allclose(together, alone, atol=GAP_TOLERANCE_EV)


def test_charges_that_do_not_converge_are_a_recorded_failure():
    predictions = SelfConsistentElectrons(max_iterations=2).predict([TUBE, Nanotube(10, 0, 2)])
    assert np.isnan(predictions["gap_ev"][0])
    assert predictions["gap_ev"][1] > 0.0
    assert "do not converge" in predictions.reasons[0]
    with pytest.raises(RelaxationError, match="increase max_iterations"):
        SelfConsistentElectrons(max_iterations=2).charges(TUBE)


def test_a_vacant_site_has_no_charge():
    tube = TUBE.decorated({30: "vacancy", 35: "vacancy"})
    charges = SelfConsistentElectrons().charges(tube)
    assert charges[[30, 35]] == pytest.approx(0.0, abs=EXACT)
    assert charges.sum() == pytest.approx(0.0, abs=EXACT * tube.n_sites)


def test_tubes_that_the_model_does_not_hold_for_fail():
    tubes = [Nanotube(5, 0, 2), Nanotube(10, 0, 2).decorated(dict.fromkeys(range(80), "B"))]
    predictions = SelfConsistentElectrons().predict(tubes)
    assert "0.6 nm" in predictions.reasons[0]
    assert "no band edge" in predictions.reasons[1]


def test_potentials_vanish_in_the_leads():
    device = Nanotube(10, 0, 1).decorated({3: "B", 27: "N"})
    longer, potentials = SelfConsistentElectrons().potentials_between_leads_ev(device)
    height = longer.lattice.site_fractions[:, 1] * longer.cells
    outermost = (height < 1.0) | (height >= longer.cells - 1.0)
    assert (potentials[outermost] == 0.0).all()
    assert np.abs(potentials[~outermost & ((height < 2.0) | (height >= longer.cells - 2.0))]).max() < LEAD_ERROR_EV
    assert potentials[longer.species == Species.B] > 1.0
    assert potentials[longer.species == Species.N] < -1.0


def test_occupations_hold_the_electrons():
    energies = np.random.default_rng(2).normal(size=(3, 4, 20))
    pairs = np.array([5.0, 10.5, 19.0])
    found = occupations(energies, np.full(4, 0.25), pairs)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), pairs, rtol=EXACT)
    assert found.max() <= 0.25 * (1.0 + EXACT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"onsite_ev": {"C": 1.0}}, "onsite_ev holds 'C'"),
        ({"ratios": {"CC": 1.0}}, "ratios holds 'CC'"),
        ({"permittivity": 0.5}, "permittivity=0.5"),
        ({"neighbours_ev": {"NC": 0.1}}, "neighbours_ev holds 'NC'"),
        ({"u_ev": {"C": -1.0, "B": 8.0, "N": 8.0}}, "u_ev"),
    ],
)
def test_wrong_parameters_are_errors(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        SelfConsistentParameters(**arguments)


def test_each_bond_to_a_dopant_shifts_an_atom():
    pair = Nanotube(10, 0, 2).decorated({3: "B"})
    bonded = pair.bonds[(pair.bonds[:, :2] == 3).any(axis=1), :2]
    carbons = bonded[bonded != 3].tolist()
    tube = pair.decorated({carbons[0]: "N", carbons[1]: "vacancy"})
    shifts = SelfConsistentParameters(neighbours_ev={"CB": 0.3, "BN": 0.05, "NB": 0.7}).shifts_ev(tube)
    expected = np.zeros(tube.n_sites)
    expected[[3, *carbons]] = 0.05, 0.7, 0.0, 0.3
    np.testing.assert_allclose(shifts, expected, atol=EXACT)


def test_shifts_are_on_site_energies():
    """With a shift of every carbon beside boron as large as boron's own energy, four sites are alike."""
    none = dict.fromkeys("CBN", 0.0)
    shifted = SelfConsistentParameters(onsite_ev={"B": 2.0, "N": 0.0}, u_ev=none, neighbours_ev={"CB": 2.0}, ratios={})
    tube = Nanotube(10, 0, 2).decorated({3: "B", 44: "B"})
    alike = tube.decorated(dict.fromkeys(np.flatnonzero(shifted.shifts_ev(tube)).tolist(), "N"))
    named = SelfConsistentParameters(onsite_ev={"B": 2.0, "N": 2.0}, u_ev=none, neighbours_ev={}, ratios={})
    energies = []
    for parameters, each in ((shifted, tube), (named, alike)):
        (bare,) = stacked([each], parameters.bare)
        system = charged(bare, [each], parameters)
        energies.append(np.linalg.eigvalsh(system.bare.bloch(np.array([0.4]))))
    np.testing.assert_allclose(*energies, atol=GAP_TOLERANCE_EV)


def test_the_mesh_of_charges_is_converged_and_the_gamma_point_is_not():
    gamma, default, fine = (
        float(SelfConsistentElectrons(mesh_angstrom=angstrom).predict([TUBE])["gap_ev"][0])
        for angstrom in (0.0, MESH_ANGSTROM, 4.0 * MESH_ANGSTROM)
    )
    assert default == pytest.approx(fine, abs=MESH_ERROR_EV)
    assert abs(gamma - fine) > 2.0 * MESH_ERROR_EV
    with pytest.raises(ConfigurationError, match="mesh_angstrom=-1"):
        SelfConsistentElectrons(mesh_angstrom=-1.0)


def test_the_registry_computes_by_a_named_level():
    assert levels_of("gap")[:2] == (Level.PI, Level.SCC_PI)
    assert oracle_of("gap", level=Level.SCC_PI) == SelfConsistentElectrons()
    by_level = predict([TUBE], ["gap"], level="self-consistent π tight binding")
    np.testing.assert_array_equal(by_level["gap_ev"], SelfConsistentElectrons().predict([TUBE])["gap_ev"])
    assert predict([TUBE], ["gap"])["gap_ev"][0] == PiElectrons().predict([TUBE])["gap_ev"][0]
    with pytest.raises(PropertyError, match="no oracle computes 'zt' by level='extended tight binding'"):
        oracle_of("zt", level=Level.XTB)
