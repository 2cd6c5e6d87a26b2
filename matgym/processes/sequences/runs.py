"""Runs of a process as training data: controls, start values, and outcomes after each step."""

from dataclasses import dataclass

import numpy as np

from matgym.errors import DatasetError
from matgym.frozen import ValueObject
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Runs(ValueObject, copies=True):
    """N runs of T steps each.

    Attributes:
        control_names: the names of the c controls.
        start_names: the names of the s start values.
        outcome_names: the names of the k outcomes.
        controls: (N, T, c) controls of each step.
        start: (N, s) values that are known before the first step.
        begun: (N, k) outcomes before the first step.
        outcomes: (N, T, k) outcomes after each step.
    """

    control_names: tuple[str, ...]
    start_names: tuple[str, ...]
    outcome_names: tuple[str, ...]
    controls: FloatArray
    start: FloatArray
    begun: FloatArray
    outcomes: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        count, steps = self.outcomes.shape[:2]
        shapes = {
            "controls": (count, steps, len(self.control_names)),
            "start": (count, len(self.start_names)),
            "begun": (count, len(self.outcome_names)),
            "outcomes": (count, steps, len(self.outcome_names)),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise DatasetError(f"{name} of shape {values.shape} must be {shape}")
            if not np.isfinite(values).all():
                wrong = np.count_nonzero(~np.isfinite(values))
                raise DatasetError(f"{name} holds {wrong} values that are not finite: leave their runs out")

    def __len__(self) -> int:
        return len(self.outcomes)

    def take(self, rows: slice | FloatArray) -> "Runs":
        """Return the runs of some rows."""
        names = (self.control_names, self.start_names, self.outcome_names)
        return Runs(*names, self.controls[rows], self.start[rows], self.begun[rows], self.outcomes[rows])
