"""Measure the networks of recognition: accuracy by dose under unseen conditions, calibration, refusal, baselines.

- Trained networks (scripts/studies/characterization/train.py): top-1 and top-3 accuracy, the expected calibration
  error and the refusal curve at each dose, under the conditions of training and under unseen ones, with intervals. For
  crystals, another test is on pymatgen's prototypes, with the accuracy among the classes that occur there.
- Baselines on the same samples: logistic regression (of the power spectrum, for images), the nearest pattern, and the
  usual method without learning where a task has one: the look-up in a table of breathing modes and transitions, and
  non-negative least squares for mixtures.
- For crystal systems of structures, the baselines are spglib, and spglib on the lattice without its atoms, each with
  the tolerance that is best on training samples of the same noise.
- How much a random split flatters: the networks of powder patterns are trained on patterns of varied prototypes, and
  tested on a fifth of the patterns, or on the patterns of a fifth of the prototypes.
- Cross-validation in five folds of LeNet, AlexNet, VGG and ResNet on fewer samples, for the tasks of tubes and of
  crystal systems.

    python -m scripts.studies.characterization.accuracy [TASK ...]

takes a quarter to half an hour of one core for each task, most of it for cross-validation, and writes
docs/results/characterization-TASK.json and a picture; `python scripts/docs.py` makes tables of them. Finished jobs are
stored, and the same command continues. Without a trained network the figures of a task are those of the baselines, with
a note.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

from matgym.characterization.crystal_steps import crystals_of
from matgym.characterization.preprocessing import ImagePipeline
from matgym.characterization.recognition.fitting import (
    RecognitionFit,
    cross_validated,
    fit_network,
    nearest_labels,
)
from matgym.characterization.recognition.learned import STORE, load_recognizer, outputs
from matgym.characterization.recognition.measures import (
    accuracy_among_occurring,
    expected_calibration_error,
    fit_temperature,
    hits,
    refusal_curve,
    shares_of,
    softmax,
    top_accuracy,
)
from matgym.characterization.recognition.metallicity import species_errors
from matgym.characterization.recognition.powders import PowderTask
from matgym.characterization.recognition.prototypes import prototypes, varied
from matgym.characterization.recognition.registry import TASKS, draw_pool, read_pool, task_of
from matgym.characterization.recognition.structures import best_tolerance
from matgym.characterization.recognition.tasks import Samples
from matgym.characterization.symmetry import systems_of_lattices, systems_of_structures
from scripts.studies import common
from scripts.studies.characterization.accuracy_picture import accuracy_figure
from scripts.studies.characterization.train import CONFIGS
from scripts.studies.characterization.weights import trained_weights
from scripts.studies.common import Study, StudyJob, print_markdown

SEARCHES = {"spglib": systems_of_structures, "spglib on the lattice": systems_of_lattices}
"""Searches for the symmetry of structures without learning."""


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        test: samples at each dose.
        learned: samples of the baselines.
        baseline_epochs: epochs of logistic regression.
        crossed_tasks: names of the tasks with a cross-validation.
        folds: number of folds.
        crossed: samples of the cross-validation.
        crossed_epochs: epochs of a fold.
        known: structures of each noise by which a tolerance is chosen.
        variations: patterns of each prototype in the comparison of splits.
        split_epochs: epochs of a training there.
        seed: random seed.
    """

    test: int = 2000
    learned: int = 10_000
    baseline_epochs: int = 30
    crossed_tasks: tuple[str, ...] = ("chirality-diffraction", "chirality-hrtem", "crystal-system")
    folds: int = 5
    crossed: int = 5_000
    crossed_epochs: int = 10
    known: int = 1000
    variations: int = 20
    split_epochs: int = 15
    seed: int = 1000


QUICK = Settings(test=16, learned=64, baseline_epochs=1, folds=2, crossed=64, crossed_epochs=1, known=16, variations=1,
                 split_epochs=1)  # fmt: skip


def pool(task, count, seed):
    """Return samples under the conditions of training, which `main` drew."""
    return read_pool(task, count, seed, common.OUTPUT / "runs" / "characterization-pools")


def drawn(task, situation, level, count, seed):
    """Return test samples."""
    rng = np.random.default_rng([seed, round(1000 * level), situation == "unseen"])
    if situation == "prototypes":
        every = [task.prototypes(rng, level) for _ in range(max(1, count // 288))]
        return Samples.joined(every).take(np.arange(count)) if count < 288 else Samples.joined(every)
    return task.draw(count, rng, situation, level)


def situations(task):
    """Return the conditions of the test of a task."""
    return ("training", "unseen", "prototypes") if hasattr(task, "prototypes") else ("training", "unseen")


def interval(right):
    """Return the 95 % interval of a mean: Wilson's if all values are 0 or 1, else that of a normal distribution."""
    if set(np.unique(right)) <= {0.0, 1.0}:
        found = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        return found.low, found.high
    half = 1.96 * float(right.std(ddof=1)) / len(right) ** 0.5
    return float(right.mean()) - half, float(right.mean()) + half


def measured(classes, probabilities, samples):
    """Return the figures of probabilities."""
    right = hits(probabilities.argmax(axis=1)[:, None], samples.labels)
    return {
        "accuracy": float(right.mean()),
        **dict(zip(("low", "high"), interval(right), strict=True)),
        "top_3": top_accuracy(probabilities, samples.labels, 3),
        **(
            {"among_occurring": accuracy_among_occurring(probabilities, samples.labels)}
            if samples.labels.ndim == 1
            else {}
        ),
        "calibration_error": expected_calibration_error(probabilities, samples.labels),
        **{f"refused_{share:g}": value for share, value in refusal_curve(probabilities, samples.labels).items()},
        **species_errors(classes, probabilities, samples.labels),
        "samples": len(samples),
    }


def of_labels(classes, shares, samples):
    """Return the figures of answers without probabilities."""
    found = measured(classes, shares, samples)
    return {name: found[name] for name in ("accuracy", "share_error", "metallic_error", "samples") if name in found}


@dataclass(frozen=True)
class Tested(StudyJob):
    """The job of the trained network, and of the baselines, under some conditions."""

    settings: Settings = field(repr=False)
    task: str
    situation: str
    weights: str = ""  # start of the SHA-256 of the trained network; "" for the baselines alone

    def run(self):
        """Return a row for each method and dose."""
        task, settings, found = task_of(self.task), self.settings, []
        recognizer = load_recognizer(self.task) if self.weights else None
        baselines = Baselines(task, settings) if "resnet" in task.networks else None
        for level in task.levels:
            samples = drawn(task, self.situation, level, settings.test, settings.seed)
            about = {"task": self.task, "situation": self.situation, "level": level}
            if recognizer is not None:
                found.append(about | {"method": "network"} | recognized(recognizer, samples))
            if baselines is not None:
                found += [about | row for row in baselines.measured(samples)]
        return pa.Table.from_pylist(found)


def recognized(recognizer, samples):
    """Return the figures of a trained network."""
    probabilities, refused = recognizer.probabilities(samples.inputs)
    answered = ~refused
    right = hits(probabilities.argmax(axis=1)[:, None], samples.labels)
    answers, calibration = None, None
    if answered.any():
        answers = float(right[answered].mean())
        calibration = expected_calibration_error(probabilities[answered], samples.labels[answered])
    found = measured(recognizer.classes, probabilities, samples)
    found |= {"refused": float(refused.mean()), "accuracy_of_answers": answers}
    return found | {"calibration_error_of_answers": calibration}


class Baselines:
    """Logistic regression, the nearest pattern, and the usual method without learning where a task has one."""

    def __init__(self, task, settings):
        self.task, self.seen = task, slice(None)
        if isinstance(task.pipeline, ImagePipeline):
            self.seen = slice(1, 2)  # the power spectrum alone
        learned = pool(task, settings.learned, settings.seed + 1)
        held_out = self._part(pool(task, max(settings.learned // 10, 16), settings.seed + 2))
        fit = RecognitionFit(
            "linear", epochs=settings.baseline_epochs, learning_rate=1e-3, augmented=False, seed=settings.seed
        )
        self.net = fit_network(task, self._part(learned), held_out, fit)
        self.temperature = fit_temperature(outputs(self.net, held_out.inputs)[0], held_out.labels)
        self.known = Samples(task.pipeline.shown(learned.inputs), learned.labels, learned.levels)

    def _part(self, samples):
        return Samples(samples.inputs[:, self.seen], samples.labels, samples.levels)

    def measured(self, samples):
        """Return a row for each baseline."""
        task, classes = self.task, self.task.classes
        logits = outputs(self.net, self._part(samples).inputs)[0]
        yield {"method": "logistic regression"} | measured(classes, softmax(logits, self.temperature), samples)
        nearest = shares_of(nearest_labels(self.known, task.pipeline.shown(samples.inputs)), len(classes))
        yield {"method": "nearest pattern"} | of_labels(classes, nearest, samples)
        if task.convention:
            usual = task.conventional(samples.inputs.astype(np.float64))
            yield {"method": task.convention} | measured(classes, usual, samples)


@dataclass(frozen=True)
class Symmetry(StudyJob):
    """The job of the searches for symmetry in structures."""

    settings: Settings = field(repr=False)
    task: str

    def run(self):
        """Return a row for each search, situation and noise."""
        task, settings, found = task_of(self.task), self.settings, []
        for level in task.levels:
            known = drawn(task, "training", level, settings.known, settings.seed + 1)
            tolerances = {
                name: best_tolerance(search, crystals_of(known.inputs), known.labels)
                for name, search in SEARCHES.items()
            }
            for situation in situations(task):
                samples = drawn(task, situation, level, settings.test, settings.seed)
                crystals = crystals_of(samples.inputs)
                for name, search in SEARCHES.items():
                    right = (search(crystals, tolerances[name]) == samples.labels).astype(float)
                    found.append(
                        {"task": self.task, "method": name, "situation": situation, "level": level}
                        | {"accuracy": float(right.mean()), "samples": len(samples), "tolerance": tolerances[name]}
                        | dict(zip(("low", "high"), interval(right), strict=True))
                    )
        return pa.Table.from_pylist(found)


@dataclass(frozen=True)
class Split(StudyJob):
    """The job of a network that is trained on the prototypes themselves."""

    settings: Settings = field(repr=False)
    task: str
    by: str  # "pattern" or "prototype"

    def run(self):
        """Return the accuracy on the fifth that is held out."""
        task, settings = task_of(self.task), self.settings
        rng = np.random.default_rng(settings.seed)
        crystals, groups = prototypes()
        parts = []
        for _ in range(settings.variations):
            order = rng.permutation(len(crystals))
            changed = [varied(crystals[row], rng) for row in order]
            parts.append((order, task.by_instruments(changed, groups[order], rng, task.training)))
        prototype, samples = np.concatenate([order for order, _ in parts]), Samples.joined([each for _, each in parts])
        unit = prototype if self.by == "prototype" else np.arange(len(samples))
        place = rng.permutation(unit.max() + 1)[unit] % 10  # two tenths for the test, one that chooses the epoch
        learned, chooses, test = (samples.take(np.flatnonzero(part)) for part in (place > 2, place == 2, place < 2))
        fit = replace(CONFIGS[self.task].fit, epochs=settings.split_epochs, seed=settings.seed)
        found = measured(task.classes, softmax(outputs(fit_network(task, learned, chooses, fit), test.inputs)[0]), test)
        kept = ("accuracy", "low", "high", "top_3", "among_occurring", "samples")
        about = {"task": self.task, "by": self.by, "trained_on": len(learned)}
        return pa.Table.from_pylist([about | {name: found[name] for name in kept}])


@dataclass(frozen=True)
class Fold(StudyJob):
    """The job of one fold of one network."""

    settings: Settings = field(repr=False)
    task: str
    network: str
    fold: int

    def run(self):
        """Return the accuracy."""
        task, settings = task_of(self.task), self.settings
        samples = pool(task, settings.crossed, settings.seed + 3)
        fit = RecognitionFit(self.network, mixed=True, epochs=settings.crossed_epochs, seed=settings.seed)
        accuracy = cross_validated(task, samples, fit, settings.folds, self.fold)
        return pa.table({"task": [self.task], "network": [self.network], "fold": [self.fold], "accuracy": [accuracy]})


def measure(study, name):
    """Measure one task, print its tables, and write them."""
    settings, task = study.settings, task_of(name)
    crossed = settings.crossed if name in settings.crossed_tasks else 0
    counts = (settings.learned, max(settings.learned // 10, 16), crossed)
    for number, count in enumerate(counts, start=1):  # drawn once, before the jobs that read them
        if count:
            folder = common.OUTPUT / "runs" / "characterization-pools"
            draw_pool(task, count, settings.seed + number, folder, workers=study.workers)
    trained = trained_weights(STORE, (name,))
    jobs = [Tested(settings, name, each, trained.get(name, "")[:8]) for each in situations(task)]
    if "resnet" not in task.networks:
        jobs.append(Symmetry(settings, name))
    rows = study.rows(jobs)
    columns = ("method", "situation", "level", "accuracy", "top_3", "among_occurring", "calibration_error",
               "refused_0.5", "share_error", "metallic_error")  # fmt: skip
    print_markdown(columns, [[row.get(name) for name in columns] for row in rows])
    found = {"task": task.facts() | {"level": task.level_name}, "weights": trained, "accuracy": rows}
    if isinstance(task, PowderTask):
        found["splits"] = study.rows([Split(settings, name, by) for by in ("pattern", "prototype")])
        columns = ("by", "trained_on", "accuracy", "top_3", "among_occurring")
        print_markdown(columns, [[row[name] for name in columns] for row in found["splits"]])
    if crossed:
        networks, folds = task.networks, range(settings.folds)
        found["folds"] = study.rows([Fold(settings, name, network, fold) for network in networks for fold in folds])
        found["cross_validation"] = []
        for network in networks:
            values = [row["accuracy"] for row in found["folds"] if row["network"] == network]
            figures = {"accuracy": float(np.mean(values)), "spread": float(np.std(values, ddof=1))}
            found["cross_validation"].append({"network": network} | figures)
        columns = ("network", "accuracy", "spread")
        print_markdown(columns, [[row[name] for name in columns] for row in found["cross_validation"]])
    study.write(found, name)
    figure = accuracy_figure(rows, task.level_name)
    study.picture(f"characterization-{name}.png", lambda path: figure.savefig(path, format="png"))


def main():
    study = Study.from_command_line("characterization", __doc__, Settings(), QUICK, tuple(TASKS))
    for name in study.parts:
        measure(study, name)


if __name__ == "__main__":
    main()
