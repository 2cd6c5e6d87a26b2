"""Briefs: what a designer wants of a tube, as a range for each of several properties.

A brief asks for two to four properties of one tube: a band about a value, or a bound on one side, for extremes. Each
brief is drawn about the properties of a random tube, its anchor, so that at least one design meets it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject, returns_read_only
from matgym.models import Predictions
from matgym.physics.geometry import DIAMETER_NM, Geometry
from matgym.physics.registry import judge_of, parse_properties
from matgym.structures import TubeLattice
from matgym.tasks.any_tube import AnyTube, lattices_of
from matgym.tasks.base import DesignTask, sound
from matgym.tasks.decoration import resolved
from matgym.tasks.objective import Estimate, Objective, tolerance
from matgym.tasks.scores import Scores
from matgym.tasks.solved import Solved
from matgym.tasks.space import Designs
from matgym.typing import BoolArray, FloatArray, IntArray

LevelName: TypeAlias = Literal["easy", "medium", "hard", "extreme"]

PROPERTIES: Final = ("thermal_conductance", "young", "formation", "diameter")
"""Properties of briefs by default; that of the diameter only where the agent chooses the tube."""

ANCHORS: Final = 1024
"""Number of random designs about whose properties briefs are drawn. A choice of ours, as are the next three."""

ONE_SIDED: Final = 0.3
"""Share of the briefs that bound one of their properties on one side only."""

TAIL: Final = 8
"""Number of anchors of which a one-sided bound takes the most extreme."""

MARGIN: Final = 2.0
"""Distance outside a band at which the reward is 0.1, in standard deviations of the property on one tube."""


DIAMETER_SPREAD_NM: Final = 0.1
"""What counts as the standard deviation of diameters, which decorations do not change."""


@dataclass(frozen=True)
class BriefLevel:
    """How hard briefs are.

    Attributes:
        sites: largest number of sites of a tube.
        edits: largest number of atoms that are placed.
        asked: number of properties of a brief.
        bands: half-width of a band, in standard deviations of the property among random designs on one tube, where the
            tube is chosen and where it is given.
        improved: number of mutations of each anchor, of which those are kept that drive it away from random designs; 0
            for random designs as anchors.
    """

    sites: int
    edits: int
    asked: int
    bands: tuple[float, float]
    improved: int = 0


LEVELS: Final[Mapping[str, BriefLevel]] = {
    "easy": BriefLevel(160, 8, 2, (0.80, 0.50)),
    "medium": BriefLevel(256, 16, 3, (0.42, 0.18)),
    "hard": BriefLevel(256, 32, 4, (0.09, 0.05)),
    "extreme": BriefLevel(560, 200, 4, (0.09, 0.09), improved=32),
}
"""The levels. Sizes are a choice of ours; bands are such that about 10 %, 1 %, 0.01 % and none of 10⁶ random designs
meet a brief. On a given tube 0.1 % meet one of level hard: narrower bands would be below the errors of the surrogates.
`python -m scripts.studies.briefs` measures the shares."""


@dataclass(frozen=True, eq=False)
class Briefs(ValueObject):
    """A source of briefs.

    Attributes:
        values: (A, P) properties of the anchors.
        lattice: (A,) index of the lattice of each anchor.
        spread: (P,) standard deviation of each property among designs on one tube.
        asked: number of properties of a brief.
        band: half-width of a band, in spreads.
    """

    values: FloatArray
    lattice: IntArray
    spread: FloatArray
    asked: int
    band: float

    def draw(self, rng: np.random.Generator, lattice: int | None = None) -> FloatArray:
        """Return a brief: (2 P,) lower and upper bounds, one after the other; infinite where nothing is asked.

        Args:
            rng: source of randomness.
            lattice: index of the lattice of the anchor; None for any.
        """
        rows = np.arange(len(self.values)) if lattice is None else np.flatnonzero(self.lattice == lattice)
        asked = rng.permutation(len(self.spread))[: self.asked]
        place, one_sided, sign = rng.random(len(asked)), rng.random() < ONE_SIDED, rng.choice([-1.0, 1.0])
        anchors = rows[rng.integers(len(rows), size=TAIL)]
        values, width = self.values[anchors[0]], 2.0 * self.band * self.spread
        bounds = np.stack([np.full(len(values), -np.inf), np.full(len(values), np.inf)], axis=1)
        if one_sided:
            extreme = asked[0]
            values = self.values[anchors[(sign * self.values[anchors, extreme]).argmax()]]
        bounds[asked, 0] = values[asked] - place * width[asked]
        bounds[asked, 1] = bounds[asked, 0] + width[asked]
        if one_sided:
            bounds[extreme] = (values[extreme], np.inf) if sign > 0 else (-np.inf, values[extreme])
        return bounds.ravel()


@dataclass(frozen=True, eq=False)
class BriefTask(DesignTask):
    """The task of a tube that meets a brief.

    A target is a brief: lower and upper bound of the property of each objective. The reward is the mean over what the
    brief asks of `tolerance` of the distance to the range, in margins; it is 1 where the design meets the brief.

    Attributes:
        briefs: the source of briefs.
    """

    finite_targets: ClassVar[bool] = False

    space: AnyTube
    briefs: Briefs = field(kw_only=True)

    # ---- briefs as targets

    @property
    @override
    def target_names(self) -> tuple[str, ...]:
        """Names of the bounds: "least KEY" and "largest KEY" of each property."""
        return tuple(f"{word} {each.key}" for each in self.objectives for word in ("least", "largest"))

    @cached_property
    @returns_read_only
    def target_ranges(self) -> FloatArray:
        """(2 P, 2) least and largest bounds, by which observations are scaled."""
        return np.array([(each.low, each.high) for each in self.objectives for _ in range(2)])

    @override
    def draw_targets(self, generators: Sequence[np.random.Generator], begun: Designs | None = None) -> FloatArray:
        """Draw (B, 2 P) briefs, each by its own generator; about anchors on the tubes of `begun` if these are given."""
        on_tubes = self.space.given and begun is not None
        where = begun[:, 0].tolist() if on_tubes and begun is not None else [None] * len(generators)
        drawn = [self.briefs.draw(rng, lattice) for rng, lattice in zip(generators, where, strict=True)]
        return np.array(drawn).reshape(len(generators), 2 * len(self.objectives))

    @override
    def checked_targets(self, targets: Any, count: int) -> FloatArray:
        """Return a user's briefs as (count, 2 P) bounds; NaN and infinities ask for nothing.

        Raises:
            ConfigurationError: if a lower bound is above its upper one.
        """
        values = np.broadcast_to(np.asarray(targets, dtype=np.float64), (count, 2 * len(self.objectives)))
        bounds = values.reshape(count, -1, 2)
        low = np.where(np.isnan(bounds[..., 0]), -np.inf, bounds[..., 0])
        high = np.where(np.isnan(bounds[..., 1]), np.inf, bounds[..., 1])
        for row, column in np.argwhere(low > high)[:1].tolist():
            raise ConfigurationError(
                f"{self.objectives[column].key} from {low[row, column]:g} to {high[row, column]:g} leaves no range: "
                "give the lower bound first"
            )
        return np.stack([low, high], axis=2).reshape(count, -1)

    def brief(self, **asked: tuple[float | None, float | None]) -> FloatArray:
        """Return the (2 P,) bounds of a brief.

        Args:
            asked: (least, largest) by the name or key of a property, with None for no bound.

        Raises:
            ConfigurationError: if a property is none of the task's, or a range is not a pair.
        """
        bounds = np.tile([-np.inf, np.inf], (len(self.objectives), 1))
        names = {name: i for i, each in enumerate(self.objectives) for name in (each.key, each.property.name)}
        for name, pair in asked.items():
            if name not in names:
                raise ConfigurationError(f"{name} is no property of this task: give {', '.join(names)}")
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ConfigurationError(f"{name}={pair!r} must be a pair: the least and the largest value, or None")
            bounds[names[name]] = [
                end if given is None else given for end, given in zip((-np.inf, np.inf), pair, strict=True)
            ]
        return np.asarray(self.checked_targets(bounds.ravel(), 1)[0])

    @override
    def scaled_targets(self, targets: FloatArray) -> FloatArray:
        """Return (B, 2 P) bounds scaled to [-1, 1]; -1 and 1 where nothing is asked."""
        low, high = self.target_ranges.T
        return np.asarray(np.clip((2.0 * np.asarray(targets) - low - high) / (high - low), -1.0, 1.0))

    # ---- scores

    @override
    def _scores(
        self,
        scored: Sequence[Objective],
        raw: Mapping[str, Predictions],
        targets: FloatArray,
        *,
        components: bool,
        verified: bool = False,
    ) -> Scores:
        count = len(targets)
        by_key = {each.key: sound(raw[each.key], each, count, verified=verified) for each in self.objectives}
        values = np.stack([by_key[each.key][each.key] for each in self.objectives], axis=1)
        sds = np.stack(
            [np.nan_to_num(by_key[each.key].sd_of(each.key), posinf=np.inf) for each in self.objectives], axis=1
        )
        doubt = sds if self.estimate == "lcb" and not verified else np.zeros_like(sds)
        parts, asked = self._parts(values, targets, doubt)
        reward = (parts * asked).sum(axis=1) / np.maximum(asked.sum(axis=1), 1)
        failed = np.asarray(np.isnan(values).any(axis=1))
        if failed.any() and not verified:
            self._tell(scored, by_key)
        predictions = Predictions.joined([by_key[each.key].only([each.key]) for each in self.objectives])
        return Scores(reward, 1.0 - reward, predictions, values[:, 0], parts if components else None, failed=failed)

    def _parts(self, values: FloatArray, targets: FloatArray, doubt: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return (B, P) rewards of each property, 1 where nothing is asked, and which are asked."""
        bounds = np.asarray(targets, dtype=np.float64).reshape(len(values), -1, 2)
        asked = np.asarray(np.isfinite(bounds).any(axis=2))
        outside = np.maximum(np.maximum(bounds[..., 0] - values, values - bounds[..., 1]), 0.0) + doubt
        return np.where(asked, tolerance(outside, self._margins), 1.0), asked

    @cached_property
    @returns_read_only
    def _margins(self) -> FloatArray:
        return np.array([objective.margin for objective in self.objectives])

    def met(self, scores: Scores, targets: FloatArray) -> BoolArray:
        """Return (B,) whether designs meet their briefs: whether each property that is asked lies in its range."""
        values = self._properties(scores)
        bounds = np.asarray(targets).reshape(len(values), -1, 2)
        inside = (values >= bounds[..., 0]) & (values <= bounds[..., 1])
        return np.asarray((inside | ~np.isfinite(bounds).any(axis=2)).all(axis=1))

    @override
    def achieved(self, scores: Scores) -> FloatArray:
        """Return the (B, 2 P) properties of designs, each twice: a brief without tolerance that the design meets."""
        return np.repeat(self._properties(scores), 2, axis=1)

    def _properties(self, scores: Scores) -> FloatArray:
        return np.stack([scores.predictions[objective.property] for objective in self.objectives], axis=1)

    @override
    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """Return the (B,) rewards of (B, 2 P) achieved properties, each twice, for any (B, 2 P) briefs."""
        return self.rewards_at(achieved[:, ::2], np.broadcast_to(targets, achieved.shape))

    def rewards_at(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """Return the (B,) rewards of (B, P) properties for (B, 2 P) briefs."""
        parts, asked = self._parts(values, targets, np.zeros(values.shape))
        return np.asarray((parts * asked).sum(axis=1) / np.maximum(asked.sum(axis=1), 1))

    def outside(self, values: FloatArray, targets: FloatArray) -> FloatArray:
        """Return (B, P) by how much properties miss their range, in margins: above 0 if too large, below if too small.

        0 stands within a range and where nothing is asked.
        """
        bounds = np.asarray(targets).reshape(len(values), -1, 2)
        return np.asarray((values - np.clip(values, bounds[..., 0], bounds[..., 1])) / self._margins)


def brief_task(
    level: LevelName = "easy",
    *,
    lattices: Sequence[TubeLattice] | None = None,
    properties: Sequence[str] | None = None,
    models: Mapping[str, Any] | None = None,
    given: bool = False,
    vacancies: bool = True,
    anchors: int = ANCHORS,
    seed: int = 0,
    estimate: Estimate = "mean",
) -> BriefTask:
    """Return the task of tubes that meet briefs.

    Args:
        level: how hard the briefs are; see `LEVELS`.
        lattices: the lattices of the tubes; by default `lattices_of` the largest number of sites of the level.
        properties: names of the properties; `PROPERTIES` by default.
        models: sources of the models that predict them, by name; by default the shipped surrogate of a property. Briefs
            are drawn about values by the shipped ones, where `PROPERTIES` names a property.
        given: whether the tube is given, rather than chosen.
        vacancies: whether designs, and those about which briefs are drawn, may hold vacancies; see `AnyTube`.
        anchors: number of random designs about which briefs are drawn.
        seed: seed of the anchors: another one gives briefs about other designs. Scales and margins are always those of
            random designs on the usual lattices of the level, so that policies of one level have the same observations.
        estimate: how an uncertain prediction is turned into a reward: "mean" or "lcb".

    Raises:
        ConfigurationError: if an argument is out of range.
        PropertyError: if a property is unknown.
    """
    if level not in LEVELS:
        raise ConfigurationError(f"level={level!r} is none of {', '.join(LEVELS)}")
    wanted = LEVELS[level]
    names = tuple(properties or PROPERTIES)
    if given:
        names = tuple(name for name in names if name != DIAMETER_NM.name)
    space = AnyTube(tuple(lattices or lattices_of(wanted.sites)), wanted.sites, wanted.edits, given, vacancies)
    own = models or {}
    objectives = tuple(_objective(name, own.get(name)) for name in names)
    drawn = tuple(_objective(name, own.get(name) if name not in PROPERTIES else None) for name in names)
    usual = replace(space, lattices=lattices_of(wanted.sites))
    values, lattice = _anchors(usual, drawn, ANCHORS, 0, 0)
    spread = _spread(drawn, values, lattice)
    edge = np.maximum(0.05 * np.ptp(values, axis=0), spread) * (2.0 if wanted.improved else 1.0)
    scaled = tuple(
        replace(each, low=float(a), high=float(b), margin=float(MARGIN * w))
        for each, a, b, w in zip(objectives, values.min(axis=0) - edge, values.max(axis=0) + edge, spread, strict=True)
    )
    if (space.lattices, anchors, wanted.improved, seed) != (usual.lattices, ANCHORS, 0, 0):
        values, lattice = _anchors(space, drawn, anchors, wanted.improved, seed, spread)
    briefs = Briefs(values, lattice, spread, min(wanted.asked, len(names)), wanted.bands[given])
    return BriefTask(space, scaled, estimate=estimate, briefs=briefs)


def _objective(name: str, model: Any) -> Objective:
    """Return an objective whose scale is not known yet."""
    if name in (DIAMETER_NM.name, DIAMETER_NM.key):
        return Objective(DIAMETER_NM, Geometry(), oracle=Geometry())
    prop = parse_properties([name])[0]
    return Objective(prop, resolved(model or prop.name, prop), oracle=judge_of(prop.key))


def _anchors(
    space: AnyTube,
    objectives: Sequence[Objective],
    count: int,
    improved: int,
    seed: int,
    spread: FloatArray | float = 1.0,
) -> tuple[FloatArray, IntArray]:
    """Return (A, P) properties of random designs, and (A,) the indices of their lattices.

    With `improved`, each design is mutated as often, and a mutation is kept if it moves the properties, in units of
    (P,) `spread`, further along a random direction.
    """
    rng = np.random.default_rng(seed)
    lattice = np.arange(count) % len(space.lattices)  # each has anchors
    designs = space.sample_on(lattice, rng)
    values = _values(space, objectives, designs)
    direction = rng.normal(size=(count, len(objectives)))
    for _ in range(improved):
        other = space.mutate(designs, rng)
        found = _values(space, objectives, other)
        better = (other[:, 0] == lattice) & (((found - values) / spread * direction).sum(axis=1) > 0.0)
        designs[better], values[better] = other[better], found[better]
    return values, lattice


def _values(space: AnyTube, objectives: Sequence[Objective], designs: Designs) -> FloatArray:
    """Return the (B, P) properties of designs."""
    batch = space.decode(designs)
    models = [(each.model, each.property) for each in objectives if not isinstance(each.model, Solved)]
    return np.stack([model.predict(batch)[prop] for model, prop in models], axis=1)


def _spread(objectives: Sequence[Objective], values: FloatArray, lattice: IntArray) -> FloatArray:
    """Return (P,) standard deviations of properties about their mean on each lattice."""
    count = np.bincount(lattice)
    means = np.stack([np.bincount(lattice, column) / np.maximum(count, 1) for column in values.T], axis=1)
    found = np.sqrt(((values - means[lattice]) ** 2).mean(axis=0))
    return np.where([each.property == DIAMETER_NM for each in objectives], DIAMETER_SPREAD_NM, found)
