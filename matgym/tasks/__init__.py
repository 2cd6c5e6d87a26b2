"""Tasks: spaces of designs, the rewards of designs, and the ledger that counts evaluations."""

from matgym.tasks.any_tube import AnyTube
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.brief import BriefTask, brief_task
from matgym.tasks.chirality import ChiralitySpace, chirality_task
from matgym.tasks.decoration import decoration_task
from matgym.tasks.decorations import Decorations
from matgym.tasks.initial_designs import (
    DESIGN_GENERATORS,
    DesignGenerator,
    DesignGeneratorLike,
    RandomDesigns,
    as_design_generator,
)
from matgym.tasks.ledger import Ledger
from matgym.tasks.objective import Constraint, Direction, Estimate, Objective, tolerance
from matgym.tasks.rings import RingSpace, rings_task
from matgym.tasks.scores import Scores
from matgym.tasks.space import Choices, Cube, Designs, DesignSpace
from matgym.tasks.variables import Variable

__all__ = [
    "DESIGN_GENERATORS",
    "AnyTube",
    "BriefTask",
    "ChiralitySpace",
    "Choices",
    "Constraint",
    "Cube",
    "Decorations",
    "DesignGenerator",
    "DesignGeneratorLike",
    "DesignSpace",
    "DesignTask",
    "Designs",
    "Direction",
    "Estimate",
    "Ledger",
    "Objective",
    "RandomDesigns",
    "RewardFunction",
    "RingSpace",
    "Scores",
    "Variable",
    "as_design_generator",
    "brief_task",
    "chirality_task",
    "decoration_task",
    "rings_task",
    "tolerance",
]
