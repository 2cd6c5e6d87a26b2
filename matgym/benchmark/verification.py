"""Verification of the best designs of a search by the oracle, and their structures."""

import io
from collections.abc import Sequence

import numpy as np

from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray


def verified(
    task: DesignTask, targets: FloatArray, incumbents: Sequence[Designs]
) -> tuple[FloatArray, FloatArray, int]:
    """Verify the best designs at each mark with the oracle; each different design is evaluated once.

    Returns:
        (marks, T) losses, and (T,) values at the last mark, NaN without a valid design; and the number of different
        designs.
    """
    marks, count = len(incumbents), len(targets)
    rows, wanted = np.concatenate(incumbents), np.concatenate([targets] * marks)
    valid = task.space.valid(rows)
    where = np.concatenate([np.tile(np.arange(count), marks)[:, None].astype(float), rows], axis=1)
    unique, back = np.unique(where[valid], axis=0, return_inverse=True)
    losses, values = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if len(unique):
        first = np.unique(back, return_index=True)[1]
        scores = task.verify(rows[valid][first], wanted[valid][first])
        losses[valid], values[valid] = scores.loss[back], scores.value[back]
    return losses.reshape(marks, count), values[-count:], len(unique)


def structure_of(task: DesignTask, design: Designs) -> str:
    """Return a design as extended XYZ, or an empty text if it is not a tube."""
    if task.space.domain is None:
        return ""
    from ase.io import write

    from matgym.structures.io.convert import to_atoms

    text = io.StringIO()
    write(text, to_atoms(task.tubes(design[None])[0]), format="extxyz")
    return text.getvalue()
