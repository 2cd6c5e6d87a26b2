"""Measure how many defects are found in images, by dose.

The trained network (scripts/studies/characterization/train.py defects-hrtem) and the baseline without learning, under
the conditions of training and under unseen ones: precision, recall and F1 by kind, of all kinds together, and of places
whatever their kind; calibration error and refusals. The baseline tells no kinds. Its number of standard deviations is
the one with the largest F1 on images under the conditions of training.

    python -m scripts.studies.characterization.defects

takes some five minutes of one core, and writes docs/results/defects.json. Without a trained network, its rows are left
out with a note.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from matgym.characterization.recognition.detection import (
    TOLERANCE_NM,
    Places,
    best_threshold,
    right,
    scores,
)
from matgym.characterization.recognition.locating import place_figures, within
from matgym.characterization.recognition.locators import LOCATORS, load_locator
from matgym.characterization.recognition.registry import PLACE_TASKS
from matgym.characterization.recognition.residuals import residual_peaks
from scripts.studies.characterization.weights import trained_weights
from scripts.studies.common import Study, StudyJob, print_markdown

TASK = PLACE_TASKS["defects-hrtem"]
SITUATIONS = ("training", "unseen")


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        test: number of images at each dose.
        chosen: number of images by which the threshold of the baseline is chosen.
        seed: random seed.
    """

    test: int = 256
    chosen: int = 256
    seed: int = 2000


QUICK = Settings(test=8, chosen=8)


def drawn(settings, situation, level):
    """Return images at one dose."""
    return TASK.draw(settings.test, np.random.default_rng([settings.seed, round(level)]), situation, level)


@dataclass(frozen=True)
class Network(StudyJob):
    """The job of the trained network under some conditions."""

    settings: Settings = field(repr=False)
    situation: str
    weights: str

    def run(self):
        """Return a row for each dose."""
        locator = load_locator(TASK.name)
        about = {"method": "network", "situation": self.situation}
        return pa.Table.from_pylist(
            [
                about | {"level": level} | place_figures(locator, drawn(self.settings, self.situation, level), TASK)
                for level in TASK.levels
            ]
        )


@dataclass(frozen=True)
class Baseline(StudyJob):
    """The job of the baseline under some conditions."""

    settings: Settings = field(repr=False)
    situation: str

    def run(self):
        """Return a row for each dose, of places whatever their kind."""
        tolerance = TOLERANCE_NM / TASK.pipeline.pixel_nm
        samples = TASK.draw(self.settings.chosen, np.random.default_rng(self.settings.seed))
        found, true = searched(samples)
        hits = right(found, true, tolerance, by_kind=False)
        sigmas = best_threshold(found.scores, hits, len(true))
        rows = []
        for level in TASK.levels:
            found, true = searched(drawn(self.settings, self.situation, level))
            score = scores(found.take(found.scores >= sigmas), true, tolerance, TASK.kinds)["any kind"]
            figures = {f"{name} any kind": getattr(score, name) for name in ("precision", "recall", "f1")}
            about = {"method": "residual peaks", "situation": self.situation, "level": level}
            rows.append(about | figures | {"sigmas": sigmas, "samples": float(self.settings.test)})
        return pa.Table.from_pylist(rows)


def searched(samples):
    """Return the peaks of the residuals of images, and the true places."""
    found = residual_peaks(samples.inputs, TASK.pipeline.pixel_nm, sigmas=3.0)
    return within(found, TASK), within(Places.of_labels(samples.labels), TASK)


def main():
    study = Study.from_command_line("defects", __doc__, Settings(), QUICK)
    settings = study.settings
    weights = trained_weights(LOCATORS, [TASK.name]).get(TASK.name)
    jobs = [Baseline(settings, situation) for situation in SITUATIONS]
    rows = study.rows(jobs)
    if weights:
        rows += study.rows([Network(settings, situation, weights[:8]) for situation in SITUATIONS])
    columns = ("method", "situation", "level", *(f"f1 {name}" for name in (*TASK.kinds, "pooled", "any kind")))
    print_markdown(columns, [[row.get(name) for name in columns] for row in rows])
    study.write({"task": TASK.facts(), "weights": weights, "found": rows})


if __name__ == "__main__":
    main()
