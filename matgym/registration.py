"""The table of all environments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym


@dataclass(frozen=True)
class Spec:
    """One environment.

    Attributes:
        id: the name for `gymnasium.make`.
        entry_point: the entry point of the scalar environment, as text, so that registering imports nothing. The
            natively batched environment is in the same module.
        max_episode_steps: the time limit, in steps. Arguments that need longer episodes raise an error with the fix.
        variants: the variants with an id: "goal" gives NAMEGoal-v0, "multi-objective" MO-NAME-v0, as in MO-Gymnasium.
        levels: the levels of difficulty, the easiest first, with the arguments that make each.
    """

    id: str
    entry_point: str
    max_episode_steps: int | None = None
    variants: tuple[str, ...] = ()
    levels: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": {}})

    @property
    def vector_entry_point(self) -> str:
        """The entry point of the natively batched environment."""
        return f"{self.entry_point.removesuffix('Env')}VectorEnv"


CHIRALITY_STEPS = 16
"""Time limit of NanotubeChirality: four times its choices."""

ISOTOPE_STEPS = 64
"""Time limit of NanotubeIsotopes: four times the rings."""

THERMOELECTRIC_STEPS = 32
"""Time limit of NanotubeThermoelectric: four times its default budget."""

DOPING_STEPS = 32
"""Time limit of NanotubeDoping: twice its default budget."""

RUN_STEPS = 240
"""Time limit of CVDGrowth and FilmAnnealing, whose runs terminate after 30 steps by default. It is longer than most
runs that users choose, so that the end of a run with `minutes=60` is not both termination and truncation."""

NANOTUBE_DESIGN_STEPS = 256
"""Time limit of NanotubeDesign, whose episodes end after 203 steps at most."""

NANOTUBE_IMPROVEMENT_STEPS = 512
"""Time limit of NanotubeImprovement: twice the changes of its longest episodes."""

CAMPAIGN_STEPS = 200
"""Time limit of CVDRecipe and Experiments, whose campaigns terminate after 20 experiments by default."""

_BOTH = ("goal", "multi-objective")

_LEVELS = {name: {"level": name} for name in ("easy", "medium", "hard")}
_BRIEFS = {name: {"level": name} for name in ("easy", "medium", "hard", "extreme")}

SPECS = (
    Spec(
        "matgym/NanotubeDesign-v0",
        "matgym.envs.nanotube_design:NanotubeDesignEnv",
        NANOTUBE_DESIGN_STEPS,
        _BOTH,
        _BRIEFS,
    ),
    Spec(
        "matgym/NanotubeImprovement-v0",
        "matgym.envs.nanotube_improvement:NanotubeImprovementEnv",
        NANOTUBE_IMPROVEMENT_STEPS,
        levels=_BRIEFS,
    ),
    Spec(
        "matgym/NanotubeDoping-v0",
        "matgym.envs.doping:NanotubeDopingEnv",
        DOPING_STEPS,
        _BOTH,
        {"doping-easy": {"instance": "doping-easy"}, "targets": {}, "doping": {"instance": "doping"}},
    ),
    Spec("matgym/NanotubeChirality-v0", "matgym.envs.chirality:NanotubeChiralityEnv", CHIRALITY_STEPS, _BOTH),
    Spec(
        "matgym/NanotubeIsotopes-v0",
        "matgym.envs.isotopes:NanotubeIsotopesEnv",
        ISOTOPE_STEPS,
        _BOTH,
        {"isotope-rings": {}, "isotope-sites": {"instance": "isotope-sites"}},
    ),
    Spec(
        "matgym/NanotubeThermoelectric-v0",
        "matgym.envs.thermoelectric:NanotubeThermoelectricEnv",
        THERMOELECTRIC_STEPS,
        _BOTH,
        {"thermoelectric-easy": {"instance": "thermoelectric-easy"}, "thermoelectric": {}},
    ),
    Spec("matgym/CVDGrowth-v0", "matgym.envs.growth:CVDGrowthEnv", RUN_STEPS, ("multi-objective",), _LEVELS),
    Spec("matgym/CVDRecipe-v0", "matgym.envs.recipe:CVDRecipeEnv", CAMPAIGN_STEPS, levels=_LEVELS),
    Spec("matgym/Experiments-v0", "matgym.envs.experiments:ExperimentsEnv", CAMPAIGN_STEPS),
    Spec("matgym/FilmAnnealing-v0", "matgym.envs.film_annealing:FilmAnnealingEnv", RUN_STEPS, _BOTH, _LEVELS),
)
"""Levels are arguments of one `level`, or, where a task has named instances, these instances."""


def variant_id(name: str, variant: str) -> str:
    """Return the id of a variant of an environment; the id itself for the variant ""."""
    if variant == "multi-objective":
        return name.replace("matgym/", "matgym/MO-")
    return name.replace("-v", f"{variant.capitalize()}-v")


def register_all() -> None:
    """Register every environment and its variants with Gymnasium; a second call changes nothing."""
    for spec in SPECS:
        for variant in ("", *spec.variants):
            name = variant_id(spec.id, variant)
            if name not in gym.registry:
                gym.register(
                    name,
                    entry_point=spec.entry_point,
                    vector_entry_point=spec.vector_entry_point,
                    max_episode_steps=spec.max_episode_steps,
                    kwargs={"variant": variant} if variant else {},
                    disable_env_checker=variant == "multi-objective",  # it warns of vector rewards
                )
