"""The version of matgym, which files that it writes name."""

from typing import Final

__version__: Final = "0.1.0"
