"""What stands beside every file of weights: what they are, where they came from, how good they are."""

from importlib.metadata import version
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION: Final = 3
"""Of all cards. Earlier ones, which each kind of weights counted for itself, hold no hash of the weights."""

PACKAGES: Final = ("matgym", "numpy", "torch", "safetensors")


def installed(*names: str) -> dict[str, str]:
    """Return versions of packages, for the card."""
    return {name: version(name) for name in names}


class Card(BaseModel):
    """What all cards hold.

    Attributes:
        format_version: of this file.
        data: what the weights were fitted to: name, digest, counts.
        fit: how.
        command: that reproduces it.
        seconds: that the training took; 0 if it was not measured.
        versions: of the packages that wrote this.
        sha256: of the file of weights; empty in files of earlier formats.
    """

    model_config = ConfigDict(extra="forbid")

    OLDEST: ClassVar[int] = 1
    """Format that is still read."""
    HASHED: ClassVar[int] = 3
    """Format from which on the hash of the weights is required."""

    format_version: int = FORMAT_VERSION
    data: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    command: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = {}
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    @classmethod
    def upgraded(cls, content: dict[str, Any], version: int) -> dict[str, Any]:  # noqa: ARG003  # kinds use it
        """Return a card of an earlier format as one of this."""
        return content
