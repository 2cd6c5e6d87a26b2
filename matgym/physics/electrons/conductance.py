"""Landauer transmission and conductance of a decorated tube between pristine leads.

The device is one copy of the tube, unrelaxed, between two half-infinite pristine tubes of its chirality and strain; it
is not repeated. T(E) comes from the π tight-binding Hamiltonian by recursive Green's functions
(`matgym.physics.transport.greens`); the conductance at a temperature is Landauer's integral
(`matgym.physics.transport.landauer`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, require_within
from matgym.frozen import cached_by_bytes
from matgym.models import Cost, Level, Model, Predictions, Property, Space
from matgym.physics.electrons.bands import pristine_gap
from matgym.physics.electrons.tight_binding import PiParameters, hoppings
from matgym.physics.oracles import POTENTIALS_EV, TEMPERATURES_K, finite_numbers
from matgym.physics.transport.greens import Lead, Surfaces, transmission
from matgym.physics.transport.landauer import THERMAL_REACH, electron_moments
from matgym.physics.transport.slabs import (
    Slabs,
    alike,
    by_lead,
    not_between_leads,
    stacked_species,
    too_large_between_leads,
)
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray
from matgym.units import BOLTZMANN_EV_K, CONDUCTANCE_QUANTUM_US

CONDUCTANCE_US = Property(
    "conductance_us", "µS", "Landauer conductance between pristine leads, both spins", between_leads=True
)

BROADENING_EV = 1e-6
"""Imaginary part of the energy in the leads, eV, from which `Lead.surface` extrapolates to zero."""

NO_TRANSMISSION = 1e-9
"""Transmission below which it is set to zero."""

WINDOW_POINTS = 1.5
"""Least number of energies within k_B T; the trapezoid rule then gives the area of the thermal window to 10⁻¹¹."""

STEPS_EV: Final = (1e-6, 1.0)
"""Smallest and largest spacing of energies, eV. A choice of ours."""

MAX_ENERGIES: Final = 10_000
"""Most energies of one grid; for a tube of 0.6 nm they take about 10 s of a core. A choice of ours."""

HOPS = (1, 2)
"""Number of bonds of the intact lattice that a hop spans, without and with a Stone-Wales pair."""


@dataclass(frozen=True)
class PiTransport(Model):
    """The oracle of the transmission and the conductance of the π electrons.

    Attributes:
        parameters: parameters of the π model.
        temperature_k: temperature of the leads, K.
        mu_ev: chemical potential, eV, on the scale where carbon's orbital is at zero, which is the middle of the bands
            of neutral leads.
        step_ev: spacing of the energies at which T(E) is computed, eV.
    """

    parameters: PiParameters = field(default_factory=PiParameters)
    temperature_k: float = 300.0
    mu_ev: float = 0.0
    step_ev: float = 0.01

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        require_within(*POTENTIALS_EV, mu_ev=self.mu_ev)
        require_within(*STEPS_EV, step_ev=self.step_ev)
        energy_grid(self.mu_ev, self.mu_ev, self.temperature_k, self.step_ev)  # raises an error for too many energies

    properties = (CONDUCTANCE_US,)
    level = Level.PI
    cost = Cost(seconds=0.01, sites=128, exponent=1.0)
    """Cost, measured on one core of an AMD EPYC server, at 300 K, in batches of 64."""

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed: all are too thin for the π model; empty if one can."""
        return self.parameters.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the conductance of each tube, µS.

        Returns:
            Predictions with `conductance_us` of shape (B,); tubes that are cut in two, too thin for the model, or
            have a turned bond across their end hold NaN and their reason in `failures`.
        """
        conductance = np.full(len(tubes), np.nan)
        failures: dict[int, str] = {}
        for rows in by_lead(tubes):
            if reason := self.parameters.outside(tubes[rows[0]]):
                failures |= {row: self.parameters.outside(tubes[row]) or reason for row in rows}
                continue
            energies, transmissions, failed = self.spectrum([tubes[row] for row in rows], self.mu_ev, self.mu_ev)
            zeroth, _, _ = electron_moments(energies, transmissions, np.array([self.mu_ev]), self.temperature_k)
            conductance[rows] = CONDUCTANCE_QUANTUM_US * zeroth[:, 0]
            failures |= {rows[i]: reason for i, reason in failed.items()}
        return Predictions.together({CONDUCTANCE_US.key: conductance}, failures)

    def spectrum(
        self, tubes: Sequence[Nanotube], lowest_ev: float, highest_ev: float
    ) -> tuple[FloatArray, FloatArray, dict[int, str]]:
        """Return the transmission of tubes between the same leads at all energies that a conductance depends on.

        The energies include the band edges of the leads: at a chemical potential in the gap, the current flows there.

        Args:
            tubes: B tubes of the same chirality and deformation.
            lowest_ev: lowest chemical potential, eV.
            highest_ev: highest chemical potential, eV.

        Returns:
            (E,) energies, eV; (B, E) transmission, with rounding errors in gaps set to zero; and reasons of failures
            by row.
        """
        edge = pristine_gap(tubes[0], self.parameters) / 2.0
        energies = energy_grid(min(lowest_ev, -edge), max(highest_ev, edge), self.temperature_k, self.step_ev)
        transmissions, failures = self.transmission(tubes, energies)
        return energies, np.where(np.abs(transmissions) < NO_TRANSMISSION, 0.0, transmissions), failures

    def transmission(self, tubes: Sequence[Nanotube], energies_ev: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Return the transmission of each tube for one spin, and the failures.

        Args:
            tubes: B tubes.
            energies_ev: (E,) energies, eV, on the scale where carbon's orbital is at zero.

        Returns:
            (B, E) transmission, NaN in rows that could not be computed; and the reason by row.
        """
        energies = finite_numbers("energies_ev", energies_ev)
        transmissions = np.full((len(tubes), len(energies)), np.nan)
        failures = {row: reason for row, tube in enumerate(tubes) if (reason := self._outside(tube))}
        sound = [row for row in range(len(tubes)) if row not in failures]
        for rows, slabs in alike([tubes[row] for row in sound], HOPS):
            if reason := too_large_between_leads(tubes[sound[rows[0]]], slabs, len(energies)):
                failures |= {sound[i]: reason for i in rows}
                continue
            batch = [tubes[sound[i]] for i in rows]
            strengths = tuple(hoppings(batch[0], self.parameters).tolist())
            lead = pi_lead(slabs, strengths)
            surfaces = _surfaces(slabs, strengths, energies.tobytes())
            inner, couplings = pi_devices(batch, slabs, lead, self.parameters)
            transmissions[[sound[i] for i in rows]] = transmission(inner, couplings, energies, surfaces)
        return transmissions, failures

    def _outside(self, tube: Nanotube) -> str | None:
        return self.parameters.outside(tube) or not_between_leads(tube)


def energy_grid(lowest_ev: float, highest_ev: float, temperature_k: float, step_ev: float) -> FloatArray:
    """Return energies, eV, that extend `THERMAL_REACH` beyond a range of chemical potentials.

    At low temperature their spacing is smaller than `step_ev`, to resolve the thermal window. The grid is shifted by
    half a step to avoid E = 0, where zero modes of vacancies make a very narrow peak of T(E).

    Raises:
        ConfigurationError: if there would be more than `MAX_ENERGIES`.
    """
    thermal = BOLTZMANN_EV_K * temperature_k
    reach, step_ev = THERMAL_REACH * thermal, min(step_ev, thermal / WINDOW_POINTS)
    first, last = np.floor((lowest_ev - reach) / step_ev), np.ceil((highest_ev + reach) / step_ev)
    if not last - first <= MAX_ENERGIES:
        raise ConfigurationError(
            f"chemical potentials and band edges from {lowest_ev:g} to {highest_ev:g} eV at temperature_k="
            f"{temperature_k:g} need {last - first:,.0f} energies, more than {MAX_ENERGIES:,}: give another "
            "temperature, a narrower range or a larger step_ev"
        )
    return np.asarray((np.arange(first, last) + 0.5) * step_ev)


@cached_by_bytes()
def _surfaces(slabs: Slabs, strengths: tuple[float, ...], energies: bytes) -> Surfaces:
    """Return the surface Green's functions of the leads, which are the same in all batches."""
    return pi_lead(slabs, strengths).surface(np.frombuffer(energies), BROADENING_EV)


def pi_lead(slabs: Slabs, strengths: Sequence[float]) -> Lead:
    """Return the lead in which the three bonds of an A site have these hopping matrix elements, eV."""
    inner, up = np.zeros((2, slabs.n_sites, slabs.n_sites))
    for a, b, slab, k in slabs.bonds:
        if slab == 0:
            inner[a, b] += strengths[k]
            inner[b, a] += strengths[k]
        elif slab == 1:
            up[a, b] += strengths[k]
        else:
            up[b, a] += strengths[k]
    return Lead(inner, up, slabs.folds)


def pi_devices(
    tubes: Sequence[Nanotube], slabs: Slabs, lead: Lead, parameters: PiParameters
) -> tuple[FloatArray, FloatArray]:
    """Return the Hamiltonians, eV, of tubes between leads: (B, S, M, M) slabs and (B, S + 1, M, M) couplings."""
    species = stacked_species(tubes, slabs)
    present = (species != Species.VACANCY).astype(np.float64)
    inner = lead.inner * present[..., :, None] * present[..., None, :]
    couplings = lead.up * present[:, :-1, :, None] * present[:, 1:, None, :]
    for row, tube in enumerate(tubes):
        if tube.stone_wales:
            _turn(tube, slabs, inner[row], couplings[row], present[row], -parameters.hopping_ev)
    sites = np.arange(slabs.n_sites)
    inner[..., sites, sites] += parameters.onsite_table()[species]
    return inner[:, 1:-1], couplings


def _turn(
    tube: Nanotube, slabs: Slabs, inner: FloatArray, couplings: FloatArray, present: FloatArray, hopping_ev: float
) -> None:
    """Put the turned bonds of a tube into its slabs' matrices, in place."""
    intact, turned = tube.lattice.bonds, tube.bonds
    for pair in tube.stone_wales:
        touching = np.flatnonzero(np.isin(turned[:, :2], pair).any(axis=1))
        cut = np.flatnonzero(np.isin(intact[:, :2], pair).any(axis=1))
        for bonds, rows, value in ((intact, cut, 0.0), (turned, touching, hopping_ev)):
            for one, other, image in bonds[rows].tolist():
                # The device contains one copy of the pair, whose atoms are those of the home cell.
                home, away, image_away = (one, other, image) if one in pair else (other, one, -image)
                (s, i), (t, j) = slabs.place_of(home, 0), slabs.place_of(away, image_away)
                strength = value * present[s + 1, i] * present[t + 1, j]
                if s == t:
                    inner[s + 1, i, j] = inner[s + 1, j, i] = strength
                elif t > s:
                    couplings[s + 1, i, j] = strength
                else:
                    couplings[t + 1, j, i] = strength
