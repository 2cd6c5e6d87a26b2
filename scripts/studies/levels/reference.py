"""Make the reference set of the levels: 420 tubes of 21 chiralities in GFN1-xTB; some in GFN2-xTB, long, or relaxed.

`python -m scripts.studies.levels.reference` (about six hours of one core) writes docs/results/levels-reference.parquet
and docs/results/levels-reference.json. All tubes are at rest in Tersoff's potential with lengths scaled to GFN1-xTB's
bond length, since a relaxation in GFN1-xTB takes eight times as long as a calculation; a part of the tubes is relaxed
in GFN1-xTB, too, which measures what that costs. Energies of B and N are those of the h-BN sheet and N₂.

tblite's charges are those of the Γ point. In a cell of 8 Å they are not those of the infinite tube, so the smallest
random tubes that no fit saw are computed in twice the cell, too (columns `long_...`), as the oracle does it.
"""

from dataclasses import dataclass
from importlib.metadata import version
from time import process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from matgym.errors import RelaxationError
from matgym.files import atomic_path
from matgym.physics.xtb.oracle import XtbElectrons, boron_nitride_ev, phase_ev
from matgym.physics.xtb.relaxation import SHORTEST_ANGSTROM as LONG_ANGSTROM
from matgym.physics.xtb.relaxation import scaled_atoms, tersoff_start
from matgym.physics.xtb.states import XtbMethod, solve
from matgym.structures import Species
from matgym.version import __version__
from scripts.studies.common import ROOT, Study, StudyJob, machine
from scripts.studies.levels.tubes import Entry, entries

SHIPPED = ROOT / "docs" / "results" / "levels-reference.parquet"
SHORTEST_ANGSTROM = 8.0  # of most calculations: twice the length takes four times as long


@dataclass(frozen=True)
class Settings:
    """The settings of the reference set."""

    tubes: int = 420
    second: int = 42  # the first random ones, of which GFN2-xTB is computed
    relaxed: int = 4  # the first random ones, which are relaxed in GFN1-xTB
    long: int = 54  # the smallest random ones that no fit saw, which are computed in a long cell


QUICK = Settings(tubes=1, second=1, relaxed=0, long=0)


@dataclass(frozen=True)
class Single(StudyJob):
    """The job of one tube at the scaled Tersoff geometry."""

    name: str
    method: XtbMethod = XtbMethod.GFN1

    def run(self) -> pa.Table:
        """Return the row of the tube."""
        return computed(self.name, SHORTEST_ANGSTROM, self.method)


@dataclass(frozen=True)
class Long(StudyJob):
    """The job of one tube at the scaled Tersoff geometry, in a long cell like the oracle's."""

    name: str

    def run(self) -> pa.Table:
        """Return the row of the tube."""
        return computed(self.name, LONG_ANGSTROM, XtbMethod.GFN1)


def computed(name: str, shortest_angstrom: float, method: XtbMethod) -> pa.Table:
    """Return a row with the gap, the energy and the charges of a cell, or with the reason of the failure."""
    entry, start = entry_of(name), process_time()
    try:
        states = solve(scaled_atoms(tersoff_start(entry.tube, shortest_angstrom)), method)
    except RelaxationError as error:
        return pa.table({**identity(entry), "failure": [str(error)]})
    result = {
        "gap_ev": [states.gap_ev()],
        "gamma_gap_ev": [states.gap_at_gamma_ev],
        "energy_ev": [states.energy_ev],
        "charges": [states.charges.tolist()],
        "seconds": [process_time() - start],
    }
    return pa.table({**identity(entry), **result})


@dataclass(frozen=True)
class Relaxed(StudyJob):
    """The job of one tube at rest in GFN1-xTB."""

    name: str

    def run(self) -> pa.Table:
        """Return a row with gap, energy, charges and geometry, or with the reason of the failure."""
        entry, start, oracle = entry_of(self.name), process_time(), XtbElectrons()
        try:
            atoms = oracle.geometry(entry.tube)
            seconds = process_time() - start
            states = solve(atoms, XtbMethod.GFN1)
        except RelaxationError as error:
            return pa.table({**identity(entry), "failure": [str(error)]})
        result = {
            "gap_ev": [states.gap_ev()],
            "energy_ev": [states.energy_ev],
            "charges": [states.charges.tolist()],
            "positions_angstrom": [atoms.positions.ravel().tolist()],
            "period_angstrom": [float(atoms.cell[2, 2])],
            "seconds": [seconds],
        }
        return pa.table({**identity(entry), **result})


def identity(entry: Entry) -> dict[str, list]:
    """Return the columns that say which tube a row is of."""
    tube = entry.tube
    return {
        "name": [entry.name],
        "split": [entry.split],
        "kind": [entry.kind],
        "n": [tube.n],
        "m": [tube.m],
        "cells": [tube.cells],
        "species": [tube.species.tolist()],
        "diameter_nm": [tube.diameter_nm],
    }


def reference_rows() -> list[dict[str, Any]]:
    """Return the rows of the shipped table that have a gap."""
    return [row for row in pq.read_table(SHIPPED).to_pylist() if row["gap_ev"] is not None]


def entry_of(name: str) -> Entry:
    """Return an entry by name."""
    return next(entry for entry in entries() if entry.name == name)


def with_geometry(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the positions and the period at which they were computed, Å."""
    for row in rows:
        if row.get("energy_ev") is not None:
            atoms = scaled_atoms(tersoff_start(entry_of(row["name"]).tube, SHORTEST_ANGSTROM))
            row["positions_angstrom"] = atoms.positions.ravel().tolist()
            row["period_angstrom"] = float(atoms.cell[2, 2])
    return rows


def with_formation(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the formation energy, from the pristine tubes among them, the h-BN sheet and N₂."""
    carbon = {
        (row["n"], row["m"]): row["energy_ev"] / len(row["species"])
        for row in rows
        if row["kind"] == "pristine" and row.get("energy_ev")
    }
    if not carbon:
        return rows
    of_nitrogen = phase_ev("N2", XtbMethod.GFN1)
    of_boron = boron_nitride_ev(XtbMethod.GFN1) - of_nitrogen
    for row in rows:
        if row.get("energy_ev") and (row["n"], row["m"]) in carbon:
            counts = np.bincount(row["species"], minlength=len(Species))
            separated = counts[Species.C12] * carbon[row["n"], row["m"]]
            separated += counts[Species.B] * of_boron + counts[Species.N] * of_nitrogen
            row["formation_ev"] = row["energy_ev"] - float(separated)
    return rows


def main() -> None:
    """Compute the missing tubes; write the table and a summary."""
    study = Study.from_command_line("levels-reference", __doc__, Settings(), QUICK)
    settings, names = study.settings, [entry.name for entry in entries()]
    drawn = [entry.name for entry in entries()[: study.settings.tubes] if entry.kind == "random"]
    first = study.rows([Single(name) for name in names[: settings.tubes]], "jobs")
    second = study.rows([Single(name, XtbMethod.GFN2) for name in drawn[: settings.second]], "jobs")
    relaxed = study.rows([Relaxed(name) for name in drawn[: settings.relaxed]], "jobs")
    unseen = [entry for entry in entries() if entry.kind == "random" and entry.split == "test"]
    unseen = sorted(unseen, key=lambda entry: entry.tube.n_sites)[: settings.long]
    long = study.rows([Long(entry.name) for entry in unseen], "jobs")
    by_name = {row["name"]: row for row in with_geometry(with_formation(first))}
    for prefix, rows in (("gfn2_", second), ("relaxed_", relaxed), ("long_", long)):
        for row in rows:
            columns = set(row) - set(identity(entry_of(row["name"])))
            by_name[row["name"]] |= {prefix + column: row[column] for column in columns}
    rows = list(by_name.values())
    columns = {column: None for row in rows for column in row}
    table = pa.table({column: [row.get(column) for row in rows] for column in columns})
    provenance = {"made": __doc__ or "", "machine": machine(), "tblite": version("tblite"), "matgym": __version__}
    table = table.replace_schema_metadata({key.encode(): value.encode() for key, value in provenance.items()})
    with atomic_path(study.result().with_suffix(".parquet")) as scratch:
        pq.write_table(table, scratch, compression="zstd")

    def pairs(one: str, other: str) -> np.ndarray:
        found = [(row[one], row[other]) for row in rows if None not in (row.get(one), row.get(other))]
        return np.array(found).reshape(-1, 2).T

    summary = {
        "tubes": len(rows),
        "failures": {row["name"]: row["failure"] for row in rows if row.get("failure")},
        "chiralities": len({(row["n"], row["m"]) for row in rows}),
        "seconds": {each: mean(rows, each) for each in ("seconds", "gfn2_seconds", "relaxed_seconds", "long_seconds")},
        "gfn1_gfn2": agreement(*pairs("gap_ev", "gfn2_gap_ev")),
        "gfn1_long": agreement(*pairs("gap_ev", "long_gap_ev")),
        "gfn1_relaxed": agreement(*pairs("gap_ev", "relaxed_gap_ev")),
    }
    study.write(summary)


def mean(rows: list[dict[str, Any]], column: str) -> float | None:
    """Return the mean of a column over the rows that have it."""
    values = [row[column] for row in rows if row.get(column) is not None]
    return float(np.mean(values)) if values else None


def agreement(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Return the number of pairs, their rank correlation, and their mean absolute difference, eV."""
    if len(one) < 3:
        return {"tubes": len(one)}
    return {
        "tubes": len(one),
        "spearman": float(spearmanr(one, other).statistic),
        "mae_ev": float(np.abs(one - other).mean()),
    }


if __name__ == "__main__":
    main()
