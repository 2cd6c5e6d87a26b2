"""Defects without learning: peaks of what is left of an image when the reflections of the lattice are removed.

The power spectrum of a perfect tube has sharp reflections; a defect, which has no period, is spread over all
frequencies. Removing the reflections (a Bragg filter) leaves defects and noise. Kinds are not told.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matgym.characterization.recognition.detection import Places, peaks
from matgym.characterization.scaling import power_spectra
from matgym.typing import FloatArray

SHARP: Final = 8.0
"""Power of a reflection relative to the median around it: noise alone exceeds it at 0.4 % of the frequencies."""

AROUND: Final = 9
"""Width of the square of frequencies of that median; a choice of ours."""

SIZE_NM: Final = 0.08
"""Standard deviation of the Gaussian by which the rest is smoothed, nm: about that of a vacancy. A choice of ours."""

APART_NM: Final = 0.2
"""Half the width of the square that has one defect at most, nm; a choice of ours."""

NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def residuals(inputs: NDArray[Any], pixel_nm: float) -> FloatArray:
    """Return (B, N, N) deviations from the lattice, in standard deviations of their noise.

    Args:
        inputs: (B, 1, N, N) inputs of `FieldPipeline`.
        pixel_nm: width of their pixels, nm.
    """
    from scipy.fft import fft2, fftshift, ifft2, ifftshift
    from scipy.ndimage import binary_dilation, gaussian_filter, median_filter

    images = np.asarray(inputs[:, 0], dtype=np.float64)
    power = power_spectra(images)
    sharp = power > SHARP * median_filter(power, (1, AROUND, AROUND), mode="wrap")
    sharp = binary_dilation(sharp, np.ones((1, 3, 3), dtype=bool))
    rest = ifft2(ifftshift(fftshift(fft2(images), axes=(1, 2)) * ~sharp, axes=(1, 2))).real
    smooth = gaussian_filter(rest, (0.0, SIZE_NM / pixel_nm, SIZE_NM / pixel_nm))
    place = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2.0
    disc = np.hypot(place[:, None], place) <= images.shape[1] / 2.0  # corners may be outside of the image
    spread = NORMAL * np.median(np.abs(smooth[:, disc]), axis=1)
    return np.asarray(smooth / np.maximum(spread, 1e-12)[:, None, None])


def residual_peaks(inputs: NDArray[Any], pixel_nm: float, sigmas: float = 4.0) -> Places:
    """Return the places at which (B, 1, N, N) inputs deviate from the lattice by a number of standard deviations.

    Args:
        inputs: (B, 1, N, N) inputs of `FieldPipeline`.
        pixel_nm: width of their pixels, nm.
        sigmas: smallest deviation, in standard deviations.

    Returns:
        Places in pixels of the inputs, all of kind 0, with deviations as scores.
    """
    return peaks(np.abs(residuals(inputs, pixel_nm))[:, None], sigmas, max(round(APART_NM / pixel_nm), 1))
