"""Thermal conductance and conductivity of tubes of any length: from ballistic to diffusive.

The deviation F of the phonons of a pristine tube from equilibrium solves the linearised Boltzmann equation, with three-
phonon scattering and random isotopes (`matgym.physics.phonons.anharmonic`), and with the ends of a tube of length L as
scattering at the rate 2|v|/L:

    v = F (1/τ + 2|v|/L) - Σ inward F,      κ(L) = Σ C v F/(A length),      G = κ A/L,      A = π d · 0.34 nm

This is the model of Lindsay, Broido and Mingo for (10,10) and other tubes (Phys. Rev. B 80, 125407 (2009), flag M). For
L → 0 it is ballistic, Landauer's conductance of the pristine tube. `relaxation_time=True` leaves the sum out: then each
mode has a mean free path λ = 2|v|τ for backscattering and a transmission λ/(λ + L), and scattering that conserves
momentum counts as resistance.

- Four-phonon scattering is missing, as are electrons.
- Molecular dynamics is classical, and often takes the temperature gradient inside the tube, without the steps at its
  ends. For a comparison with it there are `LongTubeHeat(classical=True)` and `HeatSpectrum.inner_conductivity_w_mk`.
- Randomly placed defects of one kind add the mean free path that follows from the transmission T of one of them between
  leads: 1/λ = c (T₀/T - 1), with c defects a length (Savić, Mingo and Stewart, Phys. Rev. Lett. 101, 165502 (2008),
  flag M).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError, StructureError, require_within
from matgym.frozen import ValueObject
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.oracles import TEMPERATURES_K, cut_in_two, predict_each
from matgym.physics.phonons.anharmonic import Collisions, collisions, third_order
from matgym.physics.phonons.conductance import PhononTransport
from matgym.physics.phonons.force_constants import MASSES_AMU
from matgym.physics.phonons.vibrations import mode_heat_j_k
from matgym.structures import Nanotube, Species
from matgym.structures.memory import check_memory
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_J_K, WALL_THICKNESS_NM

THERMAL_CONDUCTIVITY_W_MK: Final = Property(
    "thermal_conductivity_w_mk",
    "W/(m K)",
    "thermal conductivity of phonons of a long tube, for a wall of 0.34 nm; depends on the length",
)

LENGTHS_NM: Final = (0.0, 1e8)
"""Smallest and largest length, nm: up to 10 cm. A choice of ours, as are the next three."""

SHARES: Final = (0.0, 1.0)
"""Range of a share of isotopes."""

SAMPLED_ANGSTROM: Final = (10.0, 1e4)
"""Smallest and largest length of the periodic tube whose waves are sampled, Å."""

DEFECT_FREQUENCIES: Final = 128
"""Frequencies at which the transmission of a defect is computed."""

STILL_KM_S: Final = 1e-6
"""Speed, km/s, below which a mode carries no heat."""

_BYTES_PER_PAIR: Final = 32
"""Memory for each pair of modes, bytes: four copies of the collisions."""

OPAQUE: Final = 1e-6
"""Share of the transmission of the pristine tube below which a defect counts as opaque."""


@dataclass(frozen=True, eq=False)
class HeatSpectrum(ValueObject):
    """The modes that carry heat along a pristine tube, one of each pair under time reversal.

    Attributes:
        omega_rad_ps: (Q,) angular frequencies, rad/ps.
        velocities_km_s: (Q,) group velocities along the axis, km/s.
        heat_j_k: (Q,) heat capacities, J/K; of the waves that are no modes, half of it.
        rates_ps: (Q,) scattering rates 1/τ, 1/ps.
        inward_ps: (Q, Q) rates, 1/ps, at which a deviation of the second mode enters the first.
        sampled_nm: length of the periodic tube with these modes, nm.
        area_nm2: cross-section of the wall, nm².
    """

    omega_rad_ps: FloatArray
    velocities_km_s: FloatArray
    heat_j_k: FloatArray
    rates_ps: FloatArray
    inward_ps: FloatArray
    sampled_nm: float
    area_nm2: float

    @property
    def mean_free_paths_nm(self) -> FloatArray:
        """The (Q,) mean free paths for backscattering by the relaxation time, 2 |v| τ, nm; infinite without any."""
        speeds = np.abs(self.velocities_km_s)  # km/s is nm/ps
        return np.divide(2.0 * speeds, self.rates_ps, out=np.full_like(speeds, np.inf), where=self.rates_ps > 0.0)

    def conductance_nw_k(self, lengths_nm: FloatArray, *, relaxation_time: bool = False) -> FloatArray:
        """Return the thermal conductance at each length, nW/K; that at length 0 is ballistic.

        Args:
            lengths_nm: (L,) lengths, nm.
            relaxation_time: whether to use the relaxation-time approximation.
        """
        speeds, velocities = np.abs(self.velocities_km_s), self.velocities_km_s
        moving = speeds > STILL_KM_S
        inward = self.inward_ps[np.ix_(moving, moving)]
        found = []
        for length in np.atleast_1d(np.asarray(lengths_nm, dtype=np.float64)).tolist():
            # With x = F/L the ends scatter at the rate 2|v|, and all others at L times their own.
            ends = self.rates_ps[moving] * length + 2.0 * speeds[moving]
            if relaxation_time or not length:
                deviation = velocities[moving] / ends
            else:
                deviation = np.linalg.solve(np.diag(ends) - length * inward, velocities[moving])
            found.append((self.heat_j_k[moving] * velocities[moving] * deviation).sum())
        # Both waves of a pair carry the same heat; J/K nm/ps over nm is 10¹² W/K.
        return np.array(found) * 2.0 * 1e12 / self.sampled_nm * 1e9

    def conductivity_w_mk(self, lengths_nm: FloatArray, *, relaxation_time: bool = False) -> FloatArray:
        """Return the thermal conductivity at each length, W/(m K); for the arguments see `conductance_nw_k`."""
        lengths = np.atleast_1d(np.asarray(lengths_nm, dtype=np.float64))
        conductance = self.conductance_nw_k(lengths, relaxation_time=relaxation_time)
        return np.asarray(conductance * lengths / self.area_nm2)  # nW nm/(K nm²) is W/(m K)

    def inner_conductivity_w_mk(self, lengths_nm: FloatArray) -> FloatArray:
        """Return the thermal conductivity at each length without the resistance of the ends, W/(m K).

        The ends are taken to resist as a ballistic tube does: κ = L/A (1/G(L) - 1/G(0))⁻¹. If all modes have one mean
        free path, this is the conductivity of an infinite tube at every length.

        Args:
            lengths_nm: (L,) lengths, nm, above zero.
        """
        lengths = np.atleast_1d(np.asarray(lengths_nm, dtype=np.float64))
        resistance = 1.0 / self.conductance_nw_k(lengths) - 1.0 / self.conductance_nw_k(np.zeros(1))
        return np.asarray(lengths / (self.area_nm2 * resistance))


@dataclass(frozen=True)
class LongTubeHeat(Model):
    """The oracle of the thermal conductivity of long tubes.

    Attributes:
        temperature_k: temperature, K.
        length_nm: length of the tube between ideal contacts, nm. The length of the given tubes is ignored.
        share_13c: share of randomly placed 13C; 0.0107 is that of natural carbon.
        defect: tube with one defect, such as a vacancy, of the same chirality as the tubes; None for none.
        defects_per_um: number of these defects a micrometre.
        sampled_angstrom: length of the periodic tube whose waves are sampled, Å.
        classical: whether modes have the occupation and the heat of classical mechanics, as in molecular dynamics.
    """

    temperature_k: float = 300.0
    length_nm: float = 1000.0
    share_13c: float = 0.0107
    defect: Nanotube | None = None
    defects_per_um: float = 0.0
    sampled_angstrom: float = 120.0
    classical: bool = False

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        require_within(*LENGTHS_NM, length_nm=self.length_nm)
        require_within(*SHARES, share_13c=self.share_13c)
        require_within(0.0, 1e3, defects_per_um=self.defects_per_um)
        require_within(*SAMPLED_ANGSTROM, sampled_angstrom=self.sampled_angstrom)
        if self.defects_per_um and self.defect is None:
            raise ConfigurationError(
                f"defects_per_um={self.defects_per_um:g} needs a tube with the defect: pass defect"
            )

    properties = (THERMAL_CONDUCTIVITY_W_MK,)
    level = Level.CLASSICAL
    validity = "pristine tubes and isotopes, three-phonon scattering by Tersoff's potential, without electrons"
    cost = Cost(seconds=60.0, sites=40, exponent=0.0)
    """Cost of a new chirality, measured with (10,10) on one core of an AMD EPYC server; it grows with the square of the
    diameter. Another length of the same tube takes seconds."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the thermal conductivity of a long tube of each chirality, W/(m K).

        Returns:
            Predictions with `thermal_conductivity_w_mk` of shape (B,); tubes with other atoms than 12C, torsion or
            turned bonds hold NaN and their reason in `failures`.
        """
        found = predict_each(tubes, self.properties, self._conductivity)
        note = (
            f"a tube of {self.length_nm:g} nm between ideal contacts, with {self.share_13c:.2%} of 13C; three-phonon "
            f"scattering only{', classical' if self.classical else ''}"
        )
        notes = {row: note for row in range(len(tubes)) if row not in found.reasons}
        return Predictions(found.values, found.failures, notes={THERMAL_CONDUCTIVITY_W_MK.key: notes} if notes else {})

    def _conductivity(self, tube: Nanotube) -> tuple[float]:
        """Return the conductivity, W/(m K)."""
        return (float(self.spectrum(tube).conductivity_w_mk(np.array([self.length_nm]))[0]),)

    def spectrum(self, tube: Nanotube) -> HeatSpectrum:
        """Return the modes of the pristine tube with their scattering rates.

        Raises:
            StructureError: if the tube is not pristine, or twisted.
            RelaxationError: if it does not come to rest, or buckles; or if the defect cannot be computed.
        """
        if reason := cut_in_two(tube):
            raise StructureError(reason)
        if not tube.is_pristine:
            raise StructureError(
                f"{tube} is decorated: give a pristine tube, and isotopes and defects by share_13c and defect"
            )
        if tube.torsion:
            raise StructureError(f"{tube} is twisted: set torsion to 0")
        third = third_order(tube.n, tube.m, tube.strain)
        points = ceil(self.sampled_angstrom / third.rise_angstrom)
        check_memory(f"{tube}: its phonon collisions", _BYTES_PER_PAIR * (3 * third.folds * points) ** 2)
        found = _collisions(tube.n, tube.m, tube.strain, self.temperature_k, points, self.share_13c, self.classical)
        velocities = found.slopes * third.rise_angstrom * 0.1  # Å/ps is 0.1 km/s
        return HeatSpectrum(
            found.omega,
            velocities,
            found.weights * (BOLTZMANN_J_K if self.classical else mode_heat_j_k(found.omega, self.temperature_k)),
            found.rates + 2.0 * np.abs(velocities) * self._defects_per_nm(tube, found.omega),
            found.inward,
            points * third.rise_angstrom / 10.0,
            math.pi * third.radius_angstrom / 5.0 * WALL_THICKNESS_NM,
        )

    def _defects_per_nm(self, tube: Nanotube, omega: FloatArray) -> FloatArray:
        """Return 1/λ of the defects at frequencies of any shape, 1/nm."""
        if self.defect is None or not self.defects_per_um:
            return np.zeros_like(omega)
        if (self.defect.n, self.defect.m, self.defect.strain) != (tube.n, tube.m, tube.strain):
            raise StructureError(f"the defect is in {self.defect}: give one in the chirality and strain of {tube}")
        transport = PhononTransport(self.temperature_k, DEFECT_FREQUENCIES)
        step = 1.001 * float(omega.max()) / DEFECT_FREQUENCIES
        grid: FloatArray = (np.arange(DEFECT_FREQUENCIES, dtype=np.float64) + 0.5) * step
        pristine = Nanotube(tube.n, tube.m, self.defect.cells, strain=tube.strain)
        (whole, damaged), failures = transport.transmission([pristine, self.defect], grid)
        if failures:
            raise RelaxationError(next(iter(failures.values())))
        share = np.clip(np.divide(damaged, whole, out=np.ones_like(whole), where=whole > OPAQUE), OPAQUE, 1.0)
        return np.asarray(np.interp(omega, grid, (1.0 / share - 1.0) * self.defects_per_um * 1e-3))


@lru_cache(maxsize=4)
def _collisions(
    n: int, m: int, strain: float, temperature_k: float, points: int, share_13c: float, classical: bool
) -> Collisions:
    third = third_order(n, m, strain)
    return collisions(third, points, temperature_k, mass_variance(share_13c), classical=classical)


def mass_variance(share_13c: float) -> float:
    """Return Σ c (1 - M/mean)² of carbon with a share of 13C."""
    light, heavy = (float(MASSES_AMU[isotope]) for isotope in (Species.C12, Species.C13))
    mean = (1.0 - share_13c) * light + share_13c * heavy
    return (1.0 - share_13c) * (1.0 - light / mean) ** 2 + share_13c * (1.0 - heavy / mean) ** 2
