"""The levels of an environment whose difficulty one argument sets."""

from typing import Final, Literal, TypeAlias

Difficulty: TypeAlias = Literal["easy", "medium", "hard"]
"""How hard an environment is. "Level" alone is the level of theory of a model; see `matgym.models.Level`."""

MEDIUM: Final = "medium"
"""The default level."""
