"""Measure the intervals of surrogates after a shift: tubes of a kind that the training data lack.

First, ridge regressions on pairs are fitted without the tubes of one kind, by the settings of the shipped ones with
fewer members, and asked for all of these tubes. Their intervals are taken as they are, and without the domain: then no
interval is infinite, as it is for tubes whose composition or strain is outside the training data. Second, the shipped
surrogates are asked for tubes whose dopants are arranged in another way than at random; their composition is like that
of the training data, and the domain is silent. `python -m scripts.studies.surrogates.shift` (half an hour) writes
docs/results/shift.json and prints the tables of docs/surrogates.md.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

from matgym.data import Dataset
from matgym.data.table import HELD
from matgym.physics import oracle_of
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice
from matgym.surrogates import load, load_card
from matgym.surrogates.honeycomb.fitting import fit
from matgym.surrogates.honeycomb.graph import NAMES, honeycombs
from matgym.surrogates.training import CONFIGS, read_fit
from scripts.studies.common import Study, StudyJob, interval, print_markdown

COLUMNS = {name: column for column, (name, _, _) in enumerate(NAMES)}


def share(tubes, *names):
    return sum(tubes[:, COLUMNS[name]] for name in names)


KINDS = {
    "vacancies": lambda tubes: share(tubes, "share of vacancies") > 0.0,
    "strain": lambda tubes: np.abs(share(tubes, "strain")) > 1e-6,
    "more than 10 % of B and N": lambda tubes: share(tubes, "share of B", "share of N") > 0.10,
    "wider than 1 nm": lambda tubes: share(tubes, "inverse diameter") < 1.0,
}
"""Kinds of tubes that a fit does not see, by the features of tubes."""


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        fitted: names of the shipped configurations that are fitted.
        members: members of these fits.
        asked: names of the shipped surrogates that are asked for other arrangements.
        tubes: (n, m, cells) of these tubes, of which the last two are of unseen chirality.
        atoms: number of B, and of N.
        each: number of tubes of each arrangement and lattice.
    """

    fitted: tuple[str, ...] = ("nanotube-heat", "nanotube-young", "nanotube-formation")
    members: int = 8
    asked: tuple[str, ...] = ("nanotube-gap", "nanotube-heat", "nanotube-young", "nanotube-formation")
    tubes: tuple[tuple[int, int, int], ...] = ((10, 0, 2), (8, 4, 1), (7, 4, 1), (7, 7, 4))
    atoms: int = 6
    each: int = 10


QUICK = Settings(("nanotube-heat",), 4, ("nanotube-young",), ((10, 0, 2),), 2, 3)


@dataclass(frozen=True)
class Without(StudyJob):
    """The job of one fit without one kind of tubes."""

    settings: Settings
    surrogate: str
    kind: str

    def run(self):
        """Return a row for tubes of the kind, and one for others that the fit did not see."""
        config = replace(read_fit(CONFIGS / f"{self.surrogate}.yml"), members=self.settings.members)
        data = Dataset.load(config.dataset).labelled(config.properties)
        split = np.array(data.table.column("split").to_pylist())
        is_kind = KINDS[self.kind](honeycombs(data.batch).tubes)
        is_held = np.isin(split, HELD)
        surrogate = fit(data.take(np.flatnonzero(~is_kind & ~is_held)), config)
        rows = []
        for asked, chosen in (("lacking", is_kind & ~is_held), ("like the data", ~is_kind & (split == "test"))):
            part = data.take(np.flatnonzero(chosen))
            about = {"surrogate": self.surrogate, "kind": self.kind, "asked": asked}
            rows.append(about | judged(surrogate, part.batch, part.values(config.properties[0])))
        return pa.Table.from_pylist(rows)


@dataclass(frozen=True)
class Arranged(StudyJob):
    """The job of one shipped surrogate and one arrangement of dopants."""

    settings: Settings
    surrogate: str
    arrangement: str

    def run(self):
        """Return one row for tubes of known, and one for those of unseen chirality."""
        settings, surrogate, card = self.settings, load(self.surrogate), load_card(self.surrogate)
        key = card.properties[0]
        oracle = oracle_of(key, level=card.levels[key])
        tubes = [
            arranged(shape, self.arrangement, settings.atoms, np.random.default_rng([k, *shape]))
            for shape in settings.tubes
            for k in range(settings.each)
        ]
        rows, seen = [], surrogate.seen(TubeBatch.of(tubes))
        for chirality, chosen in (("known", seen), ("unseen", ~seen)):
            if chosen.any():
                some = [tubes[row] for row in np.flatnonzero(chosen)]
                about = {"surrogate": self.surrogate, "kind": self.arrangement, "asked": chirality}
                rows.append(about | judged(surrogate, some, oracle.predict(some)[key]))
        return pa.Table.from_pylist(rows)


def arranged(shape, arrangement, atoms, rng):
    """Return a tube with as many B as N, arranged at random, as bonded pairs, in one patch, or in a patch each."""
    lattice = tube_lattice(*shape)
    species = np.full(lattice.n_sites, Species.C12, dtype=np.uint8)
    if arrangement == "random":
        places = rng.permutation(lattice.n_sites)[: 2 * atoms]
    elif arrangement == "bonded pairs":
        places = pairs(lattice, atoms, rng)
    elif arrangement == "one patch":
        places = rng.permutation(patch(lattice, 2 * atoms, [], rng))
    else:
        first = patch(lattice, atoms, [], rng)
        places = [*first, *patch(lattice, atoms, first, rng)]
    species[places[:atoms]], species[places[atoms:]] = Species.B, Species.N
    return Nanotube(*shape, species)


ARRANGEMENTS = ("random", "bonded pairs", "one patch", "a patch each")


def pairs(lattice, count, rng):
    """Return the first sites of some bonds that share no site, and then their second sites."""
    used, first, second = set(), [], []
    for site in rng.permutation(lattice.n_sites).tolist():
        free = [near for near in lattice.neighbours[site].tolist() if near not in used]
        if len(first) < count and site not in used and free:
            first.append(site)
            second.append(int(rng.choice(free)))
            used |= {site, second[-1]}
    return [*first, *second]


def patch(lattice, count, taken, rng):
    """Return sites that hang together: each next to an earlier one, and none taken."""
    start = int(rng.choice(np.setdiff1d(np.arange(lattice.n_sites), taken)))
    found = [start]
    while len(found) < count:
        edge = np.setdiff1d(lattice.neighbours[found], [*found, *taken])
        free = edge if len(edge) else np.setdiff1d(np.arange(lattice.n_sites), [*found, *taken])
        found.append(int(rng.choice(free)))
    return found


def judged(surrogate, tubes, truth):
    """Return how well the intervals of a surrogate hold labels, with and without its domain."""
    key = surrogate.keys[0]
    found = surrogate.predict(tubes)
    calibration = {name: values for name, values in surrogate.calibration.items() if name not in {"low", "high"}}
    bare = replace(surrogate, calibration=calibration).predict(tubes)
    good = np.isfinite(truth) & np.isfinite(found[key])
    error = np.abs(found[key] - truth)[good]
    counts = {name: int((error <= each.half_width[key][good]).sum()) for name, each in (("", found), ("bare_", bare))}
    noted = np.isin(np.arange(len(truth)), list(found.notes.get(key, {})))
    row = {
        "n": len(error),
        "rmse": float(np.sqrt((error**2).mean())),
        "half_width": float(np.median(bare.half_width[key][good])),
        "noted": float(noted[good].mean()),
        "distant": float((bare.distance[good] > 1.0).mean()),
        "infinite": float(np.isinf(found.half_width[key][good]).mean()),
    }
    for name, count in counts.items():
        ends = binomtest(count, len(error)).proportion_ci()
        row |= {f"{name}coverage": count / len(error), f"{name}coverage_interval": [ends.low, ends.high]}
    return row


def main():
    study = Study.from_command_line("shift", __doc__, Settings(), QUICK)
    settings = study.settings
    without = study.rows((Without(settings, name, kind) for name in settings.fitted for kind in KINDS), "without")
    arrangements = study.rows(
        (Arranged(settings, name, each) for name in settings.asked for each in ARRANGEMENTS), "arranged"
    )
    study.write({"without": without, "arrangements": arrangements})
    for kind, rows in (("fitted without", without), ("arrangement", arrangements)):
        print_markdown(
            ("surrogate", kind, "asked for", "n", "RMSE", "half-width", "coverage [95 %], %", "without the domain",
             "with a note, %", "distance above 1, %"),
            (
                (
                    *(row[name] for name in ("surrogate", "kind", "asked", "n", "rmse", "half_width")),
                    *(
                        interval(*(100 * x for x in (row[f"{bare}coverage"], *row[f"{bare}coverage_interval"])), ".0f")
                        for bare in ("", "bare_")
                    ),
                    f"{100 * row['noted']:.0f}", f"{100 * row['distant']:.0f}",
                )
                for row in rows
            ),
        )  # fmt: skip


if __name__ == "__main__":
    main()
