"""The interface of all optimizers: `ask` returns designs, and `tell` receives their scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matgym.frozen import ValueObject
from matgym.models import Predictions
from matgym.tasks import Decorations, DesignGenerator, Designs, DesignSpace, DesignTask, Scores
from matgym.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Problem(ValueObject):
    """The problem of one search.

    Attributes:
        task: the design task.
        target: (T,) target values; empty if the task is to find an extreme.
        generator: generator of the initial designs of decorated tubes; None draws them at random.
    """

    task: DesignTask
    target: FloatArray
    generator: DesignGenerator | None = None

    @property
    def space(self) -> DesignSpace:
        """Return the design space of the task."""
        return self.task.space

    def targets(self, count: int) -> FloatArray:
        """Return (count,) or (count, T) copies of the target."""
        copies = np.tile(self.target, (count, 1))
        return copies[:, 0] if len(self.target) == 1 else copies

    def start(self, count: int, rng: np.random.Generator) -> Designs:
        """Return (count, width) initial designs."""
        if self.generator is None or not isinstance(self.space, Decorations):
            return self.space.sample(count, rng)
        return self.space.encode(self.generator.sample(self.space, self.targets(count), rng))


class Optimizer(ABC):
    """One search. Your own optimizer is a subclass with `ask` and `tell`.

    Attributes:
        problem: the problem to be searched.
        space: the design space. It samples designs, mutates one, recombines two, and maps points of the unit cube to
            designs.
        budget: number of designs that are evaluated.
        rng: the only source of randomness.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        self.problem = problem
        self.space = problem.space
        self.budget = budget
        self.rng = rng

    @abstractmethod
    def ask(self) -> Designs:
        """Return (B, width) designs to be evaluated, for any B; designs beyond the budget are not evaluated."""

    @abstractmethod
    def tell(self, designs: Designs, scores: Scores) -> None:
        """Receive the scores of the designs of the last `ask`.

        Args:
            designs: (B, width) designs.
            scores: (B,) rewards in [0, 1], predictions with failures and standard deviations, and the violation of the
                constraint if there is one.
        """


def _random_scores(problem: Problem, count: int, rng: np.random.Generator) -> Scores:
    reward = rng.random(count)
    cost = None if problem.task.constraint is None else np.zeros(count)
    return Scores(reward, 1.0 - reward, Predictions({problem.task.value_name: reward}), reward, cost=cost)


def check_optimizer(
    make: Callable[[Problem, int, np.random.Generator], Optimizer], problem: Problem, budget: int = 64
) -> None:
    """Check your own optimizer on a problem.

    `ask` must return valid designs only, and equal random generators must give equal designs.

    Args:
        make: the class, or a function that makes an optimizer.
        problem: problem to be searched. It is not evaluated: rewards are drawn at random.
        budget: number of designs to request.

    Raises:
        AssertionError: if the optimizer does not pass.
    """
    traces = []
    for _ in range(2):
        optimizer, worth = make(problem, budget, np.random.default_rng(4)), np.random.default_rng(0)
        trace: list[Designs] = []
        while sum(len(part) for part in trace) < budget:
            designs = optimizer.ask()
            assert designs.ndim == 2, f"ask() gave shape {designs.shape}: return (B, {problem.space.width})"  # noqa: S101
            assert len(designs), "ask() gave no design: return one or more"  # noqa: S101
            assert problem.space.valid(designs).all(), f"ask() gave an invalid design: {designs}"  # noqa: S101
            trace.append(designs.copy())
            optimizer.tell(designs, _random_scores(problem, len(designs), worth))
        traces.append(np.concatenate(trace))
    assert np.array_equal(traces[0], traces[1]), "equal generators gave different designs: draw from `rng` only"  # noqa: S101
