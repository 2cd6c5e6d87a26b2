"""`characterize`, in Python and on the command line, with a network that is a matched filter of six tubes."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from matgym.characterization import (
    Camera,
    Detector,
    Exposure,
    Micrograph,
    Pattern,
    Poses,
    Scattering,
    Spectrum,
    characterize,
    hrtem,
    tube_patterns,
    virtual_microscope,
)
from matgym.characterization.preprocessing import DiffractionPipeline
from matgym.characterization.recognition.learned import Calibration, Recognizer, save_recognizer
from matgym.characterization.recognition.networks import make_network
from matgym.characterization.recognition.registry import task_of
from matgym.cli import app
from matgym.errors import ConfigurationError, FormatError, RefusalError, WeightsError
from matgym.structures import Nanotube

NAMES = ("(10,5)", "(9,9)", "(13,0)", "(8,7)", "(12,3)", "(15,6)")
PIPELINE = DiffractionPipeline(pixel_per_nm=0.22, pixels=76)
TASK = task_of("chirality-diffraction")


def filter_of(names, threshold):
    """Return a network whose logits are the cosines between an input and simulations of its classes."""
    templates = np.stack([TASK.simulated(name, PIPELINE).ravel() for name in names])
    net = make_network("linear", {}, PIPELINE.shape, len(names)).eval()
    with torch.no_grad():
        net.last.weight.copy_(torch.from_numpy(templates / np.linalg.norm(templates, axis=1, keepdims=True)))
        net.last.bias.zero_()
    size = templates.shape[1]
    anywhere = {"centre": np.zeros(size), "whitening": np.zeros((size, size)), "threshold": np.ones(1)}
    return Recognizer(net, names, PIPELINE, Calibration(1.0, threshold, anywhere))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, threshold in (("sure", 0.0), ("unsure", 1.0)):
        facts = {"task": TASK.name, "network": "linear", "settings": {}}
        save_recognizer(filter_of(NAMES, threshold), folder / f"{name}.safetensors", **facts)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of noisy patterns of turned tubes; the scale is in the file, 1/nm."""
    folder = tmp_path_factory.mktemp("files")
    detector = Detector(pixels=116, pixel_per_angstrom=0.0165, beam_stop_per_angstrom=0.09)
    pairs = [tuple(map(int, name[1:-1].split(","))) for name in NAMES]
    poses = Poses.of(len(pairs), turn_deg=[0.0, 30.0, -60.0, 100.0, 77.0, -5.0], tilt_deg=4.0)
    expected = tube_patterns(pairs, poses, detector=detector, exposure=Exposure(3e3, 30.0, 0.3))
    for name, counts in zip(NAMES, detector.expose(expected, np.random.default_rng(0)), strict=True):
        scale = 1.0 / 0.165
        tifffile.imwrite(
            folder / f"{name}.tif", counts.astype(np.uint16), imagej=True, resolution=(scale, scale),
            metadata={"unit": "1/nm"},
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_recognised(files, models, name):
    found = characterize(files / f"{name}.tif", model=models / "sure.safetensors")
    assert found.answer.best[0][0] == name
    assert found.answer.refusal == ""
    assert found.prepared.shape == found.simulated.shape == PIPELINE.shape
    assert np.corrcoef(found.prepared.ravel(), found.simulated.ravel())[0, 1] > 0.7
    assert found.as_dict()["file"]["scale"] == "ImageJ"


def test_the_command_prints_the_answer_and_draws_it(files, models, tmp_path):
    picture, model = tmp_path / "a.png", str(models / "sure.safetensors")
    arguments = ["characterize", str(files / "(9,9).tif"), "--model", model, "--best", "2"]
    done = CliRunner().invoke(app, [*arguments, "--output", str(picture), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["answer"] == "(9,9)"
    assert found["best"][0]["class"] == "(9,9)"
    assert len(found["best"]) == 2
    assert Image.open(picture).size[0] > 500
    text = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert "Answer: (9,9)" in text
    with pytest.raises(FormatError, match="exists: name another file"):
        CliRunner().invoke(app, [*arguments, "--output", str(picture)], catch_exceptions=False)


def test_an_unsure_network_gives_no_answer(files, models):
    arguments = ["characterize", str(files / "(9,9).tif"), "--model", str(models / "unsure.safetensors")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "No answer: no class is probable enough" in done.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert found["answer"] is None
    assert len(found["best"]) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"what": "colour"}, ConfigurationError, "what='colour' is unknown: give 'chirality' or 'crystal'"),
        ({"wavelength_angstrom": 1.54}, ConfigurationError, "wavelength_angstrom=1.54 has no effect for what='chir"),
        ({"what": "crystal", "pixel_nm": 1.0}, ConfigurationError, "pixel_nm=1.0 has no effect for what='crystal'"),
        ({"what": "crystal"}, FormatError, "is no powder pattern"),
        ({"pixel_per_nm": 2.0}, RefusalError, "a pixel of 2 1/nm is too wide"),
        ({"pixel_nm": 0.03}, FormatError, "has a scale in '1/nm', which is that of a diffraction pattern"),
        ({"model": "nowhere.safetensors"}, WeightsError, "there are no weights 'nowhere.safetensors'"),
    ],
)
def test_questions_without_an_answer_are_refused(files, models, options, error, message):
    with pytest.raises(error, match=message):
        characterize(files / "(9,9).tif", **{"model": models / "sure.safetensors", **options})


def test_a_measurement_in_memory_has_its_own_scale(models):
    pattern = np.random.default_rng(0).poisson(5.0, (120, 120)).astype(float)
    with pytest.raises(ConfigurationError, match="pixel_nm=1 has no effect for a measurement in memory"):
        characterize(Micrograph(pattern, 0.165, "diffraction"), pixel_nm=1, model=models / "sure.safetensors")
    assert characterize(Micrograph(pattern, 0.165, "diffraction"), model=models / "sure.safetensors").answer.best


@pytest.mark.parametrize(
    ("measured", "options", "message"),
    [
        (np.ones((64, 64)), {}, "measured is a ndarray: give a file, or a record such as a Micrograph"),
        (None, {}, "measured is a NoneType: give a file, or a record"),
        ("a.tif", {"model": 3}, "model is a int: give a .safetensors file"),
        ("a.tif", {"best": 0}, "best=0 must be 1 or more"),
        ("a.tif", {"best": "3"}, "best='3' must be a whole number"),
        ("a.tif", {"what": ["film"]}, r"what=.* is unknown: give 'chirality'"),
        ("a.csv", {"what": "forest", "scattering": 2}, "scattering is a int: give a file, or a record"),
    ],
)
def test_arguments_of_another_type_are_refused(measured, options, message):
    with pytest.raises(ConfigurationError, match=message):
        characterize(measured, **options)


PIXELS = np.random.default_rng(0).random((20, 20))
X, Y = np.linspace(10.0, 80.0, 200), np.random.default_rng(0).random(200)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Micrograph(PIXELS.tolist(), 0.1), FormatError, "has a list as pixels: give a NumPy array of real"),
        (lambda: Micrograph(1j * PIXELS, 0.1), FormatError, "has an array of complex128 as pixels"),
        (lambda: Micrograph(1e200 * PIXELS, 0.1), FormatError, "intensities of up to .*e.* scale them to 1e.30"),
        (lambda: Micrograph(PIXELS, 0.1, "photo"), ConfigurationError, "kind='photo' is unknown: give 'image' or"),
        (lambda: Pattern(list(X), Y, 1.54), FormatError, "has a list as angles 2θ: give a NumPy array of real"),
        (lambda: Pattern(X, 1e308 * Y, 1.54), FormatError, "intensities of up to .*: scale them to 1e.30 or less"),
        (lambda: Spectrum(X, "cm", Y), ConfigurationError, "unit='cm' is unknown: give '1/cm', 'nm' or 'eV'"),
        (lambda: Scattering(X - 10.0, Y), FormatError, "begins at 0 1/nm: give positive scattering vectors"),
        (lambda: Scattering(X, -Y), FormatError, "has a negative intensity of -.*: give counts"),
    ],
)
def test_records_in_memory_are_checked(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["a.txt", "a", "a.jpg"])
def test_a_picture_of_another_format_is_refused_before_the_work(files, models, tmp_path, name):
    arguments = ["characterize", str(files / "(9,9).tif"), "--model", "none", "--output", str(tmp_path / name)]
    with pytest.raises(FormatError, match=r"is no picture: name a file that ends in \.png, \.svg or \.pdf"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    found = characterize(files / "(9,9).tif", model=models / "sure.safetensors")
    with pytest.raises(FormatError, match="is no picture"):
        found.save_picture(str(tmp_path / name))
    found.save_picture(str(tmp_path / "a.svg"))
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_csv_holds_the_refusal(files, models):
    arguments = ["characterize", str(files / "(9,9).tif"), "--model", str(models / "unsure.safetensors"), "--csv"]
    lines = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout.splitlines()
    assert lines[0] == "class,probability,refusal"
    assert all("no class is probable enough" in line for line in lines[1:])


# ---- designs through the virtual microscope


@pytest.mark.parametrize(("name", "defect"), [*((name, {}) for name in NAMES), ("(9,9)", {17: "vacancy"})])
def test_a_design_is_read_back_without_a_file(models, name, defect):
    n, m = map(int, name[1:-1].split(","))
    tube = Nanotube(n, m, cells=4).decorated(defect)
    seen = virtual_microscope(tube, np.random.default_rng(0), exposure=Exposure(3e3, 10.0))
    found = characterize(seen, model=models / "sure.safetensors")
    assert found.answer.best[0][0] == name
    assert found.as_dict()["file"]["path"] == ""


def test_the_virtual_microscope_is_its_forward_model_with_noise():
    tube, pose, camera = Nanotube(10, 5).decorated({3: "N"}), Poses.of(1, turn_deg=20.0), Camera(48, 0.5, 1e9)
    seen = virtual_microscope(tube, np.random.default_rng(0), kind="image", poses=pose, camera=camera)
    assert (seen.kind, seen.pixel_size) == ("image", pytest.approx(0.05))
    np.testing.assert_allclose(seen.pixels, hrtem([tube], pose, camera=camera)[0], atol=1e-3)
    again = virtual_microscope(tube, np.random.default_rng(0), kind="image", poses=pose, camera=camera)
    np.testing.assert_array_equal(seen.pixels, again.pixels)
    with pytest.raises(ConfigurationError, match="camera has no effect for kind='diffraction'"):
        virtual_microscope(tube, np.random.default_rng(0), camera=camera)
    with pytest.raises(ConfigurationError, match="give 'diffraction' or 'image'"):
        virtual_microscope(tube, np.random.default_rng(0), kind="sound")
