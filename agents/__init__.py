"""Agents, optimizers and controllers: everything that proposes designs, or acts, for a task."""

from typing import TYPE_CHECKING, Any

from matgym.agents.ask_tell import AskTell, Found, search
from matgym.agents.base import Optimizer, check_optimizer
from matgym.agents.diversity import best
from matgym.agents.optimizers.heuristics import GeneticAlgorithm, ParallelTempering, RandomSearch, SimulatedAnnealing
from matgym.agents.optimizers.pair_model import PairModel
from matgym.agents.problem import Goal, Known, Limit, Problem

if TYPE_CHECKING:
    from matgym.agents.sb3 import SB3VecEnv
    from matgym.agents.storage import load_agent as load

__all__ = [
    "AskTell",
    "Found",
    "GeneticAlgorithm",
    "Goal",
    "Known",
    "Limit",
    "Optimizer",
    "PairModel",
    "ParallelTempering",
    "Problem",
    "RandomSearch",
    "SB3VecEnv",
    "SimulatedAnnealing",
    "best",
    "check_optimizer",
    "load",
    "search",
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
