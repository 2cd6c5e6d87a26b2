"""Compare the levels of the gap: π and self-consistent π against GFN1-xTB, and GFN1-xTB against GFN2-xTB.

`python -m scripts.studies.levels.compare` reads docs/results/levels-reference.parquet, and writes
docs/results/levels.json: rank correlation and mean absolute error on tubes of chiralities, compositions and
arrangements that no fit saw, the share of tubes whose charges converge, CPU seconds a tube by size, and the error of
the mesh of wave vectors of the charges.

tblite's charges are those of the Γ point of the cell, so that GFN1-xTB's gaps are those of these charges. There are
labels of cells of 8 Å and of twice the length, and the self-consistent π model is compared with both twice: with the
charges of Γ, and with those of the whole zone, which are its default and those of an infinite tube.
"""

from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from multiprocessing import get_context
from time import process_time

import numpy as np
from scipy.stats import spearmanr

from matgym.models import Model
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.oracles import one_thread
from matgym.structures import Nanotube
from scripts.studies.common import Study, interval, print_markdown
from scripts.studies.levels.reference import entry_of, reference_rows
from scripts.studies.levels.tubes import predicted_gaps

LEVELS = {
    "π": PiElectrons(),
    "self-consistent π, charges of Γ": SelfConsistentElectrons(mesh_angstrom=0.0),
    "self-consistent π": SelfConsistentElectrons(),
}
FINE_ANGSTROM = 100.0  # mesh against which the default is measured


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    tubes: int = 1000  # most tubes
    meshed: int = 20  # random tubes of the fit on which the error of the mesh is measured
    cells: tuple[int, ...] = (2, 4, 8, 25)  # of (8, 0), 64 to 800 sites, whose time is measured
    resamples: int = 2000
    small: tuple[int, int] = field(default=(8, 0))


QUICK = Settings(tubes=2, meshed=1, cells=(1,), resamples=20)


def main() -> None:
    """Compute both π levels of the tubes of the reference set, compare, and measure times."""
    study = Study.from_command_line("levels", __doc__, Settings(), QUICK)
    with ProcessPoolExecutor(study.workers, mp_context=get_context("spawn")) as pool:
        _compare(study, pool)


def _compare(study: Study[Settings], pool: Executor) -> None:
    times = [pool.submit(_times, study.settings.small, cells) for cells in sorted(study.settings.cells, reverse=True)]
    rows = reference_rows()
    drawn = [row for row in rows if row["split"] == "fit" and row["kind"] == "random"][: study.settings.meshed]
    mesh_error = _mesh_error(pool, [entry_of(row["name"]).tube for row in drawn]) if drawn else {}
    first = [row for row in rows if row["split"] == "test"][: study.settings.tubes]
    tubes = [entry_of(row["name"]).tube for row in first]
    columns = {"GFN1": "gap_ev", "GFN1, long cell": "long_gap_ev", "GFN2": "gfn2_gap_ev"}
    gaps = {name: np.array([row[column] for row in first], dtype=np.float64) for name, column in columns.items()}
    failures = {}
    for name, oracle in LEVELS.items():
        gaps[name], failures[name] = predicted_gaps(pool, oracle, tubes)
    comparisons = []
    for kind, labels, levels in product(
        dict.fromkeys(row["kind"] for row in first), ("GFN1", "GFN1, long cell"), ((*LEVELS,), (*LEVELS, "GFN2"))
    ):
        chosen = np.array([row["kind"] == kind for row in first]) & np.isfinite(gaps[labels])
        if "GFN2" in levels:
            chosen &= np.isfinite(gaps["GFN2"])
        chiralities = len({(row["n"], row["m"]) for row, keep in zip(first, chosen, strict=True) if keep})
        for level in levels:
            here = {"kind": kind, "labels": labels, "of": "with GFN2" if "GFN2" in levels else "all", "level": level}
            found = _agreement(gaps[level][chosen], gaps[labels][chosen], study.settings)
            comparisons.append(here | {"chiralities": chiralities} | found)
    comparisons = [row for row in comparisons if row["tubes"]]
    head = ("kind", "labels", "of", "level", "tubes", "chiralities", "Spearman [95 %]", "MAE eV")
    print_markdown(
        head,
        [
            (
                row["kind"], row["labels"], row["of"], row["level"], row["tubes"], row["chiralities"],
                interval(row["spearman"], *row["spearman_interval"]) if "spearman" in row else None, row.get("mae_ev"),
            )
            for row in comparisons
        ],
    )  # fmt: skip
    study.write(
        {
            "labels": "GFN1-xTB at the scaled Tersoff geometry: see levels-reference.json",
            "comparisons": comparisons,
            "gaps_ev": [
                {"name": row["name"]} | {level: float(values[place]) for level, values in gaps.items()}
                for place, row in enumerate(first)
            ],
            "failures": failures,
            "mesh_error": mesh_error,
            "seconds": [each.result() for each in reversed(times)],
        }
    )


def _agreement(gaps: np.ndarray, labels: np.ndarray, settings: Settings) -> dict[str, object]:
    """Return the number of tubes that have both, their rank correlation with its interval, and the mean error, eV."""
    both = np.isfinite(gaps) & np.isfinite(labels)
    gaps, labels = gaps[both], labels[both]
    if len(gaps) < 5:
        return {"tubes": len(gaps)}
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(gaps), size=len(gaps)) for _ in range(settings.resamples)]
    ranks = [spearmanr(gaps[rows], labels[rows]).statistic for rows in drawn]
    return {
        "tubes": len(gaps),
        "spearman": float(spearmanr(gaps, labels).statistic),
        "spearman_interval": np.nanquantile(ranks, [0.025, 0.975]).tolist(),
        "mae_ev": float(np.abs(gaps - labels).mean()),
    }


def _mesh_error(pool: Executor, tubes: list[Nanotube]) -> dict[str, object]:
    """Return the error of gaps from the default mesh of charges, and from the Γ point alone, eV."""
    fine, _ = predicted_gaps(pool, SelfConsistentElectrons(mesh_angstrom=FINE_ANGSTROM), tubes)
    found: dict[str, object] = {"tubes": len(tubes), "mesh_angstrom": FINE_ANGSTROM}
    for name, level in (("default", "self-consistent π"), ("gamma", "self-consistent π, charges of Γ")):
        errors = np.abs(predicted_gaps(pool, LEVELS[level], tubes)[0] - fine)
        found[name] = {"mean_ev": float(np.nanmean(errors)), "largest_ev": float(np.nanmax(errors))}
    return found


def _times(chirality: tuple[int, int], cells: int) -> dict[str, object]:
    """Return CPU seconds a tube of the π levels, for tubes in which every eighth site holds B or N."""
    empty, rng = Nanotube(*chirality, cells), np.random.default_rng(cells)
    count = max(1, min(8, 1024 // empty.n_sites))
    tubes = []
    for _ in range(count):
        sites = rng.permutation(empty.n_sites)[: 2 * (empty.n_sites // 16)].tolist()
        half = len(sites) // 2
        tubes.append(empty.decorated(dict.fromkeys(sites[:half], "B") | dict.fromkeys(sites[half:], "N")))
    row: dict[str, object] = {"sites": empty.n_sites, "tubes": count}
    for name in ("π", "self-consistent π"):
        row[name] = _seconds(LEVELS[name], tubes) / count
    return row


def _seconds(oracle: Model, tubes: list[Nanotube]) -> float:
    with one_thread():
        start = process_time()
        oracle.predict(tubes)
        return process_time() - start


if __name__ == "__main__":
    main()
