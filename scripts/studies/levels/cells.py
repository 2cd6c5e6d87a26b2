"""Measure what the charges of the Γ point do to gaps of GFN1-xTB: those of one cell against those of two.

`python -m scripts.studies.levels.cells` (about 5 minutes of one core) takes random tubes of the split "fit" and writes
docs/results/levels-cells.json: gaps of GFN1-xTB at the scaled Tersoff geometry, whose charges are those of the Γ point
of one or two cells, and gaps of the self-consistent π model with the same charges and with those of the whole zone.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from matgym.physics.electrons.bands import GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.xtb.relaxation import scaled_atoms, tersoff_start
from matgym.physics.xtb.states import XtbMethod, solve
from scripts.studies.common import Study, StudyJob, print_markdown
from scripts.studies.levels.reference import SHORTEST_ANGSTROM, entry_of


@dataclass(frozen=True)
class Cells(StudyJob):
    """The job of the gap of one tube with the charges of the Γ point of some cells."""

    name: str
    cells: int

    def run(self) -> pa.Table:
        """Return a row with the gap."""
        atoms = scaled_atoms(tersoff_start(entry_of(self.name).tube, SHORTEST_ANGSTROM)).repeat((1, 1, self.cells))
        return pa.table({"gap_ev": [solve(atoms, XtbMethod.GFN1).gap_ev()]})


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    tubes: tuple[str, ...] = (
        "9_0-02-random",
        "9_0-03-random",
        "9_0-04-random",
        "10_0-02-random",
        "10_0-03-random",
        "10_0-04-random",
    )


QUICK = Settings(tubes=("9_0-02-random",))


def main() -> None:
    """Compute the gaps of both models."""
    study = Study.from_command_line("levels-cells", __doc__, Settings(), QUICK)
    names = study.settings.tubes
    tubes = [entry_of(name).tube for name in names]
    gamma, zone = SelfConsistentElectrons(mesh_angstrom=0.0), SelfConsistentElectrons()
    gaps = {
        f"GFN1-xTB, {cells} cells": [row["gap_ev"] for row in study.rows([Cells(name, cells) for name in names])]
        for cells in (1, 2)
    }
    gaps["self-consistent π, Γ of 1 cells"] = gamma.predict(tubes)[GAP_EV].tolist()
    gaps["self-consistent π, Γ of 2 cells"] = gamma.predict([tube.repeated(2) for tube in tubes])[GAP_EV].tolist()
    gaps["self-consistent π, whole zone"] = zone.predict(tubes)[GAP_EV].tolist()
    print_markdown(("tube", *gaps), [(name, *row) for name, *row in zip(names, *gaps.values(), strict=True)])
    one, two = (np.array(gaps[f"GFN1-xTB, {cells} cells"]) for cells in (1, 2))
    difference = {
        name: {
            f"mae_to_{cells}_ev": float(np.abs(np.array(values) - gfn).mean()) for cells, gfn in ((1, one), (2, two))
        }
        for name, values in gaps.items()
    }
    study.write({"names": names, "gaps_ev": gaps, "errors": difference})


if __name__ == "__main__":
    main()
