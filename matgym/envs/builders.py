"""Builders, which make a batch of designs: edit by edit, choice by choice, or in one step."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from typing_extensions import override

from matgym.envs.initial_designs import InitialDesigns
from matgym.errors import ConfigurationError
from matgym.structures import TubeBatch
from matgym.tasks import AnyTube, Choices, Decorations, Designs, DesignSpace
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray


class Graph(NamedTuple):
    """Unfinished designs as graphs, from which `matgym.envs.honeycomb_observation` makes observations.

    Attributes:
        batch: b tubes.
        allowed: (B, K, S) whether each kind may be placed on each site.
        numbers: (B, M) further numbers in [0, 1].
        open_ends: whether bonds across an end of a tube are left out.
        rows: (b,) places of the tubes among the B designs; None for all.
    """

    batch: TubeBatch
    allowed: BoolArray
    numbers: FloatArray | Float32Array
    open_ends: bool
    rows: IntArray | None = None


class Builder(ABC):
    """A batch of unfinished designs.

    Attributes:
        size: B, the number of designs.
        action_space: the action space of one design.
        width: the number of entries, from 0 to 1, of the observation of a design.
        steps: the least number of actions of a design.
        masked: whether `masks` returns which actions are allowed.
        forbids: whether an action can be forbidden.
        designs: (B, width) designs in their present state, as rows of the space.
        graph_shape: S, K and M of `graph`; None if designs are not tubes on whose sites atoms are placed.
    """

    size: int
    action_space: spaces.Space[Any]
    width: int
    steps: int
    masked: bool
    forbids: bool = True
    designs: Designs
    graph_shape: tuple[int, int, int] | None = None

    @property
    def most_steps(self) -> int:
        """The largest number of actions of a design, if none is forbidden."""
        return self.steps

    def begin(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:  # noqa: B027  # by default nothing is given
        """Draw what is given of new designs in (k,) rows, before their targets are drawn."""

    @abstractmethod
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        """Begin new designs in (k,) rows, for (k,) or (k, T) targets, with one random generator per row."""

    @abstractmethod
    def advance(self, actions: Any, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        """Carry out (k,) actions in rows.

        Returns:
            (k,) whether each design is finished, and (k,) whether its action was allowed.
        """

    @abstractmethod
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return (rows, width) observations of the unfinished designs."""

    def provisional(self, rows: IntArray) -> Designs:
        """Return (k, width) designs that stand for the unfinished ones in (k,) rows when models predict them.

        Here these are the designs as they are.
        """
        return self.designs[rows]

    def plan(self, designs: Designs) -> IntArray:
        """Return (B, steps) actions that make B designs of the space from the empty design.

        Raises:
            ConfigurationError: if actions are points, or episodes do not begin with the empty design.
        """
        del designs
        raise ConfigurationError("a design that is made in one step, as a point, has no plan of discrete actions")

    def masks(self) -> BoolArray:
        """Return (B, n_actions) which actions are allowed, read-only; all actions of a finished design."""
        raise ConfigurationError("actions that are numbers have no masks: masks are for discrete actions")

    def graph(self, rows: IntArray | slice) -> Graph:
        """Return the unfinished designs as graphs, if `graph_shape` is not None."""
        raise NotImplementedError


class Placement(Builder):
    """A builder that places one atom or turns one bond per step; a forbidden edit changes nothing.

    Attributes:
        initial: the initial designs; None for designs that begin with the pristine tube.
        remaining: (B, K) remaining budget of each kind of edit.
    """

    designs: SpeciesArray
    masked = True

    def __init__(self, space: Decorations, size: int, initial: InitialDesigns | None = None) -> None:
        self.space, self.size, self.initial = space, size, initial
        edits = space.edits
        self.designs = np.zeros((size, space.width), dtype=np.uint8)
        self.remaining = np.tile(edits.budget, (size, 1))
        self.width = edits.n_actions + len(edits.budget)  # edits done, budget left
        self.steps = edits.length if initial is None else initial.removed
        self.action_space = spaces.Discrete(edits.n_actions)
        if not space.turns:
            self.graph_shape = (edits.n_sites, len(edits.budget), len(edits.budget) + 1)
        self._masks: BoolArray | None = None

    @override
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        self._masks = None
        self.designs[rows] = 0
        self.remaining[rows] = self.space.edits.budget
        if self.initial is not None:
            for row, target, rng in zip(rows, targets, generators, strict=True):
                self.designs[row], self.remaining[row] = self.initial.begin(float(target), rng)

    @override
    def advance(self, actions: IntArray, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        self._masks = None
        designs, remaining = self.designs[rows], self.remaining[rows]
        allowed = self.space.edits.apply(designs, remaining, actions)
        if not isinstance(rows, slice):  # a slice gives views, which are changed in place
            self.designs[rows], self.remaining[rows] = designs, remaining
        return (remaining == 0).all(axis=1), allowed

    @override
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return a 1 for each edit that was made, and the remaining share of the budget."""
        edits = self.space.edits
        designs = self.designs[rows]
        seen = np.empty((len(designs), self.width), dtype=np.float32)
        for kind, code in enumerate(edits.species):
            sites = slice(kind * edits.n_sites, (kind + 1) * edits.n_sites)
            np.equal(designs[:, : edits.n_sites], code, out=seen[:, sites], casting="unsafe")
        if self.space.turns:
            seen[:, len(edits.species) * edits.n_sites : edits.n_actions] = designs[:, edits.n_sites :]
        seen[:, edits.n_actions :] = self.remaining[rows] / edits.budget
        return seen

    @override
    def graph(self, rows: IntArray | slice) -> Graph:
        """Return the tubes, and the shares of each kind and of all edits that are left."""
        space, left = self.space, self.remaining[rows]
        shares = [left / space.edits.budget, left.sum(axis=1, keepdims=True) / space.edits.length]
        allowed = self.masks()[rows].reshape(len(left), left.shape[1], -1)
        return Graph(space.decode(self.designs[rows]), allowed, np.concatenate(shares, axis=1), space.between_leads)

    @override
    def plan(self, designs: Designs) -> IntArray:
        if self.initial is not None:
            raise ConfigurationError("a plan begins with the empty design: leave out initial_designs")
        edits = self.space.edits
        sites = designs[:, : edits.n_sites]
        wanted = [sites == code for code in edits.species]
        if self.space.turns:
            wanted.append(designs[:, edits.n_sites :] != 0)
        return np.nonzero(np.concatenate(wanted, axis=1))[1].reshape(len(designs), self.steps)

    @override
    def masks(self) -> BoolArray:
        if self._masks is None:
            self._masks = self.space.edits.mask(self.designs, self.remaining)
            self._masks[~self._masks.any(axis=1)] = True
            self._masks.setflags(write=False)
        return self._masks


class Choosing(Builder):
    """A builder that makes one choice per step, in a fixed order; a forbidden choice changes nothing.

    Attributes:
        place: (B,) index of the next choice.
    """

    action_space: spaces.Discrete
    masked = True

    def __init__(self, space: Choices, size: int) -> None:
        self.space, self.size = space, size
        counts = space.counts
        self.designs = np.zeros((size, len(counts)), dtype=np.int64)
        self.place = np.zeros(size, dtype=np.int64)
        self.width = sum(counts) + len(counts)  # values chosen, next choice
        self.steps = len(counts)
        self.action_space = spaces.Discrete(max(counts))
        self.forbids = min(counts) < max(counts) or type(space).allowed is not Choices.allowed
        self._starts = np.cumsum((0, *counts[:-1]))
        self._masks: BoolArray | None = None

    @override
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        self._masks = None
        self.designs[rows], self.place[rows] = 0, 0

    @override
    def advance(self, actions: IntArray, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        which = np.arange(self.size)[rows]
        allowed = self.masks()[which, actions] & (self.place[rows] < self.steps)
        self._masks = None
        chosen = which[allowed]
        self.designs[chosen, self.place[chosen]] = actions[allowed]
        self.place[chosen] += 1
        return self.place[rows] >= self.steps, allowed

    @override
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return a 1 for each value that was chosen, and a 1 for the next choice."""
        designs, place = self.designs[rows], self.place[rows]
        seen = np.zeros((len(designs), self.width), dtype=np.float32)
        row, done = np.nonzero(np.arange(self.steps) < place[:, None])
        seen[row, self._starts[done] + designs[row, done]] = 1.0
        open_ = np.flatnonzero(place < self.steps)
        seen[open_, self.width - self.steps + place[open_]] = 1.0
        return seen

    @override
    def provisional(self, rows: IntArray) -> Designs:
        """Return the designs with the middle one of the allowed values for each choice that is open."""
        designs = self.designs[rows]
        for place in range(int(self.place[rows].min(initial=self.steps)), self.steps):
            allowed = self.space.allowed(designs, place)
            middle = (allowed.sum(axis=1) - 1) // 2
            values = (allowed.cumsum(axis=1) <= middle[:, None]).sum(axis=1)
            designs[:, place] = np.where(self.place[rows] > place, designs[:, place], values)
        return designs

    @override
    def plan(self, designs: Designs) -> IntArray:
        return np.asarray(designs)

    @override
    def masks(self) -> BoolArray:
        if self._masks is None:
            masks = np.zeros((self.size, int(self.action_space.n)), dtype=bool)
            for place in np.flatnonzero(np.bincount(self.place)):
                rows = np.flatnonzero(self.place == place)
                if place >= self.steps:
                    masks[rows] = True  # a finished design has no choice left
                else:
                    masks[rows, : self.space.counts[place]] = self.space.allowed(self.designs[rows], int(place))
            masks.setflags(write=False)
            self._masks = masks
        return self._masks


class Pointing(Builder):
    """A builder that makes a whole design in one step, from a point of the unit cube; any design space has one."""

    masked = forbids = False
    steps = 1
    width = 0

    def __init__(self, space: DesignSpace, size: int) -> None:
        self.space, self.size = space, size
        self.designs = np.zeros((size, space.width))
        self.action_space = spaces.Box(-1.0, 1.0, (len(space.choices),), np.float32)

    @override
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        """Do nothing, because there is nothing to clear."""

    @override
    def advance(self, actions: FloatArray, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        designs = self.space.from_points(0.5 * (np.asarray(actions, dtype=np.float64) + 1.0))
        self.designs = self.designs.astype(designs.dtype, copy=False)  # only the space knows the type
        self.designs[rows] = designs
        every = np.ones(len(designs), dtype=bool)
        return every, every

    @override
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return (rows, 0): a design is made in one step."""
        return np.zeros((len(np.arange(self.size)[rows]), 0), dtype=np.float32)


def make_builder(
    space: DesignSpace, size: int, *, at_once: bool = False, initial: InitialDesigns | None = None
) -> Builder:
    """Return the builder of a space: `Pointing` if `at_once` is set or the designs are only numbers."""
    if not at_once and isinstance(space, AnyTube):
        from matgym.envs.assembly import Assembly  # imports this module

        return Assembly(space, size)
    if not at_once and isinstance(space, Decorations):
        return Placement(space, size, initial)
    if not at_once and isinstance(space, Choices):
        return Choosing(space, size)
    return Pointing(space, size)
