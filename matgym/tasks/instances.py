"""Instances by name: a task, one fixed target if it has targets, and its best known design.

Benchmarks and the argument `instance=` of environments use this table.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.files import read_json, write_json
from matgym.models import Model, Property
from matgym.physics import (
    FORMATION_EV,
    POWER_FACTOR_PW_K2,
    THERMAL_CONDUCTANCE_NW_K,
    YOUNG_GPA,
    ZT,
    PhononTransport,
    PiElectrons,
    SelfConsistentElectrons,
    SelfConsistentTransport,
    Thermoelectric,
)
from matgym.physics.cache import Remembered
from matgym.structures import tube_lattice
from matgym.tasks import combinatorial
from matgym.tasks.base import DesignTask
from matgym.tasks.chirality import chirality_task
from matgym.tasks.decoration import decoration_task, known_oracle, resolved
from matgym.tasks.furnace_design import furnace_task
from matgym.tasks.objective import Constraint, Direction, Objective, Scale
from matgym.tasks.rings import rings_task
from matgym.tasks.solved import Solved, optima_folder
from matgym.typing import FloatArray

SITES_FREQUENCIES: Final = 256
"""Number of phonon frequencies in instances of isotopes: rankings of designs need as many."""


@dataclass(frozen=True)
class Optimum:
    """The best known design of an instance.

    Attributes:
        loss: loss of the design, by the oracle.
        design: one design with this loss.
        described: description of the design in words.
        proven: whether all designs were enumerated.
        found_by: origin of the design: who found it, and how.
        designs: number of designs; if sites were enumerated, symmetric copies count once. None for spaces of numbers.
        random_loss: median loss of randomly drawn designs, by the model of the instance.
        random_designs: number of these designs.
        tolerance: largest difference of a loss that counts as optimal: the resolution of the oracle's grid or, if the
            optimum is not proven, a choice of ours.
        physics_version: version of the oracles.
    """

    loss: float
    design: tuple[float, ...]
    described: str
    proven: bool
    found_by: str
    designs: int | None
    random_loss: float
    random_designs: int
    tolerance: float
    physics_version: int


@dataclass(frozen=True)
class Instance:
    """A named design task with a fixed target.

    Attributes:
        name: name, such as "isotope-rings".
        title: description in one line.
        make: function that makes the task; its arguments, such as a model, replace the defaults.
        target: target of a search; empty if there is none.
        physics: function that returns the oracles that make the table of all designs, and the columns of each; None if
            the designs are not enumerated.
        tolerance: see `Optimum`.
    """

    name: str
    title: str
    make: Callable[..., DesignTask]
    target: tuple[float, ...] = ()
    physics: Callable[[], Sequence[tuple[Model, tuple[str, ...]]]] | None = None
    tolerance: float = 1e-9

    def task(self, **arguments: Any) -> DesignTask:
        """Return a new task with its own ledger."""
        return self.make(**arguments)

    def targets(self, count: int) -> FloatArray:
        """Return (count,) or (count, T) copies of the target."""
        return np.tile(self.target, (count, 1))[:, 0] if len(self.target) == 1 else np.tile(self.target, (count, 1))

    @property
    def enumerable(self) -> bool:
        """Whether the oracle can compute all designs of the instance."""
        return self.physics is not None or self.make is rings_task

    @property
    def optimum(self) -> Optimum | None:
        """The best known design; None if there is none."""
        path = optima_folder() / f"{self.name}.json"
        if not path.is_file():
            return None
        content: dict[str, Any] = read_json(path)
        return Optimum(**content | {"design": tuple(content["design"])})

    def record(self, optimum: Optimum, folder: Path) -> Path:
        """Write the best known design to a file in a folder, and return its path."""
        path = folder / f"{self.name}.json"
        write_json(path, asdict(optimum))
        return path


def doping(**arguments: Any) -> DesignTask:
    """Return the task of making the gap of the doping environment's tube as large as possible."""
    settings: dict[str, Any] = {"direction": "maximize", "others": (stability(16),)}
    return decoration_task(**settings | arguments)


def stability(atoms: int) -> Objective:
    """Return the second component of a doped tube's vector reward: a low formation energy.

    Random designs of eight B and eight N on 132 sites of (11, 0) have 23 to 35 eV; the range, a choice of ours, is
    wider.
    """
    return further(FORMATION_EV, "nanotube-formation", low=1.0 * atoms, high=2.4 * atoms, direction="minimize")


def further(prop: Property, model: Any, low: float, high: float, direction: Direction) -> Objective:
    """Return a component of a vector reward after the first; its weight in the scalar reward is 0."""
    return Objective(prop, resolved(model, prop), direction, low, high, oracle=known_oracle(prop), weight=0.0)


def doping_easy(**arguments: Any) -> DesignTask:
    """Return the doping task on a tube so small that the oracle computed every design."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(11, 0, 1), "budget": {"B": 2, "N": 2}, "model": "solved:doping-easy",
        "direction": "maximize", "scale": Scale((0.1, 0.5), (0.0, 1.0), 0.15),
    }  # fmt: skip
    return decoration_task(**settings | arguments)


def isotope_sites(**arguments: Any) -> DesignTask:
    """Return the task of placing heavy atoms on a zigzag tube so that it conducts as little heat as possible."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(7, 0, 2), "budget": {"14C": 3}, "usual": THERMAL_CONDUCTANCE_NW_K,
        "direction": "minimize", "model": "solved:isotope-sites",
        "scale": Scale((2.270, 2.282), (2.270, 2.282), 0.001),
    }  # fmt: skip
    settings |= arguments
    heat, model = THERMAL_CONDUCTANCE_NW_K, settings["model"]
    if not (isinstance(model, str) and model == "oracle"):
        settings["model"] = model = resolved(model, heat)
    if isinstance(model, str) or heat.key in model.keys:  # otherwise the model has a property of its own
        settings = {"oracle": PhononTransport(frequencies=SITES_FREQUENCIES)} | settings
    return decoration_task(**settings)


def thermoelectric(**arguments: Any) -> DesignTask:
    """Return the task of placing boron and nitrogen for a large ZT, with the shipped surrogates as models."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(11, 0, 2), "budget": {"B": 4, "N": 4}, "usual": ZT, "model": "nanotube-zt",
        "direction": "maximize",
    }  # fmt: skip
    if "others" not in arguments:
        settings["others"] = (further(THERMAL_CONDUCTANCE_NW_K, "nanotube-heat", 2.4, 3.4, "minimize"),)
    if "constraint" not in arguments:
        settings["constraint"] = Constraint(YOUNG_GPA, resolved("nanotube-young", YOUNG_GPA), least=915.0)
    return decoration_task(**settings | arguments)


def thermoelectric_easy(**arguments: Any) -> DesignTask:
    """Return the task of turning two bonds for a large ZT, with the table of all such designs as the model."""
    name = "solved:thermoelectric-easy"
    settings: dict[str, Any] = {
        "lattice": tube_lattice(10, 0, 3), "budget": {"SW": 2}, "usual": ZT, "model": name,
        "direction": "maximize", "scale": Scale((0.0, 0.2), (0.0, 0.2), 0.02),
    }  # fmt: skip
    if "others" not in arguments:
        settings["others"] = (further(THERMAL_CONDUCTANCE_NW_K, name, 1.5, 3.5, "minimize"),)
    if "constraint" not in arguments:
        table = arguments.get("model")  # one that is being made has the bounded property as well
        bounded = resolved(table if isinstance(table, Solved) else name, POWER_FACTOR_PW_K2)
        settings["constraint"] = Constraint(POWER_FACTOR_PW_K2, bounded, least=0.6)
    return decoration_task(**settings | arguments)


def _heat_and_current() -> list[tuple[Model, tuple[str, ...]]]:
    phonons = Remembered(PhononTransport())  # computed once for both
    zt = Thermoelectric(phonons=phonons, electrons=SelfConsistentTransport())
    return [(zt, ("zt", "power_factor_pw_k2")), (phonons, ("thermal_conductance_nw_k",))]


INSTANCES: Final = {
    instance.name: instance
    for instance in (
        Instance(
            "chirality", "a tube of 0.80 eV, 1.10 nm across and 4.0 nm long, of 15,708",
            chirality_task, target=(0.80, 1.10, 4.0), physics=lambda: [(PiElectrons(), ("gap_ev",))],
        ),
        Instance(
            "doping-easy", "the largest gap of two B and two N on 44 sites of (11,0)", doping_easy,
            physics=lambda: [(SelfConsistentElectrons(), ("gap_ev",))], tolerance=1e-6,
        ),
        Instance(
            "doping", "the largest gap of eight B and eight N on 132 sites of (11,0), by a network", doping,
            tolerance=0.01,
        ),
        Instance(
            "isotope-rings", "the least heat through 16 rings of (10,0), each 12C or 14C", rings_task, tolerance=0.005
        ),
        Instance(
            "isotope-sites", "the least heat with three 14C on 56 sites of (7,0)", isotope_sites,
            physics=lambda: [(PhononTransport(frequencies=SITES_FREQUENCIES), ("thermal_conductance_nw_k",))],
            tolerance=1e-4,
        ),
        Instance(
            "thermoelectric-easy", "the largest ZT with two Stone-Wales pairs in three cells of (10,0)",
            thermoelectric_easy,
            physics=_heat_and_current,
            tolerance=1e-6,
        ),
        Instance(
            "thermoelectric", "the largest ZT with four B and four N on 88 sites of (11,0), by a surrogate",
            thermoelectric, tolerance=0.002,
        ),
        Instance(
            "doping-large", "the largest gap of 16 B and 16 N on 264 sites of (11,0), by a network",
            combinatorial.doping_large, tolerance=0.01,
        ),
        Instance(
            "doping-stiff", "the largest gap of eight B and eight N on 132 sites of (11,0) at 905 GPa or more",
            combinatorial.doping_stiff, tolerance=0.01,
        ),
        Instance(
            "stability", "the lowest formation energy of 12 B and 12 N on 168 sites of (12,6), by a network",
            combinatorial.stability, tolerance=0.2,
        ),
        Instance(
            "stiffness", "the largest Young's modulus of eight B and eight N on 160 sites of (10,10), by a network",
            combinatorial.stiffness, tolerance=1.0,
        ),
        Instance(
            "heat", "the least heat through ten B and ten N on 192 sites of (12,0), by a network",
            combinatorial.heat, tolerance=0.02,
        ),
        Instance(
            "compromise", "gap, formation energy and Young's modulus at once, eight B and eight N on (11,0)",
            combinatorial.compromise, tolerance=0.005,
        ),
        Instance(
            "growth-recipe", "two stages of growth, eight numbers, standard reactor", furnace_task, tolerance=1.0
        ),
        Instance(
            "growth-schedule", "four controls in each of thirty minutes of growth, standard reactor",
            lambda **arguments: furnace_task(**{"form": "schedule"} | arguments), tolerance=1.0,
        ),
    )
}  # fmt: skip
"""All instances by name."""


def instance(name: str) -> Instance:
    """Return the instance with a name.

    Raises:
        ConfigurationError: if there is no such instance.
    """
    if name not in INSTANCES:
        close = get_close_matches(name, INSTANCES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"there is no instance {name!r}; {hint}there are {', '.join(INSTANCES)}")
    return INSTANCES[name]
