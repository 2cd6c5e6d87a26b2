"""The task: a decorated tube whose property meets a target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import SubstitutionEdits, TubeLattice, tube_lattice
from matgym.surrogates import Predictor, as_predictor
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.typing import FloatArray, SpeciesArray

Trust: TypeAlias = Literal["mean", "lower", "minimum", "oracle"]
"""What an uncertain source is taken at:

- "mean": its prediction;
- "lower": a lower confidence bound of the reward, for the error and one standard deviation (`CAUTION`) more;
- "minimum": the least reward that any network of an ensemble would give (Coste et al., ICLR 2024);
- "oracle": not at all: physics rewards, at physics' price."""

CAUTION: Final = 1.0
"""Standard deviations by which "lower" stays below the mean. A choice of ours."""


@dataclass(frozen=True)
class Scores:
    """What some designs are worth.

    Attributes:
        reward: (B,) in [0, 1].
        value: (B,) the property as the reward model has it; NaN where it failed.
        error: (B,) |value - target|.
        sd: (B,) standard deviation of the value; NaN where the source knows none.
        distance: (B,) above 1 where a design lies outside what the source was trained on; NaN where it cannot tell.
    """

    reward: FloatArray
    value: FloatArray
    error: FloatArray
    sd: FloatArray
    distance: FloatArray


@dataclass(frozen=True, eq=False)
class TargetProperty:
    """Place a budget of atoms on a tube so that a property meets a target.

    Environments and ask/tell optimizers score designs through this one object, and so spend the same
    counted evaluations. The default is `matgym/NanotubeDoping-v0`'s task.

    Attributes:
        lattice: the tube to decorate.
        budget: atoms of each species to place.
        key: the property.
        source: what gives it; see `matgym.surrogates.as_predictor`.
        low: smallest target, in the property's unit.
        high: largest target. The default range, chosen by us, is about what the data set's tubes of the
            default composition span (1 to 99 %: 0.59 to 1.22 eV).
        margin: error at which the reward has fallen to a tenth.
        trust: what an uncertain source is taken at; see `Trust`.
        ledger: counts what is spent.
        edits: places the budget.
        predictor: the source, with one face.
    """

    lattice: TubeLattice = field(default_factory=lambda: tube_lattice(8, 0, 4))
    budget: Mapping[str, int] = field(default_factory=lambda: {"B": 8, "N": 8})
    key: str = "gap_ev"
    source: Any = "nanotube-doping"
    low: float = 0.55
    high: float = 1.20
    margin: float = 0.15
    trust: Trust = "mean"
    ledger: Ledger = field(default_factory=Ledger)
    edits: SubstitutionEdits = field(init=False, repr=False)
    predictor: Predictor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigurationError(f"targets from {self.low} to {self.high} leave no range: low must be below high")
        if self.margin <= 0.0:
            raise ConfigurationError(f"margin={self.margin} must be positive")
        object.__setattr__(self, "edits", SubstitutionEdits(self.lattice.n_sites, self.budget))
        if self.trust not in get_args(Trust):
            raise ConfigurationError(f"trust={self.trust!r} is none of {', '.join(get_args(Trust))}")
        source = "oracle" if self.trust == "oracle" else self.source
        object.__setattr__(self, "predictor", as_predictor(source, self.key))

    def draw_target(self, rng: np.random.Generator) -> float:
        """A target, uniform over the range."""
        return float(rng.uniform(self.low, self.high))

    def checked_targets(self, targets: float | FloatArray, count: int) -> FloatArray:
        """Targets of one's own as (count,) numbers.

        Raises:
            ConfigurationError: if one lies outside the task's range, which observations are scaled by.
        """
        given = np.broadcast_to(np.asarray(targets, dtype=np.float64), count)
        outside = given[~((given >= self.low) & (given <= self.high))]
        if outside.size:
            raise ConfigurationError(f"target {outside[0]} lies outside the task's range, {self.low} to {self.high}")
        return given

    def score(self, species: SpeciesArray, targets: FloatArray) -> Scores:
        """Evaluate complete designs, and count them.

        Args:
            species: (B, n_sites) codes.
            targets: (B,) in the property's unit.
        """
        with self.ledger.charge(self.predictor.kind, len(species)):
            belief = self.predictor.believe(self.lattice, species)
        error = np.abs(belief.mean - targets)
        feared = error
        if self.trust == "lower":
            feared = error + CAUTION * np.nan_to_num(belief.sd)  # a source that knows no doubt is taken at its word
        elif self.trust == "minimum":
            feared = np.abs(belief.members - targets).max(axis=0)
        return Scores(tolerance(feared, self.margin), belief.mean, error, belief.sd, belief.distance)
