"""The genetic algorithm of pymoo with the operators of a design space (Blank and Deb, IEEE Access 8, 89497 (2020))."""

from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.agents.optimizers.heuristics import Remembering
from matgym.agents.optimizers.memory import Memory
from matgym.agents.problem import Problem
from matgym.errors import MissingExtraError, require_counts
from matgym.tasks import Designs, DesignSpace, Scores

POPULATION: Final = 24
"""Population size: that of `genetic` and `nsga2`, so that few evaluations are several generations. It is not tuned."""

MATINGS: Final = 4
"""Number of times that a generation is filled up with children that are new; a choice of ours. pymoo's 100 take seconds
when the population has converged."""


class PymooGA(Remembering):
    """Genetic algorithm of pymoo: tournaments of two, and the best of parents and children survive.

    The design space samples, recombines and mutates. How often is pymoo's default: nine of ten children are recombined,
    and all are mutated. Designs with the key of an earlier one are eliminated before they are evaluated.

    Args:
        population: population size and number of children of a generation.

    Raises:
        ConfigurationError: if `population` is below 1.
        MissingExtraError: if pymoo is not installed.
    """

    def __init__(self, problem: Problem, budget: int, rng: np.random.Generator, population: int = POPULATION) -> None:
        super().__init__(problem, budget, rng)
        require_counts(population=population)
        try:
            from pymoo.core.problem import Problem as PymooProblem
            from pymoo.core.termination import NoTermination
        except ModuleNotFoundError:
            raise MissingExtraError("pymoo", "opponents") from None
        self._algorithm = _algorithm(problem, self.memory, min(population, budget))
        self._algorithm.setup(
            PymooProblem(n_var=self.space.width), termination=NoTermination(), seed=int(rng.integers(2**31))
        )
        self._asked: Any = None

    @override
    def ask(self) -> Designs:
        from pymoo.core.population import Population

        self._asked = self._algorithm.ask()
        if self._asked is None or not len(self._asked):  # all children of the population are known
            self._algorithm.termination.force_termination = False
            fresh = self.memory.new(lambda: self.space.sample(1, self.rng), self.rng)
            self._asked = Population.new("X", fresh)
        return np.asarray(self._asked.get("X"))

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        from pymoo.core.evaluator import Evaluator
        from pymoo.problems.static import StaticProblem

        self.memory.add(designs, scores.reward)
        Evaluator().eval(StaticProblem(self._algorithm.problem, F=-scores.reward[:, None]), self._asked)
        self._algorithm.tell(infills=self._asked)


def _algorithm(problem: Problem, memory: Memory, population: int) -> Any:
    """Return pymoo's genetic algorithm with the operators of a design space."""
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.crossover import Crossover
    from pymoo.core.duplicate import DuplicateElimination
    from pymoo.core.mutation import Mutation
    from pymoo.core.sampling import Sampling

    space: DesignSpace = problem.space

    class Start(Sampling):  # type: ignore[misc]
        def _do(self, _: Any, count: int, *__: Any, random_state: np.random.Generator, **___: Any) -> Designs:
            return problem.start(count, random_state)

    class Recombination(Crossover):  # type: ignore[misc]
        def _do(self, _: Any, parents: Any, *__: Any, random_state: np.random.Generator, **___: Any) -> Any:
            first, second = parents
            children = (space.recombine(*pair, random_state) for pair in ((first, second), (second, first)))
            return np.stack(list(children))

    class Variation(Mutation):  # type: ignore[misc]
        def _do(self, _: Any, designs: Designs, *__: Any, random_state: np.random.Generator, **___: Any) -> Designs:
            return space.mutate(designs, random_state)

    class SameKey(DuplicateElimination):  # type: ignore[misc]
        def _do(self, designs: Any, others: Any, _: Any) -> Any:
            rows = np.asarray(designs.get("X"))
            if others is None:
                return memory.old(rows)
            keys = set(memory.keys(np.asarray(others.get("X"))))
            return np.array([key in keys for key in memory.keys(rows)])

    algorithm = GA(
        pop_size=population,
        sampling=Start(),
        crossover=Recombination(n_parents=2, n_offsprings=2),
        mutation=Variation(),
        eliminate_duplicates=SameKey(),
    )
    algorithm.mating.n_max_iterations = MATINGS
    return algorithm
