"""What a furnace has grown: yield and disorder of a state, and the outcomes of a whole recipe."""

import math
from typing import Final

import numpy as np

from matgym.processes.growth.furnace import Controls, Furnace, State
from matgym.processes.growth.reactors import STANDARD, Reactor
from matgym.processes.growth.recipe import PREHEATED_C, STEP_S
from matgym.typing import FloatArray, Module, Values
from matgym.units import CELSIUS_K

RAMAN_NM: Final = 532.0
"""Wavelength at which D/G is given."""

ATOM_AREA_NM2: Final = 0.026196
"""Of an atom in graphene."""

GROWN: Final = {
    "length_um": "length of the tubes that still stand on a particle",
    "growth_rate_um_s": "fastest growth, averaged over a minute",
    "activity": "share of the particles' surface that is still bare at the end",
    "density": "share of the particles that ripening has left",
    "particle_nm": "diameter of the particles, and of the tubes' outer walls",
    "walls": "walls of a tube",
    "disorder": "D/G: Raman intensity of defects over that of the lattice, at 532 nm",
    "amorphous": "amorphous carbon on the tubes, monolayers",
    "energy_kwh": "energy that the furnace drew",
}
"""Outcomes of a recipe, and what they mean."""


def grow(controls: FloatArray, reactor: FloatArray = STANDARD, furnace: Furnace | None = None) -> dict[str, float]:
    """Run one recipe, (minutes, 4) controls, in a (5,) reactor, and return a value for each of `GROWN`."""
    furnace, given = furnace or Furnace(), Reactor(*reactor[:, None])
    state, fastest = furnace.cold(given, PREHEATED_C + CELSIUS_K), 0.0
    for minute in controls:
        before = state.length_um.item()
        state = furnace.hold(state, Controls.of(minute[None]), given, STEP_S)
        fastest = max(fastest, (state.length_um.item() - before) / STEP_S)
    kinetics, diameter = furnace.kinetics, state.diameter_nm.item()
    sites = math.pi * (1e-9 * diameter) ** 2 * kinetics.monolayer_m2
    outcomes = (
        state.length_um.item(), fastest, 1.0 - state.layer.item() / sites, (float(reactor[0]) / diameter) ** 3,
        diameter, float(kinetics.walls(diameter)), disorder(state.defects, state.grown).item(), state.amorphous.item(),
        state.energy_kwh.item(),
    )  # fmt: skip
    return dict(zip(GROWN, outcomes, strict=True))


def yield_um(state: State, reactor: Reactor) -> Values:
    """Carbon in tubes on the wafer, as the length, µm, that as much would have on particles that did not ripen.

    Ripening leaves (d₀/d)³ of the particles, with (d/d₀)² of the atoms a micrometre.
    """
    return state.length_um * reactor.diameter_nm / state.diameter_nm


def disorder(defects: Values, grown: Values, xp: Module = np) -> Values:
    """D/G of tubes with so many of their atoms in a defect; none where nothing has grown.

    The ratio of Raman bands by the distance between defects, I_D/I_G = 1.8e-9 λ⁴ / L_D² with wavelength and distance in
    nm (Cançado et al., Nano Lett. 11, 3190 (2011), for graphene with few defects; M).
    """
    share = defects / xp.fmax(grown, 1.0)
    return 1.8e-9 * RAMAN_NM**4 * math.pi / ATOM_AREA_NM2 * share
