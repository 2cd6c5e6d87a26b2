"""Metrics of generated tubes, against loops, closed forms and structures counted by hand."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from matgym.generative.metrics import (
    coverage,
    density,
    frechet,
    novelty,
    orbit_keys,
    pair_correlation,
    pair_correlation_error,
    spread,
    uniqueness,
)
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.structures.symmetry import symmetry_group

B, N = Species.B, Species.N
EXACT = 1e-9  # rounding of sums in double precision
SINGULAR = 1e-6  # square roots of eigenvalues that are zero up to rounding
SAMPLING = 0.05  # a bound above five standard errors of the means over random decorations
EXPECTED = 0.03  # likewise of coverage over 1,500 samples


def random_decorations(lattice, count, boron, nitrogen, rng):
    codes = np.zeros((count, lattice.n_sites), dtype=np.uint8)
    codes[:, :boron], codes[:, boron : boron + nitrogen] = B, N
    return rng.permuted(codes, axis=1)


def turned(lattice, species, rng):
    group = symmetry_group(lattice)
    return np.take_along_axis(species, group[rng.integers(len(group), size=len(species))], axis=1)


# ---- orbits


@pytest.mark.parametrize("shape", [(8, 0, 2), (5, 5, 2), (4, 2, 1)])
def test_two_tubes_have_one_key_if_and_only_if_a_symmetry_makes_them_equal(shape):
    lattice, rng = tube_lattice(*shape), np.random.default_rng(0)
    species = random_decorations(lattice, 25, 1, 1, rng)
    species = np.concatenate([species, turned(lattice, species[:5], rng)])
    keys = orbit_keys(lattice, species)
    for one, other in permutations(range(len(species)), 2):
        copies = species[one][symmetry_group(lattice)]
        assert (keys[one] == keys[other]) == (copies == species[other]).all(axis=1).any()


def test_symmetric_copies_are_neither_unique_nor_novel():
    lattice, rng = tube_lattice(8, 0, 2), np.random.default_rng(1)
    species = random_decorations(lattice, 20, 4, 4, rng)
    copies = turned(lattice, species, rng)
    assert uniqueness(lattice, species) == 1.0
    assert uniqueness(lattice, np.concatenate([species, copies])) == 0.5
    assert novelty(lattice, copies, species[:5]) == 0.75
    assert novelty(lattice, copies, species[:0]) == 1.0


# ---- coverage and density


def test_coverage_and_density_of_points_on_a_line_are_those_counted_by_hand():
    real = np.array([[0.0], [1.0], [3.0], [10.0]])  # distances to the nearest other: 1, 1, 2, 7
    fake = np.array([[0.5], [2.5], [50.0]])  # inside the neighbourhoods of 0 and 1; of 3; of none
    assert coverage(real, fake, k=1) == pytest.approx(3 / 4)
    assert density(real, fake, k=1) == pytest.approx((2 + 1 + 0) / 3)


def test_coverage_and_density_equal_a_loop_over_their_definition():
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(40, 3)), rng.normal(0.5, 0.7, size=(30, 3))
    inside = np.zeros((40, 30))
    for i, centre in enumerate(real):
        radius = sorted(math.dist(centre, other) for j, other in enumerate(real) if j != i)[4]
        for j, point in enumerate(fake):
            inside[i, j] = math.dist(centre, point) <= radius
    assert coverage(real, fake) == pytest.approx(np.mean([row.any() for row in inside]), abs=EXACT)
    assert density(real, fake) == pytest.approx(inside.sum() / (5 * 30), abs=EXACT)


def test_coverage_and_density_of_the_same_distribution_are_those_expected():
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(2, 1500, 4))
    assert coverage(real, fake) == pytest.approx(1 - 0.5**5, abs=EXPECTED)
    assert density(real, fake) == pytest.approx(1.0, abs=2 * EXPECTED)


def test_coverage_falls_when_modes_are_lost_and_density_does_not():
    rng = np.random.default_rng(4)
    real = np.concatenate([rng.normal(-5, 1, (200, 2)), rng.normal(5, 1, (200, 2))])
    fake = rng.normal(5, 1, (400, 2))
    assert coverage(real, fake) == pytest.approx(0.5, abs=EXPECTED)
    assert density(real, fake) == pytest.approx(2.0 * 0.5, abs=5 * EXPECTED)


def test_neighbourhoods_among_too_few_structures_are_undefined():
    assert math.isnan(coverage(np.zeros((5, 2)), np.zeros((9, 2))))
    assert math.isnan(density(np.zeros((5, 2)), np.zeros((9, 2))))


# ---- Fréchet distance


def test_frechet_of_exact_gaussians_is_the_closed_form():
    """Samples with exactly the given means and commuting covariances: Σ (μ₁ - μ₂)² + Σ (σ₁ - σ₂)²."""
    rng = np.random.default_rng(5)
    white = rng.normal(size=(100, 3))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    mean, one, other = np.array([1.0, -2.0, 0.5]), np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 3.0])
    found = frechet(white * one, white * other + mean)
    assert found == pytest.approx((mean**2).sum() + ((one - other) ** 2).sum(), abs=EXACT)


def test_frechet_equals_scipys_matrix_square_root():
    rng = np.random.default_rng(6)
    real, fake = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(60, 4)) + 0.3
    one, other = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    apart = ((real.mean(axis=0) - fake.mean(axis=0)) ** 2).sum()
    expected = apart + np.trace(one + other - 2.0 * sqrtm(one @ other).real)
    assert frechet(real, fake) == pytest.approx(expected, rel=EXACT)


def test_frechet_to_itself_is_zero_even_with_fewer_samples_than_features():
    features = np.random.default_rng(7).normal(size=(10, 30))
    assert frechet(features, features) == pytest.approx(0.0, abs=SINGULAR)
    assert math.isnan(frechet(features[:1], features))


# ---- pair correlation


@pytest.mark.parametrize("shape", [(8, 0, 2), (6, 4, 1)])
def test_pairs_of_random_decorations_of_mixed_composition_are_as_expected(shape):
    lattice, rng = tube_lattice(*shape), np.random.default_rng(8)
    counts = [(6, 6), (3, 9), (10, 2)]
    species = np.concatenate([random_decorations(lattice, 2000, *count, rng) for count in counts])
    assert pair_correlation(lattice, species, (B, N)) == pytest.approx(np.ones((2, 2, 6)), abs=SAMPLING)


def test_pairs_of_boron_nitride_are_those_of_its_two_sublattices():
    """A full BN tube: odd distances join unlike atoms only, even ones like atoms only."""
    lattice = tube_lattice(8, 0, 4)
    half = lattice.n_sites // 2
    species = np.repeat([B, N], half).astype(np.uint8)[None]
    found = pair_correlation(lattice, species, (B, N))
    like, unlike = (lattice.n_sites - 1) / (half - 1), (lattice.n_sites - 1) / half
    assert found[0, 0] == pytest.approx(np.array([0, like, 0, like, 0, like]), abs=EXACT)
    assert found[1, 1] == pytest.approx(found[0, 0], abs=EXACT)
    assert found[0, 1] == pytest.approx(np.array([unlike, 0, unlike, 0, unlike, 0]), abs=EXACT)
    assert found[1, 0] == pytest.approx(found[0, 1], abs=EXACT)


def test_a_bonded_pair_counts_at_the_first_of_the_honeycombs_distances_only():
    """One B beside one N: of the other n - 1 sites 3 are bonded, so the ratio there is (n - 1)/3."""
    lattice = tube_lattice(10, 0, 4)
    species = np.zeros((1, lattice.n_sites), dtype=np.uint8)
    species[0, 0], species[0, lattice.neighbours[0, 1]] = B, N
    found = pair_correlation(lattice, species, (B, N), shells=3)
    assert found[0, 1] == pytest.approx(np.array([(lattice.n_sites - 1) / 3, 0.0, 0.0]), abs=EXACT)
    assert np.isnan(found[0, 0]).all()  # a single atom has no partner of its species


def test_distances_are_those_of_networkx():
    networkx = pytest.importorskip("networkx")
    tube = Nanotube(6, 2, 1)
    graph = networkx.Graph(tube.lattice.bonds[:, :2].tolist())
    species = np.zeros((tube.n_sites - 1, tube.n_sites), dtype=np.uint8)
    species[:, 0] = B
    species[np.arange(tube.n_sites - 1), np.arange(1, tube.n_sites)] = N
    ways = networkx.single_source_shortest_path_length(graph, 0)
    for site, codes in enumerate(species, start=1):
        nearest = np.flatnonzero(pair_correlation(tube.lattice, codes[None], (B, N))[0, 1] > 0.0)
        assert nearest.tolist() == ([ways[site] - 1] if ways[site] <= 6 else [])


def test_error_of_pair_correlations_is_the_root_mean_square_over_entries_finite_in_both():
    one, other = np.array([[[1.0, np.nan, 2.0]]]), np.array([[[4.0, 1.0, -2.0]]])
    assert pair_correlation_error(one, other) == pytest.approx(math.sqrt((3**2 + 4**2) / 2))
    assert math.isnan(pair_correlation_error(one, np.full_like(one, np.nan)))


# ---- collapse


def test_spread_is_the_mean_over_pairs_of_different_sites():
    lattice, rng = tube_lattice(8, 0, 2), np.random.default_rng(9)
    species, reference = random_decorations(lattice, 12, 5, 3, rng), random_decorations(lattice, 9, 4, 4, rng)

    def by_loop(tubes):
        return np.mean([(a != b).sum() for a, b in permutations(tubes, 2)])

    assert spread(species, reference) == pytest.approx(by_loop(species) / by_loop(reference), rel=EXACT)
    assert uniqueness(lattice, species) == 1.0


def test_copies_of_a_single_tube_have_the_least_uniqueness_and_no_spread():
    lattice, rng = tube_lattice(8, 0, 2), np.random.default_rng(10)
    reference = random_decorations(lattice, 20, 4, 4, rng)
    same = np.repeat(reference[:1], 20, axis=0)
    assert (uniqueness(lattice, same), spread(same, reference)) == (1 / 20, 0.0)
    assert uniqueness(lattice, turned(lattice, same, rng)) == 1 / 20  # though copies differ in as many sites as others
