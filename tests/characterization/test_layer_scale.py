"""Wrong widths of pixels, which give another tube: what the layer lines say of them."""

import numpy as np
import pytest

from matgym.characterization import characterize, virtual_microscope
from matgym.characterization.files import Micrograph
from matgym.characterization.layer_scale import pixel_factor, scale_refusal
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


@pytest.mark.parametrize("kind", TASK_OF)
@pytest.mark.parametrize("factor", [0.9, 1.05, 1.1, 1.2])
def test_a_wrong_scale_gives_no_other_tube(kind, factor):
    """Networks alone name (9,5) or (11,5) with probabilities of up to 0.99 where pixels are wider by 5 or 10 %."""
    right = characterize(measured(kind, 1.0))
    assert (right.classes, right.answer.refusal) == (("(10,5)",), "")
    assert characterize(measured(kind, factor)).answer.refusal


def test_the_refusal_names_the_scale_and_the_factor():
    task, record = TASKS["chirality-hrtem"], measured("image", 1.05)
    prepared = task.pipeline.of(record)[0]
    factor = pixel_factor(task.pipeline, prepared, task.simulated("(11,5)", task.pipeline))
    sentence = scale_refusal("(11,5)", factor, record)
    assert sentence.startswith("the layer lines of (11,5) fit it best with pixels 0.9")
    assert sentence.endswith("times as wide: check its scale of 0.04725 nm")


def test_measurements_without_layer_lines_are_not_checked():
    task = TASKS["species-raman"]
    assert pixel_factor(task.pipeline, np.ones(task.pipeline.shape, dtype=np.float32), None) is None
