"""The defects that a trained network finds in an image of a tube, with a picture."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from matgym.characterization.files import Micrograph
from matgym.characterization.panels import picture_path
from matgym.files import atomic_path
from matgym.frozen import ValueObject

if TYPE_CHECKING:
    from matgym.characterization.recognition.locators import DefectAnswer

MARKS: Final = ("#d62728", "#17becf", "#ff7f0e", "#2ca02c")
"""Colours of the kinds of defects, in the order of their names."""


@dataclass(frozen=True, eq=False)
class DefectMap(ValueObject):
    """The defects of one image.

    Attributes:
        task: name of the task, which is also that of its network.
        question: what was asked.
        answer: the defects with calibrated probabilities, or the reason for a refusal.
        measured: the image.
    """

    task: str
    question: str
    answer: "DefectAnswer"
    measured: Micrograph

    def rows(self) -> list[dict[str, Any]]:
        """Return the defects as plain values: places in nm from the middle of the first pixel, kind, probability."""
        return [dict(vars(defect)) for defect in self.answer.defects]

    def summary(self) -> list[str]:
        """Return the answer in one line of text."""
        if self.answer.refusal:
            return [f"No answer: {self.answer.refusal}."]
        kinds = [defect.kind for defect in self.answer.defects]
        counts = [f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))]
        return [f"Answer: {', '.join(counts) or 'no defects'}"]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer with its provenance as plain values."""
        return {
            "task": self.task,
            "question": self.question,
            "refusal": self.answer.refusal,
            "defects": None if self.answer.refusal else self.rows(),
            "file": asdict(self.measured.source),
        }

    def save_picture(self, path: Path | str) -> None:
        """Draw the image, and beside it the same with a circle around each defect."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        axes = figure.subplots(1, 2)
        rows, columns = self.measured.pixels.shape
        pixel = self.measured.pixel_size
        extent = (-0.5 * pixel, (columns - 0.5) * pixel, (rows - 0.5) * pixel, -0.5 * pixel)
        for each, title in zip(axes, ("measured", "defects"), strict=True):
            each.set_title(title)
            each.imshow(self.measured.pixels, cmap="gray", extent=extent)
            each.set_xlabel("x, nm")
        for kind, colour in zip(sorted({defect.kind for defect in self.answer.defects}), MARKS, strict=False):
            own = [defect for defect in self.answer.defects if defect.kind == kind]
            axes[1].plot(
                [defect.x_nm for defect in own], [defect.y_nm for defect in own], "o", markersize=12,
                markerfacecolor="none", color=colour, label=kind,
            )  # fmt: skip
        if self.answer.defects:
            axes[1].legend(loc="upper right", fontsize="small")
        with atomic_path(picture_path(path)) as scratch:
            figure.savefig(scratch)


def find_defects(measured: Micrograph, model: Path | str | None = None) -> DefectMap:
    """Find the defects in an image by a trained network; see `matgym.characterization.characterize`.

    Args:
        measured: the image.
        model: .safetensors file of the network instead of the shipped one.

    Raises:
        RefusalError: if the image cannot be brought to the scale of the network.
        WeightsError: if there is no trained network.
    """
    from matgym.characterization.recognition.locators import LOCATORS, load_locator
    from matgym.characterization.recognition.registry import PLACE_TASKS
    from matgym.characterization.untrained import require_trained

    task = PLACE_TASKS["defects-hrtem"]
    if model is None:
        require_trained(LOCATORS, task.name)
    return DefectMap(task.name, task.question, load_locator(model or task.name).locate(measured), measured)
