"""The README's picture, from what `matgym demo` wrote: `python scripts/readme_picture.py demo`."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from matgym.benchmark.compare import MET_EV

from matgym.structures import Nanotube
from matgym.viz.figures import target_against_achieved
from matgym.viz.palette import INK, MUTED, new_figure, tidy
from matgym.viz.tube3d import draw_tube

OUTPUT = Path("docs/images/demo.png")
SHOWN = 3  # tubes


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    rows = [row for row in pq.read_table(folder / "designs.parquet").to_pylist() if row["seed"] == 0]
    equal = min(row["queries"] for row in rows)
    rows = [row for row in rows if row["queries"] == equal]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    columns = {m: [row for row in rows if row["method"] == m] for m in methods}
    targets = np.array([row["target_ev"] for row in columns[methods[0]]])

    figure = new_figure(11.0, 4.6, 130)
    grid = figure.add_gridspec(SHOWN, 2, width_ratios=(1.0, 1.15))
    chart = figure.add_subplot(grid[:, 1])
    tidy(chart)
    target_against_achieved(
        chart, targets, {m: np.array([r["oracle_ev"] for r in columns[m]]) for m in methods}, MET_EV
    )
    chart.set_title(f"{len(targets)} unseen targets, {equal} designs each, verified by physics", fontsize=11, color=INK)

    # One tube near the bottom, the middle and the top of the range: of each third, the best.
    mine = sorted(columns[methods[0]], key=lambda row: row["target_ev"])
    for place, third in enumerate(np.array_split(np.arange(len(mine)), SHOWN)):
        row = min((mine[i] for i in third), key=lambda r: abs(r["oracle_ev"] - r["target_ev"]))
        axes = figure.add_subplot(grid[place, 0])
        draw_tube(axes, Nanotube(row["n"], row["m"], row["cells"], np.frombuffer(row["species"], dtype=np.uint8)))
        axes.text(
            1.02, 0.5, f"wanted {row['target_ev']:.3f} eV\nphysics {row['oracle_ev']:.3f} eV",
            transform=axes.transAxes, va="center", color=MUTED, fontsize=10,
        )  # fmt: skip
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUTPUT)
    print(OUTPUT)


if __name__ == "__main__":
    main()
