"""What a file of an instrument shows: the answer of a trained network, beside a simulation of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.characterization.files import Micrograph, Pattern, read_micrograph, read_pattern
from matgym.errors import ConfigurationError
from matgym.files import atomic_path
from matgym.frozen import ValueObject
from matgym.typing import Float32Array

if TYPE_CHECKING:
    from matgym.characterization.recognition.learned import Answer

QUESTIONS: Final = ("chirality", "crystal")
"""What can be asked: the (n, m) of a tube, or the crystal system of a powder."""


@dataclass(frozen=True, eq=False)
class Characterization(ValueObject):
    """The answer to a question about one measurement.

    Attributes:
        task: name of the task, which is also that of its network.
        question: what was asked.
        answer: best classes with calibrated probabilities, or the reason for a refusal.
        measured: the measurement.
        prepared: the measurement as the network sees it.
        simulated: a simulation of the best class in the same form; None if a class has no unique one.
    """

    task: str
    question: str
    answer: "Answer"
    measured: Micrograph | Pattern
    prepared: Float32Array
    simulated: Float32Array | None

    def as_dict(self) -> dict[str, Any]:
        """Return the answer with its provenance as plain values."""
        source = self.measured.source
        return {
            "task": self.task,
            "question": self.question,
            "answer": None if self.answer.refusal else self.answer.best[0][0],
            "refusal": self.answer.refusal,
            "best": [{"class": name, "probability": share} for name, share in self.answer.best],
            "file": {"path": source.path, "sha256": source.sha256, "scale": source.scale},
        }

    def save_picture(self, path: Path) -> None:
        """Draw the measurement as the network sees it, and beside it the simulation of the best class."""
        from matplotlib.figure import Figure

        panels = [("measured", self.prepared)]
        if self.simulated is not None:
            panels.append((f"simulated {self.answer.best[0][0]}", self.simulated))
        figure = Figure(figsize=(3.2 * len(panels), 3.4), layout="constrained")
        for axes, (title, values) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
            axes.set_title(title)
            if values.ndim == 2:
                axes.plot(values[0])
            else:
                axes.imshow(values[0], cmap="gray")
                axes.set_axis_off()
        with atomic_path(path) as scratch:
            figure.savefig(scratch)


def characterize(
    measured: Path | str | Micrograph | Pattern,
    what: str = "chirality",
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    best: int = 3,
    model: Path | str | None = None,
) -> Characterization:
    """Answer a question about a file of an instrument by a trained network.

    Args:
        measured: the file, or a measurement in memory; see `matgym.characterization.files`.
        what: "chirality" of a tube by an image or an electron diffraction pattern, or "crystal" for the crystal system
            of a powder.
        pixel_nm: width of a pixel of an image, nm, for files without a scale.
        pixel_per_nm: width of a pixel of a diffraction pattern, 1/nm, for files without a scale.
        wavelength_angstrom: wavelength of a powder pattern, Å, for files that do not state it.
        best: number of classes in the answer.
        model: .safetensors file of the network instead of the shipped one.

    Raises:
        RefusalError: if the measurement cannot be brought to the scale or the grid of the network.
        FormatError: if the file cannot be read.
        WeightsError: if there is no trained network.
        ConfigurationError: if the question is unknown, or an option does not belong to it.
    """
    from matgym.characterization.recognition.learned import load_recognizer
    from matgym.characterization.recognition.registry import task_of

    if what not in QUESTIONS:
        raise ConfigurationError(f"what={what!r} is unknown: give {' or '.join(map(repr, QUESTIONS))}")
    given = {"pixel_nm": pixel_nm, "pixel_per_nm": pixel_per_nm, "wavelength_angstrom": wavelength_angstrom}
    in_memory = isinstance(measured, Micrograph | Pattern)
    others = (
        set(given) if in_memory else {"wavelength_angstrom"} if what == "chirality" else {"pixel_nm", "pixel_per_nm"}
    )
    for name, value in given.items():
        if value is not None and name in others:
            place = "a measurement in memory" if in_memory else f"what={what!r}"
            raise ConfigurationError(f"{name}={value} has no effect for {place}: leave it out")
    if isinstance(measured, Micrograph | Pattern):
        record = measured
    elif what == "chirality":
        record = read_micrograph(measured, pixel_nm=pixel_nm, pixel_per_nm=pixel_per_nm)
    else:
        record = read_pattern(measured, wavelength_angstrom=wavelength_angstrom)
    images = isinstance(record, Micrograph) and record.kind == "image"
    task = task_of("crystal-system" if what == "crystal" else "chirality-hrtem" if images else "chirality-diffraction")
    recognizer = load_recognizer(model or task.name)
    answer = recognizer.recognize(record, best)
    prepared = recognizer.pipeline.of(record)[0]  # type: ignore[arg-type]  # `recognize` has checked it
    simulated = task.simulated(answer.best[0][0], recognizer.pipeline)
    return Characterization(task.name, task.question, answer, record, prepared, simulated)
