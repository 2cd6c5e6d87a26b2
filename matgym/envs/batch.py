"""The common part of all environments: seeds, checks, time limits, autoreset, infos, for one episode or a batch.

An environment is a subclass of `Episodes` with the spaces and the methods restart, step and observe of B episodes. Two
more classes of two lines make a `gymnasium.Env` and a `VectorEnv` of it; the scalar environment is a batch of one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from inspect import Parameter, currentframe, signature
from types import FrameType
from typing import Any, ClassVar, Final, Literal, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from matgym.envs.arguments import (
    checked_arguments,
    checked_autoreset_mode,
    checked_reset_mask,
    require_envs,
    there_are,
)
from matgym.envs.chronicle import Chronicle
from matgym.envs.rows import final_observations, observation_of, put_rows, row_of, with_masks
from matgym.errors import ConfigurationError, RenderModeError
from matgym.typing import BoolArray, FloatArray, Info, IntArray, Observation

Rows: TypeAlias = IntArray | slice
"""Indices of episodes in a batch."""

ALL: Final = slice(None)


class Episodes(ABC):
    """A batch of episodes, which defines an environment.

    Attributes:
        size: B, the number of episodes.
        task: the task, which holds the objective and the ledger.
        options: the names that `reset(options=...)` accepts.
        variant: "plain"; "goal", whose observations are a dictionary with the achieved and the desired goal, as the
            `HerReplayBuffer` of Stable-Baselines3 needs it; or "multi-objective", whose reward has one component for
            each of `reward_names`, as in MO-Gymnasium.
        reward_names: the names of the components of a vector reward.
        reward_low: the lowest value of each component.
        masked: whether `masks` returns which actions are allowed.
        steps: the least number of actions of an episode.
        time_limit: the number of steps after which a batched environment truncates by default; None for no limit.
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
    render_modes: tuple[str, ...] = ()

    @abstractmethod
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin new episodes.

        Args:
            rows: (k,) indices of the episodes.
            generators: k random generators, one per row, for all random draws of the episode.
            options: names to a value, or to k values, that replace the random ones.
        """

    @abstractmethod
    def step(self, actions: Any, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Carry out an action in each of (k,) rows, and in these alone.

        Returns:
            (k,) rewards, or (k, n) of n components; (k,) whether the episodes terminated.
        """

    @abstractmethod
    def observe(self, rows: Rows = ALL) -> Observation:
        """Return (rows, ...) observations of all or some episodes, or a dictionary of such arrays."""

    @abstractmethod
    def info(self) -> Info:
        """Return the infos of the episodes: names to new (B,) arrays, or to a mapping of such arrays.

        The names are the same in `reset`, in each step and at the end. Values that are not known yet are zero: checkers
        compare infos, and NaN is not equal to itself.
        """

    def masks(self) -> BoolArray:
        """Return (B, n_actions) which actions are allowed.

        Raises:
            ConfigurationError: if actions are numbers.
        """
        raise ConfigurationError(
            f"actions of {type(self).__name__} are numbers, which have no masks: action_masks() is for discrete actions"
        )

    @cached_property
    def chronicle(self) -> Chronicle:
        """The rewards and courses of the episodes, for pictures."""
        return Chronicle(self.size, len(self.reward_names) if self.variant == "multi-objective" else 1)

    def charted(self) -> FloatArray | None:
        """Return (B, c) numbers of the episodes whose course pictures show; None for none."""
        return None

    def render(self, mode: str, row: int = 0) -> Any:
        """Return one of the episodes as an (H, W, 3) uint8 picture or as text."""
        del row
        raise RenderModeError(f"render_mode={mode!r} is unknown; {there_are(self.render_modes)}")

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Return the rewards of achieved goals for any desired goals, in the goal variant."""
        del achieved, desired, info
        raise ConfigurationError(f"{type(self).__name__} has no goal variant")

    def check(self, actions: Any) -> Any:
        """Return B actions as an array: whole numbers, or floats of any precision.

        Raises:
            ConfigurationError: if one is not in the space.
        """
        actions = np.asarray(actions)
        space = self.action_space
        if actions.shape != (self.size, *(space.shape or ())):
            raise ConfigurationError(f"actions of shape {actions.shape} must be {(self.size, *(space.shape or ()))}")
        if isinstance(space, spaces.Discrete):
            if not np.issubdtype(actions.dtype, np.integer) or actions.min() < 0 or actions.max() >= space.n:
                raise ConfigurationError(f"actions {actions} must be whole numbers from 0 to {space.n - 1}")
            return actions
        if not isinstance(space, spaces.Box):
            raise ConfigurationError(f"actions of {space} are neither Discrete nor Box")
        if actions.dtype.kind not in "fiu":
            raise ConfigurationError(f"actions of type {actions.dtype} must be numbers")
        outside = ~((actions >= space.low) & (actions <= space.high))
        if outside.any():
            raise ConfigurationError(
                f"action {actions[outside][0]} lies outside {space.low.min():g} to {space.high.max():g}: clip it"
            )
        return actions.astype(np.float32)


class ScalarEnv(gym.Env[Any, Any]):
    """A scalar environment; a subclass sets its `episodes_class`."""

    metadata: Info = {"render_modes": [], "render_fps": 4}  # noqa: RUF012  # Gymnasium declares it so
    episodes_class: ClassVar[type[Episodes]]

    def __init_subclass__(cls) -> None:
        _describe(cls, cls.episodes_class, Parameter("render_mode", Parameter.KEYWORD_ONLY, default=None))
        cls.__doc__ = cls.episodes_class.__doc__
        cls.metadata = {"render_modes": list(cls.episodes_class.render_modes), "render_fps": 4}

    def __init__(self, *, render_mode: str | None = None, **arguments: Any) -> None:
        self.episodes = _made(self.episodes_class, 1, arguments)
        self.render_mode = _render_mode(self.episodes, render_mode)
        self.metadata = {**self.metadata, "render_modes": list(self.episodes.render_modes)}
        self.task = self.episodes.task
        self.observation_space = self.episodes.observation_space
        self.action_space = self.episodes.action_space
        _take_face(self, self.episodes)

    @property
    def spec(self) -> EnvSpec | None:
        """The specification of the environment; `gymnasium.make` sets it and the time limit."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:
        frame = currentframe()
        _check_limit(self.episodes, _limit_of_make(frame.f_back if frame else None))
        self._spec = spec

    _spec: EnvSpec | None = None
    _over: bool = True

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Observation, Info]:
        """Begin an episode."""
        super().reset(seed=seed)
        first = np.array([0])
        self.episodes.restart(first, [self.np_random], _checked_options(self.episodes, options))
        self.episodes.chronicle.begin(first, self._charted())
        self._over = False
        return observation_of(self.episodes.observe(), 0), row_of(_infos(self.episodes), 0)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, Info]:
        """Carry out one action.

        Raises:
            ConfigurationError: if the action is not in the space.
            gymnasium.error.ResetNeeded: if no episode has begun, or if the episode is over.
        """
        if self._over:
            raise gym.error.ResetNeeded("no episode has begun, or the episode is over: call reset() before step()")
        reward, terminated = self.episodes.step(self.episodes.check(np.asarray(action)[None]))
        self.episodes.chronicle.add(ALL, reward, self._charted())
        self._over = bool(terminated[0])
        return (
            observation_of(self.episodes.observe(), 0),
            float(reward[0]) if reward.ndim == 1 else reward[0].astype(np.float32),  # as MO-Gymnasium has it
            self._over,
            False,
            row_of(_infos(self.episodes), 0),
        )

    def _charted(self) -> FloatArray | None:
        return None if self.render_mode is None else self.episodes.charted()

    def render(self) -> Any:
        """Return the episode as an (H, W, 3) uint8 picture or as text."""
        if self.render_mode is None:
            gym.logger.warn(
                f"render() was called, but no render_mode was given; {there_are(self.episodes.render_modes)}"
            )
            return None
        return self.episodes.render(self.render_mode)

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that returns (n_actions,) which actions are allowed; for discrete actions only."""
        return self._masks if self.episodes.masked else _no_masks()

    def _masks(self) -> BoolArray:
        return np.asarray(self.episodes.masks()[0])


class BatchedEnv(VectorEnv[Any, Any, Any]):
    """A vector environment whose episodes are stepped as one batch; a subclass sets its `episodes_class`.

    The same seeds and actions give the same trajectories as `SyncVectorEnv` in the same autoreset mode. The names
    in infos never change and hold arrays. In SAME_STEP mode, when episodes end, infos also hold their last observations
    in `final_obs` and their last infos in `final_info`.
    """

    metadata: Info = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # Gymnasium declares it so
    episodes_class: ClassVar[type[Episodes]]

    def __init_subclass__(cls) -> None:
        kind = Parameter.POSITIONAL_OR_KEYWORD
        limit = Parameter("max_episode_steps", kind, default=cls.episodes_class.time_limit)
        mode = Parameter("autoreset_mode", kind, default=AutoresetMode.SAME_STEP)
        drawn = Parameter("render_mode", kind, default=None)
        _describe(cls, cls.episodes_class, Parameter("num_envs", kind, default=1), limit, mode, drawn)
        cls.metadata = {**cls.metadata, "render_modes": list(cls.episodes_class.render_modes), "render_fps": 4}

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | Literal["default"] | None = "default",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        **arguments: Any,
    ) -> None:
        require_envs(num_envs)
        limit = self.episodes_class.time_limit if max_episode_steps == "default" else max_episode_steps
        self._take(_made(self.episodes_class, num_envs, arguments), limit, autoreset_mode)
        self.render_mode = _render_mode(self.episodes, render_mode)

    @classmethod
    def of(
        cls,
        episodes: Episodes,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> "BatchedEnv":
        """Return a vector environment of existing episodes."""
        made = cls.__new__(cls)
        made._take(episodes, max_episode_steps, autoreset_mode)  # noqa: SLF001  # its own
        return made

    def _take(self, episodes: Episodes, max_episode_steps: int | None, autoreset_mode: AutoresetMode | str) -> None:
        _check_limit(episodes, max_episode_steps)
        self.episodes = episodes
        self.task = episodes.task
        self.num_envs = episodes.size
        self.max_episode_steps = max_episode_steps
        self.autoreset_mode = checked_autoreset_mode(autoreset_mode)
        modes = {"render_modes": list(episodes.render_modes), "autoreset_mode": self.autoreset_mode}
        self.metadata = {**self.metadata, **modes}
        self._limit = np.inf if max_episode_steps is None else max_episode_steps
        self._elapsed = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=bool)  # ended, and not reset yet
        self._generators: list[np.random.Generator] = []
        self.single_observation_space = episodes.observation_space
        self.single_action_space = episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        _take_face(self, episodes)

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that returns (num_envs, n_actions) which actions are allowed; for discrete actions only."""
        return self.episodes.masks if self.episodes.masked else _no_masks()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Info | None = None
    ) -> tuple[Observation, Info]:
        """Begin all episodes, or some.

        Args:
            seed: environment i uses the seed `seed + i`, or `seed[i]`.
            options: (num_envs,) values for each name; "reset_mask", (num_envs,) booleans, which episodes begin
                again. Default: all.
        """
        options = _checked_mapping(self.episodes, options)
        chosen = checked_reset_mask(options.pop("reset_mask", None), self.num_envs)
        rows = np.flatnonzero(chosen)
        self._seed(seed, chosen)
        given = _checked_options(self.episodes, options)
        if len(rows) < self.num_envs:
            whole = (self.num_envs,)
            given = {
                name: np.asarray(each)[rows] if np.shape(each)[:1] == whole else each for name, each in given.items()
            }
        self._begin(rows, given)
        return self.episodes.observe(), _infos(self.episodes)

    def _begin(self, rows: IntArray, options: Mapping[str, Any]) -> None:
        self.episodes.restart(rows, [self._generators[row] for row in rows], options)
        self.episodes.chronicle.begin(rows, self._charted())
        self._elapsed[rows], self._over[rows] = 0, False

    def _seed(self, seed: int | list[int | None] | None, chosen: BoolArray) -> None:
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        elif seed is None or isinstance(seed, list | tuple | np.ndarray):
            seeds = [None] * self.num_envs if seed is None else list(seed)
        else:
            raise ConfigurationError(f"seed={seed!r:.80} must be a whole number, or a list of one for each environment")
        if len(seeds) != self.num_envs:
            raise ConfigurationError(
                f"{len(seeds)} seeds were given for {self.num_envs} environments: give one seed each, or one integer"
            )
        if not self._generators:
            self._generators = [seeding.np_random(single)[0] for single in seeds]
            return
        for row in np.flatnonzero(chosen):
            if seeds[row] is not None:
                self._generators[row] = seeding.np_random(seeds[row])[0]

    def step(self, actions: Any) -> tuple[Observation, FloatArray, BoolArray, BoolArray, Info]:
        """Carry out one action in every episode.

        An episode that ends is reset within the same step (SAME_STEP), within the next step, which ignores its action
        (NEXT_STEP), or by `reset` with a "reset_mask" (DISABLED).
        """
        if not self._generators:
            raise gym.error.ResetNeeded("call reset() before step()")
        actions = self.episodes.check(actions)
        names = self.episodes.reward_names if self.episodes.variant == "multi-objective" else ()
        reward = np.zeros((self.num_envs, len(names)) if names else self.num_envs)
        terminated = np.zeros(self.num_envs, dtype=bool)
        rows: Rows = ALL
        if self._over.any():
            if self.autoreset_mode is AutoresetMode.DISABLED:
                over = np.flatnonzero(self._over)
                raise gym.error.ResetNeeded(f"episodes {over} are over: reset(options={{'reset_mask': ...}}) first")
            rows = np.flatnonzero(~self._over)
            self._begin(np.flatnonzero(self._over), {})
        if isinstance(rows, slice) or rows.size:
            reward[rows], terminated[rows] = self.episodes.step(actions[rows], rows)
            self.episodes.chronicle.add(rows, reward[rows], self._charted())
        self._elapsed[rows] += 1
        truncated = self._elapsed >= self._limit  # as TimeLimit has it, also of what terminates then
        observation, info, done = self.episodes.observe(), _infos(self.episodes), terminated | truncated
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._over = done
        elif done.any():
            final = {"final_obs": final_observations(observation, done), "final_info": with_masks(info, done)}
            ended = np.flatnonzero(done)
            self._begin(ended, {})
            put_rows(observation, ended, self.episodes.observe(ended))
            info = _infos(self.episodes) | {**final, "_final_obs": done, "_final_info": done}
        return observation, reward, terminated, truncated, info

    def _charted(self) -> FloatArray | None:
        return None if self.render_mode is None else self.episodes.charted()

    def render(self) -> tuple[Any, ...] | None:
        """Return all episodes as pictures or as text."""
        if self.render_mode is None:
            gym.logger.warn(
                f"render() was called, but no render_mode was given; {there_are(self.episodes.render_modes)}"
            )
            return None
        return tuple(self.episodes.render(self.render_mode, row) for row in range(self.num_envs))


def _render_mode(episodes: Episodes, mode: str | None) -> str | None:
    if mode not in (None, *episodes.render_modes):
        raise RenderModeError(f"render_mode={mode!r} is unknown; {there_are(episodes.render_modes)}")
    return mode


# ---- arguments


def _made(episodes_class: type[Episodes], size: int, arguments: Mapping[str, Any]) -> Episodes:
    """Return episodes from the arguments of an environment, after checking them."""
    make: Callable[..., Episodes] = episodes_class
    return make(size, **checked_arguments(episodes_class, arguments))


def _describe(cls: Any, episodes_class: type[Episodes], *first: Parameter) -> None:
    """Give the class of an environment the signature that `help` shows."""
    of_episodes = signature(episodes_class)
    own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in list(of_episodes.parameters.values())[1:]]
    cls.__signature__ = of_episodes.replace(parameters=[*first, *own])


def _check_limit(episodes: Episodes, limit: int | None) -> None:
    """Raise an error for a time limit within which no episode could end."""
    if limit is not None and (not isinstance(limit, int | np.integer) or isinstance(limit, bool) or limit < 1):
        raise ConfigurationError(f"max_episode_steps={limit!r} must be a whole number of 1 or more, or None for none")
    if limit is not None and limit < episodes.steps:
        raise ConfigurationError(
            f"an episode takes {episodes.steps} steps at least and cannot end within max_episode_steps={limit}: "
            f"give max_episode_steps={2 * episodes.steps}"
        )


def _limit_of_make(frame: FrameType | None) -> int | None:
    """Return the time limit of the `gymnasium.make` with this frame; None for any other frame or without a limit.

    `make` does not pass the limit to the environment but wraps the environment afterwards. Only the variables of the
    caller show that no episode could end within the limit.
    """
    if frame is None or frame.f_code is not gym.make.__code__:
        return None
    given, registered = frame.f_locals.get("max_episode_steps"), frame.f_locals.get("env_spec")
    limit: int | None = registered.max_episode_steps if given is None and registered is not None else given
    return None if limit == -1 else limit


def _checked_mapping(episodes: Episodes, options: Any) -> Info:
    """Return a copy of the options of `reset`."""
    if options is not None and not isinstance(options, Mapping):
        raise ConfigurationError(f"options={options!r} of reset must be a dictionary; {there_are(episodes.options)}")
    return dict(options or {})


def _checked_options(episodes: Episodes, options: Any) -> Info:
    """Return the options of `reset` that are not None, after checking their names."""
    given = _checked_mapping(episodes, options)
    for name in given:
        if name not in episodes.options:
            raise ConfigurationError(f"reset has no option {name!r}; {there_are(episodes.options)}")
    return {name: value for name, value in given.items() if value is not None}


# ---- attributes by which libraries recognise variants


def _take_face(env: Any, episodes: Episodes) -> None:
    """Give an environment the attributes of its variant alone, because libraries test whether they exist."""
    if episodes.variant == "multi-objective":
        env.reward_dim = len(episodes.reward_names)
        env.reward_space = spaces.Box(episodes.reward_low, 1.0, (env.reward_dim,), np.float32)
    elif episodes.variant == "goal":
        env.compute_reward = episodes.compute_reward


def _no_masks() -> Any:
    raise AttributeError("actions that are numbers have no masks")  # as of a method that is not there


def _infos(episodes: Episodes) -> Info:
    """Return the infos of the episodes, with the masks as int8, as `Discrete.sample` needs them."""
    if not episodes.masked:
        return episodes.info()
    return {**episodes.info(), "action_mask": np.asarray(episodes.masks(), dtype=bool).view(np.int8)}
