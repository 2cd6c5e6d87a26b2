"""One environment, scalar and natively batched, from a batch of episodes: all that Gymnasium asks for besides.

What an environment is about stands in its `Dynamics`; seeds, checks, time limits, autoreset and infos stand here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from matgym.errors import ConfigurationError, RenderModeError
from matgym.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Transition:
    """What one step did to a batch.

    Attributes:
        reward: (B,), or (B, k) for a vector reward.
        terminated: (B,).
        info: name to (B,) values, or to a mapping of names to such.
        present: name to (B,) whether a row has that entry; all have what is not named here.
    """

    reward: FloatArray
    terminated: BoolArray
    info: Mapping[str, Any] = field(default_factory=dict)
    present: Mapping[str, BoolArray] = field(default_factory=dict)


class Dynamics(ABC):
    """A batch of episodes.

    Attributes:
        size: B, episodes side by side.
        observation_space: of one of them.
        action_space: of one of them.
        choices: names that `reset(options=...)` may set.
        variant: "plain"; "goal", whose observations are a dictionary of what was achieved and what is desired, as
            Stable-Baselines3's `HerReplayBuffer` has it; or "vector", whose reward has a component for each of
            `reward_names`, as MO-Gymnasium has it.
        reward_names: components of a vector reward.
        reward_low: least value of each.
    """

    size: int
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    choices: ClassVar[tuple[str, ...]] = ()
    variant: str = "plain"
    reward_names: tuple[str, ...] = ()
    reward_low: float = 0.0

    @abstractmethod
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Begin new episodes.

        Args:
            rows: (k,) which.
            generators: k, one a row, from which all that is random is drawn.
            chosen: name to a value, or k of them, that is not to be drawn.
        """

    @abstractmethod
    def step(self, actions: Any) -> Transition:
        """Carry out B actions."""

    @abstractmethod
    def observe(self, rows: IntArray | slice = slice(None)) -> Any:
        """(rows, ...) observations, of all episodes or of some; or a dictionary of such arrays."""

    def begun(self) -> Mapping[str, Any]:
        """Name to (B,) values: what `reset` tells of the episodes."""
        return {}

    def check(self, actions: Any) -> Any:
        """B actions as an array.

        Raises:
            ConfigurationError: if one is not in the space.
        """
        actions = np.asarray(actions)
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            whole = actions.shape == (self.size,) and np.issubdtype(actions.dtype, np.integer)
            if not whole or actions.min() < 0 or actions.max() >= space.n:
                raise ConfigurationError(f"actions must be {self.size} whole numbers from 0 to {space.n - 1}")
            return actions
        if not isinstance(space, spaces.Box):
            raise NotImplementedError(f"actions of {space}")
        if actions.shape != (self.size, *space.shape):
            raise ConfigurationError(f"actions of shape {actions.shape} must be {(self.size, *space.shape)}")
        outside = ~((actions >= space.low) & (actions <= space.high))
        if outside.any():
            raise ConfigurationError(
                f"action {actions[outside][0]} lies outside {space.low.min():g} to {space.high.max():g}: clip it"
            )
        return actions


class BatchEnv(gym.Env[Any, Any]):
    """A batch of one as a Gymnasium environment; a subclass makes its `dynamics`."""

    dynamics: Dynamics

    def __init__(self, dynamics: Dynamics, render_mode: str | None = None) -> None:
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            there = f"there are {' and '.join(modes)}" if modes else "there are none here"
            raise RenderModeError(f"render_mode={render_mode!r} is unknown; {there}")
        self.render_mode = render_mode
        self.dynamics = dynamics
        self.observation_space = dynamics.observation_space
        self.action_space = dynamics.action_space
        take_face(self, dynamics)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self.dynamics.restart(np.array([0]), [self.np_random], checked_options(self.dynamics, options))
        return observation_of(self.dynamics.observe(), 0), row_of(self.dynamics.begun(), 0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out one action."""
        if not self.action_space.contains(action):
            raise ConfigurationError(f"action {action!r} is not in {self.action_space}")
        outcome = self.dynamics.step(self.dynamics.check(np.asarray(action)[None]))
        there = {name: value for name, value in outcome.info.items() if outcome.present.get(name, _ALWAYS)[0]}
        reward = outcome.reward[0]
        return (
            observation_of(self.dynamics.observe(), 0),
            float(reward) if reward.ndim == 0 else reward.astype(np.float32),  # as MO-Gymnasium has it
            bool(outcome.terminated[0]),
            False,
            row_of(there, 0),
        )


_ALWAYS = np.ones(1, dtype=bool)


class BatchVectorEnv(VectorEnv[Any, Any, Any]):
    """Many episodes stepped as one batch; a subclass makes its `dynamics`.

    The same seeds and actions give the same trajectories as `SyncVectorEnv` in its SAME_STEP mode. Infos hold arrays;
    of episodes that ended, `final_obs` and `final_info` hold what was last.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # Gymnasium declares it so
    dynamics: Dynamics

    def __init__(self, dynamics: Dynamics, max_episode_steps: int | None) -> None:
        if max_episode_steps is not None and max_episode_steps < 1:
            raise ConfigurationError(f"max_episode_steps={max_episode_steps} must be 1 or more")
        self.dynamics = dynamics
        self.num_envs = dynamics.size
        self.max_episode_steps = max_episode_steps
        self._limit = np.inf if max_episode_steps is None else max_episode_steps
        self._elapsed = np.zeros(self.num_envs, dtype=np.int64)
        self._generators: list[np.random.Generator] = []
        self.single_observation_space = dynamics.observation_space
        self.single_action_space = dynamics.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        take_face(self, dynamics)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin all episodes.

        Args:
            seed: environment i draws from `seed + i`, or from `seed[i]`.
            options: of each name, (num_envs,) values.
        """
        self._seed(seed)
        chosen = checked_options(self.dynamics, options)
        self.dynamics.restart(np.arange(self.num_envs), self._generators, chosen)
        self._elapsed[:] = 0
        return self.dynamics.observe(), dict(self.dynamics.begun())

    def _seed(self, seed: int | list[int | None] | None) -> None:
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ConfigurationError(f"{len(seeds)} seeds do not fit {self.num_envs} environments")
        fresh = not self._generators
        drawn = [seeding.np_random(single)[0] if fresh or single is not None else None for single in seeds]
        self._generators = [new or self._generators[i] for i, new in enumerate(drawn)]

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """Carry out one action in every episode; those that end begin anew within the step."""
        if not self._generators:
            raise gym.error.ResetNeeded("call reset() before step()")
        outcome = self.dynamics.step(self.dynamics.check(actions))
        self._elapsed += 1
        truncated = self._elapsed >= self._limit  # as TimeLimit has it, also of what terminates then
        observation = self.dynamics.observe()
        done = outcome.terminated | truncated
        info: dict[str, Any] = {name: value for name, value in outcome.info.items() if name not in outcome.present}
        if done.any():
            info |= {"final_obs": final_observations(observation, done), "_final_obs": done, "_final_info": done}
            info["final_info"] = masked(
                outcome.info, {name: done & outcome.present.get(name, done) for name in outcome.info}
            )
            rows = np.flatnonzero(done)
            self.dynamics.restart(rows, [self._generators[row] for row in rows], {})
            self._elapsed[rows] = 0
            fresh = self.dynamics.observe(rows)
            if isinstance(observation, dict):
                for name, values in observation.items():
                    values[rows] = fresh[name]
            else:
                observation[rows] = fresh
            info |= self.dynamics.begun()
        return observation, outcome.reward, outcome.terminated, truncated, info


def take_face(env: Any, dynamics: Dynamics) -> None:
    """Give an environment what its variant is recognised by, and no other: libraries look whether it is there."""
    if dynamics.variant == "vector":
        env.reward_dim = len(dynamics.reward_names)
        env.reward_space = spaces.Box(dynamics.reward_low, 1.0, (env.reward_dim,), np.float32)
    elif dynamics.variant == "goal":
        env.compute_reward = dynamics.compute_reward  # type: ignore[attr-defined]  # those that have the variant, have it


def checked_variant(variant: str, *known: str) -> str:
    """A variant by its name.

    Raises:
        ConfigurationError: if an environment has no such variant.
    """
    if variant not in ("plain", *known):
        raise ConfigurationError(f"variant={variant!r} is none of {', '.join(('plain', *known))}, which there are here")
    return variant


def checked_count(num_envs: int) -> int:
    """How many episodes a vector environment holds.

    Raises:
        ConfigurationError: if it is none.
    """
    if num_envs < 1:
        raise ConfigurationError(f"num_envs={num_envs} must be 1 or more")
    return num_envs


def checked_options(dynamics: Dynamics, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `reset` was told to set.

    Raises:
        ConfigurationError: if there is no such thing to set.
    """
    for name in options or {}:
        if name not in dynamics.choices:
            there = f"there are {', '.join(dynamics.choices)}" if dynamics.choices else "there is none here"
            raise ConfigurationError(f"reset has no option {name!r}; {there}")
    return {name: value for name, value in (options or {}).items() if value is not None}


def observation_of(batch: Any, row: int) -> Any:
    """One episode's observation."""
    return {name: values[row] for name, values in batch.items()} if isinstance(batch, dict) else batch[row]


def final_observations(batch: Any, done: BoolArray) -> Any:
    """What episodes ended with, by row; of dictionaries an array of objects, as Gymnasium's own vector environments."""
    if not isinstance(batch, dict):
        return batch.copy()
    found = np.full(len(done), None, dtype=object)
    for row in np.flatnonzero(done):
        found[row] = {name: values[row].copy() for name, values in batch.items()}
    return found


def row_of(info: Mapping[str, Any], row: int) -> dict[str, Any]:
    """One row's entries, as plain numbers."""
    return {
        name: row_of(value, row)
        if isinstance(value, Mapping)
        else np.asarray(value)[row].item()
        if np.ndim(value[row]) == 0
        else np.asarray(value)[row]
        for name, value in info.items()
    }


def masked(info: Mapping[str, Any], present: Mapping[str, BoolArray]) -> dict[str, Any]:
    """Entries with Gymnasium's masks beside them, in nested mappings too."""
    found: dict[str, Any] = {}
    for name, value in info.items():
        mask = present[name]
        inner = masked(value, dict.fromkeys(value, mask)) if isinstance(value, Mapping) else value
        found |= {name: inner, f"_{name}": mask}
    return found
