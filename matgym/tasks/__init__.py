"""Tasks: spaces of designs, what designs are worth, and the ledger of what was spent."""

from matgym.tasks.base import DesignTask, Goal, Scores
from matgym.tasks.decorations import Decorations
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.seeder import SEEDERS, RandomSeeder, Seeder, SeederLike, as_seeder
from matgym.tasks.space import Choices, Cube, Designs, DesignSpace
from matgym.tasks.target_property import Constraint, Objective, TargetProperty, Trust

__all__ = [
    "SEEDERS",
    "Choices",
    "Constraint",
    "Cube",
    "Decorations",
    "DesignSpace",
    "DesignTask",
    "Designs",
    "Goal",
    "Ledger",
    "Objective",
    "RandomSeeder",
    "Scores",
    "Seeder",
    "SeederLike",
    "TargetProperty",
    "Trust",
    "as_seeder",
    "tolerance",
]
