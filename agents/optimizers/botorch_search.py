"""Bayesian optimization on the unit cube with BoTorch (Balandat et al., NeurIPS 2020).

Choices without order have a kernel of Hamming distances (`MixedSingleTaskGP`), and other coordinates have the standard
kernel (`SingleTaskGP`). The logarithm of the expected improvement (Ament et al., NeurIPS 2023) is maximized from
several points: by gradients for numbers, and by local search for choices. For one design it has a closed form.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.optimizers.memory import TRIES
from matgym.agents.optimizers.pair_model import GROWTH, START
from matgym.agents.problem import Problem
from matgym.errors import MissingExtraError
from matgym.tasks import Designs, Scores
from matgym.typing import FloatArray, IntArray

MOST_MODELLED: Final = 512
"""Most designs that the process is of, because its cost is their third power. The better half are the best designs, and
the others are random. A choice of ours."""

RESTARTS: Final = 4
CANDIDATES: Final = 128
"""Number of points from which the acquisition is maximized, and of random points that they are chosen from. Choices of
ours, not tuned."""


class BoTorchMixed(Remembering):
    """Bayesian optimization of the reward for choices, ordered choices and numbers; see the module.

    A point whose design was evaluated before is changed in one random coordinate, then in two, and so on.

    Raises:
        MissingExtraError: if BoTorch is not installed.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator) -> None:
        super().__init__(problem, budget, rng)
        try:
            import botorch  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError("botorch", "opponents") from None
        self._counts = np.array([each.count for each in problem.variables])
        self._nominal = [place for place, each in enumerate(problem.variables) if each.kind == "categorical"]
        self._low, self._high = np.array([(each.low, each.high) for each in problem.variables]).T
        self._points, self._rewards = np.zeros((0, len(self._counts))), np.zeros(0)
        if problem.known is not None:
            numbers = self.space.to_numbers(problem.known.designs)
            self._points = (numbers - self._low) / np.where(self._high > self._low, self._high - self._low, 1.0)
            self._rewards = problem.known.scores.reward
        self._parameters: dict[str, Any] | None = None
        self._fitted = 0
        self._asked = self._points

    # ---- ask and tell

    @override
    def ask(self) -> Designs:
        if len(self._rewards) < min(START, self.budget):
            self._asked = self._unknown(self._drawn(1))
        else:
            with self._own_generator():
                self._asked = self._unknown(self._proposed())
        return self._designs(self._asked)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self.memory.add(designs, scores.reward)
        self._points = np.concatenate([self._points, self._asked])
        self._rewards = np.concatenate([self._rewards, scores.reward])

    # ---- points: each coordinate from 0 to 1, choices in equal steps

    def _drawn(self, count: int) -> FloatArray:
        """Return (count, d) random points."""
        points = self.rng.random((count, len(self._counts)))
        values = np.floor(points * self._counts) / np.maximum(self._counts - 1, 1)
        return np.where(self._counts > 0, values, points)

    def _designs(self, points: FloatArray) -> Designs:
        return self.space.from_numbers(self._low + points * (self._high - self._low))

    def _unknown(self, point: FloatArray) -> FloatArray:
        """Return a point whose design was not evaluated, as similar to a (1, d) point as random changes find it."""
        changed = point
        for turn in range(2 * TRIES):
            if not self.memory.known(self._designs(changed))[0]:
                break
            width = len(self._counts)
            places = self.rng.permutation(width)[: 1 + turn * width // (2 * TRIES)]
            changed = point.copy()
            changed[0, places] = self._drawn(1)[0, places]
        return changed

    # ---- model and acquisition

    def _proposed(self) -> FloatArray:
        """Return the (1, d) point of largest expected improvement."""
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.optim import optimize_acqf
        from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating

        improvement = LogExpectedImprovement(self._model(), best_f=self._scaled().max())
        bounds = torch.tensor([[0.0], [1.0]], dtype=torch.double).expand(2, len(self._counts))
        effort = {"q": 1, "num_restarts": RESTARTS, "raw_samples": CANDIDATES}
        if not self._counts.any():
            return np.asarray(optimize_acqf(improvement, bounds, **effort)[0].numpy())
        values = {place: np.linspace(0.0, 1.0, count).tolist() for place, count in enumerate(self._counts) if count}
        kinds = {
            "cat_dims": {place: listed for place, listed in values.items() if place in self._nominal},
            "discrete_dims": {place: listed for place, listed in values.items() if place not in self._nominal},
        }
        return np.asarray(optimize_acqf_mixed_alternating(improvement, bounds, **kinds, **effort)[0].numpy())

    def _scaled(self) -> FloatArray:
        """Return (n,) rewards with mean 0 and standard deviation 1."""
        return np.asarray((self._rewards - self._rewards.mean()) / (self._rewards.std() or 1.0))

    def _model(self) -> Any:
        """Return the process of the evaluations; its hyper-parameters are fitted only when the data have grown."""
        from botorch.exceptions import ModelFittingError
        from botorch.fit import fit_gpytorch_mll
        from gpytorch.mlls import ExactMarginalLogLikelihood

        part, count = self._modelled(), len(self._rewards)
        if count >= GROWTH * self._fitted:
            self._fitted, model = count, self._process(part)
            try:
                fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
                self._parameters = model.state_dict()
            except ModelFittingError:
                pass  # the hyper-parameters before, or BoTorch's own, are taken
        model = self._process(part)
        if self._parameters is not None:
            model.load_state_dict(self._parameters)
        return model.eval()

    def _modelled(self) -> IntArray:
        """Return the evaluations that the process is of; see `MOST_MODELLED`."""
        order = np.argsort(-self._rewards, kind="stable")
        if len(order) <= MOST_MODELLED:
            return np.arange(len(order))
        half = MOST_MODELLED // 2
        return np.append(order[:half], self.rng.choice(order[half:], MOST_MODELLED - half, replace=False))

    def _process(self, part: IntArray) -> Any:
        """Return a Gaussian process of some of the evaluations."""
        import torch
        from botorch.models import MixedSingleTaskGP, SingleTaskGP

        x, y = torch.tensor(self._points[part]), torch.tensor(self._scaled()[part, None])
        if self._nominal:
            return MixedSingleTaskGP(x, y, cat_dims=self._nominal, outcome_transform=None)
        return SingleTaskGP(x, y, outcome_transform=None)

    @contextmanager
    def _own_generator(self) -> Iterator[None]:
        """Seed PyTorch's global generator from `rng`, and restore it after use."""
        import torch

        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
            torch.manual_seed(int(self.rng.integers(2**31)))
            yield
