"""Rows of batches: read, replace and mask the observations and infos of single episodes.

`matgym.envs.batch` makes scalar and vector environments from batches of episodes with these functions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from matgym.typing import BoolArray, Info, IntArray, Observation


def observation_of(batch: Observation, row: int) -> Observation:
    """Return the observation of one episode."""
    return {name: values[row] for name, values in batch.items()} if isinstance(batch, dict) else batch[row]


def put_rows(batch: Observation, rows: IntArray, fresh: Observation) -> None:
    """Replace (k,) rows of a batch of observations, in place, by the k observations `fresh`."""
    if isinstance(batch, dict):
        for name, values in batch.items():
            values[rows] = fresh[name]
    else:
        batch[rows] = fresh


def final_observations(batch: Observation, done: BoolArray) -> Any:
    """Return (B,) objects: copies of the last observations of the episodes that are done, and None for the others.

    The vector environments of Gymnasium use the same format.
    """
    final = np.full(len(done), None, dtype=object)
    for row in np.flatnonzero(done):
        observation = observation_of(batch, int(row))
        final[row] = (
            {name: each.copy() for name, each in observation.items()}
            if isinstance(observation, dict)
            else observation.copy()
        )
    return final


def row_of(info: Mapping[str, Any], row: int) -> Info:
    """Return the entries of one row as NumPy values, because TorchRL and Gymnasium read their dtype."""
    return {
        name: row_of(value, row) if isinstance(value, Mapping) else _entry(np.asarray(value)[row])
        for name, value in info.items()
    }


def _entry(value: Any) -> Any:
    """Return a number or an array; a boolean as a 0-d array, because Gymnasium converts `numpy.bool_` to objects."""
    return np.asarray(value) if isinstance(value, np.bool_) else value


def with_masks(info: Mapping[str, Any], mask: BoolArray) -> Info:
    """Return the entries, each with a mask `_NAME` as in Gymnasium, also in nested mappings."""
    masked: Info = {}
    for name, value in info.items():
        masked |= {name: with_masks(value, mask) if isinstance(value, Mapping) else value, f"_{name}": mask}
    return masked
