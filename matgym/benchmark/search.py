"""Searches at equal counts: every method spends the same number of evaluations a target."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from matgym.agents.annealing import SimulatedAnnealing
from matgym.agents.base import Optimizer
from matgym.agents.genetic import GeneticAlgorithm
from matgym.agents.policy import Policy
from matgym.agents.random_search import RandomSearch
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube, tubes_on
from matgym.tasks import Scores, Seeder, SeederLike, TargetProperty, as_seeder
from matgym.typing import FloatArray, SpeciesArray

Method: TypeAlias = str | type[Optimizer] | Policy

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "random": RandomSearch,
    "annealing": SimulatedAnnealing,
    "genetic": GeneticAlgorithm,
}


@dataclass(frozen=True)
class Search:
    """What one method found for each of T targets.

    Attributes:
        method: its name.
        targets: (T,) in the property's unit.
        species: (T, n_sites) the design it believes best.
        belief: (T,) value of that design by the reward model.
        progress: (queries, T) believed error of the best design so far.
        visited: (V, n_sites) a sample of all designs it evaluated.
    """

    method: str
    targets: FloatArray
    species: SpeciesArray
    belief: FloatArray
    progress: FloatArray
    visited: SpeciesArray

    def tubes(self, task: TargetProperty) -> list[Nanotube]:
        """The designs as tubes."""
        return tubes_on(task.lattice, self.species)


def method_name(method: Method) -> str:
    """The name a method goes by in tables."""
    if isinstance(method, str):
        return method
    return method.name if isinstance(method, Policy) else method.__name__


def search(
    method: Method,
    task: TargetProperty,
    targets: FloatArray,
    queries: int,
    seed: int,
    on_turn: Callable[[], None] = lambda: None,
    seeder: SeederLike = "random",
) -> Search:
    """Let one method design for each target.

    Args:
        method: "random", "annealing", "genetic", an `Optimizer` class, or a trained `Policy`.
        task: scores designs and counts them.
        targets: (T,) wanted values.
        queries: evaluations of the reward model a target.
        seed: of the method.
        on_turn: called after each evaluation of all targets.
        seeder: gives optimizers their initial structures; a `Policy` has its own.

    Raises:
        ConfigurationError: if the method is unknown or `queries` is below 1.
    """
    if queries < 1:
        raise ConfigurationError(f"queries={queries} must be 1 or more")
    propose, learn = _proposals(method, task, targets, queries, seed, as_seeder(seeder))
    rng = np.random.default_rng([seed, 1])
    best_error = np.full(len(targets), np.inf)
    best, belief = np.zeros((len(targets), task.edits.n_sites), dtype=np.uint8), np.full(len(targets), np.nan)
    progress, visited = np.empty((queries, len(targets))), []
    for turn in range(queries):
        species = propose(turn)
        scores = _score_complete(task, species, targets)
        learn(species, scores.reward)
        error = np.nan_to_num(scores.error, nan=np.inf)
        better = error < best_error
        best[better], belief[better], best_error[better] = (
            species[better],
            scores.value[better],
            error[better],
        )
        progress[turn] = best_error
        visited.append(species[rng.integers(len(targets))].copy())
        on_turn()
    return Search(method_name(method), targets, best, belief, progress, np.stack(visited))


def _proposals(
    method: Method, task: TargetProperty, targets: FloatArray, queries: int, seed: int, seeder: Seeder
) -> tuple[Callable[[int], SpeciesArray], Callable[[SpeciesArray, FloatArray], None]]:
    if isinstance(method, Policy):
        if hasattr(method.agent, "set_random_seed"):  # SB3's models
            method.agent.set_random_seed(seed)
        # The first design takes the policy's most likely edits; further ones are drawn from it.
        rng = np.random.default_rng(seed)
        return (
            lambda turn: method.design(task, targets, deterministic=turn == 0, rng=rng),
            lambda _species, _reward: None,
        )
    kind = OPTIMIZERS.get(method) if isinstance(method, str) else method
    if kind is None:
        raise ConfigurationError(f"there is no optimizer {method!r}; there are {', '.join(OPTIMIZERS)}")
    optimizer = kind(task.lattice, task.edits, targets, queries, np.random.default_rng(seed), seeder)
    return lambda _turn: optimizer.ask(), optimizer.tell


def _score_complete(task: TargetProperty, species: SpeciesArray, targets: FloatArray) -> Scores:
    """Score designs; one that does not spend the budget exactly is counted and worth nothing."""
    scores = task.score(species, targets)
    invalid = ~task.edits.complete(species)
    reward, value, error = (array.copy() for array in (scores.reward, scores.value, scores.error))
    reward[invalid], value[invalid], error[invalid] = 0.0, np.nan, np.nan
    return replace(scores, reward=reward, value=value, error=error)
