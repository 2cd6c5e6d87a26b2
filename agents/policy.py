"""Let a trained policy design: one rollout is one design."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.envs.design import DesignEpisodes
from matgym.envs.initial_designs import InitialDesigns
from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Policy:
    """A trained agent, and the name it goes by in tables.

    Attributes:
        agent: a Stable-Baselines3 model, or anything with its `predict`. DQN draws by one coin for the whole
            batch, so that its further designs hardly differ from its first.
        name: of the algorithm.
        masked: whether `predict` takes `action_masks`.
        initial: of the designs it begins on; None for the undecorated tube.
    """

    agent: Any
    name: str
    masked: bool
    initial: InitialDesigns | None = None

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
            rng: chooses the initial designs, if it begins on some.
        """
        count = len(targets)
        episodes = DesignEpisodes(count, task=task, initial=self.initial)
        rngs = (rng or np.random.default_rng(0)).spawn(count)
        episodes.restart(np.arange(count), rngs, {episodes.options[0]: targets} if episodes.options else {})
        for _ in range(2 * episodes.steps):
            extra = {"action_masks": episodes.masks()} if self.masked else {}
            actions, _ = self.agent.predict(episodes.observe(), deterministic=deterministic, **extra)
            if episodes.builder.advance(actions, slice(None))[0].all():
                break
        return episodes.builder.designs
