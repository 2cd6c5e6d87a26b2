"""The face of every optimizer: ask for designs, tell what they were worth."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matgym.models import Predictions
from matgym.tasks import Decorations, DesignGenerator, Designs, DesignSpace, DesignTask, Scores
from matgym.typing import FloatArray


@dataclass(frozen=True, eq=False)
class Problem:
    """What one search is for.

    Attributes:
        task: what is designed.
        target: (T,) what it is to meet; empty where an extreme is wanted.
        generator: of the initial designs, of decorated tubes; None draws them at random.
    """

    task: DesignTask
    target: FloatArray
    generator: DesignGenerator | None = None

    @property
    def space(self) -> DesignSpace:
        """Of designs."""
        return self.task.space

    def targets(self, count: int) -> FloatArray:
        """(count,) or (count, T) copies of the target."""
        copies = np.tile(self.target, (count, 1))
        return copies[:, 0] if len(self.target) == 1 else copies

    def start(self, count: int, rng: np.random.Generator) -> Designs:
        """(count, width) initial designs."""
        if self.generator is None or not isinstance(self.space, Decorations):
            return self.space.sample(count, rng)
        return self.space.encode(self.generator.sample(self.space, self.targets(count), rng))


class Optimizer(ABC):
    """One search. An optimizer of your own implements `ask` and `tell`.

    Attributes:
        problem: what is searched.
        space: of designs: samples them, mutates one, recombines two, makes them of points of the cube.
        budget: designs that may be evaluated.
        rng: the only source of randomness.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        self.problem = problem
        self.space = problem.space
        self.budget = budget
        self.rng = rng

    @abstractmethod
    def ask(self) -> Designs:
        """(B, width) designs to evaluate, as many as suit the search; what exceeds the budget is not evaluated."""

    @abstractmethod
    def tell(self, designs: Designs, scores: Scores) -> None:
        """What the designs asked last were worth.

        Args:
            designs: (B, width).
            scores: their (B,) rewards in [0, 1]; what was predicted of them, with failures and standard deviations;
                and by how much they break the constraint, if there is one.
        """


def _random_scores(problem: Problem, count: int, rng: np.random.Generator) -> Scores:
    reward = rng.random(count)
    cost = None if problem.task.constraint is None else np.zeros(count)
    return Scores(reward, 1.0 - reward, Predictions({problem.task.value_name: reward}), reward, cost=cost)


def check_optimizer(
    make: Callable[[Problem, int, np.random.Generator], Optimizer], problem: Problem, budget: int = 64
) -> None:
    """Check an optimizer of your own on a problem: `matgym.testing` for optimizers.

    It must ask for valid designs only, and for the same again from the same generator of random numbers.

    Args:
        make: the class, or what makes one.
        problem: to search; it is not evaluated, rewards are drawn at random.
        budget: designs to ask for.
    """
    traces = []
    for _ in range(2):
        optimizer, worth = make(problem, budget, np.random.default_rng(4)), np.random.default_rng(0)
        trace: list[Designs] = []
        while sum(len(part) for part in trace) < budget:
            designs = optimizer.ask()
            assert designs.ndim == 2, f"ask() gave shape {designs.shape}: it must be (B, {problem.space.width})"  # noqa: S101
            assert len(designs), "ask() gave no design"  # noqa: S101
            assert problem.space.valid(designs).all(), f"ask() gave what is no design: {designs}"  # noqa: S101
            trace.append(designs.copy())
            optimizer.tell(designs, _random_scores(problem, len(designs), worth))
        traces.append(np.concatenate(trace))
    assert np.array_equal(traces[0], traces[1]), "the same generator gave other designs: draw from `rng` alone"  # noqa: S101
