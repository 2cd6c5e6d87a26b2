"""What every environment shares: seeds, checks, time limits, autoreset, infos, for one episode or for a batch.

An environment is one class, its `Episodes`: spaces, restart, step, observe, of B episodes side by side. Two more
classes of two lines make it `gymnasium.Env` and `VectorEnv`; the scalar environment is a batch of one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, currentframe, signature
from types import FrameType
from typing import Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from matgym.errors import ConfigurationError, RenderModeError, require_counts
from matgym.typing import BoolArray, FloatArray, Info, IntArray, Observation


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


class Episodes(ABC):
    """A batch of episodes: what an environment is about.

    Attributes:
        size: B, episodes side by side.
        task: what is to be reached, and the ledger.
        options: names that `reset(options=...)` may set.
        variant: "plain"; "goal", whose observations are a dictionary of what was achieved and what is desired, as
            Stable-Baselines3's `HerReplayBuffer` has it; or "multi-objective", whose reward has a component for each
            of `reward_names`, as MO-Gymnasium has it.
        reward_names: components of a vector reward.
        reward_low: least value of each.
        masked: whether `masks` tells which actions are allowed.
        steps: actions that an episode takes at least.
        time_limit: steps after which a batched environment truncates by default; None for none.
    """

    size: int
    task: Any
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    options: tuple[str, ...] = ()
    variant: str = "plain"
    reward_names: tuple[str, ...] = ()
    reward_low: float = 0.0
    masked: bool = False
    steps: int = 1
    time_limit: ClassVar[int | None] = None
    render_modes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin new episodes.

        Args:
            rows: (k,) which.
            generators: k, one a row, from which all that is random is drawn.
            options: name to a value, or k of them, that is not to be drawn.
        """

    @abstractmethod
    def step(self, actions: Any) -> Transition:
        """Carry out B actions."""

    @abstractmethod
    def observe(self, rows: IntArray | slice = slice(None)) -> Observation:
        """(rows, ...) observations, of all episodes or of some; or a dictionary of such arrays."""

    def begun(self) -> Mapping[str, Any]:
        """Name to (B,) values: what `reset` tells of the episodes."""
        return {}

    def masks(self) -> BoolArray:
        """(B, n_actions) which actions are allowed.

        Raises:
            ConfigurationError: if actions are numbers.
        """
        raise ConfigurationError(f"actions of {type(self).__name__} are numbers, which have no masks")

    def render(self, mode: str) -> Any:
        """The first episode, as an (H, W, 3) uint8 picture or as text."""
        raise RenderModeError(f"render_mode={mode!r} is unknown; {_there(self.render_modes)}")

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Rewards of what was achieved for any goal, in the goal variant."""
        del achieved, desired, info
        raise ConfigurationError(f"{type(self).__name__} has no goal variant")

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
            raise ConfigurationError(f"actions of {space} are neither Discrete nor Box")
        if actions.shape != (self.size, *space.shape):
            raise ConfigurationError(f"actions of shape {actions.shape} must be {(self.size, *space.shape)}")
        outside = ~((actions >= space.low) & (actions <= space.high))
        if outside.any():
            raise ConfigurationError(
                f"action {actions[outside][0]} lies outside {space.low.min():g} to {space.high.max():g}: clip it"
            )
        return actions


class ScalarEnv(gym.Env[Any, Any]):
    """One episode at a time; a subclass names its `episodes_class`."""

    metadata: Info = {"render_modes": [], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    episodes_class: ClassVar[type[Episodes]]

    def __init_subclass__(cls) -> None:
        _describe(cls, cls.episodes_class, Parameter("render_mode", Parameter.KEYWORD_ONLY, default=None))
        cls.__doc__ = cls.episodes_class.__doc__
        cls.metadata = {"render_modes": list(cls.episodes_class.render_modes), "render_fps": 4}

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        if render_mode not in (None, *self.episodes_class.render_modes):
            raise RenderModeError(f"render_mode={render_mode!r} is unknown; {_there(self.episodes_class.render_modes)}")
        self.render_mode = render_mode
        self.episodes = _made(self.episodes_class, 1, arguments)
        self.task = self.episodes.task
        self.observation_space = self.episodes.observation_space
        self.action_space = self.episodes.action_space
        _take_face(self, self.episodes)

    @property
    def spec(self) -> EnvSpec | None:
        """How it was registered; `gymnasium.make` sets it, and with it the time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        frame = currentframe()
        _check_limit(self.episodes, _limit_of_make(frame.f_back if frame else None))
        self._spec = spec

    _spec: EnvSpec | None = None

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Begin an episode."""
        super().reset(seed=seed)
        self.episodes.restart(np.array([0]), [self.np_random], _checked_options(self.episodes, options))
        return observation_of(self.episodes.observe(), 0), row_of(_with_masks(self.episodes, self.episodes.begun()), 0)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        """Carry out one action."""
        if not self.action_space.contains(action):
            raise ConfigurationError(f"action {action!r} is not in {self.action_space}")
        outcome = self.episodes.step(self.episodes.check(np.asarray(action)[None]))
        there = {name: value for name, value in outcome.info.items() if outcome.present.get(name, _ALWAYS)[0]}
        reward = outcome.reward[0]
        return (
            observation_of(self.episodes.observe(), 0),
            float(reward) if reward.ndim == 0 else reward.astype(np.float32),  # as MO-Gymnasium has it
            bool(outcome.terminated[0]),
            False,
            row_of(_with_masks(self.episodes, there), 0),
        )

    def render(self) -> Any:
        """The episode as it stands, as an (H, W, 3) uint8 picture or as text."""
        if self.render_mode is None:
            gym.logger.warn(f"render() was called, but no render_mode was given; {_there(self.episodes.render_modes)}")
            return None
        return self.episodes.render(self.render_mode)

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives (n_actions,) which actions are allowed now, where actions are choices."""
        return self._masks if self.episodes.masked else _no_masks()

    def _masks(self) -> BoolArray:
        return np.asarray(self.episodes.masks()[0])


_ALWAYS = np.ones(1, dtype=bool)


class BatchedEnv(VectorEnv[Any, Any, Any]):
    """Many episodes stepped as one batch; a subclass names its `episodes_class`.

    The same seeds and actions give the same trajectories as `SyncVectorEnv` in its SAME_STEP mode. Infos hold arrays;
    of episodes that ended, `final_obs` and `final_info` hold what was last.
    """

    metadata: Info = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # Gymnasium declares it so
    episodes_class: ClassVar[type[Episodes]]

    def __init_subclass__(cls) -> None:
        kind = Parameter.POSITIONAL_OR_KEYWORD
        limit = Parameter("max_episode_steps", kind, default=cls.episodes_class.time_limit)
        _describe(cls, cls.episodes_class, Parameter("num_envs", kind, default=1), limit)

    def __init__(
        self, num_envs: int = 1, max_episode_steps: int | Literal["default"] | None = "default", **arguments: Any
    ) -> None:
        require_counts(num_envs=num_envs)
        limit = self.episodes_class.time_limit if max_episode_steps == "default" else max_episode_steps
        self._take(_made(self.episodes_class, num_envs, arguments), limit)

    @classmethod
    def of(cls, episodes: Episodes, max_episode_steps: int | None = None) -> "BatchedEnv":
        """A vector environment of episodes that were made already."""
        made = cls.__new__(cls)
        made._take(episodes, max_episode_steps)  # noqa: SLF001  # its own
        return made

    def _take(self, episodes: Episodes, max_episode_steps: int | None) -> None:
        _check_limit(episodes, max_episode_steps)
        self.episodes = episodes
        self.task = episodes.task
        self.num_envs = episodes.size
        self.max_episode_steps = max_episode_steps
        self._limit = np.inf if max_episode_steps is None else max_episode_steps
        self._elapsed = np.zeros(self.num_envs, dtype=np.int64)
        self._generators: list[np.random.Generator] = []
        self.single_observation_space = episodes.observation_space
        self.single_action_space = episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        _take_face(self, episodes)

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives (num_envs, n_actions) which actions are allowed now, where actions are choices."""
        return self.episodes.masks if self.episodes.masked else _no_masks()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[Observation, Info]:
        """Begin all episodes.

        Args:
            seed: environment i draws from `seed + i`, or from `seed[i]`.
            options: of each name, (num_envs,) values.
        """
        self._seed(seed)
        self.episodes.restart(np.arange(self.num_envs), self._generators, _checked_options(self.episodes, options))
        self._elapsed[:] = 0
        return self.episodes.observe(), _with_masks(self.episodes, self.episodes.begun())

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

    def step(self, actions: Any) -> tuple[Observation, FloatArray, BoolArray, BoolArray, Info]:
        """Carry out one action in every episode; those that end begin anew within the step."""
        if not self._generators:
            raise gym.error.ResetNeeded("call reset() before step()")
        outcome = self.episodes.step(self.episodes.check(actions))
        self._elapsed += 1
        truncated = self._elapsed >= self._limit  # as TimeLimit has it, also of what terminates then
        observation = self.episodes.observe()
        done = outcome.terminated | truncated
        info: Info = {name: value for name, value in outcome.info.items() if name not in outcome.present}
        if done.any():
            final = _with_masks(self.episodes, outcome.info)
            info |= {"final_obs": final_observations(observation, done), "_final_obs": done, "_final_info": done}
            info["final_info"] = masked(final, {name: done & outcome.present.get(name, done) for name in final})
            rows = np.flatnonzero(done)
            self.episodes.restart(rows, [self._generators[row] for row in rows], {})
            self._elapsed[rows] = 0
            fresh = self.episodes.observe(rows)
            if isinstance(observation, dict):
                for name, values in observation.items():
                    values[rows] = fresh[name]
            else:
                observation[rows] = fresh
            info |= self.episodes.begun()
        return observation, outcome.reward, outcome.terminated, truncated, _with_masks(self.episodes, info)


# ---- arguments


def given_alone(name: str, others: Mapping[str, object]) -> None:
    """Raise an error if arguments were given that another one leaves without effect.

    Args:
        name: of the argument that says it all.
        others: name to value of those that would be without effect; None or False where they were not given.

    Raises:
        ConfigurationError: if one was given.
    """
    given = [other for other, value in others.items() if value is not None and value is not False]
    if given:
        raise ConfigurationError(f"{' and '.join(given)} would be without effect beside {name}: give one or the other")


def checked_variant(variant: str, *known: str) -> str:
    """A variant by its name.

    Raises:
        ConfigurationError: if an environment has no such variant.
    """
    if variant not in ("plain", *known):
        raise ConfigurationError(f"variant={variant!r} is none of {', '.join(('plain', *known))}, which there are here")
    return variant


def _made(episodes_class: type[Episodes], size: int, arguments: Mapping[str, Any]) -> Episodes:
    """Episodes from an environment's arguments, which are checked by name first."""
    known = _arguments_of(episodes_class)
    for name in arguments:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise ConfigurationError(f"{episodes_class.__name__} takes no argument {name!r}; {hint}{_there(known)}")
    make: Callable[..., Episodes] = episodes_class
    return make(size, **arguments)


@cache
def _arguments_of(episodes_class: type[Episodes]) -> tuple[str, ...]:
    """Names of the arguments that an environment takes."""
    return tuple(signature(episodes_class).parameters)[1:]


def _describe(cls: Any, episodes_class: type[Episodes], *first: Parameter) -> None:
    """Give an environment's class the signature that `help` is to show."""
    of_episodes = signature(episodes_class)
    own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in list(of_episodes.parameters.values())[1:]]
    cls.__signature__ = of_episodes.replace(parameters=[*first, *own])


def _check_limit(episodes: Episodes, limit: int | None) -> None:
    """Raise an error for a time limit within which no episode could end."""
    if limit is not None and limit < episodes.steps:
        raise ConfigurationError(
            f"an episode takes {episodes.steps} steps at least and cannot end within max_episode_steps={limit}: "
            f"give max_episode_steps={2 * episodes.steps}"
        )


def _limit_of_make(frame: FrameType | None) -> int | None:
    """The time limit of the `gymnasium.make` whose frame this is; None of any other frame, and where there is none.

    An environment is given no limit: `make` wraps it after it is made. Only from the caller's variables can it learn
    that its episodes could never end.
    """
    if frame is None or frame.f_code is not gym.make.__code__:
        return None
    given, registered = frame.f_locals.get("max_episode_steps"), frame.f_locals.get("env_spec")
    limit: int | None = registered.max_episode_steps if given is None and registered is not None else given
    return None if limit == -1 else limit


def _there(names: Sequence[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there are none here"


def _checked_options(episodes: Episodes, options: Mapping[str, Any] | None) -> Info:
    """What `reset` is to set."""
    for name in options or {}:
        if name not in episodes.options:
            raise ConfigurationError(f"reset has no option {name!r}; {_there(episodes.options)}")
    return {name: value for name, value in (options or {}).items() if value is not None}


# ---- what libraries look for


def _take_face(env: Any, episodes: Episodes) -> None:
    """Give an environment what its variant is recognised by, and no other: libraries look whether it is there."""
    if episodes.variant == "multi-objective":
        env.reward_dim = len(episodes.reward_names)
        env.reward_space = spaces.Box(episodes.reward_low, 1.0, (env.reward_dim,), np.float32)
    elif episodes.variant == "goal":
        env.compute_reward = episodes.compute_reward


def _no_masks() -> Any:
    raise AttributeError("actions that are numbers have no masks")  # as of a method that is not there


def _with_masks(episodes: Episodes, info: Mapping[str, Any]) -> Info:
    return {**info, "action_mask": episodes.masks()} if episodes.masked else dict(info)


# ---- rows of batches


def observation_of(batch: Observation, row: int) -> Observation:
    """One episode's observation."""
    return {name: values[row] for name, values in batch.items()} if isinstance(batch, dict) else batch[row]


def final_observations(batch: Observation, done: BoolArray) -> Observation:
    """What episodes ended with, by row; of dictionaries an array of objects, as Gymnasium's own vector environments."""
    if not isinstance(batch, dict):
        return batch.copy()
    found = np.full(len(done), None, dtype=object)
    for row in np.flatnonzero(done):
        found[row] = {name: values[row].copy() for name, values in batch.items()}
    return found


def row_of(info: Mapping[str, Any], row: int) -> Info:
    """One row's entries, as plain numbers."""
    return {
        name: row_of(value, row)
        if isinstance(value, Mapping)
        else np.asarray(value)[row].item()
        if np.ndim(value[row]) == 0
        else np.asarray(value)[row]
        for name, value in info.items()
    }


def masked(info: Mapping[str, Any], present: Mapping[str, BoolArray]) -> Info:
    """Entries with Gymnasium's masks beside them, in nested mappings too."""
    found: Info = {}
    for name, value in info.items():
        mask = present[name]
        inner = masked(value, dict.fromkeys(value, mask)) if isinstance(value, Mapping) else value
        found |= {name: inner, f"_{name}": mask}
    return found
