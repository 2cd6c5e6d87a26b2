"""The files of cached results: their format and checksum, and the size of their folder.

An entry is `ORACLE-HASH/XX/DIGEST.json`, with a checksum over its name and content: an entry that was cut off, edited
or renamed is computed again. Everything else in the folder is left alone. The checksum guards against accidents and
careless edits, not against a person who may write to the folder and knows this file.
"""

import hashlib
import json
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matgym.errors import CacheWarning
from matgym.files import SCRATCH, cache_folder, write_text

PHYSICS_VERSION: Final = 3
"""Version of the physics; increase it when the results of an oracle change although its settings do not."""

FORMAT: Final = 3
"""Version of the format of entries."""

MAX_BYTES: Final = 2**30
"""Size, bytes, above which the oldest entries are removed; about a million entries. This limit is our choice."""

KEPT: Final = 0.8
"""Share of the size that is kept when entries are removed, so that this is rare."""

MAX_ENTRY_BYTES: Final = 2**20
"""Largest entry that is read; one takes about a kilobyte. This limit is our choice."""

_ENTRY: Final = re.compile(r"\w+-[0-9a-f]{16}/[0-9a-f]{2}/[0-9a-f]{24}\.json")
_SCRATCH: Final = re.compile(rf"\w+-[0-9a-f]{{16}}/[0-9a-f]{{2}}/{re.escape(SCRATCH)}[0-9a-f-]+\.json")
"""What `matgym.files.atomic_path` leaves if its process is killed."""


def default_cache() -> Path:
    """Return the folder of cached results of oracles; see `matgym.files.cache_folder`."""
    return cache_folder("oracles")


# ---- one entry


def read_entry(path: Path) -> dict[str, Any] | None:
    """Return the content of an entry; None if it does not exist, cannot be read, or its checksum does not fit."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_ENTRY_BYTES + 1)
        if len(text) > MAX_ENTRY_BYTES:
            return None
        entry = json.loads(text)
        content = entry["content"]
        sound = entry["format"] == FORMAT and entry["checksum"] == _checksum(path, content) and _is_sound(content)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return content if sound else None


def write_entry(path: Path, content: Mapping[str, Any], folder: Path) -> None:
    """Write an entry; if it cannot be written, warn and go on, since its result is known already.

    Args:
        path: where it lies in the folder.
        content: what `read_entry` returns.
        folder: folder of all entries, which is kept below `MAX_BYTES`.
    """
    entry = {"format": FORMAT, "checksum": _checksum(path, content), "content": content}
    try:
        write_text(path, json.dumps(entry), durable=False)
        if path.parent.name == "00":  # every 256th entry: the size is not counted each time
            prune_size(folder, MAX_BYTES)
    except OSError as error:
        warnings.warn(
            f"results of physics are not cached: {folder} cannot be written to ({error.strerror or error}); set "
            "MATGYM_CACHE to another folder",
            CacheWarning,
            stacklevel=2,
        )


def _checksum(path: Path, content: Mapping[str, Any]) -> str:
    name = "/".join(path.parts[-3:])
    text = f"{FORMAT} {name} {json.dumps(content, sort_keys=True)}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _is_sound(content: Any) -> bool:
    """Return whether values are numbers or missing, and failures and notes have words."""
    numbers = [*content["values"].values(), *content["sd"].values()]
    reasons = [*content["failures"].values(), *content["notes"].values()]
    return all(_is_value(value) for value in numbers) and all(isinstance(reason, str) for reason in reasons)


def _is_value(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))


# ---- the folder


@dataclass(frozen=True)
class CacheSize:
    """Entries of a cache.

    Attributes:
        entries: number of entries.
        n_bytes: bytes that they take.
    """

    entries: int
    n_bytes: int


def cache_size(folder: Path) -> CacheSize:
    """Return how many entries a folder holds, and their bytes."""
    sizes = [size for _, size, _ in _files(folder)]
    return CacheSize(len(sizes), sum(sizes))


def clear(folder: Path) -> CacheSize:
    """Remove all entries, and nothing else; return what was removed."""
    return _remove(folder, list(_files(folder)))


def prune_outdated(folder: Path) -> CacheSize:
    """Remove entries that are damaged, or of another version of the physics or the format; return what was removed."""
    return _remove(folder, [file for file in _files(folder) if _is_outdated(file[0])])


def prune_size(folder: Path, limit: float) -> CacheSize:
    """Remove the oldest entries if all take more than `limit` bytes, down to a share of it; return what was removed."""
    files = sorted(_files(folder), key=lambda file: file[2])
    left = sum(size for _, size, _ in files)
    if left <= limit:
        return CacheSize(0, 0)
    count = 0
    while count < len(files) and left > KEPT * limit:
        left -= files[count][1]
        count += 1
    return _remove(folder, files[:count])


def _is_outdated(path: Path) -> bool:
    entry = read_entry(path)
    return entry is None or entry.get("physics") != PHYSICS_VERSION


def _files(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """Yield path, bytes and time of each entry, and of scratch files that a killed process left; links are none."""
    for oracle in _folders(folder):
        for part in _folders(oracle):
            with suppress(OSError), os.scandir(part) as found:
                for item in found:
                    name = f"{oracle.name}/{part.name}/{item.name}"
                    if (_ENTRY.fullmatch(name) or _SCRATCH.fullmatch(name)) and item.is_file(follow_symlinks=False):
                        with suppress(OSError):  # another process may remove it meanwhile
                            told = item.stat(follow_symlinks=False)
                            yield Path(item.path), told.st_size, told.st_mtime


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(Path(item.path) for item in found if item.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _remove(folder: Path, files: list[tuple[Path, int, float]]) -> CacheSize:
    for path, _, _ in files:
        path.unlink(missing_ok=True)
    for parent in {path.parent for path, _, _ in files}:
        with suppress(OSError):  # it holds something else
            parent.rmdir()
            if parent.parent != folder:
                parent.parent.rmdir()
    return CacheSize(len(files), sum(size for _, size, _ in files))
