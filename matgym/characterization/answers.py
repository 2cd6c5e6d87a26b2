"""What a file of an instrument shows: the answer of a trained network, beside a simulation of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np

from matgym.characterization.defect_maps import DefectMap, find_defects
from matgym.characterization.files import Micrograph, Pattern, read_micrograph, read_pattern
from matgym.errors import ConfigurationError
from matgym.files import atomic_path
from matgym.frozen import ValueObject
from matgym.typing import Float32Array

if TYPE_CHECKING:
    from matgym.characterization.recognition.learned import Answer

OPTIONS: Final[dict[str, frozenset[str]]] = {
    "chirality": frozenset({"pixel_nm", "pixel_per_nm", "best"}),
    "crystal": frozenset({"wavelength_angstrom", "best"}),
    "defects": frozenset({"pixel_nm"}),
}
"""What can be asked, with the options of each question: the (n, m) of a tube, the crystal system of a powder, or the
defects of a tube."""

SCALES: Final = frozenset({"pixel_nm", "pixel_per_nm", "wavelength_angstrom"})
"""Options that say the scale of a file."""

BEST: Final = 3
"""Number of classes in an answer, unless another one is asked for."""


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
        return {
            "task": self.task,
            "question": self.question,
            "answer": None if self.answer.refusal else self.answer.best[0][0],
            "refusal": self.answer.refusal,
            "best": self.rows(),
            "file": asdict(self.measured.source),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the best classes with their probabilities as plain values."""
        return [{"class": name, "probability": share} for name, share in self.answer.best]

    def summary(self) -> str:
        """Return the answer in one line."""
        return f"No answer: {self.answer.refusal}." if self.answer.refusal else f"Answer: {self.answer.best[0][0]}"

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


@overload
def characterize(
    measured: Path | str | Micrograph,
    what: Literal["defects"],
    *,
    pixel_nm: float | None = None,
    model: Path | str | None = None,
) -> DefectMap: ...


@overload
def characterize(
    measured: Path | str | Micrograph | Pattern,
    what: Literal["chirality", "crystal"] = "chirality",
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> Characterization: ...


@overload
def characterize(
    measured: Path | str | Micrograph | Pattern,
    what: str,
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> Characterization | DefectMap: ...


def characterize(
    measured: Path | str | Micrograph | Pattern,
    what: str = "chirality",
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> Characterization | DefectMap:
    """Answer a question about a file of an instrument by a trained network.

    Args:
        measured: the file, or a measurement in memory; see `matgym.characterization.files`.
        what: "chirality" of a tube by an image or an electron diffraction pattern, "defects" of a tube by an image, or
            "crystal" for the crystal system of a powder.
        pixel_nm: width of a pixel of an image, nm, for files without a scale.
        pixel_per_nm: width of a pixel of a diffraction pattern, 1/nm, for files without a scale.
        wavelength_angstrom: wavelength of a powder pattern, Å, for files that do not state it.
        best: number of classes in the answer; default `BEST`. Defects have none.
        model: .safetensors file of the network instead of the shipped one.

    Returns:
        A `DefectMap` for defects, and a `Characterization` for the other questions.

    Raises:
        RefusalError: if the measurement cannot be brought to the scale or the grid of the network.
        FormatError: if the file cannot be read.
        WeightsError: if there is no trained network.
        ConfigurationError: if the question is unknown, or an option does not belong to it.
    """
    from matgym.characterization.recognition.learned import load_recognizer
    from matgym.characterization.recognition.registry import task_of

    if what not in OPTIONS:
        raise ConfigurationError(f"what={what!r} is unknown: give {' or '.join(map(repr, OPTIONS))}")
    in_memory = isinstance(measured, Micrograph | Pattern)
    given = {"pixel_nm": pixel_nm, "pixel_per_nm": pixel_per_nm, "wavelength_angstrom": wavelength_angstrom}
    for name, value in (given | {"best": best}).items():
        scaled = in_memory and name in SCALES
        if value is not None and (scaled or name not in OPTIONS[what]):
            place = "a measurement in memory" if scaled else f"what={what!r}"
            raise ConfigurationError(f"{name}={value} has no effect for {place}: leave it out")
    record: Micrograph | Pattern
    if isinstance(measured, Micrograph | Pattern):
        record = measured
    elif what == "crystal":
        record = read_pattern(measured, wavelength_angstrom=wavelength_angstrom)
    else:
        record = read_micrograph(measured, pixel_nm=pixel_nm, pixel_per_nm=pixel_per_nm)
    if what == "defects":
        return find_defects(record, model)  # type: ignore[arg-type]  # the pipeline checks it
    images = isinstance(record, Micrograph) and record.kind == "image"
    task = task_of("crystal-system" if what == "crystal" else "chirality-hrtem" if images else "chirality-diffraction")
    recognizer = load_recognizer(model or task.name)
    answer = recognizer.recognize(record, BEST if best is None else best)
    prepared = recognizer.pipeline.of(record)[0]  # type: ignore[arg-type]  # `recognize` has checked it
    simulated = task.simulated(answer.best[0][0], recognizer.pipeline)
    return Characterization(task.name, task.question, answer, record, prepared, simulated)
