"""`characterize` for films and forests: numbers with uncertainties from files, by networks of some seconds."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from matgym.characterization import Micrograph, Pattern, Scattering, Spectrum, characterize, read_scattering
from matgym.characterization.forests import Q_PER_NM, SHIFTS_CM, Forest, measured_forests
from matgym.characterization.micrographs import DOTS
from matgym.characterization.reading.fitting import RecognitionFit, fit_reader
from matgym.characterization.reading.grain_size import correlation_radii
from matgym.characterization.reading.learned import STORE, load_reader, save_reader
from matgym.characterization.reading.registry import reading_of
from matgym.characterization.recognition.tasks import Samples
from matgym.cli import app
from matgym.errors import ConfigurationError, FormatError, RefusalError, WeightsError
from matgym.processes.annealing.microstructure import voronoi
from matgym.processes.growth.kinetics import GrowthKinetics

FILM, FOREST = reading_of("film-micrograph"), reading_of("forest-curves")
LASER = {"laser_ev": 2.33}


def films(count, seed):
    """Return micrographs of Voronoi films: those of the task without the Potts model, which takes longer."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(count // 8):
        grains = np.exp(rng.uniform(np.log(5.0), np.log(300.0), 8)).astype(int)
        labels = np.stack([voronoi(64, each, 0, rng) for each in grains])
        parts.append(FILM.measured(labels, rng, FILM.training))
    return Samples.joined(parts)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    settings = {"resnet": {"width": 4, "blocks": 1, "hidden": (32,)}, "lenet": {"channels": (4, 8), "hidden": (32,)}}
    fits = (
        (FILM, [films(1200, 0), films(240, 1)], "lenet", 12),
        (
            FOREST,
            [FOREST.draw(3000, np.random.default_rng(0)), FOREST.draw(600, np.random.default_rng(1))],
            "resnet",
            6,
        ),
    )
    for task, parts, network, epochs in fits:
        fit = RecognitionFit(network=network, settings=settings[network], epochs=epochs, batch_size=64)
        reader = fit_reader(task, *parts, fit, device="cpu")
        file = folder / f"{task.name}.safetensors"
        save_reader(reader, file, task=task.name, network=network, settings=settings[network])
    return folder


@pytest.fixture(scope="module")
def film(models):
    return {"model": models / "film-micrograph.safetensors"}


@pytest.fixture(scope="module")
def forest(models):
    return {"model": models / "forest-curves.safetensors"}


@pytest.fixture
def image(tmp_path):
    """A file of a film with 40 crystallites, 128 pixels of 5 nm in two for each site, and its radius in sites."""
    rng = np.random.default_rng(7)
    sample = FILM.measured(voronoi(64, 40, 0, rng)[None], rng, FILM.training, level=1000.0)
    pixels = np.repeat(np.repeat(sample.inputs[0], 2, axis=0), 2, axis=1).astype(np.float32)
    file = tmp_path / "film.tif"
    tifffile.imwrite(file, pixels, imagej=True, resolution=(0.2, 0.2), metadata={"unit": "nm"})
    return file, sample.labels[0]


@pytest.fixture
def curves(tmp_path):
    """Files of one forest: a Raman spectrum in counts with steps of 1 1/cm, and a scattering curve over 1/Å."""
    diameter = np.array([10.0])
    given = (diameter, GrowthKinetics().walls(diameter), *(np.array([each]) for each in (100.0, 0.4, 1.5, 1000.0)))
    probes = FOREST.training.probes(np.random.default_rng(3), 1, 800.0)
    (row,) = measured_forests(Forest(*given), probes, np.random.default_rng(4).standard_normal((1, 181)))
    shifts = np.arange(1000.0, 1900.0)
    counts = np.interp(shifts, SHIFTS_CM, row[:141]) * 2750.0
    raman, saxs = tmp_path / "raman.txt", tmp_path / "saxs.csv"
    raman.write_text("\n".join(["# laser 532 nm", "Raman shift (cm-1)\tcounts"]
                               + [f"{x:g}\t{y:.1f}" for x, y in zip(shifts, counts, strict=True)]))  # fmt: skip
    q = np.concatenate([[0.013], Q_PER_NM / 10.0, [0.3]])
    photons = np.concatenate([row[141:142], row[141:], row[-1:]])
    saxs.write_text("\n".join(["q (1/Å),photons"] + [f"{x:.6g},{y:.1f}" for x, y in zip(q, photons, strict=True)]))
    return raman, saxs


# ---- films


def test_the_radius_of_a_film_is_read_with_its_uncertainty_and_scales_with_the_lattice_constant(image, film):
    file, (radius, _) = image
    found = characterize(file, "film", site_nm=10.0, **film)
    read = {each.name: each for each in found.quantities}
    assert list(read) == ["radius_nm", "defects", "clusters_per_um2"]
    assert abs(read["radius_nm"].value - 10.0 * radius) < 4.0 * read["radius_nm"].uncertainty
    assert 0.0 <= read["defects"].value <= 1.0
    # DOTS clusters for each site of a film with all of its defects, and a site of 10 nm x 10 nm.
    assert read["clusters_per_um2"].value == pytest.approx(read["defects"].value * DOTS * 1e4)
    assert found.prepared[0].shape == found.simulated[0].shape == (64, 64)
    other = characterize(Micrograph(found.measured[0].pixels, 50.0), "film", site_nm=100.0, **film)
    assert other.quantities[0].value == pytest.approx(10.0 * read["radius_nm"].value, rel=1e-6)


def test_all_pixels_of_a_fine_image_count():
    rng = np.random.default_rng(0)
    noise = 1.0 + 0.1 * rng.standard_normal((512, 512))
    seen = FILM.pipeline.of(Micrograph(noise, 1.0), 8.0)
    # A triangle over 2 x 8 pixels: the variance of a mean of 8 is divided by 8 · 3/2 along each side.
    assert seen.std() == pytest.approx(0.1 / 12.0, rel=0.05)


def test_a_simulated_film_has_the_values_that_it_was_asked_for():
    radii = [correlation_radii(FILM.simulated(np.array([radius, 0.0])))[0] for radius in (4.0, 8.0)]
    assert radii[1] / radii[0] == pytest.approx(2.0, rel=0.2)
    dark = [FILM.simulated(np.array([6.0, share])).mean() for share in (0.0, 1.0)]
    assert dark[1] < dark[0] - 0.5 * 0.4 * DOTS


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigurationError, "site_nm=None does not fit: give the lattice constant of the film model, 5 to 10 nm"),
        ({"site_nm": 11.0}, ConfigurationError, "site_nm=11.0 does not fit: .* 5 to 10 nm for this image"),
        ({"site_nm": 10.0, "pixel_per_nm": 5.0}, ConfigurationError, "pixel_per_nm=5.0 has no effect for what='film'"),
        ({"site_nm": 10.0, "best": 3}, ConfigurationError, "best=3 has no effect for what='film'"),
    ],
)
def test_films_of_another_scale_are_refused(image, film, options, error, message):
    with pytest.raises(error, match=message):
        characterize(image[0], "film", **options, **film)


def test_small_images_patterns_and_other_records_are_no_films(film):
    pixels = np.random.default_rng(0).random((40, 90))
    with pytest.raises(RefusalError, match="an image of 40 x 90 pixels is too small: the network needs 64 rows"):
        characterize(Micrograph(pixels, 1.0), "film", site_nm=1.0, **film)
    with pytest.raises(RefusalError, match="an electron diffraction pattern was given"):
        characterize(Micrograph(pixels, 1.0, "diffraction"), "film", site_nm=1.0, **film)
    with pytest.raises(RefusalError, match="a pattern is not an image of a specimen"):
        characterize(Pattern(np.arange(20.0), np.arange(20.0) % 3, 1.54), "film", site_nm=1.0, **film)


def test_what_is_no_film_at_all_gets_no_answer(tmp_path):
    """By the network that is shipped: one that was trained on some films only knows too little to refuse."""
    across = np.linspace(0.0, 1.0, 64)
    bright = np.zeros((64, 64))
    bright[20:40, 20:40] = 1000.0 + across[:20]
    found = characterize(Micrograph(bright, 1.0), "film", site_nm=1.0)
    assert found.refusal.startswith("it differs from all training measurements")
    assert (found.quantities, found.simulated) == ((), None)
    assert found.as_dict()["quantities"] is None
    assert found.summary()[0].startswith("No answer: ")
    found.save_picture(tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").size[0] < 400  # one panel


# ---- forests


def test_a_forest_is_read_from_two_files(curves, forest):
    raman, saxs = curves
    found = characterize(raman, "forest", scattering=saxs, **LASER, **forest)
    truth = (10.0, 0.4, 1.5 / (1.5 + float(GrowthKinetics().walls(np.array([10.0]))[0])))
    for each, value in zip(found.quantities, truth, strict=True):
        assert abs(each.value - value) < 4.0 * each.uncertainty
        assert each.limit == ""
    assert [each["scale"] for each in found.as_dict()["files"]] == ["header", "header"]
    assert [len(each) for each in found.prepared] == [len(each) for each in found.simulated] == [141, 40]
    assert np.corrcoef(found.prepared[1], found.simulated[1])[0, 1] > 0.9


def test_a_forest_in_memory_and_in_other_units_reads_the_same(curves, forest, tmp_path):
    raman, saxs = curves
    first = characterize(raman, "forest", scattering=saxs, **LASER, **forest)
    spectrum, curve = first.measured
    doubled = Spectrum(spectrum.x, "1/cm", 2.0 * spectrum.intensity, laser_ev=2.33)
    (tmp_path / "nm.dat").write_text("\n".join(f"{q} {y}" for q, y in zip(curve.q_per_nm, curve.photons, strict=True)))
    second = characterize(doubled, "forest", scattering=tmp_path / "nm.dat", q_unit="1/nm", **forest)
    for a, b in zip(first.quantities, second.quantities, strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-4)
    with pytest.raises(FormatError, match="states no unit of its first column: a scattering curve has 1/nm or 1/angst"):
        read_scattering(tmp_path / "nm.dat")


@pytest.mark.parametrize(
    ("mean", "deviation", "limits"),
    [(0.04, 0.05, ["at most", "at most", ""]), (0.96, 0.05, ["at least", "at least", ""]), (0.5, 0.05, ["", "", ""])],
)
def test_numbers_at_the_ends_of_what_the_network_knows_are_limits(curves, forest, tmp_path, mean, deviation, limits):
    reader = load_reader(forest["model"])
    with torch.no_grad():
        reader.network.last.weight.zero_()
        reader.network.last.bias.copy_(torch.tensor([mean] * 3 + [np.log(deviation)] * 3))
    facts = {"task": FOREST.name, "network": "resnet", "settings": {"width": 4, "blocks": 1, "hidden": (32,)}}
    save_reader(replace(reader, factors=np.ones(3)), tmp_path / "a.safetensors", **facts)
    found = characterize(curves[0], "forest", scattering=curves[1], **LASER, model=tmp_path / "a.safetensors")
    assert [each.limit for each in found.quantities] == limits
    assert ("(at " in found.summary()[0]) == bool(limits[0])


def columns(**given):
    shifts = given.pop("shifts", SHIFTS_CM)
    values = FOREST.simulated(np.array([12.0, 0.3, 0.1]))[0]
    raman = np.interp(shifts, SHIFTS_CM, values[:141])
    return Spectrum(shifts, "1/cm", raman + given.pop("added", 0.0), **({"laser_ev": 2.33} | given))


BAD = {
    "no laser": (columns(laser_ev=None), {}, "the energy of the laser is unknown, and D/G depends on it"),
    "red laser": (columns(laser_ev=1.96), {}, "a laser of 1.96 eV is unknown: the network knows 2.28 to 2.38 eV"),
    "short": (
        columns(shifts=np.arange(1300.0, 1700.0)),
        {},
        "covers 1300 to 1699 1/cm: the network needs 1100 to 1800",
    ),
    "coarse": (columns(shifts=np.arange(1100.0, 1810.0, 10.0)), {}, "steps of 10 1/cm: the network needs 6.25 1/cm"),
    "subtracted": (columns(added=-2.0), {}, "mean intensity of the spectrum is -.*: give it without subtracting"),
    "absorption": (Spectrum(SHIFTS_CM, "nm", SHIFTS_CM % 7), {}, "a spectrum over nm is no Raman spectrum of a forest"),
    "image": (Micrograph(np.eye(20), 1.0), {}, "a micrograph is no Raman spectrum of a forest"),
    "q too short": (columns(), {"q": Q_PER_NM[:30]}, "covers 0.15 to 1.* 1/nm: the network needs 0.15 to 2 1/nm"),
    "q too coarse": (columns(), {"q": np.geomspace(0.1, 3.0, 20)}, "differ by a factor of 1.2: the network needs 1.1"),
    "relative": (columns(), {"scale": 1e-6}, "photons at most: give counts, not relative intensities"),
}


@pytest.mark.parametrize(("raman", "other", "message"), BAD.values(), ids=BAD)
def test_curves_that_the_network_was_not_trained_for_are_refused(forest, raman, other, message):
    q = other.get("q", Q_PER_NM)
    curve = Scattering(q, other.get("scale", 1.0) * 1e4 / q**3)
    with pytest.raises(RefusalError, match=message):
        characterize(raman, "forest", scattering=curve, **forest)


def test_a_forest_needs_both_curves_and_no_other_option(curves, forest):
    raman, saxs = curves
    with pytest.raises(ConfigurationError, match="scattering is missing: give the small-angle X-ray scattering"):
        characterize(raman, "forest", **LASER, **forest)
    with pytest.raises(ConfigurationError, match=r"scattering=.* has no effect for what='spectrum'"):
        characterize(raman, "spectrum", scattering=saxs, **LASER)
    with pytest.raises(ConfigurationError, match="q_unit=1/nm has no effect for a measurement in memory"):
        characterize(raman, "forest", scattering=read_scattering(saxs), q_unit="1/nm", **LASER, **forest)
    with pytest.raises(RefusalError, match="a spectrum is no scattering curve: give scattering vectors q"):
        characterize(raman, "forest", scattering=columns(), **LASER, **forest)
    with pytest.raises(FormatError, match="states 'Raman shift': a scattering curve has 1/nm or 1/angstrom"):
        characterize(raman, "forest", scattering=raman, **LASER, **forest)


# ---- the command, and networks


def test_the_command_prints_numbers_and_draws_both_curves(curves, forest, tmp_path):
    raman, saxs = map(str, curves)
    picture = tmp_path / "a.png"
    arguments = ["characterize", raman, "--what", "forest", "--scattering", saxs, "--laser-ev", "2.33"]
    arguments += ["--model", str(forest["model"])]
    done = CliRunner().invoke(app, [*arguments, "--output", str(picture), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert [each["quantity"] for each in found["quantities"]] == ["diameter_nm", "disorder", "amorphous_share"]
    assert all(each["uncertainty"] > 0.0 for each in found["quantities"])
    assert Image.open(picture).size[1] > 500
    assert "Answer: diameter_nm" in CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    again = [*arguments, "--scattering", str(picture), "--output", str(picture), "--force"]
    with pytest.raises(FormatError, match="is also an input"):
        CliRunner().invoke(app, again, catch_exceptions=False)


def test_the_network_of_another_task_is_refused(image, film, forest, tmp_path):
    with pytest.raises(WeightsError, match=r"forest-curves\.safetensors reads other measurements: give a network of"):
        characterize(image[0], "film", site_nm=10.0, **forest)
    reader = load_reader(film["model"])
    swapped = replace(reader, quantities=reader.quantities[::-1])
    facts = {"task": FILM.name, "network": "lenet", "settings": {"channels": (4, 8), "hidden": (32,)}}
    save_reader(swapped, tmp_path / "a.safetensors", **facts)
    with pytest.raises(ConfigurationError, match="the characterizer reads defects, radius"):
        characterize(image[0], "film", site_nm=10.0, model=tmp_path / "a.safetensors")


def test_a_question_without_a_trained_network_names_the_command_that_trains_it(image, curves, tmp_path, monkeypatch):
    for module in ("reading", "recognition"):
        store = __import__(f"matgym.characterization.{module}.learned", fromlist=["STORE"]).STORE
        monkeypatch.setattr(f"matgym.characterization.{module}.learned.STORE", replace(store, shipped=tmp_path))
    monkeypatch.setattr("matgym.characterization.reading.answers.STORE", replace(STORE, shipped=tmp_path))
    locators = __import__("matgym.characterization.recognition.locators", fromlist=["LOCATORS"]).LOCATORS
    monkeypatch.setattr("matgym.characterization.recognition.locators.LOCATORS", replace(locators, shipped=tmp_path))
    raman, saxs = curves
    asked = {
        "film-micrograph": (image[0], "film", {"site_nm": 10.0}),
        "forest-curves": (raman, "forest", {"scattering": saxs, **LASER}),
        "chirality-hrtem": (image[0], "chirality", {}),
        "defects-hrtem": (image[0], "defects", {}),
        "species-raman": (raman, "spectrum", LASER),
    }
    for task, (file, what, options) in asked.items():
        command = f"{task} has no trained network yet: run python -m scripts.studies.characterization.train {task}"
        with pytest.raises(WeightsError, match=command):
            characterize(file, what, **options)
