"""The task of decorating a tube: a property that meets a target, or is as small or as large as can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Property
from matgym.physics.registry import parse_properties
from matgym.structures import STONE_WALES, Nanotube, SubstitutionEdits, TubeLattice, lattice_edits, tube_lattice
from matgym.surrogates import Predictor, as_predictor
from matgym.surrogates.belief import Belief
from matgym.surrogates.predictor import certain
from matgym.tasks.base import DesignTask, Goal, Scores, scored, share
from matgym.tasks.decorations import Decorations
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.solved import table_of
from matgym.tasks.space import Designs
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
class Objective:
    """What is wanted besides: a second component of a vector reward, or, with a bound, a constraint.

    Attributes:
        key: the property.
        source: what gives it; see `matgym.surrogates.as_predictor`, or "solved".
        low: value that earns nothing where much is wanted, or one where little is.
        high: the other end.
        goal: "min" or "max".
    """

    key: str
    source: Any
    low: float
    high: float
    goal: Literal["min", "max"] = "max"


@dataclass(frozen=True)
class Constraint:
    """What a design must keep.

    Attributes:
        key: the property.
        source: what gives it.
        least: value below which a design breaks it.
    """

    key: str
    source: Any
    least: float


@dataclass(frozen=True, eq=False)
class TargetProperty(DesignTask):
    """Place a budget of atoms, or of turned bonds, on a tube so that a property meets a target or is extreme.

    The default is `matgym/NanotubeDoping-v0`'s task.

    Attributes:
        lattice: the tube to decorate.
        budget: atoms of each species to place, and bonds to turn ("SW").
        key: the property.
        source: what gives it; see `matgym.surrogates.as_predictor`; or "solved:NAME", the table of a solved instance,
            or a `Solved`.
        low: smallest target, in the property's unit; where the goal is an extreme, the value that earns 0 or 1.
        high: largest target, or the other end. The default range, chosen by us, is about what the data set's tubes of
            the default composition span (1 to 99 %: 0.59 to 1.22 eV).
        margin: error at which the reward has fallen to a tenth.
        trust: what an uncertain source is taken at; see `Trust`.
        goal: "target", "min" or "max".
        referee: what audits; the property's oracle with its default settings, if nothing else is given.
        others: components of a vector reward after the first.
        constraint: that designs are to keep; None for none.
        ledger: counts what is spent.
        edits: places the budget.
        space: of designs.
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
    goal: Goal = "target"
    referee: Any = "oracle"
    others: tuple[Objective, ...] = ()
    constraint: Constraint | None = None
    ledger: Ledger = field(default_factory=Ledger)
    edits: SubstitutionEdits = field(init=False, repr=False)
    space: Decorations = field(init=False, repr=False)
    predictor: Predictor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.low < self.high:
            what = "targets" if self.goal == "target" else "values"
            raise ConfigurationError(f"{what} from {self.low} to {self.high} leave no range: low must be below high")
        if self.margin <= 0.0:
            raise ConfigurationError(f"margin={self.margin} must be positive")
        if self.goal not in get_args(Goal):
            raise ConfigurationError(f"goal={self.goal!r} is none of {', '.join(get_args(Goal))}")
        if self.trust not in get_args(Trust):
            raise ConfigurationError(f"trust={self.trust!r} is none of {', '.join(get_args(Trust))}")
        edits = lattice_edits(self.lattice, self.budget)
        between = self.physical is not None and self.physical.between_leads
        object.__setattr__(self, "edits", edits)
        object.__setattr__(self, "space", Decorations(self.lattice, edits, between))
        source = self.referee if self.trust == "oracle" or self.source == "oracle" else self.source
        object.__setattr__(self, "predictor", self._predictor(source, self.key))
        if STONE_WALES in self.budget and self.predictor.kind == "surrogate" and not callable(source):
            raise ConfigurationError(
                f"{self.predictor.name} was never shown a turned bond: reward designs with Stone-Wales pairs by "
                'reward="oracle" or by a function of tubes'
            )

    def _predictor(self, source: Any, key: str) -> Predictor:
        table = table_of(source)
        if table is None:
            return as_predictor(source, key)
        if key not in table.columns:
            raise PropertyError(f"the table of {table.name} has no {key!r}; it has {', '.join(table.columns)}")
        probes = self.space.sample(8, np.random.default_rng(0))
        if not np.isin(self.space.key(probes), table.keys).all():
            raise ConfigurationError(f"the table of {table.name} holds no designs of this tube and budget")

        def believe(_lattice: TubeLattice, designs: SpeciesArray) -> Belief:
            return certain(table.look_up(self.space, designs)[key])

        return Predictor(believe, "oracle", f"solved {table.name}")

    @cached_property
    def physical(self) -> Property | None:
        """The property, if an oracle of ours computes it."""
        try:
            return parse_properties([self.key])[0]
        except PropertyError:
            return None

    @property
    def suffix(self) -> str:
        """How keys of the property's unit end: "_ev"."""
        return self.key.removeprefix(self.physical.name) if self.physical else ""

    @property
    def value_name(self) -> str:
        """The property's key."""
        return self.key

    @property
    def unit(self) -> str:
        """The property's."""
        return self.physical.unit if self.physical else "1"

    @property
    def target_names(self) -> tuple[str, ...]:
        """Such as "target_ev"; none where the goal is an extreme."""
        return (f"target{self.suffix}",) if self.goal == "target" else ()

    @property
    def target_ranges(self) -> FloatArray:
        """One row, or none."""
        return np.array([[self.low, self.high]] if self.goal == "target" else np.zeros((0, 2)))

    @property
    def parts(self) -> tuple[str, ...]:
        """The property's key, and those of the others."""
        return (self.key, *(other.key for other in self.others))

    def score(self, designs: Designs, targets: FloatArray) -> Scores:
        """Evaluate complete designs, and count them.

        Args:
            designs: (B, width) rows.
            targets: (B,) in the property's unit; (B, 0) where the goal is an extreme.
        """
        with self.ledger.charge(self.predictor.kind, len(designs)):
            return self._scores(self.predictor.believe(self.lattice, designs), targets)

    def audit(self, designs: Designs, targets: FloatArray) -> Scores:
        """The same by the oracle."""
        referee = self.predictor if self.predictor.name.startswith("solved") else self._referee
        with self.ledger.charge("oracle", len(designs)):
            return self._scores(certain(referee.predict(self.lattice, designs)), targets)

    @cached_property
    def _referee(self) -> Predictor:
        return as_predictor(self.referee, self.key)

    def _scores(self, belief: Belief, targets: FloatArray) -> Scores:
        loss = scored(belief.mean, self.goal, targets)
        feared = loss
        if self.trust == "lower":
            feared = loss + CAUTION * np.nan_to_num(belief.sd)  # a source that knows no doubt is taken at its word
        elif self.trust == "minimum":
            feared = scored(belief.members, self.goal, targets).max(axis=0)
        if self.goal == "target":
            reward, error = tolerance(feared, self.margin), {f"error{self.suffix}": loss}
        else:
            reward, error = share(feared, self.low, self.high, self.goal), {}
        return Scores(reward, belief.mean, loss, belief.sd, belief.distance, error)

    def rewards(self, scores: Scores, designs: Designs, targets: FloatArray) -> FloatArray:
        """(B, 1 + others) rewards, each in [0, 1]."""
        del targets
        columns = [scores.reward]
        for other, predictor in zip(self.others, self._others, strict=True):
            with self.ledger.charge(predictor.kind, len(designs)):
                values = predictor.predict(self.lattice, designs)
            columns.append(share(scored(values, other.goal, values), other.low, other.high, other.goal))
        return np.stack(columns, axis=1)

    @cached_property
    def _others(self) -> tuple[Predictor, ...]:
        return tuple(self._predictor(other.source, other.key) for other in self.others)

    @property
    def constrained(self) -> bool:
        """Whether there is a constraint."""
        return self.constraint is not None

    def cost(self, designs: Designs) -> FloatArray | None:
        """By how much of the bound the constrained property falls short; a value that failed breaks it wholly."""
        if self.constraint is None:
            return None
        with self.ledger.charge(self._keeper.kind, len(designs)):
            values = self._keeper.predict(self.lattice, designs)
        return np.nan_to_num(np.maximum(self.constraint.least - values, 0.0) / abs(self.constraint.least), nan=1.0)

    @cached_property
    def _keeper(self) -> Predictor:
        assert self.constraint is not None  # noqa: S101  # `cost` asks
        return self._predictor(self.constraint.source, self.constraint.key)

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """(B,) by the distance of the one from the other."""
        return tolerance(np.abs(achieved[:, 0] - targets[:, 0]), self.margin)

    def tubes(self, designs: Designs) -> list[Nanotube]:
        """Designs as tubes."""
        return self.space.tubes(designs)

    def describe(self, design: Designs) -> str:
        """The tube in words."""
        return str(self.tubes(np.asarray(design)[None])[0])
