"""Rules of thumb for the environments of furnaces and campaigns: what a person would do without a model."""

from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.scripted import Scripted
from matgym.envs.batch import Episodes
from matgym.envs.campaign import Campaign
from matgym.envs.film_annealing import LARGEST_RADIUS, FilmAnnealing
from matgym.errors import ConfigurationError
from matgym.processes.annealing.film import COLDEST_C, scaled_celsius
from matgym.typing import Float32Array, FloatArray

HOT_C: Final = 2400.0
"""The set point at which a film is heated, °C."""

ENOUGH: Final = 0.85
"""The share of the target radius at which heating ends. Of eight pairs of these two numbers, the best on 32 films of
seed 0."""

STEP: Final = 0.15
"""Standard deviation of the change from one experiment to the next, in scaled inputs. A choice of ours."""


class HeatUntilLarge(Scripted):
    """Heat a film until its mean radius is near the target, then cool it; from observations of statistics."""

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        del rng
        if not isinstance(episodes, FilmAnnealing) or episodes.observation != "statistics":
            raise ConfigurationError('the rule for films reads statistics: give observation="statistics"')
        self._episodes = episodes

    @override
    def act(self, observation: Any) -> Float32Array:
        if isinstance(observation, dict):  # the goal variant
            observation = observation["observation"]
        radius = LARGEST_RADIUS * (observation[:, 0] + 1.0) / 2.0
        hot = radius < ENOUGH * self._episodes.targets
        set_c = np.where(hot, HOT_C, COLDEST_C)
        return np.asarray(scaled_celsius(set_c)[:, None], dtype=np.float32)


class ChangeTheBest(Scripted):
    """Begin with a known experiment, or half of the budget at random, then change the best measured one a little."""

    def __init__(self, first: FloatArray | None = None) -> None:
        """Prepare with the (d,) scaled inputs of the first experiment; None if nothing is known."""
        self._first = first

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        if not isinstance(episodes, Campaign):
            raise ConfigurationError(f"{type(episodes).__name__} is no campaign of experiments: give one")
        self._rng, self._campaign = rng, episodes
        self._done = 0

    @override
    def act(self, observation: Any) -> Float32Array:
        size, campaign, done = len(observation), self._campaign, self._done
        (inputs,) = campaign.action_space.shape or (0,)
        self._done += 1
        if self._first is None and 2 * done < campaign.experiments:
            return self._rng.uniform(-1.0, 1.0, (size, inputs)).astype(np.float32)
        if self._first is not None and not done:
            return np.tile(self._first, (size, 1)).astype(np.float32)
        record = observation[:, :-1].reshape(size, -1, inputs + 1)[:, :done]
        best = record[np.arange(size), record[:, :, -1].argmax(axis=1), :-1]
        changed = best + STEP * self._rng.standard_normal(best.shape)
        return np.asarray(np.clip(changed, -1.0, 1.0), dtype=np.float32)
