"""Tasks: an objective over properties, its reward, and the ledger of what was spent."""

from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.seeder import SEEDERS, RandomSeeder, Seeder, SeederLike, as_seeder
from matgym.tasks.target_property import Scores, TargetProperty, Trust

__all__ = [
    "SEEDERS",
    "Ledger",
    "RandomSeeder",
    "Scores",
    "Seeder",
    "SeederLike",
    "TargetProperty",
    "Trust",
    "as_seeder",
    "tolerance",
]
