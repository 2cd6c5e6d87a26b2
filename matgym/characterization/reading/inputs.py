"""From a measurement to the input of a network that reads: the steps that are stored in its card."""

from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
from pydantic import Field

from matgym.characterization.files import Micrograph
from matgym.characterization.scaling import check_kind
from matgym.characterization.steps import Steps
from matgym.errors import ConfigurationError, RefusalError, is_number
from matgym.typing import Float32Array, FloatArray

CONTRAST: Final = 4.0
"""Factor on the deviation of an image from its mean; a choice of ours."""

ROUNDED: Final = 1e-3
"""Relative distance outside of the limits of a lattice constant that is accepted, since messages round them."""


class FilmInputs(Steps):
    """The steps for micrographs of films: the middle of the image, relative to its mean.

    The contrast is not normalised, because it falls with the density of defects.

    Attributes:
        kind: "film".
        pixels: number of rows and columns.
        pixel: width of a pixel, lattice constants of the film.
    """

    kind: Literal["film"] = "film"
    pixels: int = Field(default=64, ge=16, le=1024)
    pixel: float = Field(default=1.0, gt=0.0, le=100.0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (1, pixels, pixels) of one input of the network."""
        return 1, self.pixels, self.pixels

    def resampled(self, images: FloatArray, pixel: float) -> FloatArray:
        """Return the middle of (B, H, W) images with pixels of another width, as means weighted by a triangle.

        The triangle is as wide as two pixels of the network, so that all pixels of the image count.

        Raises:
            RefusalError: if pixels are too wide, or the field is too small.
        """
        needed, least = self.pixels * self.pixel, min(images.shape[1:])
        if pixel > self.pixel * (1.0 + 1e-9):
            raise RefusalError(f"a pixel of {pixel:.3g} lattice constants is too wide: give {self.pixel:.3g} or less")
        if least * pixel < needed * (1.0 - 1e-9):
            raise RefusalError(
                f"a field of {least * pixel:.3g} lattice constants is too small: the network needs {needed:.3g}"
            )
        rows, columns = (_interpolation(size, self.pixels, self.pixel / pixel) for size in images.shape[1:])
        return np.asarray(rows @ images @ columns.T)

    def of(self, measured: Micrograph, site_nm: float | None) -> FloatArray:
        """Return the (1, pixels, pixels) middle of one image with pixels of the right width.

        Args:
            measured: the image.
            site_nm: the lattice constant of the film model, nm.

        Raises:
            RefusalError: if it is no image of a specimen, or its scale does not fit.
            ConfigurationError: if the lattice constant is missing, or does not fit the image.
        """
        check_kind(measured, "image")
        rows, columns = measured.pixels.shape
        if min(rows, columns) < self.pixels:
            raise RefusalError(
                f"an image of {rows} x {columns} pixels is too small: the network needs {self.pixels} rows and columns"
            )
        least = measured.pixel_size / self.pixel
        most = least * min(rows, columns) / self.pixels
        if (
            site_nm is None
            or not is_number(site_nm)
            or not (1.0 - ROUNDED) * least <= site_nm <= (1.0 + ROUNDED) * most
        ):
            raise ConfigurationError(
                f"site_nm={site_nm!r} does not fit: give the lattice constant of the film model, {least:.4g} to "
                f"{most:.4g} nm for this image"
            )
        return self.resampled(measured.pixels[None], measured.pixel_size / float(np.clip(site_nm, least, most)))

    def apply(self, measured: FloatArray | Float32Array) -> Float32Array:
        """Return (B, 1, pixels, pixels) inputs of (B, H, W) images with pixels of the right width.

        Raises:
            RefusalError: if the images are too small.
        """
        images = np.asarray(measured, dtype=np.float64)
        if images.shape[1:] != self.shape[1:]:
            images = self.resampled(images, self.pixel)
        means = np.maximum(images.mean(axis=(1, 2), keepdims=True), 1e-9)
        return np.asarray(CONTRAST * (images / means - 1.0), dtype=np.float32)[:, None]


class CurveInputs(Steps):
    """The steps for the curves of a forest: a Raman spectrum relative to its mean, and the logarithm of X-ray counts.

    Spectrometers have no absolute scale, so that the height of the spectrum tells nothing.

    Attributes:
        kind: "curves".
        shifts: number of Raman shifts.
        angles: number of scattering vectors.
    """

    kind: Literal["curves"] = "curves"
    shifts: int = Field(ge=16, le=10_000)
    angles: int = Field(ge=16, le=10_000)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (1, shifts + angles) of one input of the network."""
        return 1, self.shifts + self.angles

    def apply(self, measured: FloatArray | Float32Array) -> Float32Array:
        """Return (B, 1, shifts + angles) inputs of (B, shifts + angles) curves.

        Raises:
            RefusalError: if curves have another number of points.
        """
        if measured.shape[1:] != self.shape[1:]:
            raise RefusalError(f"curves of {measured.shape[1]} points: the network needs {self.shape[1]}")
        spectrum = np.asarray(measured[:, : self.shifts], dtype=np.float64)
        spectrum = np.arcsinh(spectrum / np.maximum(spectrum.mean(axis=1, keepdims=True), 1e-9))
        scattered = 0.3 * np.log1p(np.maximum(measured[:, self.shifts :], 0.0)) - 1.0
        return np.concatenate([spectrum, scattered], axis=1).astype(np.float32)[:, None]


ReadingInputs: TypeAlias = Annotated[FilmInputs | CurveInputs, Field(discriminator="kind")]
"""Any of them, as a card stores it."""


def _interpolation(size: int, pixels: int, step: float) -> FloatArray:
    """Return (pixels, size) weights of means at `pixels` points around the middle, `step` >= 1 apart."""
    places = (size - 1) / 2.0 + step * (np.arange(pixels) - (pixels - 1) / 2.0)
    places = np.clip(places, 0.0, size - 1.0)
    weights = np.maximum(1.0 - np.abs(places[:, None] - np.arange(size)) / step, 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
