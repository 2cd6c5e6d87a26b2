"""matgym: Gymnasium environments for materials science.

Importing registers the environments with Gymnasium and imports nothing heavy.
"""

from matgym.registration import register_all
from matgym.version import __version__

__all__ = ["__version__"]

register_all()
