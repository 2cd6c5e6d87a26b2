"""Compute the rows of the published table that take minutes, or need the extra `xtb`, and store them.

`python -m scripts.studies.physics.stored` (about half an hour of a core) writes matgym/physics/validation/stored.json,
with the gaps of the ranked tubes by GFN1-xTB and GFN2-xTB.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from matgym.files import write_json
from matgym.physics.validation import COMPUTED
from matgym.physics.validation.levels import xtb_gaps_ev
from matgym.physics.validation.store import STORED
from matgym.physics.xtb.states import XtbMethod
from matgym.version import __version__
from scripts.studies.common import Study, StudyJob, machine


@dataclass(frozen=True)
class Settings:
    """The settings: the keys of the rows, and the methods by which tubes are ranked."""

    keys: tuple[str, ...] = tuple(key for key, row in COMPUTED.items() if row.stored)
    methods: tuple[XtbMethod, ...] = tuple(XtbMethod)


QUICK = Settings(("conductivity_area_phono3py_10_10",), ())


@dataclass(frozen=True)
class Row(StudyJob):
    """The job of one row."""

    row: str

    def run(self) -> pa.Table:
        """Return the value of the row."""
        return pa.table({"row": [self.row], "value": [COMPUTED[self.row].value()]})


@dataclass(frozen=True)
class Ranked(StudyJob):
    """The job of the ranked tubes by one method of xTB."""

    method: XtbMethod

    def run(self) -> pa.Table:
        """Return the gap of each tube, eV."""
        return pa.table({"gap_ev": xtb_gaps_ev(self.method)})


def main() -> None:
    """Compute the rows and the ranked tubes, and write the file."""
    study = Study.from_command_line("stored", __doc__, Settings(), QUICK)
    values = {row["row"]: row["value"] for row in study.rows(Row(key) for key in study.settings.keys)}
    ranked = {
        method.value: [row["gap_ev"] for row in study.rows([Ranked(method)])] for method in study.settings.methods
    }
    content: dict[str, Any] = {
        "command": "python -m scripts.studies.physics.stored",
        "matgym": __version__,
        "machine": machine(),
        "values": dict(sorted(values.items())),
        "ranked_gaps_ev": ranked,
    }
    path = study.result() if study.quick else STORED
    write_json(path, content)
    print(path, values)


if __name__ == "__main__":
    main()
