"""Optical transitions E11 to E44, M11 and M22 of undecorated tubes of any chirality.

Light polarised along the axis excites electrons between the van Hove singularities of the valence and the conduction
band on the same cutting line. By tight binding a transition is 2 min |f| along the line at a distance 2p/3d from the K
point: p = 1, 2, 4, 5 for E11 to E44 of semiconducting tubes, and 3 and 6 for both branches of M11 and M22 of metallic
tubes, one line on either side of K (Saito, Dresselhaus and Dresselhaus, Phys. Rev. B 61, 2981 (2000)).

The π model has neither the attraction of electron and hole nor the self-energy, which together add 0.1 to 0.5 eV.
`environment` chooses an empirical relation instead: see `matgym.physics.electrons.kataura`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from matgym.models import Cost, Level, Model, Predictions, Property, Space
from matgym.physics.electrons.kataura import METALLIC, SEMICONDUCTING, relation
from matgym.physics.electrons.tight_binding import PiParameters, hoppings
from matgym.physics.oracles import cut_in_two
from matgym.structures import Nanotube, TubeLattice
from matgym.typing import FloatArray

SCANNED_WAVES: Final = 401
"""Wave vectors at which |f| is computed on a cutting line to find its minimum near K."""

REACH: Final = 0.425
"""Largest distance along a cutting line at which the minimum is sought, 1/Å: half the distance from K to M."""

SYMBOLS: Final = MappingProxyType(
    {name: name.upper() for name in SEMICONDUCTING}
    | {name: name[:3].upper() + ("⁻" if name.endswith("lower") else "⁺") for name in METALLIC}
)
"""Symbol of each transition by its name in `matgym.physics.electrons.kataura`: M11⁻ and M11⁺ are its two branches."""

OPTICAL: Final = MappingProxyType(
    {
        name: Property(f"{name}_ev", "eV", f"optical transition {symbol} of an undecorated tube")
        for name, symbol in SYMBOLS.items()
    }
)
"""The property of each transition, by its name in `matgym.physics.electrons.kataura`."""


@dataclass(frozen=True)
class OpticalTransitions(Model):
    """The oracle of optical transitions.

    Attributes:
        environment: environment of an empirical relation; empty for tight binding.
        parameters: parameters of the π model.

    Raises:
        ConfigurationError: if there is no relation for the environment.
    """

    environment: str = ""
    parameters: PiParameters = field(default_factory=PiParameters)

    def __post_init__(self) -> None:
        if self.environment:
            relation(self.environment)

    properties = tuple(OPTICAL.values())

    @property
    def validity(self) -> str:
        """What its values are valid for."""
        if self.environment:
            return "undecorated tubes in that environment, within the diameters of the measurements"
        return "undecorated tubes, without excitons and self-energy, which add 0.1 to 0.5 eV"

    cost = Cost(seconds=2e-3, sites=128, exponent=0.0)
    """Cost of a new chirality, measured on one core of an AMD EPYC server; a repeated one is looked up."""

    @property
    def level(self) -> Level:
        """What stands behind its values."""
        return Level.EMPIRICAL if self.environment else Level.PI

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed; empty if one can."""
        return "" if self.environment else self.parameters.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the transitions of each tube, eV.

        Returns:
            Predictions of shape (B,) for each transition. A transition that the tube does not have (E11 of a metallic
            tube), or that the relation does not know, holds NaN and the reason in `failures`; so do tubes with other
            atoms than carbon, and for tight binding tubes that are too thin for the π model.
        """
        values = {prop.key: np.full(len(tubes), np.nan) for prop in self.properties}
        failures: dict[str, dict[int, str]] = {key: {} for key in values}
        notes: dict[str, dict[int, str]] = {key: {} for key in values}
        for row, tube in enumerate(tubes):
            reason = self._outside(tube)
            found = {} if reason else self._energies(tube)
            for name, prop in OPTICAL.items():
                if name in found:
                    values[prop.key][row] = found[name]
                    if note := self._note(tube, name):
                        notes[prop.key][row] = note
                else:
                    failures[prop.key][row] = reason or self._missing(tube, name)
        return Predictions(
            values,
            {key: reasons for key, reasons in failures.items() if reasons},
            notes={key: said for key, said in notes.items() if said},
        )

    def _outside(self, tube: Nanotube) -> str:
        if reason := cut_in_two(tube):
            return reason
        if not tube.is_carbon or tube.stone_wales:
            return f"{tube}: optical transitions are those of a tube of carbon without defects, by its chirality"
        if not self.environment:
            return self.parameters.outside(tube) or ""
        if tube.strain or tube.torsion:
            return f"{tube}: the relation for {self.environment!r} holds without strain and torsion; use tight binding"
        return ""

    def _energies(self, tube: Nanotube) -> dict[str, float]:
        if self.environment:
            return relation(self.environment).energies_ev(tube.n, tube.m)
        return transition_energies(tube, self.parameters)

    def _missing(self, tube: Nanotube, name: str) -> str:
        kind = "metallic" if (tube.n - tube.m) % 3 == 0 else "semiconducting"
        if (name in SEMICONDUCTING) == (kind == "metallic"):
            return f"{tube} is {kind} and has no {SYMBOLS[name]}"
        return f"the relation for {self.environment!r} does not know {SYMBOLS[name]}"

    def _note(self, tube: Nanotube, name: str) -> str:
        if self.environment:
            return relation(self.environment).source
        measured = relation("air").energies_ev(tube.n, tube.m).get(name)
        beside = f"; in air {measured:.2f} eV (empirical)" if measured and not tube.strain and not tube.torsion else ""
        return f"tight binding without excitons{beside}"


def transition_energies(tube: Nanotube, parameters: PiParameters) -> dict[str, float]:
    """Return the transitions of the undecorated tube by name, eV, by tight binding."""
    lattice = tube.lattice
    strengths = tuple(hoppings(tube, parameters).tolist())
    lines = _cutting_lines(lattice)
    if (tube.n - tube.m) % 3:
        by_distance = {round(3 * abs(line)): line for line in lines}
        return {name: _least(lattice, strengths, by_distance[p]) for name, p in SEMICONDUCTING.items()}
    found: dict[str, float] = {}
    for p, name in ((3, "m11"), (6, "m22")):
        pair = sorted(_least(lattice, strengths, line) for line in lines if round(3 * abs(line)) == p)
        found |= {f"{name}_lower": pair[0], f"{name}_upper": pair[-1]}
    return found


def curvature_gap_ev(tube: Nanotube, parameters: PiParameters) -> float:
    """Return the transition on the cutting line through K of a metallic tube, eV: its curvature gap."""
    return _least(tube.lattice, tuple(hoppings(tube, parameters).tolist()), 0.0)


def _cutting_lines(lattice: TubeLattice) -> list[float]:
    """Return the distances from K of the cutting lines next to it, in units of the distance of two lines."""
    around, _ = _valley(lattice)
    place = around * lattice.circumference_angstrom / (2.0 * np.pi)
    nearest = np.round(place)
    # The place of K is a multiple of 1/3; rounding errors must not move a line.
    return [round(3.0 * float(nearest + shift - place)) / 3.0 for shift in range(-3, 4)]


def _valley(lattice: TubeLattice) -> tuple[float, float]:
    """Return K around and along the tube, 1/Å: there the phases of the three bonds of an A site differ by 2π/3."""
    bonds = lattice.bond_vectors
    around, along = np.linalg.solve(bonds[1:] - bonds[:-1], np.full(2, 2.0 * np.pi / 3.0))
    return float(around), float(along)


@lru_cache(maxsize=65_536)
def _least(lattice: TubeLattice, strengths: tuple[float, ...], line: float) -> float:
    """Return twice the least |f| on a cutting line near K, eV.

    Args:
        lattice: lattice of the tube.
        strengths: hopping matrix elements of the three bonds of an A site, eV.
        line: distance of the line from K, in units of the distance of two lines.
    """
    from scipy.optimize import minimize_scalar

    around, along = _valley(lattice)
    around += 2.0 * np.pi * line / lattice.circumference_angstrom

    def energies(away: FloatArray) -> FloatArray:
        waves = np.stack([np.full_like(away, around), along + away], axis=-1)
        return np.asarray(2.0 * np.abs(np.exp(1j * waves @ lattice.bond_vectors.T) @ np.array(strengths)))

    scan = np.linspace(-REACH, REACH, SCANNED_WAVES)
    on_scan = energies(scan)
    inner = np.flatnonzero((on_scan[1:-1] <= on_scan[:-2]) & (on_scan[1:-1] <= on_scan[2:])) + 1
    best = int(inner[np.abs(scan[inner]).argmin()]) if len(inner) else int(on_scan.argmin())
    bracket = scan[max(best - 1, 0)], scan[min(best + 1, SCANNED_WAVES - 1)]
    refined = minimize_scalar(
        lambda away: float(energies(np.array([away]))[0]), bounds=bracket, method="bounded", options={"xatol": 1e-9}
    )
    return float(min(on_scan[best], refined.fun))
