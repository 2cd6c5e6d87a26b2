"""The scripted expert of each environment: a heuristic, a predictive controller, or a search within the episode."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from matgym.agents.controllers.growth import Predictive, known_recipe
from matgym.agents.controllers.rules import ChangeTheBest, HeatUntilLarge
from matgym.agents.designers import WholeTable, graded_rings, search
from matgym.agents.greedy import Greedy
from matgym.agents.scripted import ByDesign, Scripted
from matgym.errors import ConfigurationError
from matgym.registration import SPECS, variant_id


@dataclass(frozen=True)
class Expert:
    """The expert of an environment.

    Attributes:
        description: what it does, in a few words.
        make: a function that makes the policy.
    """

    description: str
    make: Callable[[], Scripted]


_SEARCH: Final = Expert("32 random designs, 32 mutations of the best, scored by the model", lambda: ByDesign(search))

EXPERTS: Final = {
    "matgym/NanotubeDesign-v0": _SEARCH,
    "matgym/NanotubeImprovement-v0": Expert("the best single change, until none helps", Greedy),
    "matgym/NanotubeDoping-v0": _SEARCH,
    "matgym/NanotubeChirality-v0": Expert("the best of all 15,708 tubes, scored once", lambda: ByDesign(WholeTable())),
    "matgym/NanotubeIsotopes-v0": Expert(
        "rings: blocks of 1, 1, 2, 2, 3, 3 … rings; sites: 32 random designs, 32 mutations of the best",
        lambda: ByDesign(graded_rings),
    ),
    "matgym/NanotubeThermoelectric-v0": _SEARCH,
    "matgym/CVDGrowth-v0": Expert("model-predictive control, from the best known schedule", Predictive),
    "matgym/CVDRecipe-v0": Expert(
        "the best known recipe of the standard reactor, then small changes of the best measured one",
        lambda: ChangeTheBest(known_recipe()),
    ),
    "matgym/Experiments-v0": Expert(
        "half of the experiments at random, then small changes of the best measured one", ChangeTheBest
    ),
    "matgym/FilmAnnealing-v0": Expert("2400 °C until the radius is 0.85 of the target, then cool", HeatUntilLarge),
}
"""The experts by the id of the environment; variants have the same expert."""


def expert_of(environment: str) -> Expert:
    """Return the expert of an environment or of its variant.

    Raises:
        ConfigurationError: if it has none.
    """
    for spec in SPECS:
        if environment in {variant_id(spec.id, variant) for variant in ("", *spec.variants)} and spec.id in EXPERTS:
            return EXPERTS[spec.id]
    raise ConfigurationError(f"there is no scripted expert of {environment!r}; there are of {', '.join(EXPERTS)}")
