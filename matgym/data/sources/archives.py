"""Files of data sets: a download that continues after a kill, and the rows of a list in a zip, one by one."""

import json
import zipfile
import zlib
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

from matgym.data.sources.http import Client
from matgym.errors import FetchError, OutputError
from matgym.files import is_file
from matgym.work import alone_in

BLOCK_BYTES: Final = 1 << 25
"""Bytes in a request for a part of a file. This limit and the next two are our choice."""

LARGEST_FILE_BYTES: Final = 1 << 33

LARGEST_ROW: Final = 1 << 24
"""Most characters of a row."""

_CHUNK: Final = 1 << 20
_GAPS: Final = " \t\r\n,"


def downloaded(client: Client, url: str, path: Path) -> None:
    """Download a zip file, unless it is there. Parts of a killed download are kept.

    Args:
        client: the client.
        url: address of the file.
        path: where it is stored; its folder is made.

    Raises:
        FetchError: if it cannot be downloaded, or is no zip file.
        ExecutionError: if another call downloads it.
        OutputError: if it cannot be written.
    """
    with alone_in(path.parent, f"another call downloads to {path.parent}"):
        if is_file(path):
            return
        part = path.with_name(path.name + ".part")
        try:
            part.touch()
            while not _next_part(client, url, part):
                pass
            if not zipfile.is_zipfile(part):
                part.unlink()
                raise FetchError(
                    f"{client.source} answers with something else than a zip file: the address is not that of its "
                    "data, or it is out of order"
                )
            part.replace(path)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}") from None


def _next_part(client: Client, url: str, part: Path) -> bool:
    """Add the next block to a file that is downloaded; return whether it is complete."""
    # The last byte is asked for again, because a server has no part after the end of a file that is complete.
    begin = max(0, part.stat().st_size - 1)
    answer = client.answer("GET", url, Range=f"bytes={begin}-{begin + BLOCK_BYTES - 1}", Accept="*/*")
    total = len(answer.content)
    if answer.status == 206:
        place, _, whole = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if place.partition("-")[0] != str(begin) or not whole.isdigit():
            raise FetchError(f"{client.source} gives another part of the file than the one that was asked for")
        total = int(whole)
    else:
        begin = 0  # the server gives whole files only
    if total > LARGEST_FILE_BYTES:
        raise FetchError(f"{client.source} offers a file of {total:,} bytes: the limit is {LARGEST_FILE_BYTES:,}")
    with part.open("r+b") as file:
        file.seek(begin)
        file.write(answer.content)
        file.truncate()
    return begin + len(answer.content) >= total


def rows_of(path: Path, source: str) -> Iterator[Any]:
    """Yield the items of the JSON list in a zip file. A damaged file is removed, to be downloaded again.

    Args:
        path: the file.
        source: name of the source, for error messages.

    Raises:
        FetchError: if there is no such list.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each for each in archive.namelist() if each.endswith(".json")]
            with archive.open(names[0]) as file:
                yield from _items(TextIOWrapper(file, "utf-8"))
    except (zipfile.BadZipFile, zlib.error, EOFError, IndexError, ValueError, OSError, NotImplementedError) as error:
        path.unlink(missing_ok=True)
        raise FetchError(
            f"the file of {source} is damaged, or it has changed its schema ({error}): it is removed, and the same "
            "call downloads it again"
        ) from None


def _items(stream: IO[str]) -> Iterator[Any]:
    """Yield the items of a JSON list; one of them is in memory at a time.

    Raises:
        ValueError: if it is no list, is not valid JSON, or has too long an item.
    """
    decoder = json.JSONDecoder()
    buffer = stream.read(_CHUNK).lstrip()
    if not buffer.startswith("["):
        raise ValueError("its JSON is no list")
    place = 1
    while True:
        while place < len(buffer) and buffer[place] in _GAPS:
            place += 1
        if buffer[place : place + 1] == "]":
            return
        try:
            item, place = decoder.raw_decode(buffer, place)
        except ValueError:  # the item may go on in the next chunk
            chunk = stream.read(_CHUNK)
            buffer, place = buffer[place:] + chunk, 0
            if not chunk:
                raise ValueError("its JSON list ends too early, or is not valid") from None
            if len(buffer) > LARGEST_ROW:
                raise ValueError(
                    f"it has a row of more than {LARGEST_ROW:,} characters, or is not valid JSON"
                ) from None
            continue
        yield item
