"""Compare the reduced basis of the π electrons with the dense solver, and its speed with that of the shipped network.

Accuracy: random decorated tubes of every chirality of 0.6 to 1.7 nm whose cell has at most 450 sites, with B and N in
equal and in unequal numbers, vacancies, Stone-Wales pairs, strain and torsion; their number of electrons is even, since
the gap is zero otherwise. Tubes that the reduced basis leaves to the dense solver are counted, not compared. Speed: CPU
time of one thread, a tube, in batches; each method computes the same tubes in the same process.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.basis.reduced

takes ten minutes, writes docs/results/reduced_basis.json and prints its tables.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from matgym.errors import MatgymError
from matgym.physics import PiElectrons, PiParameters
from matgym.physics.electrons.reduced import reduced_edges
from matgym.physics.electrons.tight_binding import PI_ELECTRONS
from matgym.physics.oracles import one_thread
from matgym.structures import Nanotube, Species
from matgym.surrogates import load
from scripts.studies.common import Study, StudyJob, print_markdown

KINDS = ("balanced", "vacancies", "unequal", "Stone-Wales")
DENSE = PiElectrons(method="dense")


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    largest_n: int = 23
    narrowest_nm: float = 0.6
    widest_nm: float = 1.7
    most_sites: int = 450
    small_sites: int = 180  # cells up to this size are repeated up to it, and have more tubes
    tubes: tuple[int, int] = (56, 6)  # of a chirality with a small cell, and of one with a larger cell
    most_of_a_species: int = 8
    sizes: tuple[tuple[int, int, int], ...] = ((8, 0, 4), (8, 0, 8), (10, 0, 20))
    doped: float = 0.125  # share of the sites in the measurement of the speed
    batch: int = 64
    dense_tubes: int = 8
    repeats: int = 3


QUICK = Settings(8, 0.6, 0.7, 120, 64, (4, 2), 4, ((8, 0, 2),), 0.125, 4, 2, 1)


def chiralities(settings):
    """Return the (n, m) of the study."""
    every = [Nanotube(n, m) for n in range(1, settings.largest_n + 1) for m in range(n + 1)]
    return [
        (tube.n, tube.m)
        for tube in every
        if settings.narrowest_nm < tube.diameter_nm < settings.widest_nm and tube.n_sites <= settings.most_sites
    ]


def decorated(n, m, kind, settings, rng):
    """Return a random tube of a kind, or None if the draw has an odd number of electrons or is no tube."""
    one = Nanotube(n, m).n_sites
    most = max(1, settings.small_sites // one)
    tube = Nanotube(n, m, int(rng.integers(max(1, most // 2), most + 1)), strain=float(rng.choice([0, 0.02, -0.02])))
    if rng.random() < 0.25:
        tube = Nanotube(n, m, tube.cells, strain=tube.strain, torsion=0.01)
    pairs = int(rng.integers(1, settings.most_of_a_species + 1))
    b, nitrogen = (pairs, pairs) if kind != "unequal" else rng.integers(0, settings.most_of_a_species + 1, size=2)
    empty = 2 if kind == "vacancies" else int(rng.integers(3)) if kind == "unequal" else 0
    try:
        if kind == "Stone-Wales":
            bond = tube.lattice.bonds[rng.integers(len(tube.lattice.bonds)), :2]
            tube = tube.turned((int(bond[0]), int(bond[1])))
        species, places = tube.species.copy(), rng.permutation(tube.n_sites)
        held = np.repeat([Species.B, Species.N, Species.VACANCY], [b, nitrogen, empty]).astype(np.uint8)
        species[places[: len(held)]] = held
        tube = tube.with_species(species)
    except MatgymError:
        return None
    return tube if len(held) and PI_ELECTRONS[species].sum() % 2 == 0 else None


def tubes_of(n, m, settings):
    """Return the tubes of a chirality and their kinds."""
    rng = np.random.default_rng([n, m])
    count = settings.tubes[Nanotube(n, m).n_sites > settings.small_sites]
    tubes, kinds = [], []
    while len(tubes) < count:
        kind = KINDS[len(tubes) % len(KINDS)]
        tube = decorated(n, m, kind, settings, rng)
        if tube is not None:
            tubes.append(tube)
            kinds.append(kind)
    return tubes, kinds


@dataclass(frozen=True)
class Dense(StudyJob):
    """The gaps of the tubes of one chirality by the dense solver."""

    n: int
    m: int
    settings: Settings = field(repr=False)

    def run(self):
        """Return a table of the gaps."""
        tubes, kinds = tubes_of(self.n, self.m, self.settings)
        found = DENSE.predict(tubes)
        return pa.table({
            "tube": [str(tube) for tube in tubes], "kind": kinds, "sites": [tube.n_sites for tube in tubes],
            "dense_ev": found["gap_ev"], "dense_fermi_ev": found["fermi_ev"],
        })  # fmt: skip


def reduced(n, m, settings):
    """Return the gaps of the tubes of one chirality in the reduced basis, as rows of a table."""
    tubes, _ = tubes_of(n, m, settings)
    edges = reduced_edges(tubes, PiParameters())
    gaps = np.maximum(edges.conduction_ev - edges.valence_ev, 0.0)
    return [
        {"reduced_ev": gap, "fermi_ev": fermi, "settled": settled}
        for gap, fermi, settled in zip(gaps.tolist(), edges.fermi_ev.tolist(), edges.settled.tolist(), strict=True)
    ]


@dataclass(frozen=True)
class Speed(StudyJob):
    """CPU time of the reduced basis, the dense solver and the shipped network on one kind of tube."""

    n: int
    m: int
    cells: int
    settings: Settings = field(repr=False)

    def run(self):
        """Return a table of one row."""
        settings, rng = self.settings, np.random.default_rng(7)
        tube, network = Nanotube(self.n, self.m, self.cells), load("nanotube-doping")
        half = int(settings.doped * tube.n_sites / 2)
        codes = np.repeat([Species.B, Species.N, Species.C12], [half, half, tube.n_sites - 2 * half]).astype(np.uint8)
        batches = [
            [tube.with_species(rng.permutation(codes)) for _ in range(settings.batch)]
            for _ in range(settings.repeats + 1)
        ]
        few = batches[1][: settings.dense_tubes]
        network.predict(batches[0])
        with one_thread():
            first, *later = [cpu_ms(lambda b=b: reduced_edges(b, PiParameters()), len(b)) for b in batches]
            net = [cpu_ms(lambda b=b: network.predict(b), len(b)) for b in batches[1:]]
            dense = cpu_ms(lambda: DENSE.predict(few), len(few))
        error = np.abs(PiElectrons().predict(few)["gap_ev"] - DENSE.predict(few)["gap_ev"])
        return pa.table({
            "tube": [str(tube)], "sites": [tube.n_sites], "decorated": [2 * half], "reduced_first_ms": [first],
            "reduced_ms": [float(np.median(later))], "dense_ms": [dense], "network_ms": [float(np.median(net))],
            "times_faster": [dense / float(np.median(later))], "mae_mev": [1e3 * float(error.mean())],
            "settled": [float(reduced_edges(batches[1], PiParameters()).settled.mean())],
        })  # fmt: skip


def cpu_ms(work, count):
    """Return the CPU time of a call by the number of tubes, ms."""
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start) / count


def summary(rows):
    """Return the errors of some tubes."""
    compared = [row for row in rows if row["settled"] and np.isfinite(row["dense_ev"])]
    error = 1e3 * np.array([abs(row["reduced_ev"] - row["dense_ev"]) for row in compared])
    fermi = 1e3 * np.array([abs(row["fermi_ev"] - row["dense_fermi_ev"]) for row in compared if row["dense_ev"] > 1e-3])
    return {
        "tubes": len(rows), "compared": len(compared), "fallbacks": sum(not row["settled"] for row in rows),
        "mae_mev": float(error.mean()), "within_5_mev": float((error <= 5.0).mean()), "worst_mev": float(error.max()),
        "fermi_mae_mev": float(fermi.mean()), "gaps_ev": float(np.mean([row["dense_ev"] for row in compared])),
    }  # fmt: skip


def main():
    study = Study.from_command_line("reduced_basis", __doc__, Settings(), QUICK)
    settings = study.settings
    pairs = chiralities(settings)
    dense = study.rows(Dense(n, m, settings) for n, m in pairs)
    found = [row for n, m in pairs for row in reduced(n, m, settings)]
    rows = [one | other for one, other in zip(dense, found, strict=True)]
    parts = {"all": rows} | {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS}
    accuracy = {name: summary(part) for name, part in parts.items()}
    speed = study.rows((Speed(*shape, settings) for shape in settings.sizes), "speed")
    worst = sorted((row for row in rows if row["settled"]), key=lambda row: -abs(row["reduced_ev"] - row["dense_ev"]))[
        :10
    ]
    print_markdown(["tubes of", *accuracy["all"]], [[name, *part.values()] for name, part in accuracy.items()])
    print_markdown(list(speed[0]), [row.values() for row in speed])
    print_markdown(list(worst[0]), [row.values() for row in worst])
    study.write({"chiralities": len(pairs), "accuracy": accuracy, "speed": speed, "worst": worst})


if __name__ == "__main__":
    main()
