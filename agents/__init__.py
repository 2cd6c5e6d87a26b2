"""Agents, optimizers and controllers: everything that proposes designs, or acts, for a task."""

from typing import TYPE_CHECKING, Any

from matgym.agents.base import Optimizer, Problem, check_optimizer
from matgym.agents.optimizers.genetic import GeneticAlgorithm
from matgym.agents.optimizers.random_search import RandomSearch
from matgym.agents.optimizers.simulated_annealing import SimulatedAnnealing
from matgym.agents.optimizers.tempering import ParallelTempering

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
    # Stable-Baselines3 takes seconds to import: only those who ask for its adapter wait for it.
    if name == "SB3VecEnv":
        from matgym.agents.vec_env import SB3VecEnv

        return SB3VecEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
