"""Searches at equal counts: every method spends the same number of evaluations a target."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from matgym.agents.base import Problem
from matgym.agents.policy import Policy
from matgym.benchmark.methods import Method, NamedMethod, as_named
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube, SubstitutionEdits, TubeLattice
from matgym.tasks import Designs, DesignTask, Scores, Seeder, SeederLike, TargetProperty, as_seeder
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True)
class Search:
    """What one method found for each of T targets.

    Attributes:
        method: its name.
        targets: (T,) or (T, k) in the task's units.
        designs: (T, width) the design it believes best.
        belief: (T,) value of that design by the reward model; NaN where there is no valid one.
        progress: (queries, T) believed loss of the best design so far.
        visited: (V, width) a sample of all designs it evaluated.
        incumbents: evaluations made to (T, width) the design believed best by then; of the checkpoints asked for.
    """

    method: str
    targets: FloatArray
    designs: Designs
    belief: FloatArray
    progress: FloatArray
    visited: Designs
    incumbents: dict[int, Designs]

    def tubes(self, task: DesignTask) -> list[Nanotube]:
        """The designs as tubes."""
        return task.tubes(self.designs)


def method_name(method: Method) -> str:
    """The name a method goes by in tables."""
    return method.name if isinstance(method, Policy) else as_named(method).name


def search(
    method: Method,
    task: DesignTask,
    targets: FloatArray,
    queries: int,
    seed: int,
    on_turn: Callable[[], None] = lambda: None,
    seeder: SeederLike | None = None,
    checkpoints: Sequence[int] = (),
) -> Search:
    """Let one method design for each target.

    The searches of all targets go side by side, because a reward model is far cheaper in batches; none learns of
    another's designs.

    Args:
        method: a name of `matgym.benchmark.methods.OPTIMIZERS`, an `Optimizer` class, or a trained `Policy`.
        task: scores designs and counts them.
        targets: (T,) or (T, k) wanted values; (1, 0) where the goal is an extreme.
        queries: evaluations of the reward model a target.
        seed: of the method.
        on_turn: called each time that one more evaluation of all targets is done.
        seeder: gives optimizers of decorated tubes their initial structures; a `Policy` has its own.
        checkpoints: evaluations after which the best design so far is kept.

    Raises:
        ConfigurationError: if the method is unknown or `queries` is below 1.
    """
    if queries < 1:
        raise ConfigurationError(f"queries={queries} must be 1 or more")
    count, width = len(targets), task.space.width
    proposer = _Policy(method, task, targets, seed) if isinstance(method, Policy) else _Optimizers(
        as_named(method), task, targets, queries, seed, seeder
    )  # fmt: skip
    rng = np.random.default_rng([seed, 1])
    spent = np.zeros(count, dtype=np.int64)
    best, reward = None, np.full(count, -np.inf)
    loss, belief = np.full(count, np.inf), np.full(count, np.nan)
    progress, visited = np.empty((queries, count)), []
    incumbents: dict[int, Designs] = {}
    while (active := np.flatnonzero(spent < queries)).size:
        asked = {int(row): proposer.ask(int(row))[: queries - spent[row]] for row in active}
        rows = np.repeat(list(asked), [len(part) for part in asked.values()])
        designs = np.concatenate(list(asked.values()))
        best = np.zeros((count, width), dtype=designs.dtype) if best is None else best
        scores = _score_valid(task, designs, targets[rows])
        visited.append(designs[rng.integers(len(designs))].copy())
        losses = np.nan_to_num(scores.loss, nan=np.inf)
        done_before = int(spent.min())
        for design, row, earned, lost, value in zip(designs, rows, scores.reward, losses, scores.value, strict=True):
            # By the reward, which knows how far a source is trusted; where that is at its end, by the loss.
            if (-earned, lost) < (-reward[row], loss[row]):
                best[row], reward[row], loss[row], belief[row] = design, earned, lost, value
            progress[spent[row], row] = loss[row]
            spent[row] += 1
            if spent[row] in checkpoints:
                incumbents.setdefault(int(spent[row]), np.zeros_like(best))[row] = best[row]
        for row, part in asked.items():
            if spent[row] < queries:
                proposer.tell(row, part, scores.reward[rows == row])
        for _ in range(done_before, int(spent.min())):
            on_turn()
    assert best is not None  # noqa: S101  # there was a target, and a query
    return Search(method_name(method), targets, best, belief, progress, np.stack(visited), incumbents)


class _Optimizers:
    """One optimizer a target."""

    def __init__(
        self,
        method: NamedMethod,
        task: DesignTask,
        targets: FloatArray,
        queries: int,
        seed: int,
        seeder: SeederLike | None,
    ) -> None:
        rngs = np.random.default_rng(seed).spawn(len(targets) + 1)
        seeds: list[Seeder | None] = [None] * len(targets)
        if seeder is not None and isinstance(task, TargetProperty):
            pool = _Pool(as_seeder(seeder), targets, rngs[-1])
            seeds = [_PoolRow(pool, row) for row in range(len(targets))]
        self.optimizers = [
            method.make(Problem(task, np.atleast_1d(target), start), queries, rng)
            for target, start, rng in zip(targets, seeds, rngs, strict=False)
        ]

    def ask(self, row: int) -> Designs:
        return self.optimizers[row].ask()

    def tell(self, row: int, designs: Designs, reward: FloatArray) -> None:
        self.optimizers[row].tell(designs, reward)


@dataclass
class _Pool:
    """Seeds for all targets, drawn together when one search has used its own up: generators are slow one by one."""

    seeder: Seeder
    targets: FloatArray
    rng: np.random.Generator
    kept: dict[int, list[SpeciesArray]] = field(default_factory=lambda: defaultdict(list))

    def take(self, row: int, count: int, lattice: TubeLattice, edits: SubstitutionEdits) -> SpeciesArray:
        """(count, n_sites) seeds for one target."""
        while len(self.kept[row]) < count:
            for each, one in enumerate(self.seeder.seed(lattice, edits, self.targets, self.rng)):
                self.kept[each].append(one)
        taken, self.kept[row] = self.kept[row][:count], self.kept[row][count:]
        return np.stack(taken)


@dataclass(frozen=True)
class _PoolRow:
    """One target's share of a pool, as a seeder."""

    pool: _Pool
    row: int

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """As many as there are targets, which are all the same."""
        del rng
        return self.pool.take(self.row, len(targets), lattice, edits)


class _Policy:
    """A trained policy: the first design takes its most likely edits; further ones are drawn from it."""

    def __init__(self, method: Policy, task: DesignTask, targets: FloatArray, seed: int) -> None:
        if hasattr(method.agent, "set_random_seed"):  # SB3's models
            method.agent.set_random_seed(seed)
        self.method, self.task, self.targets = method, task, targets
        self.rng = np.random.default_rng(seed)
        self.turn = np.zeros(len(targets), dtype=np.int64)
        self.drawn: Designs | None = None

    def ask(self, row: int) -> Designs:
        if row == 0:  # all targets at once: one pass of the network serves them
            first = bool(self.turn[0] == 0)
            self.drawn = self.method.design(self.task, self.targets, deterministic=first, rng=self.rng)
        self.turn[row] += 1
        assert self.drawn is not None  # noqa: S101  # targets come in order, one design each
        return self.drawn[row : row + 1]

    def tell(self, row: int, designs: Designs, reward: FloatArray) -> None:
        """Learns nothing more."""


def _score_valid(task: DesignTask, designs: Designs, targets: FloatArray) -> Scores:
    """Score designs; one that is none of the task's is counted and worth nothing."""
    scores = task.score(designs, targets)
    invalid = ~task.space.valid(designs)
    reward, value, loss = (array.copy() for array in (scores.reward, scores.value, scores.loss))
    reward[invalid], value[invalid], loss[invalid] = 0.0, np.nan, np.nan
    return replace(scores, reward=reward, value=value, loss=loss)
