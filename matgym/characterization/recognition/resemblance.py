"""How much a measurement resembles the simulation of its answer: what no simulation explains gets no answer.

A network has an answer for anything, also for noise and photographs, and its features do not always tell.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matgym.characterization.preprocessing import DiffractionPipeline, Pipeline
from matgym.characterization.recognition.mixtures import SHIFTS_EV, templates
from matgym.characterization.recognition.tubes import ChiralityFromDiffraction
from matgym.characterization.spectral import AbsorptionPipeline
from matgym.typing import FloatArray

LOCAL_PIXELS: Final = 3.0
"""Standard deviation of the Gaussian mean that is subtracted from patterns, pixels: what varies slowly is alike for all
tubes. A choice of ours."""


def resemblance(
    pipeline: Pipeline, classes: Sequence[str], inputs: NDArray[Any], probabilities: FloatArray
) -> FloatArray | None:
    """Return (B,) cosines between inputs and simulations of their answers: 1 if they are alike, 0 for noise.

    Args:
        pipeline: steps of the network.
        classes: names of the classes.
        inputs: (B, 1, …) inputs.
        probabilities: (B, C) probabilities of the classes, or their shares in mixtures.

    Returns:
        The cosines for mixtures and electron diffraction; None for others, which have no single simulation.
    """
    if isinstance(pipeline, AbsorptionPipeline):
        return _of_mixtures(pipeline, inputs, probabilities)
    if isinstance(pipeline, DiffractionPipeline):
        return _of_patterns(pipeline, [classes[best] for best in probabilities.argmax(axis=1)], inputs)
    return None


def _of_mixtures(pipeline: AbsorptionPipeline, inputs: NDArray[Any], shares: FloatArray) -> FloatArray:
    """Return the cosines of spectra; all lines are shifted together by the one of `SHIFTS_EV` that fits best."""
    measured = _unit(inputs[:, 0])
    every = [(_unit(shares @ templates(pipeline, each)) * measured).sum(axis=1) for each in SHIFTS_EV]
    return np.asarray(np.max(every, axis=0))


def _of_patterns(pipeline: DiffractionPipeline, names: Sequence[str], inputs: NDArray[Any]) -> FloatArray:
    """Return the cosines of diffraction patterns without what varies slowly."""
    return np.array([_sharp(row[0]) @ _pattern(name, pipeline) for row, name in zip(inputs, names, strict=True)])


@lru_cache(maxsize=1024)
def _pattern(name: str, pipeline: DiffractionPipeline) -> FloatArray:
    return _sharp(ChiralityFromDiffraction().simulated(name, pipeline)[0])


def _sharp(pattern: NDArray[Any]) -> FloatArray:
    """Return the (Y X,) differences of a (Y, X) pattern from its local means, of norm 1."""
    from scipy.ndimage import gaussian_filter

    values = pattern.astype(np.float64)
    flat: FloatArray = _unit((values - gaussian_filter(values, LOCAL_PIXELS)).reshape(1, -1))[0]
    return flat


def _unit(rows: NDArray[Any]) -> FloatArray:
    """Return (B, X) rows of norm 1."""
    values = rows.astype(np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))
