"""What a task of reading is: quantities, steps from a measurement to an input, and measurements with true values."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from matgym.characterization.reading.inputs import ReadingInputs
from matgym.characterization.recognition.tasks import Situation
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.typing import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

GROUP: Final = 32
"""Number of measurements that a task draws at once; a choice of ours."""


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


@dataclass(frozen=True, eq=False)
class ReadingSamples(ValueObject):
    """Measurements with true values.

    Attributes:
        measured: (B, …) measurements as the instrument gives them, on the grid of the inputs.
        values: (B, Q) true values.
        levels: (B,) dose or counts, in the unit of the task.
    """

    measured: Float32Array
    values: FloatArray
    levels: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: IntArray | slice) -> Self:
        """Return some rows."""
        return type(self)(self.measured[rows], self.values[rows], self.levels[rows])

    @classmethod
    def joined(cls, parts: Sequence["ReadingSamples"]) -> "ReadingSamples":
        """Return all rows of several samples."""
        arrays = ([getattr(part, name) for part in parts] for name in ("measured", "values", "levels"))
        return cls(*(np.concatenate(each) for each in arrays))


class ReadingTask(ABC):
    """Quantities that are to be read from a measurement.

    Attributes:
        name: name of the task, as commands take it.
        question: what the network is asked.
        quantities: what is read.
        level_name: the quantity that measures noise, with its unit.
        levels: its values at which accuracy is reported, increasing.
        inputs: the steps from a measurement to the input of a network.
        training: conditions of training, a frozen dataclass.
        unseen: conditions of the test, of the same class.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]
    level_name: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    inputs: ClassVar[ReadingInputs]
    training: ClassVar[Any]
    unseen: ClassVar[Any]

    @abstractmethod
    def group(self, count: int, rng: np.random.Generator, conditions: Any, level: float | None) -> ReadingSamples:
        """Return measurements with true values.

        Args:
            count: number of samples.
            rng: random number generator.
            conditions: conditions, of the class of `training`.
            level: dose or counts of all samples; None draws it from the conditions.
        """

    @abstractmethod
    def baseline(self) -> Characterizer:
        """Return the estimator without learning."""

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":  # noqa: ARG002  # for subclasses
        """Return inputs of training changed at random in what does not change the values; here, as they are."""
        return inputs

    def draw(
        self, count: int, rng: np.random.Generator, situation: Situation = "training", level: float | None = None
    ) -> ReadingSamples:
        """Draw measurements with true values.

        Args:
            count: number of samples.
            rng: random number generator.
            situation: conditions under which they are measured.
            level: dose or counts of all samples; None draws it from the conditions.

        Raises:
            ConfigurationError: if the situation is unknown.
        """
        if situation not in {"training", "unseen"}:
            raise ConfigurationError(f"situation={situation!r} is unknown: give 'training' or 'unseen'")
        conditions = getattr(self, situation)
        sizes = [min(GROUP, count - start) for start in range(0, count, GROUP)]
        return ReadingSamples.joined([self.group(size, rng, conditions, level) for size in sizes])

    def facts(self) -> dict[str, Any]:
        """Return what the data of the task depend on, for a card."""
        return {"task": self.name, "training": asdict(self.training), "unseen": asdict(self.unseen)}
