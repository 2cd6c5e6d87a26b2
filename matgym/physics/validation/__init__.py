"""matgym's values of published quantities, row by row, and the rows where they are known to disagree.

`published.yml` holds what was published, `electronic` and `mechanical` compute the same with the oracles as they stand.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from matgym.physics.validation.electronic import ELECTRONIC, Computed
from matgym.physics.validation.mechanical import MECHANICAL


class Disagreement(BaseModel):
    """By how much, and why, our value misses a row by more than its tolerance.

    Attributes:
        ours: as measured when it was looked into.
        why: what is known about it.
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
        flag: see the head of `published.yml`.
        note: Sentence read, origin of the tolerance, what differs in our model.
        disagreement: if our value is known to miss it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    quantity: str
    value: float
    unit: str
    tolerance: float
    source: str
    flag: Literal["A", "T", "M"]
    note: str
    disagreement: Disagreement | None = None


PUBLISHED: Final = TypeAdapter(tuple[Published, ...]).validate_python(
    yaml.safe_load(files(__name__).joinpath("published.yml").read_text(encoding="utf-8"))
)

COMPUTED: Final[Mapping[str, Computed]] = {**ELECTRONIC, **MECHANICAL}
"""Key of a row to how it is computed with matgym's oracles."""

DRIFT: Final = 0.01
"""By how much, relative, a known disagreement may move before it has to be looked at again."""


@cache
def ours(key: str) -> float:
    """Our value of a row."""
    return COMPUTED[key].value()
