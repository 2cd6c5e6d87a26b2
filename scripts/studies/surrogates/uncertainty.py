"""Measure the intervals of the shipped surrogates: on tubes like those of the training, and on the splits held back.

Coverage is the share of labels within the nominal 90 % interval, of all tubes and of the third with the least and the
third with the largest standard deviation. The distance from the training data, and the standard
deviation, are scored by how well they tell large errors, above two standard deviations of the untouched split, from
others: the area under the ROC curve, 0.5 by chance. `python -m scripts.studies.surrogates.uncertainty` (some minutes)
writes docs/results/uncertainty.json and prints the table of docs/surrogates.md.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from matgym.data import Dataset
from matgym.data.table import HELD
from matgym.surrogates import load, load_card, shipped
from scripts.studies.common import Study, StudyJob, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        most: most tubes of a split.
        properties: keys of properties; empty for all.
    """

    most: int = 100_000
    properties: tuple[str, ...] = ()


QUICK = Settings(most=20, properties=("young_gpa",))


@dataclass(frozen=True)
class Measure(StudyJob):
    """The job of one property of a shipped surrogate."""

    settings: Settings
    surrogate: str
    name: str

    def run(self):
        """Return a row for each split."""
        surrogate, key, rows, large = load(self.surrogate), self.name, [], np.nan
        data = Dataset.load(load_card(self.surrogate).data["name"]).labelled([key])
        for split in ("test", *HELD):
            part = data.split(split)
            part = part.take(np.arange(min(len(part), self.settings.most)))
            if len(part) < 2:
                continue
            found = surrogate.predict(part.batch)
            error = np.abs(found[key] - part.values(key))
            if split == "test":
                large = 2.0 * float(np.sqrt((error**2).mean()))
            covered = error <= found.half_width[key]
            interval = binomtest(int(covered.sum()), covered.size).proportion_ci()
            scores = {"distance": found.distance, "sd": found.sd[key]}
            by_sd = np.argsort(found.sd[key], kind="stable")
            third = max(1, len(by_sd) // 3)
            ends = {"easiest": by_sd[:third], "hardest": by_sd[-third:]}
            rows.append(
                {
                    "surrogate": self.surrogate,
                    "property": key,
                    "split": split,
                    "n": len(error),
                    "coverage": float(covered.mean()),
                    "coverage_interval": [interval.low, interval.high],
                    **{f"coverage_{name}": float(covered[some].mean()) for name, some in ends.items()},
                    "half_width": float(np.median(found.half_width[key])),
                    "rmse": float(np.sqrt((error**2).mean())),
                    "noted": len(found.notes.get(key, {})) / len(error),
                }
                | {f"auroc_{name}": auroc(error > large, score) for name, score in scores.items()}
            )
        return pa.Table.from_pylist(rows)


def auroc(large, scores):
    """Return the area under the ROC curve; None where all errors are large, or none."""
    return float(roc_auc_score(large, np.minimum(scores, 1e9))) if 0 < large.sum() < len(large) else None


def main():
    study = Study.from_command_line("uncertainty", __doc__, Settings(), QUICK)
    wanted = study.settings.properties
    rows = study.rows(
        Measure(study.settings, name, key)
        for name, keys in shipped().items()
        for key in keys
        if key in (wanted or keys)
    )
    study.write({"rows": rows})
    head = (
        "surrogate", "property", "split", "n", "coverage [95 %]", "easiest", "hardest", "half-width", "RMSE",
        "with a note", "AUROC by distance", "by sd",
    )  # fmt: skip
    print_markdown(head, map(cells, rows))


def cells(row):
    low, high = (100 * end for end in row["coverage_interval"])
    return (
        *(row[name] for name in ("surrogate", "property", "split", "n")),
        f"{100 * row['coverage']:.1f} % [{low:.0f}, {high:.0f}]",
        *(f"{100 * row[f'coverage_{name}']:.0f} %" for name in ("easiest", "hardest")),
        row["half_width"], row["rmse"],
        f"{100 * row['noted']:.0f} %", row["auroc_distance"], row["auroc_sd"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
