"""The steps for images in which places are looked for: scaled, turned until the tube is upright, of any size.

A `Frame` keeps how an image was moved, so that places in it are told in the file's own pixels.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from pydantic import Field

from matgym.characterization.alignment import resampled
from matgym.characterization.files import Micrograph
from matgym.characterization.scaling import Walls, across_walls_deg, binned, check_kind, check_scale, standardised
from matgym.characterization.steps import Steps
from matgym.errors import RefusalError
from matgym.frozen import ValueObject
from matgym.typing import BoolArray, Float32Array, FloatArray

BLOCK: Final = 8
"""Inputs have a multiple of this number of rows and columns: networks halve them three times."""

MOST_PIXELS: Final = 2048
"""Most rows of an input; a choice of ours."""


@dataclass(frozen=True, eq=False)
class Frame(ValueObject):
    """Where the inputs of B images of one size lie in the images.

    Attributes:
        size: rows and columns of the images.
        pixels: rows and columns of the inputs.
        every: width of a pixel of the inputs in pixels of the images.
        turn_deg: (B,) directions in the images, from columns towards rows, that are horizontal in the inputs.
    """

    size: tuple[int, int]
    pixels: int
    every: float
    turn_deg: FloatArray

    def in_images(self, places: FloatArray) -> FloatArray:
        """Return (B, D, 2) rows and columns in the images of rows and columns in the inputs."""
        turned = self._turned(places - (self.pixels - 1) / 2.0, 1.0)
        return np.asarray(self.every * turned + self._middle)

    def in_inputs(self, places: FloatArray) -> FloatArray:
        """Return (B, D, 2) rows and columns in the inputs of rows and columns in the images."""
        turned = self._turned((places - self._middle) / self.every, -1.0)
        return np.asarray(turned + (self.pixels - 1) / 2.0)

    def shown(self, places: FloatArray, rim: float = 0.0) -> BoolArray:
        """Return which (B, D) places, in pixels of the inputs, lie in inputs and in images, a rim of pixels apart."""
        inside = ((places >= rim) & (places <= self.pixels - 1 - rim)).all(axis=-1)
        own, most = self.in_images(places), np.array(self.size) - 1.0
        return np.asarray(inside & ((own >= rim * self.every) & (own <= most - rim * self.every)).all(axis=-1))

    @property
    def _middle(self) -> FloatArray:
        return (np.array(self.size) - 1.0) / 2.0

    def _turned(self, places: FloatArray, sign: float) -> FloatArray:
        angle = sign * np.radians(self.turn_deg)[:, None]
        down, across = places[..., 0], places[..., 1]
        cos, sin = np.cos(angle), np.sin(angle)
        return np.stack([across * sin + down * cos, across * cos - down * sin], axis=-1)


class FieldPipeline(Steps):
    """The steps for images of a tube in which places are looked for.

    Attributes:
        pixel_nm: width of a pixel, nm.
        pixels: smallest number of rows and of columns, which is that of training.
        wall_per_nm: range of spatial frequencies in which walls are looked for, 1/nm: below graphene's 4.7.
    """

    kind: Literal["field"] = "field"
    pixel_nm: float = Field(default=0.045, gt=0.0, le=1.0)
    pixels: int = Field(default=96, ge=16, le=MOST_PIXELS, multiple_of=BLOCK)
    wall_per_nm: Walls = (0.5, 4.0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (1, pixels, pixels) of the smallest input of the network."""
        return 1, self.pixels, self.pixels

    @property
    def field_nm(self) -> float:
        """Smallest width of an image, nm."""
        return self.pixels * self.pixel_nm

    def apply(self, images: FloatArray, pixel_nm: float) -> tuple[Float32Array, Frame]:
        """Return (B, 1, N, N) inputs of (B, H, W) images of one scale, and where they lie in the images.

        The input is the largest square around the middle of the image. What it has outside the image is zero.

        Raises:
            RefusalError: if pixels are too wide, or the images are too small or too large.
        """
        check_scale(images, pixel_nm, self.pixel_nm, self.field_nm, "nm")
        size = images.shape[1:]
        blocks, pixel = binned(images, pixel_nm, self.pixel_nm)
        pixels = max(self.pixels, int(min(size) * pixel_nm / self.pixel_nm) // BLOCK * BLOCK)
        if pixels > MOST_PIXELS:
            raise RefusalError(
                f"a field of {min(size) * pixel_nm:.4g} nm is too large: give a part of the image of up to "
                f"{MOST_PIXELS * self.pixel_nm:.4g} nm"
            )
        flat = blocks - blocks.mean(axis=(1, 2), keepdims=True)
        frame = Frame(size, pixels, self.pixel_nm / pixel_nm, across_walls_deg(flat, pixel, self.wall_per_nm))
        # The middle of the image in blocks of pixels; the last rows may be in no block.
        middle = np.tile(((np.array(size) - 1.0) / 2.0 + 0.5) * pixel_nm / pixel - 0.5, (len(flat), 1))
        upright = resampled(flat, middle, frame.turn_deg, self.pixel_nm / pixel, pixels)
        return standardised(upright)[:, None].astype(np.float32), frame

    def of(self, measured: Micrograph) -> tuple[Float32Array, Frame]:
        """Return the (1, 1, N, N) input of one image, and where it lies.

        Raises:
            RefusalError: if it is no image of a specimen, or its scale does not fit.
        """
        check_kind(measured, "image")
        return self.apply(measured.pixels[None], measured.pixel_size)
