"""Powder patterns: against pymatgen's calculator on prototypes, against sums of Voigt profiles, and analytic limits."""

import numpy as np
import pytest
from ase.build import bulk, graphene
from scipy.special import voigt_profile

from matgym.characterization.noise import count_photons
from matgym.characterization.powder import (
    FWHM,
    SCHERRER,
    Diffractometer,
    Powder,
    march_dollase,
    powder_patterns,
    reflections,
    sticks,
    widths,
)
from matgym.characterization.xray import xray_factors
from matgym.errors import ConfigurationError, StructureError
from matgym.structures.crystals import Crystal

prototypes = pytest.importorskip("pymatgen.analysis.prototypes")
xrd = pytest.importorskip("pymatgen.analysis.diffraction.xrd")

PROTOTYPES = [each["snl"].structure for each in prototypes.AFLOW_PROTOTYPE_LIBRARY]
CHOSEN = PROTOTYPES[::9]  # 32 of 288
SILICON = bulk("Si")


def together(angles, heights, edges):
    return np.bincount(np.searchsorted(edges, angles), heights, len(edges) + 1)


def largest_difference(structure, wavelength=1.54056):
    """Return the largest difference of reflections from pymatgen's, relative to the largest one.

    Reflections closer than 0.001° are added up, because pymatgen adds those that round to the same 0.00001°.
    """
    theirs = xrd.XRDCalculator(wavelength).get_pattern(structure, scaled=False, two_theta_range=(5.0, 90.0))
    angle, height = sticks(structure, Diffractometer(wavelength_angstrom=wavelength))
    inside = (angle >= 5.0) & (angle <= 90.0)
    every = np.sort(np.concatenate([angle[inside], theirs.x]))
    gaps = np.flatnonzero(np.diff(every) > 1e-3)
    edges = (every[gaps] + every[gaps + 1]) / 2.0
    ours = together(angle[inside], height[inside], edges)
    expected = together(np.array(theirs.x), np.array(theirs.y), edges)
    return np.abs(ours - expected).max() / expected.max()


@pytest.mark.parametrize("number", range(len(CHOSEN)))
def test_reflections_are_those_of_pymatgen(number):
    assert largest_difference(CHOSEN[number]) < 1.1e-5  # pymatgen leaves out those below 1e-5


def test_disordered_sites_and_other_wavelengths_are_those_of_pymatgen():
    from pymatgen.core import Lattice, Structure

    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.7, "Ni": 0.3}, "Au"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert largest_difference(alloy) < 1e-5
    assert largest_difference(CHOSEN[3], wavelength=0.7093) < 1e-5


def test_ase_and_pymatgen_structures_give_the_same_pattern():
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = bulk("NaCl", "rocksalt", 5.64)
    both = powder_patterns([atoms, AseAtomsAdaptor.get_structure(atoms)])
    assert np.abs(both[0] - both[1]).max() < 1e-9
    cubic = powder_patterns([bulk("NaCl", "rocksalt", 5.64, cubic=True)])[0]
    assert np.abs(both[0] - cubic).max() < 1e-9  # the cell is a choice


@pytest.mark.parametrize("sample", [Powder(), Powder(size_nm=8.0, strain=0.01), Powder(size_nm=300.0)])
def test_patterns_are_sums_of_voigt_profiles(sample):
    instrument = Diffractometer(second_share=0.5, zero_deg=0.03, displacement_deg=0.02)
    angle, height = sticks(CHOSEN[5], instrument, sample)
    gaussian, lorentzian = widths(angle, sample, instrument)
    grid = instrument.two_theta_deg
    profiles = voigt_profile(grid - angle[:, None], (gaussian / FWHM)[:, None], (lorentzian / 2.0)[:, None])
    expected = height @ profiles
    found = powder_patterns([CHOSEN[5]], sample, instrument)[0]
    assert np.abs(found - expected / expected.max()).max() < 0.01


def half_width(x, y):
    above = np.flatnonzero(y >= 0.5 * y.max())
    first, last = above[0], above[-1]
    left = np.interp(0.5 * y.max(), y[first - 1 : first + 1], x[first - 1 : first + 1])
    right = np.interp(-0.5 * y.max(), -y[last : last + 2], x[last : last + 2])
    return right - left


def test_widths_are_scherrers():
    instrument = Diffractometer(start_deg=20.0, stop_deg=37.0, fwhm_deg=0.06)
    pattern = powder_patterns([SILICON], Powder(size_nm=10.0), instrument)[0]
    x = instrument.two_theta_deg
    width = half_width(x, pattern)
    theta = np.radians(x[pattern.argmax()] / 2.0)
    assert width == pytest.approx(np.degrees(SCHERRER * 1.54056 / 100.0 / np.cos(theta)), rel=0.02)


def test_strain_broadens_as_the_tangent():
    gaussian, lorentzian = widths(np.array([40.0, 80.0]), Powder(strain=0.01, size_nm=1e6), Diffractometer())
    pure = np.sqrt(gaussian**2 - 0.08**2)
    assert pure[1] / pure[0] == pytest.approx(np.tan(np.radians(40.0)) / np.tan(np.radians(20.0)))
    assert pure[0] == pytest.approx(np.degrees(0.04 * np.tan(np.radians(20.0))))
    assert (lorentzian < 1e-3).all()


def test_silicon_lines_are_those_of_the_standard():
    """NIST SRM 640: a = 5.4311 Å; 2θ of 111, 220, 311 with Cu Kα1 28.44, 47.30, 56.12°."""
    instrument = Diffractometer()
    pattern, x = powder_patterns([bulk("Si", a=5.4311)], Powder(size_nm=100.0))[0], instrument.two_theta_deg
    peaks = x[1:-1][(pattern[1:-1] > pattern[:-2]) & (pattern[1:-1] > pattern[2:]) & (pattern[1:-1] > 0.05)]
    assert peaks[:3] == pytest.approx([28.44, 47.30, 56.12], abs=0.02)


def test_extinctions_of_a_centred_cell():
    found = reflections(Crystal.of(bulk("Cu", cubic=True)), 1.0)
    mixed = np.ptp(found.miller % 2, axis=1) > 0
    assert (found.squared[mixed] < 1e-18 * found.squared.max()).all()
    assert (found.squared[~mixed] > 0.0).all()


def test_scattering_factors_begin_with_the_number_of_electrons():
    for number in (1, 6, 14, 29, 79):
        assert xray_factors(number, np.zeros(1))[0] == number
    # International Tables C, table 6.1.1.1: carbon at s = 0.5 1/Å has 1.69 electrons (flag M).
    assert xray_factors(6, np.array([0.25]))[0] == pytest.approx(1.69, abs=0.04)


def test_texture_is_normalised_over_the_sphere():
    """March's function is a density: its mean over all directions is 1 (Dollase, 1986)."""
    rng = np.random.default_rng(0)
    cube = Crystal(10.0 * np.eye(3), np.zeros((1, 3)), np.array([6]), np.ones(1))
    directions = rng.normal(size=(200_000, 3))
    for parameter in (0.5, 1.0, 1.8):
        assert march_dollase(cube, directions, (0, 0, 1), parameter).mean() == pytest.approx(1.0, abs=0.02)


def test_plates_that_lie_flat_show_their_basal_planes():
    layers = graphene(size=(1, 1, 1), vacuum=1.7)
    layers.pbc = True
    lying, random = (powder_patterns([layers], Powder(texture=r))[0] for r in (0.4, 1.0))
    x = Diffractometer().two_theta_deg
    basal, other = np.abs(x - 26.2).argmin(), np.abs(x - 42.3).argmin()
    assert lying[basal] / max(lying[other], 1e-9) > 3.0 * random[basal] / random[other]


def test_thermal_motion_impurity_background_and_second_line():
    x = Diffractometer().two_theta_deg
    plain = powder_patterns([SILICON])[0]
    hot = powder_patterns([SILICON], Powder(thermal_angstrom2=2.0))[0]
    high = np.abs(x - 76.4).argmin()
    sine = np.sin(np.radians([28.44, 76.38]) / 2.0) / 1.54056
    expected = np.exp(-4.0 * (sine[1] ** 2 - sine[0] ** 2))
    assert hot[high - 20 : high + 20].max() / plain[high - 20 : high + 20].max() == pytest.approx(expected, rel=0.02)
    mixed = powder_patterns([SILICON], Powder(impurity=Crystal.of(bulk("Cu")), impurity_share=0.3))[0]
    copper = np.abs(x - 43.3) < 0.5  # its 111
    assert mixed[copper].max() == pytest.approx(0.3, abs=0.01)
    raised = powder_patterns([SILICON], Powder(background=(0.2, -0.1)))[0]
    assert raised - plain == pytest.approx(0.2 - 0.1 * np.linspace(-1.0, 1.0, len(x)))
    doubled = powder_patterns([SILICON], Powder(size_nm=500.0), Diffractometer(second_share=0.5))[0]
    angle = np.degrees(2.0 * np.arcsin(np.sin(np.radians(76.38 / 2.0)) * 1.54439 / 1.54056))
    near = slice(np.abs(x - angle).argmin() - 3, np.abs(x - angle).argmin() + 4)
    assert doubled[near].max() / doubled[high - 10 : high + 8].max() == pytest.approx(0.5, abs=0.1)


def test_strained_cells_move_lines():
    wide = Crystal.of(SILICON).strained(np.full(3, 1.01))
    angle, _ = sticks(wide)
    plain, _ = sticks(SILICON)
    ratio = np.sin(np.radians(plain.min() / 2.0)) / np.sin(np.radians(angle.min() / 2.0))
    assert ratio == pytest.approx(1.01)


def test_a_batch_is_its_rows_and_noise_is_repeatable():
    samples = [Powder(size_nm=20.0), Powder(texture=0.7)]
    both = powder_patterns([SILICON, CHOSEN[2]], samples)
    assert (both[1] == powder_patterns([CHOSEN[2]], samples[1])[0]).all()
    noisy, again = (count_photons(both, 1e3, np.random.default_rng(0)) for _ in range(2))
    assert (noisy == again).all()
    assert np.abs(noisy - both).max() < 6.0 / np.sqrt(1e3)


def test_errors_name_the_value_and_the_fix():
    with pytest.raises(ConfigurationError, match=r"2 samples do not fit 1 crystals"):
        powder_patterns([SILICON], [Powder(), Powder()])
    with pytest.raises(ConfigurationError, match=r"fwhm_deg=0.01 must be a number from 0.06"):
        Diffractometer(fwhm_deg=0.01)
    with pytest.raises(ConfigurationError, match=r"impurity_share=0.2 does not fit impurity=None"):
        Powder(impurity_share=0.2)
    with pytest.raises(StructureError, match="is not periodic in three directions"):
        powder_patterns([graphene()])
    with pytest.raises(StructureError, match=r"is no crystal: give ase.Atoms"):
        powder_patterns(["Si"])
    with pytest.raises(ConfigurationError, match="give a smaller cell or a smaller range of angles"):
        reflections(Crystal(400.0 * np.eye(3), np.zeros((1, 3)), np.array([6]), np.ones(1)), 0.8)
