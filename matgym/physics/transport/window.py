"""Gauss-Legendre nodes in the Fermi window: integrals over energies at which electrons enter and leave a device.

At chemical potentials μ_1 to μ_2, or up to the band edges if these lie further apart, the variable of integration is

    u(E) = log[(1 + exp((E - μ_1 + s)/s)) / (1 + exp((E - μ_2 - s)/s))],    s = k_B T or a little more,

which for one μ resembles the Fermi function. It maps all energies to a finite range, and its nodes lie where the
current flows. The range is cut where the transmission of the leads has a step, at the edges of their subbands, and
energies at which the leads have no states are left out. Each piece is substituted once more, by 3t² - 2t³, after which
the square roots of a decorated device at these edges are smooth.

A piece takes `NODES` nodes. Its error is estimated by the interpolatory rule on every second node. Pieces whose
error is too large for a device, as at a resonance, are cut in halves for that device. Halves are the same in all
batches, so that the leads are computed once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil
from typing import Final, TypeAlias

import numpy as np

from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.transport.landauer import electron_moments
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.units import BOLTZMANN_EV_K

NODES: Final = 9
"""Gauss-Legendre nodes in a piece; odd, so that every second node begins and ends at the outer ones.

This number and the next two were chosen on 45 random tubes of eight chiralities, for the fewest energies at an error of
the conductance below 0.05 µS; tests use other tubes."""

SOFTENING: Final = (1.0, 1.3)
"""s over k_B T, for the moment of order 0 alone and with those of E - μ, which are singular at the ends of the range
at 1 and smooth above."""

PESSIMISM: Final = 2.0
"""Factor by which the rule on every second node is taken to miss more than the whole rule. A choice of ours: with 10, 2
of 120 tubes missed by up to 0.8 µS where 0.05 µS was asked for, at 20 energies a tube on average instead of 27."""

WIDEST: Final = 8.0
"""Widest piece to begin with, in units of s: the rules are compared where both resolve the thermal window."""

HALVINGS: Final = 7
"""Most times that a piece is cut in halves."""

FARTHEST: Final = 25.0
"""Energies further than this many k_B T from all chemical potentials are left out: -∂f/∂E is below e⁻²⁵/(k_B T)."""

Transmission: TypeAlias = Callable[[IntArray, FloatArray], FloatArray]
"""Function of rows (R,) and energies (E,), eV, that returns the (R, E) transmission of these devices."""


@dataclass(frozen=True)
class Sampled(ValueObject):
    """The transmission of devices at the nodes of a quadrature.

    Attributes:
        energies_ev: (E,) nodes of all devices, eV.
        weights_ev: (B, E) weights of the nodes, eV; zero where a device does not use a node.
        transmission: (B, E) transmission; zero where a device does not use a node.
        error: (B,) estimated error of the moments in units of (k_B T)^k, the largest of k = 0, 1, 2.
    """

    energies_ev: FloatArray
    weights_ev: FloatArray
    transmission: FloatArray
    error: FloatArray

    @property
    @returns_read_only
    def counts(self) -> IntArray:
        """(B,) the number of energies that each device took."""
        return np.asarray((self.weights_ev > 0.0).sum(axis=1))

    def moments(self, mu_ev: FloatArray, temperature_k: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the moments of `matgym.physics.transport.landauer.electron_moments`."""
        return electron_moments(self.energies_ev, self.transmission, mu_ev, temperature_k, self.weights_ev)


@dataclass(frozen=True)
class FermiWindow(ValueObject):
    """The energies at which current flows between leads.

    Attributes:
        mu_ev: (M,) chemical potentials, eV, ascending.
        temperature_k: temperature of the leads, K.
        half_gap_ev: energy, eV, of the leads' states that are nearest to zero; the current flows there if all chemical
            potentials lie in the gap, and the variable of integration begins and ends there.
        moments: highest power of E - μ whose integrals have to be accurate: 0 for the conductance, 2 for heat.
    """

    mu_ev: FloatArray
    temperature_k: float
    half_gap_ev: float = 0.0
    moments: int = 0

    @cached_property
    def _ends_ev(self) -> tuple[float, float]:
        return min(float(self.mu_ev[0]), -self.half_gap_ev), max(float(self.mu_ev[-1]), self.half_gap_ev)

    @property
    def _unit_ev(self) -> float:
        return SOFTENING[self.moments > 0] * BOLTZMANN_EV_K * self.temperature_k

    @cached_property
    def _range(self) -> float:
        """The largest u."""
        return (self._ends_ev[1] - self._ends_ev[0]) / self._unit_ev + 2.0

    def _variable(self, energies_ev: FloatArray) -> FloatArray:
        x = (energies_ev - self._ends_ev[0]) / self._unit_ev + 1.0
        return np.asarray(np.logaddexp(0.0, x) - np.logaddexp(0.0, x - self._range))

    def _energy(self, u: FloatArray) -> FloatArray:
        from_below, from_above = np.log(-np.expm1(-u)), np.log(-np.expm1(u - self._range))
        return np.asarray(self._ends_ev[0] + self._unit_ev * (u - 1.0 + from_below - from_above))

    def pieces(self, edges_ev: FloatArray, carry: Callable[[FloatArray], BoolArray]) -> list[tuple[float, float]]:
        """Return the ranges of u between the edges of the leads' subbands in which the leads have states.

        Args:
            edges_ev: (K,) energies of the edges, eV.
            carry: function of energies, eV, that returns whether the leads have states there.
        """
        far = FARTHEST * BOLTZMANN_EV_K * self.temperature_k
        lowest, highest = self._ends_ev[0] - far, self._ends_ev[1] + far
        inside = edges_ev[(edges_ev > lowest) & (edges_ev < highest)]
        cuts = self._variable(np.concatenate([[lowest], inside, [highest]]))
        middles = self._energy((cuts[1:] + cuts[:-1]) / 2.0)
        used = carry(middles) & (cuts[1:] > cuts[:-1])
        ends: list[tuple[float, float]] = []
        for low, high in zip(cuts[:-1][used], cuts[1:][used], strict=True):
            parts = np.linspace(low, high, ceil((high - low) / WIDEST) + 1).tolist()
            ends += pairwise(parts)
        return ends

    def sample(
        self,
        batch: int,
        pieces: Sequence[tuple[float, float]],
        transmission: Transmission,
        absolute: float,
        relative: float,
    ) -> Sampled:
        """Sample the transmission of devices until its moments are accurate.

        Args:
            batch: number of devices B.
            pieces: ranges of u from `pieces`.
            transmission: function that computes the transmission of some devices.
            absolute: largest error of the moments, in units of (k_B T)^k.
            relative: largest error of the moments, relative to the largest moment of order 0 of the device. The
                stricter of both limits counts.
        """
        sampled: list[tuple[FloatArray, FloatArray, IntArray, FloatArray]] = []
        error = np.zeros(batch)
        total = np.zeros((batch, len(self.mu_ev)))
        waiting = [(piece, np.arange(batch)) for piece in pieces]
        for depth in range(HALVINGS + 1):
            found = []
            for (low, high), rows in waiting:
                energies, weights = self._nodes(low, high)
                values = transmission(rows, energies)
                zeroth, missed = self._estimates(energies, weights, values)
                total[rows] += zeroth
                found.append(((low, high), rows, energies, weights, values, zeroth, missed))
            scale = total.max(axis=1)
            limit = np.minimum(absolute, relative * scale) / 2.0  # two pieces meet near most chemical potentials
            waiting = []
            for (low, high), rows, energies, weights, values, zeroth, missed in found:
                poor = (missed > limit[rows]) if depth < HALVINGS else np.zeros(len(rows), dtype=bool)
                if poor.any():
                    total[rows[poor]] -= zeroth[poor]
                    middle = (low + high) / 2.0
                    waiting += [((low, middle), rows[poor]), ((middle, high), rows[poor])]
                error[rows[~poor]] += missed[~poor]
                sampled.append((energies, weights, rows[~poor], values[~poor]))
        return self._joined(batch, sampled, error)

    def _nodes(self, low: float, high: float) -> tuple[FloatArray, FloatArray]:
        """Return the energies, eV, and weights, eV, of the nodes of a piece."""
        t, weights = _RULE
        u = low + (high - low) * t * t * (3.0 - 2.0 * t)
        energies = self._energy(u)
        # dE/du, with the logistic functions of both ends
        slope = self._unit_ev * (1.0 - np.exp(-self._range)) / (-np.expm1(-u) * -np.expm1(u - self._range))
        return energies, weights * 6.0 * t * (1.0 - t) * (high - low) * slope

    def _estimates(
        self, energies_ev: FloatArray, weights_ev: FloatArray, values: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the (B, M) moments of order 0 of a piece, and the (B,) largest error of any moment."""
        mu = self.mu_ev
        moments = electron_moments(energies_ev, values, mu, self.temperature_k, weights_ev)
        fewer = electron_moments(energies_ev, values, mu, self.temperature_k, weights_ev * _THINNED)
        thermal = BOLTZMANN_EV_K * self.temperature_k
        missed = [np.abs(moments[k] - fewer[k]).max(axis=1) / thermal**k for k in range(self.moments + 1)]
        return moments[0], np.max(missed, axis=0) / PESSIMISM

    @staticmethod
    def _joined(
        batch: int, sampled: Sequence[tuple[FloatArray, FloatArray, IntArray, FloatArray]], error: FloatArray
    ) -> Sampled:
        sampled = [part for part in sampled if len(part[2])]
        energies = np.concatenate([part[0] for part in sampled] or [np.empty(0)])
        weights, transmissions = np.zeros((2, batch, len(energies)))
        place = 0
        for nodes, node_weights, rows, values in sampled:
            columns = slice(place, place + len(nodes))
            weights[rows, columns] = node_weights
            transmissions[rows, columns] = values
            place += len(nodes)
        return Sampled(energies, weights, transmissions, error)


def _rule() -> tuple[FloatArray, FloatArray]:
    """Return the nodes and weights of the Gauss-Legendre rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return (nodes + 1.0) / 2.0, weights / 2.0


def _thinned(nodes: FloatArray, weights: FloatArray) -> FloatArray:
    """Return factors of the weights that make of them the interpolatory rule on every second node."""
    powers = np.vander(2.0 * nodes[::2] - 1.0, increasing=True).T
    exact = np.array([(1.0 - (-1.0) ** (k + 1)) / (k + 1) / 2.0 for k in range(len(powers))])
    factors = np.zeros(len(nodes))
    factors[::2] = np.linalg.solve(powers, exact) / weights[::2]
    return factors


_RULE: Final = _rule()
_THINNED: Final = _thinned(*_RULE)
