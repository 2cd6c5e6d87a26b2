"""Measure the labels that transfer and physics-informed inputs save: the error of an expensive property by labels.

A label of ZT or of the thermal conductance takes 0.4 s, one of a gap 1 ms. Four
networks are compared on the same rows and test split: one trained from scratch; one that starts from weights trained on
the gaps of `nanotube-doping`; one with cheap physics as an input (ZT of the tube's own electrons with pristine phonons;
the π gap for the other properties); and one with both. `python -m scripts.studies.surrogates.transfer` (an hour) writes
docs/results/transfer.json and docs/images/transfer.png, and prints the table of docs/surrogates.md.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from matgym.data import Dataset
from matgym.surrogates import FitConfig, fit, load
from matgym.surrogates.baseline import with_physics
from matgym.surrogates.training import figures
from matgym.viz.palette import METHOD_STYLES
from scripts.studies.common import Study, StudyJob, print_markdown

MODES = ("scratch", "transfer", "informed", "both")
INFORMED_BY = {"zt": "zt_pristine_phonons"}  # the others by the gap


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    labels: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("thermal_conductance_nw_k", (125, 250, 500, 1000, 2000)),
        ("zt", (125, 500)),
    )
    seeds: int = 3  # seeds, each with its own rows and weights
    steps: int = 700  # steps of every fit, independent of the number of labels
    batch_size: int = 64
    larger_rate: float = 4e-3  # learning rate from scratch
    smaller_rate: float = 1e-3  # learning rate from trained weights
    source: str = "nanotube-doping"  # the shipped weights


QUICK = Settings((("thermal_conductance_nw_k", (60,)),), seeds=1, steps=4)


@dataclass(frozen=True)
class Fits(StudyJob):
    """The job of all modes with one property, number of labels and seed."""

    settings: Settings
    name: str
    labels: int
    seed: int

    def run(self):
        """Return a row for each mode."""
        settings = self.settings
        informant = INFORMED_BY.get(self.name, "gap_ev")
        data = Dataset.load("nanotube-properties").labelled([self.name])
        split = np.array(data.table.column("split").to_pylist())
        train = np.random.default_rng([self.seed, 3]).permutation(np.flatnonzero(split == "train"))[: self.labels]
        # The validation split shrinks with the labels, because it needs labels, too.
        validation = np.flatnonzero(split == "validation")[: max(30, self.labels // 8)]
        part = data.take(np.sort(np.concatenate([train, validation, np.flatnonzero(split == "test")])))
        part = with_physics(part, [informant])
        source, rows = load(settings.source), []
        for mode in MODES:
            transferred = mode in {"transfer", "both"}
            config = FitConfig(
                (self.name,), size=dict(source.settings), seed=self.seed,
                epochs=max(1, round(settings.steps * settings.batch_size / self.labels)),
                batch_size=min(settings.batch_size, self.labels // 4),
                informed_by=(informant,) if mode in {"informed", "both"} else (),
                learning_rate=settings.smaller_rate if transferred else settings.larger_rate,
            )  # fmt: skip
            fitted = fit(part, config, start=source if transferred else None)
            metrics = figures(fitted, part.split("test"))[0]
            rows.append({"labels": self.labels, "seed": self.seed, "mode": mode} | metrics.model_dump())
        return pa.Table.from_pylist(rows)


def summaries(rows, labels):
    """Return a row for each property, number of labels and mode: mean, least and most over seeds."""
    for key, counts in labels:
        for count in counts:
            for mode in MODES:
                mine = [r for r in rows if (r["property"], r["labels"], r["mode"]) == (key, count, mode)]
                errors = [row["rmse"] for row in mine]
                yield {
                    "property": key, "labels": count, "mode": mode, "seeds": len(mine),
                    "rmse": float(np.mean(errors)), "least": min(errors), "most": max(errors),
                    "r2": float(np.mean([row["r2"] for row in mine])),
                }  # fmt: skip


def draw(rows, labels):
    figure = Figure(figsize=(3.4 * len(labels), 3.2), layout="constrained")
    panels = figure.subplots(1, len(labels), squeeze=False)[0]
    for panel, (key, counts) in zip(panels, labels, strict=True):
        for style, mode in zip(METHOD_STYLES, MODES, strict=False):
            mine = [row for row in rows if (row["property"], row["mode"]) == (key, mode)]
            if mine:
                panel.plot(counts, [r["rmse"] for r in mine], color=style.colour, marker=style.marker, ms=4, label=mode)
                low, high = ([row[name] for row in mine] for name in ("least", "most"))
                panel.fill_between(counts, low, high, color=style.colour, alpha=0.15, lw=0)
        panel.set(xscale="log", yscale="log", title=key, xlabel="labels", ylabel="RMSE on the test split")
        panel.set_xticks(counts, [str(count) for count in counts])
        panel.set_xticks([], minor=True)
    panels[0].legend(frameon=False)
    return figure


def main():
    study = Study.from_command_line("transfer", __doc__, Settings(), QUICK)
    settings = study.settings
    jobs = [
        Fits(settings, key, n, seed)
        for key, counts in settings.labels
        for seed in range(settings.seeds)
        for n in counts
    ]
    rows = list(summaries(study.rows(jobs), settings.labels))
    study.write({"rows": rows})
    cells = {
        (r["property"], r["labels"], r["mode"]): f"{r['rmse']:.3g} [{r['least']:.3g}, {r['most']:.3g}] ({r['r2']:.3f})"
        for r in rows
    }
    keys = [(key, count) for key, counts in settings.labels for count in counts]
    print_markdown(
        ("property", "labels", *MODES), ((*key, *(cells.get((*key, mode)) for mode in MODES)) for key in keys)
    )
    study.picture("transfer.png", lambda path: draw(rows, settings.labels).savefig(path, dpi=150))


if __name__ == "__main__":
    main()
