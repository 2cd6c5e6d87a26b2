"""The growth oracle: recipes in, tubes out.

Runs `matgym.processes.growth.furnace` through a recipe and says what has grown. Beside what the furnace integrates:

- G/D: the ratio of Raman bands by the distance between defects, I_D/I_G = 1.8e-9 λ⁴ / L_D² with wavelength and distance
  in nm (Cançado et al., Nano Lett. 11, 3190 (2011), for graphene with few defects; M), at 532 nm.
- Diameters of tubes: log-normal about the particles', of the spread that ripening tends to. Lifshitz and Slyozov's
  own distribution, for growth limited by the surface, has a relative spread of about 0.35 (M); ours is 0.2 (D).
- Chirality: abundance x e^(-x) with x = n - m, what nucleation and growth at the armchair-like edge give together
  (Artyukhov, Penev and Yakobson, Nat. Commun. 5, 4892 (2014), V), times the diameters'.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.models import Cost, Fidelity, Predictions, Property
from matgym.processes.growth.furnace import Controls, Furnace, Reactor, State
from matgym.processes.growth.recipe import PREHEATED_C, STEP_S, Recipe
from matgym.structures import tube_lattice
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K

LENGTH_UM = Property("length_um", "µm", "length of the tubes that still stand on a particle")
RATE_UM_S = Property("growth_rate_um_s", "µm/s", "fastest growth, averaged over a minute")
ACTIVITY = Property("activity", "1", "share of the particles' surface that is still bare at the end")
DENSITY = Property("density", "1", "share of the particles that ripening has left")
PARTICLE_NM = Property("particle_nm", "nm", "diameter of the particles, and of the tubes' outer walls")
WALLS = Property("walls", "1", "walls of a tube")
DISORDER = Property("disorder", "1", "D/G: Raman intensity of defects over that of the lattice, at 532 nm")
AMORPHOUS = Property("amorphous", "1", "amorphous carbon on the tubes, monolayers")
ENERGY_KWH = Property("energy_kwh", "kWh", "energy that the furnace drew")

RAMAN_NM: Final = 532.0
ATOM_AREA_NM2: Final = 0.026196
"""Of an atom in graphene."""

SPREAD: Final = 0.2
"""Standard deviation of the logarithm of diameters. A choice of ours."""


@dataclass(frozen=True)
class CVDGrowth:
    """Growth in one furnace.

    Attributes:
        furnace: its constants.
        preheated_c: temperature at which wafers are loaded, before any gas is let in.
        reactor: its catalyst and leak, of shape (); the default is what the kinetics were measured on.
    """

    furnace: Furnace = field(default_factory=Furnace)
    preheated_c: float = PREHEATED_C
    reactor: Reactor = field(default_factory=lambda: Reactor(*map(np.array, (10.0, 1.0, 1.0, 0.0, 0.0))))

    @property
    def provides(self) -> tuple[Property, ...]:
        """What has grown, on what, how clean, and at what price."""
        return LENGTH_UM, RATE_UM_S, ACTIVITY, DENSITY, PARTICLE_NM, WALLS, DISORDER, AMORPHOUS, ENERGY_KWH

    level = Level.MODEL
    cost = Cost(seconds=2e-4, sites=1, exponent=0.0)
    """Measured on one core of an AMD EPYC server, in batches of 1024: 30 minutes of furnace time."""

    def evaluate(self, recipes: Sequence[Recipe]) -> Predictions:
        """Run recipes, those of equal length together.

        Returns:
            Predictions of shape (len(recipes),).
        """
        values = {prop.key: np.empty(len(recipes)) for prop in self.properties}
        lengths = np.array([recipe.minutes for recipe in recipes])
        for minutes in np.unique(lengths):
            rows = np.flatnonzero(lengths == minutes).tolist()
            found = self.run(np.stack([recipes[row].controls for row in rows]))
            for key, column in values.items():
                column[rows] = found[key]
        return Predictions(values)

    def run(self, controls: FloatArray) -> Predictions:
        """Run schedules of equal length.

        Args:
            controls: (B, minutes, 4) as in `Recipe`.
        """
        reactor = Reactor(*(np.broadcast_to(value, len(controls)) for value in self.reactor))
        state = self.furnace.cold(reactor, self.preheated_c + CELSIUS_K)
        fastest = np.zeros(len(controls))
        for minute in range(controls.shape[1]):
            before = state.length_um
            state = self.furnace.hold(state, as_controls(controls[:, minute]), reactor, STEP_S)
            fastest = np.maximum(fastest, (state.length_um - before) / STEP_S)
        return Predictions({**self.describe(state, reactor).values, RATE_UM_S.key: fastest})

    def describe(self, state: State, reactor: Reactor) -> Predictions:
        """What stands in the furnace, all but the rate, which a state does not know."""
        kinetics = self.furnace.kinetics
        sites = math.pi * (1e-9 * state.diameter_nm) ** 2 * kinetics.monolayer_m2
        return Predictions(
            {
                LENGTH_UM.key: state.length_um,
                ACTIVITY.key: 1.0 - state.layer / sites,
                DENSITY.key: (reactor.diameter_nm / state.diameter_nm) ** 3,
                PARTICLE_NM.key: state.diameter_nm,
                WALLS.key: kinetics.walls(state.diameter_nm) + 0.0 * state.diameter_nm,
                DISORDER.key: disorder(state.defects, state.grown),
                AMORPHOUS.key: state.amorphous,
                ENERGY_KWH.key: state.energy_kwh,
            }
        )


def as_controls(minute: FloatArray) -> Controls:
    """(B, 4) rows of a recipe as the furnace takes them."""
    celsius, feed, hydrogen, water = minute.T
    return Controls(celsius + CELSIUS_K, feed, hydrogen, water)


def yield_um(state: State, reactor: Reactor) -> Any:
    """Carbon in tubes on the wafer, as the length, µm, that as much would have on particles that did not ripen.

    Ripening leaves (d₀/d)³ of the particles, with (d/d₀)² of the atoms a micrometre.
    """
    return state.length_um * reactor.diameter_nm / state.diameter_nm


def disorder(defects: Any, grown: Any, xp: Any = np) -> Any:
    """D/G of tubes with so many of their atoms in a defect; none where nothing has grown."""
    share = defects / xp.fmax(grown, 1.0)
    return 1.8e-9 * RAMAN_NM**4 * math.pi / ATOM_AREA_NM2 * share


def chirality_distribution(diameter_nm: float, spread: float = SPREAD) -> dict[tuple[int, int], float]:
    """Abundance of single-walled tubes (n, m) that grow on particles of a mean diameter; they sum to 1.

    Args:
        diameter_nm: median of the log-normal distribution of diameters.
        spread: standard deviation of its logarithm.

    Raises:
        ConfigurationError: if one of them is not positive, or the tubes are wider than 5 nm, where chirality hardly
            matters.
    """
    if not 0.0 < diameter_nm <= WIDEST_NM or not 0.0 < spread < math.inf:
        raise ConfigurationError(
            f"diameter_nm={diameter_nm} must lie above 0 and up to {WIDEST_NM}, spread={spread} above 0"
        )
    found = {}
    largest = math.ceil(diameter_nm * math.exp(4.0 * spread) / 0.0783) + 1  # (n, 0) has 0.0783 n nm
    for n in range(4, largest):
        for m in range(n):  # armchair tubes, x = 0, do not nucleate in this model
            diameter = tube_lattice(n, m, 1).diameter_nm
            weight = math.exp(-0.5 * (math.log(diameter / diameter_nm) / spread) ** 2) / diameter
            found[n, m] = weight * (n - m) * math.exp(-(n - m))
    total = sum(found.values())
    return {shape: weight / total for shape, weight in found.items()}


WIDEST_NM: Final = 5.0
