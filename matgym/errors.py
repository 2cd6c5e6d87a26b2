"""Named errors: each message holds the offending value and what would be right."""

import re
from numbers import Integral, Real
from typing import Final


class MatgymError(Exception):
    """Base of every error that matgym raises on purpose."""


class StructureError(MatgymError, ValueError):
    """A structure that cannot exist."""


class ChiralityError(StructureError):
    """(n, m) is not a canonical chirality."""


class SiteError(StructureError):
    """A lattice site that does not exist, or that holds nothing to edit."""


class SpeciesError(StructureError):
    """A species that matgym does not know."""


class RecognitionError(StructureError):
    """Atoms in which no nanotube could be recognised."""


class FormatError(MatgymError, ValueError):
    """A file format that is unknown, or that cannot hold this structure."""


class OutputError(MatgymError, OSError):
    """A file that cannot be written, for example because the disk is full."""


class DamagedFileWarning(UserWarning):
    """A damaged file of unfinished work that was set aside, and whose content is computed again."""


class TableWarning(UserWarning):
    """A table of experiments that lost rows, or a column of which may be something else than an input."""


class KeptFilesWarning(UserWarning):
    """Files in a work folder that matgym did not write and therefore did not remove."""


class OpenSchedulerWarning(UserWarning):
    """An address of a Dask scheduler on another machine that asks for no certificate."""


class PropertyError(MatgymError, KeyError):
    """A property that this oracle or surrogate does not provide."""

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0]) if self.args else ""


class DatasetError(MatgymError, ValueError):
    """A data set that is missing, incomplete, or of another make than asked for."""


class FetchError(MatgymError, RuntimeError):
    """Data that could not be fetched from a source."""


class RowError(MatgymError, ValueError):
    """A row of a source that holds no structure, or an impossible value."""


class FetchWarning(UserWarning):
    """Fetched data that are not all that was asked for."""


class WeightsError(MatgymError, ValueError):
    """Weights that are missing, damaged, or meant for another structure."""


class ConfigurationError(MatgymError, ValueError):
    """A setting out of its range."""


class ModelError(ConfigurationError):
    """A model, reward function or optimizer of one's own that raised an error, or gave anything else than it must."""


class FailureWarning(UserWarning):
    """Designs that are rewarded 0 because a model or a reward function had no value for them."""


class CacheWarning(UserWarning):
    """Results that were computed but could not be stored for another time."""


class UnknownArgumentError(ConfigurationError, TypeError):
    """An argument that an environment does not have; also a TypeError, as Python itself raises for one."""


class RenderModeError(ConfigurationError, TypeError):
    """A render mode that an environment does not have; a TypeError, too, which Stable-Baselines3 takes for that."""


class RefusalError(MatgymError, ValueError):
    """A measurement that a network was not trained for."""


class ConvergenceError(MatgymError, ArithmeticError):
    """A calculation that did not converge."""


class RelaxationError(MatgymError, RuntimeError):
    """Atoms that could not be brought to rest as the tube that they were meant to be."""


class ExecutionError(MatgymError, RuntimeError):
    """Jobs that failed, or that cannot be run."""


class MissingExtraError(MatgymError, ImportError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; it comes with: pip install 'matgym[{extra}]'")


LARGEST: Final = 1e12
"""Largest setting; a choice of ours, so that products of settings stay finite."""

LARGEST_COUNT: Final = 1_000_000_000
"""Largest count of anything; a choice of ours."""


def require_positive(**settings: float) -> None:
    """Check settings by name: `require_positive(temperature_k=self.temperature_k)`.

    Raises:
        ConfigurationError: if one of them is no number, or not positive and finite.
    """
    for name, value in settings.items():
        if not is_number(value) or not 0.0 < value <= LARGEST:
            raise ConfigurationError(f"{name}={value!r} must be positive and finite, at most {LARGEST:g}")


def require_within(low: float, high: float, **settings: float) -> None:
    """Check settings by name against a range: `require_within(1.0, 1e6, temperature_k=self.temperature_k)`.

    Raises:
        ConfigurationError: if one of them is no number, or lies outside the range.
    """
    for name, value in settings.items():
        if not is_number(value) or not low <= value <= high:
            raise ConfigurationError(f"{name}={value!r} must be a number from {low:g} to {high:g}")


def require_counts(most: int = LARGEST_COUNT, /, **settings: int) -> None:
    """Check counts by name.

    Raises:
        ConfigurationError: if one of them is no whole number, below 1, or above the largest count that is allowed.
    """
    for name, value in settings.items():
        if not is_whole(value):
            raise ConfigurationError(f"{name}={value!r} must be a whole number")
        if not 1 <= value <= most:
            raise ConfigurationError(f"{name}={value} must be 1 or more" + (f", at most {most:,}" if value > 1 else ""))


def is_number(value: object) -> bool:
    """Return whether a value is a real number, of Python or of NumPy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number of Python or of NumPy; True, False and 3.0 are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


_COLOURS: Final = re.compile("\x1b\\[[0-9;]*m")
"""Control sequences that colour words on terminals, as Keras puts them into its messages."""


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line; the name of the error if it has no words."""
    return " ".join(_COLOURS.sub("", str(error)).split()) or type(error).__name__
