"""The table of the methods that benchmarks compare, by name."""

import re
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, Literal, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from matgym.agents.base import Optimizer, Problem
from matgym.agents.policy import Policy
from matgym.errors import ConfigurationError, one_line

Kind: TypeAlias = Literal["RL", "look-up", "Bayesian", "evolutionary", "local", "tree", "random", "yours"]

OPTIMIZERS: Final[dict[str, tuple[Kind, str]]] = {
    "random": ("random", "matgym.agents.optimizers.heuristics:RandomSearch"),
    "hill-climbing": ("local", "matgym.agents.optimizers.heuristics:HillClimbing"),
    "pair-model": ("Bayesian", "matgym.agents.optimizers.pair_model:PairModel"),
    "qmc": ("random", "matgym.agents.optimizers.optuna_search:QMC"),
    "annealing": ("local", "matgym.agents.optimizers.heuristics:SimulatedAnnealing"),
    "tempering": ("local", "matgym.agents.optimizers.heuristics:ParallelTempering"),
    "genetic": ("evolutionary", "matgym.agents.optimizers.heuristics:GeneticAlgorithm"),
    "nsga2": ("evolutionary", "matgym.agents.optimizers.optuna_search:NSGA2"),
    "cma-es": ("evolutionary", "matgym.agents.optimizers.optuna_search:CMAES"),
    "tpe": ("Bayesian", "matgym.agents.optimizers.optuna_search:TPE"),
    "gp": ("Bayesian", "matgym.agents.optimizers.optuna_search:GP"),
    "pymoo-ga": ("evolutionary", "matgym.agents.optimizers.pymoo_search:PymooGA"),
    "nevergrad": ("evolutionary", "matgym.agents.optimizers.nevergrad_search:Nevergrad"),
    "botorch-mixed": ("Bayesian", "matgym.agents.optimizers.botorch_search:BoTorchMixed"),
    "neural-annealing": ("local", "matgym.agents.optimizers.neural_annealing:NeuralAnnealing"),
    "learned-acquisition": ("Bayesian", "matgym.agents.optimizers.learned_acquisition:LearnedAcquisition"),
    "mcts": ("tree", "matgym.agents.optimizers.tree_search:TreeSearch"),
    "ppo": ("RL", "matgym.agents.optimizers.rl_search:PPO"),
    "maskable-ppo": ("RL", "matgym.agents.optimizers.rl_search:MaskablePPO"),
    "dyna-ppo": ("RL", "matgym.agents.optimizers.dyna_ppo:DynaPPO"),
    "recurrent-ppo": ("RL", "matgym.agents.optimizers.rl_search:RecurrentPPO"),
    "a2c": ("RL", "matgym.agents.optimizers.rl_search:A2C"),
    "dqn": ("RL", "matgym.agents.optimizers.rl_search:DQN"),
    "qr-dqn": ("RL", "matgym.agents.optimizers.rl_search:QRDQN"),
    "sac": ("RL", "matgym.agents.optimizers.rl_search:SAC"),
    "td3": ("RL", "matgym.agents.optimizers.rl_search:TD3"),
    "tqc": ("RL", "matgym.agents.optimizers.rl_search:TQC"),
}
"""Kind and location of each method, by name. A method is imported on its first use."""


NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$"
"""Names of tasks and methods in files; they become names of files and cells of tables. The length is our choice."""


class NamedMethod(BaseModel):
    """An optimizer with settings and a name.

    Attributes:
        name: name in tables.
        optimizer: a name of `OPTIMIZERS`, "module:Class" of your own `Optimizer`, or the class itself. The default is
            the name. The module is imported when a run begins, and not when a suite is read, planned or reported. An
            import runs the code of the module.
        budget: number of evaluations, if it is less than the budget of the other methods. It is for methods whose own
            time increases too fast.
        settings: keyword arguments of the class.

    Raises:
        ConfigurationError: if the optimizer is neither known nor of the form "module:Class".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    optimizer: str | type[Optimizer] = ""
    budget: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        """Check the name; a user's class is imported on its first use."""
        _place(self.chosen)
        return self

    @property
    def chosen(self) -> str | type[Optimizer]:
        """Return the optimizer."""
        return self.optimizer or self.name

    @property
    def kind(self) -> Kind:
        """Return the kind of the method; methods of users have the kind "yours"."""
        return OPTIMIZERS[self.chosen][0] if self.chosen in OPTIMIZERS else "yours"

    @property
    def algorithm(self) -> str | None:
        """Return the algorithm of Stable-Baselines3 or sb3-contrib, or None for other optimizers."""
        return _place(self.chosen).split(":")[1] if self.kind == "RL" else None  # type: ignore[union-attr]

    def make(self, problem: Problem, budget: int, rng: np.random.Generator) -> Optimizer:
        """Make the optimizer of a problem."""
        return optimizer_class(self.chosen)(problem, budget, rng, **self.settings)


Method: TypeAlias = str | type[Optimizer] | NamedMethod | Policy
"""A name, an optimizer class, a named method, or a trained policy."""


def _place(optimizer: str | type[Optimizer]) -> str | type[Optimizer]:
    """Return the "module:Class" of an optimizer, which is not imported, or the class itself.

    Raises:
        ConfigurationError: if its name is unknown, or is not of the form "module:Class".
    """
    if not isinstance(optimizer, str):
        return optimizer
    if ":" in optimizer:
        module, _, name = optimizer.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), name)):
            raise ConfigurationError(
                f"optimizer {optimizer!r:.80} is not of the form module:Class, such as package.module:MySearch"
            )
        return optimizer
    if optimizer not in OPTIMIZERS:
        close = get_close_matches(optimizer, OPTIMIZERS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(
            f"there is no optimizer {optimizer!r}; {hint}give one of {', '.join(OPTIMIZERS)}, or your own as "
            "module:Class"
        )
    return OPTIMIZERS[optimizer][1]


def optimizer_class(optimizer: str | type[Optimizer]) -> type[Optimizer]:
    """Return the class of a name of `OPTIMIZERS` or of "module:Class".

    Raises:
        ConfigurationError: if the class does not exist or is not an `Optimizer`.
    """
    place = _place(optimizer)
    found: Any = place
    if isinstance(place, str):
        module, attribute = place.split(":", 1)
        try:
            found = getattr(import_module(module), attribute)
        except (Exception, SystemExit) as error:  # the module's own code may raise anything
            reason = one_line(error)
            if not isinstance(error, ImportError | AttributeError):
                reason = f"{type(error).__name__}: {reason}"
            raise ConfigurationError(f"optimizer {optimizer!r} cannot be loaded: {reason}") from error
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise ConfigurationError(f"{optimizer!r} is not a subclass of matgym.agents.Optimizer: make it one")
    return found


def as_named(method: str | type[Optimizer] | NamedMethod) -> NamedMethod:
    """Return an optimizer as a named method.

    Raises:
        ConfigurationError: if it is neither a name nor an `Optimizer` class, or the name of the class is not that of a
            method.
    """
    if isinstance(method, NamedMethod):
        return method
    if not isinstance(method, str | type):
        raise ConfigurationError(f"{method!r:.80} is not a method: give a name, an Optimizer class, or a Policy")
    if isinstance(method, str):
        _place(method)
    name = method.__name__ if isinstance(method, type) else method.partition(":")[2] or method
    if not re.fullmatch(NAME, name):
        raise ConfigurationError(
            f"the name {name!r:.80} does not match {NAME}: give NamedMethod(name=..., optimizer={method!r:.80})"
        )
    return NamedMethod(name=name, optimizer=optimizer_class(method) if isinstance(method, type) else method)
