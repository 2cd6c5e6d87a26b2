"""Digests of everything that the figures of a run depend on: code, arrays, weights, tables and settings."""

import ast
import hashlib
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

import duckdb
import numpy as np

from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.suite import ABOUT
from matgym.errors import DatasetError, FormatError
from matgym.files import parse_json
from matgym.physics.cache import PHYSICS_VERSION
from matgym.tasks import DesignTask, Ledger

LIBRARIES: Final = ("numpy", "scipy", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "optuna", "cmaes")
"""Libraries whose versions are part of the identity of a record."""


SHARED: Final = ("versions", "model", "task")
"""Fields of the identity that all records of a task share; of the versions those in `MADE_BY`."""

MADE_BY: Final = ("matgym", "physics")
"""Versions that all records of a benchmark share. Those of libraries may differ between methods, which other people may
have run, and not between the seeds of one method."""


@lru_cache
def versions() -> dict[str, str]:
    """Return the versions of matgym, of its physics, and of the libraries that figures depend on."""
    found = {"matgym": version("matgym"), "physics": str(PHYSICS_VERSION)}
    return found | {name: version(name) for name in LIBRARIES}


def digest(*contents: bytes) -> str:
    """Return twelve hexadecimal digits of a hash of the contents."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


# ---- code


@lru_cache
def code_digest(modules: frozenset[str]) -> str:
    """Return a hash of the code of modules and of their imports, without installed libraries other than matgym.

    Comments and docstrings do not count. Each file is read once per process.
    """
    waiting, codes = sorted(modules), dict[str, bytes]()
    own = {"matgym", *(name.partition(".")[0] for name in modules)}
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in codes or (top not in own and _installed(top)) or (file := _source(name)) is None:
            continue
        codes[name], imported = _read(name, file)
        waiting += imported
    return digest(*(part for name in sorted(codes) for part in (name.encode(), codes[name])))


def modules_of(task: DesignTask, *others: Any) -> frozenset[str]:
    """Return the modules with the code of a task and of other objects or classes."""
    models = [source for each in task.objectives for source in (each.model, each.oracle)]
    sources = [getattr(model, "source", None) for model in models]  # the model inside an adapter
    bound = [task.constraint.model] if task.constraint else []
    held = [task, task.space, *models, *sources, *bound, task.reward, *others]
    code = [each if isinstance(each, type | FunctionType) else type(each) for each in held if each is not None]
    return frozenset({kind.__module__ for kind in code} - {"builtins"})


@cache
def _source(name: str) -> Path | None:
    """Return the file of a module without an import, or None if the name is not a module of Python code."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # for example `__main__` of an interactive session
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    for part in rest:
        if file.name != "__init__.py":
            return None
        places = (file.parent / part / "__init__.py", file.parent / f"{part}.py")
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            return None
        file = found
    return file


@cache
def _installed(top: str) -> bool:
    """Return whether a package is part of Python or an installed library."""
    file = _source(top)
    paths = [Path(folder).resolve() for folder in sysconfig.get_paths().values()]
    return file is None or any(file.resolve().is_relative_to(folder) for folder in paths)


@cache
def _read(name: str, file: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return the code of a module without docstrings and comments, and all its imports."""
    tree = ast.parse(file.read_bytes())
    here = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imported: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            source = resolve_name(module, here) if node.level else module
            imported |= dict.fromkeys((source, *(f"{source}.{alias.name}" for alias in node.names)))
        for part in ("body", "orelse", "finalbody"):
            block = getattr(node, part, None)
            if isinstance(block, list):
                kept = [line for line in block if not _is_text(line)]
                setattr(node, part, kept or ([ast.Pass()] if block else []))
    return ast.unparse(tree).encode(), tuple(imported)


def _is_text(line: ast.AST) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


# ---- objects


def fingerprint(value: Any) -> str:
    """Return a hash of an object and of everything that it holds, with the bytes of arrays and weights."""
    state = hashlib.sha256()
    for part in _parts(value, ()):
        state.update(len(part).to_bytes(8, "little") + part)
    return state.hexdigest()[:12]


def _parts(value: Any, above: tuple[int, ...]) -> Iterator[bytes]:  # noqa: C901, PLR0912  # a list of cases
    """Yield bytes that identify an object; `above` are the objects that hold it."""
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if id(value) in above or isinstance(value, Ledger):  # counts are not settings
        return
    above = (*above, id(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        yield f"{value.dtype.str} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic | Path):
        yield repr(value).encode()
    elif isinstance(value, Mapping):
        yield from _each(sorted(value.items(), key=lambda item: repr(item[0])), above)
    elif isinstance(value, set | frozenset):
        yield from sorted(fingerprint(each).encode() for each in value)
    elif isinstance(value, list | tuple | np.ndarray):
        yield from _each(value, above)
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__}".encode()
    elif isinstance(value, MethodType):
        yield from _each((value.__self__, value.__func__), above)
    elif isinstance(value, FunctionType):
        yield f"{value.__module__}.{value.__qualname__}".encode()
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        yield from _each((value.__code__, value.__defaults__, value.__kwdefaults__, cells), above)
    elif isinstance(value, CodeType):
        yield value.co_code
        yield from _each((value.co_names, value.co_consts), above)
    elif hasattr(value, "state_dict"):  # torch's modules and optimizers
        yield from _each(value.state_dict(), above)
    elif hasattr(value, "detach"):  # torch's tensors
        yield from _parts(value.detach().cpu().numpy(), above)
    elif is_dataclass(value):
        yield from _each([(each.name, getattr(value, each.name)) for each in fields(value)], above)
    else:
        yield from _each(getattr(value, "__dict__", {}), above)


def _each(values: Iterable[Any], above: tuple[int, ...]) -> Iterator[bytes]:
    pairs = sorted(values.items()) if isinstance(values, dict) else values
    yield str(len(list(pairs))).encode()
    for value in pairs:
        yield from _parts(value, above)


# ---- what differs


def difference(theirs: Any, ours: Any, path: tuple[str, ...] = ()) -> tuple[str, Any, Any] | None:
    """Return the first field that differs between two identities with both values, or None if they are equal."""
    if theirs == ours:
        return None
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        name = next(each for each in sorted({*theirs, *ours}) if theirs.get(each) != ours.get(each))
        return difference(theirs.get(name), ours.get(name), (*path, name))
    return ".".join(path), theirs, ours


def in_words(theirs: Any, ours: Any) -> str:
    """Describe the difference between two identities; the text is empty if they are equal."""
    found = difference(theirs, ours)
    if found is None:
        return ""
    place, there, here = found
    if place.startswith("versions."):
        return f"it was made with {place.removeprefix('versions.')} {there}, and this is {here}"
    return f"its {place} was {there!r}, and is now {here!r}"


def read_identity(identity: str, file: Path | str) -> dict[str, Any]:
    """Return the identity of a record.

    Raises:
        DatasetError: if it is not a JSON object, or its versions are not.
    """
    try:
        content = parse_json(identity, f"the identity in {file}")
    except FormatError as error:
        raise DatasetError(f"{error}; remove the file") from None
    if not isinstance(content, dict) or not isinstance(content.get("versions", {}), dict):
        raise DatasetError(f"{file} has identity {identity!r:.80}, which is not that of a run; remove the file")
    return content


def check_records(connection: duckdb.DuckDBPyConnection, facts: SuiteFacts) -> set[tuple[str, str, str, int]]:
    """Return the (track, task, method, seed) of all records.

    Raises:
        DatasetError: if a record belongs to another suite, or differs from similar records in versions, hashes or
            settings.
    """
    rows = connection.execute(
        "SELECT DISTINCT filename, track, task, method, seed, identity, run FROM records ORDER BY ALL"
    ).fetchall()
    tasks: dict[str, tuple[str, dict[str, Any]]] = {}
    methods: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = {}
    seen: dict[tuple[str, str, str, int], str] = {}
    for file, track, task, method, seed, identity, run in rows:
        known: Mapping[str, Any] = facts.tasks if track == "search" else facts.amortised
        runs = facts.runs or (run,)
        for field, value, names in (("task", task, known), ("method", method, facts.methods), ("run", run, runs)):
            if value not in names:
                raise DatasetError(f"{file} has {field} {value!r}, which {ABOUT} does not name; remove the file")
        place = (track, task, method, seed)
        if place in seen:
            raise DatasetError(f"{file} and {seen[place]} both have seed {seed} of {method} on {task}; remove one")
        seen[place] = file
        about = {name: value for name, value in read_identity(identity, file).items() if name != "seed"}
        made_by = {name: own for name, own in about.get("versions", {}).items() if name in MADE_BY}
        shared: dict[str, Any] = {name: about[name] for name in SHARED if name in about} | {"versions": made_by}
        ours, theirs = facts.versions, made_by
        both = [{"versions": {k: part[k] for k in ours.keys() & theirs.keys()}} for part in (ours, theirs)]
        _compare(ABOUT, both[0], file, both[1])
        _compare(tasks.setdefault(task, (file, shared))[0], tasks[task][1], file, shared)
        _compare(methods.setdefault(place[:3], (file, about))[0], methods[place[:3]][1], file, about)
    return set(seen)


def _compare(one: str, theirs: Mapping[str, Any], other: str, ours: Mapping[str, Any]) -> None:
    if found := difference(theirs, ours):
        place, there, here = found
        raise DatasetError(
            f"{one} and {other} differ in {place}: {there!r} and {here!r}; remove the outdated file and run it again"
        )
