"""Searches at equal budgets: every method uses the same number of evaluations per target."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from matgym.agents.base import CheckedOptimizer, Problem, check_counts
from matgym.agents.policy import Policy
from matgym.agents.scoring import score_asked
from matgym.agents.searched import SearchedTask
from matgym.benchmark.methods import Method, NamedMethod, as_named
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.structures import TubeBatch
from matgym.tasks import (
    Decorations,
    DesignGenerator,
    DesignGeneratorLike,
    Designs,
    DesignTask,
    Scores,
    as_design_generator,
)
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Trajectory(ValueObject):
    """All evaluations of a search with one target, in their order.

    Attributes:
        designs: (queries, width) designs.
        losses: (queries,) losses by the task's model; infinite for a design without a value, or against the constraint.
        costs: (queries,) violations of the constraint; 0 without a constraint.
        rewards: (queries, k) rewards of each of several objectives, 0 for a design that has no loss; k is 0 for one
            objective.
    """

    designs: Designs
    losses: FloatArray
    costs: FloatArray
    rewards: FloatArray


@dataclass(frozen=True)
class Search(ValueObject):
    """Results of one method for each of T targets.

    Attributes:
        method: name of the method.
        targets: (T,) or (T, k) target values in the units of the task.
        designs: (T, width) best design of each target by the prediction of the task's model, among those that satisfy
            the constraint.
        predicted: (T,) value of this design by the same model; NaN without a valid design.
        progress: (queries, T) predicted loss of the best design so far; infinite while no design has one.
        visited: (V, width) sample of all evaluated designs.
        incumbents: (T, width) best designs after each number of evaluations in `checkpoints`.
        trajectory: all evaluations of a search with one target; None for several targets.
    """

    method: str
    targets: FloatArray
    designs: Designs
    predicted: FloatArray
    progress: FloatArray
    visited: Designs
    incumbents: dict[int, Designs]
    trajectory: Trajectory | None = None

    def tubes(self, task: DesignTask) -> TubeBatch:
        """Return the designs as tubes."""
        return task.tubes(self.designs)


def method_name(method: Method) -> str:
    """Return the name of a method in tables."""
    return method.name if isinstance(method, Policy) else as_named(method).name


def search(
    method: Method,
    task: DesignTask,
    targets: FloatArray,
    queries: int,
    seed: int,
    on_turn: Callable[[], None] = lambda: None,
    initial_designs: DesignGeneratorLike | None = None,
    checkpoints: Sequence[int] = (),
    batch: int = 1,
) -> Search:
    """Search a design for each target with one method.

    The searches of all targets run side by side, because a model is faster in batches. They are independent. Optimizers
    get the task without its models. If the ledger of the task counts an evaluation that a method did not ask for, the
    search ends with an error. A task that its own code makes anew, and a model that it imports, are not detected.

    Args:
        method: a name of `matgym.benchmark.methods.OPTIMIZERS`, an `Optimizer` class, or a trained `Policy`.
        task: task that scores designs and counts evaluations.
        targets: (T,) or (T, k) target values; (1, 0) if the task is to find an extreme.
        queries: number of evaluations of the task's model per target.
        seed: random seed of the method.
        on_turn: function that is called after each evaluation of all targets.
        initial_designs: initial designs of optimizers of decorated tubes; the default draws them from the space. A
            `Policy` has its own.
        checkpoints: numbers of evaluations after which the best design so far is stored.
        batch: number of designs that an optimizer asks for before it receives the scores of any of them. An optimizer
            that returns more designs by one `ask` waits for all of these.

    Returns:
        The best designs and the progress of the search.

    Raises:
        ConfigurationError: if the method is unknown, there is no target, or `queries` is below 1.
        ModelError: if an optimizer or an agent of your own raises an error, returns anything else than it must, or
            evaluates designs that it did not ask for.
    """
    if queries < 1 or not len(targets):
        raise ConfigurationError(f"queries={queries} and the number of targets, {len(targets)}, must be 1 or more")
    count, width, name = len(targets), task.space.width, method_name(method)
    evaluated = task.ledger.counts.total()
    proposer = _Policy(method, task, targets, seed) if isinstance(method, Policy) else _Optimizers(
        as_named(method), task, targets, queries, seed, initial_designs
    )  # fmt: skip
    rng = np.random.default_rng([seed, 1])
    spent = np.zeros(count, dtype=np.int64)
    best: Designs = np.zeros((0, width))
    reward, loss, predicted = np.full(count, -np.inf), np.full(count, np.inf), np.full(count, np.nan)
    progress, visited = np.empty((queries, count)), []
    incumbents: dict[int, Designs] = {}
    parts: list[Trajectory] = []
    while (active := np.flatnonzero(spent < queries)).size:
        left = {int(row): int(queries - spent[row]) for row in active}
        asked = {row: proposer.ask(row, min(batch, rest))[:rest] for row, rest in left.items()}
        rows = np.repeat(list(asked), [len(part) for part in asked.values()])
        designs = np.concatenate(list(asked.values()))
        check_counts(task, evaluated, name)
        best = best if len(best) else np.zeros((count, width), dtype=designs.dtype)
        scores = score_asked(task, designs, targets[rows])
        evaluated = task.ledger.counts.total()
        visited.append(designs[rng.integers(len(designs))].copy())
        losses = np.nan_to_num(scores.loss, nan=np.inf)
        values = np.where(np.isfinite(losses), scores.value, np.nan)
        if count == 1:
            parts.append(_part(task, designs, scores, losses, targets[rows]))
        done_before = int(spent.min())
        for design, row, earned, lost, value in zip(designs, rows, scores.reward, losses, values, strict=True):
            # The reward includes the uncertainty of a prediction. The loss decides between equal rewards.
            if (-earned, lost) < (-reward[row], loss[row]):
                best[row], reward[row], loss[row], predicted[row] = design, earned, lost, value
            progress[spent[row], row] = loss[row]
            spent[row] += 1
            if spent[row] in checkpoints:
                incumbents.setdefault(int(spent[row]), np.zeros_like(best))[row] = best[row]
        first = 0
        for row, part in asked.items():
            if spent[row] < queries:
                proposer.tell(row, part, scores.take(np.arange(first, first + len(part))))
            first += len(part)
        check_counts(task, evaluated, name)
        for _ in range(done_before, int(spent.min())):
            on_turn()
        evaluated = task.ledger.counts.total()  # `on_turn` is the caller's, who may evaluate
    return Search(name, targets, best, predicted, progress, np.stack(visited), incumbents, _joined(parts))


def _part(task: DesignTask, designs: Designs, scores: Scores, losses: FloatArray, targets: FloatArray) -> Trajectory:
    """Return some evaluations of a search with one target."""
    several = task.rewards(scores, targets) if len(task.counted) > 1 else np.zeros((len(designs), 0))
    cost = np.zeros(len(designs)) if scores.cost is None else scores.cost
    return Trajectory(designs, losses, cost, np.where(np.isfinite(losses)[:, None], several, 0.0))


def _joined(parts: Sequence[Trajectory]) -> Trajectory | None:
    if not parts:
        return None
    fields = ("designs", "losses", "costs", "rewards")
    return Trajectory(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def check_concurrent(optimizer: CheckedOptimizer, batch: int) -> None:
    """Check that an optimizer can ask for a batch of designs.

    Raises:
        ConfigurationError: if it must receive scores before it asks again.
    """
    if batch > 1 and not optimizer.concurrent:
        raise ConfigurationError(
            f"{optimizer.name} cannot ask for a batch of {batch} designs: give batch 1, or an optimizer whose "
            "`concurrent` is True"
        )


class _Optimizers:
    """One optimizer per target."""

    def __init__(
        self,
        method: NamedMethod,
        task: DesignTask,
        targets: FloatArray,
        queries: int,
        seed: int,
        initial_designs: DesignGeneratorLike | None,
    ) -> None:
        rngs = np.random.default_rng(seed).spawn(len(targets) + 1)
        shares: list[DesignGenerator | None] = [None] * len(targets)
        if initial_designs is not None and isinstance(task.space, Decorations):
            pool = _Pool(as_design_generator(initial_designs), targets, rngs[-1])
            shares = [_Share(pool, row) for row in range(len(targets))]
        # The centre of the unit cube is where many searches begin. Turned, it stands for another design in every run.
        searched = SearchedTask.of(
            replace(task, space=task.space.turned(np.random.default_rng([seed, 2]))), method.name
        )
        self.optimizers = [
            CheckedOptimizer(method.make, Problem(searched, np.atleast_1d(target), share), queries, rng, method.name)
            for target, share, rng in zip(targets, shares, rngs, strict=False)
        ]
        self.none = task.space.sample(0, np.random.default_rng(0))

    def ask(self, row: int, count: int) -> Designs:
        """Return at least `count` designs, of which the optimizer knows no score."""
        designs = self.none
        while not len(designs) or len(designs) < count:
            check_concurrent(self.optimizers[row], count)
            designs = np.concatenate([designs, self.optimizers[row].ask(designs)])
        return designs

    def tell(self, row: int, designs: Designs, scores: Scores) -> None:
        self.optimizers[row].tell(designs, scores)


@dataclass
class _Pool:
    """Initial designs of all targets, which are drawn together, because single draws are slow."""

    generator: DesignGenerator
    targets: FloatArray
    rng: np.random.Generator
    kept: dict[int, list[Designs]] = field(default_factory=lambda: defaultdict(list))

    def take(self, row: int, count: int, space: Decorations) -> TubeBatch:
        """Return initial designs of one target."""
        while len(self.kept[row]) < count:
            drawn = space.encode(self.generator.sample(space, self.targets, self.rng))
            for each, design in enumerate(drawn):
                self.kept[each].append(design)
        taken, self.kept[row] = self.kept[row][:count], self.kept[row][count:]
        return space.decode(np.stack(taken))


@dataclass(frozen=True)
class _Share:
    """Design generator that takes the initial designs of one target from a pool."""

    pool: _Pool
    row: int

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Return one design for each of the targets, which are equal."""
        del rng
        return self.pool.take(self.row, len(targets), space)


class _Policy:
    """A trained policy: the first design takes the most likely edits, and further designs are drawn."""

    def __init__(self, method: Policy, task: DesignTask, targets: FloatArray, seed: int) -> None:
        if hasattr(method.agent, "set_random_seed"):  # SB3's models
            method.agent.set_random_seed(seed)
        self.method, self.task, self.targets = method, task, targets
        self.rng = np.random.default_rng(seed)
        self.turn = 0
        self.drawn: Designs = np.zeros((0, 0))

    def ask(self, row: int, count: int) -> Designs:
        del count  # a policy learns nothing from scores
        if row == 0:  # one pass of the network serves all targets
            self.drawn = self.method.design(self.task, self.targets, deterministic=self.turn == 0, rng=self.rng)
            self.turn += 1
        return self.drawn[row : row + 1]

    def tell(self, row: int, designs: Designs, scores: Scores) -> None:
        """Do nothing, because the policy is not trained further."""
