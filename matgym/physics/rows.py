"""How oracles go through a batch: tubes that share something together, or one by one."""

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from matgym.errors import RelaxationError, StructureError
from matgym.models import Predictions, Property
from matgym.structures import Nanotube


def rows_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Return the rows that share a key, in order of first appearance.

    `TubeBatch.by_lattice` groups by the lattice alone. Oracles need other groups: the Hamiltonian depends on strain,
    torsion and turned bonds, too, and leads are shared by tubes of any length.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def predict_each(
    tubes: Sequence[Nanotube], properties: Sequence[Property], compute: Callable[[Nanotube], Sequence[float]]
) -> Predictions:
    """Predict properties tube by tube.

    Args:
        tubes: B tubes.
        properties: P properties.
        compute: gives their P values for one tube.

    Returns:
        Predictions of shape (B,). Tubes for which `compute` raises a `RelaxationError` or a `StructureError` hold NaN,
        and the message in `failures`.
    """
    values, failures = np.full((len(properties), len(tubes)), np.nan), {}
    for row, tube in enumerate(tubes):
        try:
            values[:, row] = compute(tube)
        except (RelaxationError, StructureError) as error:
            failures[row] = f"{tube}: {error}"
    return Predictions.together({prop.key: column for prop, column in zip(properties, values, strict=True)}, failures)
