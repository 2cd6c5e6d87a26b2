"""A batch of designs under way: what all environments of design share.

How a design comes about differs, atom by atom, choice by choice, or at once; what a finished one earns, what is told of
it, and what the variants of an environment are, stand here.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition, checked_variant
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, DesignTask
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray

Variant: TypeAlias = Literal["plain", "goal", "vector"]
"""What an environment tells and pays:

- "plain": one reward;
- "goal": observations are a dictionary of what was achieved and what is desired, as Stable-Baselines3's
  `HerReplayBuffer` and Gymnasium-Robotics have it;
- "vector": a reward with a component for each of `reward_names`, as MO-Gymnasium has it."""

_MARGIN: Final = 3.0
"""How far what was achieved may lie outside the range of targets, in half ranges, before it is clipped."""


class DesignDynamics(Dynamics):
    """State of a batch of episodes that each make one design.

    Attributes:
        task: what is designed.
        variant: see `Variant`.
        targets: (B,) or (B, T) in the units of the task; (B, 0) where it has none.
        achieved: (B, T + 1) what finished designs achieved, scaled, and a 1 beside it; zeros until then.
        mending: draws an allowed action in place of one that is forbidden; None lets forbidden ones change nothing.
        choices: the targets' name, which `reset(options=...)` may set.
    """

    def __init__(self, task: DesignTask, size: int, variant: Variant = "plain") -> None:
        checked_variant(variant, "goal", "vector")
        names = task.target_names
        if variant == "goal" and not names:
            raise ConfigurationError(
                "this task wants an extreme and has no targets to be met, so no goal variant: give it goal='target'"
            )
        if variant == "vector" and not task.parts:
            raise ConfigurationError(f"{type(task).__name__} has no vector reward")
        self.task, self.size, self.variant = task, size, variant
        self.reward_names = task.parts
        self.mending: np.random.Generator | None = None
        self.choices = () if not names else (names[0] if len(names) == 1 else "target",)  # type: ignore[misc]
        middle = task.target_ranges.mean(axis=1)
        self.targets: FloatArray = np.tile(middle, (size, 1))
        if len(names) == 1:
            self.targets = self.targets[:, 0]
        self.achieved = np.zeros((size, len(names) + 1), dtype=np.float32)

    # ---- spaces

    def make_space(self, low: Float32Array, high: Float32Array) -> spaces.Space[Any]:
        """The observation space, from what the dynamics itself shows; targets come after it.

        Args:
            low: (k,) least values.
            high: (k,) largest ones.
        """
        ones = np.ones(len(self.task.target_names), dtype=np.float32)
        if not len(low) and self._blind:
            low, high = -np.ones(1, dtype=np.float32), np.ones(1, dtype=np.float32)
        if self.variant != "goal":
            return spaces.Box(np.concatenate([low, -ones]), np.concatenate([high, ones]), dtype=np.float32)
        goal = spaces.Box(
            np.append(-_MARGIN * ones, 0.0).astype(np.float32), np.append(_MARGIN * ones, 1.0).astype(np.float32)
        )
        return spaces.Dict(
            {"observation": spaces.Box(low, high, dtype=np.float32), "achieved_goal": goal, "desired_goal": goal}
        )

    def observe(self, rows: IntArray | slice = slice(None)) -> Any:
        """(rows, k + T) float32, or a dictionary of such arrays in the goal variant."""
        seen = self.look(rows)
        if not seen.shape[1] and self._blind:
            seen = np.zeros((len(seen), 1), dtype=np.float32)
        if self.variant != "goal":
            return np.concatenate([seen, self._scaled(rows)], axis=1)
        return {
            "observation": seen, "achieved_goal": self.achieved[rows].copy(), "desired_goal": self._desired(rows)
        }  # fmt: skip

    @property
    def _blind(self) -> bool:
        """Whether no target stands beside what is seen of a design: where that is nothing, a zero stands there."""
        return self.variant == "goal" or not self.task.target_names

    def _scaled(self, rows: IntArray | BoolArray | slice) -> Float32Array:
        """(rows, T) scaled targets."""
        return self.task.scaled_targets(self.targets[rows]).astype(np.float32)

    def _desired(self, rows: IntArray | BoolArray | slice) -> Float32Array:
        """(rows, T + 1) scaled targets, and a 1: that the design is finished."""
        targets = self._scaled(rows)
        return np.concatenate([targets, np.ones((len(targets), 1), dtype=np.float32)], axis=1)

    @abstractmethod
    def look(self, rows: IntArray | slice) -> Float32Array:
        """(rows, k) what is seen of the designs under way."""

    @abstractmethod
    def advance(self, actions: Any) -> tuple[Designs, BoolArray, dict[str, Any]]:
        """Carry out B actions without asking what comes of them.

        Returns:
            (B, width) designs under way, (B,) whether each is finished, and what is to be told besides.
        """

    def step(self, actions: Any) -> Transition:
        """Carry out B actions and score the designs that they finish."""
        if self.mending is not None and hasattr(self, "action_masks"):
            actions = _mended(actions, self.action_masks(), self.mending)
        return self.finish(*self.advance(actions))

    @abstractmethod
    def clear(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Begin new designs, for targets that are set already."""

    # ---- episodes

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Begin new episodes."""
        if self.choices:
            given = chosen.get(self.choices[0])
            targets = np.array([self.task.draw_target(rng) for rng in generators]) if given is None else given
            self.targets[rows] = self.task.checked_targets(targets, len(rows))
        self.achieved[rows] = 0.0
        self.clear(rows, generators)

    def begun(self) -> Mapping[str, Any]:
        """The targets."""
        return {self.choices[0]: self.targets.copy()} if self.choices else {}

    def finish(self, designs: Designs, finished: BoolArray, told: Mapping[str, Any] | None = None) -> Transition:
        """Score the designs that are finished.

        Args:
            designs: (B, width) rows.
            finished: (B,) which of them are.
            told: further entries of the info.
        """
        count = self.size
        reward = np.zeros((count, len(self.reward_names)) if self.variant == "vector" else count)
        info: dict[str, Any] = {**self.begun(), **(told or {})}
        values = {self.task.value_name: np.zeros(count)}
        doubtful = f"sd{self.task.suffix}"
        doubt = {doubtful: np.zeros(count), "distance": np.zeros(count)}
        if self.task.constrained:
            info["cost"] = np.zeros(count)
        present = dict.fromkeys(("objectives", "uncertainty", "design"), finished)
        if finished.any():
            done, targets = designs[finished], self.targets[finished]
            scores = self.task.score(done, targets)
            if self.variant == "vector":
                reward[finished] = self.task.rewards(scores, done, targets)
            elif self.variant == "goal":  # what `compute_reward` gives of it, to the bit
                self._achieve(finished, self.task.achieved(scores))
                reward[finished] = self.compute_reward(self.achieved[finished], self._desired(finished), None)
            else:
                reward[finished] = scores.reward
            for name, column in {self.task.value_name: scores.value, **scores.objectives}.items():
                values.setdefault(name, np.zeros(count))[finished] = column
            doubt[doubtful][finished], doubt["distance"][finished] = scores.sd, scores.distance
            present["uncertainty"] = finished.copy()  # nothing is told of it where nothing is known
            present["uncertainty"][finished] = np.isfinite(scores.sd) | np.isfinite(scores.distance)
            info["design"] = designs.copy()
            if self.task.constrained:
                info["cost"][finished] = self.task.cost(done)
        info |= {"objectives": values, "uncertainty": doubt}
        return Transition(reward, finished, info, present)

    def _achieve(self, finished: BoolArray, achieved: FloatArray) -> None:
        low, high = self.task.target_ranges.T
        scaled = np.clip((2.0 * achieved - low - high) / (high - low), -_MARGIN, _MARGIN)
        valid = np.isfinite(scaled).all(axis=1)
        self.achieved[finished, :-1] = np.where(valid[:, None], scaled, 0.0)
        self.achieved[finished, -1] = valid

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        """Reward of what was achieved, for any goal: what `HerReplayBuffer` asks.

        Args:
            achieved: (..., T + 1) as in observations.
            desired: (..., T + 1).
            info: is not looked at.

        Returns:
            (...) rewards; 0 where the design was not finished.
        """
        del info
        low, high = self.task.target_ranges.T
        achieved, desired = np.asarray(achieved, dtype=np.float64), np.asarray(desired, dtype=np.float64)
        wide = achieved.reshape(-1, achieved.shape[-1]), desired.reshape(-1, desired.shape[-1])
        found, wanted = ((side[:, :-1] * (high - low) + low + high) / 2.0 for side in wide)
        reward = self.task.reward_of(found, wanted) * (wide[0][:, -1] > 0.5)
        return reward.reshape(achieved.shape[:-1]) if achieved.ndim > 1 else float(reward[0])


def _mended(actions: IntArray, masks: BoolArray, rng: np.random.Generator) -> IntArray:
    """(B,) actions, those that (B, n) masks forbid drawn anew among those they allow."""
    wrong = np.flatnonzero(~masks[np.arange(len(actions)), actions])
    mended = np.array(actions)
    mended[wrong] = np.where(masks[wrong], rng.random(masks[wrong].shape), -1.0).argmax(axis=1)
    return mended
