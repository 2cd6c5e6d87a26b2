"""Searches that the caller drives by `ask` and `tell`, and one function that does it with a task."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matgym.agents.base import CheckedOptimizer, MakeOptimizer, check_counts
from matgym.agents.diversity import Describe, best
from matgym.agents.problem import Known, Problem
from matgym.agents.scoring import score_asked, without_violations
from matgym.errors import ConfigurationError, require_counts
from matgym.frozen import ValueObject
from matgym.tasks import DesignGenerator, Designs, DesignTask, Scores
from matgym.typing import FloatArray


class AskTell:
    """A search whose designs the caller evaluates, at any time and in any order.

    `ask` returns designs, and `tell` receives their scores: of measured values, by `DesignTask.scores_of`. A concurrent
    optimizer asks new designs while others are pending. Any other optimizer waits for the scores of its whole batch.

    Args:
        method: an optimizer class, or a function that makes an optimizer.
        problem: the problem to be searched.
        budget: number of designs that are evaluated.
        seed: random seed.

    Attributes:
        pending: (P, width) designs that were asked, and whose scores are not known.
    """

    def __init__(self, method: MakeOptimizer, problem: Problem, budget: int, seed: int) -> None:
        require_counts(budget=budget)
        self._optimizer = CheckedOptimizer(method, problem, budget, np.random.default_rng(seed))
        self.name, self._left = self._optimizer.name, budget
        self.pending: Designs = problem.space.sample(0, np.random.default_rng(0))
        self._batch, self._given = self.pending, 0  # the last batch of the optimizer, and how many of it were asked
        self._waiting: dict[int, Scores] = {}  # scores of designs of the batch, until all are known

    def ask(self, count: int | None = None) -> Designs:
        """Return (B, width) designs to be evaluated.

        Args:
            count: largest number of designs; None for all that the optimizer asks at once.

        Raises:
            ConfigurationError: if the budget is spent, `count` is below 1, or the optimizer needs the scores of pending
                designs first.
            ModelError: if an optimizer of your own raises an error, or asks no designs.
        """
        if count is not None:
            require_counts(count=count)
        if self._left < 1:
            raise ConfigurationError(f"the budget of {self.name} is spent: give a larger budget")
        wanted = self._left if count is None else min(count, self._left)
        parts: list[Designs] = []
        while wanted and (not parts or count is not None) and self._fill():
            part = self._batch[self._given : self._given + wanted]
            self._given, self._left, wanted = self._given + len(part), self._left - len(part), wanted - len(part)
            self.pending = np.concatenate([self.pending, part])
            parts.append(part)
        if not parts:
            raise ConfigurationError(
                f"{self.name} needs the scores of {len(self.pending)} pending designs first: tell them, or use an "
                "optimizer whose `concurrent` is True"
            )
        return np.concatenate(parts)

    def _fill(self) -> bool:
        """Return whether the batch holds a further design, after asking the optimizer if it can be asked."""
        if self._given < len(self._batch):
            return True
        if len(self.pending) and not self._optimizer.concurrent:
            return False
        self._batch, self._given = self._optimizer.ask(self.pending), 0
        return True

    def tell(self, designs: Designs, scores: Scores) -> None:
        """Receive the scores of pending designs, of all or of some, in any order.

        Raises:
            ConfigurationError: if a design is not pending.
            ModelError: if an optimizer of your own raises an error.
        """
        told, designs = without_violations(scores), np.asarray(designs, dtype=self.pending.dtype)
        rows, places = [row.tobytes() for row in self.pending], []
        for row, design in enumerate(designs):
            match = (place for place, each in enumerate(rows) if each == design.tobytes() and place not in places)
            place = next(match, None)
            if place is None:
                raise ConfigurationError(f"design {row} is not pending: tell each design that `ask` returned once")
            places.append(place)
        if self._optimizer.concurrent:
            self.pending = np.delete(self.pending, places, axis=0)
            self._optimizer.tell(designs, told)
            return
        first = np.flatnonzero([k not in self._waiting for k in range(self._given)])  # where pending designs are
        self._waiting |= {int(first[place]): told.take(np.array([row])) for row, place in enumerate(places)}
        self.pending = np.delete(self.pending, places, axis=0)
        if len(self._waiting) == len(self._batch):  # else the budget ends within the batch, or more are to come
            stacked = Scores.stacked([self._waiting[place] for place in range(len(self._batch))])
            self._waiting = {}
            self._optimizer.tell(self._batch, stacked)


@dataclass(frozen=True, eq=False)
class Found(ValueObject):
    """The result of a search.

    Attributes:
        task: the task.
        target: (T,) target values.
        designs: (k, width) best designs that differ from each other, the best first.
        scores: their scores by the task's models, or the known ones.
        evaluated: (N, width) all designs in the order of their evaluation.
        rewards: (N,) their rewards; 0 where the constraint is violated.
    """

    task: DesignTask
    target: FloatArray
    designs: Designs
    scores: Scores
    evaluated: Designs
    rewards: FloatArray

    def __str__(self) -> str:
        """Return a line for each of the best designs: its reward and a description."""
        rewards = self.scores.reward.tolist()
        return "\n".join(f"{reward:.3f}  {text}" for reward, text in zip(rewards, self.describe(), strict=True))

    def verify(self) -> Scores:
        """Return the scores of the best designs by the oracles, which count as oracle evaluations."""
        return self.task.verify(self.designs, Problem(self.task, self.target).targets(len(self.designs)))

    def describe(self) -> list[str]:
        """Return a description of each of the best designs in words."""
        return [self.task.describe(design) for design in self.designs]


def search(
    task: DesignTask,
    method: MakeOptimizer,
    target: FloatArray | float | tuple[float, ...] = (),
    evaluations: int = 256,
    seed: int = 0,
    *,
    k: int = 5,
    distance: float = 0.0,
    describe: Describe | None = None,
    generator: DesignGenerator | None = None,
    known: Known | None = None,
    on_turn: Callable[[int], None] = lambda _: None,
) -> Found:
    """Search the best designs of a task for one target.

    To compare methods on many targets, use `matgym.benchmark.search.search`.

    Args:
        task: task that scores designs and counts evaluations.
        method: an optimizer class, or a function that makes an optimizer, such as that of
            `matgym.benchmark.methods.optimizer_class`.
        target: target value, or T values; empty if the task is to find an extreme.
        evaluations: number of designs that are evaluated.
        seed: random seed of the method.
        k: largest number of designs that are returned.
        distance: largest distance of returned designs that count as the same; see `matgym.agents.best`.
        describe: the numbers by which designs are compared; see `matgym.agents.best`.
        generator: generator of the initial designs of decorated tubes.
        known: designs whose scores are known; they may be among the returned designs.
        on_turn: function that is called with the number of evaluations after each batch.

    Raises:
        ConfigurationError: if a number is out of range, the target does not fit the task, or no design was allowed.
        ModelError: if an optimizer of your own raises an error, or evaluates designs that it did not ask for.
    """
    require_counts(evaluations=evaluations, k=k)
    wanted = np.atleast_1d(np.asarray(target, dtype=np.float64))
    if len(wanted) != len(task.target_names):
        raise ConfigurationError(
            f"target={target!r} holds {len(wanted)} values, and the task has {len(task.target_names)} targets "
            f"({', '.join(task.target_names) or 'it finds an extreme'})"
        )
    problem = Problem(task, wanted, generator, known)
    session = AskTell(method, problem, evaluations, seed)
    parts = [] if known is None else [(known.designs, without_violations(known.scores))]
    spent = 0
    while spent < evaluations:
        before = task.ledger.counts.total()
        asked = session.ask()
        check_counts(task, before, session.name)
        scores = score_asked(task, asked, problem.targets(len(asked)))
        before = task.ledger.counts.total()
        session.tell(asked, scores)
        check_counts(task, before, session.name)
        parts.append((asked, scores))
        spent += len(asked)
        on_turn(spent)
    every, scores = np.concatenate([part for part, _ in parts]), Scores.stacked([part for _, part in parts])
    allowed = np.flatnonzero(np.isfinite(scores.loss))
    if not len(allowed):
        raise ConfigurationError(
            f"none of {len(every)} designs has a value and meets the constraint: give more evaluations"
        )
    chosen = allowed[best(every[allowed], scores.reward[allowed], k, task.space, distance=distance, describe=describe)]
    return Found(task, wanted, every[chosen], scores.take(chosen), every, scores.reward)
