"""Rows of metrics as all commands on surrogates print them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matgym.learning.metrics import PropertyMetrics


def metric_rows(metrics: "Mapping[str, Sequence[PropertyMetrics]]") -> list[dict[str, Any]]:
    """Return a row for each split and property."""
    return [{"split": split} | figures.model_dump() for split, group in metrics.items() for figures in group]


def with_intervals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table for people, in which each number is followed by its interval."""
    table = []
    for row in rows:
        shown: dict[str, Any] = {key: row[key] for key in ("surrogate", "split", "property", "n") if key in row}
        for name in ("r2", "mae", "rmse"):
            interval = row[f"{name}_interval"]
            shown[name] = f"{row[name]:.4g}" + (f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else "")
        covered = row["coverage"]
        table.append(shown | {"coverage": "" if covered is None else f"{100 * covered:.1f}%"})
    return table
