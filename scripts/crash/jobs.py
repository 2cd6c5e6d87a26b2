"""The long jobs of the command line, with settings so small that each takes a second or two."""

import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

INSTANCE: Final = "crash-doping"
"""Name of an instance that only this script registers: its designs, few up to symmetry, are enumerated in a second."""

TIMES: Final = frozenset({"seconds", "training_seconds", "wall_seconds", "created"})
"""Names of values that are measured times, which differ between equal runs."""

PAGES: Final = re.compile(r".*\.html|leaderboard\.md")
"""Files that show measured times to people; only their presence is compared."""


@dataclass(frozen=True)
class Job:
    """A long job.

    Attributes:
        name: name of the job.
        line: command line, without spaces in its words.
        pieces: whether a killed job leaves finished pieces, from which the next call resumes.
        before: function that is called in the process of the job before the command.
    """

    name: str
    line: str
    pieces: bool = True
    before: Callable[[], None] = lambda: None


def _register_instance() -> None:
    """Register the instance, and let the search of a best known design be short."""
    from matgym.benchmark import solve
    from matgym.physics import PiElectrons
    from matgym.structures import tube_lattice
    from matgym.tasks import decoration_task
    from matgym.tasks.instances import INSTANCES, Instance

    def make(**arguments: Any) -> Any:
        settings = {"lattice": tube_lattice(8, 0, 1), "budget": {"B": 2, "N": 1}, "direction": "maximize"}
        return decoration_task(**settings | {"model": "oracle"} | arguments)

    def physics() -> Any:
        return [(PiElectrons(), ("gap_ev",))]

    INSTANCES[INSTANCE] = Instance(
        INSTANCE, "the largest gap of two B and one N on 32 sites of (8,0)", make, physics=physics
    )
    INSTANCES[f"{INSTANCE}-search"] = Instance(f"{INSTANCE}-search", "the same, by search", make)
    solve.best_known.__kwdefaults__.update(seeds=2, climbed=4)


SETTINGS: Final[dict[str, str]] = {
    "spec.json": json.dumps(
        {"name": "tiny", "properties": ["gap"], "largest_share": 0.3,
         "families": [{"n": 8, "m": 0, "cells": 1, "samples": 300}]}
    ),
    "surrogate.yml": (
        "dataset: small.parquet\nproperties: [gap_ev]\nnetwork: lenet\nepochs: 3\nmembers: 2\n"
    ),
    "gan.yml": (
        "epochs: 2\nregressor_epochs: 1\nsize: {width: 4, blocks: 1, guide_width: 4, guide_blocks: 1, critic_width: 4, "
        "critic_blocks: 1}\n"
    ),
    "furnace.yml": (
        "process: growth\nruns: 20\nvalidation: 4\ntest: 4\nseed: 0\n"
        "fit: {network: lstm, width: 8, depth: 1, members: 1, epochs: 3, batch_size: 20}\n"
    ),
    "suite.yml": (
        "name: tiny\nsearch:\n  tasks: [isotope-rings]\n  methods: [random, genetic]\n  budget: 8\n  seeds: 2\n"
    ),
}  # fmt: skip
"""Files that the jobs read."""

TRAIN: Final = "train CartPole-v1 --algo A2C --steps 100 --num-envs 1"

JOBS: Final = (
    Job("data build", "data build out.parquet --specification spec.json --workers 1"),
    Job("data build, 2 processes", "data build out.parquet --specification spec.json --workers 2"),
    Job("surrogate train", "surrogate train out.safetensors --settings surrogate.yml"),
    Job("surrogate train --cv", "surrogate train out.safetensors --settings surrogate.yml --cv 2 --epochs 2"),
    Job(
        "surrogate improve",
        "surrogate improve start.safetensors out.safetensors --dataset small.parquet --tube (8,0)x1 --budget B=2,N=2 "
        "--rounds 2 --designs 8 --queries 10 --epochs 2",
    ),
    Job("generate train", "generate train out.safetensors --settings gan.yml --dataset small.parquet"),
    Job("furnace train", "furnace train furnace.yml out.safetensors"),
    Job("benchmark run", "benchmark run suite.yml --output out --workers 1 --track none"),
    Job("benchmark solve", f"benchmark solve {INSTANCE} --output out --workers 1", before=_register_instance),
    Job(
        "benchmark solve by search", f"benchmark solve {INSTANCE}-search --output out --evaluations 16", pieces=False,
        before=_register_instance,
    ),
    Job("train", f"{TRAIN} --output out.safetensors", pieces=False),
    Job("train to .zip", f"{TRAIN} --output out.zip", pieces=False),
    Job("generate sample", "generate sample out --tube (8,0)x1 --boron 2 --nitrogen 2 --samples 3", pieces=False),
)  # fmt: skip
"""All long jobs but `matgym demo`, which takes minutes even with few designs; it holds a work folder like these."""


def write_inputs(folder: Path) -> None:
    """Write the files that the jobs read."""
    from matgym.data import Dataset
    from matgym.surrogates import FitConfig
    from matgym.surrogates.training import train

    for name, text in SETTINGS.items():
        (folder / name).write_text(text, encoding="utf-8")
    data = Dataset.load("nanotube-doping").take(np.arange(0, 3000, 5))
    data.save(folder / "small.parquet")
    train(
        data,
        folder / "start.safetensors",
        FitConfig(properties=("gap_ev",), network="lenet", epochs=1, members=1),
        device="cpu",
    )


def contents(folder: Path) -> dict[str, Any]:
    """Return what the files in a folder hold, by path; measured times are left out."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _content(path: Path) -> Any:
    if PAGES.fullmatch(path.name):
        return "a page"
    try:
        if path.suffix == ".json":
            return _without_times(json.loads(path.read_text(encoding="utf-8")))
        if path.suffix == ".zip":  # its entry "data" holds times
            with zipfile.ZipFile(path) as archive:
                return {each.filename: each.CRC for each in archive.infolist() if each.filename != "data"}
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            metadata = {
                k: _without_times(json.loads(v)) for k, v in (table.schema.metadata or {}).items() if k == b"matgym"
            }
            kept = [name for name in table.column_names if name not in TIMES]
            return repr((kept, [table[name].to_pylist() for name in kept], metadata))
    except (OSError, ValueError, zipfile.BadZipFile):
        pass  # damaged: compared as it is
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(part) for name, part in value.items() if name not in TIMES}
    return [_without_times(part) for part in value] if isinstance(value, list) else value
