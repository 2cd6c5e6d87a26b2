"""Learning a property of the user's own from a few hundred labels, and what the labels are worth.

A few candidates (`TRUNKS` and `FORMS`) are compared by cross-validation. Where the labels are of three or more
chiralities, whole chiralities are left out: the error is that on tubes of other ones. The choice is made anew without
each fold, so that the reported error is that of the choice and the fit together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from matgym.data.labels import Labels
from matgym.errors import ConfigurationError, require_within
from matgym.frozen import ValueObject
from matgym.learning.metrics import property_metrics
from matgym.models import Property
from matgym.structures import Nanotube, TubeBatch
from matgym.surrogates.honeycomb.graph import TUBE_FEATURES, Honeycombs, honeycombs, ranged
from matgym.surrogates.honeycomb.intervals import Asked, calibrate_intervals, widths
from matgym.surrogates.honeycomb.pairs import ROUNDING, PairNetwork, PairSettings, constant_columns
from matgym.surrogates.honeycomb.surrogate import Scaling
from matgym.surrogates.honeycomb.targets import Targets
from matgym.surrogates.own.curve import Curve, curve_sizes
from matgym.surrogates.own.naming import own_property
from matgym.surrogates.own.result import Candidate, OwnFit
from matgym.surrogates.own.ridge import MEMBERS, Fitted, choose, folds_of, ridge
from matgym.surrogates.own.surrogate import (
    FORMS,
    TRUNKS,
    OwnSurrogate,
    bases_of,
    form_targets,
    input_count,
    trunk_inputs,
    trust_of,
)
from matgym.surrogates.store import load
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

FOLDS: Final = 10
"""Folds of the cross-validation. A choice of ours, as are the next six."""

REPEATS: Final = 5
"""Repeats of the learning curve, each with other folds and another order of the labels."""

SEVERAL: Final = 3
"""Chiralities from which whole ones are left out."""

QUANTILE: Final = 0.99
"""Share of held-out tubes within the threshold of the distance."""

REPORTED: Final = 20
"""Tubes after whose inputs progress is reported."""

LARGEST_SEED: Final = 2**32 - 1

LEAST_SHARE: Final = 0.5
"""Smallest resistance that is predicted, as a share of the smallest one of the labels."""

ROWS_A_COMPONENT: Final = 10
"""Tubes for each principal component of the distance."""

SEEN: Final = "known chiralities"
UNSEEN: Final = "other chiralities"

OnStage = Callable[[str, int, int], None]
"""Function that is called with a stage, and the numbers of its steps that are done, and of all."""


def fit_own(
    tubes: "Sequence[Nanotube | Atoms] | Labels",
    values: Sequence[float] | FloatArray | None = None,
    prop: Property | str = "value",
    *,
    trunk: str = "auto",
    form: str = "auto",
    seed: int = 0,
    on_stage: OnStage = lambda *_: None,
) -> OwnFit:
    """Learn a property of the user's own from structures with a number each.

    Args:
        tubes: B tubes, or ASE's atoms that form tubes, any of which may be mixed; or `Labels`.
        values: (B,) labels; None with `Labels`.
        prop: the property, or its name, without a unit.
        trunk: what shipped surrogates give: one of `TRUNKS`; or several with commas, such as "none,mechanics", or
            "auto" for all, from which cross-validation chooses.
        form: what is learned of the property: one of `FORMS`, or "auto" to choose likewise.
        seed: random seed of folds and orders.
        on_stage: see `OnStage`.

    Raises:
        DatasetError: if there are too few different tubes, or no spread.
        ConfigurationError: if the trunk is unknown, or cannot answer for some tube.
        PropertyError: if the name is that of a property of matgym; see `own_property`.
    """
    labels = tubes if isinstance(tubes, Labels) else Labels.of(tubes, () if values is None else values)
    own = prop if isinstance(prop, Property) else own_property(prop)[0]
    require_within(0, LARGEST_SEED, seed=seed)
    names = _trunks(trunk)
    bases = {name: load(name) for name in bases_of(names[-1])}
    rows = _Rows.of(labels, own, tuple(bases.values()), names[-1], on_stage)
    usable = {name: why for name in names if (why := rows.lost(name))}
    if len(usable) == len(names):
        raise ConfigurationError(f"trunk={trunk!r} cannot answer for all tubes: {usable[names[0]]}; give trunk='none'")
    candidates = [
        Candidate(name, each)
        for name, each in product((name for name in names if name not in usable), _forms(form, rows.batch, labels))
    ]
    return _fitted(rows, candidates, usable, seed, on_stage)


def _trunks(trunk: str) -> tuple[str, ...]:
    """Return the trunks that are compared, in the order of their cost.

    Raises:
        ConfigurationError: if there is no such trunk.
    """
    asked = tuple(TRUNKS) if trunk == "auto" else tuple(name.strip() for name in trunk.split(","))
    for name in asked:
        bases_of(name)
    return tuple(name for name in TRUNKS if name in asked)


def _forms(form: str, batch: TubeBatch, labels: Labels) -> tuple[str, ...]:
    """Return the forms that are compared.

    Raises:
        ConfigurationError: if there is no such form, or it needs positive labels.
    """
    if form == "auto":
        is_possible = {"per-site": len(np.unique(batch.n_sites)) > 1, "resistance": bool((labels.values > 0.0).all())}
        return tuple(each for each in FORMS if is_possible.get(each, True))
    form_targets(form, batch)
    if form == "resistance" and not (labels.values > 0.0).all():
        raise ConfigurationError(f"form='resistance' needs positive labels, and the least is {labels.values.min():g}")
    return (form,)


@dataclass(frozen=True, eq=False)
class _Rows(ValueObject):
    """Labelled tubes with their features.

    Attributes:
        labels: the labels.
        own: the property.
        bases: shipped surrogates of the largest trunk.
        batch: B tubes.
        features: (B, F) features with the inputs of the largest trunk.
        chirality: (B,) numbers of chiralities.
        trunk: the largest trunk.
    """

    labels: Labels
    own: Property
    bases: tuple[Any, ...]
    batch: TubeBatch
    features: FloatArray
    chirality: IntArray
    trunk: str

    @classmethod
    def of(cls, labels: Labels, own: Property, bases: tuple[Any, ...], trunk: str, on_stage: OnStage) -> "_Rows":
        batch = TubeBatch.of(labels.tubes)
        parts = []
        for rows in np.array_split(np.arange(len(batch)), math.ceil(len(batch) / REPORTED)):
            parts.append(trunk_inputs(trunk, bases, batch.take(rows)))
            on_stage("inputs", int(rows[-1]) + 1, len(batch))
        inputs = np.concatenate(parts)
        fresh = _surrogate(own, Candidate(trunk, "value"), bases, batch, 1)
        features = fresh.pooled(batch, inputs)
        numbers = np.array([(tube.n, tube.m) for tube in labels.tubes])
        chirality = np.unique(numbers, axis=0, return_inverse=True)[1].ravel()
        return cls(labels, own, bases, batch, features, np.asarray(chirality), trunk)

    @cached_property
    def graph(self) -> Honeycombs:
        """The tubes as one graph."""
        return honeycombs(self.batch)

    @cached_property
    def groups(self) -> IntArray:
        """(B,) what is left out together: chiralities if there are several, otherwise tubes."""
        return self.chirality if self.is_grouped else np.arange(len(self.labels))

    @property
    def is_grouped(self) -> bool:
        """Whether whole chiralities are left out."""
        return int(self.chirality.max()) + 1 >= SEVERAL

    def columns(self, trunk: str) -> tuple[IntArray, FloatArray]:
        """Return the columns of the features of a trunk, and their trust."""
        whole, own = (len(trust_of(each, self.bases)) for each in (self.trunk, trunk))
        chosen = np.r_[: TUBE_FEATURES + own, TUBE_FEATURES + whole : self.features.shape[1]]
        trust = np.ones(len(chosen))
        trust[TUBE_FEATURES : TUBE_FEATURES + own] = trust_of(trunk, self.bases)
        return chosen, trust

    def lost(self, trunk: str) -> str:
        """Return why a trunk cannot answer for all tubes; empty if it can."""
        columns = self.columns(trunk)[0]
        bad = np.flatnonzero(~np.isfinite(self.features[:, columns]).all(axis=1)).tolist()
        if not bad:
            return ""
        reason = next(iter(self.bases[-1].lost(self.batch, bad[:1]).values()), "it has no value")
        return f"{len(bad)} of {len(self.labels)} tubes have no answer, the first {self.labels.names[bad[0]]}: {reason}"

    def fit(self, candidate: Candidate, rows: IntArray, rng: np.random.Generator) -> Fitted:
        """Return the members of a candidate, fitted to some rows."""
        columns, trust = self.columns(candidate.trunk)
        return ridge(
            self.features[np.ix_(rows, columns)],
            self.labels.values[rows],
            self.targets(candidate).take(rows),
            trust,
            folds_of(self.groups[rows], MEMBERS, rng),
        )

    def targets(self, candidate: Candidate) -> Targets:
        """Return how learned values of all tubes become values."""
        return form_targets(candidate.form, self.batch, self.least(candidate))

    def least(self, candidate: Candidate) -> float:
        """Return the smallest learned resistance, a share of the least one of the labels; 0 for other forms."""
        if candidate.form != "resistance":
            return 0.0
        return LEAST_SHARE * float(form_targets(candidate.form, self.batch).learned(self.labels.values[:, None]).min())

    def predict(self, candidate: Candidate, fitted: Fitted, rows: IntArray) -> FloatArray:
        """Return the (members, rows) predictions."""
        columns, _ = self.columns(candidate.trunk)
        learned = fitted.predict(self.features[np.ix_(rows, columns)])
        return self.targets(candidate).take(rows).values(learned[..., None])[..., 0]


def _surrogate(
    own: Property, candidate: Candidate, bases: Sequence[Any], batch: TubeBatch, members: int, least: float = 0.0
) -> OwnSurrogate:
    """Return a surrogate whose networks are not fitted yet."""
    settings = PairSettings()
    count = input_count(candidate.trunk, bases)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and replaced
        networks = tuple(
            PairNetwork(settings, 1, informed=count - TUBE_FEATURES, sums=own.between_leads) for _ in range(members)
        )
    scaling = Scaling(np.zeros(1), np.ones(1), np.zeros(count), np.ones(count))
    chiralities = tuple(sorted({(lattice.n, lattice.m) for lattice in batch.lattices}))
    return OwnSurrogate(
        networks, "own", {"shells": settings.shells, "directed": settings.directed, "products": settings.products},
        (own.key,), (), scaling, chiralities, {}, own, candidate.form, least, candidate.trunk,
        tuple(bases[: len(bases_of(candidate.trunk))]),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Validated(ValueObject):
    """Predictions for rows that were left out.

    Attributes:
        members: (members, B) predictions by the candidate that was chosen without the fold of the row.
        errors: RMSE of each candidate.
        folds: (B,) fold of each row.
    """

    members: FloatArray
    errors: Mapping[Candidate, float]
    folds: IntArray


def _validated(
    rows: _Rows,
    candidates: Sequence[Candidate],
    groups: IntArray,
    rng: np.random.Generator,
    on_step: Callable[[int, int], None],
) -> _Validated:
    """Return predictions for each row by models that were fitted without its fold."""
    folds = folds_of(groups, FOLDS, rng)
    count, values = int(folds.max()) + 1, rows.labels.values
    members, squares = np.full((MEMBERS, len(values)), np.nan), dict.fromkeys(candidates, 0.0)
    for fold in range(count):
        kept, left = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        fits = {each: rows.fit(each, kept, rng) for each in candidates}
        for each, fitted in fits.items():
            found = rows.predict(each, fitted, left)
            squares[each] += float(((found.mean(axis=0) - values[left]) ** 2).sum())
        chosen = choose({each: fitted.rmse for each, fitted in fits.items()})
        found = rows.predict(chosen, fits[chosen], left)
        members[: len(found), left] = found
        members[len(found) :, left] = found.mean(axis=0)  # of fewer groups than members
        on_step(fold + 1, count)
    return _Validated(members, {each: math.sqrt(square / len(values)) for each, square in squares.items()}, folds)


def _fitted(
    rows: _Rows, candidates: Sequence[Candidate], left_out: Mapping[str, str], seed: int, on_stage: OnStage
) -> OwnFit:
    """Choose, fit, calibrate and measure."""
    rng, values = np.random.default_rng(seed), rows.labels.values
    by_tube = np.arange(len(values))
    seen = _validated(rows, candidates, by_tube, rng, lambda k, n: on_stage("tubes left out", k, n))
    unseen = (
        _validated(rows, candidates, rows.chirality, rng, lambda k, n: on_stage("chiralities left out", k, n))
        if rows.is_grouped
        else None
    )
    headline = unseen or seen
    every = np.arange(len(values))
    fits = {each: rows.fit(each, every, rng) for each in candidates}
    chosen = choose({each: fitted.rmse for each, fitted in fits.items()})
    curve = _curve(rows, chosen, seed, lambda k, n: on_stage("learning curve", k, n))
    fresh = _surrogate(rows.own, chosen, rows.bases, rows.batch, len(fits[chosen].weights), rows.least(chosen))
    for network, weights, bias in zip(fresh.networks, fits[chosen].weights, fits[chosen].bias, strict=True):
        network.head.load_state_dict({"0.weight": torch.tensor(weights[None]), "0.bias": torch.tensor(bias[None])})
    features = rows.features[:, rows.columns(chosen.trunk)[0]]
    lengths = _lengths(features, seen.folds)
    threshold = float(np.quantile(lengths, QUANTILE))
    known = _asked(rows, chosen, seen, lengths / threshold)
    other = None if unseen is None else _asked(rows, chosen, unseen, _lengths(features, unseen.folds) / threshold)
    numbers = ranged(rows.graph)
    domain = {"threshold": np.array([threshold]), "low": numbers.min(axis=0), "high": numbers.max(axis=0)}
    intervals = _intervals(known, seen.folds, other, rows.chirality)
    surrogate = replace(fresh, calibration=_distance_model(features) | domain | intervals)
    metrics, half_width = {}, np.full(len(values), np.nan)
    for name, found, asked, groups in ((SEEN, seen, known, seen.folds), (UNSEEN, unseen, other, rows.chirality)):
        if found is not None and asked is not None:
            half_width = _half_widths(rows.targets(chosen), found, asked, groups)
            covered = np.abs(found.members.mean(axis=0) - values) <= half_width
            metrics[name] = property_metrics(
                rows.own.key, found.members.mean(axis=0), values, covered, rows.chirality if rows.is_grouped else None
            )
    return OwnFit(
        surrogate, rows.labels, chosen, headline.errors, left_out, headline.members.mean(axis=0), half_width, metrics,
        curve,
    )  # fmt: skip


def _lengths(features: FloatArray, folds: IntArray) -> FloatArray:
    """Return the (B,) distances of tubes from those of the other folds, by (B, F) features."""
    lengths = np.empty(len(features))
    for fold in range(int(folds.max()) + 1):
        left = folds == fold
        model = _distance_model(features[~left])
        lengths[left] = np.linalg.norm((features[left] - model["centre"]) @ model["whitening"], axis=1)
    return lengths


def _asked(rows: _Rows, chosen: Candidate, found: _Validated, far: FloatArray) -> tuple[Asked, FloatArray]:
    """Return what is known of the tubes, as left out, before their labels, and (B, 1) errors in learned values."""
    targets = rows.targets(chosen)
    learned = targets.learned(found.members.mean(axis=0)[:, None])
    return Asked.of(rows.graph, far, learned), learned - targets.learned(rows.labels.values[:, None])


def _half_widths(
    targets: Targets, found: _Validated, left_out: tuple[Asked, FloatArray], groups: IntArray
) -> FloatArray:
    """Return the (B,) half-widths of intervals of tubes left out, each calibrated on those of the other folds."""
    asked, errors = left_out
    learned = np.empty_like(errors)
    for fold in range(int(found.folds.max()) + 1):
        own = found.folds == fold
        others, off = asked.take(~own), errors[~own]
        calibration = calibrate_intervals(others, off, groups[~own], others, off)
        learned[own] = widths(asked.take(own), np.ones(own.sum(), dtype=bool), calibration)[1]
    return targets.widths(found.members.mean(axis=0)[:, None], learned)[:, 0]


def _intervals(
    known: tuple[Asked, FloatArray], folds: IntArray, other: tuple[Asked, FloatArray] | None, chirality: IntArray
) -> dict[str, FloatArray]:
    """Return the intervals of known chiralities and of others, each calibrated on tubes that were left out."""
    if other is not None:
        return calibrate_intervals(*other, chirality, *known)
    found = calibrate_intervals(*known, folds, *known)
    found["sd"][:, 1] = found["quantile"][:, 1] = np.inf  # nothing is known of other chiralities
    return found


def _distance_model(features: FloatArray) -> dict[str, FloatArray]:
    """Return `centre` (F,) and `whitening` (F, F) of a distance along the principal components of (T, F) features.

    There are more features than tubes. Components beyond a tenth of the number of tubes are left out.
    """
    centre, spread, constant = features.mean(axis=0), features.std(axis=0), constant_columns(features)
    factor = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, spread))
    count = max(1, len(features) // ROWS_A_COMPONENT)
    _, lengths, components = np.linalg.svd((features - centre) * factor, full_matrices=False)
    whitening = np.zeros((features.shape[1],) * 2)
    chosen = components[:count] / np.maximum(lengths[:count, None], ROUNDING) * math.sqrt(len(features))
    whitening[:, : len(chosen)] = factor[:, None] * chosen.T
    return {"centre": centre, "whitening": whitening}


def _curve(rows: _Rows, chosen: Candidate, seed: int, on_step: Callable[[int, int], None]) -> Curve:
    """Return the error by the number of labels, of the chosen candidate."""
    values = rows.labels.values
    first = folds_of(rows.groups, FOLDS, np.random.default_rng(seed))
    pool = min(int((first != fold).sum()) for fold in range(int(first.max()) + 1))
    sizes = curve_sizes(pool)
    squares = np.zeros((len(sizes), len(values)))
    for repeat in range(REPEATS):
        rng = np.random.default_rng([seed, repeat + 1])
        folds = folds_of(rows.groups, FOLDS, rng)
        count = int(folds.max()) + 1
        for fold in range(count):
            kept, left = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            order = rng.permutation(kept)
            for number, size in enumerate(sizes):
                found = rows.predict(chosen, rows.fit(chosen, order[:size], rng), left).mean(axis=0)
                squares[number, left] += (found - values[left]) ** 2 / REPEATS
            on_step(repeat * count + fold + 1, REPEATS * count)
    return Curve.of(sizes, squares, values, rows.groups, rows.own, seed, grouped=rows.is_grouped)
