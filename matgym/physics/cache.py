"""Store results of oracles on disk, by a hash of what was computed.

The name of an entry is a hash of the oracle with all its settings, of the tube, and of `PHYSICS_VERSION`. An entry
therefore becomes invalid only when the code of an oracle changes; `PHYSICS_VERSION` counts these changes. Entries are
small JSON files with a checksum (`matgym.physics.entries`) that are written elsewhere and then moved into place in one
step. Any number of processes may write to the same folder at once, also on a shared file system; the worst case is that
two processes compute the same entry. A folder that cannot be written to costs a warning, never a result.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.entries import PHYSICS_VERSION, default_cache, read_entry, write_entry
from matgym.structures import Nanotube

__all__ = ["PHYSICS_VERSION", "Cached", "Remembered", "default_cache"]


class _Remembering(Model):
    """A model that stores another model's results; its `repr` is the other's, since the results are the same."""

    oracle: Model

    @override
    def __repr__(self) -> str:
        return repr(self.oracle)

    @property
    @override
    def properties(self) -> tuple[Property, ...]:
        return self.oracle.properties

    @property
    @override
    def level(self) -> Level:
        return self.oracle.level

    @property
    @override
    def cost(self) -> Cost | None:
        return self.oracle.cost

    @property
    @override
    def validity(self) -> str:
        return self.oracle.validity

    @property
    @override
    def name(self) -> str:
        return self.oracle.name


@dataclass(repr=False)
class Remembered(_Remembering):
    """An oracle that stores its last batch, and so does not compute the same batch twice in a row."""

    oracle: Model
    _last: tuple[tuple[Nanotube, ...], Predictions] | None = field(default=None, init=False)

    @override
    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the predictions of each tube."""
        batch = tuple(tubes)
        if self._last is None or self._last[0] != batch:
            self._last = batch, self.oracle.predict(batch)
        return self._last[1]


@dataclass(frozen=True, repr=False)
class Cached(_Remembering):
    """An oracle whose results are stored on disk.

    Attributes:
        oracle: any oracle whose `repr` contains all its settings, as that of a dataclass does.
        folder: folder of the entries; created when the first is written.
    """

    oracle: Model
    folder: Path

    def __post_init__(self) -> None:
        if " at 0x" in repr(self.oracle):
            raise ConfigurationError(
                f"{type(self.oracle).__name__} cannot be cached: its repr does not contain its settings; make it, "
                "and all objects that it holds, dataclasses"
            )

    @property
    def _identity(self) -> str:
        kind = type(self.oracle)
        return f"{kind.__module__}.{kind.__qualname__} {self.oracle!r} {PHYSICS_VERSION}"

    def path(self, tube: Nanotube) -> Path:
        """Return the path of the file that holds a tube's entry."""
        own = hashlib.blake2b(self._identity.encode(), digest_size=8).hexdigest()
        return self.folder / f"{type(self.oracle).__name__}-{own}" / tube.digest[:2] / f"{tube.digest}.json"

    @override
    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the predictions of each tube; tubes that are not in the cache are computed in one batch."""
        listed = list(tubes)
        entries = [self._read(self.path(tube)) for tube in listed]
        # A batch may contain the same tube twice.
        missing = list(dict.fromkeys(tube for tube, entry in zip(listed, entries, strict=True) if entry is None))
        if missing:
            fresh = self._compute(missing)
            entries = [fresh[tube] if entry is None else entry for tube, entry in zip(listed, entries, strict=True)]
        rows = [entry for entry in entries if entry is not None]
        values = {key: np.array([_number(row["values"][key]) for row in rows], dtype=np.float64) for key in self.keys}
        known = [key for key in self.keys if any(key in row["sd"] for row in rows)]
        sd = {key: np.array([_number(row["sd"].get(key)) for row in rows]) for key in known}
        failures, notes = (_by_key([row[said] for row in rows]) for said in ("failures", "notes"))
        return Predictions(values, failures, sd, notes=notes)

    def _compute(self, tubes: list[Nanotube]) -> dict[Nanotube, dict[str, Any]]:
        predictions = self.oracle.predict(tubes)
        fresh = {}
        for row, tube in enumerate(tubes):
            fresh[tube] = entry = {
                "oracle": self._identity,
                "physics": PHYSICS_VERSION,
                "tube": str(tube),
                "values": {key: _finite(values[row]) for key, values in predictions.values.items()},
                "sd": {key: _finite(values[row]) for key, values in predictions.sd.items()},
                "failures": {key: reasons[row] for key, reasons in predictions.failures.items() if row in reasons},
                "notes": {key: notes[row] for key, notes in predictions.notes.items() if row in notes},
            }
            write_entry(self.path(tube), entry, self.folder)
        return fresh

    def _read(self, path: Path) -> dict[str, Any] | None:
        """Return the entry, or None if it does not exist, is damaged, or is of another oracle."""
        entry = read_entry(path)
        fits = entry is not None and entry["oracle"] == self._identity and set(self.keys) <= set(entry["values"])
        return entry if fits else None


def _by_key(said: Sequence[dict[str, str]]) -> dict[str, dict[int, str]]:
    """Return by key and row what is said by row and key."""
    found: dict[str, dict[int, str]] = {}
    for i, row in enumerate(said):
        for key, words in row.items():
            found.setdefault(key, {})[i] = words
    return found


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
