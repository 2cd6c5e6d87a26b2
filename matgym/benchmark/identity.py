"""What the figures of a run depend on, as digests: code, arrays, weights, tables and settings."""

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

import numpy as np

from matgym.physics.cache import PHYSICS_VERSION
from matgym.tasks import DesignTask, Ledger

LIBRARIES: Final = ("numpy", "scipy", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "optuna", "cmaes")
"""Whose versions a record depends on."""


@lru_cache
def versions() -> dict[str, str]:
    """Of matgym, its physics, and the libraries that figures depend on."""
    found = {"matgym": version("matgym"), "physics": str(PHYSICS_VERSION)}
    return found | {name: version(name) for name in LIBRARIES}


def digest(*contents: bytes) -> str:
    """Twelve hexadecimal digits of a hash."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


# ---- code


@lru_cache
def code_digest(modules: frozenset[str]) -> str:
    """Hash of the code of modules and of all that they import, of matgym and of whatever is not an installed library.

    Comments and docstrings do not count. The files are read once a process, as Python itself reads them.

    Args:
        modules: names, such as "matgym.agents.optimizers.heuristics".
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
    """The modules that hold the code of a task and of other objects or classes."""
    models = [source for each in task.objectives for source in (each.model, each.oracle)]
    sources = [getattr(model, "source", None) for model in models]  # what an adapter wraps
    bound = [task.constraint.model] if task.constraint else []
    held = [task, task.space, *models, *sources, *bound, task.reward, *others]
    code = [each if isinstance(each, type | FunctionType) else type(each) for each in held if each is not None]
    return frozenset({kind.__module__ for kind in code} - {"builtins"})


@cache
def _source(name: str) -> Path | None:
    """The file of a module, found without importing anything; None of names that are no modules of Python code."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):  # of a program that was typed in
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
    """Whether a package comes with Python or lies among its installed libraries."""
    file = _source(top)
    paths = [Path(folder).resolve() for folder in sysconfig.get_paths().values()]
    return file is None or any(file.resolve().is_relative_to(folder) for folder in paths)


@cache
def _read(name: str, file: Path) -> tuple[bytes, tuple[str, ...]]:
    """The code of a module, without docstrings and comments, and what it imports, anywhere in it."""
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
    """Hash of an object by all that it holds: arrays and weights by their bytes, whatever their length."""
    state = hashlib.sha256()
    for part in _parts(value, ()):
        state.update(len(part).to_bytes(8, "little") + part)
    return state.hexdigest()[:12]


def _parts(value: Any, above: tuple[int, ...]) -> Iterator[bytes]:  # noqa: C901, PLR0912  # a list of cases
    """Bytes that tell one object from another; `above` are the objects that hold it."""
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if id(value) in above or isinstance(value, Ledger):  # what was spent is no setting
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
