"""The annealing task: crystallites of a target size, few defects, little energy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, require_counts
from matgym.processes.annealing.film import Film
from matgym.processes.annealing.microstructure import Labels
from matgym.processes.annealing.runs import random_films
from matgym.tasks.difficulty import Difficulty
from matgym.tasks.ledger import Ledger
from matgym.tasks.objective import tolerance
from matgym.tasks.reward import check_reward
from matgym.typing import FloatArray

AnnealingReward: TypeAlias = Callable[[Mapping[str, FloatArray], FloatArray], Any]
"""A function from the state of B films and their (B,) target mean radii to (B,) values in [0, 1].

The state is a mapping of names to (B,) values: "radius" (lattice constants), "defects" (share left), "energy_kwh". A
value outside [0, 1] raises an error."""

_FILM: Final = Film()

LEVELS: Final[Mapping[Difficulty, Mapping[str, Any]]] = {
    "easy": {"particles": (0.0, 0.0)},
    "medium": {},
    "hard": {"grains": (80, 300), "particles": (0.0, 0.2), "targets": (4.5, 12.0)},
}
"""The fields of the task at each level. A choice of ours.

At "easy" no particles hold boundaries back, so that the radius depends on the heat so far and not on its order. At
"hard" the film at the start, its hidden particles and the target vary more.
"""


@dataclass(frozen=True, eq=False)
class AnnealingTask:
    """Anneal a film so that its crystallites reach a target mean radius and its defects heal.

        J = tolerance(ln(radius / target), 0.2) (1 - share of defects left) - 0.01 energy [kWh]

    Small crystallites make a film strong, large ones make it conductive; defects lower both. The weights are a choice
    of ours.

    Attributes:
        film: model of the film.
        steps: number of steps, of two minutes each.
        size: number of sites along a side.
        grains: fewest and most grains at the start, on 64 x 64 sites.
        particles: least and largest share of sites with a particle.
        targets: least and largest target mean radius, lattice constants.
        start_c: temperature at the start, °C.
        margin: error of the radius' logarithm at which the reward has fallen to a tenth.
        per_kwh: price of energy, 1/kWh.
        reward: a function that gives the values of films instead of J.
        ledger: counts of simulated steps.
    """

    film: Film = _FILM
    steps: int = 30
    size: int = 64
    grains: tuple[int, int] = (120, 200)
    particles: tuple[float, float] = (0.04, 0.12)
    targets: tuple[float, float] = (4.0, 9.0)
    start_c: float = 1000.0
    margin: float = 0.2
    per_kwh: float = 0.01
    reward: AnnealingReward | None = None
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        require_counts(steps=self.steps)
        check_reward(self.reward)
        if not 0.0 < self.targets[0] <= self.targets[1]:
            raise ConfigurationError(f"targets={self.targets} must be the least and the largest radius, both positive")

    def draw(self, rng: np.random.Generator) -> tuple[Labels, float]:
        """Draw the (size, size) grains and particles of a film as deposited, and its target mean radius."""
        film = random_films(1, rng, size=self.size, grains=self.grains, particles=self.particles)[0]
        return film, float(rng.uniform(*self.targets))

    def objective(self, measures: FloatArray, energy_kwh: FloatArray, targets: FloatArray) -> FloatArray:
        """Return (B,) J of films from their measures, as `Film.measures` returns them."""
        return np.asarray(self.met(measures, targets) * (1.0 - measures[:, 1]) - self.per_kwh * energy_kwh)

    def met(self, measures: FloatArray, targets: FloatArray) -> FloatArray:
        """Return the (B,) tolerances of radii and their targets, in [0, 1]."""
        return tolerance(np.log(measures[:, 0] / targets), self.margin)
