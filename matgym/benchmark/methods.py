"""Methods by name: the one table of what benchmarks compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from matgym.agents.base import Optimizer, Problem
from matgym.agents.policy import Policy
from matgym.errors import ConfigurationError

Kind: TypeAlias = Literal["RL", "Bayesian", "evolutionary", "local", "random", "yours"]

OPTIMIZERS: Final[dict[str, tuple[Kind, str]]] = {
    "random": ("random", "matgym.agents.optimizers.random_search:RandomSearch"),
    "qmc": ("random", "matgym.agents.optimizers.optuna_search:QMC"),
    "annealing": ("local", "matgym.agents.optimizers.simulated_annealing:SimulatedAnnealing"),
    "tempering": ("local", "matgym.agents.optimizers.tempering:ParallelTempering"),
    "genetic": ("evolutionary", "matgym.agents.optimizers.genetic:GeneticAlgorithm"),
    "nsga2": ("evolutionary", "matgym.agents.optimizers.optuna_search:NSGA2"),
    "cma-es": ("evolutionary", "matgym.agents.optimizers.optuna_search:CMAES"),
    "tpe": ("Bayesian", "matgym.agents.optimizers.optuna_search:TPE"),
    "gp": ("Bayesian", "matgym.agents.optimizers.optuna_search:GP"),
    "ppo": ("RL", "matgym.agents.optimizers.rl_search:PPO"),
    "maskable-ppo": ("RL", "matgym.agents.optimizers.rl_search:MaskablePPO"),
    "recurrent-ppo": ("RL", "matgym.agents.optimizers.rl_search:RecurrentPPO"),
    "a2c": ("RL", "matgym.agents.optimizers.rl_search:A2C"),
    "dqn": ("RL", "matgym.agents.optimizers.rl_search:DQN"),
    "qr-dqn": ("RL", "matgym.agents.optimizers.rl_search:QRDQN"),
    "sac": ("RL", "matgym.agents.optimizers.rl_search:SAC"),
    "td3": ("RL", "matgym.agents.optimizers.rl_search:TD3"),
    "tqc": ("RL", "matgym.agents.optimizers.rl_search:TQC"),
}
"""Name to what kind of method it is, and where it is found: nothing is imported before it is used."""

Method: TypeAlias = "str | type[Optimizer] | NamedMethod | Policy"


@dataclass(frozen=True)
class NamedMethod:
    """An optimizer with settings, under a name of its own.

    Attributes:
        name: in tables.
        optimizer: a name of `OPTIMIZERS`, or "module:Class" of an `Optimizer` of your own.
        settings: keyword arguments of the class.
    """

    name: str
    optimizer: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def kind(self) -> Kind:
        """What kind of method it is; those of users are "yours"."""
        return OPTIMIZERS[self.optimizer][0] if self.optimizer in OPTIMIZERS else "yours"

    def make(self, problem: Problem, budget: int, rng: np.random.Generator) -> Optimizer:
        """An optimizer on a problem."""
        return optimizer_class(self.optimizer)(problem, budget, rng, **self.settings)


def optimizer_class(name: str) -> type[Optimizer]:
    """A class by its name in `OPTIMIZERS`, or as "module:Class".

    Raises:
        ConfigurationError: if there is none, or it is no `Optimizer`.
    """
    if name not in OPTIMIZERS and ":" not in name:
        close = get_close_matches(name, OPTIMIZERS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(
            f"there is no optimizer {name!r}; {hint}there are {', '.join(OPTIMIZERS)}, and yours as module:Class"
        )
    module, attribute = (OPTIMIZERS[name][1] if name in OPTIMIZERS else name).split(":")
    try:
        found: Any = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"optimizer {name!r} cannot be loaded: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise ConfigurationError(f"{name!r} is no subclass of matgym.agents.Optimizer")
    return found


def algorithm_of(optimizer: str) -> str | None:
    """What Stable-Baselines3 or sb3-contrib calls the algorithm of an agent that searches; None of other optimizers."""
    kind, place = OPTIMIZERS.get(optimizer, ("yours", ""))
    return place.split(":")[1] if kind == "RL" else None


def as_named(method: "str | type[Optimizer] | NamedMethod") -> NamedMethod:
    """Whatever stands for an optimizer, under a name."""
    if isinstance(method, NamedMethod):
        return method
    if isinstance(method, str):
        optimizer_class(method)
        return NamedMethod(method, method)
    return _Given(method.__name__, "", {}, method)


@dataclass(frozen=True)
class _Given(NamedMethod):
    """An optimizer that was given as a class."""

    given: type[Optimizer] | None = None

    def make(self, problem: Problem, budget: int, rng: np.random.Generator) -> Optimizer:
        """An optimizer on a problem."""
        assert self.given is not None  # noqa: S101  # `as_named` gives it
        return self.given(problem, budget, rng)
