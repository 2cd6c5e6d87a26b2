"""Episodes that each make one design: the common part of all design environments, for any task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
from gymnasium import spaces
from typing_extensions import override

from matgym.envs.arguments import checked_option, checked_variant, given_alone, require_room
from matgym.envs.batch import ALL, BatchedEnv, Episodes, Rows, ScalarEnv
from matgym.envs.builders import Builder, Choosing, make_builder
from matgym.envs.honeycomb_observation import honeycomb_space, observe_honeycomb
from matgym.envs.initial_designs import InitialDesigns
from matgym.envs.rewards import Changes, RewardType, require_dense
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube
from matgym.tasks import Designs, DesignTask, Scores
from matgym.tasks.instances import instance as instance_of
from matgym.tasks.objective import Direction, scale_settings
from matgym.typing import BoolArray, Float32Array, FloatArray, Info, IntArray

Variant: TypeAlias = Literal["plain", "goal", "multi-objective"]
"""The form of observations and rewards:

- "plain": one reward;
- "goal": observations are a dictionary with the achieved and the desired goal, as in Gymnasium-Robotics and as the
  `HerReplayBuffer` of Stable-Baselines3 needs it; achieved values are scaled as targets are, to [-1, 1] over their
  range, and clipped to [-3, 3], from which the reward is computed;
- "multi-objective": a reward with one component for each objective, as in MO-Gymnasium."""

Observed: TypeAlias = Literal["flat", "honeycomb"]
"""The form of the observation of a design:

- "flat": an array of numbers;
- "honeycomb": the graph of the tube, for policies that take tubes of any lattices: see
  `matgym.envs.honeycomb_observation`."""

OnForbidden: TypeAlias = Literal["resample", "penalty", "terminate"]
"""The treatment of an action that the mask forbids:

- "resample": a random allowed action replaces it, so that every episode terminates;
- "penalty": the design does not change, and the reward is `-PENALTY`;
- "terminate": the episode ends with reward 0.

`info["allowed"]` says whether the action was allowed. An episode without any allowed action ends."""

PENALTY: Final = 0.1
"""The cost of a forbidden action with `on_forbidden="penalty"`. We chose it."""

_MARGIN: Final = 3.0
"""The bound to which scaled achieved values are clipped, in half ranges of the targets."""


def made_task(
    task: DesignTask | None,
    instance: str | None,
    names: tuple[str, ...],
    tube: Mapping[str, object],
    settings: Mapping[str, object],
    scale: Mapping[str, Any],
    make: Callable[[dict[str, Any]], DesignTask],
    *,
    usual: Direction,
    by_default: bool,
    **more: Any,
) -> DesignTask:
    """Return the task that the arguments of an environment describe.

    Args:
        task: a task of the user, which excludes all other arguments.
        instance: the name of an instance, which excludes the arguments of `tube`.
        names: the names of the environment's instances, the default one first.
        tube: the arguments that describe another tube; None if not given.
        settings: the settings of a task; None if not given.
        scale: direction, targets, values and margin; None if not given; see `scale_settings`.
        make: makes the task of another tube from the given settings.
        usual: the direction if none is given.
        by_default: whether the default is the first instance, rather than the default tube.
        more: further settings of an instance.

    Raises:
        ConfigurationError: if an argument has no effect, or the instance is another environment's.
    """
    if task is not None:
        given_alone("task", {**tube, **settings, **scale, "instance": instance})
        return task
    settings = {**settings, **scale_settings(**scale, reward=settings["reward"], default=usual)}
    given = {name: value for name, value in settings.items() if value is not None}
    if instance is not None:
        given_alone(f"instance={instance!r}", tube)
    elif not by_default or any(value is not None for value in tube.values()):
        return make(given)
    name = instance or names[0]
    if name not in names:
        raise ConfigurationError(f"instance={name!r} is unknown in this environment: give {' or '.join(names)}")
    return instance_of(name).task(**given, **more)


class DesignEpisodes(Episodes):
    """A batch of episodes that each make one design.

    `DesignEnv(task=task)` makes an environment of any task.

    Attributes:
        builder: the builder of the unfinished designs.
        targets: (B,) or (B, T) targets in the units of the task; (B, 0) for a task without targets.
        achieved: (B, T + 1) scaled values of finished designs, followed by a 1; zeros for unfinished designs.
        on_forbidden: the treatment of forbidden actions; see `OnForbidden`.
    """

    render_modes: tuple[str, ...] = ("rgb_array", "ansi")
    task: DesignTask

    def __init__(
        self,
        size: int,
        *,
        task: DesignTask,
        variant: Variant = "plain",
        at_once: bool = False,
        initial: InitialDesigns | None = None,
        on_forbidden: OnForbidden | None = None,
        observation: Observed | None = None,
        reward_type: RewardType | None = None,
        builder: Builder | None = None,
    ) -> None:
        """Prepare episodes.

        Args:
            size: the number of episodes.
            task: the design task.
            variant: the form of observations and rewards; see `Variant`.
            at_once: whether a design is made in one step, as a point of the unit cube.
            initial: the initial designs; None for episodes that begin with the empty design.
            on_forbidden: the treatment of forbidden actions; see `OnForbidden`. Default: "resample".
            observation: the form of the observation of a design; see `Observed`. Default: "flat".
            reward_type: when an episode is rewarded; see `RewardType`. Default: "sparse". With "dense" the models
                predict each unfinished design, and the ledger counts it.
            builder: the builder of the designs. Default: that of the space; see `make_builder`.

        Raises:
            ConfigurationError: if the task does not support the variant, the form of the observation or the type of
                reward, or `on_forbidden` has no effect.
        """
        checked_variant(variant, "goal", "multi-objective")
        names = task.target_names
        if variant == "goal" and (not names or task.reward is not None):
            raise ConfigurationError(
                "the goal variant needs a task with targets and without a reward function: give direction='target' and "
                "no reward"
            )
        if variant == "goal" and task.estimate != "mean":
            raise ConfigurationError(f"estimate={task.estimate!r} has no effect in the goal variant: leave it out")
        if variant == "multi-objective" and len(task.objectives) < 2:
            raise ConfigurationError(f"a task of {task.value_name} alone has no vector reward: give it more objectives")
        if variant == "multi-objective" and task.reward is not None:
            raise ConfigurationError("a reward function has no effect in the multi-objective variant: leave it out")
        self.task, self.size, self.variant = task, size, variant
        require_room(size, task.space.width)
        self.builder: Builder = builder or make_builder(task.space, size, at_once=at_once, initial=initial)
        self.masked, self.steps = self.builder.masked, self.builder.steps
        self.reward_names = task.component_names
        if on_forbidden is not None and not self.builder.forbids:
            raise ConfigurationError(
                f"on_forbidden={on_forbidden!r} has no effect, because every action is allowed: leave it out"
            )
        if on_forbidden == "penalty" and variant == "goal":
            raise ConfigurationError(
                "on_forbidden='penalty' is not possible in the goal variant, whose reward depends on goals alone: "
                "give 'resample' or 'terminate'"
            )
        self.on_forbidden: OnForbidden = on_forbidden or "resample"
        self.reward_low = -PENALTY if on_forbidden == "penalty" else 0.0
        if variant == "goal":  # its reward depends on goals alone
            given_alone('variant="goal"', {"reward_type": reward_type})
        self._changes: Changes | None = None
        if reward_type == "dense":
            require_dense(task, self.builder, variant)
            self.reward_low = -1.0
            self._changes = Changes(size, len(self.reward_names) if variant == "multi-objective" else None)
        self._generators: list[np.random.Generator | None] = [None] * size  # of each episode, by `restart`
        self.options = () if not names else (names[0] if len(names) == 1 else "target",)
        self.targets: FloatArray = np.zeros(size) if len(names) == 1 else np.zeros((size, len(names)))
        self._scaled = np.zeros((size, len(names)), dtype=np.float32)
        self.achieved = np.zeros((size, len(names) + 1), dtype=np.float32)
        scored = task.objectives if variant == "multi-objective" else task.counted
        keys = [objective.key for objective in scored] + [f"error{task.suffix}"] * (len(names) == 1)
        doubts = (f"sd{task.suffix}", "distance") if task.is_uncertain else ()
        self._objectives = {key: np.zeros(size) for key in keys}
        self._uncertainty = {key: np.zeros(size) for key in doubts}
        self._told: dict[str, Any] = {"allowed": np.ones(size, dtype=bool)} if self.masked else {}
        self._told["failed"] = np.zeros(size, dtype=bool)
        if task.constraint is not None:
            self._told["cost"] = np.zeros(size)
        self.action_space = self.builder.action_space
        require_room(
            size, self.builder.width + int(self.action_space.n if isinstance(self.action_space, spaces.Discrete) else 0)
        )
        self.on_honeycomb = observation == "honeycomb"
        self._check_observation()
        self.observation_space = self._make_space()

    # ---- spaces and observations

    def _check_observation(self) -> None:
        """Raise an error if designs are to be observed on the honeycomb, and cannot be."""
        if not self.on_honeycomb:
            return
        if self.builder.graph_shape is None:
            raise ConfigurationError(
                "observation='honeycomb' needs atoms that are placed on sites, without turned bonds: leave it out"
            )
        if self.variant == "goal":
            raise ConfigurationError("observation='honeycomb' has no effect in the goal variant: leave it out")
        require_room(self.size, 16 * self.builder.graph_shape[0])

    @property
    def _blind(self) -> bool:
        """Whether the observation would be empty; it is then a single zero."""
        return not self.builder.width and (self.variant == "goal" or not self.task.target_names)

    def _make_space(self) -> spaces.Space[Any]:
        """Return the observation space: the observation of the builder, followed by the targets."""
        if self.on_honeycomb and self.builder.graph_shape is not None:
            sites, kinds, numbers = self.builder.graph_shape
            return honeycomb_space(sites, kinds, numbers + len(self.task.target_names))
        low, high = np.zeros(self.builder.width, dtype=np.float32), np.ones(self.builder.width, dtype=np.float32)
        ones = np.ones(len(self.task.target_names), dtype=np.float32)
        if self._blind:
            low, high = -np.ones(1, dtype=np.float32), np.ones(1, dtype=np.float32)
        if self.variant != "goal":
            return spaces.Box(np.concatenate([low, -ones]), np.concatenate([high, ones]), dtype=np.float32)
        goal = spaces.Box(
            np.append(-_MARGIN * ones, 0.0).astype(np.float32), np.append(_MARGIN * ones, 1.0).astype(np.float32)
        )
        return spaces.Dict(
            {"observation": spaces.Box(low, high, dtype=np.float32), "achieved_goal": goal, "desired_goal": goal}
        )

    @override
    def observe(self, rows: Rows = ALL) -> Any:
        """Return (rows, k + T) float32, or a dictionary of arrays in the goal variant and on the honeycomb."""
        if self.on_honeycomb:
            graph = self.builder.graph(rows)
            numbers = np.concatenate([graph.numbers, self._scaled[rows]], axis=1)
            return observe_honeycomb(graph.batch, graph.allowed, numbers, open_ends=graph.open_ends, rows=graph.rows)
        seen = self.builder.look(rows)
        if self._blind:
            seen = np.zeros((len(seen), 1), dtype=np.float32)
        if self.variant != "goal":
            return np.concatenate([seen, self._scaled[rows]], axis=1)
        return {
            "observation": seen, "achieved_goal": self.achieved[rows].copy(), "desired_goal": self._desired(rows)
        }  # fmt: skip

    def _desired(self, rows: Rows) -> Float32Array:
        """Return (rows, T + 1) desired goals: the scaled targets, and a 1 for a finished design."""
        targets = self._scaled[rows]
        return np.concatenate([targets, np.ones((len(targets), 1), dtype=np.float32)], axis=1)

    @override
    def masks(self) -> BoolArray:
        return self.builder.masks().copy()  # the array of the builder is read-only, of which torch warns

    # ---- episodes

    @override
    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], options: Mapping[str, Any]) -> None:
        """Begin new episodes, with random targets unless `options` give them."""
        self.builder.begin(rows, generators)
        if self.options:
            given = options.get(self.options[0])
            drawn = given is None
            if drawn:
                targets = self.task.draw_targets(generators, self.builder.designs[rows])
            else:
                width = None if self.targets.ndim == 1 else self.targets.shape[1]
                given = checked_option(self.options[0], given, len(rows), width, finite=self.task.finite_targets)
                targets = self.task.checked_targets(given, len(rows))
            self.targets[rows] = targets
            self._scaled[rows] = self.task.scaled_targets(targets)
        for row, rng in zip(rows, generators, strict=True):
            self._generators[row] = rng
        self.achieved[rows] = 0.0
        for values in (*self._objectives.values(), *self._uncertainty.values()):
            values[rows] = 0.0
        for name, values in self._told.items():
            values[rows] = name == "allowed"
        if self._changes is not None:
            self._changes.restart(rows)
        self.builder.clear(rows, self.targets[rows], generators)

    @override
    def info(self) -> Info:
        """Return target, design, whether the last edit was allowed, scores, and whether scoring failed; 0 before."""
        told = {name: values.copy() for name, values in self._told.items()}
        if self.options:
            told[self.options[0]] = self.targets.copy()
        groups = {"objectives": self._objectives, "uncertainty": self._uncertainty}
        found = {
            group: {name: values.copy() for name, values in columns.items()}
            for group, columns in groups.items()
            if columns
        }
        return {**told, "design": self.builder.designs.copy(), **found}

    @override
    def step(self, actions: Any, rows: Rows = ALL) -> tuple[FloatArray, BoolArray]:
        """Carry out actions and score the designs that they finish."""
        allowed = np.ones(len(actions), dtype=bool)
        if self.masked:
            actions, allowed = self.resample(actions, np.arange(self.size)[rows])
        finished, carried_out = self.builder.advance(actions, rows)
        ended = ~carried_out  # an allowed action that cannot be carried out: no edit is left
        if self.on_forbidden == "penalty":
            ended &= allowed
        reward = self._rewards(np.arange(self.size)[rows], finished, carried_out, ended)
        if "allowed" in self._told:
            self._told["allowed"][rows] = allowed & carried_out
        if self.on_forbidden == "penalty":
            reward[~allowed] = -PENALTY
        return reward, finished | ended

    def _rewards(self, rows: IntArray, finished: BoolArray, carried_out: BoolArray, ended: BoolArray) -> FloatArray:
        """Return the rewards of a step of (k,) rows.

        Args:
            rows: indices of the episodes.
            finished: (k,) whether the design is finished.
            carried_out: (k,) whether the action was carried out.
            ended: (k,) whether the episode ended without a finished design, which is worth 0.
        """
        parts = (len(self.reward_names),) if self.variant == "multi-objective" else ()
        worth = np.zeros((len(rows), *parts))
        if finished.any():
            worth[finished] = self._score(rows[finished], self.builder.designs[rows[finished]])
        if self._changes is None:
            return worth
        kept, moved = ~carried_out & ~ended & ~finished, carried_out & ~finished
        worth[kept] = self._changes.present(rows[kept])
        if moved.any():
            worth[moved] = self._score(rows[moved], self.builder.provisional(rows[moved]))
        return self._changes.of(rows, worth)

    def resample(self, actions: IntArray, rows: IntArray) -> tuple[IntArray, BoolArray]:
        """Return (k,) actions, forbidden ones resampled if `on_forbidden` says so, and (k,) which were allowed."""
        masks = self.builder.masks()
        allowed = masks[rows, actions]
        if self.on_forbidden == "resample" and not allowed.all():
            actions = np.array(actions)
            for place in np.flatnonzero(~allowed):
                row, free = rows[place], np.flatnonzero(masks[rows[place]])
                rng = self._generators[row]
                assert rng is not None  # noqa: S101  # `restart` came before; for mypy
                actions[place] = free[rng.integers(len(free))]
        return actions, allowed

    def _score(self, rows: IntArray, designs: Designs) -> FloatArray:
        """Return the rewards of the designs of (k,) rows, and record their properties."""
        vector = self.variant == "multi-objective"
        return self._recorded(rows, self.task.score(designs, self.targets[rows], components=vector))

    def _recorded(self, rows: IntArray, scores: Scores) -> FloatArray:
        """Record the scores of designs in (k,) rows, and return their rewards."""
        task = self.task
        for name, values in scores.predictions.values.items():
            self._objectives[name][rows] = values
        if len(task.target_names) == 1:
            self._objectives[f"error{task.suffix}"][rows] = scores.loss
        if self._uncertainty:
            self._uncertainty[f"sd{task.suffix}"][rows] = scores.sd
            self._uncertainty["distance"][rows] = scores.predictions.known_distance
        if scores.failed is not None:
            self._told["failed"][rows] = scores.failed
        if scores.cost is not None:
            self._told["cost"][rows] = scores.cost
        if scores.components is not None:
            return scores.components
        if self.variant == "goal":  # bit for bit the result of `compute_reward`
            self._achieve(rows, task.achieved(scores))
            return np.asarray(self.compute_reward(self.achieved[rows], self._desired(rows), None))
        return scores.reward

    # ---- goals

    def _achieve(self, rows: IntArray, achieved: FloatArray) -> None:
        low, high = self.task.target_ranges.T
        scaled = np.clip((2.0 * achieved - low - high) / (high - low), -_MARGIN, _MARGIN)
        valid = np.isfinite(scaled).all(axis=1)
        self.achieved[rows, :-1] = np.where(valid[:, None], scaled, 0.0)
        self.achieved[rows, -1] = valid

    @override
    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Return the reward of an achieved goal for any desired goal, as `HerReplayBuffer` needs it.

        Args:
            achieved: (..., T + 1) as in observations.
            desired: (..., T + 1).
            info: ignored.

        Returns:
            (...) rewards; 0 for unfinished designs, and for goals without the final 1, which hindsight replay with the
            strategy "future" takes from unfinished designs.
        """
        del info
        low, high = self.task.target_ranges.T
        achieved, desired = np.asarray(achieved, dtype=np.float64), np.asarray(desired, dtype=np.float64)
        wide = achieved.reshape(-1, achieved.shape[-1]), desired.reshape(-1, desired.shape[-1])
        found, targets = ((side[:, :-1] * (high - low) + low + high) / 2.0 for side in wide)
        reward = self.task.reward_of(found, targets) * ((wide[0][:, -1] > 0.5) & (wide[1][:, -1] > 0.5))
        return reward.reshape(achieved.shape[:-1]) if achieved.ndim > 1 else float(reward[0])

    # ---- pictures

    @override
    def render(self, mode: str, row: int = 0) -> Any:
        """Return a design as an (H, W, 3) uint8 picture with targets, achieved values and rewards, or as text."""
        if mode == "rgb_array":
            from matgym.envs.pictures import design_frame

            return design_frame(self, row)
        if mode != "ansi":
            return super().render(mode, row)
        targets = zip(self.task.target_names, np.atleast_1d(self.targets[row]), strict=True)
        caption = ", ".join(f"{name.removesuffix(self.task.suffix).replace('_', ' ')} {x:.3f}" for name, x in targets)
        if isinstance(self.builder, Choosing):
            made = self.builder.designs[row, : self.builder.place[row]]
            return f"{' '.join(map(str, made))} …\n{caption}\n"
        if self.task.space.domain is None:
            return f"{self.task.describe(self.builder.designs[row])}\n{caption}\n"
        from matgym.viz.raster import ansi

        return ansi(self.task.tubes(self.builder.designs[row : row + 1])[0], caption)

    def objective(self, key: str, row: int) -> float:
        """Return a property of a finished design."""
        return float(self._objectives[key][row])

    def spread(self, row: int) -> float:
        """Return the standard deviation of the value of a finished design; 0 for a model without uncertainty."""
        if not self._uncertainty:
            return 0.0
        return float(np.nan_to_num(self._uncertainty[f"sd{self.task.suffix}"][row], posinf=np.inf))

    def told(self, name: str, row: int) -> float:
        """Return another entry of the info of a design, such as its "cost"; 0 if there is none."""
        return float(self._told[name][row]) if name in self._told else 0.0

    @property
    def tube(self) -> Nanotube:
        """The tube of the first design in its present state."""
        return self.task.tubes(self.builder.designs[:1])[0]


class DesignEnv(ScalarEnv):
    """An environment of any design task: `DesignEnv(task=task)`."""

    episodes_class: ClassVar[type[DesignEpisodes]] = DesignEpisodes
    episodes: DesignEpisodes

    @property
    def tube(self) -> Nanotube:
        """The tube in its present state."""
        return self.episodes.tube


class DesignVectorEnv(BatchedEnv):
    """Many `DesignEnv` at once, scored in one batch."""

    episodes_class: ClassVar[type[DesignEpisodes]] = DesignEpisodes
    episodes: DesignEpisodes
