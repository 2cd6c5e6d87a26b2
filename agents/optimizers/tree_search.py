"""Monte Carlo tree search over the steps that make a design.

The search follows MDTS (Dieb, Ju, Yoshizoe, Hou, Shiomi and Tsuda, Sci. Technol. Adv. Mater. 18, 498 (2017)). A node is
an unfinished design. A step adds one edit of a decorated tube, or makes the next choice.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field
from math import ceil, log, sqrt
from typing import Final

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.optimizers.memory import TRIES
from matgym.agents.problem import Problem
from matgym.errors import ConfigurationError
from matgym.tasks import Choices, Decorations, Designs, DesignSpace, Scores
from matgym.typing import IntArray

EXPLORATION: Final = sqrt(2.0) / 4.0
"""Weight of exploration, in units of the range of rewards below a node: that of MDTS."""

WIDENING: Final = 0.5
"""Exponent of progressive widening: a node with N visits has at most N to this power children (Coulom, Computers and
Games 2006; Chaslot et al., New Math. Nat. Comput. 4, 343 (2008)). A choice of ours, not tuned."""


class Steps(ABC):
    """The steps that make a design of a space.

    Attributes:
        start: (1, width) the design before the first step.
        length: number of steps.
    """

    start: Designs
    length: int

    @abstractmethod
    def moves(self, design: Designs, step: int) -> IntArray:
        """Return the moves that are allowed from an unfinished (1, width) design."""

    @abstractmethod
    def after(self, design: Designs, step: int, move: int) -> Designs:
        """Return the (1, width) design after a move."""

    @abstractmethod
    def key(self, design: Designs) -> Hashable:
        """Return a key that is the same for unfinished designs, after equally many steps, that are the same."""


class Choose(Steps):
    """The steps of a space of choices: one choice after the other, in the order of the space."""

    def __init__(self, space: Choices) -> None:
        self._space = space
        self.start = np.zeros((1, space.width), dtype=np.int64)
        self.length = space.width

    @override
    def moves(self, design: Designs, step: int) -> IntArray:
        return np.flatnonzero(self._space.allowed(design, step)[0])

    @override
    def after(self, design: Designs, step: int, move: int) -> Designs:
        design = design.copy()
        design[0, step] = move
        return design

    @override
    def key(self, design: Designs) -> Hashable:
        return design.tobytes()


class Place(Steps):
    """The steps of decorated tubes: one edit after the other, kind by kind in the order of the budget.

    Unfinished designs that symmetry or another order of edits makes the same have the same key.
    """

    def __init__(self, space: Decorations) -> None:
        self._space, edits = space, space.edits
        self.start = np.zeros((1, space.width), dtype=np.uint8)
        self.length = edits.length
        ends = np.append(np.arange(len(edits.species) + 1) * edits.n_sites, edits.n_actions)
        kinds = np.repeat(np.arange(len(edits.budget)), edits.budget)
        self._ranges = [(int(ends[kind]), int(ends[kind + 1])) for kind in kinds]

    @override
    def moves(self, design: Designs, step: int) -> IntArray:
        first, last = self._ranges[step]
        edits = self._space.edits
        return first + np.flatnonzero(edits.mask(design, edits.remaining(design))[0, first:last])

    @override
    def after(self, design: Designs, step: int, move: int) -> Designs:
        design, edits = design.copy(), self._space.edits
        edits.apply(design, edits.remaining(design), np.array([move]))
        return design

    @override
    def key(self, design: Designs) -> Hashable:
        return int(self._space.key(design)[0])


@dataclass(eq=False)
class Node:
    """An unfinished design, with the rewards of the designs below it.

    Attributes:
        design: (1, width) the unfinished design.
        step: number of steps that were made.
        untried: moves whose children do not exist yet, in the order in which they are tried; None before the first
            child.
        children: nodes after one more step.
        visits: number of rewards that came from below.
        best: largest of these rewards.
        worst: smallest of these rewards.
        used_up: whether every design below was evaluated.
    """

    design: Designs
    step: int
    untried: list[int] | None = None
    children: list["Node"] = field(default_factory=list)
    visits: int = 0
    best: float = -np.inf
    worst: float = np.inf
    used_up: bool = False


class TreeSearch(Remembering):
    """Monte Carlo tree search for the best single design; see the module.

    From the root, the search goes to the child with the largest upper confidence bound (UCB), until it comes to a node
    that may have one more child. The child is made, and random steps finish its design. The bound uses the best reward
    below the child, because the best design counts, not the mean. The weight of exploration follows the range of
    rewards below the parent, as in MDTS. Unfinished designs that are the same share a node. A design that was evaluated
    before passes on its known reward, and the search goes on.

    Raises:
        ConfigurationError: if the designs are numbers.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        self._steps = steps_of(self.space)
        self._root = Node(self._steps.start, 0)
        self._nodes: dict[tuple[int, Hashable], Node] = {}
        self._path: list[Node] = []

    @override
    def ask(self) -> Designs:
        for _ in range(TRIES):
            if self._root.used_up:
                break
            self._path = self._selected()
            design = self._finished(self._path[-1])
            if design is None:  # turned bonds left no room for the rest of the budget
                self._give_back(0.0)
                continue
            known = self.memory.reward(design)
            if known is None:
                return design
            self._give_back(known)
        self._path = []
        return self.memory.new(lambda: self.space.sample(1, self.rng), self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        self._give_back(float(scores.reward[0]))

    # ---- selection, expansion, rollout, backpropagation

    def _selected(self) -> list[Node]:
        """Return the nodes from the root to a new one, or to a finished design."""
        path = [self._root]
        while (node := path[-1]).step < self._steps.length:
            if node.untried is None:
                node.untried = self.rng.permutation(self._steps.moves(node.design, node.step)).tolist()
            open_children = [child for child in node.children if not child.used_up]
            while node.untried and (not open_children or len(node.children) < ceil(node.visits**WIDENING)):
                child = self._child(node, node.untried.pop())
                if child is not None:
                    return [*path, child]
            if not open_children:
                break
            path.append(max(open_children, key=lambda child, parent=node: _bound(child, parent)))  # type: ignore[misc]
        return path

    def _child(self, parent: Node, move: int) -> Node | None:
        """Return the node after a move and add it to its parent; None if the parent has it, or it is used up."""
        design = self._steps.after(parent.design, parent.step, move)
        place = (parent.step + 1, self._steps.key(design))
        child = self._nodes.setdefault(place, Node(design, parent.step + 1))
        if child in parent.children:
            return None
        parent.children.append(child)
        return None if child.used_up else child

    def _finished(self, node: Node) -> Designs | None:
        """Return the design of a node after random steps to the end; None if no move is left before."""
        design = node.design
        for step in range(node.step, self._steps.length):
            moves = self._steps.moves(design, step)
            if not len(moves):
                return None
            design = self._steps.after(design, step, int(self.rng.choice(moves)))
        return design

    def _give_back(self, reward: float) -> None:
        """Pass a reward to the nodes of the path, and find those that are used up."""
        for node in reversed(self._path):
            node.visits += 1
            node.best, node.worst = max(node.best, reward), min(node.worst, reward)
            finished = node.step == self._steps.length
            node.used_up = finished or (node.untried == [] and all(child.used_up for child in node.children))


def _bound(child: Node, parent: Node) -> float:
    """Return the upper confidence bound of a child (Kocsis and Szepesvári, ECML 2006)."""
    weight = EXPLORATION * (parent.best - parent.worst)
    return child.best + weight * sqrt(2.0 * log(parent.visits) / child.visits)


def steps_of(space: DesignSpace) -> Steps:
    """Return the steps that make a design of a space.

    Raises:
        ConfigurationError: if the space has no steps, because its designs are numbers.
    """
    if isinstance(space, Decorations):
        return Place(space)
    if isinstance(space, Choices):
        return Choose(space)
    raise ConfigurationError(
        "mcts makes designs step by step, but the designs of this task are numbers: use annealing or cma-es"
    )
