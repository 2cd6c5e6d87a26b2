"""Defects in images: their places against difference images, training, files, refusals, baseline."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from matgym.characterization import Camera, ElectronBeam, Lens, Micrograph, Poses, characterize, hrtem
from matgym.characterization.fields import FieldPipeline
from matgym.characterization.recognition.defective import (
    APART_ANGSTROM,
    KINDS,
    MOST_DEFECTS,
    RELAXED_ANGSTROM,
    defective_tube,
    random_defects,
    relaxed_specimen,
)
from matgym.characterization.recognition.defects import DefectsFromImages, defects_in_image
from matgym.characterization.recognition.locating import (
    LocatorConfig,
    LocatorFit,
    calibrated_locator,
    fit_unet,
    focal_loss,
    logistic,
    mirrored,
    place_figures,
    target_maps,
    train_locator,
)
from matgym.characterization.recognition.locators import found_peaks, load_locator, save_locator
from matgym.characterization.recognition.registry import PLACE_TASKS, draw_pool
from matgym.characterization.recognition.residuals import residual_peaks
from matgym.characterization.recognition.unet import UNet
from matgym.characterization.specimens import Specimen
from matgym.cli import app
from matgym.errors import ConfigurationError, RefusalError, StructureError, WeightsError
from matgym.structures import Nanotube
from matgym.units import CARBON_BOND_ANGSTROM

TASK = PLACE_TASKS["defects-hrtem"]
TUBE = Nanotube(10, 5, 7)
SITE = int(np.abs(TUBE.positions_angstrom[:, 2] - 0.5 * TUBE.length_angstrom).argmin())
CAMERA = Camera(pixels=90, pixel_angstrom=0.45)


def facing(site, *, back):
    """Return a pose in which a site is in the middle of the front or the back wall, tilted, turned and shifted."""
    x, y, _ = TUBE.positions_angstrom[site]
    spin = -np.degrees(np.arctan2(y, x)) + (-90.0 if back else 90.0)
    return Poses.of(1, tilt_deg=6.0, turn_deg=35.0, spin_deg=spin, shift_angstrom=[4.0, -5.0, 1.5])


def image_of(specimen, poses, **settings):
    return hrtem([specimen], poses, camera=CAMERA, **settings)[0]


# ---- tubes and their places


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_where_its_image_differs_from_that_of_the_perfect_tube(kind, back):
    pair = (SITE, int(TUBE.lattice.neighbours[SITE][0]))
    tube = defective_tube(TUBE.decorated({SITE: "vacancy"}) if kind == "vacancy" else TUBE.turned(pair))
    poses = facing(SITE, back=back)
    changed = (image_of(tube.specimen, poses) - image_of(relaxed_specimen(TUBE), poses)) ** 2
    rows, columns = np.indices(changed.shape)
    centre = np.array([(rows * changed).sum(), (columns * changed).sum()]) / changed.sum()
    place = defects_in_image(tube, poses, 0, CAMERA)[0]
    assert place[2] == KINDS.index(kind)
    assert np.linalg.norm(centre - place[:2]) * CAMERA.pixel_angstrom < 0.5 * CARBON_BOND_ANGSTROM
    assert np.linalg.norm(place[:2] - 45.0) * CAMERA.pixel_angstrom > 2.0  # the shift of the pose is in it


def test_atoms_near_a_defect_are_relaxed_and_others_are_those_of_the_perfect_tube():
    tube, perfect = defective_tube(TUBE.decorated({SITE: "vacancy"})), relaxed_specimen(TUBE)
    kept = np.delete(perfect.positions, SITE, axis=0)
    assert np.allclose(tube.places[0], perfect.positions[SITE])
    moves = np.linalg.norm(tube.specimen.positions - kept, axis=1)
    far = np.linalg.norm(kept - tube.places[0], axis=1) > RELAXED_ANGSTROM + 0.5
    assert np.abs(moves[far]).max() < 1e-9
    # Density functional theory moves the neighbours of a vacancy by some 0.1 to 0.3 Å; Tersoff's potential by more.
    assert 0.1 < moves.max() < 0.7


def test_drawn_defects_are_apart_and_within_the_stretch():
    rng, counts = np.random.default_rng(0), []
    for _ in range(8):
        tube = random_defects(rng, 10, 5, 40.0)
        counts.append(len(tube.kinds))
        assert np.abs(tube.places[:, 2]).max(initial=0.0) < 20.0 + 2.0
        assert tube.specimen.period_angstrom >= 80.0
        gaps = np.linalg.norm(tube.places[:, None] - tube.places, axis=2)[np.triu_indices(len(tube.kinds), 1)]
        assert gaps.min(initial=np.inf) > APART_ANGSTROM - 2.0 * CARBON_BOND_ANGSTROM
    assert set(counts) <= set(range(MOST_DEFECTS + 1))
    assert len(set(counts)) > 2


def test_a_tube_without_room_for_defects_is_refused():
    with pytest.raises(StructureError, match=r"no defects of a \(1, 0\) tube could be relaxed in 50 attempts"):
        random_defects(np.random.default_rng(1), 1, 0, 30.0)


def test_boron_and_nitrogen_are_below_the_noise_at_the_dose_at_which_vacancies_are_seen():
    """By the ratio of a matched filter; Rose's criterion asks for 5."""
    perfect, poses, beam = relaxed_specimen(TUBE), facing(SITE, back=False), ElectronBeam(80.0)
    plain = image_of(perfect, poses, beam=beam)

    def ratio(specimen):
        changed = image_of(specimen, poses, beam=beam) - plain
        return np.sqrt((changed**2 / plain).sum() * 1e4) * CAMERA.pixel_angstrom

    for number in (5, 7):
        numbers = np.where(np.arange(len(perfect.numbers)) == SITE, number, perfect.numbers)
        assert ratio(Specimen(perfect.positions, numbers, perfect.period_angstrom)) < 1.0
    assert ratio(defective_tube(TUBE.decorated({SITE: "vacancy"})).specimen) > 5.0


# ---- pipeline


@pytest.mark.parametrize(("turn", "pixel_nm", "size"), [(0.0, 0.045, 120), (70.0, 0.045, 120), (25.0, 0.02, 260)])
def test_places_follow_an_image_into_the_input_and_back(turn, pixel_nm, size):
    """A bright spot beside two dark lines, the walls, is found in the input where the frame says."""
    down, across = np.indices((size, size + 13)) - (size - 1) / 2.0
    angle = np.radians(turn)
    wall = np.abs(across * np.cos(angle) + down * np.sin(angle)) * pixel_nm
    image = 1.0 - np.exp(-0.5 * ((wall - 0.5) / 0.07) ** 2)
    spot = np.array([0.3 * size, 0.42 * size])
    place = np.indices(image.shape) - spot[:, None, None]
    image += 20.0 * np.exp(-0.5 * (place**2).sum(axis=0) * (pixel_nm / 0.08) ** 2)
    inputs, frame = FieldPipeline(pixels=96).of(Micrograph(image, pixel_nm))
    assert inputs.shape[2] % 8 == 0
    assert inputs.shape[2] >= 96
    expected = frame.in_inputs(spot[None, None])[0, 0]
    assert np.allclose(frame.in_images(expected[None, None])[0, 0], spot)
    highest = np.unravel_index(inputs[0, 0].argmax(), inputs.shape[2:])
    assert np.linalg.norm(highest - expected) < 1.0  # pixels
    assert frame.shown(expected[None, None])[0, 0]
    assert not frame.shown(expected[None, None], rim=50.0)[0, 0]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Micrograph(np.eye(100), 0.1), "a pixel of 0.1 nm is too wide"),
        (Micrograph(np.eye(50), 0.045), "a field of 2.25 nm is too small: the network needs 4.32 nm"),
        (Micrograph(np.eye(100), 0.1, "diffraction"), "an electron diffraction pattern was given"),
        (Micrograph(np.eye(2000), 0.05), "a field of 100 nm is too large: give a part of the image of up to 92.16 nm"),
    ],
)
def test_images_that_cannot_be_scaled_are_refused(image, message):
    with pytest.raises(RefusalError, match=message):
        TASK.pipeline.of(image)


# ---- samples


def test_samples_are_the_same_by_the_same_seed_and_from_files(tmp_path):
    first, second, other = (TASK.draw(5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.inputs.tobytes() == second.inputs.tobytes() != other.inputs.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.labels.shape == (5, MOST_DEFECTS, 3)
    assert ((first.levels >= 2e3) & (first.levels <= 5e4)).all()
    pool = draw_pool(TASK, 5, 0, tmp_path)
    again = TASK.draw(5, np.random.default_rng([0, 0]))
    assert np.array_equal(pool.labels, again.labels, equal_nan=True)
    assert pool.inputs.tobytes() == again.inputs.tobytes()


def test_unseen_conditions_are_outside_of_those_of_training():
    pairs = [(low, getattr(TASK.unseen, name)) for name, low in vars(TASK.training).items()]
    changed = [(low, high) for low, high in pairs if low != high]
    assert len(changed) >= 6
    assert all(test[0] >= train[1] or test[1] <= train[0] for train, test in changed)


# ---- the baseline


def test_the_baseline_finds_a_vacancy_in_an_image_without_noise():
    tube, poses = defective_tube(TUBE.decorated({SITE: "vacancy"})), facing(SITE, back=False)
    camera = replace(CAMERA, pixels=100)
    image = hrtem([tube.specimen], poses, lens=Lens(defocus_nm=6.0), camera=camera)
    inputs, frame = TASK.pipeline.apply(image, 0.045)
    place = frame.in_inputs(defects_in_image(tube, poses, 0, camera)[None, :1, :2])[0, 0]
    found = residual_peaks(inputs, 0.045)
    inside = found.take(np.abs(found.places - 47.5).max(axis=1) < 40.0)  # the cut ends of the walls are peaks as well
    best = inside.places[inside.scores.argmax()]
    assert np.linalg.norm(best - place) * 0.045 < 0.2


# ---- the network


def test_the_network_is_small_and_takes_images_of_any_size():
    net = UNet(2).eval()
    assert sum(weights.numel() for weights in net.parameters()) <= 300_000
    inputs = torch.randn(1, 1, 160, 128)
    maps = net(inputs)
    assert maps.shape == (1, 2, 80, 64)
    moved = net(inputs[:, :, 8:])[:, :, 20:-20, 20:-20]  # away from the edges, whose zeros reach into it
    assert torch.allclose(moved, maps[:, :, 24:-20, 20:-20], atol=1e-4)
    with pytest.raises(ConfigurationError, match="width=0 must be a whole number"):
        UNet(2, 0)


LABELS = torch.tensor([[[10.5, 20.5, 0.0], [31.0, 7.0, 1.0], [float("nan")] * 3]])


def test_the_maps_that_are_learned_are_one_at_defects():
    maps = target_maps(LABELS, 2, (24, 24))[0]
    assert maps[0, 5, 10] == maps[1, 15, 3] == 1.0
    assert maps[0, 5, 11] == pytest.approx(np.exp(-0.5))
    assert (maps == 1.0).sum() == 2
    assert not target_maps(LABELS[:, 2:], 2, (24, 24)).any()


def test_mirrored_inputs_have_mirrored_maps():
    inputs, labels = torch.randn(16, 1, 48, 48), LABELS.repeat(16, 1, 1)
    changed, moved = mirrored(inputs, labels, np.random.default_rng(0))
    maps, expected = target_maps(moved, 2, (24, 24)), target_maps(labels, 2, (24, 24))
    turns = set()
    for row in range(16):
        axes = next(axes for axes in ((), (1,), (2,), (1, 2)) if torch.equal(changed[row], inputs[row].flip(axes)))
        assert torch.allclose(maps[row], expected[row].flip(axes), atol=1e-6)
        turns.add(axes)
    assert len(turns) == 4


def test_the_loss_is_that_of_cornernet():
    target = target_maps(LABELS[:, :1], 1, (24, 24)).double()
    logits = torch.randn(1, 1, 24, 24, dtype=torch.float64)
    p = 1.0 / (1.0 + torch.exp(-logits))
    centre = target == 1.0
    terms = torch.where(centre, (1 - p) ** 2 * p.log(), (1 - target) ** 4 * p**2 * (1 - p).log())
    assert float(focal_loss(logits, LABELS[:, :1])) == pytest.approx(-float(terms.sum()))
    perfect = torch.where(centre, 20.0, -20.0)
    assert float(focal_loss(perfect, LABELS[:, :1])) < 1e-6


def test_probabilities_are_those_by_which_hits_were_drawn():
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 2.0, 50_000)
    hits = rng.uniform(size=len(logits)) < 1.0 / (1.0 + np.exp(-(0.6 * logits - 1.0)))
    assert logistic(logits, hits) == pytest.approx((0.6, -1.0), abs=0.05)
    assert np.isfinite(logistic(logits[:3], np.ones(3, dtype=bool))).all()
    assert np.isfinite(logistic(logits[:0], hits[:0])).all()


# ---- training, on images in which a dark spot is a vacancy, and a bright one a Stone-Wales pair


class Spots(DefectsFromImages):
    """Spots on noise."""

    name = "spots"
    pipeline = FieldPipeline(pixels=48)

    def measured(self, count, rng, conditions, level=None):  # noqa: ARG002
        labels = np.full((count, MOST_DEFECTS, 3), np.nan)
        images = rng.normal(20.0, 1.0, (count, 52, 52))
        for row, number in enumerate(rng.integers(3, size=count)):
            for spot in range(number):
                place, kind = rng.uniform([8.0, 8.0 + 22.0 * spot], [43.0, 22.0 + 22.0 * spot]), rng.integers(2)
                images[row] += spot_at((52, 52), place, 4.0 * (2 * kind - 1))
                labels[row, spot] = [*place, kind]
        return images, replace(CAMERA, pixels=52), labels, np.full(count, 1e4)


def spot_at(shape, place, height):
    down, across = np.indices(shape)
    return height * np.exp(-0.125 * ((down - place[0]) ** 2 + (across - place[1]) ** 2))


SPOTS = Spots()


@pytest.fixture(scope="module")
def locator():
    learned, validation = (SPOTS.draw(count, np.random.default_rng(seed)) for count, seed in ((384, 0), (128, 1)))
    fit = LocatorFit(width=6, epochs=8, batch_size=16, learning_rate=1e-2)
    return calibrated_locator(fit_unet(SPOTS, learned, validation, fit, device="cpu"), SPOTS, learned, validation)


def test_a_network_learns_an_easy_task_with_calibrated_probabilities(locator):
    figures = place_figures(locator, SPOTS.draw(256, np.random.default_rng(2)), SPOTS)
    assert figures["f1 pooled"] > 0.9
    assert figures["refused"] < 0.1
    assert figures["calibration_error"] < 0.1


def spotted_image():
    """Return an image with a dark and a bright spot, and their places in nm."""
    image = np.random.default_rng(5).normal(20.0, 1.0, (54, 58))
    spots = ((20.0, 36.0), (34.0, 22.0))
    for place, height in zip(spots, (-4.0, 4.0), strict=True):
        image += spot_at(image.shape, place, height)
    return Micrograph(image, 0.045), [(0.045 * column, 0.045 * row) for row, column in spots]


def test_defects_are_told_in_the_coordinates_of_the_file(locator):
    image, expected = spotted_image()
    answer = locator.locate(image)
    assert answer.refusal == ""
    assert sorted(defect.kind for defect in answer.defects) == sorted(KINDS)
    for defect in answer.defects:
        x, y = expected[KINDS.index(defect.kind)]
        assert np.hypot(defect.x_nm - x, defect.y_nm - y) < 0.1
        assert locator.calibration.threshold <= defect.probability <= 1.0


def test_an_image_of_something_else_is_refused(locator):
    stripes = 30.0 * np.sin(np.arange(80) / 3.0) + np.zeros((80, 1))
    answer = locator.locate(Micrograph(stripes, 0.045))
    assert "it differs from all training images" in answer.refusal
    assert answer.defects == ()


FACTS = {"task": "spots", "width": 6, "tolerance_nm": 0.2}


def test_a_stored_network_gives_the_same_places(locator, tmp_path):
    save_locator(locator, tmp_path / "a.safetensors", **FACTS)
    read = load_locator(tmp_path / "a.safetensors")
    inputs = SPOTS.draw(8, np.random.default_rng(3)).inputs
    (one, far), (other, other_far) = read.search(inputs), locator.search(inputs)
    assert np.array_equal(one.places, other.places)
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(far, other_far)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 8}, "in the network of the card"),
        ({"kinds": ["vacancy"]}, "in the network of the card"),
        ({"threshold": 2.0}, "threshold=2.0"),
        ({"pipeline": {"kind": "image"}}, "pipeline"),
        ({"pipeline": {"kind": "field", "pixels": 50}}, "pixels=50"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(locator, tmp_path, changes, message):
    save_locator(locator, tmp_path / "a.safetensors", **FACTS)
    card = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(card | changes))
    with pytest.raises(WeightsError, match=message):
        load_locator(tmp_path / "a.safetensors")


def test_the_distance_of_a_large_image_is_that_of_its_nearest_part(locator):
    """Four fifths are like training, and wider than the network sees at once: one window is clear of the rest."""
    tiles = SPOTS.draw(16, np.random.default_rng(4)).inputs[:, 0].astype(np.float32)
    part = tiles.reshape(4, 4, 48, 48).transpose(0, 2, 1, 3).reshape(1, 1, 192, 192)
    wide = np.pad(part, ((0, 0), (0, 0), (0, 0), (0, 48)), constant_values=9.0)
    assert found_peaks(locator.network, wide, 48)[1].shape[1] == 7 * 9
    alone, mixed, far = (locator.search(each)[1][0] for each in (part, wide, np.full_like(wide, 9.0)))
    assert mixed == pytest.approx(alone, rel=1e-4)
    assert mixed < 1.0 < far


# ---- characterize


@pytest.fixture(scope="module")
def stored(locator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("locator")
    save_locator(locator, folder / "spots.safetensors", **FACTS)
    image, _ = spotted_image()
    scale = 1.0 / image.pixel_size
    tifffile.imwrite(
        folder / "image.tif", image.pixels.astype(np.float32), imagej=True, resolution=(scale, scale),
        metadata={"unit": "nm"},
    )  # fmt: skip
    return folder


def test_the_command_tells_and_draws_defects(stored, tmp_path):
    picture = tmp_path / "a.png"
    arguments = [
        "characterize",
        str(stored / "image.tif"),
        "--what",
        "defects",
        "--model",
        str(stored / "spots.safetensors"),
    ]
    done = CliRunner().invoke(app, [*arguments, "--output", str(picture), "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["refusal"] == ""
    assert sorted(defect["kind"] for defect in found["defects"]) == sorted(KINDS)
    assert set(found["defects"][0]) == {"x_nm", "y_nm", "kind", "probability"}
    assert Image.open(picture).size[0] > 600
    text = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout
    assert "Answer: 1 Stone-Wales, 1 vacancy" in text


def test_an_image_without_answer_says_why(stored):
    stripes = Micrograph(30.0 * np.sin(np.arange(80) / 3.0) + np.zeros((80, 1)), 0.045)
    found = characterize(stripes, "defects", model=stored / "spots.safetensors")
    assert found.summary()[0].startswith("No answer: it differs from all training images")
    assert found.as_dict()["defects"] is None
    noise = Micrograph(np.random.default_rng(0).normal(20.0, 1.0, (60, 60)), 0.045)
    empty = characterize(noise, "defects", model=stored / "spots.safetensors")
    assert (empty.summary(), empty.as_dict()["defects"]) == (["Answer: no defects"], [])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"best": 2}, ConfigurationError, "best=2 has no effect for what='defects'"),
        ({"pixel_per_nm": 0.2}, ConfigurationError, "pixel_per_nm=0.2 has no effect for what='defects'"),
        ({"pixel_nm": 0.4}, RefusalError, "a pixel of 0.4 nm is too wide"),
        ({"model": "nowhere.safetensors"}, WeightsError, "there are no weights 'nowhere.safetensors'"),
    ],
)
def test_questions_about_defects_without_an_answer_are_refused(stored, options, error, message):
    with pytest.raises(error, match=message):
        characterize(stored / "image.tif", "defects", **{"model": stored / "spots.safetensors", **options})


# ---- the whole training


TINY = LocatorConfig(samples=12, validation=6, test=4, fit=LocatorFit(width=2, epochs=3, batch_size=4))


class StoppedError(Exception):
    pass


def test_an_interrupted_training_continues_with_the_same_weights(tmp_path):
    def stop(epoch):
        if epoch.number == 2:
            raise StoppedError

    card = train_locator(TINY, tmp_path / "whole.safetensors", command="here", device="cpu")
    with pytest.raises(StoppedError):
        train_locator(TINY, tmp_path / "cut.safetensors", on_epoch=stop, device="cpu")
    epochs = []
    train_locator(TINY, tmp_path / "cut.safetensors", on_epoch=lambda epoch: epochs.append(epoch.number), device="cpu")
    assert epochs == [3]
    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert set(card.metrics) == {"training", "unseen"}
    assert {"f1 vacancy", "f1 Stone-Wales", "f1 pooled", "f1 any kind"} < set(card.metrics["unseen"])
    assert load_locator(tmp_path / "whole.safetensors").kinds == KINDS


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"task": "colour"}, "there is no task 'colour'; there are defects"), ({"test": 0}, "test=0")],
)
def test_trainings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(TINY, **changes)
