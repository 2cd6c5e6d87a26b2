"""Curves on other grids, and without what varies slowly: the steps of one-dimensional pipelines."""

import numpy as np

from matgym.errors import RefusalError
from matgym.typing import FloatArray


def rebinned(curves: FloatArray, x: FloatArray, grid: FloatArray) -> FloatArray:
    """Return the (B, P) means of (B, X) curves around each point of an even grid, which `x` covers.

    They are slopes of the integral of the linear interpolation: nothing of a sharp peak is lost.

    Args:
        curves: (B, X) values.
        x: (X,) increasing places of the values.
        grid: (P,) places of the means, evenly spaced.
    """
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    edges = np.clip(np.append(grid - step / 2.0, grid[-1] + step / 2.0), x[0], x[-1])
    areas = 0.5 * (curves[:, 1:] + curves[:, :-1]) * np.diff(x)
    integral = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(areas, axis=1)], axis=1)
    at = np.clip(np.searchsorted(x, edges, side="right") - 1, 0, len(x) - 2)
    part = (edges - x[at]) / (x[at + 1] - x[at])
    return np.asarray(np.diff(integral[:, at] * (1.0 - part) + integral[:, at + 1] * part, axis=1) / np.diff(edges))


def without_background(curves: FloatArray, width: int) -> FloatArray:
    """Return the (B, P) heights of (B, P) curves above their background, not negative.

    The background is the smoothed lowest value of the smoothed curve in a window, which is wider than any peak.

    Args:
        curves: (B, P) values.
        width: number of points of the window.
    """
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    smooth = uniform_filter1d(curves, max(width // 8, 1), axis=1, mode="nearest")
    background = uniform_filter1d(minimum_filter1d(smooth, width, axis=1), width, axis=1, mode="nearest")
    return np.asarray(np.maximum(curves - background, 0.0))


def check_grid(x: FloatArray, start: float, stop: float, coarsest: float, unit: str) -> None:
    """Check that a grid covers a range and is fine enough in it.

    Args:
        x: (X,) increasing places.
        start: first place that is needed.
        stop: last place that is needed.
        coarsest: largest step that is accepted.
        unit: unit of the places.

    Raises:
        RefusalError: if it does not, or is not.
    """
    if x[0] > start or x[-1] < stop:
        raise RefusalError(
            f"the spectrum covers {x[0]:.5g} to {x[-1]:.5g} {unit}: the network needs {start:.5g} to {stop:.5g} {unit}"
        )
    inside = x[max(int(np.searchsorted(x, start, side="right")) - 1, 0) : int(np.searchsorted(x, stop)) + 1]
    if (own := float(np.diff(inside).max())) > coarsest:
        raise RefusalError(
            f"the spectrum has steps of {own:.3g} {unit}: the network needs {coarsest:.3g} {unit} or less"
        )
