"""Rate equations of nanotube growth on a catalyst particle.

Puretzky, Geohegan, Jesse, Ivanov and Eres, Appl. Phys. A 81, 223 (2005): carbon atoms N_C on the particle's surface,
N_L in a carbonaceous layer that covers it, N_B dissolved in it, N_T in the tube; θ = N_L / (S₀ n_m) is the share of
surface that is covered for good.

    dN_C/dt = F₁ (1 - θ) - (k_sb + k_cl) N_C        from the feed, to the inside and to the layer
    dN_L/dt = F₂ (1 - θ) + k_cl N_C + k_r (1 - θ)   from pyrolysis products, from the surface, from rearrangement
    dN_B/dt = k_sb N_C - k_t N_B
    dN_T/dt = k_t N_B

with fluxes F = ¼ S₀ n √(kT / 2πm) e^(-E₁/kT) of feed molecules of density n and of their products of density
n_p = P₀ e^(-E_p/kT) n², two feed molecules each. The paper's abstract was read (flag V); equations and constants were
taken from another implementation (T) and from the notes of this project, and hold the paper's digitised terminal
lengths (T) as `tests/processes/test_kinetics.py` shows.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from matgym.processes.controls import Constants
from matgym.typing import FloatArray, Module, Values
from matgym.units import ATOMIC_MASS_KG, BOLTZMANN_EV_K, BOLTZMANN_J_K

FEED_MASS_KG: Final = 26.038 * ATOMIC_MASS_KG
"""Acetylene, C2H2."""

PRODUCT_MASS_KG: Final = 52.076 * ATOMIC_MASS_KG
"""Its dimer C4H4; with it the published constants give the rms error that our notes report, 0.224."""

REFERENCE_K: Final = 848.15
"""575 °C, at which the paper gives k_sb."""

TERMINAL_LENGTHS: Final = (
    (535.2, 0.395), (544.0, 0.690), (553.9, 1.077), (563.8, 1.912), (569.3, 2.514), (575.5, 1.348),
    (598.7, 9.18), (600.7, 5.74), (698.1, 152.1), (850.3, 2.65), (874.7, 1.55), (899.7, 1.23),
)  # fmt: skip
"""(°C, µm) terminal lengths measured by Puretzky et al., digitised from their figure (T)."""

FEED_PA: Final = 266.645
"""2 Torr of acetylene in their experiments (T)."""

GAS_LAG_S: Final = 50.0
"""Time in which the gas in their furnace follows its flow (T)."""

ATOMS_A_WALL: Final = 1e3 * math.pi * 10.0 / 0.026196
"""Atoms in a micrometre of one wall of 10 nm: its area over 0.0262 nm² an atom, half of graphene's unit cell."""


class Rates(NamedTuple):
    """What drives one particle, arrays of the temperature's shape.

    Attributes:
        feed: F₁, carbon atoms a second at a bare surface.
        product: F₂, likewise.
        inward: k_sb, 1/s.
        covering: k_cl, 1/s.
        tube: k_t, 1/s.
        rearrangement: k_r, atoms a second.
        sites: S₀ n_m, carbon atoms that cover the surface.
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
        """Share of surface carbon that goes inward."""
        return self.inward / (self.inward + self.covering)

    @property
    def fouling(self) -> Values:
        """λ, 1/s: rate at which bare surface is covered, where surface carbon keeps up with the feed."""
        return (self.product + (1.0 - self.growing) * self.feed + self.rearrangement) / self.sites


@dataclass(frozen=True)
class GrowthKinetics(Constants):
    """Constants of the rate equations. The defaults of four of them are fitted here (F); see `published`.

    Attributes:
        barrier_ev: E₁ of feed and products at the surface (T).
        inward_s: k_sb at 575 °C, 1/s (T).
        inward_ev: its activation energy (F; published: 2.2).
        covering_s: k_cl, 1/s (F; published: 3e-3).
        diffusion_m2_s: k_t d² before the exponential (T).
        diffusion_ev: its activation energy (T).
        product_m3: P₀ (F; published: 1e-14).
        product_ev: E_p (F; published: 2.60).
        rearrangement_s: k_r before the exponential, atoms a second (T); negligible.
        rearrangement_ev: its activation energy (T).
        monolayer_m2: n_m (T).
        atoms_per_um: of a tube of 10 nm (T), which makes six walls; both diameter and walls rise linearly with the
            catalyst (iron films of 0.8 to 3 nm, V), so that atoms rise with the diameter's square.
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
        """All constants as published (T): rms log₁₀ error of the twelve terminal lengths 0.22, fitted ones 0.11."""
        return cls(inward_ev=2.2, covering_s=3e-3, product_m3=1e-14, product_ev=2.60)

    def rates(
        self,
        temperature_k: Values,
        feed_density: Values,
        diameter_nm: Values,
        squared_density: Values = None,
        xp: Module = np,
    ) -> Rates:
        """Rates at a temperature.

        Args:
            temperature_k: of particle and gas, K.
            feed_density: of acetylene before any of it reacts, 1/m³.
            diameter_nm: of the particle.
            squared_density: mean of its square where it changes meanwhile; its square by default.
            xp: NumPy, or CasADi for an optimiser's derivatives.
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
        """Carbon atoms in a micrometre of a particle's tube."""
        return self.atoms_per_um * (diameter_nm / 10.0) * (diameter_nm / 10.0)

    def walls(self, diameter_nm: Values) -> Values:
        """Walls of a particle's tube: its atoms over those of a single wall of the same diameter."""
        return self.atoms_a_um(diameter_nm) / (ATOMS_A_WALL * diameter_nm / 10.0)

    def particle(self, temperature_k: float, times_s: FloatArray, diameter_nm: float = 10.0) -> FloatArray:
        """One particle in a furnace at constant temperature whose gas comes in as 1 - e^(-t/50 s): the stiff system.

        SciPy's LSODA, to 1e-9; the reference of everything faster.

        Returns:
            (5, N): N_C, N_L, N_B, N_T, and all carbon that has arrived, atoms.
        """
        from scipy.integrate import solve_ivp

        def matrix(time: float) -> tuple[FloatArray, FloatArray]:
            """The system is linear: slope = matrix @ state + source."""
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

        # A first step is given: at time zero nothing moves from which the solver could estimate one.
        found = solve_ivp(
            slope, (0.0, float(times_s[-1])), np.zeros(5), "LSODA", t_eval=times_s, rtol=1e-9, atol=1e-6,
            first_step=1e-4, jac=lambda time, _: matrix(time)[0],
        )  # fmt: skip
        return np.asarray(found.y)
