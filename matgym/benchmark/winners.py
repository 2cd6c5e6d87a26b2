"""Designs of records as tubes, for pictures."""

from collections.abc import Sequence

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import Nanotube
from matgym.tasks import Cube
from matgym.tasks.instances import instance


def tube_of(task: str, design: Sequence[float]) -> Nanotube | None:
    """The tube that a design of an instance is; None where designs are none."""
    made = instance(task).task()
    if isinstance(made.space, Cube):
        return None
    rows = np.asarray(design)[None].astype(np.int64)
    try:
        return made.tubes(rows.astype(np.uint8) if rows.shape[1] > 16 else rows)[0]
    except ConfigurationError:
        return None
