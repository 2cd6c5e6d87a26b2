"""Optimizers of Nevergrad on the unit cube of a design space (Bennet et al., ACM SIGEVOlution 14, 8 (2021))."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.optimizers.memory import TRIES
from matgym.agents.problem import Problem
from matgym.errors import ConfigurationError, MissingExtraError
from matgym.tasks import Designs, Scores, Variable

FOR_CHOICES: Final = "NGOpt"
FOR_NUMBERS: Final = "CMA"
"""The default optimizers. NGOpt chooses an optimizer by the kind of the coordinates and the budget. For numbers and
small budgets it chooses a solver of SciPy in a thread of its own, which keeps a Python process from ending, or a model
that does not run with NumPy 2.4. For numbers and large budgets it chooses CMA."""


class Nevergrad(Remembering):
    """Optimizer of Nevergrad.

    Numbers are an array with bounds, ordered choices are whole numbers, and other choices are Nevergrad's `Choice`. A
    point whose design was evaluated before gets the known reward, and another point is asked.

    Args:
        optimizer: name of an optimizer in `nevergrad.optimizers.registry`; the default is `FOR_CHOICES`, or
            `FOR_NUMBERS` if a coordinate is a number.

    Raises:
        ConfigurationError: if Nevergrad has no such optimizer, or the optimizer runs in a thread of its own.
        MissingExtraError: if Nevergrad is not installed.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator, optimizer: str | None = None) -> None:
        super().__init__(problem, budget, rng)
        try:
            import nevergrad
        except ModuleNotFoundError:
            raise MissingExtraError("nevergrad", "opponents") from None
        registry = nevergrad.optimizers.registry
        optimizer = optimizer or (FOR_CHOICES if all(each.count for each in problem.variables) else FOR_NUMBERS)
        if optimizer not in registry:
            close = get_close_matches(str(optimizer), registry, n=1) or [FOR_NUMBERS]
            raise ConfigurationError(f"Nevergrad has no optimizer {optimizer!r:.80}: did you mean {close[0]!r}?")
        self._global_state: Any = np.random.RandomState(int(rng.integers(2**31))).get_state()
        with self._own_generator():
            parameters = _parameters(problem.variables)
            parameters.random_state = np.random.RandomState(int(rng.integers(2**31)))
            self._optimizer = registry[optimizer](parameters, budget=budget, num_workers=1)
        if any(each.recast for each in (self._optimizer, getattr(self._optimizer, "optim", self._optimizer))):
            raise ConfigurationError(
                f"Nevergrad's {optimizer} runs in a thread of its own, which keeps a process from ending: use "
                "CMA or TwoPointsDE"
            )
        self._candidate: Any = None
        if problem.known is not None:
            numbers = self.space.to_numbers(problem.known.designs)
            for row, reward in zip(numbers, problem.known.scores.reward.tolist(), strict=True):
                value = row if isinstance(parameters, nevergrad.p.Array) else tuple(row.tolist())
                self._candidate = parameters.spawn_child(new_value=value)
                self._tell(reward)

    @override
    def ask(self) -> Designs:
        for _ in range(TRIES):
            with self._own_generator():
                self._candidate = self._optimizer.ask()
            design = self.space.from_numbers(np.asarray(self._candidate.value, dtype=np.float64).reshape(1, -1))
            known = self.memory.reward(design)
            if known is None:
                return design
            self._tell(known)
        self._candidate = None
        return self.memory.new(lambda: self.space.sample(1, self.rng), self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        if self._candidate is not None:
            self._tell(float(scores.reward[0]))

    def _tell(self, reward: float) -> None:
        with self._own_generator():
            self._optimizer.tell(self._candidate, -reward)

    @contextmanager
    def _own_generator(self) -> Iterator[None]:
        """Lend NumPy's global generator, from which some optimizers of Nevergrad draw, and restore it after use."""
        outside = np.random.get_state()  # noqa: NPY002
        np.random.set_state(self._global_state)  # noqa: NPY002
        try:
            with warnings.catch_warnings(action="ignore"):
                yield
        finally:
            self._global_state = np.random.get_state()  # noqa: NPY002
            np.random.set_state(outside)  # noqa: NPY002


def _parameters(variables: Sequence[Variable]) -> Any:
    """Return Nevergrad's parameters of the numbers of variables.

    Variables of one kind are one array, which is ten times faster than many `Choice`.
    """
    from nevergrad import p

    low, high = np.array([(each.low, each.high) for each in variables]).T
    counts = np.array([each.count for each in variables])
    if not counts.any() or ((counts > 1).all() and all(each.is_ordered for each in variables)):
        numbers = p.Array(init=(low + high) / 2.0, lower=low, upper=high)
        return numbers.set_integer_casting() if counts.any() else numbers
    return p.Tuple(
        *(
            p.Choice([each.low + place for place in range(each.count)], deterministic=True)
            if each.count
            else p.Scalar(lower=each.low, upper=each.high)
            for each in variables
        )
    )
