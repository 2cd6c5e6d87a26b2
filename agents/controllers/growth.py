"""The predictive controller in batches of runs, from the best known schedule of the standard reactor."""

from typing import Any

import numpy as np
from typing_extensions import override

from matgym.agents.controllers.predictive import PredictiveController
from matgym.agents.scripted import Scripted
from matgym.envs.batch import Episodes
from matgym.envs.growth import CVDGrowth
from matgym.errors import ConfigurationError
from matgym.processes.growth.recipe import scaled_actions
from matgym.tasks.instances import instance
from matgym.typing import FloatArray


class Predictive(Scripted):
    """A `PredictiveController` for each run; the stored schedule alone if all reactors are the standard one."""

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        if not isinstance(episodes, CVDGrowth):
            raise ConfigurationError(f"{type(episodes).__name__} is no growth: give matgym/CVDGrowth-v0")
        task, self._minute = episodes.task, 0
        self._plan = known_schedule(task.minutes)
        self._controllers = (
            []
            if task.variation is None
            else [PredictiveController(task, self._plan.copy(), each) for each in rng.spawn(episodes.size)]
        )

    @override
    def act(self, observation: Any) -> FloatArray:
        self._minute += 1
        if not self._controllers:
            return np.tile(self._plan[self._minute - 1], (len(observation), 1)).astype(np.float32)
        return np.stack([each.act(row) for each, row in zip(self._controllers, observation, strict=True)])


def known_schedule(minutes: int) -> FloatArray:
    """Return (minutes, 4) scaled controls: the best known schedule of the standard reactor, stretched to a duration."""
    optimum = instance("growth-schedule").optimum
    assert optimum is not None  # noqa: S101  # it is shipped
    known = instance("growth-schedule").task().space.decode(np.array(optimum.design)[None])[0]
    place = np.minimum(np.arange(minutes) * len(known) // minutes, len(known) - 1)
    return np.asarray(scaled_actions(known[place]))


def known_recipe() -> FloatArray:
    """Return (8,) scaled numbers of the best known recipe of two stages for the standard reactor."""
    optimum = instance("growth-recipe").optimum
    assert optimum is not None  # noqa: S101  # it is shipped
    return np.array(optimum.design)
