"""Numbers that a trained network reads from a file, with their uncertainties or a refusal, and with a picture."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.characterization.files import Micrograph, Scattering, Spectrum
from matgym.characterization.forests import Q_PER_NM, SHIFTS_CM
from matgym.characterization.micrographs import DOTS
from matgym.characterization.panels import save_panels
from matgym.characterization.reading.films import FilmMicrograph
from matgym.characterization.reading.forests import ForestCurves, curves_of
from matgym.characterization.reading.learned import STORE, Reader, load_reader, reader_of
from matgym.characterization.reading.registry import READINGS
from matgym.characterization.reading.tasks import ReadingTask, Scale
from matgym.characterization.untrained import require_trained
from matgym.errors import WeightsError
from matgym.frozen import ValueObject
from matgym.typing import Float32Array, FloatArray

UNSURE: Final = 0.25
"""Standard uncertainty, as a share of the range of a quantity, from which on nothing is known, a choice of ours: an
even distribution over the range has 0.29."""

AXES: Final = (("Raman shift, 1/cm", SHIFTS_CM), ("q, 1/nm", Q_PER_NM))
"""The axes of the curves of a forest."""


@dataclass(frozen=True)
class ReadQuantity:
    """A number that was read.

    Attributes:
        name: name of the quantity, with its unit.
        value: its value.
        uncertainty: standard uncertainty, in the same unit.
        limit: "at most" or "at least" if the value is at an end of the range that the network knows; empty otherwise.
    """

    name: str
    value: float
    uncertainty: float
    limit: str = ""

    def scaled(self, name: str, factor: float) -> "ReadQuantity":
        """Return the quantity under another name, times a factor."""
        return ReadQuantity(name, factor * self.value, factor * self.uncertainty, self.limit)

    def __str__(self) -> str:
        digits = max(0, 1 - int(np.floor(np.log10(self.uncertainty)))) if self.uncertainty > 0.0 else 3
        text = f"{self.name} {self.value:.{digits}f} ± {self.uncertainty:.{digits}f}"
        return f"{text} ({self.limit})" if self.limit else text


@dataclass(frozen=True, eq=False)
class Reading(ValueObject):
    """The numbers that were read from one measurement.

    Attributes:
        task: name of the task, which is also that of its network.
        question: what was asked.
        quantities: the numbers; none if there is no answer.
        refusal: why there is no answer, in one sentence; empty otherwise.
        measured: the measurement: an image, or a spectrum and a scattering curve.
        prepared: the image or the curves as the network sees them.
        simulated: a simulation of the answer in the same form; None if there is no answer.
    """

    task: str
    question: str
    quantities: tuple[ReadQuantity, ...]
    refusal: str
    measured: tuple[Micrograph | Spectrum | Scattering, ...]
    prepared: tuple[Float32Array, ...]
    simulated: tuple[Float32Array, ...] | None

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers as plain values."""
        names = ("value", "uncertainty", "limit")
        return [{"quantity": each.name, **{name: getattr(each, name) for name in names}} for each in self.quantities]

    def summary(self) -> list[str]:
        """Return the answer in one line of text."""
        return [f"No answer: {self.refusal}." if self.refusal else f"Answer: {', '.join(map(str, self.quantities))}"]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer with its provenance as plain values."""
        return {
            "task": self.task,
            "question": self.question,
            "refusal": self.refusal,
            "quantities": None if self.refusal else self.rows(),
            "files": [asdict(each.source) for each in self.measured],
        }

    def save_picture(self, path: Path | str) -> None:
        """Draw the measurement as the network sees it, and beside it a simulation of the answer."""
        panels = [("measured", self.prepared)]
        if self.simulated is not None:
            panels.append(("simulated", self.simulated))
        save_panels(path, panels, () if len(self.prepared) == 1 else AXES)


def read_film(measured: Micrograph, *, site_nm: float | None = None, model: Path | str | None = None) -> Reading:
    """Read the grain size and the defects of a film from its micrograph; see `matgym.characterization.characterize`.

    Args:
        measured: the image.
        site_nm: the lattice constant of the film model, nm.
        model: .safetensors file of the network instead of the shipped one.

    Raises:
        RefusalError: if the image cannot be brought to the scale of the network.
        ConfigurationError: if the lattice constant is missing, or does not fit the image.
        WeightsError: if there is no trained network.
    """
    task = READINGS[FilmMicrograph.name]
    reader = _reader(task, model)
    image = reader.inputs.of(measured, site_nm)  # type: ignore[union-attr]  # those of a film
    found = _answer(task, reader, (measured,), image)
    if found.refusal or site_nm is None:  # without one, `of` has raised an error
        return found
    radius, defects = found.quantities
    clusters = defects.scaled("clusters_per_um2", DOTS * 1e6 / site_nm**2)
    return replace(found, quantities=(radius.scaled("radius_nm", site_nm), defects, clusters))


def read_forest(raman: Spectrum, scattering: Scattering, *, model: Path | str | None = None) -> Reading:
    """Read diameter, D/G and amorphous share of a forest from two curves; see `matgym.characterization.characterize`.

    Args:
        raman: its Raman spectrum at 532 nm.
        scattering: its small-angle X-ray scattering.
        model: .safetensors file of the network instead of the shipped one.

    Raises:
        RefusalError: if the curves cannot be brought to the grids of the network.
        WeightsError: if there is no trained network.
    """
    task = READINGS[ForestCurves.name]
    reader = _reader(task, model)
    return _answer(task, reader, (raman, scattering), curves_of(raman, scattering))


def _reader(task: ReadingTask, model: Path | str | None) -> Reader:
    if model is None:
        require_trained(STORE, task.name)
    found = load_reader(model or task.name)
    if type(found.inputs) is not type(task.pipeline):
        raise WeightsError(f"{model} reads other measurements: give a network of the task {task.name}")
    reader_of(found, task.name, task.quantities)
    return found


def _answer(
    task: ReadingTask, reader: Reader, records: tuple[Micrograph | Spectrum | Scattering, ...], measured: FloatArray
) -> Reading:
    """Return what a network reads from one measurement on the grid of the task."""
    means, deviations, far = reader.outputs(measured)
    readings = Scale(task.quantities).readings(means, deviations)
    alike = task.resemblance(measured, readings.values) if reader.resemblance else None
    refusal = ""
    if far[0] > 1.0:
        refusal = f"it differs from all training measurements: its distance is {far[0]:.2f}, and 1 is the limit"
    elif alike is not None and alike[0] < reader.resemblance:
        refusal = (
            f"no answer explains it: the simulation of the best one resembles it by {alike[0]:.2f}, and "
            f"{reader.resemblance:.2f} is the limit"
        )
    elif deviations.min() >= UNSURE:
        refusal = (
            f"nothing is known well enough: the smallest uncertainty is {deviations.min():.0%} of a range, and "
            f"{UNSURE:.0%} is the limit"
        )
    prepared = _curves(reader.inputs.apply(measured)[0])
    if refusal:
        return Reading(task.name, task.question, (), refusal, records, prepared, None)
    (values,), (uncertainties,) = readings.values, readings.uncertainties
    found = []
    for quantity, value, uncertainty, mean, deviation in zip(
        task.quantities, values.tolist(), uncertainties.tolist(), means[0], deviations[0], strict=True
    ):
        low, high = mean <= deviation, mean >= 1.0 - deviation
        limit = ("at most" if low else "at least" if high else "") if quantity.logarithmic else ""  # shares truly end
        found.append(ReadQuantity(quantity.name, value, uncertainty, limit))
    simulated = _curves(reader.inputs.apply(task.simulated(values))[0])
    return Reading(task.name, task.question, tuple(found), "", records, prepared, simulated)


def _curves(inputs: Float32Array) -> tuple[Float32Array, ...]:
    """Return the image of an input of a network, or its two curves."""
    return tuple(np.split(inputs[0], [len(SHIFTS_CM)])) if inputs.ndim == 2 else (inputs[0],)
