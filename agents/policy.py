"""Let a trained policy design: one rollout is one design."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.envs.placement import PlacementDynamics
from matgym.envs.seeding import Seeding
from matgym.tasks import TargetProperty
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True)
class Policy:
    """A trained agent, and the name it goes by in tables.

    Attributes:
        agent: a Stable-Baselines3 model, or anything with its `predict`. DQN draws by one coin for the whole
            batch, so that its further designs hardly differ from its first.
        name: of the algorithm.
        masked: whether `predict` takes `action_masks`.
        seeding: of the designs it begins on; None for the undecorated tube.
    """

    agent: Any
    name: str
    masked: bool
    seeding: Seeding | None = None

    def design(
        self, task: TargetProperty, targets: FloatArray, *, deterministic: bool, rng: np.random.Generator | None = None
    ) -> SpeciesArray:
        """(T, n_sites) one design for each target; none of them is evaluated.

        A policy without masks may try forbidden edits; it gets twice the budget of steps,
        and sites it has not filled then stay carbon.

        Args:
            task: what is designed.
            targets: (T,) wanted values.
            deterministic: whether it takes its most likely edits, rather than draws them.
            rng: chooses the seeds it begins on, if it does.
        """
        dynamics = PlacementDynamics(task, len(targets), seeding=self.seeding)
        rngs = [] if self.seeding is None else (rng or np.random.default_rng(0)).spawn(len(targets))
        dynamics.restart(np.arange(len(targets)), rngs, {"target_ev": targets})
        for _ in range(2 * task.edits.length):
            extra = {"action_masks": dynamics.action_masks()} if self.masked else {}
            actions, _ = self.agent.predict(dynamics.observe(), deterministic=deterministic, **extra)
            task.edits.apply(dynamics.species, dynamics.remaining, actions)
            if not dynamics.remaining.any():
                break
        return dynamics.species
