"""Measure what images show of defects: their contrast against the noise, and how many are found, by dose.

- Contrast: the signal-to-noise ratio with which a filter that knows everything but the noise (a matched filter) sees a
  vacancy, a Stone-Wales pair, and a boron or nitrogen atom on the place of a carbon atom, at 80 kV and 10⁴
  electrons/Å². Vacancies and pairs are relaxed; B and N have the scattering of free atoms at the place of the carbon
  atom.
- The trained network (scripts/studies/characterization/train.py defects-hrtem) and the baseline without learning, under
  the conditions of training and under unseen ones: precision, recall and F1 by kind, of all kinds together, and of
  places whatever their kind; calibration error and refusals. The baseline tells no kinds. Its number of standard
  deviations is the one with the largest F1 on images under the conditions of training.

    python -m scripts.studies.characterization.defects

takes about ten minutes of one core, and writes docs/results/defects.json. Without a trained network, its rows are left
out with a note.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.imaging import hrtem
from matgym.characterization.recognition.defective import defective_tube, relaxed_specimen
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
from matgym.characterization.recognition.tubes import tube_classes
from matgym.characterization.specimens import Specimen
from matgym.errors import WeightsError
from matgym.structures import Nanotube
from scripts.studies.common import Study, StudyJob, print_markdown

TASK = PLACE_TASKS["defects-hrtem"]
DOSE = 1e4
SEEN = 5.0  # Rose's criterion: a signal-to-noise ratio that is seen with certainty
SITUATIONS = ("training", "unseen")


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        defects: number of defects of each kind for the contrast.
        test: number of images at each dose.
        chosen: number of images by which the threshold of the baseline is chosen.
        seed: random seed.
    """

    defects: int = 100
    test: int = 256
    chosen: int = 256
    seed: int = 2000


QUICK = Settings(defects=2, test=8, chosen=8)


@dataclass(frozen=True)
class Contrast(StudyJob):
    """The job of the contrast of single defects."""

    settings: Settings = field(repr=False)
    situation: str

    def run(self):
        """Return a row for each kind of defect: quantiles of the ratio, and the dose at which its median is `SEEN`."""
        rng = np.random.default_rng(self.settings.seed)
        conditions = getattr(TASK, self.situation)
        ratios = {}
        for _ in range(self.settings.defects):
            lens, camera = conditions.microscope(rng, 10.0 * TASK.pipeline.field_nm)
            beam = ElectronBeam(80.0)
            n, m = tube_classes()[rng.integers(len(tube_classes()))]
            tube = Nanotube(n, m, int(np.ceil(2.0 * camera.field_angstrom / Nanotube(n, m).length_angstrom)))
            site = int(np.abs(tube.positions_angstrom[:, 2] - 0.5 * tube.length_angstrom).argmin())
            neighbour = int(rng.choice(tube.lattice.neighbours[site]))
            pose = conditions.poses(rng, 1)
            pose = replace(pose, shift_angstrom=pose.shift_angstrom * [1.0, 1.0, 0.0])
            perfect = relaxed_specimen(tube)
            others = {
                "vacancy": defective_tube(tube.decorated({site: "vacancy"})).specimen,
                "Stone-Wales": defective_tube(tube.turned((site, neighbour))).specimen,
                "B": substituted(perfect, site, 5),
                "N": substituted(perfect, site, 7),
            }
            images = [
                hrtem([each], pose, beam=beam, lens=lens, camera=camera)[0] for each in (perfect, *others.values())
            ]
            for name, image in zip(others, images[1:], strict=True):
                # The optimal filter for Poisson's statistics: Σ (difference)² / variance.
                power = ((image - images[0]) ** 2 / images[0]).sum() * DOSE * camera.pixel_angstrom**2
                ratios.setdefault(name, []).append(float(np.sqrt(power)))
        rows = []
        for name, values in ratios.items():
            low, median, high = np.quantile(values, (0.1, 0.5, 0.9))
            rows.append(
                {"defect": name, "situation": self.situation, "low": low, "median": median, "high": high,
                 "dose_seen": DOSE * (SEEN / median) ** 2}
            )  # fmt: skip
        return pa.Table.from_pylist(rows)


def substituted(specimen, atom, number):
    """Return a specimen with another element in the place of one atom."""
    numbers = specimen.numbers.copy()
    numbers[atom] = number
    return Specimen(specimen.positions, numbers, specimen.period_angstrom, specimen.twist_rad)


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


def trained_weights():
    """Return the SHA-256 of the weights of the network; None without one."""
    try:
        return LOCATORS.load_card(TASK.name).sha256
    except WeightsError:
        print(f"{TASK.name} has no trained network: run python -m scripts.studies.characterization.train {TASK.name}")
        return None


def main():
    study = Study.from_command_line("defects", __doc__, Settings(), QUICK)
    settings = study.settings
    contrast = study.rows([Contrast(settings, situation) for situation in SITUATIONS])
    print_markdown(list(contrast[0]), [list(row.values()) for row in contrast])
    weights = trained_weights()
    jobs = [Baseline(settings, situation) for situation in SITUATIONS]
    rows = study.rows(jobs)
    if weights:
        rows += study.rows([Network(settings, situation, weights[:8]) for situation in SITUATIONS])
    columns = ("method", "situation", "level", *(f"f1 {name}" for name in (*TASK.kinds, "pooled", "any kind")))
    print_markdown(columns, [[row.get(name) for name in columns] for row in rows])
    study.write({"task": TASK.facts(), "weights": weights, "contrast": contrast, "found": rows})


if __name__ == "__main__":
    main()
