"""Valid structure, table and configuration files, and damage done to them."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.structures import Nanotube
from matgym.structures.io import read, write
from scripts.fuzz.engine import Make
from scripts.fuzz.hostile import NUMBERS, WORDS


def make_valid(folder: Path) -> None:
    """Write one valid file of each kind."""
    from ase.io import write as write_atoms

    from matgym.agents.storage import save_agent
    from matgym.benchmark.runner import run_suite
    from matgym.benchmark.suite import Suite
    from matgym.data import Dataset
    from matgym.structures.io import to_atoms
    from matgym.surrogates import load, load_card
    from matgym.surrogates.store import save

    tube = Nanotube(8, 0, 2).decorated({0: "B", 9: "N", 20: "vacancy"}).turned((5, 37))
    plain = Nanotube(5, 3, 1).strained(0.01)
    for name, one in (("tube.extxyz", tube.decorated({3: "13C"})), ("tube.cif", tube), ("tube.vasp", plain)):
        write(folder / name, one)
    write(folder / "tube.data", tube)
    foreign = to_atoms(plain)
    for name in ("tube.pdb", "tube.gen", "tube.json", "tube.traj"):
        write_atoms(folder / name, foreign)
    shutil.copy(_source("data/shipped/nanotube-doping.parquet"), folder / "whole.parquet")
    Dataset.load(folder / "whole.parquet").take(np.arange(0, 400, 20)).save(folder / "small.parquet")
    (folder / "whole.parquet").unlink()
    for name, source in (
        ("suite.yml", "benchmark/suites/standard.yml"),
        ("fit.yml", "surrogates/configs/nanotube-doping.yml"),
        ("process.yml", "processes/sequences/configs/cvd-growth.yml"),
    ):
        shutil.copy(_source(source), folder / name)
    (folder / "generator.yml").write_text(
        "epochs: 3\nkey: gap_ev\nspecies: [B, N]\nsize: {noise: 8}\n", encoding="utf-8"
    )
    family = {"n": 8, "m": 0, "cells": 2, "samples": 4, "strain": [0.0, 0.01], "stone_wales": 1}
    spec = {"name": "small", "properties": ["gap"], "families": [family], "largest_share": 0.1}
    (folder / "spec.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    rows = [f"{x},{'ab'[x % 2]},{x * x / 7}" for x in range(24)]
    (folder / "table.csv").write_text("\n".join(["x,kind,y", *rows]) + "\n", encoding="utf-8")
    card = load_card("nanotube-doping")
    save(load("nanotube-doping"), folder / "surrogate.safetensors", data=card.data, fit=card.fit, command="none")
    save_agent(_agent(), folder / "agent.safetensors", environment="matgym/CVDRecipe-v0", arguments={})
    suite = {"name": "small", "search": {"tasks": ["isotope-rings"], "methods": ["random"], "budget": 4, "seeds": 2}}
    run_suite(Suite.model_validate(suite), folder / "results", workers=1)


def _agent():
    import gymnasium as gym
    from stable_baselines3 import PPO

    return PPO("MlpPolicy", gym.make("matgym/CVDRecipe-v0"), policy_kwargs={"net_arch": [8]}, device="cpu")


def _source(name: str) -> Path:
    import matgym

    return Path(matgym.__file__).parent / name


# ---- reading


def _structure(path: Path) -> None:
    tube = read(path)
    str(tube), tube.key  # what every command asks


def _dataset(path: Path) -> None:
    from matgym.cli.data import info
    from matgym.data import Dataset

    data = Dataset.load(path)
    list(data.batch)
    info(str(path), json=True)


def _suite(path: Path) -> None:
    from matgym.benchmark.runner import plan
    from matgym.benchmark.suite import Suite

    plan(Suite.read(path))


def _fit(path: Path) -> None:
    from matgym.learning.config import read_config
    from matgym.surrogates.fitting import FitConfig

    read_config(FitConfig, path)


def _process(path: Path) -> None:
    from matgym.learning.config import read_config
    from matgym.processes.sequences.fitting import ProcessConfig

    read_config(ProcessConfig, path)


def _generator(path: Path) -> None:
    from matgym.generative.store import read_generator_config

    read_generator_config("gan", path)


def _specification(path: Path) -> None:
    from matgym.data import read_specification

    read_specification(str(path))


def _table(path: Path) -> None:
    from matgym.processes.campaigns.experiments import Experiments

    data = Experiments.read(path)
    data.averaged, data.noise, data.sum  # noqa: B018
    data.at(np.zeros((1, len(data.columns))))


def _surrogate(path: Path) -> None:
    from matgym.surrogates import load

    load(path.with_suffix(".safetensors")).predict([Nanotube(8, 0, 2)])


def _results(path: Path) -> None:
    from matgym.benchmark.leaderboard import leaderboard_rows
    from matgym.benchmark.results import Results

    leaderboard_rows(Results.read(path.parent))


def _loaded_agent(path: Path) -> None:
    from matgym.agents.storage import load_agent

    load_agent(path.with_suffix(".safetensors"))


READERS = {
    "tube.extxyz": _structure, "tube.cif": _structure, "tube.vasp": _structure, "tube.data": _structure,
    "tube.pdb": _structure, "tube.gen": _structure, "tube.json": _structure, "tube.traj": _structure,
    "small.parquet": _dataset, "suite.yml": _suite, "fit.yml": _fit, "process.yml": _process,
    "generator.yml": _generator, "spec.json": _specification, "table.csv": _table,
    "surrogate.json": _surrogate, "surrogate.safetensors": _surrogate, "agent.json": _loaded_agent,
    "agent.safetensors": _loaded_agent, "suite.json": _results,
}  # fmt: skip
"""By file; a structure is drawn as often as all others together."""


def case_maker(seed: int, folder: Path, valid: Path) -> Make:
    """Return what makes damaged files."""
    structures = [name for name in READERS if name.startswith("tube")]
    others = [name for name in READERS if name not in structures]

    def make(case: int):
        rng = np.random.default_rng([seed, 2, case])
        names = structures if case % 2 else others
        name = names[int(rng.integers(len(names)))]
        place = folder / f"files-{os.getpid()}"
        place.mkdir(exist_ok=True)
        path = place / name
        for partner in valid.glob(f"{Path(name).stem}.*"):
            shutil.copy(partner, place)
        if name == "suite.json":
            shutil.copytree(valid / "results", place, dirs_exist_ok=True)
        how = _damage(path, rng)
        return f"{name}: {how}", lambda: READERS[name](path)

    return make


def _damage(path: Path, rng) -> str:
    if path.suffix == ".parquet" and rng.random() < 0.75:
        return _damaged_table(path, rng)
    content = path.read_bytes()
    binary = path.suffix in {".parquet", ".safetensors", ".traj"}
    kinds = ("flip", "cut", "insert") if binary else (*_TEXT, "flip", "cut", "insert")
    kind = kinds[int(rng.integers(len(kinds)))]
    if kind == "flip":
        array = np.frombuffer(content, dtype=np.uint8).copy()
        array[rng.integers(len(array), size=int(rng.integers(1, 6)))] = rng.integers(256)
        content = array.tobytes()
    elif kind == "cut":
        content = content[: int(rng.integers(len(content)))]
    elif kind == "insert":
        at = int(rng.integers(len(content)))
        content = content[:at] + rng.bytes(int(rng.integers(1, 200))) + content[at:]
    else:
        times = int(rng.integers(1, 4))
        text = content.decode()
        for _ in range(times):
            text = _TEXT[kind](text, rng)
        content = text.encode("utf-16") if rng.random() < 0.03 else text.encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    return kind


_NUMBER = re.compile(r"(?<![A-Za-z_])-?\d+\.?\d*(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z_]{2,}")


def _replaced(pattern, values):
    def change(text: str, rng) -> str:
        found = list(pattern.finditer(text))
        if not found:
            return text
        spot = found[int(rng.integers(min(len(found), 12) if rng.random() < 0.5 else len(found)))]
        return text[: spot.start()] + values[int(rng.integers(len(values)))] + text[spot.end() :]

    return change


def _lines(change):
    def changed(text: str, rng) -> str:
        lines = text.split("\n")
        change(lines, int(rng.integers(len(lines))), rng)
        return "\n".join(lines)

    return changed


_TEXT = {
    "number": _replaced(_NUMBER, NUMBERS),
    "header number": lambda text, rng: _replaced(_NUMBER, NUMBERS)(text[:400], rng) + text[400:],
    "word": _replaced(_WORD, WORDS),
    "odd value": _replaced(
        re.compile(r"(?<=: )[^\n,{}\[\]]+"),
        (
            "2026-11-29", "2026-99-99", "[1, 2]", "{a: 1}", "~", "null", "true", "1e999", ".inf", ".nan", "[" * 2000,
            "!!binary aGk=",
            "!!set {a}", "&a [*a]", "12:30:45", "0o17", "? x", '"\\ud800"', "NaN", "Infinity", "-1", "1" * 5000,
        ),
    ),
    "line lost": _lines(lambda lines, k, _rng: lines.pop(k)),
    "line doubled": _lines(lambda lines, k, _rng: lines.insert(k, lines[k])),
    "lines swapped": _lines(lambda lines, k, rng: lines.insert(int(rng.integers(len(lines))), lines.pop(k))),
    "long line": _lines(lambda lines, k, _rng: lines.insert(k, "7 " * 20_000)),
    "every atom in one place": lambda text, _rng: re.sub(r"-?\d+\.\d{4,}", "0.5000", text),
}  # fmt: skip


def _damaged_table(path: Path, rng) -> str:
    table = pq.read_table(path)
    name = table.column_names[int(rng.integers(len(table.column_names)))]
    place = table.column_names.index(name)
    kind = ("lost", "type", "null", "value", "renamed", "metadata", "empty")[int(rng.integers(7))]
    if kind == "lost":
        table = table.drop_columns([name])
    elif kind == "type":
        table = table.set_column(
            place, name, pa.array([["x", 1.5, True, b"x", None][int(rng.integers(5))]] * len(table))
        )
    elif kind == "null":
        field = table.schema.field(name)
        table = table.set_column(place, pa.field(name, field.type), pa.nulls(len(table), field.type))
    elif kind == "value":
        field, column = table.schema.field(name), table.column(name).to_pylist()
        odd = {
            "double": [float("nan"), float("inf"), 1e308, -5.0], "int16": [-1, 0, 32767, 9999], "int32": [-1,
            2**31 - 1],
            "string": ["", "x", "[/]"], "binary": [b"", b"\xff" * 128, b"\x09" * 64],
        }.get(str(field.type), [[-1], [10**6], [0, 0], None])  # fmt: skip
        column[int(rng.integers(len(column)))] = odd[int(rng.integers(len(odd)))]
        table = table.set_column(place, pa.field(name, field.type), pa.array(column, field.type))
    elif kind == "renamed":
        table = table.rename_columns([*table.column_names[:place], "[/x]", *table.column_names[place + 1 :]])
    elif kind == "metadata":
        odd = (b"", b"{", b"[]", b"{}", b'{"schema_version": 3}', b'{"schema_version": "3"}', b"\xff")
        table = table.replace_schema_metadata({b"matgym": odd[int(rng.integers(len(odd)))]})
    else:
        table = table.slice(0, 0)
    pq.write_table(table, path)
    return f"column {name}: {kind}"
