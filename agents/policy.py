"""Design with a trained policy: one rollout gives one design."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from matgym.envs.design import DesignEpisodes
from matgym.envs.initial_designs import InitialDesigns
from matgym.tasks import Designs, DesignTask
from matgym.typing import FloatArray


@dataclass(frozen=True)
class Policy:
    """A trained agent and its name in tables.

    Attributes:
        agent: a Stable-Baselines3 model, or an object with the same `predict`. DQN draws one random number for the
            whole batch, so that its further designs hardly differ from the first.
        name: name of the algorithm.
        masked: whether `predict` takes `action_masks`.
        initial: the initial designs of its episodes; None starts from the undecorated tube.
    """

    agent: Any
    name: str
    masked: bool
    initial: InitialDesigns | None = None

    def design(
        self, task: DesignTask, targets: FloatArray, *, deterministic: bool, rng: np.random.Generator | None = None
    ) -> Designs:
        """Return (T, width) designs, one for each target, without evaluation.

        A policy without masks can choose forbidden edits, which are replaced as in its environment. A design that has
        no edit left before it is finished is invalid.

        Args:
            task: the design task.
            targets: (T,) or (T, k) target values.
            deterministic: whether the policy takes its most likely edits instead of drawing them.
            rng: source of randomness of the initial designs, if there are any.
        """
        count = len(targets)
        episodes = DesignEpisodes(count, task=task, initial=self.initial)
        rngs = (rng or np.random.default_rng(0)).spawn(count)
        episodes.restart(np.arange(count), rngs, {episodes.options[0]: targets} if episodes.options else {})
        for _ in range(episodes.steps):
            extra = {"action_masks": episodes.masks()} if self.masked else {}
            actions, _ = self.agent.predict(episodes.observe(), deterministic=deterministic, **extra)
            if episodes.masked:
                actions, _ = episodes.resample(actions, np.arange(count))
            if episodes.builder.advance(actions, slice(None))[0].all():
                break
        return episodes.builder.designs
