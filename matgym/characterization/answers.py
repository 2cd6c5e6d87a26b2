"""What a file of an instrument shows: the answer of a trained network, beside a simulation of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from matgym.characterization.defect_maps import DefectMap, find_defects
from matgym.characterization.files import (
    Environment,
    Measured,
    Micrograph,
    Scattering,
    ScatteringUnit,
    Spectrum,
    SpectrumUnit,
    Structure,
    read_crystal,
    read_micrograph,
    read_pattern,
    read_scattering,
    read_spectrum,
)
from matgym.characterization.panels import save_panels
from matgym.errors import ConfigurationError, require_counts
from matgym.frozen import ValueObject
from matgym.typing import Float32Array, FloatArray

if TYPE_CHECKING:
    from matgym.characterization.reading.answers import Reading
    from matgym.characterization.recognition.learned import Answer

OPTIONS: Final = {
    "chirality": ("pixel_nm", "pixel_per_nm", "best"),
    "crystal": ("wavelength_angstrom", "best"),
    "space-group": ("wavelength_angstrom", "best"),
    "structure": ("best",),
    "spectrum": ("unit", "laser_ev", "environment", "best"),
    "defects": ("pixel_nm",),
    "film": ("pixel_nm", "site_nm"),
    "forest": ("unit", "laser_ev", "scattering", "q_unit"),
}
"""What can be asked, and the options that belong to it: the (n, m) of a tube, the crystal system or the space group of
a powder, the crystal system of a structure with noise, the species of a tube or of a mixture by a spectrum, the defects
of a tube, the grain size and the defects of a film, or diameter, D/G and amorphous share of a forest of tubes."""

OF_FILES: Final = ("pixel_nm", "pixel_per_nm", "wavelength_angstrom", "unit", "laser_ev", "environment", "q_unit")
"""Options that say what a file does not state, and that a measurement in memory has itself."""

CRYSTAL_TASKS: Final = {"crystal": "crystal-system", "space-group": "space-group", "structure": "crystal-structure"}
"""The task that answers each question about a crystal."""

BEST: Final = 3
"""Number of classes in an answer, unless another one is asked for."""

PRESENT: Final = 0.05
"""Share from which on a species of a mixture is part of an answer; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Characterization(ValueObject):
    """The answer to a question about one measurement.

    Attributes:
        task: name of the task, which is also that of its network.
        question: what was asked.
        answer: best classes with calibrated probabilities, or the reason for a refusal.
        measured: the measurement.
        prepared: the measurement as the network sees it.
        simulated: a simulation of the answer in the same form; None if a class has no unique one.
        axes: label and places of each curve of a pattern or a spectrum in this form; none for images.
        mixed: whether the answer is a mixture, whose probabilities are shares.
    """

    task: str
    question: str
    answer: "Answer"
    measured: Measured
    prepared: Float32Array
    simulated: Float32Array | None
    axes: tuple[tuple[str, FloatArray], ...] = ()
    mixed: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the answer: the most probable one, or of a mixture those of a share of `PRESENT` and more."""
        if not self.mixed:
            return (self.answer.best[0][0],)
        present = tuple(name for name, share in self.answer.best if share >= PRESENT)
        return present or (self.answer.best[0][0],)

    @property
    def measure(self) -> str:
        """What the number of a class is: "probability", or "share" in a mixture."""
        return "share" if self.mixed else "probability"

    def as_dict(self) -> dict[str, Any]:
        """Return the answer with its provenance as plain values."""
        answer = self.answer
        return {
            "task": self.task,
            "question": self.question,
            "answer": None if answer.refusal else list(self.classes) if self.mixed else self.classes[0],
            "refusal": answer.refusal,
            "best": self.rows(),
            **({} if answer.metallic is None else {"metallic": answer.metallic}),
            "file": asdict(self.measured.source),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the best classes with their probabilities, or their shares in a mixture, as plain values."""
        return [{"class": name, self.measure: value} for name, value in self.answer.best]

    def summary(self) -> list[str]:
        """Return the answer in one line of text, and for tubes the metallic share in another one."""
        answer = self.answer
        lines = [f"No answer: {answer.refusal}." if answer.refusal else f"Answer: {' + '.join(self.classes)}"]
        return lines if answer.metallic is None else [*lines, f"  metallic: {answer.metallic:.1%}"]

    def save_picture(self, path: Path | str) -> None:
        """Draw the measurement as the network sees it, and beside it the simulation of the answer.

        Raises:
            ConfigurationError: if the measurement is a structure.
        """
        if isinstance(self.measured, Structure):
            raise ConfigurationError(f"{path} cannot be drawn: there is no picture of a structure; leave it out")
        panels = [("measured", self.prepared)]
        if self.simulated is not None:
            names = " + ".join(self.classes[:3]) + (" + …" if len(self.classes) > 3 else "")
            panels.append((f"simulated {names}", self.simulated))
        save_panels(path, panels, self.axes)


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
    measured: Path | str | Micrograph,
    what: Literal["film"],
    *,
    pixel_nm: float | None = None,
    site_nm: float | None = None,
    model: Path | str | None = None,
) -> "Reading": ...


@overload
def characterize(
    measured: Path | str | Spectrum,
    what: Literal["forest"],
    *,
    unit: SpectrumUnit | None = None,
    laser_ev: float | None = None,
    scattering: Path | str | Scattering | None = None,
    q_unit: ScatteringUnit | None = None,
    model: Path | str | None = None,
) -> "Reading": ...


@overload
def characterize(
    measured: Path | str | Measured,
    what: Literal["chirality", "crystal", "space-group", "structure", "spectrum"] = "chirality",
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    unit: SpectrumUnit | None = None,
    laser_ev: float | None = None,
    environment: Environment | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> Characterization: ...


@overload
def characterize(
    measured: Path | str | Measured,
    what: str,
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    unit: SpectrumUnit | None = None,
    laser_ev: float | None = None,
    environment: Environment | None = None,
    site_nm: float | None = None,
    scattering: Path | str | Scattering | None = None,
    q_unit: ScatteringUnit | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> "Characterization | DefectMap | Reading": ...


def characterize(
    measured: Path | str | Measured,
    what: str = "chirality",
    *,
    pixel_nm: float | None = None,
    pixel_per_nm: float | None = None,
    wavelength_angstrom: float | None = None,
    unit: SpectrumUnit | None = None,
    laser_ev: float | None = None,
    environment: Environment | None = None,
    site_nm: float | None = None,
    scattering: Path | str | Scattering | None = None,
    q_unit: ScatteringUnit | None = None,
    best: int | None = None,
    model: Path | str | None = None,
) -> "Characterization | DefectMap | Reading":
    """Answer a question about a file of an instrument by a trained network.

    Args:
        measured: the file, or a measurement in memory; see `matgym.characterization.files`.
        what: "chirality" of a tube by an image or an electron diffraction pattern; "crystal" for the crystal system of
            a powder, and "space-group" for its space group; "structure" for the crystal system of a structure with
            noise; "spectrum" for the species of a tube by a Raman spectrum, or of a mixture by an absorption spectrum;
            "defects" of a tube by an image; "film" for the grain size and the defects of a film by an image; or
            "forest" for diameter, D/G and amorphous share of a forest by a Raman spectrum and `scattering`.
        pixel_nm: width of a pixel of an image, nm, for files without a scale.
        pixel_per_nm: width of a pixel of a diffraction pattern, 1/nm, for files without a scale.
        wavelength_angstrom: wavelength of a powder pattern, Å, for files that do not state it.
        unit: unit of the first column of a spectrum, for files that do not state it: "1/cm" for the Raman shift, "nm"
            or "eV" for absorption.
        laser_ev: energy of the laser of a Raman spectrum, eV.
        environment: environment of the tubes of a Raman spectrum, "air" or "dispersed" in water; leave it out if it is
            not known.
        site_nm: the lattice constant of the film model, nm: the network reads 64 of them along each side.
        scattering: small-angle X-ray scattering of a forest, a file or in memory.
        q_unit: unit of the first column of the scattering curve, for files that do not state it: "1/nm" or
            "1/angstrom".
        best: number of classes in the answer, by default `BEST`; for a mixture, at least all of a share of `PRESENT`
            and more. Defects and numbers have none.
        model: .safetensors file of the network instead of the shipped one.

    Returns:
        A `DefectMap` for defects, a `Reading` for a film or a forest, and a `Characterization` for the other questions.

    Raises:
        RefusalError: if the measurement cannot be brought to the scale or the grid of the network.
        FormatError: if the file cannot be read.
        WeightsError: if there is no trained network.
        ConfigurationError: if the question is unknown, an option does not belong to it, or one is missing.
    """
    if not isinstance(what, str) or what not in OPTIONS:
        raise ConfigurationError(f"what={what!r} is unknown: give {' or '.join(map(repr, OPTIONS))}")
    given: dict[str, Any] = {
        "pixel_nm": pixel_nm,
        "pixel_per_nm": pixel_per_nm,
        "wavelength_angstrom": wavelength_angstrom,
        "unit": unit,
        "laser_ev": laser_ev,
        "environment": environment,
        "site_nm": site_nm,
        "scattering": scattering,
        "q_unit": q_unit,
        "best": best,
    }
    _check(measured, what, given, model)
    record = measured if isinstance(measured, Measured) else _read(measured, what, given)
    if what == "defects":
        return find_defects(record, model)  # type: ignore[arg-type]  # pipelines check what it is, here and below
    if what == "film":
        from matgym.characterization.reading.answers import read_film  # imports torch

        return read_film(record, site_nm=site_nm, model=model)  # type: ignore[arg-type]
    if what == "forest":
        from matgym.characterization.reading.answers import read_forest

        if scattering is None:
            raise ConfigurationError("scattering is missing: give the small-angle X-ray scattering of the forest")
        curve = scattering if isinstance(scattering, Measured) else read_scattering(scattering, unit=q_unit)
        return read_forest(record, curve, model=model)  # type: ignore[arg-type]
    return _recognised(what, record, BEST if best is None else best, model)


def _check(measured: Any, what: str, given: Mapping[str, Any], model: Any) -> None:
    """Check that options belong to a question, and that files are files or records.

    Raises:
        ConfigurationError: if they do not, or are not.
    """
    for name, value in given.items():
        record_has_it = name in OF_FILES and isinstance(given["scattering"] if name == "q_unit" else measured, Measured)
        if value is not None and (record_has_it or name not in OPTIONS[what]):
            place = "a measurement in memory" if record_has_it else f"what={what!r}"
            raise ConfigurationError(f"{name}={value} has no effect for {place}: leave it out")
    if given["best"] is not None:
        require_counts(best=given["best"])
    for name, value in (("measured", measured), ("scattering", given["scattering"])):
        if not isinstance(value, str | Path | Measured) and (value is not None or name == "measured"):
            raise ConfigurationError(
                f"{name} is a {type(value).__name__}: give a file, or a record such as a Micrograph"
            )
    if not isinstance(model, str | Path | None):
        raise ConfigurationError(f"model is a {type(model).__name__}: give a .safetensors file")


def _read(path: Path | str, what: str, given: Mapping[str, Any]) -> Measured:
    """Read the file of a question with the options that say what it does not state."""
    options = {name: given[name] for name in OPTIONS[what] if name in OF_FILES and name != "q_unit"}
    if what in {"chirality", "defects", "film"}:
        return read_micrograph(path, **options)
    if what == "structure":
        return read_crystal(path)
    return read_pattern(path, **options) if what in CRYSTAL_TASKS else read_spectrum(path, **options)


def _recognised(what: str, record: Any, best: int, model: Path | str | None) -> Characterization:
    """Answer a question whose answer is a class or a mixture of classes."""
    from matgym.characterization.layer_scale import pixel_factor, scale_refusal
    from matgym.characterization.recognition.learned import STORE, load_recognizer
    from matgym.characterization.recognition.registry import task_of
    from matgym.characterization.untrained import require_trained

    task = task_of(_task_name(what, record))
    if model is None:
        require_trained(STORE, task.name)
    recognizer = load_recognizer(model or task.name)
    pipeline = recognizer.pipeline
    inputs = pipeline.of(record)
    answer = recognizer.answer(inputs, len(recognizer.classes) if task.mixed else best)
    simulated = task.simulated_answer(answer.best, record, pipeline)
    if task.mixed:
        kept = tuple(each for rank, each in enumerate(answer.best) if rank < best or each[1] >= PRESENT)
        answer = replace(answer, best=kept)
    prepared = pipeline.shown(inputs[0])
    factor = None if answer.refusal else pixel_factor(pipeline, prepared, simulated)
    if factor is not None:
        answer = replace(answer, refusal=scale_refusal(answer.best[0][0], factor, record))
    return Characterization(
        task.name, task.question, answer, record, prepared, simulated, axes=pipeline.axes, mixed=task.mixed
    )


def _task_name(what: str, record: Measured) -> str:
    """Return the name of the task that answers a question about a measurement."""
    if what in CRYSTAL_TASKS:
        return CRYSTAL_TASKS[what]
    if what == "spectrum":
        optical = isinstance(record, Spectrum) and record.unit != "1/cm"
        return "species-absorption" if optical else "species-raman"
    images = isinstance(record, Micrograph) and record.kind == "image"
    return "chirality-hrtem" if images else "chirality-diffraction"
