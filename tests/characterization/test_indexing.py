"""Peaks and lattices of powder patterns against published angles, pymatgen's patterns and known lattices."""

import numpy as np
import pytest

from matgym.characterization.files import Pattern
from matgym.characterization.indexing import FIGURES, NOTHING, figures_of_merit, lattice_fits
from matgym.characterization.lattices import centrings, families
from matgym.characterization.noise import count_photons
from matgym.characterization.peaks import Peaks, find_peaks
from matgym.characterization.preprocessing import PatternPipeline
from matgym.characterization.recognition.networks import make_network
from matgym.characterization.recognition.registry import TASKS

KALPHA1 = 1.540593
"""Copper Kα1, Å, as NIST's certificates have it."""

SILICON_DEG = (28.442, 47.303, 56.122, 69.130, 76.377)
"""Angles of NIST's SRM 640c (certificate), with a = 5.4311946 Å."""

CORUNDUM_DEG = (25.574, 35.149, 37.773, 43.351, 52.548, 57.496, 66.513, 68.203, 76.871)
"""Angles of NIST's SRM 676 (certificate), with a = 4.75919 and c = 12.99183 Å, and hexagonal axes."""

LENGTH_ANGSTROM = 0.01
"""Largest difference of lengths of cell vectors: of angles that are exact to 0.02°."""

FRACTION = 2e-3
"""Largest relative difference of the same."""

SHARE_FOUND = 0.8
"""Least share of lattices that are found where lines are missing; our requirement."""


def best_of(fits):
    """Return the fit of the largest evidence."""
    return max((fit for fit in fits.values() if fit is not None), key=lambda fit: fit.evidence)


def peaks_at(angles, width=0.15):
    return Peaks(np.array(angles), np.ones(len(angles)), width)


@pytest.mark.parametrize("zero", [0.0, 0.05, -0.05])
def test_silicon_is_cubic_and_face_centred(zero):
    fit = best_of(lattice_fits(peaks_at(np.add(SILICON_DEG, zero)), KALPHA1))
    assert (fit.family, fit.centring, fit.explained) == ("cubic", "F", 1.0)
    assert fit.lengths_angstrom == pytest.approx((5.43119,) * 3, abs=LENGTH_ANGSTROM)
    assert fit.zero_deg == pytest.approx(zero, abs=0.02)


def test_corundum_is_rhombohedral():
    fit = best_of(lattice_fits(peaks_at(CORUNDUM_DEG), KALPHA1))
    assert (fit.family, fit.centring) == ("hexagonal", "R")
    a, b, c = fit.lengths_angstrom
    assert a == b == pytest.approx(4.75919, abs=LENGTH_ANGSTROM)
    assert c == pytest.approx(12.99183, abs=3 * LENGTH_ANGSTROM)


CELLS = {
    "rutile": (136, (4.594, 4.594, 2.959, 90, 90, 90), ("Ti", "O"), ((0, 0, 0), (0.305, 0.305, 0)), "tetragonal", "P"),
    "zinc": (194, (2.665, 2.665, 4.947, 90, 90, 120), ("Zn",), ((1 / 3, 2 / 3, 0.25),), "hexagonal", "P"),
    "tungsten": (229, (3.165, 3.165, 3.165, 90, 90, 90), ("W",), ((0, 0, 0),), "cubic", "I"),
    "uranium": (63, (2.854, 5.869, 4.955, 90, 90, 90), ("U",), ((0, 0.1025, 0.25),), "orthorhombic", "C"),
}
"""Space group, cell (Å and degrees), species, sites, family and centring (Wyckoff, Crystal Structures, 1963)."""


@pytest.mark.parametrize("name", CELLS)
def test_lattices_of_patterns_of_pymatgen(name):
    pytest.importorskip("pymatgen")
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core import Lattice, Structure

    group, cell, species, places, family, centring = CELLS[name]
    crystal = Structure.from_spacegroup(group, Lattice.from_parameters(*cell), species, places)
    pattern = XRDCalculator(KALPHA1).get_pattern(crystal, two_theta_range=(10, 150))
    seen = pattern.y > 0.5  # per cent of the highest
    fit = best_of(lattice_fits(Peaks(pattern.x[seen], pattern.y[seen], 0.15), KALPHA1))
    sides = {"A", "B", "C"}
    assert fit.family == family
    assert fit.centring == centring or {fit.centring, centring} <= sides  # the shortest vector comes last
    assert fit.volume == pytest.approx(Lattice.from_parameters(*cell).volume, rel=0.005)
    assert sorted(fit.lengths_angstrom) == pytest.approx(sorted(cell[:3]), abs=LENGTH_ANGSTROM)


def allowed(centring, h, k, l):
    """Return which indices a centring allows (International Tables A, 2.1.3.4)."""
    sums = {"P": (h * 0,), "I": (h + k + l,), "F": (h + k, k + l), "A": (k + l,), "B": (h + l,), "C": (h + k,)}
    return np.all([each % 2 == 0 for each in sums[centring]], axis=0)


def test_random_orthorhombic_lattices_are_found():
    """Of each centring ten cells of 3 to 17 Å, of whose lines a fifth is not seen.

    The search is not exhaustive: where one axis is short, all low peaks can be lines of the other two.
    """
    rng = np.random.default_rng(0)
    h, k, l = np.stack(np.meshgrid(*3 * [np.arange(25)])).reshape(3, -1)[:, 1:]
    found = 0
    for centring in 10 * "PIFABC":
        lengths = np.sort(rng.uniform(3.0, 17.0, 3))[::-1]
        q = (np.stack([h, k, l], axis=1) ** 2 / lengths**2).sum(axis=1)[allowed(centring, h, k, l)]
        sines = np.unique(np.round(KALPHA1 / 2.0 * np.sqrt(q), 9))
        angles = np.degrees(2.0 * np.arcsin(sines[sines < np.sin(np.radians(40.0))]))
        fit = best_of(lattice_fits(peaks_at(angles[rng.uniform(size=len(angles)) < 0.8]), KALPHA1))
        same = fit.family == "orthorhombic" and np.allclose(fit.lengths_angstrom, lengths, rtol=FRACTION)
        found += int(same and fit.centring == centring)
    assert found >= 60 * SHARE_FOUND


def test_a_large_cubic_cell_is_found():
    """Of 14.2 Å and face-centred, as many complex oxides and intermetallics are."""
    h, k, l = np.stack(np.meshgrid(*3 * [np.arange(15)])).reshape(3, -1)[:, 1:]
    q = np.unique((h * h + k * k + l * l)[allowed("F", h, k, l)])[:24] / 14.2**2
    fit = best_of(lattice_fits(peaks_at(np.degrees(2.0 * np.arcsin(KALPHA1 / 2.0 * np.sqrt(q)))), KALPHA1))
    assert (fit.family, fit.centring) == ("cubic", "F")
    assert fit.lengths_angstrom == pytest.approx((14.2,) * 3, abs=LENGTH_ANGSTROM)


def test_a_lattice_with_more_lines_is_worth_less():
    fits = lattice_fits(peaks_at(SILICON_DEG), KALPHA1)
    assert fits["cubic", "F"].evidence > max(fits["cubic", each].evidence for each in "IP")


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_volumes_of_cells(family):
    """Against the determinant of cell vectors."""
    lengths = {1: (4.0,), 2: (4.0, 6.0), 3: (4.0, 5.0, 6.0)}[len(family.powers)]
    parameters = np.array([lengths]) ** -2.0
    if family.name == "hexagonal":
        parameters[0, 0] *= 4.0 / 3.0
    a, b, c = {1: (4.0, 4.0, 4.0), 2: (4.0, 4.0, 6.0), 3: (4.0, 5.0, 6.0)}[len(family.powers)]
    gamma = np.radians(120.0 if family.name == "hexagonal" else 90.0)
    cell = np.array([[a, 0, 0], [b * np.cos(gamma), b * np.sin(gamma), 0], [0, 0, c]])
    assert family.volumes(parameters)[0] == pytest.approx(np.linalg.det(cell))


def test_peaks_are_found_where_they_are():
    rng = np.random.default_rng(0)
    angles = np.arange(10.0, 80.0, 0.02)
    places, width = np.array([15.013, 27.4, 27.9, 44.321, 71.117]), 0.2
    spread = width / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    pattern = np.exp(-0.5 * ((angles[:, None] - places) / spread) ** 2).sum(axis=1) + 0.2
    found = find_peaks(count_photons(pattern, 2000.0, rng), angles)
    assert found.two_theta_deg == pytest.approx(places, abs=0.01)
    assert found.width_deg == pytest.approx(width, rel=0.15)


def test_noise_has_hardly_any_peaks():
    rng = np.random.default_rng(0)
    angles = np.arange(10.0, 80.0, 0.02)
    counts = [len(find_peaks(rng.poisson(level, len(angles)), angles).heights) for level in (5, 50, 500)]
    assert max(counts) <= 2


@pytest.mark.parametrize("pattern", [np.zeros(3000), np.full(3000, 7.0)])
def test_a_pattern_without_peaks_has_no_lattice(pattern):
    figures = figures_of_merit(pattern, np.linspace(10.0, 80.0, 3000), KALPHA1)
    assert (figures == np.array(NOTHING)).all()
    assert figures.shape == (len(centrings()), FIGURES)


def test_figures_do_not_depend_on_the_unit_of_the_intensities():
    rng = np.random.default_rng(0)
    angles = np.arange(10.0, 80.0, 0.02)
    counts = rng.poisson(200.0 * np.exp(-0.5 * ((angles[:, None] - SILICON_DEG) / 0.08) ** 2).sum(axis=1) + 10.0)
    first, second = (figures_of_merit(factor * counts, angles, KALPHA1) for factor in (1.0, 1e-3))
    np.testing.assert_allclose(first, second, rtol=1e-6)
    assert centrings()[first[:, 0].argmax()] == ("cubic", "F")


def test_the_pipeline_puts_figures_beside_the_pattern():
    plain, indexed = PatternPipeline(), PatternPipeline(indexed=True)
    angles = np.arange(9.0, 81.0, 0.02)
    counts = 1000.0 * np.exp(-0.5 * ((angles[:, None] - SILICON_DEG) / 0.08) ** 2).sum(axis=1) + 10.0
    record = Pattern(angles, np.random.default_rng(0).poisson(counts), KALPHA1)
    both = indexed.of(record)
    assert both.shape == (1, *indexed.shape) == (1, 1, plain.points + len(centrings()) * FIGURES)
    np.testing.assert_array_equal(indexed.shown(both), plain.of(record))
    assert plain.beside == 0
    assert indexed.shown(both).shape[-1] == len(indexed.axes[0][1])


def test_values_beside_a_curve_go_past_the_convolutions():
    import torch

    torch.manual_seed(0)
    network = make_network("resnet", {"width": 4, "hidden": (8,)}, (1, 300), 3, beside=44).eval()
    inputs = torch.rand(2, 1, 300)
    seen = []
    network.body.register_forward_hook(lambda _module, given, _output: seen.append(given[0].shape))
    before, changed = network(inputs), inputs.clone()
    changed[:, :, -1] += 1.0
    assert seen == [(2, 1, 256)]
    assert (network(changed) != before).any()


def test_indexing_answers_for_systems():
    task = TASKS["crystal-system"]
    angles = np.arange(9.0, 81.0, 0.02)
    found = []
    for places in (SILICON_DEG, CORUNDUM_DEG):
        counts = 1000.0 * np.exp(-0.5 * ((angles[:, None] - places) / 0.08) ** 2).sum(axis=1) + 10.0
        found.append(task.pipeline.of(Pattern(angles, np.random.default_rng(0).poisson(counts), KALPHA1))[0])
    probabilities = task.conventional(np.array(found, dtype=np.float64))
    assert [task.classes[best] for best in probabilities.argmax(axis=1)] == ["cubic", "trigonal"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
