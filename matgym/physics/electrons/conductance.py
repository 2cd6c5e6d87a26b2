"""Landauer transmission and conductance of a decorated tube between pristine leads.

The device is one copy of the tube, unrelaxed, between two half-infinite pristine tubes of its chirality and strain; it
is not repeated. T(E) comes from the π tight-binding Hamiltonian by recursive Green's functions
(`matgym.physics.transport.greens`); the conductance at a temperature is Landauer's integral
(`matgym.physics.transport.landauer`).
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError, require_within
from matgym.frozen import ValueObject, cached_by_bytes
from matgym.models import Cost, Level, Model, Predictions, Property, Space
from matgym.physics.electrons.neutrality import Potential, check_potential, potential_note, potentials_of
from matgym.physics.electrons.subbands import subbands
from matgym.physics.electrons.tight_binding import PiParameters, hoppings
from matgym.physics.notes import said
from matgym.physics.oracles import TEMPERATURES_K, finite_numbers, rows_by
from matgym.physics.transport.greens import Lead, Surfaces, transmission
from matgym.physics.transport.slabs import (
    Slabs,
    alike,
    deformation,
    not_between_leads,
    stacked_species,
    too_large_between_leads,
)
from matgym.physics.transport.window import FermiWindow, Sampled
from matgym.structures import Nanotube, Species
from matgym.typing import FloatArray, IntArray
from matgym.units import CONDUCTANCE_QUANTUM_US

CONDUCTANCE_US = Property(
    "conductance_us", "µS", "Landauer conductance between pristine leads, both spins", between_leads=True
)

BROADENING_EV = 1e-6
"""Imaginary part of the energy in the leads, eV, from which `Lead.surface` extrapolates to zero."""

NO_TRANSMISSION = 1e-9
"""Transmission below which it is set to zero."""

TOLERANCES_US: Final = (1e-6, 10.0)
"""Smallest and largest error of a conductance, µS, that may be asked for. A choice of ours."""

RELATIVE_TOLERANCE: Final = 0.01
"""Largest error of a conductance relative to itself: a small conductance in a gap is known to two digits."""

HOPS = (1, 2)
"""Number of bonds of the intact lattice that a hop spans, without and with a Stone-Wales pair."""


@dataclass(frozen=True, eq=False)
class Device(ValueObject):
    """A tube between leads with its Hamiltonian.

    Attributes:
        tube: tube.
        onsite_ev: (n_sites,) on-site energies, eV.
        ratios: (species codes, species codes) hopping of pairs of species over that of carbon at the same length; None
            if all are 1.
    """

    tube: Nanotube
    onsite_ev: FloatArray
    ratios: FloatArray | None = None


@dataclass(frozen=True)
class Landauer(Model):
    """A model of the transmission and the conductance of π electrons between leads without charges.

    Attributes:
        parameters: parameters of the model, of a class that each model has for itself.
        temperature_k: temperature of the leads, K.
        mu_ev: chemical potential, eV, on the scale where carbon's orbital is at zero, which is the middle of the bands
            of neutral leads; or "leads" (zero) or "tube", whose neutrality sets it: see
            `matgym.physics.electrons.neutrality`.
        tolerance_us: largest estimated error of the conductance, µS. T(E) is computed at more energies until it is
            met, and never at a fixed number of energies.
    """

    parameters: object
    temperature_k: float = 300.0
    mu_ev: Potential = 0.0
    tolerance_us: float = 0.05

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        check_potential("mu_ev", self.mu_ev)
        require_within(*TOLERANCES_US, tolerance_us=self.tolerance_us)

    properties = (CONDUCTANCE_US,)

    @property
    @abstractmethod
    def carbon(self) -> PiParameters:
        """Parameters of the π model of the leads."""

    @abstractmethod
    def devices(self, tubes: Sequence[Nanotube]) -> tuple[list[Device | None], dict[int, str]]:
        """Return the device of each tube, None where there is none; and the reasons by row.

        Args:
            tubes: B tubes to which the model of the leads applies, and which leave a path between them.
        """

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be computed: all are too thin for the π model; empty if one can."""
        return self.carbon.unsupported(space)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the conductance of each tube, µS.

        Returns:
            Predictions with `conductance_us` of shape (B,); tubes that are cut in two, too thin for the model, or
            have a turned bond across their end hold NaN and their reason in `failures`. A note tells the chemical
            potential where it is not the only one to choose, and where the estimated error is larger than
            `tolerance_us`.
        """
        conductance = np.full(len(tubes), np.nan)
        notes = dict[int, str]()
        potentials, failures = potentials_of(tubes, self.mu_ev, self.carbon, self.temperature_k)
        sound = [row for row in range(len(tubes)) if row not in failures]
        for group in rows_by((deformation(tubes[row]), potentials[row]) for row in sound):
            rows = [sound[i] for i in group]
            mu = potentials[rows[:1]]
            if reason := self.carbon.outside(tubes[rows[0]]):
                failures |= {row: self.carbon.outside(tubes[row]) or reason for row in rows}
                continue
            absolute = self.tolerance_us / CONDUCTANCE_QUANTUM_US
            found, failed = self.sampled([tubes[row] for row in rows], mu, 0, absolute, RELATIVE_TOLERANCE)
            zeroth, _, _ = found.moments(mu, self.temperature_k)
            conductance[rows] = CONDUCTANCE_QUANTUM_US * zeroth[:, 0]
            failures |= {rows[i]: reason for i, reason in failed.items()}
            for i, row in enumerate(rows):
                rough = CONDUCTANCE_QUANTUM_US * found.error[i] if found.error[i] > absolute else 0.0
                note = said(potential_note(tubes[row], self._asked, mu[0]), _rough_note(rough))
                if note and i not in failed:
                    notes[row] = note
        conductance[list(failures)] = np.nan
        return Predictions.together({CONDUCTANCE_US.key: conductance}, failures, notes)

    def sampled(
        self, tubes: Sequence[Nanotube], mu_ev: FloatArray, moments: int, absolute: float, relative: float
    ) -> tuple[Sampled, dict[int, str]]:
        """Return the transmission of tubes between the same leads at the energies that their integrals need.

        Args:
            tubes: B tubes of the same chirality and deformation.
            mu_ev: (M,) chemical potentials, eV, ascending.
            moments: highest power of E - μ whose integrals have to be accurate.
            absolute: largest error of the moments; see `FermiWindow.sample`.
            relative: largest error relative to the largest moment of order 0.

        Returns:
            The sampled transmission, with rounding errors in gaps set to zero and rows of zeros for tubes that failed;
            and the reasons of failures by row.
        """
        leads = subbands(tubes[0], self.carbon)
        devices, failures = self._sound_devices(tubes)

        def through(rows: IntArray, energies: FloatArray) -> FloatArray:
            found, failed = self._through([devices[row] for row in rows.tolist()], energies)
            failures.update({int(rows[i]): reason for i, reason in failed.items()})
            found = np.nan_to_num(found)
            return np.where(found < NO_TRANSMISSION, 0.0, found)

        window = FermiWindow(mu_ev, self.temperature_k, leads.half_gap_ev, moments)
        pieces = window.pieces(leads.edges_ev, leads.carry)
        return window.sample(len(tubes), pieces, through, absolute, relative), failures

    def transmission(self, tubes: Sequence[Nanotube], energies_ev: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Return the transmission of each tube for one spin, and the failures.

        Args:
            tubes: B tubes.
            energies_ev: (E,) energies, eV, on the scale where carbon's orbital is at zero.

        Returns:
            (B, E) transmission, NaN in rows that could not be computed; and the reason by row.
        """
        energies = finite_numbers("energies_ev", energies_ev)
        devices, failures = self._sound_devices(tubes)
        transmissions, failed = self._through(devices, energies)
        return transmissions, failures | failed

    def _sound_devices(self, tubes: Sequence[Nanotube]) -> tuple[list[Device | None], dict[int, str]]:
        """Return the device of each tube, None where the tube cannot be computed; and the reasons by row."""
        failures = {
            row: reason
            for row, tube in enumerate(tubes)
            if (reason := self.carbon.outside(tube) or not_between_leads(tube))
        }
        sound = [row for row in range(len(tubes)) if row not in failures]
        made, failed = self.devices([tubes[row] for row in sound])
        by_row = dict(zip(sound, made, strict=True))
        return [by_row.get(row) for row in range(len(tubes))], failures | {sound[i]: why for i, why in failed.items()}

    def _through(self, devices: Sequence[Device | None], energies: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Return the (B, E) transmission of devices, NaN without one; and the reasons of failures by row."""
        transmissions, failures = np.full((len(devices), len(energies)), np.nan), dict[int, str]()
        sound = [(row, device) for row, device in enumerate(devices) if device is not None]
        for places, slabs in alike([device.tube for _, device in sound], HOPS):
            rows, batch = zip(*(sound[place] for place in places), strict=True)
            first = batch[0].tube
            if reason := too_large_between_leads(first, slabs, len(energies)):
                failures |= dict.fromkeys(rows, reason)
                continue
            strengths = tuple(hoppings(first, self.carbon).tolist())
            lead = pi_lead(slabs, strengths)
            try:
                surfaces = _surfaces(slabs, strengths, energies.tobytes())
            except ConvergenceError as error:
                failures |= dict.fromkeys(rows, str(error))
                continue
            inner, couplings = pi_devices(batch, slabs, lead, self.carbon.hopping_ev)
            transmissions[list(rows)] = transmission(inner, couplings, energies, surfaces)
        return transmissions, failures

    @property
    def _asked(self) -> Potential:
        return "leads" if self.mu_ev == 0.0 else self.mu_ev


@dataclass(frozen=True)
class PiTransport(Landauer):
    """The oracle of the transmission and the conductance of the π electrons.

    Attributes:
        parameters: parameters of the π model.
        temperature_k: temperature of the leads, K.
        mu_ev: chemical potential, eV, on the scale where carbon's orbital is at zero, which is the middle of the bands
            of neutral leads; or "leads" (zero) or "tube", whose neutrality sets it: see
            `matgym.physics.electrons.neutrality`.
        tolerance_us: largest estimated error of the conductance, µS. T(E) is computed at more energies until it is
            met, and never at a fixed number of energies.
    """

    parameters: PiParameters = field(default_factory=PiParameters)

    level = Level.PI
    validity = (
        "one copy of an unrelaxed tube of 0.6 nm or wider between pristine leads; coherent, without charges of B and N"
    )
    cost = Cost(seconds=0.01, sites=128, exponent=1.0)
    """Cost, measured on one core of an AMD EPYC server, at 300 K, in batches of 64."""

    @property
    def carbon(self) -> PiParameters:
        """Parameters of the π model of the leads."""
        return self.parameters

    def devices(self, tubes: Sequence[Nanotube]) -> tuple[list[Device | None], dict[int, str]]:
        """Return the device of each tube: its own π Hamiltonian."""
        onsite = self.parameters.onsite_table()
        return [Device(tube, onsite[tube.species]) for tube in tubes], {}


def _rough_note(error_us: float) -> str:
    """Return a note on an error of the conductance, µS; empty if it is zero."""
    if not error_us:
        return ""
    return (
        f"{CONDUCTANCE_US.key} is known to {error_us:.2g} µS only: its transmission has narrower resonances than were "
        "resolved"
    )


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


def pi_devices(devices: Sequence[Device], slabs: Slabs, lead: Lead, hopping_ev: float) -> tuple[FloatArray, FloatArray]:
    """Return the Hamiltonians, eV, of tubes between leads: (B, S, M, M) slabs and (B, S + 1, M, M) couplings.

    Args:
        devices: B devices of the same lattice and deformation.
        slabs: their slabs.
        lead: their leads.
        hopping_ev: hopping of turned bonds of carbon, eV.
    """
    species = stacked_species([device.tube for device in devices], slabs)
    present = (species != Species.VACANCY).astype(np.float64)
    inner = lead.inner * present[..., :, None] * present[..., None, :]
    couplings = lead.up * present[:, :-1, :, None] * present[:, 1:, None, :]
    onsite = np.zeros(species.shape)
    for row, device in enumerate(devices):
        if device.tube.stone_wales:
            _turn(device.tube, slabs, inner[row], couplings[row], present[row], -hopping_ev)
        if device.ratios is not None:
            inner[row] *= device.ratios[species[row, :, :, None], species[row, :, None, :]]
            couplings[row] *= device.ratios[species[row, :-1, :, None], species[row, 1:, None, :]]
        slab, index = slabs.sites
        onsite[row, slab + 1, index] = device.onsite_ev
    sites = np.arange(slabs.n_sites)
    inner[..., sites, sites] += onsite
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
