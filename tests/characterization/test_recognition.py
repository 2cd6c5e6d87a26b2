"""Networks that recognise: measures against scikit-learn, crystals against pymatgen, training, files and refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from matgym.characterization.files import Micrograph, Pattern
from matgym.characterization.preprocessing import PatternPipeline
from matgym.characterization.reading.registry import READINGS
from matgym.characterization.recognition.fitting import (
    RecognitionConfig,
    RecognitionFit,
    calibrated,
    cross_validated,
    fit_network,
    folds,
    nearest_labels,
    train_recognizer,
)
from matgym.characterization.recognition.learned import STORE, load_recognizer, outputs, save_recognizer
from matgym.characterization.recognition.measures import (
    expected_calibration_error,
    fit_temperature,
    hits,
    least_value,
    refusal_curve,
    softmax,
    top_accuracy,
)
from matgym.characterization.recognition.networks import DEFAULTS, make_network, settings_of
from matgym.characterization.recognition.powders import CrystalSystemFromPowder, broadened
from matgym.characterization.recognition.registry import PLACE_TASKS, TASKS, draw_pool, read_pool, task_of
from matgym.characterization.recognition.resemblance import resemblance
from matgym.characterization.recognition.tasks import RecognitionTask, Samples
from matgym.characterization.recognition.tubes import tube_classes
from matgym.characterization.symmetry import SYSTEMS
from matgym.errors import ConfigurationError, RefusalError, WeightsError
from matgym.structures import Nanotube

# ---- measures


def drawn_logits(count=20_000, classes=5, temperature=1.0):
    """Return logits, and labels that follow the softmax of logits over a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 3.0, (count, classes))
    cumulative = softmax(logits, temperature).cumsum(axis=1)
    return logits, (rng.uniform(size=(count, 1)) > cumulative).sum(axis=1)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_accuracy_is_that_of_scikit_learn(k):
    logits, labels = drawn_logits(1000)
    assert top_accuracy(logits, labels, k) == pytest.approx(top_k_accuracy_score(labels, logits, k=k))


def test_the_temperature_of_the_labels_is_found():
    for temperature in (0.5, 1.0, 2.5):
        logits, labels = drawn_logits(temperature=temperature)
        assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    probabilities = np.tile([0.9, 0.1], (1000, 1))
    labels = np.repeat([0, 1], [600, 400])
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.3)
    logits, labels = drawn_logits()
    right = softmax(logits)
    # Of n rows in 15 bins, chance alone gives about the sum of √(p (1 - p) m) / n ≤ √(15 / n) / 2.
    assert expected_calibration_error(right, labels) < 0.5 * np.sqrt(15 / len(labels))
    assert expected_calibration_error(softmax(logits, 0.3), labels) > 0.1


def test_refusing_the_least_confident_gives_the_accuracy_that_their_probabilities_say():
    logits, labels = drawn_logits()
    probabilities = softmax(logits)
    curve = refusal_curve(probabilities, labels, (0.0, 0.5))
    assert curve[0.0] == pytest.approx(top_accuracy(probabilities, labels))
    highest = np.sort(probabilities.max(axis=1))[len(labels) // 2 :]
    assert curve[0.5] == pytest.approx(highest.mean(), abs=0.01)
    right = hits(probabilities.argmax(axis=1)[:, None], labels)
    kept = probabilities.max(axis=1) >= least_value(probabilities.max(axis=1), right, 0.95)
    assert (probabilities.argmax(axis=1) == labels)[kept].mean() >= 0.95
    assert 0.1 < kept.mean() < 0.9
    assert least_value(np.full(10, 0.9), np.zeros(10), 0.9) == 1.0


# ---- data


def test_there_are_a_hundred_chiralities_and_more_of_the_diameters_that_are_claimed():
    diameters = [Nanotube(n, m).diameter_nm for n, m in tube_classes()]
    assert len(set(tube_classes())) >= 100
    assert min(diameters) >= 0.6
    assert max(diameters) <= 2.0
    assert {(n, m) for n in range(1, 40) for m in range(n + 1) if 0.6 <= Nanotube(n, m).diameter_nm <= 2.0} == set(
        tube_classes()
    )


@pytest.mark.parametrize("name", TASKS)
def test_a_task_draws_the_same_samples_by_the_same_seed(name):
    task = task_of(name)
    first, second, other = (task.draw(3, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.inputs.shape == (3, *task.pipeline.shape)
    assert first.inputs.tobytes() == second.inputs.tobytes() != other.inputs.tobytes()
    assert np.isfinite(first.inputs.astype(float)).all()
    if task.mixed:
        assert first.labels.shape == (3, len(task.classes))
        assert (first.labels >= 0.0).all()
        assert first.labels.sum(axis=1) == pytest.approx(1.0)
    else:
        assert ((first.labels >= 0) & (first.labels < len(task.classes))).all()
    of_levels = {"dose_per_angstrom2", "highest_counts", "photons", "displacement_angstrom"}
    low, high = next(bounds for field, bounds in vars(task.training).items() if field in of_levels)
    assert ((first.levels >= low) & (first.levels <= high)).all()
    assert (task.draw(2, np.random.default_rng(0), "unseen", task.levels[1]).levels == task.levels[1]).all()


@pytest.mark.parametrize("name", TASKS)
def test_unseen_conditions_are_outside_of_those_of_training(name):
    task = task_of(name)
    changed = [
        (low, high) for field, low in vars(task.training).items() if (high := getattr(task.unseen, field)) != low
    ]
    assert len(changed) >= (3 if name == "crystal-structure" else 6)  # the noise of structures has four ranges
    named = [pair for pair in changed if isinstance(pair[0][0], str)]
    assert all(set(train).isdisjoint(test) for train, test in named)
    assert all(test[0] >= train[1] or test[1] <= train[0] for train, test in changed if (train, test) not in named)


@pytest.mark.parametrize("name", [name for name in TASKS if "chirality" in name])
def test_augmentation_changes_pixels_but_not_what_they_show(name):
    task = task_of(name)
    inputs = torch.from_numpy(task.draw(4, np.random.default_rng(0)).inputs.astype(np.float32))
    changed = task.augmented(inputs, np.random.default_rng(1))
    assert changed.shape == inputs.shape
    assert not torch.equal(changed, inputs)
    ratio = (changed.square().mean(dim=(1, 2, 3)) / inputs.square().mean(dim=(1, 2, 3))).numpy()
    assert np.abs(ratio - 1.0).max() < 0.1


def test_powder_patterns_of_smaller_cells_have_peaks_at_larger_angles():
    """By Bragg's law: the sine of the angle of a peak is divided by the factor of the cell, here at most e^-0.2."""
    task, inputs = task_of("crystal-system"), torch.zeros(200, 1, 1024)
    inputs[:, 0, 400] = 1.0
    changed = task.augmented(inputs, np.random.default_rng(0))[:, 0]
    sines = np.sin(np.radians(task.pipeline.two_theta_deg / 2.0))
    factors = sines[400] / sines[changed.argmax(dim=1).numpy()]
    assert np.exp(-0.2) - 0.005 < factors.min() < 0.85
    assert 0.95 < factors.max() < 1.005
    assert torch.allclose(changed.amax(dim=1), torch.ones(200))


def test_a_broadened_peak_is_a_lorentzian_of_the_same_area():
    step, widths = 0.05, np.array([0.0, 0.2, 0.4])
    roots = torch.zeros(3, 1, 1024)
    roots[:, 0, 500] = 1.0
    found = broadened(roots, torch.tensor(widths, dtype=torch.float32), step)[:, 0].square().numpy()
    assert found[0] == pytest.approx(np.eye(1024)[500], abs=1e-6)
    half = widths[1:, None] / 2.0
    line = step * half / np.pi / ((step * (np.arange(1024) - 500)) ** 2 + half**2)
    near = np.abs(np.arange(1024) - 500) < 40  # farther away the period of the transform adds to the tails
    np.testing.assert_allclose(found[1:, near], line[:, near], atol=3e-3)
    assert found.sum(axis=1) == pytest.approx(1.0, abs=0.02)


def test_a_pool_is_the_same_however_it_is_drawn(tmp_path):
    task = CrystalSystemFromPowder()
    pool = draw_pool(task, 5, 7, tmp_path / "a")
    again = draw_pool(task, 5, 7, tmp_path / "b", workers=1)
    assert pool.inputs.tobytes() == again.inputs.tobytes() == read_pool(task, 5, 7, tmp_path / "a").inputs.tobytes()
    assert draw_pool(task, 5, 8, tmp_path / "a").inputs.tobytes() != pool.inputs.tobytes()


# ---- networks


@pytest.mark.parametrize("shape", [(1, 48, 48), (2, 64, 64), (1, 1024)])
@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "crystal"])
def test_networks_give_logits_for_images_and_patterns(name, shape):
    net = make_network(name, {}, shape, 7).eval()
    inputs = torch.randn(3, *shape)
    assert net(inputs).shape == (3, 7)
    assert torch.equal(net.last(net.features(inputs)), net(inputs))


@pytest.mark.parametrize(
    ("name", "settings", "shape", "message"),
    [
        ("inception", {}, (1, 48, 48), "there is no network 'inception'; there are linear"),
        ("linear", {"width": 3}, (1, 48, 48), "has no setting 'width'"),
        ("vgg", {"width": 3}, (1, 48, 48), "has no setting 'width'"),
        ("vgg", {"channels": (10**6,)}, (1, 48, 48), "must be whole numbers from 1 to 1,024"),
        ("alexnet", {}, (1, 4, 4), "is too small for these layers"),
        ("resnet", {}, (1, 4, 4, 4), r"give \(channels, height, width\)"),
        ("linear", {}, (1, 9000, 9000), "has 567,000,007 weights"),
    ],
)
def test_networks_that_cannot_be_are_refused(name, settings, shape, message):
    with pytest.raises(ConfigurationError, match=message):
        make_network(name, settings, shape, 7)


def test_settings_are_complete_and_fixed():
    assert settings_of("resnet", {"width": 8}) == {"width": 8, "blocks": 1, "hidden": (256,)}


# ---- training, on a task that is solved if anything is learned


class Peaks(RecognitionTask):
    """Where is the peak: in the left, the middle or the right third?"""

    name = "peaks"
    question = "In which third is the peak?"
    level_name = "counts"
    levels = (10.0,)
    pipeline = PatternPipeline(points=96)
    training = unseen = None
    classes = ("left", "middle", "right")

    def group(self, count, rng, conditions, level):  # noqa: ARG002
        labels = rng.integers(3, size=count)
        places = 32 * labels + rng.integers(6, 26, count)
        peaks = np.exp(-0.5 * ((np.arange(96) - places[:, None]) / 2.0) ** 2) + rng.uniform(0.0, 0.2, (count, 96))
        return Samples(peaks[:, None].astype(np.float16), labels, np.full(count, 10.0))


PEAKS = Peaks()


@pytest.fixture(scope="module")
def peaks():
    return PEAKS.draw(600, np.random.default_rng(0)), PEAKS.draw(200, np.random.default_rng(1))


@pytest.mark.parametrize("network", ["linear", "lenet", "resnet"])
def test_networks_learn_an_easy_task(peaks, network):
    settings = {} if network == "linear" else {"hidden": (16,)}
    net = fit_network(PEAKS, *peaks, RecognitionFit(network, settings, epochs=6, batch_size=32))
    fresh = PEAKS.draw(300, np.random.default_rng(2))
    assert top_accuracy(outputs(net, fresh.inputs)[0], fresh.labels) > 0.95


def test_the_nearest_pattern_solves_the_easy_task(peaks):
    assert (nearest_labels(peaks[0], peaks[1].inputs) == peaks[1].labels).mean() > 0.95
    assert np.array_equal(nearest_labels(peaks[0], peaks[0].inputs), peaks[0].labels)


def test_a_fold_tests_rows_that_no_fold_of_its_training_has(peaks):
    parts = folds(peaks[0].labels, 5, 0)
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(600))
    assert all(not set(train) & set(test) for train, test in parts)
    fit = RecognitionFit("lenet", {"hidden": (16,)}, epochs=4, batch_size=32)
    assert cross_validated(PEAKS, peaks[0], fit, 5, 2) > 0.9


@pytest.fixture(scope="module")
def recognizer(peaks):
    net = fit_network(PEAKS, *peaks, RecognitionFit("lenet", {"hidden": (16,)}, epochs=6, batch_size=32))
    return calibrated(net, PEAKS, *peaks, accuracy=0.95)


def test_what_a_network_has_not_seen_is_refused(recognizer):
    angles = np.linspace(9.0, 81.0, 1441)
    peak = np.exp(-0.5 * ((angles - 25.0) / 1.5) ** 2) + np.random.default_rng(0).uniform(0.0, 0.01, len(angles))
    answer = recognizer.recognize(Pattern(angles, peak, 1.54056), best=2)
    assert answer.best[0][0] == "left"
    assert len(answer.best) == 2
    noise = recognizer.recognize(Pattern(angles, 1.0 + np.sin(angles * 40.0), 1.54056))
    assert "and 1 is the limit" in noise.refusal
    unsure = replace(recognizer, calibration=replace(recognizer.calibration, temperature=1e3, threshold=0.9))
    assert "no class is probable enough" in unsure.recognize(Pattern(angles, peak, 1.54056)).refusal
    with pytest.raises(RefusalError, match="a micrograph is no powder pattern"):
        recognizer.recognize(Micrograph(np.random.default_rng(0).uniform(size=(99, 99)), 0.1))


FACTS = {"task": "peaks", "network": "lenet", "settings": settings_of("lenet", {"hidden": (16,)})}


def test_a_stored_network_gives_the_same_probabilities(recognizer, peaks, tmp_path):
    save_recognizer(recognizer, tmp_path / "a.safetensors", **FACTS)
    read = load_recognizer(tmp_path / "a.safetensors")
    assert (read.classes, read.pipeline) == (recognizer.classes, recognizer.pipeline)
    for one, other in zip(read.probabilities(peaks[1].inputs), recognizer.probabilities(peaks[1].inputs), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["a", "b"]}, r"last.bias is \(3,\), and \(2,\) in the network of the card"),
        ({"classes": ["a", "a", "b"]}, "the same name twice"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"network": "vgg"}, "has no setting|in the network of the card|must"),
        ({"settings": {"hidden": [10**9]}}, "hidden"),
        ({"pipeline": {"kind": "powder", "points": 128}}, "is .* in the network of the card"),
        ({"pipeline": {"kind": "sound"}}, "pipeline"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(recognizer, tmp_path, changes, message):
    save_recognizer(recognizer, tmp_path / "a.safetensors", **FACTS)
    card = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(card | changes))
    with pytest.raises(WeightsError, match=message):
        load_recognizer(tmp_path / "a.safetensors")


TINY = RecognitionConfig(
    "crystal-system",
    samples=24,
    validation=12,
    test=8,
    fit=RecognitionFit("resnet", {"width": 4, "blocks": 1, "hidden": (8,)}, epochs=3, batch_size=8),
)


class StoppedError(Exception):
    pass


def test_an_interrupted_training_continues_with_the_same_weights(tmp_path):
    def stop(epoch):
        if epoch.number == 2:
            raise StoppedError

    card = train_recognizer(TINY, tmp_path / "whole.safetensors", command="here")
    with pytest.raises(StoppedError):
        train_recognizer(TINY, tmp_path / "cut.safetensors", on_epoch=stop)
    seen = []
    train_recognizer(
        TINY,
        tmp_path / "cut.safetensors",
        on_epoch=lambda epoch: seen.append(epoch.number),
        on_chunk=lambda pool, _job, before: seen.append((pool, before)),
    )
    assert seen == [("training", True), ("validation", True), 3, ("test", False), ("unseen", False)]
    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not list(tmp_path.glob("*.work"))
    assert set(card.metrics) == {"training", "unseen"}
    assert card.data["unseen"]["size_nm"] == [12.0, 20.0] or card.data["unseen"]["size_nm"] == (12.0, 20.0)
    assert load_recognizer(tmp_path / "whole.safetensors").classes == SYSTEMS


def test_the_command_of_training_stores_a_network_and_its_command(tmp_path, monkeypatch, capsys):
    from scripts.studies import common
    from scripts.studies.characterization import train

    monkeypatch.setattr(common, "OUTPUT", tmp_path)
    threads = torch.get_num_threads()
    train.main(["crystal-system", "--quick", "--workers", "1"])
    torch.set_num_threads(threads)
    assert "unseen accuracy" in capsys.readouterr().out
    weights = tmp_path / "runs" / "quick" / "weights" / "crystal-system.safetensors"
    assert STORE.load_card(weights).command == "python -m scripts.studies.characterization.train crystal-system"
    assert set(train.CONFIGS) == {*TASKS, *PLACE_TASKS, *READINGS}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "colour"}, "there is no task 'colour'"),
        ({"samples": 0}, "samples=0"),
        ({"accuracy": 1.0}, "accuracy=1"),
    ],
)
def test_trainings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        replace(TINY, **changes)


def test_patterns_resemble_their_own_tube_and_noise_resembles_none():
    task, rng = task_of("chirality-diffraction"), np.random.default_rng(0)
    names = task.classes[:20]
    exact = np.array([task.simulated(name, task.pipeline) for name in names])
    assert resemblance(task.pipeline, names, exact, np.eye(20)) == pytest.approx(1.0)
    noise = np.sqrt(rng.poisson(3.0, exact.shape))
    assert np.abs(resemblance(task.pipeline, names, noise, np.eye(20))).max() < 0.15  # 6 of 1/√2209
    assert resemblance(task_of("chirality-hrtem").pipeline, names, exact, np.eye(20)) is None
