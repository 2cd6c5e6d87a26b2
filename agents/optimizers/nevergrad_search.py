"""Optimizers of Nevergrad on the unit cube of a design space (Bennet et al., ACM SIGEVOlution 14, 8 (2021))."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.base import Problem
from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.optimizers.memory import TRIES
from matgym.errors import ConfigurationError, MissingExtraError
from matgym.tasks import Choices, Designs, DesignSpace, Scores
from matgym.typing import FloatArray

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
        optimizer = optimizer or (FOR_CHOICES if all(self.space.choices) else FOR_NUMBERS)
        if optimizer not in registry:
            close = get_close_matches(str(optimizer), registry, n=1) or [FOR_NUMBERS]
            raise ConfigurationError(f"Nevergrad has no optimizer {optimizer!r:.80}: did you mean {close[0]!r}?")
        self._global_state: Any = np.random.RandomState(int(rng.integers(2**31))).get_state()
        with self._own_generator():
            parameters = _parameters(self.space)
            parameters.random_state = np.random.RandomState(int(rng.integers(2**31)))
            self._optimizer = registry[optimizer](parameters, budget=budget, num_workers=1)
        if any(each.recast for each in (self._optimizer, getattr(self._optimizer, "optim", self._optimizer))):
            raise ConfigurationError(
                f"Nevergrad's {optimizer} runs in a thread of its own, which keeps a process from ending: use "
                "CMA or TwoPointsDE"
            )
        self._candidate: Any = None

    @override
    def ask(self) -> Designs:
        for _ in range(TRIES):
            with self._own_generator():
                self._candidate = self._optimizer.ask()
            design = self.space.from_points(self.space.points(_values(self._candidate.value)))
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


def _parameters(space: DesignSpace) -> Any:
    """Return Nevergrad's parameters of the coordinates of a space.

    Two values need no order. So they are whole numbers, too, of which one array is ten times faster than many `Choice`.
    """
    import nevergrad

    counts = np.array(space.choices)
    if not counts.any():
        return nevergrad.p.Array(shape=counts.shape, lower=0.0, upper=1.0)
    ordered = isinstance(space, Choices) and space.ordered
    if (counts > 1).all() and (ordered or (counts == 2).all()):
        whole = nevergrad.p.Array(init=(counts - 1) / 2.0, lower=np.zeros(len(counts)), upper=counts - 1.0)
        return whole.set_integer_casting()
    return nevergrad.p.Tuple(
        *(
            nevergrad.p.Choice(range(count), deterministic=True) if count else nevergrad.p.Scalar(lower=0.0, upper=1.0)
            for count in counts.tolist()
        )
    )


def _values(value: Any) -> FloatArray:
    """Return (1, d) values of the coordinates."""
    return np.asarray(value, dtype=np.float64).reshape(1, -1)
