"""Is the scale of a measurement of a tube right? Its layer lines say so, since the lattice of graphene is known.

A network finds some tube also where the width of a pixel is wrong: one of another diameter. But layer lines lie at
multiples of a period of graphene along the axis, which no other tube moves together. They are compared with those of
the simulated answer, stretched by a factor. A tilt and a strain stretch them a little; the rest is the scale.
"""

from typing import Final

import numpy as np

from matgym.characterization.files import Micrograph
from matgym.characterization.preprocessing import DiffractionPipeline, ImagePipeline, Pipeline
from matgym.characterization.scaling import power_spectra
from matgym.typing import Float32Array, FloatArray

STRETCHES: Final = np.exp(np.arange(-46, 47) * 0.015)
"""Factors on the distances of layer lines from the equator that are compared: 0.5 to 2. This constant and the next
three are choices of ours, after simulated measurements with pixels of the right and of wrong widths."""

ALLOWED: Final = {"diffraction": (0.965, 1.085), "image": (0.97, 1.045)}
"""Stretches that tilts, strains and noise explain: a tilt of 18° is 1.05, and one of 12° is 1.02."""

EQUATOR_PER_NM: Final = {"diffraction": 0.5, "image": 1.4}
"""Distance from the equator below which nothing is compared: it holds the walls, which do not depend on the axis."""

GAIN: Final = 0.01
"""By how much the cosine with a stretched answer must be larger than with all answers that are allowed."""


def pixel_factor(pipeline: Pipeline, prepared: Float32Array, simulated: Float32Array | None) -> float | None:
    """Return by how much pixels must be wider for the layer lines of an answer to fit.

    Args:
        pipeline: the steps of the network.
        prepared: the measurement as the network sees it.
        simulated: the simulation of the answer in the same form.

    Returns:
        The factor; None if the lines fit as they are, or the measurement is no image and no pattern of a tube.
    """
    if simulated is None or not isinstance(pipeline, DiffractionPipeline | ImagePipeline):
        return None
    kind = pipeline.kind
    step = pipeline.pixel_per_nm if isinstance(pipeline, DiffractionPipeline) else 1.0 / pipeline.field_nm
    lines, answer = (_lines(pipeline, inputs, step) for inputs in (prepared, simulated))
    first = 0.5 if isinstance(pipeline, DiffractionPipeline) else 0.0
    cosines = np.array([_cosine(lines, _stretched(answer, factor, first)) for factor in STRETCHES])
    low, high = ALLOWED[kind]
    allowed = (low < STRETCHES) & (high > STRETCHES)
    if cosines.max() <= cosines[allowed].max() + GAIN:
        return None
    stretch = float(STRETCHES[cosines.argmax()])
    return 1.0 / stretch if kind == "diffraction" else stretch  # an image with wider pixels has lower frequencies


def scale_refusal(name: str, factor: float, measured: Micrograph) -> str:
    """Return the sentence that refuses a measurement whose pixels must be wider by a factor to show a tube."""
    return (
        f"the layer lines of {name} fit it best with pixels {factor:.2f} times as wide: check its scale of "
        f"{measured.pixel_size:.4g} {measured.unit}"
    )


def _lines(pipeline: DiffractionPipeline | ImagePipeline, inputs: Float32Array, step_per_nm: float) -> FloatArray:
    """Return the (rows, columns) amplitudes at distances from the equator, `step_per_nm` apart, without the equator."""
    if isinstance(pipeline, DiffractionPipeline):
        found = inputs[0].astype(np.float64)
    else:
        amplitudes = np.sqrt(power_spectra(inputs[:1].astype(np.float64))[0])
        above = np.maximum(amplitudes - np.median(amplitudes), 0.0)
        half = len(above) // 2
        found = above[half:] + above[half:0:-1]
    found[: round(EQUATOR_PER_NM[pipeline.kind] / step_per_nm)] = 0.0
    return np.asarray(found)


def _stretched(lines: FloatArray, factor: float, first: float) -> FloatArray:
    """Return lines at distances times a factor, by linear interpolation; zero beyond the last one.

    Args:
        lines: (rows, columns) amplitudes.
        factor: the factor.
        first: distance of the first row from the equator, rows.
    """
    places = (np.arange(len(lines)) + first) / factor - first
    below = np.clip(np.floor(places).astype(np.int64), 0, len(lines) - 1)
    part = np.clip(places - below, 0.0, 1.0)[:, None]
    found = lines[below] * (1.0 - part) + lines[np.minimum(below + 1, len(lines) - 1)] * part
    found[places > len(lines) - 1] = 0.0
    return np.asarray(found)


def _cosine(one: FloatArray, other: FloatArray) -> float:
    """Return the cosine of the angle between two arrays; 0 if one is empty."""
    return float((one * other).sum() / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))
