"""The task of choosing a tube: chirality, length and strain for a wanted gap, diameter and length."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.models import GAP_EV, Oracle
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, tube_lattice
from matgym.tasks.base import DesignTask, Scores
from matgym.tasks.ledger import Ledger
from matgym.tasks.reward import tolerance
from matgym.tasks.solved import table_of
from matgym.tasks.space import Choices, Designs
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.units import POISSON_RATIO

STRAINS: Final = np.linspace(-0.05, 0.05, 11)
"""Strains to choose from."""

CELLS: Final = 12
"""Largest number of unit cells to choose."""


class ChiralityChoices(Choices):
    """n, m, cells, strain: m at most n, and the diameter within a window."""

    def __init__(self, diameters_nm: tuple[float, float]) -> None:
        low, high = diameters_nm
        most = next(n for n in range(1, 1000) if tube_lattice(n + 1, 0, 1).diameter_nm > high)
        fits = [
            [low <= tube_lattice(n, m, 1).diameter_nm <= high if m <= n else False for m in range(most + 1)]
            for n in range(1, most + 1)
        ]
        self.fits: BoolArray
        object.__setattr__(self, "fits", np.array(fits))
        if not self.fits.any():
            raise ConfigurationError(f"no tube has a diameter from {low} to {high} nm")
        super().__init__((most, most + 1, CELLS, len(STRAINS)), ordered=True)

    def allowed(self, designs: Designs, place: int) -> BoolArray:
        """(B, counts[place])."""
        if place == 0:
            return np.tile(self.fits.any(axis=1), (len(designs), 1))
        return self.fits[designs[:, 0]] if place == 1 else super().allowed(designs, place)


@dataclass(frozen=True, eq=False)
class ChiralityTask(DesignTask):
    """Choose (n, m), unit cells and strain so that gap, diameter and length meet a vector of targets.

    The loss is 1 - reward, the reward the mean of three tolerances, each with a margin of its own.

    Attributes:
        diameters_nm: least and largest diameter of unstrained tubes, and range of that target. Below 0.6 nm the
            π-electron model does not hold.
        gaps_ev: range of target gaps.
        lengths_nm: range of target lengths.
        margins: of gap (eV), diameter and length (nm): errors at which a tolerance has fallen to a tenth. Ours.
        source: "solved:NAME", a table of all gaps; "oracle", an oracle of `gap_ev`, or a function of tubes.
        ledger: counts what is spent.
    """

    diameters_nm: tuple[float, float] = (0.6, 1.6)
    gaps_ev: tuple[float, float] = (0.0, 1.2)
    lengths_nm: tuple[float, float] = (0.5, 8.0)
    margins: tuple[float, float, float] = (0.1, 0.1, 0.5)
    source: Any = "solved:chirality"
    ledger: Ledger = field(default_factory=Ledger)
    space: ChiralityChoices = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("diameters_nm", "gaps_ev", "lengths_nm"):
            low, high = getattr(self, name)
            if not 0.0 <= low < high:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be a least and a larger value")
        if min(self.margins) <= 0.0:
            raise ConfigurationError(f"margins={self.margins} must be positive")
        if isinstance(self.source, str) and self.source != "oracle" and self.diameters_nm != (0.6, 1.6):
            raise ConfigurationError(f'the table of 0.6 to 1.6 nm is none of {self.diameters_nm}: give source="oracle"')
        object.__setattr__(self, "space", ChiralityChoices(self.diameters_nm))

    @property
    def value_name(self) -> str:
        """What the loss is of."""
        return GAP_EV.key

    @property
    def unit(self) -> str:
        """Of the loss: a pure number."""
        return "1"

    @property
    def target_names(self) -> tuple[str, ...]:
        """Gap, diameter, length."""
        return ("gap_ev", "diameter_nm", "length_nm")

    @property
    def parts(self) -> tuple[str, ...]:
        """One for each target."""
        return self.target_names

    @property
    def target_ranges(self) -> FloatArray:
        """(3, 2)."""
        return np.array([self.gaps_ev, self.diameters_nm, self.lengths_nm])

    def score(self, designs: Designs, targets: FloatArray) -> Scores:
        """Evaluate designs, and count them.

        Args:
            designs: (B, 4): n - 1, m, cells - 1, number of the strain.
            targets: (B, 3) gap, diameter, length.
        """
        if self.source == "oracle":
            return self.audit(designs, targets)
        table = table_of(self.source)
        if table is not None:
            with self.ledger.charge("oracle", len(designs)):
                return self._scores(table.look_up(self.space, self.one_cell(designs))[GAP_EV.key], designs, targets)
        kind = "oracle" if isinstance(self.source, Oracle) else "surrogate"
        with self.ledger.charge(kind, len(designs)):
            return self._scores(self._gaps(self.tubes(designs)), designs, targets)

    def audit(self, designs: Designs, targets: FloatArray) -> Scores:
        """The same by the π-electron oracle."""
        with self.ledger.charge("oracle", len(designs)):
            gaps = PiElectrons().evaluate(self.tubes(self.one_cell(designs)))[GAP_EV]
        return self._scores(gaps, designs, targets)

    def one_cell(self, designs: Designs) -> Designs:
        """Designs with one cell: as far as the gap is concerned, the same."""
        short = designs.copy()
        short[:, 2] = 0
        return short

    @cached_property
    def _gaps(self) -> Callable[[list[Nanotube]], FloatArray]:
        source = self.source
        if isinstance(source, Oracle):
            oracle: Oracle = source
            return lambda tubes: oracle.evaluate(tubes)[GAP_EV]
        if not callable(source):
            raise ConfigurationError(f"{source!r} gives no gaps: give an oracle or a function of a list of tubes")
        function: Callable[[list[Nanotube]], Any] = source
        return lambda tubes: np.asarray(function(tubes), dtype=np.float64)

    def _scores(self, gaps: FloatArray, designs: Designs, targets: FloatArray) -> Scores:
        found = np.column_stack([gaps, self._sizes(designs)])
        rewards = tolerance(found - targets, np.array(self.margins))
        reward = rewards.mean(axis=1)
        told = dict(zip(self.target_names, found.T, strict=True))
        return Scores.certain(reward, np.asarray(gaps), 1.0 - reward, told)

    @cached_property
    def _by_index(self) -> FloatArray:
        """(n, m, 2): diameter and length of one cell, nm, unstrained; NaN where there is no such tube."""
        sizes = np.full((*self.space.fits.shape, 2), np.nan)
        for n, m in zip(*np.nonzero(self.space.fits), strict=True):
            lattice = tube_lattice(int(n) + 1, int(m), 1)
            sizes[n, m] = lattice.diameter_nm, lattice.length_angstrom / 10.0
        return sizes

    def _sizes(self, designs: Designs) -> FloatArray:
        """(B, 2) diameter and length, nm, of strained tubes."""
        strain = STRAINS[designs[:, 3]]
        diameter, cell = self._by_index[designs[:, 0], designs[:, 1]].T
        return np.stack(
            [diameter * (1.0 - POISSON_RATIO * strain), cell * (designs[:, 2] + 1) * (1.0 + strain)], axis=1
        )

    def achieved(self, scores: Scores) -> FloatArray:
        """(B, 3) gap, diameter, length."""
        return np.stack([scores.objectives[name] for name in self.target_names], axis=1)

    def reward_of(self, achieved: FloatArray, targets: FloatArray) -> FloatArray:
        """(B,) mean of the tolerances."""
        return np.asarray(tolerance(achieved - targets, np.array(self.margins)).mean(axis=1))

    def rewards(self, scores: Scores, designs: Designs, targets: FloatArray) -> FloatArray:
        """(B, 3) the tolerances."""
        del designs
        return tolerance(self.achieved(scores) - targets, np.array(self.margins))

    def tubes(self, designs: Designs) -> list[Nanotube]:
        """Designs as tubes."""
        rows: IntArray = np.asarray(designs)
        return [
            Nanotube(int(n) + 1, int(m), int(cells) + 1, strain=float(STRAINS[strain])) for n, m, cells, strain in rows
        ]

    def describe(self, design: Designs) -> str:
        """The tube in words."""
        return str(self.tubes(np.asarray(design)[None])[0])
