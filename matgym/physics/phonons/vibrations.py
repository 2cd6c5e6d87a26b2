"""Phonon bands, density of states and heat capacity of periodic tubes.

The model is harmonic lattice dynamics of Tersoff's potential about the relaxed tube. Pristine tubes are solved by their
helical symmetry, with six branches for each angular momentum. Decorated tubes are solved with all atoms of their cell,
and a phase from one cell to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matgym.errors import RelaxationError, require_counts, require_within
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.relaxation import relax
from matgym.physics.notes import tersoff_note
from matgym.physics.oracles import TEMPERATURES_K, finite_numbers, one_thread, predict_each
from matgym.physics.phonons.force_constants import (
    FREQUENCY2_PER_EV_ANGSTROM2_AMU,
    MASSES_AMU,
    MOST_IMAGINARY_RAD_PS,
    OMEGA_CM,
    HelicalForceConstants,
    pristine_force_constants,
)
from matgym.structures import Nanotube, Species
from matgym.structures.memory import check_memory
from matgym.typing import FloatArray
from matgym.units import ATOMIC_MASS_KG, BOLTZMANN_J_K, HBAR_J_S

HEAT_CAPACITY_J_G_K = Property(
    "heat_capacity_j_g_k", "J/(g K)", "heat capacity at constant volume, by harmonic phonons"
)


BROADENINGS: Final = (1e-6, 1e4)
"""Smallest and largest broadening of modes, rad/ps. A choice of ours, as is the next number."""

MAX_PHASES: Final = 10_000
"""Most wave vectors."""

_BYTES_PER_ELEMENT: Final = 64
"""Memory of the modes of a decorated tube for each element of its dynamical matrix, bytes."""

_BYTES_PER_WAVE: Final = 6_000
"""Memory of the modes of a pristine tube for each hexagon and wave vector, bytes: waves to about 60 neighbours."""


@dataclass(frozen=True)
class Vibrations(Model):
    """The oracle of the heat capacity, the bands and the density of states of phonons.

    Attributes:
        temperature_k: temperature of the heat capacity, K.
        phases: number of points in half the Brillouin zone.
    """

    temperature_k: float = 300.0
    phases: int = 4

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        require_counts(MAX_PHASES, phases=self.phases)

    properties = (HEAT_CAPACITY_J_G_K,)
    level = Level.CLASSICAL
    validity = "Tersoff's potential: optical phonons 7 % too high; doubtful at vacancies, B and N"
    cost = Cost(seconds=1.0, sites=128, exponent=2.8)
    """Cost, measured on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the heat capacity of each tube, J/(g K).

        Returns:
            Predictions with `heat_capacity_j_g_k` of shape (B,); tubes that do not come to rest, break a bond or have
            an imaginary mode hold NaN and their reason in `failures`.
        """
        return predict_each(tubes, self.properties, self._heat, lambda tube: tersoff_note(tube, repeated=True))

    def _heat(self, tube: Nanotube) -> tuple[float]:
        """Return the heat capacity, J/(g K)."""
        omega = self.frequencies(tube)
        mass_g = 1e3 * ATOMIC_MASS_KG * MASSES_AMU[tube.species[tube.species != Species.VACANCY]].sum()
        return (float(mode_heat_j_k(omega, self.temperature_k).mean(axis=0).sum() / mass_g),)

    def frequencies(self, tube: Nanotube) -> FloatArray:
        """Return (phases, modes) angular frequencies at midpoints of half the zone, rad/ps, imaginary ones as negative.

        Raises:
            RelaxationError: if the tube does not come to rest, or has an imaginary mode of more than 1 cm⁻¹.
        """
        thetas = (np.arange(self.phases) + 0.5) * np.pi / self.phases
        if tube.is_pristine:
            waves = _BYTES_PER_WAVE * self.phases * tube.lattice.n_cells
            check_memory(f"{tube}: its phonon frequencies", waves)
            constants = pristine_force_constants(tube.n, tube.m, tube.strain, tube.torsion)
            # A period is `rings` screws and a rotation; together they give the phase θ plus a multiple of 2π.
            period = tube.cells * np.array(tube.lattice.translation)
            rings, around = (int(count) for count in constants.slabs.ring(period))
            gained = 2.0 * np.pi * np.arange(constants.slabs.folds) * around / constants.slabs.folds  # (d,)
            turns = (
                thetas[:, None] + 2.0 * np.pi * np.arange(rings) - gained[:, None, None]
            ) / rings  # (d, phases, rings)
            branches = self.helical_bands(constants, turns.reshape(len(gained), -1))
            return branches.reshape(len(gained), len(thetas), -1).transpose(1, 0, 2).reshape(len(thetas), -1)
        bands = self.bands(tube, thetas)
        if bands.min() < -MOST_IMAGINARY_RAD_PS:
            raise RelaxationError(
                f"imaginary mode of {-OMEGA_CM * bands.min():.1f} cm⁻¹: {tube} is not at a minimum of the energy"
            )
        return bands

    def bands(self, tube: Nanotube, thetas: FloatArray) -> FloatArray:
        """Return (K, 3 atoms) angular frequencies, rad/ps, ascending, at phases kL, (K,), of the whole cell.

        Raises:
            RelaxationError: if the tube does not come to rest.
            StructureError: if the tube is too large for this.
        """
        thetas = finite_numbers("thetas", thetas)
        matrices = _BYTES_PER_ELEMENT * (3 * tube.n_sites) ** 2 + 24 * len(thetas) * 3 * tube.n_sites
        check_memory(f"{tube}: its phonon bands", matrices)
        relaxed = relax(tube)
        root = np.repeat(1.0 / np.sqrt(MASSES_AMU[tube.species[relaxed.graph.sites]]), 3)
        scale = FREQUENCY2_PER_EV_ANGSTROM2_AMU * root[:, None] * root
        with one_thread():
            squares = [np.linalg.eigvalsh(relaxed.expansion.bloch(theta).toarray() * scale) for theta in thetas]
        return _signed_roots(np.stack(squares))

    @staticmethod
    def helical_bands(constants: HelicalForceConstants, turns: FloatArray) -> FloatArray:
        """Return (d, K, 6) angular frequencies, rad/ps, of a pristine tube at ring-to-ring phases, (K,) or (d, K)."""
        return _signed_roots(np.linalg.eigvalsh(constants.dynamical(np.arange(constants.slabs.folds), turns)))

    def density_of_states(self, tube: Nanotube, omega: FloatArray, broadening: float = 2.0) -> FloatArray:
        """Return the density of phonon states.

        Args:
            tube: any tube.
            omega: (W,) angular frequencies, rad/ps.
            broadening: standard deviation of the Gaussian that represents each mode, rad/ps.

        Returns:
            (W,) modes per rad/ps and cell; the integral is three times the number of atoms.

        Raises:
            ConfigurationError: if the broadening or a frequency is out of range.
            StructureError: if the tube is too large for this.
            RelaxationError: if the tube does not come to rest.
        """
        require_within(*BROADENINGS, broadening=broadening)
        omega = finite_numbers("omega", omega)
        modes = 24 * omega.size * self.phases * 3 * tube.n_sites
        check_memory(f"{tube}: its density of phonon states", modes)
        frequencies = self.frequencies(tube)
        x = (omega[:, None] - frequencies.ravel()) / broadening
        return np.asarray(np.exp(-0.5 * x**2).sum(axis=1) / (broadening * np.sqrt(2.0 * np.pi) * len(frequencies)))


def mode_heat_j_k(omega: FloatArray, temperature_k: float) -> FloatArray:
    """Return the heat capacity of each mode, J/K: Einstein's k_B (x/2)²/sinh²(x/2), x = ħω/k_B T."""
    half = np.clip(np.abs(omega) * 1e12 * HBAR_J_S / (2.0 * BOLTZMANN_J_K * temperature_k), 1e-12, 300.0)
    return np.asarray(BOLTZMANN_J_K * (half / np.sinh(half)) ** 2)


def _signed_roots(squares: NDArray[np.floating[Any]]) -> FloatArray:
    return np.asarray(np.sign(squares) * np.sqrt(np.abs(squares)), dtype=np.float64)
