"""Known structures of files and tables, and which of them are most similar to a design: is it new?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matgym.data.columns import PARQUET
from matgym.data.matching import are_same
from matgym.data.novelty import Fingerprints, most_similar
from matgym.errors import ConfigurationError, MissingExtraError
from matgym.structures import Crystal


@dataclass(frozen=True)
class Known:
    """A structure of a file, or of a row of a table.

    Attributes:
        file: the file.
        id: identifier of the row; empty for a structure file.
        crystal: the structure.
    """

    file: str
    id: str
    crystal: Crystal


@dataclass(frozen=True)
class Neighbour:
    """A known structure that is similar to a design.

    Attributes:
        file: file of the structure.
        id: identifier of its row; empty for a structure file.
        distance: distance, 0 to 1: the mean of the next two.
        composition: share of atoms whose element differs.
        structure: distance of the radial distributions.
        same: whether it is the same structure (`are_same`); None if that cannot be told, because sites are partly
            occupied or pymatgen is not installed.
    """

    file: str
    id: str
    distance: float
    composition: float
    structure: float
    same: bool | None


def read_known(paths: Iterable[Path], periodic: int | None = None) -> tuple[list[Known], dict[str, Mapping[int, str]]]:
    """Return the structures of files and tables, and why rows of tables are left out, by file and row.

    Args:
        paths: structure files; and Parquet tables of tubes (`matgym data build`, `matgym design`) or of crystals
            (`matgym data fetch`).
        periodic: number of periodic directions of the rows of tables that are taken, 1 for tubes and chains; None for
            all.

    Raises:
        DatasetError: if a table cannot be read.
        FormatError: if a structure file cannot be read.
        ConfigurationError: if there is no structure.
    """
    from matgym.data.publishing import published
    from matgym.structures.io import read_crystal

    known, left_out = list[Known](), dict[str, Mapping[int, str]]()
    for path in paths:
        if path.suffix.lower() != PARQUET:
            known.append(Known(str(path), "", read_crystal(path)))
            continue
        table = published(path)
        left_out[str(path)] = table.rejected
        for entry in table.entries:
            if periodic in {None, int(entry.periodic.sum())}:
                fractional = np.asarray(np.linalg.solve(entry.cell.T, entry.positions.T).T, dtype=np.float64)
                crystal = Crystal(entry.cell, fractional, entry.numbers, entry.occupancies)
                known.append(Known(str(path), entry.id, crystal))
    if not known:
        raise ConfigurationError(f"no structure has {periodic} periodic directions: give other tables")
    return known, left_out


def nearest_known(design: Crystal, known: Sequence[Known], count: int = 5) -> list[Neighbour]:
    """Return the known structures that are most similar to a design, the nearest first.

    Args:
        design: the design.
        known: one or more structures.
        count: number of structures that are returned.

    Raises:
        ConfigurationError: if there are none, or `count` is below 1.
    """
    table = Fingerprints.of(each.crystal for each in known)
    found = most_similar(Fingerprints.of([design]), table, count)
    parts = (found.indices, found.distances, found.compositions, found.structures)
    return [
        Neighbour(known[k].file, known[k].id, distance, composition, structure, _is_same(design, known[k].crystal))
        for k, distance, composition, structure in zip(*(part[0].tolist() for part in parts), strict=True)
    ]


def _is_same(design: Crystal, other: Crystal) -> bool | None:
    if (design.occupancies != 1.0).any() or (other.occupancies != 1.0).any():
        return None
    try:
        return bool(are_same(design, [other])[0])
    except MissingExtraError:
        return None
