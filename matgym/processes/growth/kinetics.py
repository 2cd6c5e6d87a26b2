"""Rate equations of nanotube growth on a catalyst particle.

Puretzky, Geohegan, Jesse, Ivanov and Eres, Appl. Phys. A 81, 223 (2005): carbon atoms N_C on the particle's surface,
N_L in a carbonaceous layer that covers it, N_B dissolved in it, N_T in the tube; θ = N_L / (S₀ n_m) is the share of the
surface that is permanently covered.

    dN_C/dt = F₁ (1 - θ) - (k_sb + k_cl) N_C        from the feed, to the inside and to the layer
    dN_L/dt = F₂ (1 - θ) + k_cl N_C + k_r (1 - θ)   from pyrolysis products, from the surface, from rearrangement
    dN_B/dt = k_sb N_C - k_t N_B
    dN_T/dt = k_t N_B

with fluxes F = ¼ S₀ n √(kT / 2πm) e^(-E₁/kT) of feed molecules of density n and of their products of density
n_p = P₀ e^(-E_p/kT) n², two feed molecules each. The paper's abstract was read (flag V); equations and constants were
taken from another implementation (T) and from the notes of this project. `tests/processes/test_kinetics.py` compares
them with the paper's digitised terminal lengths (T).
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from matgym.processes.controls import Constants
from matgym.typing import FloatArray, Module, Values
from matgym.units import ATOMIC_MASS_KG, BOLTZMANN_EV_K, BOLTZMANN_J_K

FEED_MASS_KG: Final = 26.038 * ATOMIC_MASS_KG
"""The mass of acetylene, C2H2."""

PRODUCT_MASS_KG: Final = 52.076 * ATOMIC_MASS_KG
"""The mass of acetylene's dimer, C4H4; with it the published constants give the rms error of our notes, 0.224."""

REFERENCE_K: Final = 848.15
"""The temperature at which the paper gives k_sb, 575 °C."""

TERMINAL_LENGTHS: Final = (
    (535.2, 0.395), (544.0, 0.690), (553.9, 1.077), (563.8, 1.912), (569.3, 2.514), (575.5, 1.348),
    (598.7, 9.18), (600.7, 5.74), (698.1, 152.1), (850.3, 2.65), (874.7, 1.55), (899.7, 1.23),
)  # fmt: skip
"""(°C, µm) terminal lengths measured by Puretzky et al., digitised from their figure (T)."""

FEED_PA: Final = 266.645
"""2 Torr of acetylene in their experiments (T)."""

GAS_LAG_S: Final = 50.0
"""The time constant with which the gas in their furnace follows its flow (T)."""

ATOMS_A_WALL: Final = 1e3 * math.pi * 10.0 / 0.026196
"""Atoms in a micrometre of one wall of 10 nm: its area over 0.0262 nm² per atom, half of graphene's unit cell."""


class Rates(NamedTuple):
    """The rates of one particle, arrays of the temperature's shape.

    Attributes:
        feed: F₁, the flux from the feed to a bare surface, carbon atoms per second.
        product: F₂, the flux from pyrolysis products to a bare surface, carbon atoms per second.
        inward: k_sb, the rate at which surface carbon dissolves in the particle, 1/s.
        covering: k_cl, the rate at which surface carbon turns into the carbonaceous layer, 1/s.
        tube: k_t, the rate at which dissolved carbon joins the tube, 1/s.
        rearrangement: k_r, the rate of rearrangement, atoms per second.
        sites: S₀ n_m, the number of carbon atoms that cover the whole surface.
    """

    feed: Values
    product: Values
    inward: Values
    covering: Values
    tube: Values
    rearrangement: Values
    sites: Values

    @property
    def growing(self) -> Values:
        """The share of surface carbon that dissolves in the particle."""
        return self.inward / (self.inward + self.covering)

    @property
    def fouling(self) -> Values:
        """The rate λ at which bare surface is covered, 1/s, if surface carbon is in equilibrium with the feed."""
        return (self.product + (1.0 - self.growing) * self.feed + self.rearrangement) / self.sites


@dataclass(frozen=True)
class GrowthKinetics(Constants):
    """The constants of the rate equations. We fitted the defaults of four of them (F); see `published`.

    Attributes:
        barrier_ev: E₁ of feed and products at the surface, eV (T).
        inward_s: k_sb at 575 °C, 1/s (T).
        inward_ev: the activation energy of k_sb, eV (F; published: 2.2).
        covering_s: k_cl, 1/s (F; published: 3e-3).
        diffusion_m2_s: the prefactor of k_t d², m²/s (T).
        diffusion_ev: the activation energy of k_t, eV (T).
        product_m3: P₀, m³ (F; published: 1e-14).
        product_ev: E_p, eV (F; published: 2.60).
        rearrangement_s: the prefactor of k_r, atoms per second (T); negligible.
        rearrangement_ev: the activation energy of k_r, eV (T).
        monolayer_m2: n_m, 1/m² (T).
        atoms_per_um: the number of atoms in a micrometre of a tube of 10 nm (T), which corresponds to six walls. Both
            diameter and walls increase linearly with the catalyst (iron films of 0.8 to 3 nm, V), so that the number of
            atoms increases with the square of the diameter.
    """

    barrier_ev: float = 0.41
    inward_s: float = 17.0
    inward_ev: float = 2.636
    covering_s: float = 3.04e-3
    diffusion_m2_s: float = 4e-5
    diffusion_ev: float = 1.5
    product_m3: float = 3.83e-9
    product_ev: float = 3.777
    rearrangement_s: float = 1.2e8
    rearrangement_ev: float = 2.4
    monolayer_m2: float = 1e19
    atoms_per_um: float = 7e6

    @classmethod
    def published(cls) -> Self:
        """Return the published constants (T).

        The rms log₁₀ error of the twelve terminal lengths is 0.22 with them, and 0.11 with the fitted constants.
        """
        return cls(inward_ev=2.2, covering_s=3e-3, product_m3=1e-14, product_ev=2.60)

    def rates(
        self,
        temperature_k: Values,
        feed_density: Values,
        diameter_nm: Values,
        squared_density: Values = None,
        xp: Module = np,
    ) -> Rates:
        """Return the rates at a temperature.

        Args:
            temperature_k: the temperature of particle and gas, K.
            feed_density: the density of acetylene before any of it reacts, 1/m³.
            diameter_nm: the diameter of the particle, nm.
            squared_density: the mean square of that density if it changes with time, 1/m⁶; its square by default.
            xp: NumPy, or CasADi for the derivatives that an optimiser needs.
        """
        beta = 1.0 / (BOLTZMANN_EV_K * temperature_k)
        squared = feed_density * feed_density if squared_density is None else squared_density
        products = self.product_m3 * xp.exp(-self.product_ev * beta) * squared
        feed = xp.fmax(feed_density - 2.0 * products, 0.0)
        surface = math.pi * (1e-9 * diameter_nm) ** 2
        flux = (
            0.25 * surface * xp.sqrt(BOLTZMANN_J_K * temperature_k / (2.0 * math.pi)) * xp.exp(-self.barrier_ev * beta)
        )
        return Rates(
            feed=flux * feed / math.sqrt(FEED_MASS_KG),
            product=flux * products / math.sqrt(PRODUCT_MASS_KG),
            inward=self.inward_s * xp.exp(-self.inward_ev * (beta - 1.0 / (BOLTZMANN_EV_K * REFERENCE_K))),
            covering=self.covering_s,
            tube=self.diffusion_m2_s / (1e-9 * diameter_nm) ** 2 * xp.exp(-self.diffusion_ev * beta),
            rearrangement=self.rearrangement_s * xp.exp(-self.rearrangement_ev * beta),
            sites=surface * self.monolayer_m2,
        )

    def atoms_a_um(self, diameter_nm: Values) -> Values:
        """Return the number of carbon atoms in a micrometre of a particle's tube."""
        return self.atoms_per_um * (diameter_nm / 10.0) * (diameter_nm / 10.0)

    def walls(self, diameter_nm: Values) -> Values:
        """Return the number of walls of a particle's tube: its atoms over those of one wall of the same diameter."""
        return self.atoms_a_um(diameter_nm) / (ATOMS_A_WALL * diameter_nm / 10.0)

    def particle(self, temperature_k: float, times_s: FloatArray, diameter_nm: float = 10.0) -> FloatArray:
        """Integrate the stiff system of one particle at constant temperature.

        The gas flows in as 1 - e^(-t/50 s). SciPy's LSODA integrates with a relative tolerance of 1e-9; the faster
        integration of `matgym.processes.growth.furnace` is tested against this.

        Returns:
            (5, N) atoms: N_C, N_L, N_B, N_T, and all carbon that has arrived, at the N times.
        """
        from scipy.integrate import solve_ivp

        def matrix(time: float) -> tuple[FloatArray, FloatArray]:
            """Return matrix and source of the linear system: slope = matrix @ state + source."""
            density = FEED_PA / (BOLTZMANN_J_K * temperature_k) * -math.expm1(-time / GAS_LAG_S)
            rates = self.rates(temperature_k, density, diameter_nm)
            source = np.array([rates.feed, rates.product + rates.rearrangement, 0.0, 0.0, 0.0])
            source[4] = source.sum()
            linear = np.zeros((5, 5))
            linear[:, 1] = -source / rates.sites
            linear[:4, 0] = -rates.inward - rates.covering, rates.covering, rates.inward, 0.0
            linear[2:4, 2] = -rates.tube, rates.tube
            return linear, source

        def slope(time: float, state: FloatArray) -> FloatArray:
            linear, source = matrix(time)
            return np.asarray(linear @ state + source)

        # A first step is given, because all slopes are zero at time zero and the solver could not estimate one.
        solution = solve_ivp(
            slope, (0.0, float(times_s[-1])), np.zeros(5), "LSODA", t_eval=times_s, rtol=1e-9, atol=1e-6,
            first_step=1e-4, jac=lambda time, _: matrix(time)[0],
        )  # fmt: skip
        return np.asarray(solution.y)
