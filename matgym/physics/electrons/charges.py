"""The iteration of charges of π electrons, from Hamiltonians and the interaction of charges to potentials.

Charges are iterated by Anderson's method (J. ACM 12, 547 (1965)), each tube of a batch with its own history. They are
those of a mesh of wave vectors, with the occupation of Fermi's function at 300 K. What Hamiltonians and interactions
are made of is in `matgym.physics.electrons.self_consistent`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.physics.electrons.tight_binding import PiSystem
from matgym.typing import BoolArray, FloatArray
from matgym.units import BOLTZMANN_EV_K

TEMPERATURE_K: Final = 300.0
"""Electronic temperature of the occupation, K: GFN1-xTB's."""

CHARGE_TOLERANCE: Final = 1e-6
"""Largest change of a charge in the last iteration, electrons."""

LOCAL_RESPONSE_EV: Final = 0.167
"""Electrons that leave a site of pristine carbon for each eV of potential on it: the site's own response of (11,0) at
the default hopping, by perturbation theory. It guides `improved`, whose end does not depend on it."""

_MIXED: Final = 0.3  # share of the new charges in Anderson's step
_HISTORY: Final = 6
_BISECTIONS: Final = 60


@dataclass(frozen=True)
class ChargedSystem(ValueObject):
    """Hamiltonians of tubes that share lattice and deformation, and the interaction of their charges.

    Attributes:
        bare: Hamiltonians without charges.
        interaction: (b, N, N) interactions of charges, eV; zero at vacant sites.
        brought: (b, N) π electrons that the atom of each site brings.
        phases: (K,) phases of the mesh, in [0, π].
        weights: (K,) their weights, of sum 1.
    """

    bare: PiSystem
    interaction: FloatArray
    brought: FloatArray
    phases: FloatArray
    weights: FloatArray

    def at(self, potentials: FloatArray) -> PiSystem:
        """Return the Hamiltonians in (b, N) potentials, eV."""
        sites = np.arange(potentials.shape[1])
        inner = self.bare.inner.copy()
        inner[:, sites, sites] += potentials
        return replace(self.bare, inner=inner)

    def electrons(self, potentials: FloatArray, rows: BoolArray) -> FloatArray:
        """Return the (b', N) π electrons on each site of the chosen tubes in (b', N) potentials, eV."""
        system = self.bare.subset(rows)
        sites = np.arange(potentials.shape[1])
        energies, densities = [], []
        for theta in self.phases:
            hamiltonian = system.bloch(np.full(len(potentials), theta))
            hamiltonian[:, sites, sites] += potentials
            levels, states = np.linalg.eigh(hamiltonian.real if theta in {0.0, np.pi} else hamiltonian)
            energies.append(levels)
            densities.append(np.abs(states) ** 2)
        occupied = 2.0 * occupations(np.stack(energies, axis=1), self.weights, system.electrons / 2.0)
        return np.asarray(sum(density @ occupied[:, place, :, None] for place, density in enumerate(densities)))[..., 0]

    def screening(self) -> FloatArray:
        """Return (b, N, N) matrices that screen a change of potentials by the response of each site on its own."""
        return np.asarray(np.linalg.inv(np.eye(self.brought.shape[1]) + LOCAL_RESPONSE_EV * self.interaction))

    def charge_potentials(self, electrons: FloatArray, rows: BoolArray) -> FloatArray:
        """Return the (b', N) potentials, eV, of (b', N) π electrons on the sites of the chosen tubes."""
        excess = electrons - self.brought[rows]
        return np.asarray((self.interaction[rows] @ excess[..., None])[..., 0])


def occupations(energies: FloatArray, weights: FloatArray, pairs: FloatArray) -> FloatArray:
    """Return the (b, K, N) occupations, from 0 to 1 and times the weights of the phases, by Fermi's function.

    Args:
        energies: (b, K, N) band energies, eV.
        weights: (K,) weights of the phases, of sum 1.
        pairs: (b,) pairs of electrons in the cell.
    """
    thermal = BOLTZMANN_EV_K * TEMPERATURE_K
    flat = energies.reshape(len(energies), -1)
    low, high = flat.min(axis=1) - 1.0, flat.max(axis=1) + 1.0

    def filled(level: FloatArray) -> FloatArray:
        scaled = np.clip((energies - level[:, None, None]) / thermal, -500.0, 500.0)
        return np.asarray(weights[:, None] / (1.0 + np.exp(scaled)))

    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        few = filled(middle).sum(axis=(1, 2)) < pairs
        low, high = np.where(few, middle, low), np.where(few, high, middle)
    occupied = filled((low + high) / 2.0)
    # Rounding in the middle of a gap leaves an error of the sum, which must be exact for a neutral cell.
    return np.asarray(occupied * (pairs / occupied.sum(axis=(1, 2)))[:, None, None])


def mesh(period_angstrom: float, mesh_angstrom: float) -> tuple[FloatArray, FloatArray]:
    """Return phases and weights of a mesh in half the zone; its points are the middles of equal parts.

    Args:
        period_angstrom: period of the tube, Å.
        mesh_angstrom: length of tube that the mesh resolves, Å; if it is zero, the mesh is the Γ point.
    """
    if not mesh_angstrom:
        return np.zeros(1), np.ones(1)
    count = ceil(mesh_angstrom / period_angstrom)
    return (np.arange(count) + 0.5) * np.pi / count, np.full(count, 1.0 / count)


def self_consistent(
    system: ChargedSystem,
    max_iterations: int,
    start: FloatArray | None = None,
    tolerance: float = CHARGE_TOLERANCE,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the self-consistent potentials of tubes.

    Args:
        system: Hamiltonians of b tubes and the interactions.
        max_iterations: largest number of diagonalisations of each tube.
        start: (b, N) π electrons to start from; by default those of the neutral atoms.
        tolerance: largest change of a charge in the last iteration, electrons.

    Returns:
        (b, N) potentials, eV; (b, N) π electrons on the sites, which make these potentials; and (b,) the largest change
        of the number of electrons on a site in the last iteration.
    """
    electrons = system.brought.copy() if start is None else start.copy()
    batch = len(electrons)
    change = np.full(batch, np.inf)
    mixers = [Anderson(lambda residual: _MIXED * residual) for _ in range(batch)]
    for _ in range(max_iterations):
        active = change > tolerance
        if not active.any():
            break
        potentials = system.charge_potentials(electrons[active], active)
        output = system.electrons(potentials, active)
        for place, row in enumerate(np.flatnonzero(active)):
            residual = output[place] - electrons[row]
            change[row] = float(np.abs(residual).max())
            if change[row] > tolerance:
                electrons[row] = mixers[row].mixed(electrons[row], residual)
    return system.charge_potentials(electrons, np.ones(batch, dtype=bool)), electrons, change


def improved(system: ChargedSystem, potentials: FloatArray, steps: int) -> FloatArray:
    """Return (b, N) potentials that are nearer to self-consistent ones than given ones, eV.

    Each step takes one diagonalisation at every wave vector, and one of `Anderson`'s, of the residual as the tube would
    screen it: a preconditioner (Kerker, Phys. Rev. B 23, 3082 (1981)) with the local response of π electrons in place
    of a metal's.

    Args:
        system: Hamiltonians of b tubes and the interactions.
        potentials: (b, N) potentials to start from, eV.
        steps: number of steps.
    """
    everything = np.ones(len(potentials), dtype=bool)
    mixers = [Anderson(screening.__matmul__) for screening in system.screening()]
    for _ in range(steps):
        wanted = system.charge_potentials(system.electrons(potentials, everything), everything)
        pairs = zip(mixers, potentials, wanted - potentials, strict=True)
        potentials = np.stack([mixer.mixed(before, residual) for mixer, before, residual in pairs])
    return potentials


class Anderson:
    """Anderson's mixing of one vector: the next input minimises the residual over the span of those before.

    Args:
        step: function that turns a residual into the change of the input that it asks for.
    """

    def __init__(self, step: Callable[[FloatArray], FloatArray]) -> None:
        self._step = step
        self._inputs: list[FloatArray] = []
        self._residuals: list[FloatArray] = []

    def mixed(self, vector: FloatArray, residual: FloatArray) -> FloatArray:
        """Return the next input, from an input and the difference of its output from it."""
        self._inputs = [*self._inputs[1 - _HISTORY :], vector.copy()]
        self._residuals = [*self._residuals[1 - _HISTORY :], residual.copy()]
        if len(self._inputs) == 1:
            return np.asarray(vector + self._step(residual))
        steps = np.diff(np.array(self._inputs), axis=0).T
        changes = np.diff(np.array(self._residuals), axis=0).T
        shares = np.linalg.lstsq(changes, residual, rcond=1e-10)[0]
        return np.asarray(vector - steps @ shares + self._step(residual - changes @ shares))
