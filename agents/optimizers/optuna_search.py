"""Optuna's samplers as optimizers: Akiba et al., KDD 2019."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer, Problem
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, Scores


class OptunaSearch(Optimizer):
    """Searches the unit cube of a space by a sampler of Optuna, or by one of your own.

    Attributes:
        sampler: name of a class in `optuna.samplers`.
        settings: of it, other than its seed.
    """

    sampler: ClassVar[str] = "TPESampler"
    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator, **settings: Any) -> None:
        """Prepare a study; `settings` take the place of the class's."""
        import optuna

        super().__init__(problem, budget, rng)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made = getattr(optuna.samplers, self.sampler, None)
        if made is None:
            raise ConfigurationError(f"optuna.samplers has no {self.sampler!r}")
        seed = int(rng.integers(2**31))
        self._study = optuna.create_study(direction="maximize", sampler=made(seed=seed, **(self.settings | settings)))
        self._space: dict[str, Any] = {
            f"x{i}": optuna.distributions.IntDistribution(0, count - 1)
            if count
            else optuna.distributions.FloatDistribution(0.0, 1.0)
            for i, count in enumerate(self.space.choices)
        }

    @override
    def ask(self) -> Designs:
        self._trial = self._study.ask(fixed_distributions=self._space)
        values = np.array([[self._trial.params[name] for name in self._space]], dtype=np.float64)
        return self.space.from_points(self.space.points(values))

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        self._study.tell(self._trial, float(scores.reward[0]))


class TPE(OptunaSearch):
    """Tree-structured Parzen estimators: Bergstra et al., NeurIPS 2011."""


class GP(OptunaSearch):
    """Bayesian optimization by a Gaussian process, Matérn 5/2, log expected improvement."""

    sampler: ClassVar[str] = "GPSampler"
    settings: ClassVar[dict[str, Any]] = {"deterministic_objective": True}


class CMAES(OptunaSearch):
    """Covariance matrix adaptation: Hansen and Ostermeier, Evol. Comput. 9, 159 (2001)."""

    sampler: ClassVar[str] = "CmaEsSampler"
    settings: ClassVar[dict[str, Any]] = {"warn_independent_sampling": False}


class NSGA2(OptunaSearch):
    """Non-dominated sorting genetic algorithm, here with one objective: Deb et al., IEEE TEC 6, 182 (2002)."""

    sampler: ClassVar[str] = "NSGAIISampler"
    settings: ClassVar[dict[str, Any]] = {"population_size": 24}


class QMC(OptunaSearch):
    """A scrambled Sobol sequence: what covers the cube evenly, and learns nothing."""

    sampler: ClassVar[str] = "QMCSampler"
    settings: ClassVar[dict[str, Any]] = {"scramble": True, "warn_independent_sampling": False}
