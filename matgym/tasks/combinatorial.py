"""Tasks of the combinatorial suite: many dopants on tubes of any kind, rewarded by networks of milliseconds a design.

The ranges of the rewards are choices of ours: random designs and the best known ones lie within them.
"""

from typing import Any

from matgym.physics import FORMATION_EV, THERMAL_CONDUCTANCE_NW_K, YOUNG_GPA
from matgym.structures import tube_lattice
from matgym.tasks.base import DesignTask
from matgym.tasks.decoration import decoration_task, known_oracle, resolved
from matgym.tasks.objective import Constraint, Objective


def doping_large(**arguments: Any) -> DesignTask:
    """Return the task of the largest gap of a tube of (11, 0) that is twice as long as that of `doping`."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(11, 0, 6), "budget": {"B": 16, "N": 16}, "direction": "maximize",
    }  # fmt: skip
    return decoration_task(**settings | arguments)


def doping_stiff(**arguments: Any) -> DesignTask:
    """Return the task of the largest gap among tubes with a Young's modulus that one random design in 20 has."""
    settings: dict[str, Any] = {"direction": "maximize"}
    if "constraint" not in arguments:
        settings["constraint"] = Constraint(YOUNG_GPA, resolved("nanotube-young", YOUNG_GPA), least=905.0)
    return decoration_task(**settings | arguments)


def stability(**arguments: Any) -> DesignTask:
    """Return the task of the lowest formation energy of one cell of the chiral tube (12, 6)."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(12, 6, 1), "budget": {"B": 12, "N": 12}, "usual": FORMATION_EV,
        "model": "nanotube-formation", "direction": "minimize", "low": 0.0, "high": 60.0,
    }  # fmt: skip
    return decoration_task(**settings | arguments)


def stiffness(**arguments: Any) -> DesignTask:
    """Return the task of the largest Young's modulus of an armchair tube."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(10, 10, 4), "budget": {"B": 8, "N": 8}, "usual": YOUNG_GPA,
        "model": "nanotube-young", "direction": "maximize", "low": 900.0, "high": 1050.0,
    }  # fmt: skip
    return decoration_task(**settings | arguments)


def heat(**arguments: Any) -> DesignTask:
    """Return the task of the lowest thermal conductance of a tube of (12, 0) between leads."""
    settings: dict[str, Any] = {
        "lattice": tube_lattice(12, 0, 4), "budget": {"B": 10, "N": 10}, "usual": THERMAL_CONDUCTANCE_NW_K,
        "model": "nanotube-heat", "direction": "minimize", "low": 2.0, "high": 3.4,
    }  # fmt: skip
    return decoration_task(**settings | arguments)


def compromise(**arguments: Any) -> DesignTask:
    """Return the task of three equal objectives: a large gap, a low formation energy and a high Young's modulus."""
    formation = Objective(
        FORMATION_EV, resolved("nanotube-formation", FORMATION_EV), "minimize", 0.0, 40.0,
        oracle=known_oracle(FORMATION_EV),
    )  # fmt: skip
    young = Objective(
        YOUNG_GPA, resolved("nanotube-young", YOUNG_GPA), "maximize", 850.0, 950.0, oracle=known_oracle(YOUNG_GPA)
    )
    settings: dict[str, Any] = {"direction": "maximize", "others": (formation, young)}
    return decoration_task(**settings | arguments)
