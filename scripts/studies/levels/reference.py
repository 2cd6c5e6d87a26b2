"""Make the reference set of the levels: 420 tubes of 21 chiralities at rest in GFN1-xTB, and 60 of them in GFN2-xTB.

`python -m scripts.studies.levels.reference` (10 hours of one core) writes docs/results/levels-reference.json and
matgym/data/levels.parquet. Finished tubes are stored under runs/levels-reference; `--single` computes only GFN1-xTB at
the Tersoff geometry scaled to GFN1's bond length, which takes a sixth of the time.
"""

from dataclasses import dataclass
from time import process_time

import pyarrow as pa

from matgym.errors import RelaxationError
from matgym.physics.xtb.oracle import XtbElectrons
from matgym.physics.xtb.relaxation import scaled_atoms, tersoff_start
from matgym.physics.xtb.states import XtbMethod, solve
from scripts.studies.common import Study, StudyJob
from scripts.studies.levels.tubes import Entry, entries


@dataclass(frozen=True)
class Settings:
    """The settings of the reference set."""

    tubes: int = 420
    second: int = 84  # tubes of which GFN2-xTB is computed, at the geometry of GFN1-xTB


QUICK = Settings(tubes=1, second=1)


@dataclass(frozen=True)
class Single(StudyJob):
    """The job of one tube at the scaled Tersoff geometry."""

    name: str
    method: XtbMethod = XtbMethod.GFN1

    def run(self) -> pa.Table:
        """Return a row with the gap, the energy and the charges, or with the reason of the failure."""
        entry, start = entry_of(self.name), process_time()
        try:
            states = solve(scaled_atoms(tersoff_start(entry.tube)), self.method)
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
    second: bool

    def run(self) -> pa.Table:
        """Return a row with gap, energies, charges and geometry, or with the reason of the failure."""
        entry, start, oracle = entry_of(self.name), process_time(), XtbElectrons()
        try:
            atoms = oracle.geometry(entry.tube)
            relaxed = process_time() - start
            states = solve(atoms, XtbMethod.GFN1)
            result = {
                "gap_ev": [states.gap_ev()],
                "gamma_gap_ev": [states.gap_at_gamma_ev],
                "energy_ev": [states.energy_ev],
                "formation_ev": [oracle.formation_ev(entry.tube, states.energy_ev)],
                "charges": [states.charges.tolist()],
                "positions": [atoms.positions.ravel().tolist()],
                "period_angstrom": [float(atoms.cell[2, 2])],
                "seconds": [relaxed],
            }
            if self.second:
                second = solve(atoms, XtbMethod.GFN2)
                result |= {"gap_gfn2_ev": [second.gap_ev()], "charges_gfn2": [second.charges.tolist()]}
        except RelaxationError as error:
            return pa.table({**identity(entry), "failure": [str(error)]})
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


def entry_of(name: str) -> Entry:
    """Return an entry by name."""
    return next(entry for entry in entries() if entry.name == name)
