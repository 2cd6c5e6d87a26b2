"""Optical absorption spectra and maps of photoluminescence of single-walled tubes.

Lines are at the transitions of the empirical relations of `matgym.physics.electrons.kataura` for the environment. Each
absorption line has a phonon sideband; photoluminescence is emitted at E11 by semiconducting tubes and excited at E22
and higher transitions. Widths and strengths are constants that we chose, typical of tubes in water.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, require_within
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.electrons.kataura import relation
from matgym.structures.lattice import tube_lattice
from matgym.typing import FloatArray, IntArray

WIDTHS_EV: Final = {"e11": 0.035, "e22": 0.07, "e33": 0.1, "e44": 0.12, "m11_lower": 0.08, "m11_upper": 0.08}
"""Full widths at half maximum, eV. A choice of ours."""

STRENGTHS: Final = {"e11": 1.0, "e22": 0.6, "e33": 0.4, "e44": 0.3, "m11_lower": 0.5, "m11_upper": 0.4}
"""Areas relative to E11. A choice of ours."""

SIDEBAND: Final = (0.2, 0.12, 0.08)
"""Distance of the phonon sideband, eV, its full width, eV, and its share of the area: Perebeinos, Tersoff and Avouris,
Phys. Rev. Lett. 94, 027402 (2005) for the distance of about 0.2 eV, from memory (flag M); the others are a choice."""


@dataclass(frozen=True)
class Photometer(ValueObject):
    """The grid of photon energies of an absorption spectrum, or of one axis of a map.

    Attributes:
        start_ev: first photon energy, eV.
        stop_ev: last photon energy, eV.
        points: number of energies.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    start_ev: float = 0.75
    stop_ev: float = 3.5
    points: int = 1101

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(0.1, 10.0, start_ev=self.start_ev)
        require_within(self.start_ev + 0.01, 10.0, stop_ev=self.stop_ev)
        require_within(2, 1_000_000, points=self.points)

    @property
    @returns_read_only
    def energies_ev(self) -> FloatArray:
        """(X,) photon energies, eV."""
        return np.linspace(self.start_ev, self.stop_ev, self.points)


EMISSION: Final = Photometer(0.75, 1.5, 151)
"""The default axis of emission of a map."""

EXCITATION: Final = Photometer(1.5, 3.0, 151)
"""The default axis of excitation of a map."""


@dataclass(frozen=True)
class Line:
    """An absorption line.

    Attributes:
        name: name of the transition.
        energy_ev: photon energy, eV.
        width_ev: full width at half maximum, eV.
        area: area relative to E11.
    """

    name: str
    energy_ev: float
    width_ev: float
    area: float


def transitions_ev(n: int, m: int, environment: str) -> dict[str, float]:
    """Return the transitions of a tube that have an optical line, eV, by name.

    Raises:
        ConfigurationError: if there is no such environment.
    """
    tube_lattice(n, m, 1)  # raises an error for what is no chirality
    found = relation(environment).energies_ev(n, m)
    return {name: energy for name, energy in found.items() if name in WIDTHS_EV}


def absorption_spectra(
    chiralities: Sequence[tuple[int, int]] | IntArray,
    grid: Photometer | None = None,
    *,
    environment: str = "dispersed",
) -> FloatArray:
    """Return absorption spectra of tubes, for each carbon atom; that of a mixture is a weighted sum of them.

    Args:
        chiralities: (B, 2) chiral indices, n >= m.
        grid: default `Photometer()`.
        environment: a key of `matgym.physics.electrons.kataura.RELATIONS`.

    Returns:
        (B, X) absorption on `grid.energies_ev`, in which E11 has an area of 1 eV.

    Raises:
        ConfigurationError: if there is no such environment, or its relation does not know a tube.

    Example:
        >>> spectrum = absorption_spectra([(6, 5)], environment="sds")[0]
        >>> float(Photometer().energies_ev[spectrum.argmax()].round(2))
        1.27
    """
    energies = (grid or Photometer()).energies_ev
    pairs = np.asarray(chiralities).tolist()
    return np.array([absorption_of(absorption_lines(n, m, environment), energies) for n, m in pairs])


def absorption_lines(n: int, m: int, environment: str = "dispersed") -> list[Line]:
    """Return the absorption lines of a tube.

    Raises:
        ConfigurationError: as `absorption_spectra`.
    """
    found = transitions_ev(n, m, environment)
    if not found:
        raise ConfigurationError(f"the relation for environment={environment!r} knows no transition of ({n}, {m})")
    return [Line(name, energy, WIDTHS_EV[name], STRENGTHS[name]) for name, energy in found.items()]


def absorption_of(lines: Sequence[Line], energies_ev: FloatArray) -> FloatArray:
    """Return the (X,) absorption of lines, each with its phonon sideband.

    Args:
        lines: the lines.
        energies_ev: (X,) photon energies, eV.
    """
    spectrum = np.zeros(len(energies_ev))
    apart, wide, share = SIDEBAND
    for line in lines:
        own = (1.0 - share) * _lorentzian(energies_ev, line.energy_ev, line.width_ev)
        side = share * _lorentzian(energies_ev, line.energy_ev + apart, wide)
        spectrum += line.area * (own + side)
    return spectrum


def emission_maps(
    chiralities: Sequence[tuple[int, int]] | IntArray,
    emission: Photometer = EMISSION,
    excitation: Photometer = EXCITATION,
    *,
    environment: str = "dispersed",
) -> FloatArray:
    """Return maps of photoluminescence: excited by absorption above E11, emitted at E11.

    Args:
        chiralities: (B, 2) chiral indices, n >= m.
        emission: energies of emission.
        excitation: energies of excitation.
        environment: a key of `matgym.physics.electrons.kataura.RELATIONS`.

    Returns:
        (B, Y, X) intensities, rows by excitation, columns by emission; 0 for metallic tubes, which do not emit.

    Raises:
        ConfigurationError: if there is no such environment.
    """
    maps = np.zeros((len(chiralities), excitation.points, emission.points))
    for row, (n, m) in enumerate(np.asarray(chiralities).tolist()):
        found = transitions_ev(n, m, environment)
        if "e11" in found:
            emitted = _lorentzian(emission.energies_ev, found["e11"], WIDTHS_EV["e11"])
            absorbed = absorption_spectra([(n, m)], excitation, environment=environment)[0]
            maps[row] = absorbed[:, None] * emitted
    return maps


def _lorentzian(energies: FloatArray, middle: float, width: float) -> FloatArray:
    """Return the (X,) Lorentzian of unit area and a full width at half maximum."""
    half = 0.5 * width
    return np.asarray(half / np.pi / ((energies - middle) ** 2 + half**2))
