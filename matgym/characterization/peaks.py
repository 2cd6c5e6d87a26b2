"""The peaks of a powder pattern: angles, heights and width."""

from typing import Final, NamedTuple

import numpy as np

from matgym.characterization.powder import FWHM
from matgym.typing import FloatArray, IntArray

SIGNIFICANT: Final = 6.0
"""Height of a peak above its foot in standard deviations of the noise: noise alone seldom has more among a thousand
points. This constant and the next four are ours."""

LEAST_HEIGHTS: Final = (0.02, 0.004)
"""Smallest height of a peak, relative to the highest one, in the first and in the second search."""

FIRST_SPREAD_DEG: Final = 0.06
"""Standard deviation of the smoothing in the first search, from which the width of peaks is known, degrees."""

SPREAD: Final = 0.25
"""Standard deviation of the smoothing in the second search, relative to the width of peaks."""

WIDTHS_DEG: Final = (0.06, 1.0)
"""Range of widths, degrees."""


class Peaks(NamedTuple):
    """The peaks of a pattern.

    Attributes:
        two_theta_deg: (N,) angles 2θ, degrees, increasing.
        heights: (N,) heights above the foot, in the unit of the pattern.
        width_deg: full width at half maximum that is usual among the high peaks, degrees.
    """

    two_theta_deg: FloatArray
    heights: FloatArray
    width_deg: float


def find_peaks(counts: FloatArray, two_theta_deg: FloatArray) -> Peaks:
    """Find the peaks of a pattern that stand out of its noise.

    The noise is that of counts, of which the roots vary alike everywhere; its size is taken from their differences from
    point to point. The pattern is smoothed in proportion to the width of its peaks, which a first search finds.

    Args:
        counts: (X,) intensities, in any unit.
        two_theta_deg: (X,) increasing angles 2θ, degrees, nearly evenly spaced.
    """
    from scipy.signal import peak_widths

    counts = np.maximum(np.asarray(counts, dtype=np.float64), 0.0)
    places, step = np.arange(len(counts)), float(two_theta_deg[-1] - two_theta_deg[0]) / (len(counts) - 1)
    noise = 1.4826 * float(np.median(np.abs(np.diff(np.sqrt(counts))))) / np.sqrt(2.0)
    smooth, at, heights = _standing_out(counts, noise, FIRST_SPREAD_DEG / step, LEAST_HEIGHTS[0])
    if len(at) == 0:
        return Peaks(np.empty(0), np.empty(0), WIDTHS_DEG[0])
    high = at[heights > 0.1 * heights.max()]
    smoothed = float(np.median(peak_widths(smooth, high, rel_height=0.5)[0])) * step
    width = float(np.clip(np.sqrt(max(smoothed**2 - (FWHM * FIRST_SPREAD_DEG) ** 2, 0.0)), *WIDTHS_DEG))
    smooth, at, heights = _standing_out(counts, noise, SPREAD * width / step, LEAST_HEIGHTS[1])
    left, top, right = smooth[at - 1], smooth[at], smooth[at + 1]
    vertex = at + 0.5 * (left - right) / (left - 2.0 * top + right)
    return Peaks(np.interp(vertex, places, two_theta_deg), heights, width)


def _standing_out(
    counts: FloatArray, noise: float, spread: float, least: float
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return the smoothed pattern, and places and heights of its peaks.

    Args:
        counts: (X,) intensities.
        noise: standard deviation of their roots.
        spread: standard deviation of the smoothing, points.
        least: smallest height relative to the highest one.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks as local_maxima

    spread = max(spread, 0.5)
    smooth = gaussian_filter1d(counts, spread)
    at, properties = local_maxima(smooth, prominence=0.0)
    heights = properties["prominences"]
    roots = np.sqrt(np.maximum(smooth[at], noise**2))
    left_over = 2.0 * noise * roots / np.sqrt(2.0 * np.sqrt(np.pi) * spread)  # after a Gaussian mean of white noise
    kept = (heights > SIGNIFICANT * left_over) & (heights > least * heights.max(initial=0.0))
    return np.asarray(smooth), at[kept], np.asarray(heights[kept])
