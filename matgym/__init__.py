"""matgym: Gymnasium environments for materials science.

Importing registers the environments with Gymnasium and imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from matgym.registration import register_all
from matgym.version import __version__

if TYPE_CHECKING:
    from matgym.designer.run import design

__all__ = ["__version__", "design"]

register_all()


def __getattr__(name: str) -> Any:
    if name == "design":
        from matgym.designer.run import design

        return design
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
