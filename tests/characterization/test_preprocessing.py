"""Preprocessing: against the poses with which measurements were simulated, and against Bragg's law."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from matgym.characterization import (
    Camera,
    Detector,
    Diffractometer,
    Exposure,
    Poses,
    hrtem,
    powder_patterns,
    tube_patterns,
)
from matgym.characterization.alignment import inversion_centre, long_axis_deg, mirror_axis_deg, mirror_offset, resampled
from matgym.characterization.files import Micrograph, Pattern, Spectrum
from matgym.characterization.preprocessing import (
    BACKGROUND_DEG,
    DiffractionPipeline,
    ImagePipeline,
    PatternPipeline,
    Pipeline,
)
from matgym.errors import RefusalError
from matgym.structures import Nanotube

TUBES = [(10, 5), (9, 9), (13, 0), (8, 7), (12, 3), (15, 6)]
DIFFRACTION = DiffractionPipeline()
DETECTOR = Detector(pixels=116, pixel_per_angstrom=0.0165, beam_stop_per_angstrom=0.09)


def patterns(turn_deg, tilt_deg=5.0, dose=3e4):
    poses = Poses.of(len(TUBES), turn_deg=turn_deg, tilt_deg=tilt_deg, spin_deg=20.0)
    exposure = Exposure(dose, length_nm=20.0, diffuse=0.5)
    return tube_patterns(TUBES, poses, detector=DETECTOR, exposure=exposure)


def test_the_beam_is_found_in_patterns_that_are_off_centre():
    counts = np.random.default_rng(0).poisson(patterns(30.0, dose=300.0)).astype(float)[:, 7:, 3:]
    found = inversion_centre(np.sqrt(counts), 0.1)
    assert np.abs(found - [(116 - 1) / 2 - 7, (116 - 1) / 2 - 3]).max() < 0.3


@pytest.mark.parametrize("turn", [-80.0, -33.0, 0.0, 45.0, 90.0])
def test_the_equator_is_found_at_any_turn(turn):
    """A tube that is turned by an angle has its equator there; both differ by a half turn from themselves."""
    expected = patterns(turn)
    centres = np.full((len(TUBES), 2), 57.5)
    near = long_axis_deg(expected, 6.0, 24.0, centres)
    exact = mirror_axis_deg(np.sqrt(expected), centres, near, np.arange(6.0, 50.0), 10.0)
    apart = (np.stack([near, exact]) - turn + 90.0) % 180.0 - 90.0
    assert np.abs(apart[0]).max() < 2.0
    assert np.abs(apart[1]).max() < 0.3


def test_an_input_does_not_depend_on_turn_centre_and_dose():
    upright = DIFFRACTION.apply(patterns(0.0), 0.165)
    assert upright.shape == (len(TUBES), *DIFFRACTION.shape)
    moved = DIFFRACTION.apply(5.0 * patterns(64.0)[:, 6:, :-4], 0.165)
    assert np.square(moved - upright).mean() < 0.02 * np.square(upright).mean()
    others = np.square(upright[:, None] - upright).mean(axis=(2, 3, 4))[~np.eye(len(TUBES), dtype=bool)]
    assert others.min() > 0.1 * np.square(upright).mean()


def test_an_input_does_not_depend_on_the_width_of_pixels():
    fine = Detector(pixels=232, pixel_per_angstrom=0.00825, beam_stop_per_angstrom=0.09, spread_pixels=1.2)
    poses = Poses.of(len(TUBES), tilt_deg=5.0, spin_deg=20.0)
    exposure = Exposure(3e4, length_nm=20.0, diffuse=0.5)
    binned = DIFFRACTION.apply(tube_patterns(TUBES, poses, detector=fine, exposure=exposure), 0.0825)
    usual = DIFFRACTION.apply(patterns(0.0), 0.165)
    assert np.square(binned - usual).mean() < 0.02 * np.square(usual).mean()


@pytest.mark.parametrize("shift", [-6.0, 0.0, 2.5])
def test_the_middle_of_a_symmetric_profile_is_found(shift):
    x = np.arange(64) - 31.5 - shift
    profile = np.exp(-0.5 * ((np.abs(x) - 9.0) / 2.0) ** 2)
    assert mirror_offset(profile[None], 0.15)[0] == pytest.approx(shift, abs=0.1)


def test_images_are_resampled_at_the_places_that_geometry_says():
    """A bright point at an angle from the centre comes to lie on the right of it."""
    image = np.zeros((1, 41, 41))
    row, column = round(20 + 10 * np.sin(0.5)), round(20 + 10 * np.cos(0.5))
    image[0, row, column] = 1.0
    found = resampled(image, np.array([[20.0, 20.0]]), np.array([np.degrees(0.5)]), 1.0, 41)[0]
    assert np.unravel_index(found.argmax(), found.shape) == (20, 30)


def test_tubes_in_images_are_upright_and_in_the_middle():
    camera = Camera(pixels=96, pixel_angstrom=0.4, dose_per_angstrom2=2e4)
    poses = Poses.of(3, turn_deg=[0.0, 40.0, -75.0], shift_angstrom=[[1.5, 0, 0], [-1.0, 1.5, 0], [0, 2.0, 0]])
    images = camera.expose(hrtem([Nanotube(10, 10)] * 3, poses, camera=camera), np.random.default_rng(0))
    inputs = ImagePipeline().apply(images, 0.04)
    assert inputs.shape == (3, 2, 64, 64)
    profiles = inputs[:, 0, 12:-12].mean(axis=1)
    assert np.abs(mirror_offset(profiles, 0.2)).max() < 0.3
    # The darkest columns are the two walls, a diameter apart up to the width of a fringe.
    half = 64 // 2
    walls = np.stack([profiles[:, :half].argmin(axis=1), half + profiles[:, half:].argmin(axis=1)])
    assert np.abs(np.diff(walls, axis=0) * 0.045 - Nanotube(10, 10).diameter_nm).max() < 0.15


def test_powder_patterns_of_two_wavelengths_agree():
    """Bragg's law: a pattern at another wavelength, converted, has its peaks at the same places."""
    from ase.build import bulk

    pytest.importorskip("pymatgen")
    pipeline = PatternPipeline(start_deg=20.0, stop_deg=80.0, points=600)
    inputs = []
    for wavelength in (1.54056, 1.2):
        instrument = Diffractometer(wavelength_angstrom=wavelength, fwhm_deg=0.15)
        pattern = powder_patterns([bulk("Si"), bulk("Cu")], None, instrument)
        inputs.append(pipeline.apply(pattern, instrument.two_theta_deg, wavelength))
    assert np.array_equal(*(each.argmax(axis=2) for each in inputs))
    for one, other in zip(*inputs, strict=True):
        assert np.corrcoef(one[0], other[0])[0, 1] > 0.9


def test_a_smooth_background_leaves_a_powder_pattern():
    """Of a background of constant slope, its fall over the window at most is left."""
    slope = 1.0 / 300.0
    angles = np.arange(8.0, 82.0, 0.02)
    peaks = sum(np.exp(-0.5 * ((angles - place) / 0.08) ** 2) for place in (20.0, 33.0, 47.0, 61.0))
    pipeline = PatternPipeline()
    clean, raised = (
        pipeline.apply(each[None], angles, 1.54056)[0, 0] for each in (peaks, peaks + 0.5 - slope * angles)
    )
    assert np.abs(clean - raised).max() < np.sqrt(slope * BACKGROUND_DEG)
    assert raised.max() == pytest.approx(1.0)


IMAGE = np.random.default_rng(0).uniform(size=(100, 100))
ANGLES = np.linspace(9.0, 81.0, 1441)
REFUSED = {
    "wide pixels": (DIFFRACTION, Micrograph(IMAGE, 0.3, "diffraction"), "a pixel of 0.3 1/nm is too wide"),
    "a small detector": (DIFFRACTION, Micrograph(IMAGE, 0.1, "diffraction"), "a field of 10 1/nm is too small"),
    "an image": (DIFFRACTION, Micrograph(IMAGE, 0.1), "an image of a specimen was given, by its scale in nm"),
    "wide pixels of an image": (ImagePipeline(), Micrograph(IMAGE, 0.1), "a pixel of 0.1 nm is too wide"),
    "a small field": (ImagePipeline(), Micrograph(IMAGE, 0.01), "a field of 1 nm is too small"),
    "a diffraction pattern": (ImagePipeline(), Micrograph(IMAGE, 0.1, "diffraction"), "give an image of a specimen"),
    "a curve": (ImagePipeline(), Pattern(ANGLES, ANGLES, 1.5), "a pattern is not an image of a specimen"),
    "a short range": (PatternPipeline(), Pattern(ANGLES[:900], ANGLES[:900], 1.54), "covers 2θ of 9.* the network"),
    "another wavelength": (PatternPipeline(), Pattern(ANGLES, ANGLES, 2.3), "the network needs 10 to 80"),
    "coarse steps": (PatternPipeline(), Pattern(ANGLES[::4], ANGLES[::4], 1.54056), "has steps of 0.2"),
    "a spectrum": (PatternPipeline(), Spectrum(ANGLES, "nm", ANGLES), "a spectrum is no powder pattern"),
}


@pytest.mark.parametrize(("pipeline", "measured", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_brought_to_the_network_is_refused(pipeline, measured, message):
    with pytest.raises(RefusalError, match=message):
        pipeline.of(measured)


@pytest.mark.parametrize("pipeline", [DIFFRACTION, ImagePipeline(spectrum=False), PatternPipeline(points=256)])
def test_a_pipeline_is_stored_and_read(pipeline):
    adapter = TypeAdapter(Pipeline)
    assert adapter.validate_json(adapter.dump_json(pipeline)) == pipeline


@pytest.mark.parametrize(
    "changes",
    [{"kind": "sound"}, {"pixels": 33}, {"pixels": 10**9}, {"pixel_per_nm": -1.0}, {"colour": "red"}],
)
def test_a_pipeline_out_of_range_is_not_read(changes):
    with pytest.raises(ValidationError):
        TypeAdapter(Pipeline).validate_python(DIFFRACTION.model_dump() | changes)


def test_wavelengths_with_other_digits_and_scales_with_few_do_not_refuse_a_whole_range():
    """10 to 80° at 1.5406 or 1.5418 Å end some hundredths of a degree early at 1.54056 Å."""
    angles = np.linspace(10.0, 80.0, 1401)
    counts = np.random.default_rng(0).poisson(100.0, 1401).astype(float)
    for wavelength in (1.5406, 1.5418):
        seen = PatternPipeline().of(Pattern(angles, counts, wavelength))
        assert np.isfinite(seen).all()
    with pytest.raises(RefusalError, match=r"covers 2θ of 10 to 79\.8"):
        PatternPipeline().of(Pattern(angles[:-3], counts[:-3], 1.54056))
    pixels = np.random.default_rng(0).random((96, 96))
    assert DIFFRACTION.of(Micrograph(pixels, 0.99999 * 0.175, "diffraction")).shape == (1, 1, 48, 48)
    with pytest.raises(RefusalError, match=r"1/nm is too small: the network needs 16\.8 1/nm"):
        DIFFRACTION.of(Micrograph(pixels, 0.999 * 0.175, "diffraction"))
