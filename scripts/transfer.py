"""What transfer and physics-informed inputs save: error of an expensive property against the number of its labels.

A label of ZT or of the lattice's heat costs 0.4 s, one of a conductance some 50 ms, one of a gap 1 ms. Compared on the
same rows and test split: a network from scratch; one that starts from weights learned on the cheap gaps of
`nanotube-doping`; one that is told cheap physics as an input (ZT of the tube's own electrons with pristine phonons; the
π gap for the others); both.
Run: `python scripts/transfer.py`; it goes on where it was killed; `--report` only prints and draws.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "transfer"
REPORT = ROOT / "docs" / "results" / "transfer.json"
PICTURE = ROOT / "docs" / "images" / "transfer.png"


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    labels: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("thermal_conductance_nw_k", (125, 250, 500, 1000, 2000)),
        ("zt", (125, 500)),
        ("conductance_us", (500, 1000, 2000, 4000)),
    )
    seeds: int = 3  # each draws its own rows and weights
    steps: int = 700  # of every fit, so that few labels do not mean few steps
    batch_size: int = 64
    larger_rate: float = 4e-3  # from scratch
    smaller_rate: float = 1e-3  # of weights that have learned something
    source: str = "nanotube-doping"  # shipped weights


SETTINGS = Settings()
MODES = ("scratch", "transfer", "informed", "both")
MODES_OF = {"conductance_us": ("scratch", "transfer")}  # of the others, all
INFORMED_BY = {"zt": "zt_pristine_phonons"}  # the others by the gap
DATA = {"conductance_us": "nanotube-transport"}  # the others: nanotube-properties


def run_one(key, labels, seed):
    """All modes of one property, number of labels and seed."""
    import torch

    torch.set_num_threads(1)
    from matgym.data import Dataset
    from matgym.files import write_json
    from matgym.surrogates import FitConfig, fit, load
    from matgym.surrogates.informed import with_physics
    from matgym.surrogates.training import figures

    file = RUNS / f"{key}-{labels}-{seed}.json"
    if file.exists():
        return
    informant = INFORMED_BY.get(key, "gap_ev")
    data = Dataset.load(DATA.get(key, "nanotube-properties")).labelled([key])
    split = np.array(data.table.column("split").to_pylist())
    train = np.random.default_rng([seed, 3]).permutation(np.flatnonzero(split == "train"))[:labels]
    # Validation shrinks with the labels: it is labelled, too.
    validation = np.flatnonzero(split == "validation")[: max(30, labels // 8)]
    part = data.take(np.sort(np.concatenate([train, validation, np.flatnonzero(split == "test")])))
    modes, source = MODES_OF.get(key, MODES), load(SETTINGS.source)
    part = with_physics(part, [informant]) if "informed" in modes else part
    epochs = max(1, round(SETTINGS.steps * SETTINGS.batch_size / labels))
    found = {}
    for mode in modes:
        settings = FitConfig(
            (key,), size=dict(source.settings), epochs=epochs,
            batch_size=min(SETTINGS.batch_size, labels // 4), seed=seed,
            informed_by=(informant,) if mode in {"informed", "both"} else (),
            learning_rate=SETTINGS.smaller_rate if mode in {"transfer", "both"} else SETTINGS.larger_rate,
        )  # fmt: skip
        fitted = fit(part, settings, start=source if mode in {"transfer", "both"} else None)
        found[mode] = figures(fitted, part.split("test"))[0].model_dump()
    write_json(file, {"property": key, "labels": labels, "seed": seed, "modes": found})


def report():
    from matgym.files import write_json

    runs = [json.loads(file.read_text()) for file in sorted(RUNS.glob("*.json"))]
    rows = []
    for key, counts in SETTINGS.labels:
        for labels in counts:
            mine = [run for run in runs if (run["property"], run["labels"]) == (key, labels)]
            if not mine:
                continue
            row = {"property": key, "labels": labels, "seeds": len(mine)}
            for mode in MODES_OF.get(key, MODES):
                errors = [run["modes"][mode]["rmse"] for run in mine]
                row[mode] = {"rmse": float(np.mean(errors)), "least": min(errors), "most": max(errors)}
                row[mode]["r2"] = float(np.mean([run["modes"][mode]["r2"] for run in mine]))
            rows.append(row)
    write_json(REPORT, {"settings": SETTINGS.__dict__, "rows": rows})
    print("| property | labels | " + " | ".join(MODES) + " |")
    print("|---|---|" + "---|" * len(MODES))
    for row in rows:
        cells = [
            f"{row[m]['rmse']:.3g} [{row[m]['least']:.3g}, {row[m]['most']:.3g}] ({row[m]['r2']:.3f})"
            if m in row
            else ""
            for m in MODES
        ]
        print(f"| {row['property']} | {row['labels']} | " + " | ".join(cells) + " |")
    draw(rows)


def draw(rows):
    from matplotlib.figure import Figure

    from matgym.viz.palette import METHOD_STYLES

    keys = [key for key, _ in SETTINGS.labels if any(row["property"] == key for row in rows)]
    figure = Figure(figsize=(3.4 * len(keys), 3.2), layout="constrained")
    panels = figure.subplots(1, len(keys), squeeze=False)
    for panel, key in zip(panels[0], keys, strict=True):
        mine = [row for row in rows if row["property"] == key]
        x = [row["labels"] for row in mine]
        for style, mode in zip(METHOD_STYLES, MODES, strict=False):
            if mode in mine[0]:
                y, low, high = ([row[mode][name] for row in mine] for name in ("rmse", "least", "most"))
                panel.plot(x, y, color=style.colour, marker=style.marker, ms=4, label=mode)
                panel.fill_between(x, low, high, color=style.colour, alpha=0.15, lw=0)
        panel.set(xscale="log", yscale="log", title=key, xlabel="labels", ylabel="RMSE on the test split")
        panel.set_xticks(x, [str(labels) for labels in x])
        panel.set_xticks([], minor=True)
    panels[0][0].legend(frameon=False)
    figure.savefig(PICTURE, dpi=150)
    print(PICTURE)


def main():
    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        jobs = [(key, n, seed) for key, counts in SETTINGS.labels for seed in range(SETTINGS.seeds) for n in counts]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(run_one, *job) for job in jobs]
            for future in track(futures, "fits"):
                future.result()
    report()


if __name__ == "__main__":
    main()
