"""Wrong widths of pixels, which give another tube: what the layer lines say of them."""

import numpy as np
import pytest

from matgym.characterization import characterize, virtual_microscope
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


@pytest.mark.parametrize("kind", TASK_OF)
def test_a_wrong_scale_gives_no_other_tube(kind):
    """With pixels wider by a tenth, networks alone name (9,5) with 0.99 by diffraction."""
    right = characterize(measured(kind, 1.0))
    assert (right.classes, right.answer.refusal) == (("(10,5)",), "")
    assert characterize(measured(kind, 1.1)).answer.refusal


def test_the_refusal_names_the_scale_and_the_factor():
    refusal = characterize(measured("diffraction", 1.1)).answer.refusal
    assert "check its scale of 0.1815 1/nm" in refusal


def test_measurements_without_layer_lines_are_not_checked():
    task = TASKS["species-raman"]
    assert pixel_factor(task.pipeline, np.ones(task.pipeline.shape, dtype=np.float32), None) is None
