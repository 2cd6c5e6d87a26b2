"""Current against bias, and carriers, conductance and Seebeck coefficient against the chemical potential.

The tube lies between pristine leads, as in `matgym.physics.electrons.conductance`. The current is Landauer's integral

    I = (2e/h) ∫ T(E) [f(E - μ - eV/2) - f(E - μ + eV/2)] dE

with the transmission at *zero* bias: the potential does not drop within the tube, and no charge is added to it. The
current is therefore valid while eV is small against the energies on which T changes with bias.

The chemical potential has to be said: see `matgym.physics.electrons.neutrality`.

Energies are Gauss nodes of panels between the band edges of the leads, where T has steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matgym.errors import StructureError, require_within
from matgym.frozen import ValueObject
from matgym.physics.electrons.conductance import PiTransport
from matgym.physics.electrons.neutrality import PHASES, Potential, check_potential, fermi, mu_of, occupied_states
from matgym.physics.electrons.tight_binding import SCANNED, PiParameters, pristine_bands
from matgym.physics.oracles import POTENTIALS_EV, TEMPERATURES_K, finite_numbers
from matgym.physics.transport.landauer import THERMAL_REACH, seebeck_uv_k
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import ANGSTROM_PER_NM, BOLTZMANN_EV_K, CONDUCTANCE_QUANTUM_US

PANEL_EV: Final = 0.05
"""Largest width of a panel of energies, eV, at 300 K and above; below it falls with the temperature."""

NODES: Final = 5
"""Gauss nodes in a panel."""

EDGE_STEP_EV: Final = 1e-6
"""Distance, eV, below which two band edges are one."""

VOLTAGES_V: Final = (-10.0, 10.0)
"""Lowest and highest bias, V. A choice of ours."""

_ROOM_K: Final = 300.0
_SCAN: Final = np.linspace(0.0, np.pi, SCANNED)


@dataclass(frozen=True, eq=False)
class Response(ValueObject):
    """Linear response of tubes at chemical potentials.

    Attributes:
        mu_ev: (M,) chemical potentials, eV.
        conductance_us: (B, M) conductance, both spins, µS.
        seebeck_uv_k: (B, M) Seebeck coefficient, µV/K; NaN where no current flows.
        failures: reasons by row.
    """

    mu_ev: FloatArray
    conductance_us: FloatArray
    seebeck_uv_k: FloatArray
    failures: dict[int, str]


@dataclass(frozen=True)
class Bias:
    """Charge transport of tubes between leads under bias and at chemical potentials.

    Attributes:
        parameters: parameters of the π model.
        temperature_k: temperature of both leads, K.
        neutrality: which neutrality sets the chemical potential: "leads", "tube", or a chemical potential, eV.
    """

    parameters: PiParameters = field(default_factory=PiParameters)
    temperature_k: float = 300.0
    neutrality: Potential = "leads"

    def __post_init__(self) -> None:
        require_within(*TEMPERATURES_K, temperature_k=self.temperature_k)
        check_potential("neutrality", self.neutrality)

    def mu_ev(self, tube: Nanotube) -> float:
        """Return the chemical potential of a tube, eV.

        Raises:
            StructureError: if the tube is too large for this.
        """
        return mu_of(tube, self.neutrality, self.parameters, self.temperature_k)

    def current_ua(self, tube: Nanotube, voltages_v: FloatArray) -> FloatArray:
        """Return the (V,) current, µA, at each bias, with the transmission at zero bias.

        Args:
            tube: tube between pristine leads.
            voltages_v: (V,) bias, V; half of it on either lead.

        Raises:
            ConfigurationError: if a bias is out of range.
            StructureError: if the tube cannot be computed.
        """
        voltages = finite_numbers("voltages_v", voltages_v)
        if voltages.size:
            require_within(*VOLTAGES_V, lowest_bias_v=float(voltages.min()), highest_bias_v=float(voltages.max()))
        mu, half = self.mu_ev(tube), np.abs(voltages).max(initial=0.0) / 2.0
        energies, weights = self.nodes(tube, mu - half, mu + half)
        (through,) = self._through([tube], energies)
        thermal = BOLTZMANN_EV_K * self.temperature_k
        away = (energies - mu)[:, None]
        window = fermi((away - voltages / 2.0) / thermal) - fermi((away + voltages / 2.0) / thermal)
        return np.asarray(CONDUCTANCE_QUANTUM_US * (through * weights) @ window)

    def response(self, tubes: Sequence[Nanotube], mu_ev: FloatArray) -> Response:
        """Return G(μ) and S(μ) of tubes, at chemical potentials relative to neutral leads.

        Args:
            tubes: B tubes of the same chirality and deformation.
            mu_ev: (M,) chemical potentials, eV.
        """
        mu = finite_numbers("mu_ev", mu_ev)
        require_within(*POTENTIALS_EV, lowest_mu_ev=float(mu.min()), highest_mu_ev=float(mu.max()))
        energies, weights = self.nodes(tubes[0], float(mu.min()), float(mu.max()))
        through, failures = PiTransport(self.parameters, self.temperature_k).transmission(tubes, energies)
        thermal = BOLTZMANN_EV_K * self.temperature_k
        away = energies - mu[:, None]  # (M, E)
        window = weights * 0.25 / thermal / np.cosh(np.clip(away / thermal / 2.0, -300.0, 300.0)) ** 2
        through = np.where(np.isnan(through), np.nan, np.maximum(through, 0.0))
        zeroth, first = through @ window.T, through @ (window * away).T
        with np.errstate(divide="ignore", invalid="ignore"):
            seebeck = seebeck_uv_k(zeroth, first, self.temperature_k)
        return Response(mu, CONDUCTANCE_QUANTUM_US * zeroth, seebeck, failures)

    def excess_electrons(self, tube: Nanotube, mu_ev: FloatArray) -> FloatArray:
        """Return n(μ): the (M,) electrons a nanometre by which the repeated tube exceeds its own neutrality.

        Raises:
            StructureError: if the tube is too large for this.
        """
        mu = finite_numbers("mu_ev", mu_ev)
        states, electrons = occupied_states(tube, self.parameters)
        thermal = BOLTZMANN_EV_K * self.temperature_k
        filled = 2.0 * fermi((states - mu[:, None]) / thermal).sum(axis=1) / PHASES
        return np.asarray((filled - electrons) / (tube.length_angstrom / ANGSTROM_PER_NM))

    def nodes(self, tube: Nanotube, lowest_ev: float, highest_ev: float) -> tuple[FloatArray, FloatArray]:
        """Return energies and their weights, (E,) each, eV, over chemical potentials and the thermal window.

        Args:
            tube: tube whose leads have the band edges.
            lowest_ev: lowest chemical potential, eV.
            highest_ev: highest chemical potential, eV.
        """
        thermal = BOLTZMANN_EV_K * self.temperature_k
        low, high = lowest_ev - THERMAL_REACH * thermal, highest_ev + THERMAL_REACH * thermal
        edges = lead_edges_ev(tube, self.parameters)
        edges = np.concatenate([-edges, edges])
        cuts = np.concatenate([[low, high], edges[(edges > low) & (edges < high)]])
        cuts = np.sort(cuts)
        cuts = cuts[np.append(True, np.diff(cuts) > EDGE_STEP_EV)]
        panel = PANEL_EV * min(1.0, self.temperature_k / _ROOM_K)
        parts = np.maximum(np.ceil(np.diff(cuts) / panel).astype(int), 1)
        starts = np.concatenate([np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(cuts, cuts[1:], parts, strict=False)])
        ends = np.append(starts[1:], cuts[-1])
        x, w = np.polynomial.legendre.leggauss(NODES)
        energies = (starts[:, None] + (ends - starts)[:, None] * (x + 1.0) / 2.0).reshape(-1)
        return energies, ((ends - starts)[:, None] * w / 2.0).reshape(-1)

    def _through(self, tubes: Sequence[Nanotube], energies: FloatArray) -> FloatArray:
        through, failures = PiTransport(self.parameters, self.temperature_k).transmission(tubes, energies)
        if failures:
            raise StructureError(next(iter(failures.values())))
        return np.maximum(through, 0.0)


def lead_edges_ev(tube: Nanotube, parameters: PiParameters) -> FloatArray:
    """Return the energies, eV, at which the conduction bands of the leads of a tube start or end, ascending."""
    lattice_bands = pristine_bands(
        Nanotube(tube.n, tube.m, strain=tube.strain, torsion=tube.torsion), _SCAN, parameters
    )
    found = [lattice_bands[:, [0, -1]].ravel()]
    middle, left, right = lattice_bands[:, 1:-1], lattice_bands[:, :-2], lattice_bands[:, 2:]
    for sign in (1.0, -1.0):
        line, at = np.nonzero((sign * middle <= sign * left) & (sign * middle <= sign * right))
        here, before, after = middle[line, at], left[line, at], right[line, at]
        bend = before - 2.0 * here + after
        shift = np.divide(before - after, 2.0 * bend, out=np.zeros_like(bend), where=np.abs(bend) > 0.0)
        found.append(here - 0.25 * (before - after) * shift)  # the vertex of the parabola through three points
    edges = np.sort(np.maximum(np.concatenate(found), 0.0))
    return np.asarray(edges[np.append(True, np.diff(edges) > EDGE_STEP_EV)])
