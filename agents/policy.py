"""Let a trained policy design: one rollout is one design."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.envs.choosing import make_dynamics
from matgym.envs.design import masks_of
from matgym.envs.placement import PlacementDynamics
from matgym.envs.seeding import Seeding
from matgym.tasks import Choices, Designs, DesignTask, TargetProperty
from matgym.typing import FloatArray


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
        self, task: DesignTask, targets: FloatArray, *, deterministic: bool, rng: np.random.Generator | None = None
    ) -> Designs:
        """(T, width) one design for each target; none of them is evaluated.

        A policy without masks may try forbidden edits; it gets twice the steps that a design takes, and one that is not
        finished by then is no valid one.

        Args:
            task: what is designed.
            targets: (T,) or (T, k) wanted values.
            deterministic: whether it takes its most likely edits, rather than draws them.
            rng: chooses the seeds it begins on, if it does.
        """
        count = len(targets)
        if isinstance(task, TargetProperty):
            dynamics: Any = PlacementDynamics(task, count, seeding=self.seeding)
        else:
            dynamics = make_dynamics(task, count)
        rngs = (rng or np.random.default_rng(0)).spawn(count)
        chosen = {dynamics.choices[0]: targets} if dynamics.choices else {}
        dynamics.restart(np.arange(count), rngs, chosen)
        designs: Designs = np.zeros((count, task.space.width), dtype=np.uint8)
        for _ in range(2 * episode_length(task)):
            extra = {"action_masks": masks_of(dynamics)} if self.masked else {}
            actions, _ = self.agent.predict(dynamics.observe(), deterministic=deterministic, **extra)
            designs, finished, _ = dynamics.advance(actions)
            if finished.all():
                break
        return designs


def episode_length(task: DesignTask, *, at_once: bool = False) -> int:
    """Steps that a design takes."""
    if at_once:
        return 1
    if isinstance(task, TargetProperty):
        return task.edits.length
    return task.space.width if isinstance(task.space, Choices) else 1
