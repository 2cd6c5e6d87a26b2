"""The task of the defects of a tube in an HRTEM image: where they are, and which.

Conditions of training and of the test are those of the chirality (`tubes.py`), with higher doses, and were chosen
before any training.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.fields import FieldPipeline
from matgym.characterization.imaging import Camera, hrtem
from matgym.characterization.poses import Poses
from matgym.characterization.recognition.defective import KINDS, MOST_DEFECTS, DefectiveTube, random_defects
from matgym.characterization.recognition.tasks import DrawnTask, Samples, log_uniform, uniform
from matgym.characterization.recognition.tubes import ChiralityFromImages, ImageConditions, tube_classes
from matgym.typing import FloatArray

VIEWS: Final = 4
"""Images of each tube, in different poses and with different doses: relaxing a tube takes longer than its image."""

DOSES: Final = (2e3, 5e4)
"""Range of doses, electrons/Å²: those at which a matched filter finds part of the defects to all of them."""


class DefectsFromImages(DrawnTask):
    """Vacancies and Stone-Wales pairs in the HRTEM image of a tube of 0.6 to 2.0 nm."""

    name = "defects-hrtem"
    question = "Where are the defects of the tube in this HRTEM image, and which are they?"
    level_name = "dose, electrons/Å²"
    levels = (2e3, 5e3, 1e4, 2e4, 5e4)
    kinds = KINDS
    pipeline = FieldPipeline(pixel_nm=0.045, pixels=96)
    training = replace(ChiralityFromImages.training, dose_per_angstrom2=DOSES)
    unseen = replace(ChiralityFromImages.unseen, dose_per_angstrom2=DOSES)

    def group(self, count: int, rng: np.random.Generator, conditions: ImageConditions, level: float | None) -> Samples:
        """Return images as inputs, and their defects as labels; see `DrawnTask.group`.

        Labels are (B, `MOST_DEFECTS`, 3) rows, columns and kinds in pixels of the input, NaN where there are fewer.
        """
        images, camera, labels, doses = self.measured(count, rng, conditions, level)
        inputs, frame = self.pipeline.apply(images, 0.1 * camera.pixel_angstrom)
        places = frame.in_inputs(labels[..., :2])
        shown = frame.shown(places)  # comparisons with NaN are false
        labels = np.where(shown[..., None], np.concatenate([places, labels[..., 2:]], axis=-1), np.nan)
        return Samples(inputs.astype(np.float16), labels, doses)

    def measured(
        self, count: int, rng: np.random.Generator, conditions: ImageConditions, level: float | None = None
    ) -> tuple[FloatArray, Camera, FloatArray, FloatArray]:
        """Return (B, H, W) images of one instrument, its camera, (B, D, 3) defects in pixels, and (B,) doses."""
        doses = np.full(count, level) if level else log_uniform(rng, conditions.dose_per_angstrom2, count)
        lens, camera = conditions.microscope(rng, 10.0 * self.pipeline.field_nm + 0.5)
        beam = ElectronBeam(uniform(rng, conditions.voltage_kv))
        pairs = tube_classes()
        drawn = [random_defects(rng, *pairs[rng.integers(len(pairs))], camera.field_angstrom)
                 for _ in range(-(-count // VIEWS))]  # fmt: skip
        tubes = [drawn[row // VIEWS] for row in range(count)]
        poses = conditions.poses(rng, count)
        poses = replace(poses, shift_angstrom=poses.shift_angstrom * [1.0, 1.0, 0.0])  # the defects stay in view
        images = hrtem([tube.specimen for tube in tubes], poses, beam=beam, lens=lens, camera=camera)
        labels = np.stack([defects_in_image(tube, poses, row, camera) for row, tube in enumerate(tubes)])
        return camera.expose_each(images, doses, rng), camera, labels, doses


def defects_in_image(tube: DefectiveTube, poses: Poses, row: int, camera: Camera) -> FloatArray:
    """Return (`MOST_DEFECTS`, 3) rows, columns and kinds of the defects of a tube in an image; NaN for the rest.

    Args:
        tube: tube with at most `MOST_DEFECTS` defects.
        poses: poses of the tubes of several images.
        row: number of the image.
        camera: its camera.
    """
    along = poses.shift_angstrom[row] * [0.0, 0.0, 1.0]
    places = camera.pixels_of(poses.in_image(row, tube.places + along)[:, :2])
    labels = np.full((MOST_DEFECTS, 3), np.nan)
    labels[: len(places)] = np.column_stack([places, tube.kinds])
    return labels
