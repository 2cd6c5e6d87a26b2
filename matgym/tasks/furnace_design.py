"""The task of finding one recipe or one schedule for a furnace: optimizers search all settings of a run at once."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.models import Level, Model, Predictions, Property
from matgym.processes.growth.furnace import STANDARD
from matgym.processes.growth.recipe import LIMITS, TWO_STAGES, scaled_controls, two_stages
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.growth import GrowthTask
from matgym.tasks.objective import AnyModel, Objective
from matgym.tasks.space import Cube, Designs
from matgym.tasks.variables import Variable
from matgym.typing import FloatArray

Form = Literal["stages", "schedule"]

WORST: Final = -100.0
BEST: Final = 160.0
"""J with reward 1; `WORST` is J with reward 0. The range is a choice of ours: in the standard reactor, random
schedules have -37 on average, random recipes -32, and the best known schedule has 158."""

OBJECTIVE: Final = Property("objective", "1", "J of a growth run: see matgym.tasks.growth.GrowthTask")


@dataclass(frozen=True)
class FurnaceSpace(Cube):
    """Recipes of a growth run, as numbers in [-1, 1].

    Attributes:
        form: "stages", the eight numbers of `matgym.processes.growth.recipe.TWO_STAGES`; or "schedule", the four
            controls of every minute.
        minutes: duration of a run.
    """

    form: Form = "stages"
    minutes: int = 30

    @property
    @override
    def variables(self) -> tuple[Variable, ...]:
        """The numbers of the recipe, or the controls of every minute, in °C and Pa."""
        if self.form == "stages":
            return tuple(Variable(name, "continuous", *ends, unit=_unit(name)) for name, ends in TWO_STAGES.items())
        return tuple(
            Variable(f"{name} of minute {minute}", "continuous", *ends, unit=_unit(name))
            for minute in range(self.minutes)
            for name, ends in LIMITS.items()
        )

    @override
    def decode(self, designs: Designs) -> FloatArray:
        """Return the (B, minutes, 4) controls of the furnace."""
        if self.form == "stages":
            return two_stages(designs, self.minutes)
        return scaled_controls(designs.reshape(len(designs), self.minutes, len(LIMITS)))

    @override
    def describe(self, design: Designs) -> str:
        """Return set point and gases in words, for each stage or for the ends of a schedule."""
        controls = self.decode(np.asarray(design)[None])[0]
        parts = []
        for minute, row in enumerate(controls):
            if minute == 0 or np.abs(row - controls[minute - 1]).max() > 1e-9:
                parts.append(
                    f"from {minute} min: {row[0]:.0f} °C, C2H2 {row[1]:.0f}, H2 {row[2]:.0f}, H2O {row[3]:.0f} Pa"
                )
        return "; ".join(parts if len(parts) <= 4 else [*parts[:2], f"… {len(parts) - 3} more", parts[-1]])


def _unit(name: str) -> str:
    """Return the unit in which a control's name ends."""
    return {"c": "°C", "pa": "Pa"}.get(name.rpartition("_")[2], "1")


@dataclass(frozen=True)
class GrowthRuns(Model[FloatArray]):
    """A model that computes J of whole runs in one reactor.

    The ledger of `growth` counts simulated minutes, or runs that a surrogate predicts.

    Attributes:
        growth: the growth task that defines J.
        reactor: (5,) parameters of the reactor.
    """

    growth: GrowthTask
    reactor: tuple[float, ...] = tuple(STANDARD.tolist())

    properties = (OBJECTIVE,)

    @property
    @override
    def level(self) -> Level:
        return Level.KINETICS if self.growth.surrogate is None else Level.SURROGATE

    @override
    def predict(self, controls: FloatArray, /) -> Predictions:
        """Return J of (B, minutes, 4) controls."""
        return Predictions({OBJECTIVE.key: self.growth.run(controls, np.array(self.reactor))})


class FurnaceTask(DesignTask):
    """A design task whose model counts its own evaluations: minutes of furnace time."""

    @override
    def _charged(self, source: AnyModel, count: int) -> AbstractContextManager[None]:
        del source, count
        return nullcontext()


def furnace_task(
    *,
    growth: GrowthTask | None = None,
    form: Form = "stages",
    reactor: tuple[float, ...] = tuple(STANDARD.tolist()),
    reward: RewardFunction | None = None,
) -> DesignTask:
    """Return the task of growing tubes in one known reactor by a recipe that is fixed before the run starts.

    Args:
        growth: growth task that defines J of a run.
        form: "stages" or "schedule"; see `FurnaceSpace`.
        reactor: (5,) parameters of the reactor.
        reward: a function of predictions and targets instead of J on a scale from `WORST` to `BEST`.

    Raises:
        ConfigurationError: if there is no such form, or `growth` has a reward function of its own.
    """
    if form not in get_args(Form):
        raise ConfigurationError(f"form={form!r} must be stages or schedule")
    growth = growth or GrowthTask()
    if growth.reward is not None:
        raise ConfigurationError(
            f"the reward function {growth.reward!r} of growth has no effect: give reward=, a function of predictions"
        )
    model, oracle = GrowthRuns(growth, reactor), GrowthRuns(replace(growth, model="oracle"), reactor)
    numbers = len(TWO_STAGES) if form == "stages" else len(LIMITS) * growth.minutes
    space = FurnaceSpace(numbers, form=form, minutes=growth.minutes)
    objective = Objective(OBJECTIVE, model, "maximize", WORST, BEST, oracle=oracle)
    return FurnaceTask(space, (objective,), reward=reward, ledger=growth.ledger)
