"""Wrong widths of pixels, which give another tube: what the layer lines say of them."""

import numpy as np
import pytest

from matgym.characterization import characterize, virtual_microscope
from matgym.characterization.diffraction import Detector, Exposure
from matgym.characterization.files import Micrograph
from matgym.characterization.layer_scale import pixel_factor
from matgym.characterization.recognition.registry import TASKS
from matgym.structures import Nanotube

TASK_OF = {"diffraction": "chirality-diffraction", "image": "chirality-hrtem"}


def measured(kind, factor, pair=(10, 5)):
    """Return a measurement whose pixels are said to be wider by a factor."""
    record = virtual_microscope(Nanotube(*pair), np.random.default_rng(0), kind=kind)
    return Micrograph(record.pixels, factor * record.pixel_size, record.kind)


@pytest.mark.parametrize("kind", TASK_OF)
@pytest.mark.parametrize("factor", [1.0, 0.85, 1.15])
def test_layer_lines_tell_the_width_of_a_pixel(kind, factor):
    task = TASKS[TASK_OF[kind]]
    prepared = task.pipeline.of(measured(kind, factor))[0]
    found = pixel_factor(task.pipeline, prepared, task.simulated("(10,5)", task.pipeline))
    assert found == (None if factor == 1.0 else pytest.approx(1.0 / factor, rel=0.04))


def test_a_wrong_scale_gives_no_other_tube():
    """The network alone names (9,5) with a probability of 0.99 where pixels are said to be wider by a tenth."""
    detector = Detector(512, 0.0055, beam_stop_per_angstrom=0.09)
    tube, rng = Nanotube(10, 5), np.random.default_rng(0)
    record = virtual_microscope(tube, rng, detector=detector, exposure=Exposure(2e4))
    right = characterize(record)
    assert (right.classes, right.answer.refusal) == (("(10,5)",), "")
    wrong = characterize(Micrograph(record.pixels, 1.1 * record.pixel_size, record.kind))
    assert "the layer lines of (9,5) fit it best with pixels 0.9" in wrong.answer.refusal
    assert "check its scale of 0.0605 1/nm" in wrong.answer.refusal


def test_measurements_without_layer_lines_are_not_checked():
    task = TASKS["species-raman"]
    assert pixel_factor(task.pipeline, np.ones(task.pipeline.shape, dtype=np.float32), None) is None
