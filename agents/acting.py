"""An agent that acts step by step in a scalar environment."""

import inspect
from typing import Any

import gymnasium as gym
import numpy as np

from matgym.errors import ConfigurationError


class Acts:
    """An agent that acts step by step, masked and with a memory if it has them."""

    def __init__(self, agent: Any, *, deterministic: bool = True) -> None:
        """Take an agent.

        Args:
            agent: an agent of Stable-Baselines3 or sb3-contrib, or an object with the same `predict`.
            deterministic: whether it takes its most likely actions instead of drawing them.
        """
        self.agent, self.deterministic = agent, deterministic
        self._masked = "action_masks" in inspect.signature(agent.predict).parameters
        self.begin()

    def begin(self) -> None:
        """Begin another episode: what the agent remembers is of the last one."""
        self._state: Any = None
        self._first = True

    def check(self, environment: str, env: gym.Env[Any, Any]) -> None:
        """Check that the agent fits an environment.

        Raises:
            ConfigurationError: if spaces differ.
        """
        here, there = (self.agent.observation_space, self.agent.action_space), (env.observation_space, env.action_space)
        if here != there:
            raise ConfigurationError(
                f"the agent observes {here[0]} and acts in {here[1]}; {environment} has {there[0]} and {there[1]}"
            )

    def __call__(self, env: gym.Env[Any, Any], observation: Any) -> Any:
        """Return the action for an observation."""
        masks = self._masked and env.has_wrapper_attr("action_masks")
        action, self._state = self.agent.predict(
            observation,
            state=self._state,
            episode_start=np.array([self._first]),
            deterministic=self.deterministic,
            **({"action_masks": env.get_wrapper_attr("action_masks")()} if masks else {}),
        )
        self._first = False
        return np.int64(action) if isinstance(env.action_space, gym.spaces.Discrete) else action
