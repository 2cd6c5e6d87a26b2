"""Agents and optimizers: everything that proposes designs for a task."""

from matgym.agents.annealing import SimulatedAnnealing
from matgym.agents.base import Optimizer
from matgym.agents.random_search import RandomSearch
from matgym.agents.vec_env import SB3VecEnv

__all__ = ["Optimizer", "RandomSearch", "SB3VecEnv", "SimulatedAnnealing"]
