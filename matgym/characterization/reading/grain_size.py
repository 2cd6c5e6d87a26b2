"""Grain size and defects of a micrograph without learning: line intercepts, autocorrelation, and counted dots.

The mean intercept of test lines with the boundaries gives the mean area by ℓ = √(π A / 4), as ASTM E112 has it, and the
radius of a disc of this area is 2ℓ/π. Poisson-Voronoi cells have ℓ = π√A / 4 (their boundaries are 2/√A long for each
area: Meijering, Philips Res. Rep. 8, 270 (1953)), 11 % less: the relation depends on the shapes.
"""

import math
from typing import Final

import numpy as np

from matgym.characterization.micrographs import DOTS
from matgym.characterization.reading.tasks import Characterizer, Quantity, Readings
from matgym.typing import BoolArray, FloatArray

SMOOTHING: Final = 1.0
"""Standard deviation of the Gaussian by which images are smoothed, pixels; a choice of ours, as are the next three."""

LINES_APART: Final = 8
"""Distance of test lines, pixels."""

DOT_WIDTH: Final = 1.0
"""Standard deviation of the Laplacian of Gaussian that finds dots, pixels."""

DOT_LEVEL: Final = 2.0
"""Robust standard deviations above which its response is a dot: of five levels and three widths the one with the
smallest error under the conditions of training."""


def mean_intercepts(crossed: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean intercept lengths of test lines along rows and columns, and their standard errors.

    Args:
        crossed: (B, H, W) whether a pixel belongs to a boundary; a run of such pixels along a line is one crossing.

    Returns:
        (B,) lengths and (B,) standard errors by the spread between lines, in pixels; images without a crossing have the
        length of one line.
    """
    rates = []
    for axis in (1, 2):
        lines = np.moveaxis(crossed, axis, 2)[:, LINES_APART // 2 :: LINES_APART]
        begun = lines & ~np.concatenate([lines[:, :, -1:], lines[:, :, :-1]], axis=2)
        rates.append(begun.sum(axis=2) / lines.shape[2])
    found = np.concatenate(rates, axis=1)
    rate = np.maximum(found.mean(axis=1), 1.0 / max(crossed.shape[1:]))
    error = found.std(axis=1, ddof=1) / math.sqrt(found.shape[1])
    return np.asarray(1.0 / rate), np.asarray(error / rate**2)


def boundary_pixels(images: FloatArray) -> BoolArray:
    """Return the (B, H, W) pixels of boundaries: where the gradient of the smoothed image exceeds Otsu's threshold.

    A boundary is a step between crystallites, or a dark line, with a high gradient on both of its sides.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(images, (0.0, SMOOTHING, SMOOTHING), mode="nearest")
    gradient = np.hypot(np.gradient(smooth, axis=1), np.gradient(smooth, axis=2))
    return np.asarray(gradient > otsu(gradient)[:, None, None])


def otsu(images: FloatArray, bins: int = 128) -> FloatArray:
    """Return the (B,) thresholds that part values with the largest variance between classes (Otsu, 1979)."""
    thresholds = np.empty(len(images))
    for row, values in enumerate(images):
        counts, edges = np.histogram(values, bins)
        middles = 0.5 * (edges[1:] + edges[:-1])
        below = np.cumsum(counts)[:-1]
        sums = np.cumsum(counts * middles)
        above, rest = counts.sum() - below, sums[-1] - sums[:-1]
        apart = sums[:-1] / np.maximum(below, 1) - rest / np.maximum(above, 1)
        thresholds[row] = edges[1 + int(np.argmax(below * above * apart**2))]
    return thresholds


def correlation_radii(images: FloatArray) -> FloatArray:
    """Return the (B,) distances at which the autocorrelation of images has fallen to half, in pixels.

    The value at distance zero, which holds the noise, is left out: the half is of the value at distance one. Images are
    taken as periodic.
    """
    from scipy.fft import irfft2, rfft2

    flat = images - images.mean(axis=(1, 2), keepdims=True)
    spectrum = np.abs(rfft2(flat)) ** 2
    correlation = irfft2(spectrum, s=images.shape[1:])
    half = min(images.shape[1:]) // 2
    profile = 0.5 * (correlation[:, 0, 1:half] + correlation[:, 1:half, 0])
    profile = profile / np.maximum(profile[:, :1], 1e-12)
    place = np.argmax(profile < 0.5, axis=1)
    place = np.where((profile < 0.5).any(axis=1), np.maximum(place, 1), profile.shape[1] - 1)
    rows = np.arange(len(images))
    high, low = profile[rows, place - 1], profile[rows, place]
    return np.asarray(place + np.clip((high - 0.5) / np.maximum(high - low, 1e-12), 0.0, 1.0))


def dot_counts(images: FloatArray) -> FloatArray:
    """Return the (B,) number of dark dots: local maxima of the Laplacian of Gaussian that stand out."""
    from scipy import ndimage

    widths = (0.0, DOT_WIDTH, DOT_WIDTH)
    response = sum(ndimage.gaussian_filter(images, widths, order, mode="wrap") for order in ((0, 2, 0), (0, 0, 2)))
    spread = 1.4826 * np.median(np.abs(response - np.median(response, axis=(1, 2), keepdims=True)), axis=(1, 2))
    peaks = response == ndimage.maximum_filter(response, (1, 3, 3), mode="wrap")
    return np.asarray((peaks & (response > DOT_LEVEL * spread[:, None, None])).sum(axis=(1, 2)), dtype=np.float64)


class GrainCounting(Characterizer):
    """Mean radius by line intercepts, and share of the defects by the number of dots; pixels of one lattice constant.

    Attributes:
        quantities: radius, and share of the defects.
    """

    def __init__(self, quantities: tuple[Quantity, ...]) -> None:
        self.quantities = quantities

    def read(self, measured: FloatArray) -> Readings:
        """Return the readings of (B, H, W) micrographs; uncertainties are those of counting alone."""
        images = np.asarray(measured, dtype=np.float64)
        length, error = mean_intercepts(boundary_pixels(images))
        dots, sites = dot_counts(images), DOTS * images[0].size
        values = np.stack([2.0 * length / math.pi, np.minimum(dots / sites, 1.0)], axis=1)
        return Readings(values, np.stack([2.0 * error / math.pi, np.sqrt(dots + 1.0) / sites], axis=1))
