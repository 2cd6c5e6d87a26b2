"""Checks and steps that pipelines of images share: kind, scale, binning, power spectrum, direction of the walls."""

from typing import Annotated, Final, TypeAlias

import numpy as np
from pydantic import AfterValidator

from matgym.characterization.alignment import long_axis_deg
from matgym.characterization.files import Micrograph
from matgym.errors import RefusalError
from matgym.typing import FloatArray

COARSE: Final = 1.25
"""Largest width of a pixel, relative to that of the network, that is accepted; a choice of ours."""

ROUNDED: Final = 1e-4
"""Relative error of a scale in a file, which stores it with few digits; a choice of ours."""


def _increasing(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0.0 <= bounds[0] < bounds[1] <= 10.0:
        raise ValueError(f"{bounds} must increase within 0 to 10")
    return bounds


Walls: TypeAlias = Annotated[tuple[float, float], AfterValidator(_increasing)]
"""Range of spatial frequencies in which the walls of a tube are looked for, 1/nm: below graphene's 4.7."""


def check_kind(measured: Micrograph, kind: str) -> None:
    """Check that a measurement is an image, or a diffraction pattern.

    Raises:
        RefusalError: if it is not.
    """
    named = {"image": "an image of a specimen", "diffraction": "an electron diffraction pattern"}
    if not isinstance(measured, Micrograph):
        raise RefusalError(f"a {type(measured).__name__.lower()} is not {named[kind]}: give a micrograph")
    if measured.kind != kind:
        raise RefusalError(f"{named[measured.kind]} was given, by its scale in {measured.unit}: give {named[kind]}")


def check_scale(images: FloatArray, pixel: float, trained: float, field: float, unit: str) -> None:
    """Check the width of a pixel and the field of (B, H, W) images against those of a network.

    Raises:
        RefusalError: if pixels are too wide, or the images are too small.
    """
    if pixel > (1.0 + ROUNDED) * COARSE * trained:
        raise RefusalError(
            f"a pixel of {pixel:.3g} {unit} is too wide: the network needs {COARSE * trained:.3g} {unit} or less"
        )
    if (own := min(images.shape[1:]) * pixel) < (1.0 - ROUNDED) * field:
        raise RefusalError(f"a field of {own:.3g} {unit} is too small: the network needs {field:.3g} {unit}")


def binned(images: FloatArray, pixel: float, trained: float) -> tuple[FloatArray, float]:
    """Return the means of blocks of pixels, as wide as fit into a pixel of the network, and their width."""
    count = int(trained / pixel + 1e-6)
    if count < 2:
        return images, pixel
    rows, columns = (each // count for each in images.shape[1:])
    blocks = images[:, : rows * count, : columns * count].reshape(len(images), rows, count, columns, count)
    return np.asarray(blocks.mean(axis=(2, 4))), pixel * count


def power_spectra(images: FloatArray) -> FloatArray:
    """Return the (B, N, N) power spectra of (B, N, N) images, with zero frequency at N // 2 and tapered edges."""
    from scipy.fft import fft2, fftshift

    taper = np.hanning(images.shape[1] + 2)[1:-1]
    spectrum = fft2((images * (taper[:, None] * taper)).astype(np.float32))
    return np.asarray(fftshift(spectrum.real**2 + spectrum.imag**2, axes=(1, 2)), dtype=np.float64)


def standardised(images: FloatArray) -> FloatArray:
    """Return (B, H, W) images with mean 0 and standard deviation 1."""
    spread = images.std(axis=(1, 2), keepdims=True)
    return np.asarray((images - images.mean(axis=(1, 2), keepdims=True)) / np.where(spread > 0.0, spread, 1.0))


def across_walls_deg(images: FloatArray, pixel_nm: float, wall_per_nm: tuple[float, float]) -> FloatArray:
    """Return the (B,) direction across the walls of tubes in (B, H, W) images, degrees from columns towards rows.

    Args:
        images: the images, with mean 0.
        pixel_nm: width of a pixel, nm.
        wall_per_nm: range of spatial frequencies in which walls are looked for, 1/nm.
    """
    size = min(images.shape[1:])
    top, left = ((each - size) // 2 for each in images.shape[1:])
    square = images[:, top : top + size, left : left + size]
    low, high = (each * pixel_nm * size for each in wall_per_nm)  # in points of the spectrum
    return long_axis_deg(power_spectra(square), low, high)
