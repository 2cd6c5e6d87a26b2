"""What was learned of a property of the user's own: the surrogate, its accuracy, and what the labels are worth."""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from matgym.data.labels import Labels
from matgym.files import write_text
from matgym.frozen import ValueObject
from matgym.learning.metrics import PropertyMetrics
from matgym.models import Level
from matgym.surrogates.own.curve import Curve
from matgym.surrogates.own.surrogate import OwnSurrogate
from matgym.surrogates.store import OwnCard, save
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from matgym.viz.curves import Picture


@dataclass(frozen=True)
class Candidate:
    """A way to learn the labels.

    Attributes:
        trunk: one of `TRUNKS`.
        form: one of `FORMS`.
    """

    trunk: str
    form: str

    def __str__(self) -> str:
        return f"trunk {self.trunk}, form {self.form}"


@dataclass(frozen=True, eq=False)
class OwnFit(ValueObject):
    """A surrogate of an own property, and how good it is.

    Attributes:
        surrogate: the surrogate, fitted to all labels.
        labels: the labels.
        chosen: the candidate.
        errors: cross-validated RMSE of each candidate, in the property's unit.
        left_out: trunks that cannot answer for some tube of the labels, with the reason.
        predicted: (B,) predictions for tubes whose chirality, or which themselves, were left out.
        half_width: (B,) half the widths of their 90 % intervals, calibrated without these tubes.
        metrics: cross-validated metrics on tubes of chiralities that the labels have, and of others if there are three.
        curve: error by the number of labels.
    """

    surrogate: OwnSurrogate
    labels: Labels
    chosen: Candidate
    errors: Mapping[Candidate, float]
    left_out: Mapping[str, str]
    predicted: FloatArray
    half_width: FloatArray
    metrics: Mapping[str, PropertyMetrics]
    curve: Curve

    @property
    def verdict(self) -> str:
        """Whether the labels are enough, in one sentence."""
        return self.curve.verdict

    def save(
        self,
        path: Path | str,
        *,
        level: Level = Level.USER,
        labels_by: str = "",
        source: str = "",
        command: str = "matgym.surrogates.fit_own",
    ) -> OwnCard:
        """Write the surrogate to `path` (.safetensors) and its card next to it (.json).

        Args:
            path: the file.
            level: level of the labels.
            labels_by: what computed or measured the labels, in the user's words.
            source: name of the data.
            command: command that reproduces the surrogate.

        Raises:
            WeightsError: if `path` does not end in .safetensors.
        """
        state = hashlib.blake2b(digest_size=12)
        for tube, value in zip(self.labels.tubes, self.labels.values.tolist(), strict=True):
            state.update(f"{tube.key} {value!r}".encode())
        counts = {"tubes": len(self.labels), "structures": self.labels.structures, "left_out": len(self.labels.unread)}
        card = save(
            self.surrogate,
            path,
            data={"name": source, "digest": state.hexdigest(), "rows": counts},
            command=command,
            metrics={name: (row,) for name, row in self.metrics.items()},
            levels={self.surrogate.own.key: level},
            labels_by=labels_by,
            candidates={str(each): error for each, error in self.errors.items()},
            curve=self.curve.as_dict(),
            verdict=self.verdict,
        )
        return cast("OwnCard", card)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each structure: its label, its prediction when it was left out, or why it was not used."""
        found: list[dict[str, Any]] = []
        for number, name in enumerate(self.labels.names):
            low, high = self.labels.conflicts.get(name, (None, None))
            found.append(
                {
                    "structure": name,
                    "tube": str(self.labels.tubes[number]),
                    "label": float(self.labels.values[number]),
                    "predicted": float(self.predicted[number]),
                    "half_width": float(self.half_width[number]),
                    "least_label": low,
                    "largest_label": high,
                    "not_used": "",
                    "note": self.labels.notes.get(name, ""),
                }
            )
        empty = dict.fromkeys(("tube", "label", "predicted", "half_width", "least_label", "largest_label"))
        return found + [
            {"structure": name, **empty, "not_used": reason, "note": ""} for name, reason in self.labels.unread.items()
        ]

    def report(self, folder: Path) -> list[Path]:
        """Write pictures and tables of the learning curve and of predicted against true values; return the files."""
        from matgym.viz.curves import write_picture

        name = self.surrogate.own.name.replace("_", " ")
        pictures = {"learning-curve": self.curve.picture(name), "predicted": self._picture(name)}
        files = []
        for stem, picture in pictures.items():
            write_picture(picture, folder / f"{stem}.png")
            files.append(folder / f"{stem}.png")
        text = StringIO()
        rows = self.rows()
        table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_picture(self.curve.picture(name), folder / "learning-curve.csv")
        write_text(folder / "labels.csv", text.getvalue())
        return [*files, folder / "learning-curve.csv", folder / "labels.csv"]

    def _picture(self, name: str) -> "Picture":
        """Return the picture of predictions against labels, each of a tube that was left out."""
        from matgym.viz.curves import Picture, Series

        values, unit = self.labels.values, f", {self.curve.unit}" if self.curve.unit else ""
        ends = np.array([min(values.min(), self.predicted.min()), max(values.max(), self.predicted.max())])
        ends += 0.04 * np.ptp(ends) * np.array([-1.0, 1.0])
        left_out = "whole chiralities left out" if self.curve.grouped else "tubes left out"
        return Picture(
            f"{name}: predictions of tubes that were left out",
            f"label{unit}",
            f"prediction{unit}",
            (Series("equal", ends, ends, "reference"), Series("tubes", values, self.predicted, "points")),
            (float(ends[0]), float(ends[1])),
            (float(ends[0]), float(ends[1])),
            note=f"cross-validation, {left_out}; {self.chosen}; R² {self.curve.skill:.2f}",
        )
