"""Make the data set `nanotube-xtb` from the reference set of levels: gaps by GFN1-xTB, for a surrogate.

`python -m scripts.studies.levels.dataset` (a minute) writes matgym/data/shipped/nanotube-xtb.parquet from
docs/results/levels-reference.parquet. The labels are those of cells of 8 Å, whose charges are those of the Γ point of
the cell. The inputs `scc_gap_ev` and `scc_fermi_ev` of the data set are therefore the self-consistent π model's with
the charges of the same Γ point: a surrogate learns what differs between the methods. For a new tube it computes them
with the charges of the whole zone, and its prediction is that of an infinite tube.

Tubes of the chiralities of the split "test" of the reference set, which no fit of the π model saw, are "unseen".
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.data import Dataset
from matgym.data.table import SCHEMA_VERSION, Split, label_columns, table_of, tube_columns
from matgym.models import Level
from matgym.physics.cache import PHYSICS_VERSION
from matgym.physics.electrons.bands import FERMI_EV, GAP_EV
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.structures import TubeBatch
from matgym.typing import FloatArray
from scripts.studies.common import ROOT, Study
from scripts.studies.levels.reference import reference_rows
from scripts.studies.levels.tubes import entries

NAME = "nanotube-xtb"
FILE = ROOT / "matgym" / "data" / "shipped" / f"{NAME}.parquet"
TEST_DIGIT, VALIDATION_REMAINDER = 5, 3  # choices of ours
GAMMA = SelfConsistentElectrons(mesh_angstrom=0.0)


@dataclass(frozen=True)
class Settings:
    """The settings of the data set."""

    tubes: int = 420


QUICK = Settings(tubes=3)


def dataset(tubes: int) -> Dataset:
    """Return the first tubes of the reference set as a data set."""
    by_name = {entry.name: entry for entry in entries()}
    rows = reference_rows()[:tubes]
    batch = TubeBatch.of(by_name[row["name"]].tube for row in rows)
    columns = tube_columns(batch, range(len(rows)))
    columns["split"] = ["unseen" if row["split"] == "test" else seen_split(row["name"]) for row in rows]
    columns |= label_columns(GAP_EV.key, _column(rows, "gap_ev"), {}, Level.XTB)
    charged = GAMMA.predict(batch)
    for key in (GAP_EV.key, FERMI_EV.key):
        columns |= label_columns(f"scc_{key}", charged[key], charged.failures.get(key, {}), GAMMA.level)
    provenance = {
        "schema_version": SCHEMA_VERSION,
        "specification": {"name": NAME},
        "oracles": {GAP_EV.key: "GFN1-xTB: see docs/results/levels-reference.json", "scc_gap_ev": repr(GAMMA)},
        "physics_version": PHYSICS_VERSION,
        "command": "python -m scripts.studies.levels.dataset",
    }
    metadata = {b"matgym": json.dumps(provenance, sort_keys=True).encode()}
    return Dataset(table_of(columns, (GAP_EV.key, "scc_gap_ev", "scc_fermi_ev"), metadata))


def seen_split(name: str) -> Split:
    """Return the split of a tube of a chirality that is trained on, by its number among the 20 of its chirality.

    Two are test tubes and three validation tubes, which is more than the share of large data sets: conformal intervals
    of 90 % need at least nine validation tubes.
    """
    number = int(name.split("-")[1])
    return "test" if number % 10 == TEST_DIGIT else "validation" if number % 7 == VALIDATION_REMAINDER else "train"


def _column(rows: list[dict[str, Any]], name: str) -> FloatArray:
    return np.array([row[name] for row in rows], dtype=np.float64)


def main() -> None:
    """Write the data set."""
    study = Study.from_command_line("levels-dataset", __doc__, Settings(), QUICK)
    file = study.docs / "results" / f"{NAME}.parquet" if study.quick else FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    dataset(study.settings.tubes).save(file)
    print(file)


if __name__ == "__main__":
    main()
