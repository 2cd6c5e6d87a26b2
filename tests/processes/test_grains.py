"""Grain growth: the laws of curvature, and independence of the batch."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from matgym.errors import ConfigurationError
from matgym.processes.annealing.microstructure import PARTICLE, boundaries, grain_counts, mean_radius, sides, voronoi
from matgym.processes.annealing.potts import sweep

EXPONENT = 0.05  # of 1/2; the bound
CORNER = 0.2  # of 6 neighbours; likewise
SHRINKING = 0.1  # of an isolated grain's rate, share; some 20 grains' statistics


@pytest.fixture(scope="module")
def grown():
    """Return mean radii at times, and (neighbours, change of area per sweep) of grains, from two 256 x 256 lattices."""
    generators = [np.random.default_rng(seed) for seed in range(2)]
    labels = np.stack([voronoi(256, 4000, 0, rng) for rng in generators])
    times, radii, neighbours, changes = [], [], [], []
    for time in range(10, 410, 10):
        before = labels.copy()
        sweep(labels, np.full(2, 10.0), generators)
        times.append(time)
        radii.append(mean_radius(labels).mean())
        if time < 150:
            continue
        for old, new in zip(before, labels, strict=True):
            areas = [np.bincount(x.ravel(), minlength=old.size + 1) for x in (old, new)]
            kept = (sides(old) == sides(new)) & (areas[0] > 60)
            neighbours.append(sides(old)[kept])
            changes.append((areas[1] - areas[0])[kept] / 10.0)
    return np.array(times), np.array(radii), np.concatenate(neighbours), np.concatenate(changes)


def neumann_mullins(grown):
    """Return slope and zero of dA/dt = slope (n - zero), from the means at each n."""
    _, _, neighbours, changes = grown
    numbers = np.arange(4, 10)
    means = [changes[neighbours == n].mean() for n in numbers]
    errors = [changes[neighbours == n].std() / np.sqrt((neighbours == n).sum()) for n in numbers]
    slope, offset = np.polyfit(numbers, means, 1, w=1.0 / np.array(errors))
    return slope, -offset / slope


def test_mean_radius_grows_as_the_square_root_of_time(grown):
    times, radii = grown[:2]

    def law(time, first, rate, exponent):
        return (first ** (1.0 / exponent) + rate * time) ** exponent

    (_, _, exponent), _ = curve_fit(law, times[3:], radii[3:], p0=(2.5, 0.3, 0.5), bounds=(0.01, (9.0, 9.0, 1.0)))
    assert exponent == pytest.approx(0.5, abs=EXPONENT)


def test_grains_of_six_neighbours_keep_their_size(grown):
    assert neumann_mullins(grown)[1] == pytest.approx(6.0, abs=CORNER)


def test_an_isolated_grain_shrinks_by_the_law_of_von_neumann_and_mullins(grown):
    """A grain without corners has -dA/dt = 2 π M γ, six times the slope π M γ / 3, at any size."""
    size, count, sweeps = 64, 24, 100.0
    x = np.arange(size) - size / 2
    disc = (x[:, None] ** 2 + x[None] ** 2 <= 24.0**2).astype(np.uint16) + 1
    labels = np.repeat(disc[None], count, axis=0)
    sweep(labels, np.full(count, sweeps), [np.random.default_rng(seed) for seed in range(count)])
    lost = ((disc == 2).sum() - (labels == 2).sum(axis=(1, 2)).mean()) / sweeps
    assert lost == pytest.approx(6.0 * neumann_mullins(grown)[0], rel=SHRINKING)


def test_particles_stay_and_pin_boundaries():
    free, held = (np.stack([voronoi(64, 160, n, np.random.default_rng(s)) for s in range(4)]) for n in (0, 320))
    places = held == PARTICLE
    for labels in (free, held):
        sweep(labels, np.full(4, 200.0), [np.random.default_rng(seed) for seed in range(4)])
    np.testing.assert_array_equal(held == PARTICLE, places)
    assert mean_radius(held).mean() < 0.8 * mean_radius(free).mean()


def test_the_result_of_a_structure_does_not_depend_on_its_batch():
    labels = np.stack([voronoi(16, 12, 8, np.random.default_rng(seed)) for seed in range(40)])
    alone = labels[[7]].copy()
    sweep(labels, np.linspace(0.0, 5.0, 40), [np.random.default_rng(seed) for seed in range(40)])
    sweep(alone, np.linspace(0.0, 5.0, 40)[[7]], [np.random.default_rng(7)])
    np.testing.assert_array_equal(alone[0], labels[7])


def test_lattices_with_odd_sides_raise():
    with pytest.raises(ConfigurationError, match="even sides"):
        sweep(np.ones((1, 8, 9), dtype=np.uint16), np.ones(1), [np.random.default_rng(0)])
    with pytest.raises(ConfigurationError, match="size=9, grains=4 and particles=0 make no film: give an even size"):
        voronoi(9, 4, 0, np.random.default_rng(0))


def test_pictures_and_counts_of_a_lattice_that_can_be_checked_by_hand():
    labels = np.ones((1, 8, 8), dtype=np.uint16)
    labels[0, :, 4:] = 2  # two stripes: each is its only neighbour, across two boundaries
    labels[0, 0, 0] = PARTICLE
    picture = boundaries(labels)[0]
    assert picture[0, 0] == 1.0
    assert picture[4, 2] == 0.0
    assert picture[4, 3] == pytest.approx(3 / 8)
    assert grain_counts(labels).tolist() == [2]
    assert mean_radius(labels)[0] == pytest.approx(np.sqrt(32 / np.pi))
    assert sides(labels[0])[1:3].tolist() == [1, 1]
