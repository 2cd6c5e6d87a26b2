"""Measure what the shipped surrogates save of the labels of a property of one's own: 200 labels with and without them.

The properties are some that no shipped surrogate of any tube predicts: gap and formation energy by GFN1-xTB, the
tensile strength by REBO, and ZT. 200 tubes are drawn for each seed; errors are on tubes of chiralities that were left
out, by `fit_own` with the trunk "none", and with the one that it chooses. The shipped surrogates know some of these
tubes, by other labels; the share is in the results. `python -m scripts.studies.surrogates.own_labels` (half an hour)
writes docs/results/own-labels.json and docs/images/own-labels.png, and prints the tables of docs/surrogates.md.
"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from matgym.data import Dataset
from matgym.data.labels import Labels
from matgym.models import Property
from matgym.surrogates import fit_own
from matgym.viz.palette import METHOD_STYLES
from scripts.studies.common import Study, StudyJob, interval, print_markdown
from scripts.studies.levels.reference import reference_rows
from scripts.studies.levels.tubes import entries

TRUNKS = ("none", "auto")
KNOWN = "nanotubes"  # training data of most shipped surrogates of any tube
PROPERTIES = {
    "gap by GFN1-xTB": ("levels-reference", "gap_ev", Property("own_gap_ev", "eV")),
    "formation energy by GFN1-xTB": ("levels-reference", "formation_ev", Property("own_formation_ev", "eV")),
    "tensile strength by REBO": ("nanotube-strength", "tensile_strength_gpa", Property("own_strength_gpa", "GPa")),
    "ZT": ("nanotube-zt", "zt", Property("own_zt", between_leads=True)),
}


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    properties: tuple[str, ...] = tuple(PROPERTIES)
    labels: int = 200
    seeds: int = 2  # draws of the tubes


QUICK = Settings(properties=("tensile strength by REBO",), labels=40, seeds=1)


@dataclass(frozen=True)
class Fits(StudyJob):
    """The job of one property and seed, with each trunk."""

    settings: Settings
    name: str
    seed: int

    def run(self):
        """Return a row for each trunk and number of labels."""
        source, key, prop = PROPERTIES[self.name]
        tubes, values = labelled(source, key)
        chosen = np.random.default_rng([self.seed, 23]).permutation(len(tubes))[: self.settings.labels]
        labels = Labels.of([tubes[row] for row in chosen], values[chosen])
        known = set(Dataset.load(KNOWN).split("train").table.column("key").to_pylist())
        overlap = float(np.mean([tube.key in known for tube in labels.tubes]))
        rows = []
        for trunk in TRUNKS:
            start = perf_counter()
            found = fit_own(labels, prop=prop, trunk=trunk, seed=self.seed)
            seconds = perf_counter() - start
            metrics = list(found.metrics.values())[-1]
            rows += [
                {
                    "property": self.name, "unit": prop.unit, "seed": self.seed, "trunk": trunk,
                    "chosen": str(found.chosen), "labels": len(labels), "known": overlap, "size": size,
                    "rmse": error.value, "low": error.low, "high": error.high, "spread": found.curve.spread,
                    "gain": found.curve.gain.value, "cv_rmse": metrics.rmse, "cv_r2": metrics.r2,
                    "cv_r2_within": metrics.r2_within, "coverage": metrics.coverage, "seconds": seconds,
                    "candidates": "; ".join(f"{each}: {rmse:.6g}" for each, rmse in found.errors.items()),
                }
                for size, error in zip(found.curve.sizes, found.curve.errors, strict=True)
            ]  # fmt: skip
        return pa.Table.from_pylist(rows)


def labelled(source, key):
    """Return the tubes and the labels of a property."""
    if source == "levels-reference":
        tubes = {entry.name: entry.tube for entry in entries()}
        rows = [row for row in reference_rows() if row[key] is not None and np.isfinite(row[key])]
        return [tubes[row["name"]] for row in rows], np.array([row[key] for row in rows])
    data = Dataset.load(source).labelled([key])
    return list(data.batch), data.values(key)


def summaries(rows, settings):
    """Return a row for each property, trunk and number of labels: mean, least and most over seeds."""
    for name in settings.properties:
        for trunk in TRUNKS:
            mine = [row for row in rows if (row["property"], row["trunk"]) == (name, trunk)]
            sizes = sorted({row["size"] for row in mine if row["seed"] == mine[0]["seed"]})
            for place, size in enumerate(sizes):
                each = [
                    sorted((row for row in mine if row["seed"] == seed), key=lambda row: row["size"])[place]
                    for seed in range(settings.seeds)
                ]
                errors = [row["rmse"] for row in each]
                yield {
                    "property": name, "unit": each[0]["unit"], "trunk": trunk, "size": size,
                    "rmse": float(np.mean(errors)), "least": min(errors), "most": max(errors),
                    "cv_rmse": float(np.mean([row["cv_rmse"] for row in each])),
                    "cv_rmse_least": min(row["cv_rmse"] for row in each),
                    "cv_rmse_most": max(row["cv_rmse"] for row in each),
                    "cv_r2": float(np.mean([row["cv_r2"] for row in each])),
                    "coverage": float(np.mean([row["coverage"] for row in each])),
                    "known": float(np.mean([row["known"] for row in each])),
                    "chosen": [row["chosen"] for row in each],
                    "seconds": float(np.mean([row["seconds"] for row in each])),
                    "candidates": [row["candidates"] for row in each],
                }  # fmt: skip


def draw(rows, names):
    figure = Figure(figsize=(3.2 * len(names), 3.2), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for style, trunk in zip(METHOD_STYLES, TRUNKS, strict=False):
            mine = [row for row in rows if (row["property"], row["trunk"]) == (name, trunk)]
            x = [row["size"] for row in mine]
            label = {"none": "pairs alone", "auto": "on shipped surrogates"}[trunk]
            panel.plot(x, [r["rmse"] for r in mine], color=style.colour, marker=style.marker, ms=4, label=label)
            panel.fill_between(
                x, *([r[k] for r in mine] for k in ("least", "most")), color=style.colour, alpha=0.15, lw=0
            )
        unit = mine[0]["unit"]
        panel.set(xscale="log", ylim=(0.0, None), title=name, xlabel="labels")
        panel.set_ylabel(f"RMSE on other chiralities{'' if unit == '1' else f', {unit}'}")
        panel.set_xticks(x, [str(size) for size in x])
        panel.set_xticks([], minor=True)
        panel.legend(frameon=False, fontsize=8)
    return figure


def main():
    study = Study.from_command_line("own-labels", __doc__, Settings(), QUICK)
    settings = study.settings
    jobs = [Fits(settings, name, seed) for seed in range(settings.seeds) for name in settings.properties]
    rows = list(summaries(study.rows(jobs), settings))
    study.write({"rows": rows})
    last = {(row["property"], row["trunk"]): row for row in rows}  # the largest size
    print_markdown(
        ("property", "unit", "without", "with", "R² without", "R² with", "coverage", "chosen"),
        (
            (
                name, last[name, "none"]["unit"],
                *(
                    interval(row["cv_rmse"], row["cv_rmse_least"], row["cv_rmse_most"])
                    for row in (last[name, trunk] for trunk in TRUNKS)
                ),
                *(f"{last[name, trunk]['cv_r2']:.3f}" for trunk in TRUNKS),
                f"{last[name, 'auto']['coverage']:.0%}", "; ".join(dict.fromkeys(last[name, "auto"]["chosen"])),
            )
            for name in settings.properties
        ),
    )  # fmt: skip
    print_markdown(
        ("property", "trunk", "labels", "RMSE"),
        (
            (row["property"], row["trunk"], row["size"], interval(row["rmse"], row["least"], row["most"]))
            for row in rows
        ),
    )
    study.picture("own-labels.png", lambda path: draw(rows, settings.properties).savefig(path, dpi=150))


if __name__ == "__main__":
    main()
