"""Design with a trained policy: one rollout gives one design."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from matgym.envs.design import DesignEpisodes, Observed
from matgym.envs.initial_designs import InitialDesigns
from matgym.errors import MatgymError, ModelError, one_line
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

        Raises:
            ModelError: if the agent raises an error, or gives anything else than one action per design.
        """
        count = len(targets)
        on_honeycomb = isinstance(getattr(self.agent, "observation_space", None), spaces.Dict)
        observation: Observed = "honeycomb" if on_honeycomb else "flat"
        episodes = DesignEpisodes(count, task=task, initial=self.initial, observation=observation)
        rngs = (rng or np.random.default_rng(0)).spawn(count)
        episodes.restart(np.arange(count), rngs, {episodes.options[0]: targets} if episodes.options else {})
        for _ in range(episodes.builder.most_steps):
            extra = {"action_masks": episodes.masks()} if self.masked else {}
            actions = self._actions(episodes, deterministic=deterministic, **extra)
            if episodes.masked:
                actions, _ = episodes.resample(actions, np.arange(count))
            if episodes.builder.advance(actions, slice(None))[0].all():
                break
        return episodes.builder.designs

    def _actions(self, episodes: DesignEpisodes, **arguments: Any) -> NDArray[Any]:
        """Return one action per design, after checking what the agent gave."""
        try:
            actions = np.asarray(self.agent.predict(episodes.observe(), **arguments)[0])
        except MatgymError:
            raise
        except Exception as error:
            raise ModelError(
                f"the agent {self.name} raised {type(error).__name__}: {one_line(error)}; give an agent "
                "that was trained on this kind of task"
            ) from error
        space, count = episodes.builder.action_space, len(episodes.builder.designs)
        is_discrete = isinstance(space, spaces.Discrete)
        shape = (count, *(space.shape or ()))
        if actions.shape != shape or actions.dtype.kind not in ("iu" if is_discrete else "iuf"):
            raise ModelError(
                f"the agent {self.name} gave actions of shape {actions.shape} and type {actions.dtype}: `predict` must "
                f"return {'whole numbers' if is_discrete else 'numbers'} of shape {shape}"
            )
        good = (actions >= 0) & (actions < space.n) if isinstance(space, spaces.Discrete) else np.isfinite(actions)
        if not good.all():
            raise ModelError(f"the agent {self.name} gave the action {actions[~good][0]}, which is not in {space}")
        return actions if is_discrete else np.clip(actions, -1.0, 1.0)
