"""The task of finding one recipe, or one schedule, for a furnace: what optimizers search, all of it at once."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.growth.reactors import STANDARD
from matgym.processes.growth.recipe import LIMITS, TWO_STAGES, scaled_controls, two_stages
from matgym.tasks.base import DesignTask, Scores, share
from matgym.tasks.growth import GrowthTask
from matgym.tasks.ledger import Ledger
from matgym.tasks.space import Cube, Designs
from matgym.typing import FloatArray

Form = Literal["stages", "schedule"]

WORST: Final = -100.0
BEST: Final = 160.0
"""J that earns 0 and 1. A range chosen by us: random recipes have -41 on average, the best known schedule has 158."""


@dataclass(frozen=True, eq=False)
class FurnaceDesign(DesignTask):
    """Grow tubes in one known reactor by a recipe that is fixed before it starts.

    Attributes:
        growth: what a run is worth.
        form: "stages", the eight numbers of `matgym.processes.growth.recipe.TWO_STAGES`; or "schedule", the four
            controls of every minute.
        reactor: (5,) that it is for.
        ledger: counts minutes of furnace time, "simulation", or runs that a network predicted, "surrogate".
    """

    growth: GrowthTask = field(default_factory=GrowthTask)
    form: Form = "stages"
    reactor: tuple[float, ...] = tuple(STANDARD.tolist())
    space: Cube = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ConfigurationError(f"form={self.form!r} must be stages or schedule")
        width = len(TWO_STAGES) if self.form == "stages" else len(LIMITS) * self.growth.minutes
        object.__setattr__(self, "space", Cube(width))

    @property
    def ledger(self) -> Ledger:  # type: ignore[override]
        """The growth task's."""
        return self.growth.ledger

    @property
    def value_name(self) -> str:
        """J."""
        return "objective"

    @property
    def unit(self) -> str:
        """J is a pure number."""
        return "1"

    def controls(self, designs: Designs) -> FloatArray:
        """(B, minutes, 4) what the furnace is told."""
        if self.form == "stages":
            return two_stages(designs, self.growth.minutes)
        return scaled_controls(designs.reshape(len(designs), self.growth.minutes, len(LIMITS)))

    def score(self, designs: Designs, targets: FloatArray) -> Scores:
        """Whole runs.

        Args:
            designs: (B, width) in [-1, 1].
            targets: (B, 0).
        """
        del targets
        return self._scores(self.growth, designs)

    def audit(self, designs: Designs, targets: FloatArray) -> Scores:
        """By the kinetics, whatever rewards."""
        del targets
        return self._scores(self._physics, designs)

    @cached_property
    def _physics(self) -> GrowthTask:
        return replace(self.growth, model="oracle")

    def _scores(self, growth: GrowthTask, designs: Designs) -> Scores:
        value = growth.run(self.controls(designs), np.array(self.reactor))
        return Scores.certain(share(-value, WORST, BEST, "max"), value, -value)

    def describe(self, design: Designs) -> str:
        """Set point and gases, stage by stage or at the ends of the schedule."""
        controls = self.controls(np.asarray(design)[None])[0]
        parts = []
        for minute, row in enumerate(controls):
            if minute == 0 or np.abs(row - controls[minute - 1]).max() > 1e-9:
                parts.append(
                    f"from {minute} min: {row[0]:.0f} °C, C2H2 {row[1]:.0f}, H2 {row[2]:.0f}, H2O {row[3]:.0f} Pa"
                )
        return "; ".join(parts if len(parts) <= 4 else [*parts[:2], f"… {len(parts) - 3} more", parts[-1]])
