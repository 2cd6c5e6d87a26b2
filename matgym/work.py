"""Work folders: what long jobs keep beside their output until it is finished, for the next call to resume from.

`OUTPUT.work/` carries a marker and a lock. The marker shows that matgym made the folder: a folder of the same name
without it is the user's, and raises an error. The lock admits one call at a time. At the end the call removes the files
that matgym wrote, by their names, and nothing else.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final
from warnings import warn

from matgym.errors import DatasetError, ExecutionError, FormatError, KeptFilesWarning, OutputError
from matgym.files import (
    DAMAGED,
    SCRATCH,
    check_output,
    read_json,
    remove_scratch,
    remove_scratch_of,
    set_aside,
    write_json,
    write_text,
)

SUFFIX: Final = ".work"
"""What the name of a work folder adds to that of the output."""

MARKER: Final = "matgym-work.json"
"""Name of the file that shows that matgym made a work folder."""

BEGUN: Final = "matgym-output-begun"
"""Name of an empty file that shows that the outputs are being written; it cannot be damaged, unlike a content."""

LOCK: Final = ".lock"

_ATTEMPTS: Final = 10
"""Attempts to lock a folder that another call removes at the same moment."""


@dataclass
class Work:
    """A work folder that this call holds.

    Attributes:
        folder: path of the folder.
        pieces: patterns of the names of the files in it, relative to it.
        identity: what the work depends on.
    """

    folder: Path
    pieces: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether the outputs are being written. What exists of them is then from this work."""
        return (self.folder / BEGUN).exists()

    def begin_output(self) -> None:
        """Note that the outputs are written from here on, so that a resumed call may replace them."""
        write_text(self.folder / BEGUN, "")

    def mark(self) -> None:
        """Write the marker."""
        write_json(self.folder / MARKER, {"matgym": "work folder", "identity": self.identity})

    def read_marker(self) -> None:
        """Read the marker of an earlier call; without it, pieces that depend on an identity are not used.

        Raises:
            DatasetError: if the work depends on something else.
        """
        marker = self.folder / MARKER
        if not marker.exists():
            return
        try:
            content = read_json(marker)
        except FormatError as error:
            set_aside(marker, str(error))
            for piece in self.files() if self.identity else ():
                piece.unlink()
            return
        if not isinstance(content, dict) or content.get("identity") != json.loads(json.dumps(self.identity)):
            raise DatasetError(
                f"{self.folder} holds unfinished work with other settings: finish it by the same call, or remove it"
            )

    def files(self) -> list[Path]:
        """Return the pieces that exist."""
        return [file for pattern in self.pieces for file in self.folder.glob(pattern)]

    def clear(self) -> None:
        """Remove what matgym wrote; a warning names other files, which stay."""
        places = {PurePath(pattern).parent for pattern in self.pieces} - {PurePath()}
        folders = {folder for place in places for folder in self.folder.glob(str(place)) if folder.is_dir()}
        folders |= {parent for each in folders for parent in each.parents if self.folder in parent.parents}
        for pattern in self.pieces:
            for file in (*self.folder.glob(pattern), *self.folder.glob(pattern + DAMAGED)):
                file.unlink(missing_ok=True)
        for folder in sorted(folders - {self.folder}, key=lambda each: len(each.parts), reverse=True):
            remove_scratch(folder)
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):  # other files are in it
                folder.rmdir()
        remove_scratch(self.folder)
        for name in (MARKER + DAMAGED, MARKER, BEGUN):  # in this order, a killed call can be repeated until the end
            (self.folder / name).unlink(missing_ok=True)
        if others := _others(self.folder):
            warn(
                f"{self.folder} stays, because matgym did not write {', '.join(sorted(others)[:3])} in it",
                KeptFilesWarning,
                stacklevel=4,
            )


@contextmanager
def work_folder(
    output: Path,
    *,
    outputs: Sequence[Path] = (),
    pieces: Sequence[str] = (),
    identity: Mapping[str, Any] | None = None,
    force: bool = False,
    inputs: Iterable[Path] = (),
) -> Iterator[Work]:
    """Hold the folder `OUTPUT.work/` alone; it is removed on success, and after an error if nothing is in it.

    Args:
        output: output of the work.
        outputs: all files that the work writes at its end; `output` if there are none.
        pieces: patterns of the names of the files in the folder, relative to it.
        identity: what the work depends on, as JSON takes it.
        force: whether outputs that exist are replaced.
        inputs: files that the work reads.

    Raises:
        FormatError: if an output cannot be written, exists without `force`, or is an input; or if the folder is not
            matgym's.
        DatasetError: if the folder holds unfinished work that depends on something else.
        ExecutionError: if another call holds the folder.
    """
    files, read = tuple(outputs) or (output,), tuple(inputs)
    for file in files:
        check_output(file, inputs=read)
    work = Work(output.with_name(output.name + SUFFIX), tuple(pieces), dict(identity or {}))
    check_output(work.folder, folder=True)
    if work.folder.is_dir() and not (work.folder / MARKER).exists() and (others := _others(work.folder)):
        raise FormatError(
            f"{work.folder} was not made by matgym and holds {min(others)}: move it, or name another output"
        )
    with alone_in(work.folder, f"another call writes {output}", whole=True):
        work.read_marker()
        for file in files:
            check_output(file, force=force or work.begun)
        remove_scratch(work.folder)
        work.mark()
        try:
            yield work
        except BaseException:
            if not work.begun and not work.files():
                work.clear()
            raise
        for file in files:
            remove_scratch_of(file)
        work.clear()


@contextmanager
def alone_in(folder: Path, busy: str, *, whole: bool = False) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is missing; the operating system releases it with the process.

    Args:
        folder: the folder.
        busy: what the error says if another call holds the lock.
        whole: whether the folder is removed at the end, if it is empty.

    Raises:
        ExecutionError: if another call holds the lock.
        OutputError: if the folder cannot be made or locked.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    for _ in range(_ATTEMPTS):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.touch()
            found = path.stat().st_ino
            lock = FileLock(path)
            lock.acquire(timeout=0)
        except Timeout:
            raise ExecutionError(f"{busy}; wait until it ends or stop it") from None
        except (FileExistsError, FileNotFoundError):
            continue  # the other call has just removed its folder
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
        if path.exists() and path.stat().st_ino == found:
            break
        lock.release()  # of a file that the other call has removed: a third one may hold its successor
    else:
        raise ExecutionError(f"{busy}; wait until it ends or stop it")
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            path.unlink(missing_ok=True)
        if whole:
            with suppress(OSError):
                folder.rmdir()
        lock.release()
        if os.name == "nt":
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _others(folder: Path) -> list[str]:
    """Return the names in a folder that are neither lock, marker nor scratch file."""
    ours = {LOCK, BEGUN, MARKER, MARKER + DAMAGED}
    return [each.name for each in folder.iterdir() if each.name not in ours and not each.name.startswith(SCRATCH)]
