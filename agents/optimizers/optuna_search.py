"""Optuna's samplers as optimizers (Akiba et al., KDD 2019)."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer, Problem
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, Scores


class OptunaSearch(Optimizer):
    """Search of the unit cube of a design space with a sampler of Optuna.

    Attributes:
        sampler: name of a class in `optuna.samplers`.
        settings: keyword arguments of this class, except its seed.
    """

    sampler: ClassVar[str] = "TPESampler"
    settings: ClassVar[dict[str, Any]] = {}

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator, **settings: Any) -> None:
        """Create a study; `settings` override those of the class.

        Raises:
            ConfigurationError: if Optuna has no such sampler.
        """
        import optuna

        super().__init__(problem, budget, rng)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        made = getattr(optuna.samplers, self.sampler, None)
        if made is None:
            raise ConfigurationError(f"optuna.samplers has no {self.sampler!r}: give the name of one of its classes")
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
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011)."""


class GP(OptunaSearch):
    """Bayesian optimization with a Gaussian process (Matérn 5/2, log expected improvement)."""

    sampler: ClassVar[str] = "GPSampler"
    settings: ClassVar[dict[str, Any]] = {"deterministic_objective": True}


class CMAES(OptunaSearch):
    """Covariance matrix adaptation (Hansen and Ostermeier, Evol. Comput. 9, 159 (2001))."""

    sampler: ClassVar[str] = "CmaEsSampler"
    settings: ClassVar[dict[str, Any]] = {"warn_independent_sampling": False}


class NSGA2(OptunaSearch):
    """Non-dominated sorting genetic algorithm with one objective (Deb et al., IEEE TEC 6, 182 (2002))."""

    sampler: ClassVar[str] = "NSGAIISampler"
    settings: ClassVar[dict[str, Any]] = {"population_size": 24}


class QMC(OptunaSearch):
    """Quasi-random search with a scrambled Sobol sequence; it uses no scores."""

    sampler: ClassVar[str] = "QMCSampler"
    settings: ClassVar[dict[str, Any]] = {"scramble": True, "warn_independent_sampling": False}
