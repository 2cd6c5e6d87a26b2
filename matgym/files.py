"""Files: what is written is whole or absent, and what is read is of bounded size and holds finite numbers."""

import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import textwrap
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from matgym.errors import DamagedFileWarning, FormatError, OutputError, one_line

MAX_TEXT_BYTES: Final = 1 << 26
"""Largest text file that is read. This limit and the next five are ours."""

MAX_JSON_BYTES: Final = 1 << 24
"""Largest JSON file that is read: one of empty lists takes 30 times its size in memory."""

MAX_YAML_BYTES: Final = 1 << 18
"""Largest YAML file that is read: its parser takes a second for each 200 kB."""

MAX_VALUES: Final = 1_000_000
"""Most values of a JSON or YAML file; YAML's aliases can stand for far more of them than the file has bytes."""

MAX_DEPTH: Final = 50
"""Most lists and mappings within each other."""

MAX_NUMBER: Final = 1e100
"""Largest magnitude of a number: squares and sums of squares stay finite."""


UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
"""How text begins that PowerShell or an editor of Windows has stored as UTF-16."""

MAX_NAME_BYTES: Final = 255
"""Longest name of a file or folder, as the common file systems have it."""

SCRATCH: Final = ".matgym-"
"""Beginning of the names of files that are being written."""

LONGEST_SUFFIX: Final = 32
"""Longest suffix that a scratch name keeps, in bytes; no format that is written has a longer one."""

STALE_S: Final = 3600.0
"""Age of a scratch file after which its writer was killed: no file takes as long to write. A choice of ours."""

DAMAGED: Final = ".damaged"
"""Suffix of files that were set aside."""


# ---- writing


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a scratch path beside `path`; on success it replaces `path` in one step, on failure it is removed.

    A symbolic link stays, and the file that it names is replaced. A new file has the permissions of the process's
    umask, and a replaced one keeps its own. Missing folders are made.

    Args:
        path: path of the file. The scratch path has the same suffix, because writers choose their format by it.
        durable: whether the file and its entry in the folder are on the disk at the end, so that no loss of power
            leaves an empty or partial file. False for files that can be computed again and are checked when read.

    Raises:
        OutputError: if the file cannot be written, for example on a full disk.
    """
    try:
        target = _followed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_scratch_of(target, STALE_S)
        scratch = _new_scratch(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        yield scratch
        if target.exists():
            shutil.copymode(target, scratch)
        if durable:
            _sync(scratch)
        scratch.replace(target)
        if durable:
            _sync_folder(target.parent)
    except OSError as error:
        raise error if isinstance(error, OutputError) else _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(path) as scratch:
        scratch.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write text atomically; see `atomic_path`."""
    with atomic_path(path, durable=durable) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any, *, durable: bool = True) -> None:
    """Write indented JSON atomically; see `atomic_path`."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n", durable=durable)


def set_aside(path: Path, reason: str) -> None:
    """Rename a damaged file of unfinished work to NAME.damaged, and warn; what it held is computed again."""
    aside = path.with_name(path.name + DAMAGED)
    path.replace(aside)
    warnings.warn(
        f"{path} is damaged ({textwrap.shorten(reason, 160)}): it is now {aside.name}, and is computed again",
        DamagedFileWarning,
        stacklevel=3,
    )


def remove_scratch(folder: Path) -> None:
    """Remove all scratch files that killed calls of `atomic_path` left in a folder whose lock the caller holds."""
    for file in folder.glob(f"{SCRATCH}*"):
        file.unlink(missing_ok=True)


def remove_scratch_of(path: Path, older_than_s: float = 0.0) -> None:
    """Remove the scratch files of one file that killed calls of `atomic_path` left.

    Args:
        path: path of the file, which no other call writes now.
        older_than_s: least age of the scratch files.
    """
    with suppress(OSError):
        target = _followed(path)
        for file in target.parent.glob(f"{_scratch_prefix(target)}*"):
            if time.time() - file.stat().st_mtime >= older_than_s:
                file.unlink(missing_ok=True)


def _followed(path: Path) -> Path:
    """Return the path itself, or the file that a symbolic link names, which need not exist."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def _scratch_prefix(target: Path) -> str:
    """Return a prefix of the scratch names of a file, of a fixed length however long the file's name is."""
    return f"{SCRATCH}{hashlib.blake2b(os.fsencode(target.name), digest_size=6).hexdigest()}-"


def _new_scratch(target: Path) -> Path:
    """Create an empty scratch file beside a file; `os.open` applies the umask, unlike `tempfile`."""
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= LONGEST_SUFFIX else ""
    while True:
        scratch = target.with_name(f"{_scratch_prefix(target)}{secrets.token_hex(4)}{suffix}")
        with suppress(FileExistsError):
            os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return scratch


def _sync(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Wait until the entries of a folder are on the disk; Windows offers no such call for folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems
            raise
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = " ".join((error.strerror or str(error)).split())
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or "No space left" in reason
    return OutputError(
        f"{path} cannot be written: {reason}" + ("; free some space and repeat the call" if full else "")
    )


# ---- checks before the work


def cache_folder(name: str) -> Path:
    """Return the folder of one kind of cached results: in `MATGYM_CACHE`, or in the user's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("MATGYM_CACHE")
    return (Path(given) if given else user_cache_path("matgym")) / name


def check_output(path: Path, *, folder: bool = False, force: bool = True, inputs: Iterable[Path] = ()) -> None:
    """Check that a file, or a folder, can be written to a path, before the work whose result it is to hold.

    Args:
        path: path of the output.
        folder: whether the output is a folder.
        force: whether a file that exists is replaced.
        inputs: files that are read; none of them is replaced, whatever `force` says.

    Raises:
        FormatError: if the path is a folder where a file is wanted or the other way round, if a parent is no folder,
            if the file is an input, a device, read-only, or exists without `force`, or if the file system takes no
            such name.
    """
    longest = max(path.parts, key=len, default="")
    if len(os.fsencode(longest)) > MAX_NAME_BYTES:
        raise FormatError(
            f"the output's name {longest[:40]}… is longer than {MAX_NAME_BYTES} bytes, which file systems take"
        )
    if "\0" in str(path):
        raise FormatError(f"the output {str(path)[:80]!r} contains a null character, which file names must not")
    try:
        if folder and path.exists() and not path.is_dir():
            raise FormatError(f"the output {path} is a file: name a folder")
        if not folder and path.is_dir():
            raise FormatError(f"the output {path} is a folder: name a file")
        target = _followed(path)
        if not folder and target.exists():
            _check_replaced(path, force, inputs)
        nearest = next(
            parent for parent in (*target.absolute().parents, target.absolute()) if parent.exists()
        )  # "/" has no parents
        if not nearest.is_dir():
            raise FormatError(f"the output {path} cannot be written: {nearest} is a file, not a folder")
        if not os.access(target if target.is_dir() else nearest, os.W_OK):
            raise FormatError(f"the output {path} cannot be written: the folder {nearest} is not writable")
    except (OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"the output {str(path)[:80]!r} cannot be written: {error}") from None


def _check_replaced(path: Path, force: bool, inputs: Iterable[Path]) -> None:
    """Check that a file that exists may be replaced."""
    if not path.is_file():
        raise FormatError(f"the output {path} is a device or a pipe: name a file")
    for each in inputs:
        if is_file(each) and each.samefile(path):
            raise FormatError(f"the output {path} is also an input: name another file")
    if not force:
        raise FormatError(f"the output {path} exists: name another file, or replace it by --force (force=True)")
    if not os.access(path, os.W_OK):
        raise FormatError(f"the output {path} is read-only: name another file, or make it writable")


# ---- reading


def is_file(path: Path) -> bool:
    """Return whether there is a regular file; no name is too long or too odd to be asked about."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its byte order mark; the mark is dropped.

    Raises:
        FormatError: if there is no such file, or it is larger than `limit` bytes, or no text.
    """
    try:
        return decoded(read_bytes(path, limit))
    except UnicodeError as error:
        raise FormatError(f"{path} is not {error}; store it as UTF-8") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a file.

    Raises:
        FormatError: if there is no such file, or it is larger than `limit` bytes.
    """
    if not is_file(path):
        raise FormatError(
            f"{path} is a folder or a device, not a file" if _exists(path) else f"there is no file {path}"
        )
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise FormatError(f"{path} is larger than {limit:,} bytes, the limit for such a file")
    return content


def decoded(content: bytes, encoding: str | None = None) -> str:
    """Return the text of bytes; a byte order mark is dropped.

    Args:
        content: the bytes.
        encoding: name of the encoding; None for UTF-8, or UTF-16 with its mark.

    Raises:
        UnicodeError: if the bytes are not such text; the message says of what encoding, why and where.
        LookupError: if there is no such encoding of text.
    """
    wide = content.startswith(UTF16_MARKS)
    try:
        return content.decode(encoding or ("utf-16" if wide else "utf-8")).removeprefix("\ufeff")
    except UnicodeError as error:
        named = encoding or ("UTF-16" if wide else "UTF-8")
        where = f": {error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise UnicodeError(f"{named} text{where}") from None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file: text, booleans, finite numbers, lists and mappings.

    Raises:
        FormatError: if it cannot be read, or holds something else.
    """
    return parse_json(read_text(path, MAX_JSON_BYTES), str(path))


def parse_json(text: str | bytes, source: str) -> Any:
    """Return the content of JSON text; see `read_json`."""
    try:
        content = json.loads(text, object_pairs_hook=_mapping)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{source} is not valid JSON: {error}") from None
    _check_plain(content, source)
    return content


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file: text, booleans, finite numbers, lists and mappings.

    Raises:
        FormatError: if it cannot be read, or holds something else, such as a date.
    """
    return parse_yaml(read_text(path, MAX_YAML_BYTES), str(path))


def parse_yaml(text: str, source: str) -> Any:
    """Return the content of YAML text; see `read_yaml`."""
    import yaml

    try:
        _check_events(yaml.parse(text, _yaml_loader()), source)
        content = yaml.load(text, _yaml_loader())  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:  # TypeError: a list as a name
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{source} is not valid YAML: {one_line(error)}") from None
    _check_plain(content, source)
    return content


@cache
def _yaml_loader() -> Any:
    """Return PyYAML's safe loader, in C if there is one, less what says something else than it seems to."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # of either
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # as PyYAML
            names = [name.value for name, _ in node.value if isinstance(name, yaml.ScalarNode) and name.value != "<<"]
            _check_unique(names)
            return super().construct_mapping(node, deep)

        def construct_number(self, node: Any) -> Any:
            if ":" in node.value:
                raise ValueError(f"{node.value[:40]} counts as a number to the base 60: put it in quotation marks")
            whole = node.tag.endswith("int")
            return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)

    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", Loader.construct_number)
    return Loader


def _check_events(events: Iterable[Any], source: str) -> None:
    """Check the depth of YAML, and how many values its aliases stand for, before any is made.

    Raises:
        FormatError: if there are too many, or an alias stands within what it stands for.
    """
    import yaml

    sizes: dict[str, int | None] = {}  # by anchor; None until its end
    begun: list[tuple[str | None, int]] = []  # the anchors of open lists and mappings, and the count at their start
    count = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            if anchor is not None:
                sizes[anchor] = count - before
            continue
        if isinstance(event, yaml.AliasEvent):
            if (size := sizes.get(str(event.anchor), 1)) is None:  # an unknown one is found by the composer
                raise FormatError(f"{source}: the alias *{event.anchor} stands within the very value that it repeats")
            count += size
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                begun.append((event.anchor, count - 1))
            if event.anchor is not None:
                sizes[event.anchor] = None if isinstance(event, yaml.CollectionStartEvent) else 1
        if count > MAX_VALUES or len(begun) > MAX_DEPTH:
            raise FormatError(_too_large(source))


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping of JSON."""
    _check_unique([name for name, _ in pairs])
    return dict(pairs)


def _check_unique(names: list[str]) -> None:
    """Check that no name is given twice: the parsers take the last, and tell nobody.

    Raises:
        ValueError: if one is.
    """
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        raise ValueError(f"{twice[:40]!r} is given twice in one mapping")


def parsed_number(text: str) -> float | None:
    """Return the finite number that ASCII text spells; None if it spells none, or one beyond `MAX_NUMBER`."""
    if not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= MAX_NUMBER else None  # NaN compares as false


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _check_plain(content: Any, source: str) -> None:
    """Check every value of a file that was read."""
    left = MAX_VALUES

    def check(value: Any, place: str, depth: int) -> None:
        nonlocal left
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            raise FormatError(_too_large(source))
        if isinstance(value, dict):
            for name, part in value.items():
                _check_name(name, f"{source}: {place}" if place else source)
                check(part, f"{place}.{name}" if place else name, depth + 1)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                check(part, f"{place}[{index}]", depth + 1)
        else:
            _check_value(value, f"{source}: {place}")

    check(content, "", 0)


def _too_large(source: str) -> str:
    return f"{source} has more than {MAX_VALUES:,} values, or is nested deeper than {MAX_DEPTH} levels"


def _check_name(name: object, at: str) -> None:
    if not isinstance(name, str):
        raise FormatError(f"{at}: the name {name!r} must be text: put it in quotation marks")
    _check_value(name, at)


def _check_value(value: object, at: str) -> None:
    """Check a value that is neither a list nor a mapping."""
    if isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):  # half of a pair
            raise FormatError(f"{at}: {value[:40]!r} is not valid text")
    elif isinstance(value, float):
        if not abs(value) <= MAX_NUMBER:  # NaN compares as false
            raise FormatError(f"{at}: {value} is not finite, or beyond ±{MAX_NUMBER:g}")
    elif isinstance(value, int):
        if abs(value) > MAX_NUMBER:
            digits = round(value.bit_length() * math.log10(2.0))  # Python refuses to print numbers of 4,301 or more
            raise FormatError(f"{at}: a whole number of about {digits:,} digits is beyond ±{MAX_NUMBER:g}")
    elif value is not None:
        raise FormatError(
            f"{at}: {value!r} is a {type(value).__name__}; give text, in quotation marks, numbers, lists or mappings"
        )
