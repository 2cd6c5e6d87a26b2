"""The one table of environments."""

from dataclasses import dataclass

import gymnasium as gym


@dataclass(frozen=True)
class Spec:
    """One environment.

    Attributes:
        id: name for `gymnasium.make`.
        entry_point: of the scalar environment, as text, so that registering imports nothing.
        vector_entry_point: of the natively batched one.
        max_episode_steps: time limit; None where episodes end by themselves.
    """

    id: str
    entry_point: str
    vector_entry_point: str
    max_episode_steps: int | None = None


DOPING_STEPS = 32
"""Time limit of NanotubeDoping: twice its default budget, as forbidden edits change nothing."""

GROWTH_MINUTES = 30
"""Length of a run of CVDGrowth."""

SPECS = (
    Spec(
        "matgym/NanotubeDoping-v0",
        "matgym.envs.doping:NanotubeDopingEnv",
        "matgym.envs.doping:NanotubeDopingVectorEnv",
        max_episode_steps=DOPING_STEPS,
    ),
    Spec(
        "matgym/CVDGrowth-v0",
        "matgym.envs.growth:CVDGrowthEnv",
        "matgym.envs.growth:CVDGrowthVectorEnv",
    ),
    Spec(
        "matgym/CVDRecipe-v0",
        "matgym.envs.recipe:CVDRecipeEnv",
        "matgym.envs.recipe:CVDRecipeVectorEnv",
    ),
    Spec(
        "matgym/Experiments-v0",
        "matgym.envs.experiments:ExperimentsEnv",
        "matgym.envs.experiments:ExperimentsVectorEnv",
    ),
    Spec(
        "matgym/Annealing-v0",
        "matgym.envs.annealing:AnnealingEnv",
        "matgym.envs.annealing:AnnealingVectorEnv",
    ),
)


def register_all() -> None:
    """Register every environment with Gymnasium; doing so twice changes nothing."""
    for spec in SPECS:
        if spec.id not in gym.registry:
            gym.register(
                spec.id,
                entry_point=spec.entry_point,
                vector_entry_point=spec.vector_entry_point,
                max_episode_steps=spec.max_episode_steps,
            )
