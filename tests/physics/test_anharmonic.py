"""Three-phonon scattering against phono3py on LAMMPS forces, and heat in long tubes against limits and publications.

`scripts/studies/optics/phono3py_reference.py` made the stored references: linewidths and κ in the relaxation-time
approximation of (5,5) and (10,10), on meshes that hold the same waves as ours.
"""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.physics import LongTubeHeat, PhononTransport
from matgym.physics.phonons.anharmonic import collisions, half_of_waves, modes, third_order
from matgym.physics.phonons.boltzmann import mass_variance
from matgym.physics.phonons.vibrations import mode_heat_j_k
from matgym.structures import Nanotube

DATA = Path(__file__).parent / "data"

LINEWIDTH_TOLERANCE = 2e-3  # rms over rms; measured: 3e-4 and 6e-4, by finite differences of forces
FREQUENCY_TOLERANCE_THZ = 5e-3
CONDUCTIVITY_TOLERANCE = 0.01  # measured: 7e-4 and 7e-3
FULL_TOLERANCE = 0.02  # measured: 0.5 and 1.0 %
SUM_RULE = 1e-8  # eV/Å³, of third derivatives of up to 200
BALLISTIC_TOLERANCE = 0.01  # demanded
SAMPLING_TOLERANCE = 0.04  # of κ at 1 µm, 60 against 120 Å
DIFFUSIVE_NM = 1e10
ISOTOPE_TOLERANCE = 0.1  # "roughly"; measured: 0.77

KELVIN = 300.0


@lru_cache
def reference(n, m):
    with np.load(DATA / f"phono3py_{n}_{m}.npz") as stored:
        return {name: stored[name] for name in stored.files}


def points_of(stored):
    """Return the phases of our grid: an armchair tube has two rings a cell, and the mesh is a multiple of its folds."""
    assert int(stored["points"]) % int(stored["shape"][0]) == 0
    return 2 * int(stored["points"])


@lru_cache
def same_as_phono3py(n, m):
    """Return our third-order constants and collisions on the waves and with the width of δ of the reference."""
    stored, third = reference(n, m), third_order(n, m)
    width = 2.0 * np.pi * float(stored["sigma_thz"])
    return third, collisions(third, points_of(stored), KELVIN, width_rad_ps=width)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 10)])
def test_linewidths_are_those_of_phono3py(n, m):
    """Γ = 1/(4π τ), THz; waves of one translational wave vector are those with 2θ + 2πμ/n = 2π q."""
    stored = reference(n, m)
    third, found = same_as_phono3py(n, m)
    count = points_of(stored)
    grid = modes(third.harmonic, count)
    waves, _ = half_of_waves(third.folds, count)
    rates = np.full(grid.omega.shape, np.nan)
    alive = grid.omega[tuple(waves.T)] > 0.0
    of_half = np.full(alive.shape, np.nan)
    of_half[alive] = found.rates[:-2]
    rates[tuple(waves.T)] = of_half
    ours, theirs = [], []
    for q, frequencies, linewidths in zip(
        stored["qpoints"], stored["frequencies_thz"], stored["linewidths_thz"], strict=True
    ):
        chosen = [
            (mu, j)
            for mu in range(third.folds)
            for j in range(count)
            if abs((2 * j / count + mu / third.folds - q + 0.25) % 1.0 - 0.25) < 1e-6
        ]
        omega = np.concatenate([grid.omega[wave] for wave in chosen]) / (2.0 * np.pi)
        gamma = np.concatenate([rates[wave] for wave in chosen]) / (4.0 * np.pi)
        order = np.argsort(omega)
        assert omega[order][6:] == pytest.approx(frequencies[6:], abs=FREQUENCY_TOLERANCE_THZ)
        known = ~np.isnan(gamma[order])
        ours.append(gamma[order][known])
        theirs.append(linewidths[known])
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    assert len(ours) > 250
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < LINEWIDTH_TOLERANCE * np.sqrt(np.mean(theirs**2))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 10)])
def test_conductivity_in_the_relaxation_time_approximation_is_that_of_phono3py(n, m):
    stored = reference(n, m)
    third, found = same_as_phono3py(n, m)
    speeds = found.slopes[:-2] * third.rise_angstrom * 100.0  # m/s
    heat = mode_heat_j_k(found.omega[:-2], KELVIN)
    length = points_of(stored) * third.rise_angstrom * 1e-10
    ours = 2.0 * (heat * speeds**2 / found.rates[:-2] * 1e-12).sum() / length * 1e18  # W nm²/(m K)
    assert ours == pytest.approx(float(stored["kappa_area_w_nm2_mk"]), rel=CONDUCTIVITY_TOLERANCE)


@pytest.mark.parametrize("row", [0, 1])
def test_full_solution_is_the_direct_one_of_phono3py(row):
    """They differ in how a collision whose energies differ within the width of δ counts, so δ is narrow here."""
    stored = json.loads((DATA / "phono3py_5_5.json").read_text())
    third, count = third_order(*stored["shape"]), 2 * stored["points"]
    found = collisions(third, count, KELVIN, width_rad_ps=2.0 * np.pi * stored["sigma_thz"][row])
    inside = slice(0, -2)  # the long waves are not among phono3py's
    speeds = found.slopes[inside] * third.rise_angstrom * 100.0
    solved = np.linalg.solve(np.diag(found.rates[inside]) - found.inward[inside, inside], speeds)
    heat = mode_heat_j_k(found.omega[inside], KELVIN)
    ours = 2.0 * (heat * speeds * solved * 1e-12).sum() / (count * third.rise_angstrom * 1e-10) * 1e18
    assert ours == pytest.approx(stored["direct"][row], rel=FULL_TOLERANCE)
    assert ours > 1.5 * stored["relaxation_time"][row]


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 0), (6, 4)])
def test_moving_the_tube_along_its_axis_changes_no_force_constant(n, m):
    """Σ_k Φ_ijk = 0 along the axis, which is the same direction in the frames of all atoms."""
    third = third_order(n, m)
    pairs, where = np.unique(third.sites[:, :4], axis=0, return_inverse=True)
    total = np.zeros((len(pairs), 3, 3))
    np.add.at(total, where.ravel(), third.values[:, :, :, 2])
    assert np.abs(total).max() < SUM_RULE


def test_third_derivatives_are_symmetric_in_their_last_two_atoms():
    third = third_order(6, 4)
    values = {tuple(row): value for row, value in zip(third.sites.tolist(), third.values, strict=True)}
    for (i, *second_third), value in ((row[:1] + row[1:], value) for row, value in values.items()):
        swapped = values[(i, *second_third[3:], *second_third[:3])]
        assert value == pytest.approx(swapped.swapaxes(1, 2), abs=SUM_RULE)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (10, 0), (6, 4)])
def test_short_tubes_conduct_as_ballistic_ones(n, m):
    tube = Nanotube(n, m)
    ballistic = PhononTransport(frequencies=256).predict([tube])["thermal_conductance_nw_k"][0]
    found = LongTubeHeat(sampled_angstrom=60.0).spectrum(tube).conductance_nw_k(np.array([0.0, 1e-3]))
    assert found == pytest.approx(ballistic, rel=BALLISTIC_TOLERANCE)


def test_conductivity_grows_with_length_as_others_found():
    """Wang and Wang, cond-mat/0510565, abstract read (A): κ ∝ L^0.8 below 0.1 µm at room temperature."""
    spectrum = LongTubeHeat(sampled_angstrom=60.0, share_13c=0.0).spectrum(Nanotube(5, 5))
    lengths = np.array([20.0, 100.0, 1e3, 1e4, 1e5])
    full, plain = (spectrum.conductivity_w_mk(lengths, relaxation_time=on) for on in (False, True))
    exponent = np.log(full[1] / full[0]) / np.log(lengths[1] / lengths[0])
    assert exponent == pytest.approx(0.8, abs=0.15)
    assert (np.diff(full) > 0.0).all()
    assert (full > plain).all()  # momentum that is conserved is no resistance
    share = spectrum.conductance_nw_k(lengths) / spectrum.conductance_nw_k(np.array([0.0]))
    assert share[1] > 0.5  # mostly ballistic at 0.1 µm


def test_relaxation_time_approximation_is_diffusive_in_the_limit():
    spectrum = LongTubeHeat(sampled_angstrom=60.0).spectrum(Nanotube(5, 5))
    moving = np.abs(spectrum.velocities_km_s) > 1e-6
    speeds, heat, rates = (x[moving] for x in (spectrum.velocities_km_s, spectrum.heat_j_k, spectrum.rates_ps))
    volume = spectrum.sampled_nm * spectrum.area_nm2 * 1e-27  # m³
    expected = 2.0 * (heat * (speeds * 1e3) ** 2 / (rates * 1e12)).sum() / volume
    found = spectrum.conductivity_w_mk(np.array([DIFFUSIVE_NM]), relaxation_time=True)[0]
    assert found == pytest.approx(expected, rel=1e-3)


def test_isotopes_and_defects_lower_the_conductivity():
    tube = Nanotube(5, 5)
    vacancy = Nanotube(5, 5, 4).decorated({20: "vacancy"})
    settings = (
        {"share_13c": 0.0},
        {"share_13c": 0.0107},
        {"share_13c": 0.5},
        {"share_13c": 0.5, "defect": vacancy, "defects_per_um": 10.0},
    )
    found = [
        LongTubeHeat(length_nm=2500.0, sampled_angstrom=40.0, **setting).predict([tube])["thermal_conductivity_w_mk"][0]
        for setting in settings
    ]
    assert (np.diff(found) < 0.0).all()


def test_isotopes_alone_take_the_published_share_of_the_conductance():
    """Stoltz, Mingo and Mauri, arXiv 0810.1830, abstract read (A): "roughly 80 % at room temperature for L = 2.5 µm"
    less conductance, "when a large fraction of isotopic disorder is introduced", by harmonic Green's functions.
    """
    clean, mixed = (
        LongTubeHeat(sampled_angstrom=60.0, share_13c=share).spectrum(Nanotube(5, 5)) for share in (0.0, 0.5)
    )
    isotopes = replace(clean, rates_ps=mixed.rates_ps - clean.rates_ps, inward_ps=mixed.inward_ps - clean.inward_ps)
    ballistic, long = isotopes.conductance_nw_k(np.array([0.0, 2500.0]))
    assert 1.0 - long / ballistic == pytest.approx(0.8, abs=ISOTOPE_TOLERANCE)


def test_mass_variance_of_natural_carbon():
    """7.4e-5 by its definition, as in Tamura, Phys. Rev. B 27, 858 (1983), for 1.07 % of 13C."""
    c, step = 0.0107, 1.00335 / 12.0107
    assert mass_variance(c) == pytest.approx(c * (1 - c) * step**2, rel=1e-3)


def test_sampling_of_waves_is_converged():
    coarse, fine = (
        LongTubeHeat(sampled_angstrom=length).predict([Nanotube(5, 5)])["thermal_conductivity_w_mk"][0]
        for length in (60.0, 120.0)
    )
    assert coarse == pytest.approx(fine, rel=SAMPLING_TOLERANCE)


def test_what_cannot_be_computed_is_said():
    found = LongTubeHeat(sampled_angstrom=20.0).predict([Nanotube(5, 5, 2).decorated({0: "B"}), Nanotube(5, 5)])
    assert "give a pristine tube" in found.reasons[0]
    assert "1000 nm between ideal contacts" in found.notes["thermal_conductivity_w_mk"][1]
    with pytest.raises(ConfigurationError, match="needs a tube with the defect"):
        LongTubeHeat(defects_per_um=3.0)
