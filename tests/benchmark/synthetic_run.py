"""A benchmark whose figures are all known beforehand."""

import io
import json
from pathlib import Path

import ase.io
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.structures import Nanotube
from matgym.structures.io.convert import to_atoms

METHODS = {
    "random": {"kind": "random", "budget": 64, "settings": {}},
    "genetic": {"kind": "evolutionary", "budget": 64, "settings": {"population": 8}},
    "gp": {"kind": "Bayesian", "budget": 16, "settings": {}},
    "dqn": {"kind": "RL", "budget": 64, "settings": {}},
}
SEARCHED = {"rings": tuple(METHODS), "doping": tuple(METHODS), "recipe": ("random", "genetic", "gp")}
"""Methods of each task: a DQN does not search numbers."""

SEEDS = 6
VERSIONS = {"matgym": "0.1.0", "numpy": "2.4.6"}
FINAL = {"random": 0.5, "genetic": 1.0, "gp": 0.8, "dqn": 0.6}
"""Scores at the end, of the middle seed; seeds are 0.02 apart."""

NEXT = {"random": None, "genetic": 16, "gp": None, "dqn": None}
"""Evaluations at which the optimum is found."""


def xyz() -> str:
    text = io.StringIO()
    ase.io.write(text, to_atoms(Nanotube(8, 0, cells=2)), format="extxyz")
    return text.getvalue()


def score(method: str, seed: int) -> float:
    if FINAL[method] == 1.0:
        return 1.0
    return FINAL[method] + 0.02 * (seed - (SEEDS - 1) / 2)


def task(model: str = "the table of all designs", *, is_oracle: bool = True, proven: bool = True) -> dict:
    return {
        "title": "a ring to be found", "unit": "nW/K", "direction": "minimize", "target": [], "optimum_loss": 2.0,
        "proven": proven, "found_by": "enumeration", "designs": 65536 if proven else None, "random_loss": 3.0,
        "tolerance": 0.001, "model": model, "is_oracle": is_oracle, "oracle": "the oracle",
        "training": "It cost 100 labels.",
    }  # fmt: skip


def write_run(folder: Path, *, listed: bool = False) -> Path:
    """Write the folder as `matgym benchmark run` writes it."""
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    runs = []
    for name, methods in SEARCHED.items():
        for method in methods:
            runs += [write_search(records, name, method, seed) for seed in range(SEEDS)]
    for method, shares in (("random", (0, 1, 2)), ("MaskablePPO", (2, 3, 4))):
        runs += [write_amortised(records, method, seed, shares) for seed in range(3)]
    facts = {
        "suite": "synthetic", "created": "2026-01-01T00:00:00+00:00", "machine": "two cores", "versions": VERSIONS,
        "seconds": 120.0, "wall_seconds": 61.0, "workers": 2, "runs": runs if listed else [],
        "tasks": {"rings": task(), "doping": task("network/gap", is_oracle=False),
                  "recipe": task("rate equations", proven=False)},
        "methods": METHODS | {"MaskablePPO": {"kind": "RL", "budget": 4000, "settings": {}}},
        "amortised": {
            "targets": {"title": "gaps to be met", "unit": "eV", "targets": 4, "met": 0.02, "model": "network/gap",
                        "is_oracle": False, "oracle": "the oracle", "training": "It cost 100 labels."}
        },
    }  # fmt: skip
    (folder / "suite.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def identity(method: str, budget: int) -> str:
    return json.dumps({"versions": VERSIONS, "model": "abc", "budget": budget, "method": method})


def write_search(records: Path, name: str, method: str, seed: int, **changed: object) -> str:
    """Write losses that halve their distance to the final one; the network's prediction is too good by 0.1."""
    budget, found = METHODS[method]["budget"], NEXT[method]
    run = f"{name}-{method}-{seed}-0123456789ab"
    rows, marks = [], [2**i for i in range(7) if 2**i <= budget]
    for i, mark in enumerate(marks):
        share = 1.0 if (found and mark >= found) or mark == budget else 0.9 * (i + 1) / len(marks)
        loss = 3.0 - share * score(method, seed)
        predicted = loss - 0.1 if name == "doping" else loss
        last = mark == budget
        rows.append(
            {
                "track": "search", "task": name, "method": method, "seed": seed, "target_index": 0, "evaluation": mark,
                "predicted_loss": predicted, "verified_loss": loss, "seconds": 0.01 * mark,
                "surrogate": budget if name == "doping" else 0, "oracle": budget if name != "doping" else 0,
                "simulation": 0, "verifications": len(marks) if name == "doping" else 0, "training_seconds": 0.0,
                "design": [1.0, 0.0] if last else [], "described": "10" if last else "",
                "xyz": xyz() if last and name == "rings" else "", "identity": identity(method, budget), "run": run,
            }
            | changed
        )  # fmt: skip
    write(records / f"{run}.parquet", rows)
    return run


def write_amortised(records: Path, method: str, seed: int, met: tuple[int, ...]) -> str:
    run = f"targets-{method}-{seed}-0123456789ab"
    rows = [
        {
            "track": "amortised", "task": "targets", "method": method, "seed": seed, "target_index": target,
            "evaluation": 2**i, "predicted_loss": 0.0, "verified_loss": 0.01 if target < count else 0.5, "seconds": 0.1,
            "surrogate": 16, "oracle": 0, "simulation": 0, "verifications": 8,
            "training_seconds": 30.0 if method == "MaskablePPO" else 0.0, "design": [0.0], "described": "", "xyz": "",
            "identity": identity(method, 4), "run": run,
        }
        for i, count in enumerate(met)
        for target in range(4)
    ]  # fmt: skip
    write(records / f"{run}.parquet", rows)
    return run


def write(path: Path, rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows)
    place = table.schema.get_field_index("design")
    table = table.set_column(place, "design", pa.array([row["design"] for row in rows], pa.list_(pa.float64())))
    pq.write_table(table, path)
