"""Figures beside the loss: diversity and novelty of the best designs, violated constraints, and hypervolume."""

from typing import Any, Final

from matgym.benchmark.results import Results
from matgym.benchmark.table import NONE, Table

BEST: Final = """
WITH finals AS (SELECT task, method, seed, diversity, violation, keys FROM records
                WHERE track = 'search' AND len(keys) > 0),
found AS (SELECT DISTINCT task, method, unnest(keys) AS key FROM finals),
alone AS (SELECT task, key, count(DISTINCT method) = 1 AS alone FROM found GROUP BY ALL),
novel AS (SELECT task, method, avg(CAST(alone AS DOUBLE)) AS novelty
          FROM found JOIN alone USING (task, key) GROUP BY ALL)
SELECT task, method, avg(diversity) FILTER (NOT isnan(diversity)) AS diversity, any_value(novelty) AS novelty,
       avg(CAST(violation > 0 AS DOUBLE)) FILTER (NOT isnan(violation)) AS violated,
       max(violation) FILTER (NOT isnan(violation)) AS worst
FROM finals JOIN novel USING (task, method) GROUP BY ALL ORDER BY task, method
"""
"""Diversity of the best designs of a search, share of them that no other method found, and violated constraints."""

VOLUMES: Final = """
SELECT task, method, evaluation, avg(hypervolume) AS volume, count(*) AS runs FROM records
WHERE track = 'search' AND NOT isnan(hypervolume) GROUP BY ALL ORDER BY task, method, evaluation
"""
"""Mean hypervolume after each checkpoint."""


def quality_tables(results: Results) -> list[Table]:
    """Return the tables of the best designs, of constraints and of hypervolume; those without a row are left out."""
    rows = results.query(BEST).to_pylist()
    tables = [_best_table(rows), *_constraint_tables(results, rows), *_volume_tables(results)]
    return [table for table in tables if table.rows]


def _best_table(rows: list[dict[str, Any]]) -> Table:
    notes = (
        (
            "Figures of the five best different designs of each search, by the task's model. Diversity is their mean "
            "distance from each other: 1 - Σ min / Σ max of the counts of dopants and of pairs of them (Tanimoto), or "
            "half of the root mean square difference of numbers. Novelty is the share of a method's best designs that "
            "no other method has among its best. Symmetric copies count as one design."
        ),
    )
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    by = {(row["task"], row["method"]): row for row in rows}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    cells = tuple((method, *(_both(by.get((task, method))) for task in tasks)) for method in methods)
    return Table("Diversity, novelty of the best designs", notes, ("method", *tasks), cells)


def _both(row: dict[str, Any] | None) -> str:
    if row is None or row["diversity"] is None:
        return NONE
    return f"{row['diversity']:.2f}, {row['novelty']:.0%}"


def _constraint_tables(results: Results, rows: list[dict[str, Any]]) -> list[Table]:
    note = (
        "Share of the final designs that violate the constraint by the oracle, and the largest violation as a share of "
        "the bound. A search counts violations by the task's model only."
    )
    return [
        Table(
            f"Violated constraint: {task}", (note,), ("method", "violated", "largest violation"),
            tuple(
                (row["method"], f"{row['violated']:.0%}", f"{row['worst']:.2g}")
                for row in rows
                if row["task"] == task and row["violated"] is not None
            ),
        )
        for task, about in results.facts.tasks.items()
        if about.constrained
    ]  # fmt: skip


def _volume_tables(results: Results) -> list[Table]:
    note = (
        "Mean over seeds of the hypervolume of the rewards of all designs so far, by the task's models. The reference "
        "point has the reward 0 for each objective; 1 is a design with the reward 1 for all of them."
    )
    rows = results.query(VOLUMES).to_pylist()
    found = {(row["task"], row["method"], row["evaluation"]): row["volume"] for row in rows}
    tables = []
    for task in results.tasks:
        there = [method for method in results.methods_of(task) if any(key[:2] == (task, method) for key in found)]
        cells = [
            (method, *(f"{found[key]:.3f}" if (key := (task, method, mark)) in found else NONE
                       for mark in results.checkpoints))
            for method in there
        ]  # fmt: skip
        cells.sort(key=lambda row: row[:0:-1], reverse=True)
        tables.append(Table(f"Hypervolume: {task}", (note,), ("method", *map(str, results.checkpoints)), tuple(cells)))
    return tables
