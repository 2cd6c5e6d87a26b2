"""Do the surrogates know when they are wrong? Coverage inside and outside the training data, and what tells them apart.

For every shipped property: share of truths inside the 90 % interval, on the untouched split and on tubes of other
kinds, freshly labelled by the oracle; and how well the distance and the ensemble's spread tell those kinds from the
untouched split (area under the ROC curve; 0.5 is chance). A single split leaves the coverage uncertain by its own size
and by the validation split's: "redrawn" is the mean over halves of both, one calibrating and the other measuring.
`python scripts/uncertainty.py`, some minutes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from matgym.data import Dataset, random_decoration
from matgym.files import write_json
from matgym.physics import oracle_of
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.surrogates import load, load_card, shipped

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "results" / "uncertainty.json"


@dataclass(frozen=True)
class Kind:
    """Tubes of another make than the training data's."""

    name: str
    make: Callable[[tuple[int, int, int], np.random.Generator], Nanotube]


def decorated(shape, counts, rng, plain_share=0.35):
    lattice = tube_lattice(*shape)
    return Nanotube(*shape, random_decoration(lattice, counts, rng, plain_share=plain_share))


def heavily(shape, rng):
    """25 to 40 % of sites doped; training ends at 20 %."""
    pairs = int(rng.uniform(0.125, 0.2) * tube_lattice(*shape).n_sites)
    return decorated(shape, {Species.B: pairs, Species.N: pairs}, rng)


def boron_only(shape, rng):
    """B without N, an even number; training has as many B as N."""
    return decorated(shape, {Species.B: 2 * int(rng.integers(2, 6))}, rng)


def longer(shape, rng):
    """Half as long again."""
    n, m, cells = shape
    return lightly((n, m, cells + (cells + 1) // 2), rng)


def wider(shape, rng):
    """The next wider tube of the same kind."""
    n, m, cells = shape
    return lightly((n + 1 + (m == 0), m + (m > 0), cells), rng)


def lightly(shape, rng):
    """As the training data, but for the shape."""
    pairs = int(rng.integers(1, max(2, int(0.1 * tube_lattice(*shape).n_sites)) + 1))
    return decorated(shape, {Species.B: pairs, Species.N: pairs}, rng)


KINDS = (Kind("longer", longer), Kind("wider", wider), Kind("heavily doped", heavily), Kind("boron only", boron_only))
TUBES = {"gap_ev": 150, "pi_formation_ev": 150, "conductance_us": 150}
FEW = 40  # of properties whose labels cost half a second
HALVES = 400  # of validation and untouched split, that are redrawn
NOMINAL = 0.9


def main():
    jobs = [(name, key) for name, keys in shipped().items() for key in keys]
    rows = [row for name, key in track(jobs, "properties") for row in of_property(name, key)]
    write_json(REPORT, {"rows": rows})
    print("| property | tubes | n | coverage [95 %] | redrawn | RMSE | AUROC by distance | by spread | flagged |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in rows:
        low, high = (100 * end for end in r["coverage_interval"])
        texts = [r["property"], r["tubes"], str(r["n"]), f"{100 * r['coverage']:.1f} % [{low:.0f}, {high:.0f}]"]
        texts += [f"{100 * r['redrawn']:.1f} %" if r["redrawn"] else "", f"{r['rmse']:.3g}"]
        texts += [f"{r[name]:.2f}" if r[name] is not None else "" for name in ("auroc_distance", "auroc_sd")]
        print(f"| {' | '.join(texts)} | {100 * r['flagged']:.0f} % |")
    print(REPORT)


def of_property(name, key):
    """Rows of one property: the untouched split, and every other kind of tube."""
    surrogate, oracle = load(name), oracle_of(key)
    data = Dataset.load(load_card(name).data["name"]).labelled([key])
    validation, inside = (
        errors_of(surrogate, key, part.batch, part.values(key)) for part in map(data.split, ("validation", "test"))
    )
    rows = [figures(key, "untouched split", inside, None)]
    rows[0]["redrawn"] = redrawn(np.concatenate([validation, inside], axis=1), np.random.default_rng(5))
    lattice = max(surrogate.lattices, key=lambda shape: shape[2])
    for number, kind in enumerate(KINDS):
        rng = np.random.default_rng([11, number])
        tubes = [kind.make(lattice, rng) for _ in range(TUBES.get(key, FEW))]
        found = oracle.predict(tubes)
        if not found.ok.any():  # formation energies of boron alone need a chemical potential
            continue
        kept = [tube for tube, good in zip(tubes, found.ok, strict=True) if good]
        outside = errors_of(surrogate, key, kept, found[key][found.ok])
        rows.append(figures(key, kind.name, outside, inside))
    return rows


def errors_of(surrogate, key, tubes, truth):
    """(4, B): error, half-width, distance, spread over typical spread."""
    found = surrogate.predict(tubes)
    return np.stack([found[key] - truth, found.half_width[key], found.distance, found.sd[key]])


def redrawn(found, rng):
    """Mean coverage where a random half of the tubes calibrates the interval and the other half measures it."""
    scores = np.abs(found[0]) / found[3]
    half, shares = scores.size // 2, []
    for _ in range(HALVES):
        order = rng.permutation(scores)
        rank = int(np.ceil(NOMINAL * (half + 1))) - 1
        shares.append((order[half:] <= np.sort(order[:half])[rank]).mean())
    return float(np.mean(shares))


def figures(key, kind, found, inside):
    error, half_width, distance, sd = found
    covered = np.abs(error) <= half_width
    row = {
        "property": key,
        "tubes": kind,
        "n": len(error),
        "coverage": float(covered.mean()),
        "coverage_interval": tuple(map(float, binomtest(int(covered.sum()), covered.size).proportion_ci())),
        "redrawn": None,
        "rmse": float(np.sqrt((error**2).mean())),
        "flagged": float((distance > 1.0).mean()),
        "auroc_distance": None,
        "auroc_sd": None,
    }
    if inside is not None:
        label = np.r_[np.zeros(inside.shape[1]), np.ones(len(error))]
        row["auroc_distance"] = float(roc_auc_score(label, np.r_[inside[2], distance]))
        row["auroc_sd"] = float(roc_auc_score(label, np.r_[inside[3], sd]))
    return row


if __name__ == "__main__":
    main()
