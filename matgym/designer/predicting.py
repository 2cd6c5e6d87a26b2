"""Predictions of the quantities of briefs: shipped surrogates, and physics where it is exact or takes milliseconds."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from matgym.designer.lattices import Lattices
from matgym.frozen import ValueObject
from matgym.models import Model, Predictions
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.electrons.self_consistent import SelfConsistentParameters
from matgym.physics.geometry import Geometry
from matgym.physics.registry import judge_of
from matgym.structures import Nanotube, Species, TubeBatch
from matgym.surrogates.sources import as_model
from matgym.tasks.any_tube import HEAD
from matgym.tasks.space import Designs
from matgym.typing import BoolArray, FloatArray, IntArray

KEYS: Final[Mapping[str, str]] = {
    "gap": "gap_ev",
    "diameter": "diameter_nm",
    "length": "length_nm",
    "thermal_conductance": "thermal_conductance_nw_k",
    "young": "young_gpa",
    "formation": "formation_ev",
    "conductance": "conductance_us",
    "zt": "zt",
}
"""Keys of the physics, by quantity."""

SECONDS: Final[Mapping[str, float]] = {"conductance": 0.03, "gap": 0.08, "zt": 1.4}
"""CPU seconds of one prediction of the quantities whose models are slow, measured on decorated tubes of 96 to 160 sites
on one core; the fast ones first. All others take 0.2 ms."""

_EXACT: Final = {"gap", "formation", "conductance", "diameter", "length"}
"""Quantities that are known without a surrogate where no site holds B, N or a vacancy."""


@dataclass(frozen=True, eq=False)
class Estimates(ValueObject):
    """Predicted quantities of B designs.

    Attributes:
        values: (B,) values by quantity.
        sd: (B,) standard deviations by quantity; 0 where the value is exact, NaN where it is unknown.
        half_width: (B,) half the widths of the intervals that hold 90 % of true values.
        outside: (B,) whether a surrogate that was used is outside its applicability domain.
    """

    values: Mapping[str, FloatArray]
    sd: Mapping[str, FloatArray]
    half_width: Mapping[str, FloatArray]
    outside: BoolArray

    def take(self, rows: IntArray | BoolArray) -> "Estimates":
        """Return the estimates of some designs, by index or mask."""
        values, sd, half_width = (
            {name: of[rows] for name, of in each.items()} for each in (self.values, self.sd, self.half_width)
        )
        return Estimates(values, sd, half_width, self.outside[rows])

    def beside(self, other: "Estimates") -> "Estimates":
        """Return the estimates of further quantities of the same designs together."""
        return Estimates(
            {**self.values, **other.values},
            {**self.sd, **other.sd},
            {**self.half_width, **other.half_width},
            self.outside | other.outside,
        )

    @classmethod
    def joined(cls, parts: Sequence["Estimates"]) -> "Estimates":
        """Return the estimates of several groups of designs one after the other."""
        values, sd, half_width = (
            {name: np.concatenate([getattr(part, field)[name] for part in parts]) for name in parts[0].values}
            for field in ("values", "sd", "half_width")
        )
        return cls(values, sd, half_width, np.concatenate([part.outside for part in parts]))


def is_bare(designs: Designs) -> BoolArray:
    """Return (B,) whether no site holds B, N or a vacancy, so that the electrons are those of the pristine tube."""
    return np.asarray(~np.isin(designs[:, HEAD:], (Species.B, Species.N, Species.VACANCY)).any(axis=1))


@dataclass(frozen=True, eq=False)
class Predictor:
    """The models of a search, on its lattices.

    Attributes:
        lattices: the lattices.
        names: names of the quantities that are predicted.
    """

    lattices: Lattices
    names: tuple[str, ...]

    @property
    def fast(self) -> tuple[str, ...]:
        """Names of the quantities that are predicted at once for all designs."""
        return tuple(name for name in self.names if name not in SECONDS)

    @property
    def slow(self) -> tuple[str, ...]:
        """Names of the quantities that are predicted for a few decorated designs; the fastest first."""
        return tuple(name for name in SECONDS if name in self.names)

    def predict(self, designs: Designs, names: Sequence[str]) -> Estimates:
        """Return the estimates of some quantities of designs."""
        batch, bare = self.lattices.space.decode(designs), is_bare(designs)
        values, sd, half_width, outside = {}, {}, {}, np.zeros(len(designs), dtype=bool)
        for name in names:
            known = bare if name in _EXACT else np.zeros(len(designs), dtype=bool)
            values[name] = self._exact(name, designs, batch) if known.any() else np.full(len(designs), np.nan)
            values[name] = np.where(known, values[name], np.nan)
            sd[name], half_width[name] = np.where(known, 0.0, np.nan), np.where(known, 0.0, np.nan)
            rows = np.flatnonzero(~known)
            if rows.size:
                found = _predicted(name, batch.take(rows))
                values[name][rows] = found[KEYS[name]]
                sd[name][rows], half_width[name][rows] = _widths(found, name)
                if found.distance is not None:
                    outside[rows] |= ~(found.distance <= 1.0)
            if name == "formation":
                atoms = atoms_of(designs, self.lattices)
                values[name], sd[name], half_width[name] = (
                    each / atoms for each in (values[name], sd[name], half_width[name])
                )
        return Estimates(values, sd, half_width, outside)

    def _exact(self, name: str, designs: Designs, batch: TubeBatch) -> FloatArray:
        """Return (B,) values of bare tubes."""
        if name == "formation":
            return np.zeros(len(designs))
        if name == "gap":
            return self.lattices.gap_ev[designs[:, 0].astype(np.int64)]
        if name == "conductance":
            return np.array([_pristine_conductance(tube.n, tube.m) for tube in batch])
        return np.array(Geometry().predict(batch)[KEYS[name]])


def atoms_of(designs: Designs, lattices: Lattices) -> FloatArray:
    """Return (B,) numbers of atoms: of sites without vacancies."""
    sites = lattices.space.n_sites[designs[:, 0].astype(np.int64)]
    return np.asarray(sites - (designs[:, HEAD:] == Species.VACANCY).sum(axis=1), dtype=np.float64)


_MODELS: Final[Mapping[str, Callable[[], Model]]] = {
    "diameter": Geometry,
    "length": Geometry,
    # no surrogate: π electrons without charges, with the carbon of the oracle, so that undecorated tubes are exact
    "conductance": lambda: PiTransport(parameters=SelfConsistentParameters().carbon),
}


@cache
def model_of(name: str) -> Model:
    """Return the model that predicts a quantity of decorated tubes."""
    make = _MODELS.get(name)
    return make() if make is not None else as_model(name, KEYS[name])


def _predicted(name: str, tubes: TubeBatch) -> Predictions:
    """Return the predictions of a quantity; those of slow models in two halves, on two cores."""
    model = model_of(name)
    if name not in SECONDS or len(tubes) < 2:
        return model.predict(tubes)
    halves = np.arange(len(tubes)) % 2
    parts = [tubes.take(np.flatnonzero(halves == half)) for half in (0, 1)]
    with ThreadPoolExecutor(2) as threads:  # linear algebra, which most of the time goes to, runs in parallel
        found = list(threads.map(model.predict, parts))
    order = np.argsort(np.concatenate([np.flatnonzero(halves == half) for half in (0, 1)]))
    return _one_after_other(found, KEYS[name]).take(order)


def _one_after_other(parts: Sequence[Predictions], key: str) -> Predictions:
    """Return the values, uncertainties and distances of one property, of one batch after the other."""
    columns = [
        {key: np.concatenate([getattr(part, field)[key] for part in parts])}
        if all(key in getattr(part, field) for part in parts)
        else {}
        for field in ("values", "sd", "half_width")
    ]
    far = [part.distance for part in parts if part.distance is not None]
    distance = np.concatenate(far) if len(far) == len(parts) else None
    return Predictions(columns[0], sd=columns[1], half_width=columns[2], distance=distance)


@cache
def verifier_of(name: str) -> Model:
    """Return the oracle that verifies a quantity."""
    return Geometry() if name in {"diameter", "length"} else judge_of(KEYS[name])


@cache
def _pristine_conductance(n: int, m: int) -> float:
    return float(model_of("conductance").predict([Nanotube(n, m, 1)])[KEYS["conductance"]][0])


def _widths(found: Predictions, name: str) -> tuple[FloatArray, FloatArray]:
    """Return (B,) standard deviations and half-widths: 0 of the exact geometry, NaN of a model without uncertainty."""
    unknown = np.full(len(found), 0.0 if name in {"diameter", "length"} else np.nan)
    return found.sd.get(KEYS[name], unknown), found.half_width.get(KEYS[name], unknown)
