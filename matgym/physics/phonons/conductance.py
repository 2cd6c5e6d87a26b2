"""Phonon transmission and thermal conductance of a decorated tube between pristine leads.

The device is one copy of the tube between two half-infinite pristine tubes of 12C. Isotopes change masses only, so the
force constants are those of the pristine tube. Boron, nitrogen, vacancies and turned bonds also change force constants.
A tube with these is relaxed together with a buffer of pristine tube on either side, which relaxes the strain of the
defects; the ends of the buffers are fixed at their ideal positions. The transmission is that of the harmonic lattice,
by Green's functions (Mingo and Yang, Phys. Rev. B 68, 245406 (2003)). Phonons do not scatter from each other in this
model, so the conductance is an upper bound of that of long tubes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final

import numpy as np

from matgym.errors import ConvergenceError, RelaxationError, StructureError, require_counts, require_within
from matgym.frozen import cached_by_bytes
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.relaxation import relax
from matgym.physics.notes import tersoff_note
from matgym.physics.oracles import TEMPERATURES_K, finite_numbers
from matgym.physics.phonons.force_constants import (
    HOPS,
    HelicalForceConstants,
    by_root_masses,
    pristine_force_constants,
    slab_blocks,
)
from matgym.physics.transport.greens import Lead, Surfaces, transmission
from matgym.physics.transport.landauer import phonon_conductance_nw_k
from matgym.physics.transport.slabs import (
    Deformation,
    alike,
    by_lead,
    deformation,
    not_between_leads,
    slabs_of,
    stacked_species,
    too_large_between_leads,
)
from matgym.structures import Nanotube, Species, tube_lattice
from matgym.typing import BoolArray, FloatArray
from matgym.units import BOLTZMANN_J_K, HBAR_J_S

THERMAL_CONDUCTANCE_NW_K = Property(
    "thermal_conductance_nw_k",
    "nW/K",
    "thermal conductance of phonons between pristine leads of 12C",
    between_leads=True,
)

BROADENING: Final = (1e-3, 1e-4)
"""Imaginary part of ω² in the leads, from which `Lead.surface` extrapolates: an absolute value, (rad/ps)², and the
largest fraction of ω², which limits it near zero, where the acoustic bands end. The highest band ends at 10⁵
(rad/ps)²."""

BUFFER_ANGSTROM: Final = 10.0
"""Length of the buffer of pristine tube on either side, Å, which relaxes with the device.

A defect whose relaxed length or twist differs from that of the pristine tube strains all atoms between the fixed ends;
this strain decreases only as one over the distance of the ends. Measured against 80 Å, the conductance at 300 K is off
by 0.01 % for one N, 0.05 % for a vacancy, 0.2 % for eight B and N, and 0.3 to 0.8 % for a Stone-Wales pair, in tubes of
0.4 to 0.65 nm.
"""

THERMAL_REACH: Final = 25.0
"""Largest ħω/k_B T that is included; the contribution of phonons above it is below 10⁻⁸."""

MAX_FREQUENCIES: Final = 20_000
"""Most frequencies of a transmission. A choice of ours."""

HELD_ANGSTROM: Final = 5.0
"""Length at the end of each buffer, Å, that is fixed: two bonds, the range of force constants, and two more."""


@dataclass(frozen=True)
class PhononTransport(Model):
    """The oracle of the transmission and the thermal conductance of phonons.

    Attributes:
        temperature_k: temperature of the leads, K.
        frequencies: number of points of the midpoint rule from zero to the highest frequency of `grid`. At 300 K,
            measured against 512 points, the conductance has an rms error of 0.005 nW/K at 128 and of 0.03 nW/K at 32.
    """

    temperature_k: float = 300.0
    frequencies: int = 128

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        require_counts(MAX_FREQUENCIES, frequencies=self.frequencies)

    properties = (THERMAL_CONDUCTANCE_NW_K,)
    level = Level.CLASSICAL
    validity = "harmonic, one copy between pristine leads; Tersoff's potential, doubtful at vacancies, B and N"
    cost = Cost(seconds=1.5, sites=128, exponent=1.0)
    """Cost, measured on one core of an AMD EPYC server with a doped tube, which is relaxed."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the thermal conductance of each tube, nW/K.

        Returns:
            Predictions with `thermal_conductance_nw_k` of shape (B,); tubes that are cut in two, do not come to rest or
            break a bond hold NaN and their reason in `failures`.
        """
        conductances = np.full(len(tubes), np.nan)
        failures: dict[int, str] = {}
        for rows in by_lead(tubes):
            try:
                omega, weights = self.grid(tubes[rows[0]])
            except (RelaxationError, StructureError) as error:
                failures |= dict.fromkeys(rows, str(error))
                continue
            through, failed = self.transmission([tubes[row] for row in rows], omega)
            conductances[rows] = phonon_conductance_nw_k(omega, weights, through, self.temperature_k)
            failures |= {rows[i]: reason for i, reason in failed.items()}
        notes = {
            row: note
            for row, tube in enumerate(tubes)
            if row not in failures and (note := tersoff_note(tube, repeated=False))
        }
        return Predictions.together({THERMAL_CONDUCTANCE_NW_K.key: conductances}, failures, notes)

    def grid(self, tube: Nanotube) -> tuple[FloatArray, FloatArray]:
        """Return (W,) angular frequencies and (W,) weights, rad/ps.

        They extend from zero to the highest frequency of the leads of the tube or, at low temperature, to
        `THERMAL_REACH` in units of k_B T/ħ.

        Raises:
            RelaxationError: if the pristine tube does not come to rest, or buckles.
        """
        highest = 1.001 * float(pristine_force_constants(*deformation(tube)).spectrum().max()) ** 0.5
        step = min(highest, THERMAL_REACH * self.temperature_k * BOLTZMANN_J_K / HBAR_J_S * 1e-12) / self.frequencies
        return (np.arange(self.frequencies) + 0.5) * step, np.full(self.frequencies, step)

    def transmission(self, tubes: Sequence[Nanotube], omega: FloatArray) -> tuple[FloatArray, dict[int, str]]:
        """Return the transmission of each tube, summed over all polarisations, and the failures.

        Args:
            tubes: B tubes.
            omega: (W,) angular frequencies, rad/ps.

        Returns:
            (B, W) transmission, NaN in rows that could not be computed; and the reason by row.
        """
        omega = finite_numbers("omega", omega)
        transmissions = np.full((len(tubes), len(omega)), np.nan)
        failures = {row: reason for row, tube in enumerate(tubes) if (reason := not_between_leads(tube))}
        sound = [row for row in range(len(tubes)) if row not in failures]
        for picked, slabs in alike([tubes[row] for row in sound], HOPS, orbitals=3):
            rows = [sound[i] for i in picked]
            if reason := too_large_between_leads(tubes[rows[0]], slabs, len(omega), orbitals=3):
                failures |= dict.fromkeys(rows, reason)
                continue
            try:
                constants = pristine_force_constants(*deformation(tubes[rows[0]]))
                surfaces = _surfaces(deformation(tubes[rows[0]]), slabs.hops, omega.tobytes())
            except (ConvergenceError, RelaxationError, StructureError) as error:
                failures |= dict.fromkeys(rows, str(error))
                continue
            lead = constants.lead(slabs)
            light = [row for row in rows if tubes[row].is_carbon]
            if light:
                species = stacked_species([tubes[row] for row in light], slabs)
                inner = by_root_masses(lead.inner, species[:, 1:-1], species[:, 1:-1])
                couplings = by_root_masses(lead.up, species[:, :-1], species[:, 1:])
                transmissions[light] = transmission(inner, couplings, omega**2, surfaces)
            for row in rows:
                if row not in light:
                    try:
                        transmissions[row] = self._relaxed(tubes[row], constants, omega, surfaces)
                    except (RelaxationError, StructureError) as error:
                        failures[row] = str(error)
        return transmissions, failures

    def _relaxed(
        self, tube: Nanotube, constants: HelicalForceConstants, omega: FloatArray, surfaces: Surfaces
    ) -> FloatArray:
        """Return the (W,) transmission of a tube that is relaxed and has its own force constants."""
        device = buffered(tube)
        relaxed = relax(device, fixed=held(device))
        slabs = slabs_of(device.lattice, HOPS[bool(device.stone_wales)])
        lead = constants.lead(slabs)
        inner, couplings = slab_blocks(relaxed, slabs, lead)
        species = stacked_species([device], slabs)[0]
        inner = by_root_masses(inner, species[1:-1], species[1:-1])
        couplings = by_root_masses(couplings, species[:-1], species[1:])
        (transmissions,) = transmission(inner[None], couplings[None], omega**2, surfaces)
        return np.asarray(transmissions)


@dataclass(frozen=True)
class PristinePhonons(PhononTransport):
    """A fast model that ignores the decoration of tubes, and so predicts an upper bound of their thermal conductance.

    Scattering only decreases the conductance, except for isotopes lighter than the 12C of the leads, which no tube has.
    """

    cost = Cost(seconds=1e-5, sites=128, exponent=0.0)
    """Cost of a chirality that was computed before; the first tube of a chirality takes half a second."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the thermal conductance of each tube without its decoration, nW/K, of shape (B,)."""
        results = [_pristine_conductance(*deformation(tube), self.temperature_k, self.frequencies) for tube in tubes]
        failures = {row: reason for row, (_, reason) in enumerate(results) if reason}
        return Predictions.together({THERMAL_CONDUCTANCE_NW_K.key: np.array([value for value, _ in results])}, failures)


@lru_cache(maxsize=1024)
def _pristine_conductance(
    n: int, m: int, strain: float, torsion: float, temperature_k: float, frequencies: int
) -> tuple[float, str]:
    """Return the conductance, nW/K, and the reason if it could not be computed."""
    predictions = PhononTransport(temperature_k, frequencies).predict([Nanotube(n, m, strain=strain, torsion=torsion)])
    return float(predictions[THERMAL_CONDUCTANCE_NW_K.key][0]), predictions.reasons.get(0, "")


@cached_by_bytes()
def _surfaces(of: Deformation, hops: int, omega: bytes) -> Surfaces:
    """Return surface Green's functions of leads, which take longer than a device and are the same in all batches."""
    slabs = slabs_of(tube_lattice(*of[:2], 1), hops)
    lead = mass_lead(pristine_force_constants(*of).lead(slabs))
    squares = np.frombuffer(omega) ** 2
    return lead.surface(squares, np.minimum(BROADENING[0], BROADENING[1] * squares))


def buffered(tube: Nanotube) -> Nanotube:
    """Return the tube with the buffers on either side."""
    return tube.extended(ceil(BUFFER_ANGSTROM * tube.cells / tube.length_angstrom))


def held(tube: Nanotube) -> BoolArray:
    """Return (n_sites,) whether each site of a buffered tube is fixed at its position in the pristine tube."""
    height = tube.lattice.site_fractions[:, 1] * tube.length_angstrom  # Å, from 0 at the lowest site
    return np.asarray((height < HELD_ANGSTROM) | (height > height.max() - HELD_ANGSTROM))


def mass_lead(lead: Lead) -> Lead:
    """Return the dynamical matrices, (rad/ps)², of a lead of 12C from its force constants."""
    carbon = np.full(len(lead.inner) // 3, Species.C12)
    return Lead(by_root_masses(lead.inner, carbon, carbon), by_root_masses(lead.up, carbon, carbon), lead.folds)
