"""Read the stored values of rows that take minutes, or an extra, to compute.

`python -m scripts.studies.physics.stored` computes them and writes `stored.json`.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from matgym.files import read_json

STORED: Final = Path(str(files(__package__))) / "stored.json"


class Stored(BaseModel):
    """Computed values, with what computed them.

    Attributes:
        command: command that writes the file.
        matgym: version of matgym.
        machine: processor and version of Python.
        values: value of each row by its key, in the unit of the row.
        ranked_gaps_ev: gaps of the ranked tubes (`levels.ranked_tubes`) by method of xTB, eV.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str = ""
    matgym: str = ""
    machine: str = ""
    values: dict[str, float] = {}
    ranked_gaps_ev: dict[str, list[float]] = {}


@cache
def stored() -> Stored:
    """Return the stored values."""
    return Stored.model_validate(read_json(STORED)) if STORED.exists() else Stored()
