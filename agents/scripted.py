"""Scripted policies: what acts in a batch of episodes without learning."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from typing_extensions import override

from matgym.envs.batch import Episodes
from matgym.envs.design import DesignEpisodes
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray

Designer: TypeAlias = Callable[[DesignTask, FloatArray, np.random.Generator], Designs]
"""A function from a task and (B,), (B, T) or (B, 0) targets to (B, width) designs; it may score designs by the task."""


class Scripted(ABC):
    """A policy of a batch of episodes that are begun together."""

    @abstractmethod
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        """Prepare for new episodes in all rows of a batch, which has just been reset.

        Args:
            episodes: the batch. A policy uses what an agent may know: the task and its models, the targets and masks.
            rng: the only source of randomness.

        Raises:
            ConfigurationError: if the policy does not act in episodes of this kind.
        """

    @abstractmethod
    def act(self, observation: Any) -> Any:
        """Return (B, ...) actions after (B, ...) observations."""


class ByDesign(Scripted):
    """A policy that decides on a design at the start of the episode, and then makes it step by step."""

    def __init__(self, designer: Designer) -> None:
        """Prepare with the function that decides."""
        self._designer = designer
        self._plan = np.zeros((0, 0), dtype=np.int64)
        self._step = 0

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        if not isinstance(episodes, DesignEpisodes):
            raise ConfigurationError(f"{type(episodes).__name__} makes no designs: give a design environment")
        self._plan = episodes.builder.plan(self._designer(episodes.task, episodes.targets, rng))
        self._step = 0

    @override
    def act(self, observation: Any) -> Any:
        del observation
        self._step += 1
        return self._plan[:, self._step - 1]


class RandomActions(Scripted):
    """Random actions, among those that are allowed."""

    @override
    def begin(self, episodes: Episodes, rng: np.random.Generator) -> None:
        self._episodes, self._rng = episodes, rng

    @override
    def act(self, observation: Any) -> Any:
        del observation
        if self._episodes.masked:
            masks = self._episodes.masks()
            return np.where(masks, self._rng.random(masks.shape), -1.0).argmax(axis=1)
        box: Any = self._episodes.action_space
        return self._rng.uniform(box.low, box.high, (self._episodes.size, *box.shape)).astype(np.float32)


class Alone:
    """A scripted policy in a scalar environment, as `matgym.agents.training.evaluated` needs it."""

    def __init__(self, policy: Scripted, seed: int = 0) -> None:
        """Prepare a policy; `seed` is that of its random draws."""
        self._policy, self._rng = policy, np.random.default_rng(seed)
        self._begun = False

    def begin(self) -> None:
        """Begin a new episode."""
        self._begun = False

    def check(self, environment: str, env: gym.Env[Any, Any]) -> None:
        """Check that an environment is one of matgym.

        Raises:
            ConfigurationError: if it is not.
        """
        if not isinstance(getattr(env.unwrapped, "episodes", None), Episodes):
            raise ConfigurationError(f"{environment} is no environment of matgym: give one of `matgym envs`")

    def __call__(self, env: gym.Env[Any, Any], observation: Any) -> Any:
        """Return the action after an observation."""
        if not self._begun:
            self._policy.begin(env.unwrapped.episodes, self._rng)  # type: ignore[attr-defined]  # see `check`
            self._begun = True
        batch = (
            {name: np.asarray(each)[None] for name, each in observation.items()}
            if isinstance(observation, dict)
            else np.asarray(observation)[None]
        )
        return self._policy.act(batch)[0]
