"""Optuna's samplers as optimizers (Akiba et al., KDD 2019)."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.agents.problem import Problem
from matgym.errors import ConfigurationError
from matgym.tasks import Designs, Scores, Variable
from matgym.typing import FloatArray


class OptunaSearch(Optimizer):
    """Search of the variables of a design space with a sampler of Optuna.

    Attributes:
        sampler: name of a class in `optuna.samplers`.
        settings: keyword arguments of this class, except its seed.
    """

    concurrent = True
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
        self._space = {each.name: _distribution(each) for each in problem.variables}
        self._trials: dict[bytes, list[Any]] = {}  # trials of pending designs
        if problem.known is not None:
            self._study.add_trials(
                [
                    optuna.trial.create_trial(params=self._params(row), distributions=self._space, value=float(reward))
                    for row, reward in zip(
                        self.space.to_numbers(problem.known.designs), problem.known.scores.reward, strict=True
                    )
                ]
            )

    def _params(self, numbers: FloatArray) -> dict[str, float]:
        """Return Optuna's parameters of (d,) numbers of the variables."""
        return {
            each.name: round(number) if each.count else number
            for each, number in zip(self.problem.variables, numbers.tolist(), strict=True)
        }

    @override
    def ask(self) -> Designs:
        trial = self._study.ask(fixed_distributions=self._space)
        design = self.space.from_numbers(np.array([[trial.params[name] for name in self._space]], dtype=np.float64))
        self._trials.setdefault(design.tobytes(), []).append(trial)
        return design

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        for design, reward in zip(designs, scores.reward.tolist(), strict=True):
            self._study.tell(self._trials[design.tobytes()].pop(0), reward)


def _distribution(variable: Variable) -> Any:
    """Return Optuna's distribution of the numbers of a variable."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if variable.kind == "continuous":
        return FloatDistribution(variable.low, variable.high)
    if variable.is_ordered:
        return IntDistribution(round(variable.low), round(variable.high))
    return CategoricalDistribution(range(variable.count))


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
