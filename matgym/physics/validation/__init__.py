"""Published values of quantities, the same quantities computed with matgym, and known disagreements.

`published.yml` contains the published values; `electronic`, `levels`, `mechanical`, `heat` and `optical` compute the
same quantities with the present oracles. `stored.json` contains the computed values that take minutes or an extra.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from matgym.files import read_yaml
from matgym.physics.validation.electronic import ELECTRONIC
from matgym.physics.validation.heat import HEAT_ROWS
from matgym.physics.validation.levels import LEVEL_ROWS
from matgym.physics.validation.mechanical import MECHANICAL
from matgym.physics.validation.optical import OPTICAL_ROWS
from matgym.physics.validation.rows import Computed
from matgym.physics.validation.store import stored


class Disagreement(BaseModel):
    """A known difference between a computed and a published value that is larger than the tolerance.

    Attributes:
        ours: computed value at the time of the analysis.
        why: known cause of the difference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ours: float
    why: str


class Published(BaseModel):
    """One published value.

    Attributes:
        key: Short unique name, ending in the unit where there is one.
        quantity: What was measured or computed, on which tube and under which conditions.
        value: The published value, in ``unit``.
        unit: Unit of ``value`` and ``tolerance``; "1" where there is none.
        tolerance: Largest accepted absolute difference.
        source: Paper and, where read, address.
        flag: How the source was read: see the head of `published.yml`.
        note: Sentence that was read, origin of the tolerance, differences of the model of matgym.
        disagreement: Known disagreement of the computed value; None if there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    quantity: str
    value: float
    unit: str
    tolerance: float
    source: str
    flag: Literal["A", "T", "R", "M"]
    note: str
    disagreement: Disagreement | None = None


PUBLISHED: Final = TypeAdapter(tuple[Published, ...]).validate_python(
    read_yaml(Path(str(files(__name__))) / "published.yml")
)

COMPUTED: Final[Mapping[str, Computed]] = {
    **ELECTRONIC,
    **LEVEL_ROWS,
    **MECHANICAL,
    **HEAT_ROWS,
    **OPTICAL_ROWS,
}
"""How each row is computed with the oracles of matgym, by the key of the row."""

DRIFT: Final = 0.01
"""Largest relative change of a value with a known disagreement; a larger change needs a new analysis."""


@cache
def ours(key: str) -> float:
    """Return the value of a row by the oracles of matgym: the stored one if it is stored, else computed."""
    row = COMPUTED[key]
    return stored().values[key] if row.stored else row.value()
