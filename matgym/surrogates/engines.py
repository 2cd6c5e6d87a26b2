"""Faster inference behind the surrogate's own face, where it costs no accuracy.

8 bit is static quantisation (Jacob et al., CVPR 2018) of the convolutions alone: quantising every operation costs
accuracy. For what runs the networks see `matgym.surrogates.engine`.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError, WeightsError
from matgym.surrogates.engine import ENGINES, INT8_ENGINES, Calibration, Engine
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import FloatArray

__all__ = ["ENGINES", "INT8_ENGINES", "quantised"]

INT8_TOLERANCE: Final = 0.02
"""Share by which 8 bit may raise the RMSE. A choice of ours."""

CALIBRATION_TUBES: Final = 256
"""Tubes from which the ranges of the activations are taken, at most. A choice of ours."""


def quantised(surrogate: NetworkSurrogate, data: Dataset, engine: str, threads: int = 1) -> NetworkSurrogate:
    """A surrogate whose convolutions run in 8 bit, if that costs no accuracy.

    Args:
        surrogate: fitted.
        data: labelled tubes, best of the validation split: some calibrate, all judge. Each lattice among them takes
            an export, some seconds a network.
        engine: one of `INT8_ENGINES`.
        threads: of a pass.

    Raises:
        WeightsError: if the RMSE of a property rises by more than `INT8_TOLERANCE`, with both figures; also later, at
            a lattice that is not among the data, if 8 bit differs from torch there by more than would raise it so.
        ConfigurationError: if there is no such engine, or the network has no convolutions.
        DatasetError: if no tube has all labels.
        PropertyError: if the data hold no labels of a property.
        MissingExtraError: if the engine is not installed.
    """
    if engine not in INT8_ENGINES:
        raise ConfigurationError(f"there is no 8-bit engine {engine!r}; there are {', '.join(INT8_ENGINES)}")
    rows = data.labelled(surrogate.keys)
    if not len(rows):
        raise DatasetError("no tube of these data has labels of all properties: 8 bit cannot be judged")
    chosen = np.random.default_rng(0).permutation(len(rows))[:CALIBRATION_TUBES]
    tubes = [tube.species for tube in rows.take(chosen).batch]
    longest = max(len(codes) for codes in tubes)
    codes = np.stack([np.resize(codes, longest) for codes in tubes])
    unjudged = Calibration(codes, surrogate.species, np.full(len(surrogate.keys), np.inf))
    made = Engine(engine, threads, unjudged)
    before, standardised = _rmse(surrogate.with_engine("torch", threads), rows)
    after, _ = _rmse(replace(surrogate, engine=made), rows)
    for key, ours, theirs in zip(surrogate.keys, before, after, strict=True):
        if not theirs <= (1 + INT8_TOLERANCE) * ours:
            raise WeightsError(
                f"{engine} costs accuracy: RMSE of {key} on {len(rows)} tubes {theirs:.4g}, without 8 bit {ours:.4g}, "
                f"{theirs / ours - 1:+.1%} where {INT8_TOLERANCE:.0%} is allowed: use {engine.removesuffix('-int8')!r}"
            )
    # On other lattices there are no labels; an error that is independent of the network's own adds in squares.
    allowed = standardised * np.sqrt((1 + INT8_TOLERANCE) ** 2 - 1)
    return replace(surrogate, engine=replace(made, calibration=replace(unjudged, allowed=allowed)))


def _rmse(surrogate: NetworkSurrogate, rows: Dataset) -> tuple[FloatArray, FloatArray]:
    """(properties,) RMSE, and the same in standard deviations of what is learned."""
    labels = np.stack([rows.values(key) for key in surrogate.keys], axis=1)
    off, scaled = np.empty_like(labels), np.empty_like(labels)
    for lattice, where, species, _ in rows.by_lattice():
        physics = surrogate.physics(lattice, species)
        _, factor = surrogate.known(lattice, physics)
        off[where] = surrogate.mean(lattice, species, physics) - labels[where]
        scaled[where] = off[where] / (factor * surrogate.scaling.scale)
    return np.sqrt((off**2).mean(axis=0)), np.sqrt((scaled**2).mean(axis=0))
