"""What a task of reading is: quantities, and measurements with true values."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from matgym.characterization.reading.inputs import ReadingInputs
from matgym.characterization.recognition.tasks import DrawnTask
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Quantity:
    """A quantity that is read.

    Attributes:
        name: its name with the unit.
        low: lowest value.
        high: highest value.
        logarithmic: whether a network reads its logarithm, so that uncertainties are relative.

    Raises:
        ConfigurationError: if the range is empty, or reaches zero for a logarithm.
    """

    name: str
    low: float
    high: float
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not -1e9 < self.low < self.high < 1e9:
            raise ConfigurationError(f"low={self.low} and high={self.high} of {self.name} must increase")
        if self.logarithmic and self.low <= 0.0:
            raise ConfigurationError(f"low={self.low} of {self.name} has no logarithm: give a positive value")


@dataclass(frozen=True)
class Scale:
    """The scale on which a network reads several quantities: 0 at the lowest value of each, 1 at the highest.

    Attributes:
        quantities: the quantities.
    """

    quantities: tuple[Quantity, ...]

    @property
    def _ends(self) -> tuple[FloatArray, FloatArray, Any]:
        logarithmic = np.array([each.logarithmic for each in self.quantities])
        ends = np.array([(each.low, each.high) for each in self.quantities], dtype=np.float64)
        low, high = np.where(logarithmic[:, None], np.log(np.maximum(ends, 1e-300)), ends).T
        return low, high - low, logarithmic

    def scaled(self, values: FloatArray) -> FloatArray:
        """Return (B, Q) values on the scale; those outside the ranges of the quantities are clipped."""
        low, width, logarithmic = self._ends
        lowest = np.array([each.low for each in self.quantities])
        within = np.clip(values, lowest, [each.high for each in self.quantities])
        return np.asarray((np.where(logarithmic, np.log(np.where(logarithmic, within, 1.0)), within) - low) / width)

    def readings(self, means: FloatArray, deviations: FloatArray) -> "Readings":
        """Return readings of (B, Q) means and standard deviations on the scale.

        The uncertainty of a logarithmic quantity is its value times that of the logarithm, to first order.
        """
        low, width, logarithmic = self._ends
        values = low + np.clip(means, 0.0, 1.0) * width
        values = np.where(logarithmic, np.exp(np.where(logarithmic, values, 0.0)), values)
        return Readings(values, np.asarray(deviations * width * np.where(logarithmic, values, 1.0)))


@dataclass(frozen=True, eq=False)
class Readings(ValueObject):
    """What was read.

    Attributes:
        values: (B, Q) values.
        uncertainties: (B, Q) standard uncertainties, in the units of the values.
    """

    values: FloatArray
    uncertainties: FloatArray


class Characterizer(ABC):
    """Base class of estimators: networks, and methods without learning.

    Attributes:
        quantities: the quantities that are read.
    """

    quantities: tuple[Quantity, ...]

    @abstractmethod
    def read(self, measured: FloatArray) -> Readings:
        """Return the readings of (B, …) measurements as the instrument of the task gives them."""


class ReadingTask(DrawnTask):
    """Quantities that are to be read from a measurement.

    Samples hold (B, …) measurements as the instrument gives them, on the grid of the pipeline, and (B, Q) true values.

    Attributes:
        quantities: what is read.
    """

    quantities: ClassVar[tuple[Quantity, ...]]
    pipeline: ClassVar[ReadingInputs]

    @abstractmethod
    def simulated(self, values: FloatArray) -> FloatArray:
        """Return a (1, …) measurement without noise of what has (Q,) values, in the middle of the conditions."""

    def resemblance(
        self,
        measured: FloatArray,  # noqa: ARG002  # for subclasses
        values: FloatArray,  # noqa: ARG002
    ) -> FloatArray | None:
        """Return (B,) cosines between (B, …) measurements and simulations of (B, Q) values, as inputs of a network.

        None if values have no single simulation, as those of films, whose crystallites lie anywhere.
        """
        return None

    @abstractmethod
    def baseline(self) -> Characterizer:
        """Return the estimator without learning."""
