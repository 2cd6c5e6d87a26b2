"""Electron diffraction: helical theory against sums over atoms, against Qin's published relations, and symmetries."""

import numpy as np
import pytest
from ase.build import nanotube
from scipy.special import jv

from matgym.characterization.diffraction import (
    FWHM,
    Detector,
    Exposure,
    atom_patterns,
    tube_patterns,
)
from matgym.characterization.electrons import ElectronBeam, scattering_factors
from matgym.characterization.layer_lines import bessel, layer_lines
from matgym.characterization.poses import Poses
from matgym.errors import ChiralityError, ConfigurationError, StructureError
from matgym.structures import Nanotube

SHORT = Exposure(length_nm=4.0)
OPEN = Detector(beam_stop_per_angstrom=0.0)
FLAT = ElectronBeam(1000.0)  # the shortest wavelength: the flattest Ewald sphere


@pytest.mark.parametrize(
    ("tube", "pose"),
    [
        (Nanotube(10, 5), {}),
        (Nanotube(10, 5), {"tilt_deg": 8.0, "turn_deg": 20.0, "spin_deg": 33.0}),
        (Nanotube(9, 9), {"spin_deg": 11.0}),
        (Nanotube(7, 6), {"tilt_deg": -12.0, "shift_angstrom": [0.0, 0.0, 3.0]}),  # lines that overlap and interfere
        (Nanotube(12, 0, strain=0.03, torsion=0.02), {"tilt_deg": 3.0, "turn_deg": -60.0}),
    ],
    ids=["upright", "tilted", "armchair", "interfering", "strained and twisted"],
)
def test_layer_lines_are_the_sum_over_atoms(tube, pose):
    poses = Poses.of(1, **pose)
    lines = tube_patterns(
        [(tube.n, tube.m)], poses, exposure=SHORT, detector=OPEN, strain=tube.strain, torsion=tube.torsion
    )[0]
    atoms = atom_patterns([tube], poses, exposure=SHORT, detector=OPEN)[0]
    assert np.abs(lines - atoms).max() < 0.004 * atoms.max()
    assert lines.sum() == pytest.approx(atoms.sum(), rel=0.002)


def test_a_tube_of_ase_has_the_same_pattern():
    """ASE builds tubes by itself; the pattern of an upright (8, 4) depends on neither its spin nor its handedness."""
    exposure = Exposure(length_nm=8.0)
    theirs = atom_patterns([nanotube(8, 4, length=1, bond=1.42)], exposure=exposure)[0]
    same, other = tube_patterns([(8, 4), (9, 3)], exposure=exposure)
    assert np.abs(same - theirs).max() < 0.005 * theirs.max() < 0.1 * np.abs(other - theirs).max()


@pytest.mark.parametrize(("n", "m"), [(10, 5), (9, 6), (17, 2), (12, 7), (14, 1), (8, 8), (13, 0)])
def test_principal_layer_lines_give_the_chirality_by_the_published_relation(n, m):
    """Qin, Phys. Chem. Chem. Phys. 9, 31 (2007): |J_m|², |J_n| on l1, l2, and n/m = (2 D1 - D2)/(2 D2 - D1)."""
    lines = layer_lines(n, m, 0.6)
    first_shell = {}
    for order, height in zip(lines.order.tolist(), lines.frequency.tolist(), strict=True):
        if height > 1e-9 or (height > -1e-9 and order > 0):
            first_shell.setdefault(abs(order), height)
    spacing = {order: height for order, height in first_shell.items() if order in {n, m, n + m}}
    if 0 < m < n:
        larger, smaller = spacing[m], spacing[n]
        assert (2.0 * larger - smaller) / (2.0 * smaller - larger) == pytest.approx(n / m, rel=1e-9)
        assert spacing[n + m] == pytest.approx(larger - smaller, rel=1e-9)
    else:
        assert spacing


@pytest.mark.parametrize(("n", "m"), [(10, 5), (15, 1), (9, 9), (12, 0)])
def test_layer_line_spacings_follow_the_chiral_angle(n, m):
    """The first {10} spots of two-dimensional graphite, on a circle of 2/(√3 a), projected onto the axis."""
    lines = layer_lines(n, m, 0.6)
    angle, circle = np.arctan2(np.sqrt(3.0) * m, 2 * n + m), 2.0 / (np.sqrt(3.0) * 1.42 * np.sqrt(3.0))
    for order, direction in ((m, angle), (n, np.pi / 3.0 - angle), (n + m, np.pi / 3.0 + angle)):
        heights = np.abs(lines.frequency[np.abs(lines.order) == order])
        assert np.abs(heights - circle * np.cos(direction)).min() < 1e-12


def test_a_layer_line_has_the_square_of_its_bessel_function():
    """Qin (2007): I on l1 is proportional to J_m(π d R)²."""
    n, m = 12, 5
    detector = Detector(pixels=128, pixel_per_angstrom=0.01, spread_pixels=0.5, beam_stop_per_angstrom=0.0)
    exposure = Exposure(length_nm=100.0, rms_angstrom=0.0)
    pattern = tube_patterns([(n, m)], beam=FLAT, detector=detector, exposure=exposure)[0]
    q = detector.frequencies
    lines = layer_lines(n, m, 0.6)
    height = lines.frequency[np.abs(lines.order) == m].max()
    row = int(np.abs(q - height).argmin())
    fine = np.linspace(-0.9, 0.9, 18001)
    radius = Nanotube(n, m).diameter_nm * 5.0
    profile = (jv(m, 2.0 * np.pi * radius * fine) * scattering_factors(np.array([6]), fine**2 + height**2)[0]) ** 2
    kernel = np.exp(-0.5 * ((q[:, None] - fine) / (0.5 * 0.01)) ** 2)
    expected = kernel @ profile
    assert np.corrcoef(pattern[row], expected)[0, 1] > 0.999


def test_friedel_pairs_are_equal_but_for_the_curved_ewald_sphere():
    """I(q) = I(-q) where the sphere is a plane: of an upright tube at any voltage, of a tilted one at high voltage."""

    def asymmetry(beam, **pose):
        pattern = tube_patterns([(11, 4)], Poses.of(1, **pose), beam=beam)[0]
        return np.abs(pattern - pattern[::-1, ::-1]).max() / pattern.max()

    tilted = {"tilt_deg": 5.0, "spin_deg": 17.0, "turn_deg": 8.0}
    assert asymmetry(FLAT, **tilted) < 0.2 * asymmetry(ElectronBeam(30.0), **tilted)
    assert asymmetry(FLAT) < 0.05


def test_the_mirror_tube_has_the_mirrored_pattern():
    """(m, n) is the mirror image of (n, m): x → -x of the pattern, at the spin that the mirror gives.

    A line of one Bessel function is its own mirror image; the short stretch makes lines of (7, 6) interfere.
    """
    shortest = Exposure(length_nm=2.0)
    own = tube_patterns([(7, 6)], Poses.of(1, tilt_deg=8.0, spin_deg=10.0), exposure=shortest)[0]
    poses = Poses.of(720, spin_deg=0.5 * np.arange(720), tilt_deg=8.0)
    others = tube_patterns([(6, 7)] * 720, poses, exposure=shortest)
    nearest = np.abs(others - own[:, ::-1]).max(axis=(1, 2)).min()
    assert nearest < 0.01 * own.max()
    assert np.abs(own - own[:, ::-1]).max() > 0.05 * own.max()


def test_the_number_of_electrons_is_the_cross_section_times_the_dose():
    """Far from the direct beam atoms scatter independently: the total tends to N D ∫ (γ λ f)² d²q (Parseval)."""
    beam, exposure = ElectronBeam(80.0), Exposure(dose_per_angstrom2=1e4, length_nm=4.0, rms_angstrom=0.0)
    detector = Detector(pixels=256, pixel_per_angstrom=0.02, beam_stop_per_angstrom=0.0)
    tube = Nanotube(10, 5)
    pattern = tube_patterns([(10, 5)], beam=beam, exposure=exposure, detector=detector)[0]
    q = detector.frequencies
    radius = np.hypot(q[:, None], q)
    ring = (radius > 1.2) & (radius < 2.4)
    atoms = tube.n_sites / tube.length_angstrom * np.sqrt(2.0 * np.pi) * 40.0 / FWHM
    factor = scattering_factors(np.array([6]), radius**2)[0]
    alone = 1e4 * atoms * ((beam.gamma * beam.wavelength_angstrom * factor * 0.02) ** 2 * ring).sum()
    assert (pattern * ring).sum() == pytest.approx(alone, rel=0.05)


def test_the_table_of_bessel_functions_is_scipys():
    orders = np.array([0, 1, -1, 5, -6, 40, -41])
    x = np.broadcast_to(np.linspace(0.0, 120.0, 777), (7, 777))
    assert np.abs(bessel(orders, x) - jv(orders[:, None], x)).max() < 1e-5


def test_counts_are_poissons_and_repeatable():
    expected = tube_patterns([(10, 5), (9, 9)])
    first, again = (Detector().expose(expected, np.random.default_rng(3)) for _ in range(2))
    assert (first == again).all()
    assert first.sum() == pytest.approx(expected.sum(), rel=5.0 / np.sqrt(expected.sum()))
    noisy = Detector(readout_electrons=2.0).expose(np.zeros((1, 64, 64)), np.random.default_rng(0))
    assert noisy.std() == pytest.approx(2.0, rel=0.05)


def test_beam_stop_and_background():
    detector = Detector(beam_stop_per_angstrom=0.2)
    plain, diffuse = (tube_patterns([(10, 5)], detector=detector, exposure=Exposure(diffuse=d))[0] for d in (0.0, 0.5))
    q = detector.frequencies
    assert (diffuse[np.hypot(q[:, None], q) < 0.2] == 0.0).all()
    assert diffuse.sum() == pytest.approx(1.5 * plain.sum())


def test_a_defect_changes_the_pattern_of_atoms():
    tubes = [Nanotube(8, 0, 2), Nanotube(8, 0, 2).decorated({3: "vacancy"}), Nanotube(8, 0, 2).decorated({3: "N"})]
    patterns = atom_patterns(tubes, exposure=SHORT)
    assert patterns[1].sum() < patterns[0].sum()
    assert np.abs(patterns[2] - patterns[0]).max() > 0.0


def test_a_finite_tube_is_taken_as_it_is():
    long, short = (nanotube(6, 3, length=k, bond=1.42) for k in (2, 1))
    for each in (long, short):
        each.set_pbc(False)
    patterns = atom_patterns([long, short], ends="cell", exposure=SHORT)
    assert patterns[0].sum() == pytest.approx(2.0 * patterns[1].sum(), rel=0.1)


def test_errors_name_the_value_and_the_fix():
    with pytest.raises(ChiralityError, match=r"\(-1, 3\) is no chirality"):
        tube_patterns([(-1, 3)])
    with pytest.raises(ConfigurationError, match=r"3 poses do not fit 1 structures"):
        tube_patterns([(6, 5)], Poses.of(3))
    with pytest.raises(ConfigurationError, match=r"a tilt of 80° is too large"):
        Poses.of(1, tilt_deg=80.0)
    with pytest.raises(ConfigurationError, match=r"spread_pixels=0.1 must be"):
        Detector(spread_pixels=0.1)
    with pytest.raises(ConfigurationError, match=r"beyond 400"):
        tube_patterns([(200, 100)], detector=Detector(pixels=128))
    with pytest.raises(StructureError, match=r"no electron scattering factor for atomic number 79"):
        scattering_factors(np.array([79]), np.zeros(1))
    with pytest.raises(StructureError, match="is no structure"):
        atom_patterns([3])
