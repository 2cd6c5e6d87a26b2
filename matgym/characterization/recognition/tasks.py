"""What a task is: a pipeline, measurements with their answers under conditions, and perhaps classes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from matgym.characterization.preprocessing import Pipeline
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.typing import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

Situation: TypeAlias = Literal["training", "unseen"]
"""Conditions under which a task draws: those of the training, or others, which no training sees."""

Range: TypeAlias = tuple[float, float]
"""Lowest and highest value."""

GROUP: Final = 16
"""Number of measurements that share an instrument; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Samples(ValueObject):
    """Measurements with their answers.

    Attributes:
        inputs: (B, channels, …) inputs of a network in the precision of the task; in tasks of reading, measurements as
            the instrument gives them.
        labels: (B,) numbers of the classes, (B, classes) shares of them in mixtures, or what else a task learns.
        levels: (B,) dose or counts of each measurement, in the unit of the task.
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]
    levels: FloatArray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray | slice) -> Self:
        """Return some rows."""
        return type(self)(self.inputs[rows], self.labels[rows], self.levels[rows])

    @classmethod
    def joined(cls, parts: Sequence["Samples"]) -> "Samples":
        """Return all rows of several samples."""
        arrays = ([getattr(part, name) for part in parts] for name in ("inputs", "labels", "levels"))
        return cls(*(np.concatenate(each) for each in arrays))


class DrawnTask(ABC):
    """A question about measurements that are drawn with their answers.

    Attributes:
        name: name of the task, as commands take it.
        question: what the network is asked.
        level_name: the quantity that measures noise, with its unit.
        levels: its values at which accuracy is reported, increasing.
        pipeline: the steps from a measurement to the input of a network.
        training: conditions of training, a frozen dataclass.
        unseen: conditions of the test, a frozen dataclass of the same class.
        precision: type of the numbers of inputs, as pools store them.
    """

    precision: ClassVar[type] = np.float16
    name: ClassVar[str]
    question: ClassVar[str]
    level_name: ClassVar[str]
    levels: ClassVar[tuple[float, ...]]
    pipeline: ClassVar[Any]
    training: ClassVar[Any]
    unseen: ClassVar[Any]

    @abstractmethod
    def group(self, count: int, rng: np.random.Generator, conditions: Any, level: float | None) -> Samples:
        """Return samples that share an instrument.

        Args:
            count: number of samples.
            rng: random number generator.
            conditions: conditions, of the class of `training`.
            level: dose or counts of all samples; None draws it from the conditions.
        """

    def draw(
        self, count: int, rng: np.random.Generator, situation: Situation = "training", level: float | None = None
    ) -> Samples:
        """Draw labelled measurements as inputs of a network.

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
        return Samples.joined([self.group(size, rng, conditions, level) for size in sizes])

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":  # noqa: ARG002  # for subclasses
        """Return inputs of training changed at random in what does not change the answer; here, as they are."""
        return inputs

    def facts(self) -> dict[str, Any]:
        """Return what the data of the task depend on, for a card."""
        return {"task": self.name, "training": asdict(self.training), "unseen": asdict(self.unseen)}


class RecognitionTask(DrawnTask):
    """A question about measurements with a fixed set of answers.

    Attributes:
        mixed: whether measurements show mixtures: labels are then shares, and so are the probabilities of a network.
        convention: name of the usual method without learning; empty if `conventional` has none.
        networks: names of the networks that read its inputs.
    """

    networks: ClassVar[tuple[str, ...]] = ("lenet", "alexnet", "vgg", "resnet")

    mixed: ClassVar[bool] = False
    convention: ClassVar[str] = ""
    pipeline: ClassVar[Pipeline]

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    def simulated(self, name: str, pipeline: Pipeline) -> Float32Array | None:  # noqa: ARG002  # for subclasses
        """Return a simulation of a class without noise as an input; None if a class has no unique one.

        Args:
            name: name of the class.
            pipeline: steps of the network, of the class of `self.pipeline`.
        """
        return None

    def simulated_answer(
        self,
        best: Sequence[tuple[str, float]],
        measured: Any,  # noqa: ARG002  # for subclasses
        pipeline: Pipeline,
    ) -> Float32Array | None:
        """Return a simulation of an answer without noise as an input; here, of its first class.

        Args:
            best: names of classes with their probabilities, the most probable one first.
            measured: the measurement that was answered for.
            pipeline: steps of the network, of the class of `self.pipeline`.
        """
        return self.simulated(best[0][0], pipeline)

    def conventional(self, inputs: FloatArray) -> FloatArray:
        """Return the (B, classes) probabilities that the usual method without learning gives for inputs.

        Raises:
            NotImplementedError: if `convention` names none.
        """
        raise NotImplementedError(f"{self.name} has no usual method without learning")


def uniform(rng: np.random.Generator, bounds: Range) -> float:
    """Draw a number evenly between bounds."""
    return float(rng.uniform(*bounds))


def log_uniform(rng: np.random.Generator, bounds: Range, count: int | None = None) -> Any:
    """Draw numbers whose logarithms are even between bounds."""
    return np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]), count))
