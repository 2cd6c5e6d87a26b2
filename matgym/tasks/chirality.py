"""The task of choosing a tube: its chirality, length and strain, for a target gap, diameter and length."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.frozen import returns_read_only
from matgym.models import Model, Predictions
from matgym.physics.electrons.bands import GAP_EV, PiElectrons
from matgym.physics.geometry import DIAMETER_NM, LENGTH_NM, Geometry
from matgym.structures import Nanotube, Species, TubeBatch, TubeDomain, tube_lattice
from matgym.surrogates.sources import as_model
from matgym.tasks.base import DesignTask, RewardFunction
from matgym.tasks.decoration import known_oracle
from matgym.tasks.objective import Direction, Objective, Scale, scale_settings, scaled
from matgym.tasks.solved import table_of
from matgym.tasks.space import Choices, Designs, KeyArray
from matgym.tasks.variables import Variable
from matgym.typing import BoolArray, FloatArray, IntArray

STRAINS: Final = np.linspace(-0.05, 0.05, 11)
"""The strains to choose from."""

CELLS: Final = 12
"""Largest number of unit cells to choose from."""

DIAMETERS_NM: Final = (0.6, 1.6)
"""Least and largest diameter of unstrained tubes. Below 0.6 nm the π-electron model does not hold."""

MARGINS: Final = (0.1, 0.1, 0.5)
"""Errors of gap (eV), diameter and length (nm) at which a tolerance has fallen to a tenth. A choice of ours."""


@lru_cache(maxsize=16)
@returns_read_only
def _fits(low: float, high: float) -> BoolArray:
    """Return (n, m) whether the tubes (1, 0) to (n, n) have diameters within a window, nm."""
    most = next(n for n in range(1, 1000) if tube_lattice(n + 1, 0, 1).diameter_nm > high)
    return np.array(
        [
            [low <= tube_lattice(n, m, 1).diameter_nm <= high if m <= n else False for m in range(most + 1)]
            for n in range(1, most + 1)
        ]
    )


@dataclass(frozen=True, eq=False)
class ChiralitySpace(Choices):
    """Tubes with a choice of n, m, cells and strain: m at most n, and the diameter within a window.

    A design is (n - 1, m, cells - 1, index of the strain). Make a space by `within`.

    Attributes:
        fits: (n, m) whether the tube's diameter lies within the window.
        diameters_nm: least and largest diameter of the window.
    """

    fits: BoolArray = field(kw_only=True, repr=False)
    diameters_nm: tuple[float, float] = field(kw_only=True)

    @classmethod
    @lru_cache(maxsize=16)
    def within(cls, diameters_nm: tuple[float, float] = DIAMETERS_NM) -> "ChiralitySpace":
        """Return the space of tubes whose unstrained diameter lies within a window, nm.

        Raises:
            ConfigurationError: if there is no such tube.
        """
        low, high = diameters_nm
        if not 0.0 <= low < high:
            raise ConfigurationError(f"diameters_nm={diameters_nm} must be the least and a larger value")
        fits = _fits(low, high)
        if not fits.any():
            raise ConfigurationError(f"no tube has a diameter from {low} to {high} nm: give a wider range")
        counts = (*fits.shape, CELLS, len(STRAINS))
        return cls(counts, ordered=True, fits=fits, diameters_nm=diameters_nm)

    @override
    def allowed(self, designs: Designs, place: int) -> BoolArray:
        if place == 0:
            return np.tile(self.fits.any(axis=1), (len(designs), 1))
        return self.fits[designs[:, 0]] if place == 1 else super().allowed(designs, place)

    @property
    @override
    def variables(self) -> tuple[Variable, ...]:
        """Ranks of n and m among those that the window of diameters allows, cells, and strain."""
        ns, ms, cells, _ = self.counts
        return (
            Variable.of("rank of n", range(ns), ordered=True),
            Variable.of("rank of m", range(ms), ordered=True),
            Variable("cells", "integer", 1.0, float(cells)),
            Variable.of("strain", STRAINS.tolist(), ordered=True),
        )

    @override
    def decode(self, designs: Designs) -> TubeBatch:
        """Return designs as pristine tubes."""
        rows: IntArray = np.asarray(designs, dtype=np.int64)
        _, first, index = np.unique(rows[:, :3] @ self._places, return_index=True, return_inverse=True)
        lattices = tuple(tube_lattice(n + 1, m, cells + 1) for n, m, cells in rows[first, :3].tolist())
        sites = np.array([lattice.n_sites for lattice in lattices], dtype=np.int64)[index].sum()
        species = np.full(int(sites), Species.C12, dtype=np.uint8)
        return TubeBatch(lattices, index, species, None, STRAINS[rows[:, 3]], np.zeros(len(rows)))

    @cached_property
    @returns_read_only
    def _shapes(self) -> FloatArray:
        """(n, m, 6) diameter (nm), cosine of three chiral angles, a column for each remainder of n - m, period (nm)."""
        found = np.zeros((*self.fits.shape, 6))
        for n, m in np.argwhere(self.fits):
            a, b = int(n) + 1, int(m)
            cosine = (2 * a + b) / (2.0 * np.sqrt(a * a + a * b + b * b))
            lattice = tube_lattice(a, b, 1)
            found[n, m, :2] = lattice.diameter_nm, 4.0 * cosine**3 - 3.0 * cosine
            found[n, m, 5] = lattice.length_angstrom / 10.0
            found[n, m, 2 + (a - b) % 3] = 1.0
        return found

    @override
    def features(self, designs: Designs) -> FloatArray:
        """Return (B, 7): diameter (nm), cosine of three times the chiral angle, family, length (nm), strain (%)."""
        n, m, cells, strain = np.asarray(designs).T
        shapes = self._shapes[n, m]
        return np.column_stack([shapes[:, :5], shapes[:, 5] * (cells + 1), 100.0 * STRAINS[strain]])

    @cached_property
    @returns_read_only
    def _places(self) -> IntArray:
        """(3,) weights of n, m and cells in a number that is unique for each lattice."""
        return np.array([self.counts[1] * CELLS, CELLS, 1])

    @cached_property
    @override
    def domain(self) -> TubeDomain:
        lattices = tuple(tube_lattice(int(n) + 1, int(m), 1) for n, m in zip(*np.nonzero(self.fits), strict=True))
        return TubeDomain(lattices, frozenset({Species.C12}), strained=True)

    @override
    def property_key(self, designs: Designs) -> KeyArray:
        """Return (B,) keys that do not depend on the number of cells, which does not change the gap."""
        short = designs.copy()
        short[:, 2] = 0
        return self.key(short)


@dataclass(frozen=True)
class OfOneCell(Model):
    """A model of pristine periodic tubes that computes one cell of each, which has the same bands."""

    model: Model = field(default_factory=PiElectrons)

    properties = (GAP_EV,)
    level = PiElectrons.level

    @override
    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return predictions for one cell of each tube."""
        return self.model.predict(
            [Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion) for tube in tubes]
        ).only([GAP_EV.key])


def chirality_task(
    *,
    diameters_nm: tuple[float, float] = DIAMETERS_NM,
    gaps_ev: tuple[float, float] = (0.0, 1.2),
    lengths_nm: tuple[float, float] = (0.5, 8.0),
    margins: tuple[float, float, float] = MARGINS,
    model: Any = "solved:chirality",
    direction: Direction = "target",
    values: tuple[float, float] | None = None,
    reward: RewardFunction | None = None,
) -> DesignTask:
    """Return the task of choosing (n, m), unit cells and strain so that gap, diameter and length meet three targets.

    The reward is the mean of three tolerances, each with its own margin; the loss is 1 - reward. With another direction
    the task is to make one property, the gap or the model's own, as large or as small as possible.

    Args:
        diameters_nm: least and largest diameter of unstrained tubes, and range of that target.
        gaps_ev: range of target gaps.
        lengths_nm: range of target lengths.
        margins: errors of gap (eV), diameter and length (nm) at which a tolerance has fallen to a tenth. A choice of
            ours.
        model: model of the gap: "solved:NAME", a table of all gaps; "oracle"; or any source that `as_model` takes.
        direction: "target"; or "maximize" or "minimize" for the property that the model predicts.
        values: property values with reward 0 and 1 if the property is maximized, 1 and 0 if it is minimized; by default
            the range of gaps. A property of the model's own needs them.
        reward: a function of predictions and targets instead of the mean.

    Raises:
        ConfigurationError: if a range is empty or has no effect, or the table is one of other diameters.
    """
    limits = scale_settings(direction=direction, targets=None, values=values, margin=None, default="target")
    for name, (low, high) in (("gaps_ev", gaps_ev), ("lengths_nm", lengths_nm)):
        if not 0.0 <= low < high:
            raise ConfigurationError(f"{name}={(low, high)} must be the least and a larger value")
    if table_of(model) is not None and diameters_nm != DIAMETERS_NM:
        raise ConfigurationError(f'the table is for 0.6 to 1.6 nm, not {diameters_nm}: give model="oracle"')
    geometry, oracle = Geometry(), OfOneCell()
    gap = oracle if isinstance(model, str) and model == "oracle" else table_of(model) or as_model(model, GAP_EV)
    space = ChiralitySpace.within(diameters_nm)
    if direction != "target":
        prop = gap.properties[0] if len(gap.properties) == 1 else GAP_EV
        of_gap = Scale(gaps_ev, gaps_ev, margins[0]) if prop.key == GAP_EV.key else None
        scale = scaled(prop, direction, limits["low"], limits["high"], None, of_gap)
        verifier = oracle if prop.key == GAP_EV.key else known_oracle(prop) or (gap if gap.is_oracle else None)
        return DesignTask(space, (Objective(prop, gap, direction, *scale, verifier),), reward=reward)
    objectives = (
        Objective(gap.property_of(GAP_EV.key), gap, "target", *gaps_ev, margins[0], oracle),
        Objective(DIAMETER_NM, geometry, "target", *diameters_nm, margins[1], geometry),
        Objective(LENGTH_NM, geometry, "target", *lengths_nm, margins[2], geometry),
    )
    return DesignTask(space, objectives, reward=reward)
