"""The interface of all optimizers: `ask` returns designs, and `tell` receives their scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np

from matgym.agents.problem import Problem
from matgym.agents.scoring import without_violations
from matgym.agents.searched import SearchedTask
from matgym.errors import MatgymError, ModelError, one_line, require_counts
from matgym.models import Predictions
from matgym.tasks import Designs, DesignTask, Scores

__all__ = ["CheckedOptimizer", "MakeOptimizer", "Optimizer", "Problem", "check_counts", "check_optimizer", "name_of"]


class Optimizer(ABC):
    """One search. Your own optimizer is a subclass with `ask` and `tell`.

    Attributes:
        problem: the problem to be searched.
        space: the design space. It samples designs, mutates one, recombines two, and maps points of the unit cube to
            designs.
        budget: number of designs that are evaluated.
        rng: the only source of randomness.
        pending: (P, width) designs that were asked and whose scores are not known. Only a concurrent optimizer is asked
            while there are any.
        concurrent: whether `ask` may be called while designs are pending, and `tell` may receive the scores of some of
            them in any order. If not, `tell` receives exactly the designs of the last `ask`.
    """

    concurrent: ClassVar[bool] = False

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        self.problem = problem
        self.space = problem.space
        self.budget = budget
        self.rng = rng
        self.pending: Designs = problem.space.sample(0, np.random.default_rng(0))

    @abstractmethod
    def ask(self) -> Designs:
        """Return (B, width) designs to be evaluated, for any B; designs beyond the budget are not evaluated."""

    @abstractmethod
    def tell(self, designs: Designs, scores: Scores) -> None:
        """Receive the scores of the designs of the last `ask`.

        Args:
            designs: (B, width) designs.
            scores: (B,) rewards in [0, 1]; values of the objectives' properties with failures and standard deviations
                (`predictions`); values and violations of the constraint, if there is one (`bounded`, `cost`).
        """


MakeOptimizer: TypeAlias = Callable[[Problem, int, np.random.Generator], Optimizer]
"""An optimizer class, or a function that makes an optimizer."""


def name_of(make: MakeOptimizer) -> str:
    """Return the name of an optimizer class or of a function that makes an optimizer."""
    return getattr(make, "__name__", None) or type(make).__name__


def check_counts(task: DesignTask, counted: int, name: str) -> None:
    """Check that the ledger of a task has counted no evaluation that an optimizer did not ask for.

    Args:
        task: the task.
        counted: number of evaluations of all kinds that it should have.
        name: name of the optimizer.

    Raises:
        ModelError: if there are more.
    """
    if excess := task.ledger.counts.total() - counted:
        raise ModelError(
            f"{name} made {excess:,} evaluations of the task beyond those of its ask(): score designs by ask() and "
            "tell() only"
        )


class CheckedOptimizer:
    """An optimizer whose designs are checked, and whose errors name it.

    The optimizer gets the problem without its models (`SearchedTask`), so that it cannot score designs by itself.

    Args:
        make: the class, or a function that makes the optimizer.
        problem: the problem to be searched.
        budget: number of designs that are evaluated.
        rng: its source of randomness.
        name: name in errors; the default is that of the class or the function.

    Raises:
        ModelError: if the optimizer cannot be made.
    """

    def __init__(
        self, make: MakeOptimizer, problem: Problem, budget: int, rng: np.random.Generator, name: str = ""
    ) -> None:
        self.name = name or name_of(make)
        searched = problem.task
        if not isinstance(searched, SearchedTask):  # one such task serves all targets of a search
            searched = SearchedTask.of(searched, self.name)
        known = problem.known
        if known is not None:  # as `tell` receives scores
            known = replace(known, scores=without_violations(known.scores))
        self.problem = replace(problem, task=searched, known=known)
        self._dtype = problem.space.sample(1, np.random.default_rng(0)).dtype
        self._optimizer: Any = self._called("its constructor", partial(make, self.problem, budget, rng))
        if not isinstance(self._optimizer, Optimizer):
            raise ModelError(f"{self.name} made {self._optimizer!r:.80}: it must make a matgym.agents.Optimizer")

    @property
    def concurrent(self) -> bool:
        """Whether designs may be asked while others are pending."""
        return bool(self._optimizer.concurrent)

    def ask(self, pending: Designs | None = None) -> Designs:
        """Return the (B, width) designs that the optimizer asks to be evaluated, with the data type of the space.

        Args:
            pending: (P, width) designs that a concurrent optimizer has asked, and whose scores are not known.

        Raises:
            ModelError: if the optimizer raises an error, or returns anything else than one or more rows of numbers that
                the space's data type can hold. Rows that are not designs of the space are no error.
        """
        if pending is not None:
            self._optimizer.pending = pending
        asked, width = self._called("ask()", self._optimizer.ask), self.problem.space.width
        must = f"ask() must return an array of shape (B, {width}) with one or more designs"
        if not isinstance(asked, np.ndarray):
            raise ModelError(f"{self.name}: ask() gave {asked!r:.80}: {must}")
        if asked.ndim != 2 or asked.shape[1] != width or not len(asked):
            raise ModelError(f"{self.name}: ask() gave an array of shape {asked.shape}: {must}")
        if asked.dtype.kind not in "biuf":
            raise ModelError(f"{self.name}: ask() gave an array of type {asked.dtype}: give {self._dtype}")
        with np.errstate(invalid="ignore"):
            designs = asked.astype(self._dtype)
        changed = ~(np.isfinite(asked) & (designs == asked))
        if changed.any():
            raise ModelError(f"{self.name}: ask() gave {asked[changed][0]}, which is no {self._dtype} of a design")
        return designs

    def tell(self, designs: Designs, scores: Scores) -> None:
        """Give the optimizer the scores of the designs of the last `ask`.

        Raises:
            ModelError: if the optimizer raises an error.
        """
        self._called("tell()", partial(self._optimizer.tell, designs, scores))

    def _called(self, what: str, call: Callable[[], Any]) -> Any:
        """Return the result of the user's code; its errors become errors that name it."""
        try:
            return call()
        except MatgymError:
            raise
        except Exception as error:
            raise ModelError(f"{self.name}: {what} raised {type(error).__name__}: {one_line(error)}") from error


def _random_scores(problem: Problem, count: int, rng: np.random.Generator) -> Scores:
    reward = rng.random(count)
    cost = None if problem.task.constraint is None else np.zeros(count)
    predictions = Predictions({objective.key: reward for objective in problem.task.counted})
    return Scores(reward, 1.0 - reward, predictions, reward, cost=cost)


def check_optimizer(make: MakeOptimizer, problem: Problem, budget: int = 64) -> None:
    """Check your own optimizer on a problem.

    `ask` must return valid designs only, equal random generators must give equal designs, and the optimizer must not
    score designs by itself, neither through `problem.task` nor by `score` or `verify` of the same task that it knows
    from elsewhere. A task that the optimizer's own code makes anew, and a model that it imports, are not detected.

    Args:
        make: the class, or a function that makes an optimizer.
        problem: problem to be searched. It is not evaluated: rewards are drawn at random.
        budget: number of designs to request.

    Raises:
        AssertionError: if the optimizer does not pass.
        ConfigurationError: if the budget is below 1, or the optimizer cannot search this problem.
    """
    require_counts(budget=budget)
    before = problem.task.ledger.counts.total()
    try:
        first, second = (_asked(make, problem, budget) for _ in range(2))
        check_counts(problem.task, before, name_of(make))
    except ModelError as error:
        raise AssertionError(str(error)) from error
    assert np.array_equal(first, second), "equal generators gave different designs: draw from `rng` only"  # noqa: S101


def _asked(make: MakeOptimizer, problem: Problem, budget: int) -> Designs:
    """Return the designs of one search with random rewards, after checking them."""
    optimizer = CheckedOptimizer(make, problem, budget, np.random.default_rng(4))
    worth, count = np.random.default_rng(0), 0
    trace: list[Designs] = []
    while count < budget:
        designs = optimizer.ask()
        assert problem.space.valid(designs).all(), f"ask() gave an invalid design: {designs}"  # noqa: S101
        trace.append(designs.copy())
        count += len(designs)
        optimizer.tell(designs, _random_scores(problem, len(designs), worth))
    return np.concatenate(trace)
