"""Damage to bytes, to text and to trees of JSON."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from scripts.fuzz.hostile import NUMBERS, WORDS, pick

Rng = np.random.Generator

BINARY: Final = {".parquet", ".safetensors", ".traj", ".onnx"}


def damage(path: Path, rng: Rng) -> str:
    """Damage a file of text or of bytes, and return how."""
    content = path.read_bytes()
    kind = pick(rng, [*BYTES] if path.suffix in BINARY else [*_TEXT, *BYTES])
    if kind in BYTES:
        content = BYTES[kind](content, rng)
    else:
        text = content.decode()
        for _ in range(int(rng.integers(1, 4))):
            text = _TEXT[kind](text, rng)
        content = (
            text.encode("utf-16", "surrogatepass") if rng.random() < 0.03 else text.encode("utf-8", "surrogatepass")
        )
    path.write_bytes(content)
    return kind


# ---- bytes


def _flipped(content: bytes, rng: Rng) -> bytes:
    array = np.frombuffer(content, dtype=np.uint8).copy()
    array[rng.integers(len(array), size=int(rng.integers(1, 6)))] = rng.integers(256)
    return array.tobytes()


def _inserted(content: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(len(content)))
    return content[:at] + rng.bytes(int(rng.integers(1, 200))) + content[at:]


BYTES: Final[dict[str, Callable[[bytes, Rng], bytes]]] = {
    "flip": _flipped,
    "cut": lambda content, rng: content[: int(rng.integers(len(content)))],
    "insert": _inserted,
}


# ---- text

_NUMBER: Final = re.compile(r"(?<![A-Za-z_])-?\d+\.?\d*(?:[eE][-+]?\d+)?")
_WORD: Final = re.compile(r"[A-Za-z_]{2,}")


def _replaced(pattern, values):
    def change(text: str, rng: Rng) -> str:
        found = list(pattern.finditer(text))
        if not found:
            return text
        spot = found[int(rng.integers(min(len(found), 12) if rng.random() < 0.5 else len(found)))]
        return text[: spot.start()] + pick(rng, values) + text[spot.end() :]

    return change


def _lines(change):
    def changed(text: str, rng: Rng) -> str:
        lines = text.split("\n")
        change(lines, int(rng.integers(len(lines))), rng)
        return "\n".join(lines)

    return changed


_TEXT: Final[dict[str, Callable[[str, Rng], str]]] = {
    "number": _replaced(_NUMBER, NUMBERS),
    "header number": lambda text, rng: _replaced(_NUMBER, NUMBERS)(text[:400], rng) + text[400:],
    "word": _replaced(_WORD, WORDS),
    "odd value": _replaced(
        re.compile(r"(?<=: )[^\n,{}\[\]]+"),
        (
            "2026-11-29", "2026-99-99", "[1, 2]", "{a: 1}", "~", "null", "true", "1e999", ".inf", ".nan", "[" * 2000,
            "!!binary aGk=", "!!set {a}", "&a [*a]", "12:30:45", "0o17", "? x", '"\\ud800"', "NaN", "Infinity", "-1",
            "1" * 5000, "1:" * 5000 + "1.5", "&a {<<: *a}", "*b", "..a:B", "!!python/name:os.system",
        ),
    ),
    "line lost": _lines(lambda lines, k, _rng: lines.pop(k)),
    "line doubled": _lines(lambda lines, k, _rng: lines.insert(k, lines[k])),
    "lines swapped": _lines(lambda lines, k, rng: lines.insert(int(rng.integers(len(lines))), lines.pop(k))),
    "long line": _lines(lambda lines, k, _rng: lines.insert(k, "7 " * 20_000)),
    "every atom in one place": lambda text, _rng: re.sub(r"-?\d+\.\d{4,}", "0.5000", text),
}  # fmt: skip


# ---- trees: what JSON and YAML hold

LEAVES: Final[tuple[Any, ...]] = (
    None, True, False, -1, 0, 1, 2, 3, 7, 64, 1000, 65_536, 10**6, 10**9, 10**12, 2**63, 10**30, 0.0, -0.5, 0.5, 1.5,
    1e-320, 1e30, 1e100, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), "", " ", "x", "B", "gap_ev",
    "[/red]", "\ud800", "a" * 5000, "a\0b", "../x", "NaN", "1e5", "12", "..a:B", "no.such:Thing", "os:system",
)  # fmt: skip
BRANCHES: Final[tuple[Callable[[], Any], ...]] = (
    list, dict, lambda: [[]], lambda: [0] * 1000, lambda: [1e308, -1e308], lambda: {"a": 1}, lambda: ["B", "B"],
    lambda: [10**9], lambda: _nested(60), lambda: {"": {}}, lambda: [1] * 20_000, lambda: ["x", 1, None],
)  # fmt: skip


def _nested(depth: int) -> Any:
    tree: Any = 0
    for _ in range(depth):
        tree = [tree]
    return tree


def odd(rng: Rng) -> Any:
    """Return a value that few would give."""
    return pick(rng, BRANCHES)() if rng.random() < 0.2 else pick(rng, LEAVES)


def changed_tree(tree: Any, rng: Rng) -> tuple[Any, str]:
    """Return a copy of a tree with one to three changes, and what they are."""
    tree, told = json.loads(json.dumps(tree)), []
    for _ in range(int(rng.integers(1, 4))):
        spots = list(_spots(tree, ""))
        if not spots:
            break
        holder, key, place = pick(rng, spots)
        kind = pick(
            rng, ("replaced", "replaced", "replaced", "lost", "doubled", "renamed", "scaled", "swapped", "retyped")
        )
        told.append(f"{place} {_CHANGES[kind](holder, key, spots, rng) or kind}")
    return tree, "; ".join(told)


def _spots(tree: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    """Yield every place of a tree: what holds it, its key there, and its name; long lists give a few."""
    keys: list[Any] = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    for key in keys[:8]:
        yield tree, key, f"{place}.{key}"
        yield from _spots(tree[key], f"{place}.{key}")


def _replace(holder, key, _spots, rng):
    holder[key] = odd(rng)
    return f"= {holder[key]!r}"[:60]


def _lose(holder, key, _spots, _rng):
    if isinstance(holder, dict) or len(holder) > key:
        del holder[key]


def _double(holder, key, _spots, _rng):
    if isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[f"{key}2"] = holder[key]


def _rename(holder, key, _spots, rng):
    if isinstance(holder, dict):
        holder[pick(rng, ("", "x", "[/red]", "a" * 300, f"{key} ", "__class__"))] = holder.pop(key)


def _scale(holder, key, _spots, rng):
    if isinstance(holder[key], int | float):
        holder[key] *= pick(rng, (-1, 0, 2, 1000, 10**9, 0.5))
    elif isinstance(holder[key], list | str):
        holder[key] = holder[key] * pick(rng, (0, 2, 100))
    return f"= {holder[key]!r}"[:60]


def _swap(holder, key, spots, rng):
    other, place, _ = pick(rng, spots)
    if isinstance(other[place], dict | list) or isinstance(holder[key], dict | list):
        return  # a tree within itself is none
    holder[key], other[place] = other[place], holder[key]


def _retype(holder, key, _spots, _rng):
    value = holder[key]
    holder[key] = [value] if isinstance(value, str) else str(value) if isinstance(value, int | float) else [[value]]


_CHANGES: Final = {
    "replaced": _replace, "lost": _lose, "doubled": _double, "renamed": _rename, "scaled": _scale, "swapped": _swap,
    "retyped": _retype,
}  # fmt: skip
