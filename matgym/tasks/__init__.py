"""Tasks: an objective over properties, its reward, and the ledger of what was spent."""

from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.seeder import RandomSeeder, Seeder
from matgym.tasks.target_property import Scores, TargetProperty, Trust

__all__ = ["Ledger", "RandomSeeder", "Scores", "Seeder", "TargetProperty", "Trust", "tolerance"]
