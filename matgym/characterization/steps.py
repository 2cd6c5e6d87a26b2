"""What all pipelines share: the steps from a measurement to the input of a network, as a card stores them."""

from abc import ABC, abstractmethod

from pydantic import BaseModel, ConfigDict

from matgym.typing import Float32Array, FloatArray


class Steps(BaseModel, ABC):
    """Steps from a measurement to the input of a network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape (channels, …) of one input of the network."""

    @property
    def axes(self) -> tuple[tuple[str, FloatArray], ...]:
        """Label and (points,) places of each curve of an input, in the order of its channels; none for images."""
        return ()

    @property
    def beside(self) -> int:
        """Number of the last values of the first channel that are no points of a curve; networks take them apart."""
        return 0

    def shown(self, inputs: Float32Array) -> Float32Array:
        """Return (…, points) inputs without the values that are no points of a curve."""
        return inputs[..., : -self.beside] if self.beside else inputs
