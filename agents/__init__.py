"""Agents and optimizers: everything that proposes designs for a task."""

from typing import TYPE_CHECKING, Any

from matgym.agents.annealing import SimulatedAnnealing
from matgym.agents.base import Optimizer, Problem, check_optimizer
from matgym.agents.genetic import GeneticAlgorithm
from matgym.agents.random_search import RandomSearch
from matgym.agents.tempering import ParallelTempering

if TYPE_CHECKING:
    from matgym.agents.vec_env import SB3VecEnv

__all__ = [
    "GeneticAlgorithm",
    "Optimizer",
    "ParallelTempering",
    "Problem",
    "RandomSearch",
    "SB3VecEnv",
    "SimulatedAnnealing",
    "check_optimizer",
]


def __getattr__(name: str) -> Any:
    # Stable-Baselines3 takes seconds to import: only who asks for its adapter waits for it.
    if name == "SB3VecEnv":
        from matgym.agents.vec_env import SB3VecEnv

        return SB3VecEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
