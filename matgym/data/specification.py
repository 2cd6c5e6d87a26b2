"""What a data set is made of: everything that its bytes depend on."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Final, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from matgym.data.table import SCHEMA_VERSION, Held
from matgym.errors import ConfigurationError, FormatError
from matgym.files import read_json, read_yaml
from matgym.models import Level
from matgym.physics.registry import oracle_of, parse_properties
from matgym.structures import STONE_WALES, DefectEdits, tube_lattice
from matgym.structures.nanotube import MAX_STRAIN, MAX_TORSION

MAX_SAMPLES: Final = 10_000_000
"""Largest number of structures of a family. This limit is our choice."""

Range: TypeAlias = tuple[float, float]
"""Lowest and highest value, between which values are drawn uniformly."""


class Family(BaseModel):
    """Tubes of one chirality and length.

    Attributes:
        n: first chiral index.
        m: second chiral index.
        cells: number of translational unit cells.
        samples: number of drawn structures, before symmetric copies are removed.
        held: split of all tubes of the family, which are excluded from training, to test surrogates on chiralities that
            are "unseen", on "wider" and on "longer" tubes than those in it; None for a family of the training.
        strain: range of the axial strain, a fraction.
        strain_step: step of the strain, whose values are whole multiples of it; 0 for any value. Tubes of equal strain
            share the states of their leads, whose computation takes longer than that of a short tube.
        torsion: range of the shear strain of the twist, a fraction.
        stone_wales: largest number of Stone-Wales pairs; all numbers from 0 to it are equally likely.
        unbalanced: share of tubes with unequal numbers of B and N. Their sum is even, and so is that of the electrons:
            a tube with an odd number has no gap.
        vacancies: largest number of vacancies, no two of them neighbours; all numbers from 0 to it are equally likely.
        defective: share of tubes that may hold vacancies and turned bonds.
        isotopes: largest share of sites with 13C or 14C, one of them in a tube; drawn uniformly from 0 to it.
        isotopic: share of tubes that may hold 13C or 14C.
        undecorated: share of tubes without B and N.
        searched: share of tubes that a hill climb for a large or for a small π gap has changed: an optimizer asks about
            such structures, and random ones hardly ever are like them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(ge=1, le=32767)  # as in the columns of tables
    m: int = Field(ge=0, le=32767)
    cells: int = Field(ge=1, le=32767)
    samples: int = Field(ge=1, le=MAX_SAMPLES)
    held: Held | None = None
    strain: Range = (0.0, 0.0)
    strain_step: float = Field(default=0.0, ge=0.0, le=MAX_STRAIN)
    torsion: Range = (0.0, 0.0)
    stone_wales: int = Field(default=0, ge=0, le=1000)
    unbalanced: float = Field(default=0.0, ge=0.0, le=1.0)
    vacancies: int = Field(default=0, ge=0, le=1000)
    defective: float = Field(default=1.0, ge=0.0, le=1.0)
    isotopes: float = Field(default=0.0, ge=0.0, le=1.0)
    isotopic: float = Field(default=1.0, ge=0.0, le=1.0)
    undecorated: float = Field(default=0.0, ge=0.0, le=1.0)
    searched: float = Field(default=0.0, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, (low, high), limit in (("strain", self.strain, MAX_STRAIN), ("torsion", self.torsion, MAX_TORSION)):
            if not -limit <= low <= high <= limit:
                raise ConfigurationError(
                    f"{name}=({low}, {high}) must be a range: give the lower end first, within -{limit} to {limit}"
                )
        self.edits()
        return self

    def edits(self) -> DefectEdits | None:
        """Return the edits that turn bonds of a tube of the family; None if its bonds are not turned.

        Raises:
            ConfigurationError: if the tube has no room for `stone_wales` pairs.
        """
        return _turns(self.n, self.m, self.cells, self.stone_wales) if self.stone_wales else None


@lru_cache
def _turns(n: int, m: int, cells: int, pairs: int) -> DefectEdits:
    return DefectEdits(tube_lattice(n, m, cells), {STONE_WALES: pairs})


class DatasetSpec(BaseModel):
    """A data set of decorated tubes, labelled by the oracles with their default settings.

    Attributes:
        name: name of the data set.
        properties: names of the properties, as in `matgym oracle list`.
        levels: level, or its short name, by which the properties of some names are computed; by default the first of
            `levels_of`.
        temperature_k: temperature of the properties that depend on it, K.
        families: families of tubes.
        largest_share: largest share of sites that hold B or N.
        seed: random seed. Sample i is drawn from `default_rng([seed, i])` by every worker.

    Raises:
        PropertyError: if a property is unknown, or no oracle computes it by its level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    properties: tuple[str, ...] = Field(default=("gap", "fermi", "pi_formation"), min_length=1)
    levels: dict[str, Level] = Field(default_factory=dict)
    temperature_k: float = Field(default=300.0, gt=0.0, allow_inf_nan=False)
    families: tuple[Family, ...] = Field(min_length=1)
    largest_share: float = Field(default=0.2, gt=0.0, le=1.0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _known(self) -> Self:
        parse_properties(self.properties)
        for name, level in self.levels.items():
            if name not in self.properties:
                raise ConfigurationError(f"levels names {name!r}, which is none of properties={list(self.properties)}")
            oracle_of(name, level=level)
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the properties, which are the columns of the labels."""
        return tuple(prop.key for prop in parse_properties(self.properties))

    @property
    def samples(self) -> int:
        """Total number of drawn structures."""
        return sum(family.samples for family in self.families)

    def family_of(self, sample: int) -> Family:
        """Return the family of the sample with this number."""
        ends = np.cumsum([family.samples for family in self.families])
        return self.families[int(np.searchsorted(ends, sample, side="right"))]

    @property
    def digest(self) -> str:
        """Hash of the specification and of the version of the table's columns."""
        text = json.dumps(self.model_dump(), sort_keys=True) + str(SCHEMA_VERSION)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


SPECIFICATIONS: Final = {
    name: DatasetSpec(name=name, **content)
    for name, content in read_yaml(Path(__file__).parent / "shipped" / "specifications.yml").items()
}
"""The shipped data sets, by name."""


def read_specification(source: str) -> DatasetSpec:
    """Return the specification of a data set.

    Args:
        source: name of a shipped data set, or path of a JSON file.

    Raises:
        ConfigurationError: if `source` is neither of these.
    """
    if source in SPECIFICATIONS:
        return SPECIFICATIONS[source]
    try:
        return DatasetSpec.model_validate(read_json(Path(source)))
    except FormatError as error:
        reason = str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        reason = f"{'.'.join(map(str, first['loc']))}: {message}".removeprefix(": ")
    raise ConfigurationError(
        f"{source} is neither one of {', '.join(SPECIFICATIONS)} nor a JSON file of a specification: {reason}"
    )
