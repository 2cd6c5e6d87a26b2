"""Damaged files: structures, cards, weights, ONNX networks, tables, and settings and suites in YAML.

Damage is done to bytes, to text, or to what a file means: to entries of a card, tensors of weights, nodes of a network,
columns of a table. What must not be noticed by its hash alone gets a new one.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scripts.fuzz.damage import BYTES, changed_tree, damage
from scripts.fuzz.engine import Make
from scripts.fuzz.hostile import pick
from scripts.fuzz.readers import READERS, WEIGHTS

CORPUS: Final = Path(__file__).parents[2] / "tests" / "corpus"
"""KIND/TITLE/FILE: files that once failed, which are read first."""

KEPT_BYTES: Final = 100_000
"""Largest file of the corpus."""

Damaged = Callable[[Path, Path, np.random.Generator], tuple[Path, str, Callable[[Path], object]]]
"""From a folder to work in and that of valid files to a damaged file, what was done to it, and what reads it."""


def _structure(place, valid, rng):
    return _one(place, valid, rng, [name for name in READERS if name.startswith("tube")])


def _one(place, valid, rng, names):
    name = pick(rng, names)
    shutil.copy(valid / name, place)
    return place / name, damage(place / name, rng), READERS[name]


# ---- cards and weights


def _card(place, valid, rng):
    name = _with_card(place, valid, rng)
    path = place / f"{name}.json"
    if rng.random() < 0.2:
        return path, damage(path, rng), WEIGHTS[name]
    tree, how = changed_tree(json.loads(path.read_text(encoding="utf-8")), rng)
    path.write_text(json.dumps(tree), encoding="utf-8", errors="surrogatepass")
    return path, how, WEIGHTS[name]


def _weights(place, valid, rng):
    name = _with_card(place, valid, rng)
    path = place / f"{name}.safetensors"
    kind = pick(rng, (*BYTES, "header", "header", "tensors", "tensors", "tensors"))
    content = path.read_bytes()
    if kind in BYTES:
        content = BYTES[kind](content, rng)
    elif kind == "header":
        size = int.from_bytes(content[:8], "little")
        tree, kind = changed_tree(json.loads(content[8 : 8 + size]), rng)
        header = json.dumps(tree).encode("utf-8", "surrogatepass")
        size = len(header) if rng.random() < 0.9 else int(rng.integers(2**63))
        content = size.to_bytes(8, "little") + header + content[8 + int.from_bytes(content[:8], "little") :]
    else:
        content, kind = _other_tensors(content, rng)
    path.write_bytes(content)
    if rng.random() < 0.9:
        _seal(path)
    return path, kind, WEIGHTS[name]


def _other_tensors(content, rng):
    import torch
    from safetensors.torch import load, save

    tensors = dict(load(content))
    name = pick(rng, list(tensors))
    kind, value = (
        pick(rng, ("nan", "huge", "shape", "type", "lost", "renamed", "empty", "large", "scalar")),
        tensors[name],
    )
    if kind in {"nan", "huge"}:
        tensors[name] = torch.full_like(value.float(), float("nan") if kind == "nan" else 3e38).to(value.dtype)
    elif kind == "shape":
        tensors[name] = value.reshape(-1)[: int(rng.integers(value.numel() + 1))].clone()
    elif kind == "type":
        tensors[name] = value.to(pick(rng, (torch.float64, torch.float16, torch.int8, torch.bool, torch.bfloat16)))
    elif kind == "renamed":
        tensors[pick(rng, (f"{name}.x", "x", "", f"network.99.{name}"))] = tensors.pop(name)
    elif kind == "empty":
        tensors = {}
    elif kind == "large":
        tensors[name] = torch.zeros((*value.shape, 64)[-3:])
    elif kind == "scalar":
        tensors[name] = torch.tensor(0.0)
    else:
        del tensors[name]
    return save(tensors), f"{name}: {kind}"


def _with_card(place, valid, rng):
    name = pick(rng, list(WEIGHTS))
    for suffix in (".safetensors", ".json"):
        shutil.copy(valid / f"{name}{suffix}", place)
    return name


# ---- ONNX


def _onnx(place, valid, rng):
    import onnx

    if rng.random() < 0.5:
        return _one(place, valid, rng, ["sum.onnx"])
    model = onnx.load(valid / "sum.onnx")
    kind = pick(rng, [*_ONNX])
    _ONNX[kind](model.graph, rng)
    path = place / "sum.onnx"
    path.write_bytes(model.SerializeToString())
    return path, kind, READERS["sum.onnx"]


def _odd_node(graph, rng):
    node = pick(rng, graph.node)
    node.op_type = pick(
        rng, ("Loop", "Relu", "Shape", "Tile", "Expand", "Identity", "Missing", "Softmax", "MatMul", "NonZero")
    )


def _odd_weights(graph, rng):
    from onnx import numpy_helper

    shape = pick(rng, ((), (0,), (1, 1, 1, 1), (3, 12, 7, 7), (1, 12, 1, 1), (2, 12, 1, 1)))
    array = np.full(shape, pick(rng, (np.nan, np.inf, 1e38, 0.0))).astype(pick(rng, (np.float32, np.float64, np.int64)))
    graph.initializer[int(rng.integers(2))].CopyFrom(numpy_helper.from_array(array, pick(rng, ("w", "axes", "x"))))


def _odd_shape(graph, rng):
    dims = pick(rng, (graph.input, graph.output))[0].type.tensor_type.shape.dim
    if len(dims):
        pick(rng, dims).dim_value = pick(rng, (0, -1, 1, 7, 2**31, 2**62))


def _odd_type(graph, rng):
    pick(rng, (graph.input, graph.output))[0].type.tensor_type.elem_type = int(rng.integers(-1, 25))


def _odd_axes(graph, rng):
    from onnx import numpy_helper

    axes = pick(rng, ([2, 3], [], [0], [0, 1, 2, 3], [9], [-1], [1, 1], [2**62]))
    graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array(axes, dtype=np.int64), "axes"))


def _much_room(graph, rng):
    from onnx import helper, numpy_helper

    size = pick(rng, (10**5, 10**9, 10**12, 2**62))
    graph.initializer.append(numpy_helper.from_array(np.array([size], dtype=np.int64), "size"))
    graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["room"]))
    if rng.random() < 0.5:
        graph.node[-1].input[0] = "room"
        graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([0], dtype=np.int64), "axes"))


def _outside(graph, rng):
    tensor = graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    where = pick(rng, ("/etc/passwd", "../../../etc/passwd", "missing", "/dev/zero", "sum.onnx", ""))
    for key, value in (("location", where), ("offset", "0"), ("length", pick(rng, ("48", "999999999999", "-1", "x")))):
        tensor.external_data.add(key=key, value=value)


_ONNX: Final = {
    "node": _odd_node, "weights": _odd_weights, "shape": _odd_shape, "type": _odd_type, "axes": _odd_axes,
    "much room": _much_room, "outside": _outside,
}  # fmt: skip


# ---- tables


def _table(place, valid, rng):
    if rng.random() < 0.5:
        shutil.copy(valid / "small.parquet", place)
        path = place / "small.parquet"
        how = damage(path, rng) if rng.random() < 0.25 else _damaged_parquet(path, rng)
        return path, how, READERS["small.parquet"]
    if rng.random() < 0.5:
        return _one(place, valid, rng, ["table.csv"])
    path = place / "table.csv"
    content, how = _drawn_table(rng)
    path.write_bytes(content)
    return path, how, READERS["table.csv"]


def _drawn_table(rng):
    """Return a table of cells drawn by column, in any encoding."""
    rows, columns = pick(rng, (0, 1, 9, 10, 12, 40)), pick(rng, (0, 1, 2, 3, 5))
    cells: list[Callable[[int], str]] = [
        str, lambda row: f"{row * 0.37:.3f}", lambda _row: "7", lambda row: "ab"[row % 2],
        lambda row: f"word{row}", lambda row: f"1e-{300 + row % 20}", lambda row: f"{(-1) ** row}e{90 + row % 10}",
        lambda row: str(row // 2), lambda row: str(row % 2), lambda row: f"{1 + row * 1e-15!r}",
        lambda row: "0" if row else "1e100",
        lambda _row: pick(rng, ("1", "", " ", "nan", "1e999", "x,y", '"', "٣")), lambda row: f'"{row}"',
    ]  # fmt: skip
    drawn = [pick(rng, cells) for _ in range(columns)]
    names = [pick(rng, ("x", "y", "", "[/red]", "é", f"c{k}", f"c{k}", f"c{k}", "a" * 300)) for k in range(columns)]
    mark = pick(rng, (",", ",", ";", "\t"))
    text = pick(rng, ("\n", "\r\n", "\r")).join(
        mark.join(line) for line in (names, *([cell(row) for cell in drawn] for row in range(rows)))
    )
    return text.encode(pick(rng, ("utf-8", "utf-8", "utf-16", "latin-1", "utf-8-sig")), "replace"), f"{rows} x {names}"


def _damaged_parquet(path: Path, rng) -> str:
    table = pq.read_table(path)
    name = pick(rng, table.column_names)
    kind = pick(rng, ("lost", "type", "null", "value", "value", "renamed", "metadata", "provenance", "empty", "cast"))
    pq.write_table(_COLUMNS[kind](table, name, rng), path)
    return f"column {name}: {kind}"


def _other_type(table, name, rng):
    column = pa.array([pick(rng, ("x", 1.5, True, b"x", None, [1], {"a": 1}))] * len(table))
    return table.set_column(table.column_names.index(name), name, column)


def _cast(table, name, rng):
    words = pa.dictionary(pa.int32(), pa.string())
    other = pick(rng, (pa.large_string(), pa.string(), pa.int64(), pa.float32(), pa.large_binary(), words))
    try:
        field = pa.field(name, other, table.schema.field(name).nullable)
        return table.set_column(table.column_names.index(name), field, table.column(name).cast(other))
    except (pa.ArrowException, ValueError):
        return pa.concat_tables([table, table])


def _null(table, name, _rng):
    field = table.schema.field(name)
    column = pa.nulls(len(table), field.type)
    return table.set_column(table.column_names.index(name), pa.field(name, field.type), column)


def _value(table, name, rng):
    field, column = table.schema.field(name), table.column(name).to_pylist()
    values = {
        "double": [float("nan"), float("inf"), 1e308, -5.0, 1e-320, 0.0],
        "int16": [-1, 0, 32767, 9999, 1], "int32": [-1, 2**31 - 1, 0],
        "string": ["", "x", "[/]", "train", "\u202e"], "binary": [b"", b"\xff" * 128, b"\x09" * 64, b"\x00" * 64],
    }.get(str(field.type), [[-1], [10**6], [0, 0], None, [0], list(range(96))])  # fmt: skip
    for row in rng.choice(len(column), size=pick(rng, (1, 1, len(column))), replace=False).tolist():
        column[row] = pick(rng, values)
    array = pa.array(column, field.type)
    return table.set_column(table.column_names.index(name), pa.field(name, field.type), array)


def _renamed(table, name, rng):
    new = pick(rng, ("[/x]", "", "key", "species", "x.level", ".level", "gap_ev.level"))
    return table.rename_columns([new if each == name else each for each in table.column_names])


def _metadata(table, _name, rng):
    texts = (b"", b"{", b"[]", b"{}", b'{"schema_version": 3}', b'{"schema_version": "3"}', b"\xff", b"[" * 100_000)
    return table.replace_schema_metadata({b"matgym": pick(rng, texts)})


def _provenance(table, _name, rng):
    tree, _ = changed_tree(json.loads(table.schema.metadata[b"matgym"]), rng)
    return table.replace_schema_metadata({b"matgym": json.dumps(tree).encode("utf-8", "surrogatepass")})


_COLUMNS: Final = {
    "lost": lambda table, name, _rng: table.drop_columns([name]),
    "empty": lambda table, _name, _rng: table.slice(0, 0),
    "type": _other_type, "cast": _cast, "null": _null, "value": _value, "renamed": _renamed, "metadata": _metadata,
    "provenance": _provenance,
}  # fmt: skip


# ---- settings and suites


def _settings(place, valid, rng):
    import yaml

    name = pick(rng, ("suite.yml", "suite.yml", "fit.yml", "process.yml", "generator.yml", "spec.json"))
    shutil.copy(valid / name, place)
    path, chance = place / name, rng.random()
    if chance < 0.35:
        return path, damage(path, rng), READERS[name]
    text = path.read_text(encoding="utf-8")
    if chance < 0.9:
        tree, how = changed_tree(yaml.safe_load(text), rng)
        text = json.dumps(tree) if name.endswith("json") or rng.random() < 0.3 else yaml.safe_dump(tree)
    else:
        how, bomb = pick(rng, list(_BOMBS.items()))
        text = bomb if rng.random() < 0.5 else text + bomb
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path, how, READERS[name]


def _multiplied(start: str, line: str) -> str:
    return start + "".join(
        line.format(new=new, old=", ".join([f"*{old}"] * 10)) for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )


_BOMBS: Final = {
    "aliases of lists": _multiplied("a: &a [x,x,x,x,x,x,x,x,x,x]\n", "{new}: &{new} [{old}]\n"),
    "aliases of mappings": _multiplied("a: &a {x: 1, y: 2}\n", "{new}: &{new} {{<<: [{old}]}}\n"),
    "itself": "a: &x [*x]\n", "itself in a mapping": "a: &x {b: *x}\n", "itself merged": "a: &x {<<: *x}\n",
    "deep": "a: " + "[" * 5000, "deep mappings": "".join(" " * k + "a:\n" for k in range(300)),
    "questions": "? " * 3000 + "x", "dashes": "- " * 3000 + "x", "wide": "a: [" + "1," * 100_000 + "]\n",
    "base 60": "a: " + "1:" * 50_000 + "1\n", "base 60 with a point": "a: " + "1:" * 50_000 + "1.5\n",
    "long number": "a: " + "9" * 200_000 + "\n", "documents": "---\n" * 50,
    "tag": "a: !!python/object/apply:os.system [x]\n",
    "twice": "name: a\nname: b\n", "tab": "a:\n\t- b\n",
    "null": "a: \0\n", "anchor": "&a &b c\n", "set": "a: !!set {b, c}\n",
    "pairs": "a: !!pairs [b: 1]\n", "ordered": "a: !!omap [b: 1]\n", "time": "a: 2026-01-01 12:00:00\n",
    "list as a name": "[a, b]: c\n", "mapping as a name": "{a: b}: c\n", "comment": "#" * 200_000,
    "nothing": "", "one word": "x",
}  # fmt: skip


def _results(place, valid, rng):
    shutil.copytree(valid / "results", place, dirs_exist_ok=True)
    path = place / "suite.json"
    if rng.random() < 0.5:
        return path, damage(path, rng), READERS["suite.json"]
    tree, how = changed_tree(json.loads(path.read_text(encoding="utf-8")), rng)
    path.write_text(json.dumps(tree), encoding="utf-8", errors="surrogatepass")
    return path, how, READERS["suite.json"]


# ---- cases

KINDS: Final[dict[str, Damaged]] = {
    "structures": _structure, "cards": _card, "weights": _weights, "onnx": _onnx, "tables": _table,
    "settings": _settings, "results": _results,
}  # fmt: skip


def corpus(kind: str) -> list[Path]:
    """Return the files of a kind that once failed."""
    return sorted((CORPUS / kind).glob("*/*"))


def keep(path: Path, kind: str, title: str) -> None:
    """Keep a file in the corpus."""
    (CORPUS / kind / title).mkdir(parents=True, exist_ok=True)
    shutil.copy(path, CORPUS / kind / title)


def _kept(file: Path, place: Path, valid: Path) -> tuple[Path, Callable[[Path], object]]:
    """Copy a file of the corpus beside what it needs, and return it with what reads it."""
    path = place / file.name
    if path.stem in WEIGHTS:
        for suffix in (".safetensors", ".json"):
            shutil.copy(valid / f"{path.stem}{suffix}", place)
    if path.name == "suite.json":
        shutil.copytree(valid / "results", place, dirs_exist_ok=True)
    shutil.copy(file, path)
    if path.suffix == ".safetensors":
        _seal(path)
    return path, WEIGHTS.get(path.stem) or READERS[path.name]


def _seal(path: Path) -> None:
    """Write the hash of weights to their card, so that it does not tell."""
    card = path.with_suffix(".json")
    entries = json.loads(card.read_text(encoding="utf-8"))
    entries["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card.write_text(json.dumps(entries), encoding="utf-8")


def case_maker(kind: str, seed: int, folder: Path, valid: Path) -> Make:
    """Return what makes damaged files of a kind; negative cases are those of the corpus."""
    number, kept = list(KINDS).index(kind), corpus(kind)

    def make(case: int):
        place = folder / f"{kind}-{os.getpid()}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if case < 0:
            path, read = _kept(kept[case], place, valid)
            return f"corpus: {kept[case].relative_to(CORPUS)}", lambda: read(path)
        path, how, read = KINDS[kind](place, valid, np.random.default_rng([seed, 2, number, case]))
        return f"{path.name}: {how}", lambda: read(path)

    return make
