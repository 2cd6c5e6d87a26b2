"""Annealing: healing against its integral, evaporation, and the effect of the order of temperatures."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from matgym.processes.annealing.film import Film
from matgym.processes.annealing.microstructure import PARTICLE
from matgym.processes.annealing.runs import random_films
from matgym.units import BOLTZMANN_EV_K, CELSIUS_K

NOTES = {1000.0: 0.97, 1800.0: 0.54, 2400.0: 0.12, 2800.0: 0.02}  # °C: remaining share after an hour, rounded
RAMAN = 0.57  # I_D/I_G after an hour at 1800 °C over that before, -43 %: Mater. Res. Bull. 48, 41 (2013)
EQUAL = 1e-3  # of ∫M dt


def films(count, particles, seed=0):
    return random_films(count, np.random.default_rng(seed), grains=(150, 160), particles=(particles, particles + 1e-9))


def left_after_an_hour(film, kelvin):
    course = film.course(np.array([kelvin]), np.array([kelvin]), 3600.0)
    return float(course.healed[0] @ film.barriers[1])


def aliasing(film, kelvin):
    """Return a bound of the error of a sum over evenly spaced barriers against the integral.

    By Poisson's summation it is the integrand's Fourier transform at 2π over the spacing. The remaining share rises
    from 0 to 1 over kT as e^(-e^(-E/kT)), whose derivative has the transform Γ(1 + iωkT), and the barriers' density is
    at most its peak; the tails beyond four standard deviations are cut off.
    """
    omega = 2.0 * np.pi / np.diff(film.barriers[0])[0]
    x = np.pi * omega * BOLTZMANN_EV_K * kelvin
    peak = norm(0.0, film.healing_spread_ev).pdf(0.0)
    return 2.0 * peak / omega * np.sqrt(x / np.sinh(x)) + 2.0 * norm.sf(4.0)


@pytest.mark.parametrize("celsius", NOTES)
def test_defects_heal_by_their_distributed_barriers(celsius):
    film, kelvin = Film(), celsius + CELSIUS_K
    left = left_after_an_hour(film, kelvin)
    rate = lambda energy: film.healing_s * np.exp(-energy / (BOLTZMANN_EV_K * kelvin))  # noqa: E731
    density = norm(film.healing_ev, film.healing_spread_ev).pdf
    exact = quad(lambda e: density(e) * np.exp(-3600.0 * rate(e)), 0.0, 15.0, points=[5.0, 7.0, 9.0], limit=200)[0]
    assert left == pytest.approx(exact, abs=aliasing(film, kelvin))
    assert left == pytest.approx(NOTES[celsius], abs=0.005)


@pytest.mark.xfail(strict=True, reason="two constants are fitted to three anchors; they leave 0.54")
def test_defects_heal_as_raman_measured():
    assert left_after_an_hour(Film(), 1800.0 + CELSIUS_K) == pytest.approx(RAMAN, abs=0.005)


def test_half_of_the_particles_have_evaporated_after_their_half_life():
    film, kelvin = Film(), np.full(8, 1800.0 + CELSIUS_K)
    generators = [np.random.default_rng(seed) for seed in range(8)]
    state = film.fresh(films(8, 0.05), kelvin)
    first = (state.labels == PARTICLE).sum()
    state = film.hold(state, kelvin, film.particle_half_life_s, generators)
    assert (state.labels == PARTICLE).sum() / first == pytest.approx(0.5, abs=0.04)  # 1,600 particles: σ 0.013


def test_the_ramp_is_limited_and_energy_rises_with_temperature():
    film = Film()
    start, wanted = np.full(3, 1273.15), np.array([1273.15, 1500.0, 2600.0])
    course = film.course(start, wanted, 120.0)
    np.testing.assert_allclose(course.temperature_k, [1273.15, 1500.0, 1273.15 + 360.0])
    assert (np.diff(course.energy_kwh) > 0.0).all()


def annealed(schedule, particles, count=16):
    """Return mean radii after (seconds, kelvin) stages, between which the temperature jumps, so that ∫M dt is exact."""
    film = Film(ramp_k_s=1e9)
    generators = [np.random.default_rng(seed) for seed in range(count)]
    state = film.fresh(films(count, particles), np.full(count, schedule[0][1]))
    total = 0.0
    for seconds, kelvin in schedule:
        total += float(film.course(np.array([kelvin]), np.array([kelvin]), seconds).sweeps[0])
        state = film.hold(state, np.full(count, kelvin), seconds, generators)
    return film.measures(state)[:, 0], total


def test_the_order_of_temperatures_matters_only_with_particles():
    hot, cool = (600.0, 2050.0 + CELSIUS_K), (3000.0, 1700.0 + CELSIUS_K)
    (first, one), (second, two) = (annealed(order, 0.08) for order in ([hot, cool], [cool, hot]))
    assert one == pytest.approx(two, rel=EQUAL)
    error = np.hypot(first.std(), second.std()) / np.sqrt(len(first))
    assert first.mean() - second.mean() > 5.0 * error
    (first, _), (second, _) = (annealed(order, 0.0) for order in ([hot, cool], [cool, hot]))
    error = np.hypot(first.std(), second.std()) / np.sqrt(len(first))
    assert abs(first.mean() - second.mean()) < 3.0 * error
