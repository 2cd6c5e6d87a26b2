"""Growth kinetics: published terminal lengths, the stiff system, conservation."""

import numpy as np
import pytest

from matgym.errors import ConfigurationError
from matgym.processes.growth.furnace import STANDARD, Controls, Furnace, Reactor, bare_time
from matgym.processes.growth.kinetics import FEED_PA, GAS_LAG_S, TERMINAL_LENGTHS, GrowthKinetics
from matgym.processes.growth.recipe import Stage, recipe_of
from matgym.processes.growth.runs import GROWN, grow
from matgym.tasks.growth import GrowthTask

KINETICS = {"fitted": GrowthKinetics(), "published": GrowthKinetics.published()}
REPEATABILITY = np.log10(9.18 / 5.74) / np.sqrt(2.0)  # 0.144: standard deviation of log₁₀ of one measured length, from
# the pair at 598.7 and 600.7 °C. The kinetics cannot agree better than the measurements agree with each other.
NOTES = {  # notes of this project, a prototype's figures, to the digits given: rms log₁₀ error, and rate peak
    "fitted": {"rms": 0.108, "peak_c": 720.0, "peak_um_s": 0.30},
    "published": {"rms": 0.224, "peak_c": 725.0, "peak_um_s": 0.25},
}
LONGEST_UM, LONGEST_C = 143.0, 700.0  # likewise, of the fitted constants
MISSED = {"fitted": [], "published": [698.1, 874.7]}  # °C of lengths with errors above two standard deviations
MEASURED_PEAK_C, MEASURED_UM_S = 730.0, 0.22  # fastest growth (the paper's abstract, M), and its rate (V)
GRID_C = 5.0  # of temperatures, on which peaks are sought
MASS = 1e-10  # of what has arrived
STIFF = 1e-3  # of the length, batched integrator against LSODA
ROUNDING = 1e-12
LONG_S = 3.6e5  # a time at which growth has ended
CELSIUS = 273.15


def terminal_um(kinetics):
    found = [kinetics.particle(celsius + CELSIUS, np.array([LONG_S]))[3, -1] for celsius, _ in TERMINAL_LENGTHS]
    return np.array(found) / kinetics.atoms_a_um(10.0)


@pytest.fixture(scope="module")
def errors():
    """Return log₁₀ of computed over measured lengths by name of the constants."""
    measured = np.array([length for _, length in TERMINAL_LENGTHS])
    return {name: np.log10(terminal_um(kinetics) / measured) for name, kinetics in KINETICS.items()}


def rms(values):
    return np.sqrt(np.mean(values**2))


@pytest.mark.parametrize("name", KINETICS)
def test_published_constants_have_the_reported_error_of_terminal_lengths(errors, name):
    assert rms(errors[name]) == pytest.approx(NOTES[name]["rms"], abs=0.0005)
    off = np.abs(errors[name]) > 2.0 * REPEATABILITY
    assert [c for (c, _), far in zip(TERMINAL_LENGTHS, off, strict=True) if far] == MISSED[name]


@pytest.mark.parametrize(
    "name",
    [
        "fitted",
        pytest.param(
            "published", marks=pytest.mark.xfail(strict=True, reason="tubes at 698 °C are 2.7 times too short")
        ),
    ],
)
def test_terminal_lengths_agree_within_the_scatter_of_measurements(errors, name):
    assert rms(errors[name]) < REPEATABILITY


@pytest.fixture(scope="module")
def growth():
    """Return °C, terminal lengths and largest rates at each by name of the constants."""
    celsius, times, found = np.arange(690.0, 746.0, GRID_C), np.geomspace(0.1, LONG_S, 400), {}
    for name, kinetics in KINETICS.items():
        tubes = np.array([kinetics.particle(c + CELSIUS, times)[3] for c in celsius]) / kinetics.atoms_a_um(10.0)
        found[name] = celsius, tubes[:, -1], (np.diff(tubes, axis=1) / np.diff(times)).max(axis=1)
    return found


@pytest.mark.parametrize("name", KINETICS)
def test_largest_rate_is_at_the_reported_temperature_and_near_the_measured_rate(growth, name):
    celsius, _, rates = growth[name]
    assert celsius[rates.argmax()] == NOTES[name]["peak_c"]
    assert rates.max() == pytest.approx(NOTES[name]["peak_um_s"], abs=0.005)
    assert abs(np.log10(rates.max() / MEASURED_UM_S)) < REPEATABILITY


def test_tubes_are_longest_at_the_measured_temperature(growth):
    celsius, lengths, _ = growth["fitted"]
    measured_c = max(TERMINAL_LENGTHS, key=lambda pair: pair[1])[0]
    assert celsius[lengths.argmax()] == pytest.approx(measured_c, abs=GRID_C)
    assert celsius[lengths.argmax()] == LONGEST_C
    assert lengths.max() == pytest.approx(LONGEST_UM, abs=0.5)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            "fitted",
            marks=pytest.mark.xfail(
                strict=True, reason="peaks at 720 °C: one of twelve points lies between 601 and 850 °C"
            ),
        ),
        "published",
    ],
)
def test_growth_is_fastest_at_the_measured_temperature(growth, name):
    celsius, _, rates = growth[name]
    assert celsius[rates.argmax()] == pytest.approx(MEASURED_PEAK_C, abs=GRID_C)


def test_a_recipe_gives_the_outcomes_that_the_task_rewards():
    controls = recipe_of(Stage(20, 705.0, 150.0), Stage(5, 690.0, 300.0, 1000.0, 20.0))
    outcomes, task = grow(controls), GrowthTask(minutes=25, variation=None)
    assert tuple(outcomes) == tuple(GROWN)
    ripened = outcomes["length_um"] * 10.0 / outcomes["particle_nm"]
    worth = ripened - 8.0 * (outcomes["disorder"] + 0.1 * outcomes["amorphous"]) - 20.0 * outcomes["energy_kwh"]
    assert worth == pytest.approx(task.run(controls[None], STANDARD)[0], rel=1e-9)
    assert 0.0 < outcomes["activity"] < 1.0
    assert outcomes["density"] == pytest.approx((10.0 / outcomes["particle_nm"]) ** 3)


def test_recipes_outside_the_limits_raise():
    with pytest.raises(ConfigurationError, match=r"minutes=1\.5 must be a whole number"):
        recipe_of(Stage(1.5, 700.0))
    with pytest.raises(ConfigurationError, match="temperature_c=1000 lies outside the furnace's range, 400 to 950"):
        recipe_of(Stage(1, 1000.0))


@pytest.mark.parametrize("celsius", [550.0, 700.0, 880.0])
def test_the_stiff_system_keeps_every_atom(celsius):
    surface, layer, dissolved, tube, arrived = GrowthKinetics().particle(
        celsius + CELSIUS, np.geomspace(1.0, LONG_S, 50)
    )
    assert np.abs((surface + layer + dissolved + tube) / arrived - 1.0).max() < MASS


def still(count=1, diameter=10.0):
    """Return reactors without leak, in which particles hardly ripen."""
    return Reactor(*(np.full(count, value) for value in (diameter, 1.0, 1.0, 0.0, 0.0)))


@pytest.mark.parametrize("celsius", [550.0, 575.0, 650.0, 700.0, 725.0, 800.0, 850.0, 875.0, 900.0])
def test_the_batched_furnace_follows_the_stiff_system(celsius):
    furnace, reactor = Furnace(ripening_nm3_s=1e-30), still()
    state = furnace.cold(reactor, celsius + CELSIUS)
    controls = Controls(*(np.array([value]) for value in (celsius + CELSIUS, FEED_PA, 0.0, 0.0)))
    times = 60.0 * np.arange(1, 31)
    found = []
    for _ in times:
        state = furnace.hold(state, controls, reactor, 60.0)
        found.append(state.length_um[0])
    stiff = furnace.kinetics.particle(celsius + CELSIUS, times)[3] / furnace.kinetics.atoms_a_um(10.0)
    assert np.abs(np.array(found) / stiff - 1.0).max() < STIFF


def test_ramps_are_resolved():
    """Substeps of 2 s agree with 0.1 s within 1 % along schedules that jump."""
    rng = np.random.default_rng(3)
    reactor = Reactor(*(rng.uniform(low, high, 32) for low, high in ((6, 14), (0.7, 1.4), (0.7, 1.4), (0, 5), (0, 0))))
    coarse, fine = Furnace(), Furnace(substep_s=0.1)
    a, b = coarse.cold(reactor), fine.cold(reactor)
    for _ in range(6):
        limits = ((800.0, 1200.0), (0.0, 500.0), (0.0, 4e4), (0.0, 100.0))
        controls = Controls(*(rng.uniform(low, high, 32) for low, high in limits))
        a, b = coarse.hold(a, controls, reactor, 60.0), fine.hold(b, controls, reactor, 60.0)
    for name in ("length_um", "diameter_nm", "layer", "energy_kwh", "grown", "amorphous", "defects"):
        ours, exact = getattr(a, name), getattr(b, name)
        assert np.abs(ours - exact).max() < 0.01 * np.abs(exact).max(), name


def test_the_batched_furnace_keeps_every_atom():
    rng = np.random.default_rng(4)
    furnace, reactor = Furnace(), still(16)
    state = furnace.cold(reactor)
    for _ in range(30):
        limits = ((600.0, 1300.0), (0.0, 800.0), (0.0, 5e4), (0.0, 200.0))
        controls = Controls(*(rng.uniform(low, high, 16) for low, high in limits))
        state = furnace.hold(state, controls, reactor, 60.0)
        held = state.grown + state.layer + state.removed
        assert np.abs(held / state.supplied - 1.0).max() < MASS
    assert (state.removed > 0.0).all()


def test_coverage_is_integrated_exactly():
    from scipy.integrate import solve_ivp

    for covered, fouling, cleaning in ((0.2, 0.03, 0.01), (0.9, 0.0, 0.02), (0.0, 1e-12, 0.0), (0.5, 2.0, 1.0)):

        def slope(_t, y, fouling=fouling, cleaning=cleaning):
            return [fouling * (1.0 - y[0]) - cleaning * y[0], y[0]]

        exact = solve_ivp(slope, (0.0, 5.0), [covered, 0.0], rtol=1e-11, atol=1e-13).y[1, -1]
        bare, in_layer = bare_time(np.array(covered), fouling, cleaning, 5.0)
        assert in_layer == pytest.approx(exact, rel=1e-8, abs=1e-10)
        assert bare + in_layer == pytest.approx(5.0, rel=ROUNDING)


def test_gas_and_heat_follow_their_set_points_as_a_first_order_lag():
    furnace, reactor = Furnace(ramp_k_s=1e3), still()
    state = furnace.hold(
        furnace.cold(reactor, 900.0), Controls(*map(np.array, ([1000.0], [200.0], [0.0], [0.0]))), reactor, 60.0
    )
    assert state.feed_pa[0] == pytest.approx(200.0 * -np.expm1(-60.0 / GAS_LAG_S), rel=ROUNDING)
    assert state.temperature_k[0] == pytest.approx(1000.0 - 100.0 * np.exp(-60.0 / 45.0), rel=ROUNDING)
    slow = Furnace().hold(
        Furnace().cold(reactor, 300.0), Controls(*map(np.array, ([1200.0], [0.0], [0.0], [0.0]))), reactor, 60.0
    )
    assert slow.temperature_k[0] == pytest.approx(420.0, rel=ROUNDING)  # 2 K/s


def test_ripening_keeps_the_catalysts_volume_and_hydrogen_doubles_the_diameter():
    """Nessim et al.: hydrogen before growth doubles the diameter, and a tenth of the particles remains."""
    furnace, reactor = Furnace(), still()
    state = furnace.cold(reactor, 1048.15)
    for _ in range(40):
        state = furnace.hold(state, Controls(*map(np.array, ([1048.15], [0.0], [4e4], [0.0]))), reactor, 60.0)
    assert 1.5 < state.diameter_nm[0] / 10.0 < 2.5


def test_constants_out_of_range_raise():
    with pytest.raises(ConfigurationError, match=r"covering_s=-1\.0 must be positive"):
        GrowthKinetics(covering_s=-1.0)
    with pytest.raises(ConfigurationError, match=r"ramp_k_s=inf must be positive and finite"):
        Furnace(ramp_k_s=float("inf"))
