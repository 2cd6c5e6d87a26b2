"""Compare the levels of the gap: π and self-consistent π against GFN1-xTB, and GFN1-xTB against GFN2-xTB.

`python -m scripts.studies.levels.compare` reads the tubes that `scripts.studies.levels.reference` has finished, and
writes docs/results/levels.json: rank correlation and mean absolute error on tubes of chiralities, compositions and
arrangements that no fit saw, the share of tubes whose charges converge, CPU seconds a tube by size, and the error of
the mesh of wave vectors of the charges.

tblite's charges are those of the Γ point of the cell, so that GFN1-xTB's gaps are those of these charges. The
self-consistent π model is compared twice: with the same charges, and with those of the whole zone, which are its
default.
"""

from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from time import process_time

import numpy as np
from scipy.stats import spearmanr

from matgym.models import Model
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.oracles import one_thread
from matgym.physics.xtb.states import XtbMethod
from matgym.structures import Nanotube
from scripts.studies.common import Study, interval, print_markdown
from scripts.studies.levels.reference import entry_of, finished
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
    """Compute both π levels of the finished tubes, compare, and measure times."""
    study = Study.from_command_line("levels", __doc__, Settings(), QUICK)
    with ProcessPoolExecutor(study.workers, mp_context=get_context("spawn")) as pool:
        _compare(study, pool)


def _compare(study: Study[Settings], pool: Executor) -> None:
    times = [pool.submit(_times, study.settings.small, cells) for cells in sorted(study.settings.cells, reverse=True)]
    rows = finished()
    first = [row for row in rows if row["method"] == XtbMethod.GFN1.value]
    drawn = [row for row in first if row["split"] == "fit" and row["kind"] == "random"][: study.settings.meshed]
    mesh_error = _mesh_error(pool, [entry_of(row["name"]).tube for row in drawn]) if drawn else {}
    first = [row for row in first if row["split"] == "test"][: study.settings.tubes]
    second = {row["name"]: row["gap_ev"] for row in rows if row["method"] == XtbMethod.GFN2.value}
    tubes = [entry_of(row["name"]).tube for row in first]
    gaps, failures = {"GFN1": np.array([row["gap_ev"] for row in first])}, {}
    for name, oracle in LEVELS.items():
        gaps[name], failures[name] = predicted_gaps(pool, oracle, tubes)
    gaps["GFN2"] = np.array([second.get(row["name"], np.nan) for row in first])
    comparisons = []
    for kind in dict.fromkeys(row["kind"] for row in first):
        both = np.isfinite(gaps["GFN2"])
        for tubes_of, known in (("all", np.ones(len(first), dtype=bool)), ("with GFN2", both)):
            chosen = known & np.array([row["kind"] == kind for row in first], dtype=bool)
            chiralities = len({(row["n"], row["m"]) for row, keep in zip(first, chosen, strict=True) if keep})
            for level in (*LEVELS, "GFN2") if tubes_of == "with GFN2" else LEVELS:
                here = {"kind": kind, "of": tubes_of, "level": level, "chiralities": chiralities}
                comparisons.append(here | _agreement(gaps[level][chosen], gaps["GFN1"][chosen], study.settings))
    comparisons = [row for row in comparisons if row["tubes"]]
    head = ("kind", "of", "level", "tubes", "chiralities", "Spearman [95 %]", "MAE eV")
    print_markdown(
        head,
        [
            (
                row["kind"], row["of"], row["level"], row["tubes"], row["chiralities"],
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
