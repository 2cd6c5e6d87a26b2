"""What a data set is made of: everything that its bytes depend on."""

import hashlib
import json
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from matgym.oracles import PiElectrons, PiParameters

SCHEMA_VERSION: Final = 1


class Family(BaseModel):
    """Tubes of one chirality and length.

    Attributes:
        n: first chiral index.
        m: second chiral index.
        cells: translational unit cells.
        samples: structures drawn, before doubles are dropped.
        larger: held back from training whole, to test surrogates on sizes they have not seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(ge=1)
    m: int = Field(ge=0)
    cells: int = Field(ge=1)
    samples: int = Field(ge=1)
    larger: bool = False


class DatasetSpec(BaseModel):
    """A data set of B/N co-doped tubes, labelled by the π-electron oracle.

    Attributes:
        name: of the data set.
        families: which tubes.
        largest_share: greatest share of sites that hold B or N.
        seed: sample i draws from `default_rng([seed, i])`, whatever worker makes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    families: tuple[Family, ...] = Field(min_length=1)
    largest_share: float = Field(default=0.2, gt=0.0, le=1.0)
    seed: int = Field(default=0, ge=0)

    @property
    def samples(self) -> int:
        """Structures drawn in all."""
        return sum(family.samples for family in self.families)

    def family_of(self, sample: int) -> Family:
        """The family of the sample with this number."""
        for family in self.families:
            if sample < family.samples:
                return family
            sample -= family.samples
        raise IndexError(sample)

    @property
    def digest(self) -> str:
        """Hash of the specification and the schema."""
        text = json.dumps(self.model_dump(), sort_keys=True) + str(SCHEMA_VERSION)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


DOPING_ORACLE: Final = PiElectrons(PiParameters(curvature=False))
"""What labels the data set, and so what designs are audited by: zone folding, without curvature."""

NANOTUBE_DOPING: Final = DatasetSpec(
    name="nanotube-doping",
    families=(
        Family(n=8, m=0, cells=4, samples=24000),
        Family(n=8, m=0, cells=3, samples=7000),
        Family(n=8, m=0, cells=2, samples=4000),
        Family(n=8, m=0, cells=6, samples=400, larger=True),
        Family(n=10, m=0, cells=4, samples=400, larger=True),
    ),
)
"""The shipped data set: (8, 0) tubes of three lengths, and longer and wider ones held back."""
