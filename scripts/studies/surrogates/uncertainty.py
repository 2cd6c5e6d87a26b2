"""Measure the calibration of the surrogates: coverage in and out of distribution, and the detection of other tubes.

For every shipped property the study computes the share of true values within the 90 % interval, on the untouched split
and on tubes of other kinds, labelled by the oracle; and how well the distance and the ensemble's standard deviation
distinguish those kinds from the untouched split (area under the ROC curve; 0.5 is chance). The coverage of one split
has the sampling error of its own size and of the validation split's: "redrawn" is the mean over random halves of both,
one for calibration and the other for measurement. `python -m scripts.studies.surrogates.uncertainty` (some minutes)
writes docs/results/uncertainty.json and prints the table of docs/surrogates.md.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from matgym.data import Dataset, random_decoration
from matgym.physics import oracle_of
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice
from matgym.surrogates import load, load_card, shipped
from scripts.studies.common import Study, StudyJob, print_markdown

NOMINAL = 0.9


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    tubes: int = 150  # tubes of each other kind
    expensive_tubes: int = 40  # tubes of each other kind, of properties whose labels take half a second
    cheap: tuple[str, ...] = ("gap_ev", "pi_formation_ev", "conductance_us")
    halves: int = 400  # number of random halves of validation and untouched split
    properties: tuple[str, ...] = ()  # empty: all properties


QUICK = Settings(tubes=6, expensive_tubes=3, halves=10, properties=("gap_ev",))


def decorated(shape, counts, rng):
    return Nanotube(*shape, random_decoration(tube_lattice(*shape), counts, rng))


def heavily(shape, rng):
    """Return a tube with 25 to 40 % of its sites doped; training ends at 20 %."""
    pairs = int(rng.uniform(0.125, 0.2) * tube_lattice(*shape).n_sites)
    return decorated(shape, {Species.B: pairs, Species.N: pairs}, rng)


def boron_only(shape, rng):
    """Return a tube with an even number of B and no N; training has as many B as N."""
    return decorated(shape, {Species.B: 2 * int(rng.integers(2, 6))}, rng)


def longer(shape, rng):
    """Return a tube that is longer by half."""
    n, m, cells = shape
    return lightly((n, m, cells + (cells + 1) // 2), rng)


def wider(shape, rng):
    """Return a tube of the next wider chirality of the same kind."""
    n, m, cells = shape
    return lightly((n + 1 + (m == 0), m + (m > 0), cells), rng)


def lightly(shape, rng):
    """Return a tube of another shape that is doped as in the training data."""
    pairs = int(rng.integers(1, max(2, int(0.1 * tube_lattice(*shape).n_sites)) + 1))
    return decorated(shape, {Species.B: pairs, Species.N: pairs}, rng)


KINDS = {"longer": longer, "wider": wider, "heavily doped": heavily, "boron only": boron_only}


@dataclass(frozen=True)
class Measure(StudyJob):
    """The job of one property of a shipped surrogate."""

    settings: Settings
    surrogate: str
    name: str

    def run(self):
        """Return a row for the untouched split and for every other kind of tube."""
        surrogate, oracle, key = load(self.surrogate), oracle_of(self.name), self.name
        data = Dataset.load(load_card(self.surrogate).data["name"]).labelled([key])
        validation, inside = (
            Errors.of(surrogate, key, part.batch, part.values(key)) for part in map(data.split, ("validation", "test"))
        )
        rows = [inside.figures(key, "untouched split", None)]
        both = np.concatenate([validation.scores, inside.scores])
        rows[0]["redrawn"] = redrawn(both, self.settings.halves)
        shape = max(surrogate.lattices, key=lambda each: each[2])
        count = self.settings.tubes if key in self.settings.cheap else self.settings.expensive_tubes
        for number, (kind, make) in enumerate(KINDS.items()):
            rng = np.random.default_rng([11, number])
            tubes = TubeBatch.of([make(shape, rng) for _ in range(count)])
            labels = oracle.predict(tubes)
            if labels.ok.any():  # formation energies of tubes with only boron need a chemical potential
                outside = Errors.of(surrogate, key, tubes.take(np.flatnonzero(labels.ok)), labels[key][labels.ok])
                rows.append(outside.figures(key, kind, inside))
        return pa.Table.from_pylist(rows)


@dataclass(frozen=True)
class Errors:
    """The (B,) errors of predictions, and the surrogate's measures of their uncertainty."""

    error: np.ndarray
    half_width: np.ndarray
    distance: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, surrogate, key, tubes, truth):
        predictions = surrogate.predict(tubes)
        return cls(predictions[key] - truth, predictions.half_width[key], predictions.distance, predictions.sd[key])

    @property
    def scores(self):
        return np.abs(self.error) / self.sd

    def figures(self, key, kind, inside):
        covered = np.abs(self.error) <= self.half_width
        row = {
            "property": key,
            "tubes": kind,
            "n": len(self.error),
            "coverage": float(covered.mean()),
            "coverage_interval": list(map(float, binomtest(int(covered.sum()), covered.size).proportion_ci())),
            "redrawn": None,
            "rmse": float(np.sqrt((self.error**2).mean())),
            "flagged": float((self.distance > 1.0).mean()),
            "auroc_distance": None,
            "auroc_sd": None,
        }
        if inside is not None:
            label = np.r_[np.zeros(len(inside.error)), np.ones(len(self.error))]
            row["auroc_distance"] = float(roc_auc_score(label, np.r_[inside.distance, self.distance]))
            row["auroc_sd"] = float(roc_auc_score(label, np.r_[inside.sd, self.sd]))
        return row


def redrawn(scores, halves):
    """Return the mean coverage if a random half of the tubes calibrates the interval and the other half measures it."""
    rng, half, shares = np.random.default_rng(5), scores.size // 2, []
    for _ in range(halves):
        order = rng.permutation(scores)
        rank = int(np.ceil(NOMINAL * (half + 1))) - 1
        shares.append((order[half:] <= np.sort(order[:half])[rank]).mean())
    return float(np.mean(shares))


def main():
    study = Study.from_command_line("uncertainty", __doc__, Settings(), QUICK)
    wanted = study.settings.properties
    jobs = [
        Measure(study.settings, name, key)
        for name, keys in shipped().items()
        for key in keys
        if key in (wanted or keys)
    ]
    rows = study.rows(jobs)
    study.write({"rows": rows})
    head = ("property", "tubes", "n", "coverage [95 %]", "redrawn", "RMSE", "AUROC by distance", "by spread", "flagged")
    print_markdown(head, map(cells, rows))


def cells(row):
    low, high = (100 * end for end in row["coverage_interval"])
    return (
        *(row[name] for name in ("property", "tubes", "n")), f"{100 * row['coverage']:.1f} % [{low:.0f}, {high:.0f}]",
        f"{100 * row['redrawn']:.1f} %" if row["redrawn"] else None, row["rmse"],
        row["auroc_distance"], row["auroc_sd"], f"{100 * row['flagged']:.0f} %",
    )  # fmt: skip


if __name__ == "__main__":
    main()
