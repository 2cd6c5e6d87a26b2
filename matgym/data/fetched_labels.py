"""Labels of the user's own from a fetched table: which rows are used, and whether they are tubes."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

from matgym.data.labels import Entry as Label
from matgym.data.labels import failing
from matgym.data.sources import Entry, Fetched
from matgym.errors import DatasetError, MatgymError
from matgym.structures.io.reading import Reading, tube_of
from matgym.typing import FloatArray

TRIED: Final = 20
"""Rows of a table that are tried to tell whether it holds tubes. A choice of ours."""

_TASK: Final = re.compile(r", task [\w-]+$")  # as the source mp adds it


def holds_tubes(fetched: Fetched) -> bool:
    """Return whether the structures of a fetched table are tubes.

    All have one periodic direction, and at least half of the first `TRIED` are recognised as nanotubes.
    """
    if not len(fetched) or any(sum(each) != 1 for each in fetched.table.column("periodic").to_pylist()):
        return False
    found = []
    for _, read, _ in islice(entries_of(fetched, "", Reading()), TRIED):
        try:
            found.append(read().tube.n_sites > 0)
        except (MatgymError, OSError):
            found.append(False)
    return 2 * sum(found) >= len(found)


def methods_of(entries: Sequence[Entry], name: str) -> list[str]:
    """Return the method of each value; empty where it is not stated. The task of one calculation is no part of it."""
    return [_TASK.sub("", entry.methods.get(name, "")) for entry in entries]


def common_method(methods: Sequence[str], values: FloatArray, name: str, method: str = "") -> str:
    """Return the method whose values are taken: values of different methods cannot be compared.

    Args:
        methods: (rows,) methods by which the values were obtained; empty where it is not known.
        values: (rows,) values; NaN where there is none.
        name: name of the values, for the message.
        method: the method that is asked for; empty for that of the most values.

    Raises:
        DatasetError: if no value was obtained by this method, or there are no values at all.
    """
    counts = Counter(each for each, value in zip(methods, values.tolist(), strict=True) if math.isfinite(value))
    if not counts:
        raise DatasetError(f"none of {len(methods)} rows has a value of {name!r}: the source gave none")
    if method and method not in counts:
        known = ", ".join(each or "not stated" for each in counts)
        raise DatasetError(f"no value of {name!r} is by {method!r}: the methods are {known}")
    return method or counts.most_common(1)[0][0]


def entries_of(fetched: Fetched, name: str, reading: Reading) -> Iterator[Label]:
    """Yield the rows of a fetched table; values by another method than most have are no labels.

    Args:
        fetched: the table.
        name: name of the values; empty for the structures only.
        reading: what the table does not say.

    Raises:
        DatasetError: if the table has no values of this name.
    """
    from ase import Atoms

    entries = list(fetched.entries())
    methods = methods_of(entries, name)
    most = common_method(methods, fetched.values(name), name) if name else ""
    for entry, method in zip(entries, methods, strict=True):
        crystal = entry.crystal
        if method != most and name in entry.values:
            yield entry.id, failing(f"its value is by {method or 'no stated method'}, and most are by {most}"), None
        elif (crystal.occupancies < 1.0).any():
            yield entry.id, failing("it has partly occupied sites"), None
        else:
            places, pbc = crystal.fractional, entry.periodic
            atoms = Atoms(crystal.numbers, scaled_positions=places, cell=crystal.cell, pbc=pbc)
            yield entry.id, partial(tube_of, atoms, reading), entry.values.get(name)
