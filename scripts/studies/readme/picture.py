"""Draw the picture of the README: three designs of `matgym demo`, and the verified gaps of all designs.

`python -m scripts.studies.readme.picture` reads demo/designs.parquet, which `scripts/demo` writes, and draws
docs/images/demo.png.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from matgym.data import Dataset
from matgym.structures import Nanotube
from matgym.viz.figures import target_against_achieved
from matgym.viz.palette import INK, MUTED, new_figure, tidy
from matgym.viz.tube3d import draw_tube
from scripts.studies.common import Study

SHOWN = 3  # tubes
MET_EV = 0.02


@dataclass(frozen=True)
class Settings:
    """The settings of the picture."""

    designs: str = "demo/designs.parquet"


QUICK = Settings(designs="")  # tubes of the data set in place of designs


def rows_of(file):
    """Return the designs of the first seed at the fewest evaluations per target, by method."""
    if not file:
        data = Dataset.load("nanotube-doping").split("test")
        facts = {"method": "data set", "seed": 0, "queries": 1}
        columns = ("n", "m", "cells", "species", "gap_ev")
        table = data.take(np.arange(12)).table.select(columns).to_pylist()
        found = [facts | row | {"target_ev": row["gap_ev"], "oracle_ev": row["gap_ev"]} for row in table]
    else:
        found = [row for row in pq.read_table(Path(file)).to_pylist() if row["seed"] == 0]
    fewest = min(row["queries"] for row in found)
    methods = {}
    for row in found:
        if row["queries"] == fewest:
            methods.setdefault(row["method"], []).append(row)
    return methods, fewest


def draw(methods, evaluations):
    mine = sorted(next(iter(methods.values())), key=lambda row: row["target_ev"])
    figure = new_figure(11.0, 4.6, 130)
    grid = figure.add_gridspec(SHOWN, 2, width_ratios=(1.0, 1.15))
    chart = figure.add_subplot(grid[:, 1])
    tidy(chart)
    targets = np.array([row["target_ev"] for row in next(iter(methods.values()))])
    values = {name: np.array([row["oracle_ev"] for row in rows]) for name, rows in methods.items()}
    target_against_achieved(chart, targets, values, MET_EV)
    title = f"{len(targets)} unseen targets, {evaluations} designs each, verified by physics"
    chart.set_title(title, fontsize=11, color=INK)
    # One tube near the bottom, the middle and the top of the range: of each third, the best.
    for place, third in enumerate(np.array_split(np.arange(len(mine)), SHOWN)):
        row = min((mine[i] for i in third), key=lambda each: abs(each["oracle_ev"] - each["target_ev"]))
        axes = figure.add_subplot(grid[place, 0])
        draw_tube(axes, Nanotube(row["n"], row["m"], row["cells"], np.frombuffer(row["species"], dtype=np.uint8)))
        axes.text(
            1.02, 0.5, f"target {row['target_ev']:.3f} eV\noracle {row['oracle_ev']:.3f} eV",
            transform=axes.transAxes, va="center", color=MUTED, fontsize=10,
        )  # fmt: skip
    return figure


def main():
    study = Study.from_command_line("readme", __doc__, Settings(), QUICK)
    figure = draw(*rows_of(study.settings.designs))
    study.picture("demo.png", figure.savefig)


if __name__ == "__main__":
    main()
