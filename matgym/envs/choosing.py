"""Designs made choice by choice, in a fixed order; and designs made at once, as a point of the cube."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from matgym.envs.design_dynamics import DesignDynamics, Variant
from matgym.errors import ConfigurationError
from matgym.tasks import Choices, Decorations, DesignTask
from matgym.tasks.space import Designs
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray


class ChoiceDynamics(DesignDynamics):
    """State of a batch of designs, one choice a step.

    Attributes:
        designs: (B, d) choices; zero where none was made yet.
        place: (B,) the choice that is next.
    """

    def __init__(self, task: DesignTask, size: int, variant: Variant = "plain") -> None:
        super().__init__(task, size, variant)
        if not isinstance(task.space, Choices):
            raise ConfigurationError(f"designs of {type(task.space).__name__} are not made choice by choice")
        self.space = task.space
        self.counts = np.array(self.space.counts)
        self.designs: Designs = np.zeros((size, len(self.counts)), dtype=np.int64)
        self.place = np.zeros(size, dtype=np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        low = np.zeros(int(self.counts.sum()) + len(self.counts), dtype=np.float32)  # values chosen, choice at hand
        self.observation_space = self.make_space(low, np.ones_like(low))
        self.action_space = spaces.Discrete(int(self.counts.max()))

    def clear(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Nothing chosen."""
        del generators
        self.designs[rows], self.place[rows] = 0, 0

    def advance(self, actions: IntArray) -> tuple[Designs, BoolArray, dict[str, Any]]:
        """Make (B,) choices; one that is not allowed changes nothing."""
        rows = np.arange(self.size)
        allowed = self.action_masks()[rows, actions] & (self.place < len(self.counts))
        chosen = rows[allowed]
        self.designs[chosen, self.place[chosen]] = actions[allowed]
        self.place[chosen] += 1
        return self.designs, self.place >= len(self.counts), {"allowed": allowed}

    def look(self, rows: IntArray | slice) -> Float32Array:
        """(rows, sum of counts + d) float32: a 1 for every value that was chosen, and one for the choice at hand."""
        designs, place = self.designs[rows], self.place[rows]
        seen = np.zeros((len(designs), int(self.counts.sum()) + len(self.counts)), dtype=np.float32)
        row, done = np.nonzero(np.arange(len(self.counts)) < place[:, None])
        seen[row, self._starts[done] + designs[row, done]] = 1.0
        open_ = np.flatnonzero(place < len(self.counts))
        seen[open_, int(self.counts.sum()) + place[open_]] = 1.0
        return seen

    def action_masks(self) -> BoolArray:
        """(B, n) which values the choice at hand may take."""
        masks = np.zeros((self.size, int(self.counts.max())), dtype=bool)
        for place in np.unique(self.place):
            rows = np.flatnonzero(self.place == place)
            if place >= len(self.counts):
                masks[rows] = True  # finished: nothing is asked any more
            else:
                masks[rows, : self.counts[place]] = self.space.allowed(self.designs[rows], int(place))
        return masks


class PointDynamics(DesignDynamics):
    """A whole design a step, as a point of the cube; any space of designs has one."""

    def __init__(self, task: DesignTask, size: int, variant: Variant = "plain") -> None:
        super().__init__(task, size, variant)
        self.observation_space = self.make_space(np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32))
        self.action_space = spaces.Box(-1.0, 1.0, (len(task.space.choices),), np.float32)

    def clear(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """There is nothing to clear."""

    def advance(self, actions: FloatArray) -> tuple[Designs, BoolArray, dict[str, Any]]:
        """Decode (B, d) points."""
        designs = self.task.space.decode(0.5 * (np.asarray(actions, dtype=np.float64) + 1.0))
        return designs, np.ones(self.size, dtype=bool), {}

    def look(self, rows: IntArray | slice) -> Float32Array:
        """Nothing."""
        return np.zeros((len(np.arange(self.size)[rows]), 0), dtype=np.float32)


def make_dynamics(task: Any, size: int, variant: Variant = "plain", *, at_once: bool = False) -> Any:
    """The dynamics in which designs of a task come about.

    Args:
        task: a `DesignTask`, or what stands for one.
        size: episodes side by side.
        variant: see `Variant`.
        at_once: whether a design is made in one step, as a point of the cube; as all are that are nothing but numbers.
    """
    from matgym.envs.placement import PlacementDynamics

    if not at_once and isinstance(task.space, Decorations):
        return PlacementDynamics(task, size, variant)
    if not at_once and isinstance(task.space, Choices):
        return ChoiceDynamics(task, size, variant)
    return PointDynamics(task, size, variant)
