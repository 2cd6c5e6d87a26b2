"""Methods by name: the one table of what benchmarks compare."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from matgym.agents.base import Optimizer, Problem
from matgym.agents.policy import Policy
from matgym.errors import ConfigurationError

Kind: TypeAlias = Literal["RL", "Bayesian", "evolutionary", "local", "random", "yours"]

OPTIMIZERS: Final[dict[str, tuple[Kind, str]]] = {
    "random": ("random", "matgym.agents.optimizers.heuristics:RandomSearch"),
    "qmc": ("random", "matgym.agents.optimizers.optuna_search:QMC"),
    "annealing": ("local", "matgym.agents.optimizers.heuristics:SimulatedAnnealing"),
    "tempering": ("local", "matgym.agents.optimizers.heuristics:ParallelTempering"),
    "genetic": ("evolutionary", "matgym.agents.optimizers.heuristics:GeneticAlgorithm"),
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


class NamedMethod(BaseModel):
    """An optimizer with settings, under a name of its own.

    Attributes:
        name: in tables.
        optimizer: a name of `OPTIMIZERS`, "module:Class" of an `Optimizer` of your own, or the class itself; the name
            by default.
        budget: evaluations, where it is less than what others get: of methods whose own time grows too fast.
        settings: keyword arguments of the class.

    Raises:
        ConfigurationError: if the optimizer is neither known nor of the form "module:Class".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    optimizer: str | type[Optimizer] = ""
    budget: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        """A class of one's own is imported when it is used, and not before."""
        _place(self.chosen)
        return self

    @property
    def chosen(self) -> str | type[Optimizer]:
        """The optimizer."""
        return self.optimizer or self.name

    @property
    def kind(self) -> Kind:
        """What kind of method it is; those of users are "yours"."""
        return OPTIMIZERS[self.chosen][0] if self.chosen in OPTIMIZERS else "yours"

    @property
    def algorithm(self) -> str | None:
        """Name of the algorithm, of optimizers that learn by Stable-Baselines3 or sb3-contrib; None of others."""
        return _place(self.chosen).split(":")[1] if self.kind == "RL" else None  # type: ignore[union-attr]

    def make(self, problem: Problem, budget: int, rng: np.random.Generator) -> Optimizer:
        """An optimizer on a problem."""
        return optimizer_class(self.chosen)(problem, budget, rng, **self.settings)


Method: TypeAlias = str | type[Optimizer] | NamedMethod | Policy
"""Whatever stands for a method."""


def _place(optimizer: str | type[Optimizer]) -> str | type[Optimizer]:
    """The "module:Class" of an optimizer, or the class that it is.

    Raises:
        ConfigurationError: if its name is unknown.
    """
    if not isinstance(optimizer, str) or ":" in optimizer:
        return optimizer
    if optimizer not in OPTIMIZERS:
        close = get_close_matches(optimizer, OPTIMIZERS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(
            f"there is no optimizer {optimizer!r}; {hint}there are {', '.join(OPTIMIZERS)}, and yours as module:Class"
        )
    return OPTIMIZERS[optimizer][1]


def optimizer_class(optimizer: str | type[Optimizer]) -> type[Optimizer]:
    """The class that a name of `OPTIMIZERS`, or "module:Class", stands for.

    Raises:
        ConfigurationError: if there is none, or it is no `Optimizer`.
    """
    place = _place(optimizer)
    found: Any = place
    if isinstance(place, str):
        module, attribute = place.split(":", 1)
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"optimizer {optimizer!r} cannot be loaded: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise ConfigurationError(f"{optimizer!r} is no subclass of matgym.agents.Optimizer")
    return found


def as_named(method: str | type[Optimizer] | NamedMethod) -> NamedMethod:
    """Whatever stands for an optimizer, under a name."""
    if isinstance(method, NamedMethod):
        return method
    if isinstance(method, str):
        _place(method)
        return NamedMethod(name=method.partition(":")[2] or method, optimizer=method)
    return NamedMethod(name=method.__name__, optimizer=method)
