"""matgym: Gymnasium environments for materials science.

Importing registers the environments with Gymnasium and imports nothing heavy.
"""

from matgym.registration import register_all

__version__ = "0.1.0"

register_all()
