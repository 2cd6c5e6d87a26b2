"""Agents, optimizers and controllers: everything that proposes designs, or acts, for a task."""

from typing import TYPE_CHECKING, Any

from matgym.agents.base import Optimizer, Problem, check_optimizer
from matgym.agents.optimizers.heuristics import GeneticAlgorithm, ParallelTempering, RandomSearch, SimulatedAnnealing

if TYPE_CHECKING:
    from matgym.agents.sb3 import SB3VecEnv
    from matgym.agents.storage import load_agent as load

__all__ = [
    "GeneticAlgorithm",
    "Optimizer",
    "ParallelTempering",
    "Problem",
    "RandomSearch",
    "SB3VecEnv",
    "SimulatedAnnealing",
    "check_optimizer",
    "load",
]


def __getattr__(name: str) -> Any:
    # Stable-Baselines3 takes seconds to import: only users of its adapter and its agents wait for it.
    if name == "SB3VecEnv":
        from matgym.agents.sb3 import SB3VecEnv

        return SB3VecEnv
    if name == "load":
        from matgym.agents.storage import load_agent

        return load_agent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
