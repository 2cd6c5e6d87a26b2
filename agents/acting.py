"""Use a trained agent in a scalar environment, one step after the other."""

import inspect
from typing import Any

import gymnasium as gym
import numpy as np

from matgym.errors import ConfigurationError


class Acts:
    """A policy of an agent, with action masks and a recurrent state if the agent uses them."""

    def __init__(self, agent: Any, *, deterministic: bool = True) -> None:
        """Prepare an agent for acting.

        Args:
            agent: an agent of Stable-Baselines3 or sb3-contrib, or an object with the same `predict`.
            deterministic: whether the agent takes the most likely action instead of a random one.
        """
        self.agent, self.deterministic = agent, deterministic
        self._masked = "action_masks" in inspect.signature(agent.predict).parameters
        self.begin()

    def begin(self) -> None:
        """Begin a new episode: discard the recurrent state of the last one."""
        self._state: Any = None
        self._first = True

    def check(self, environment: str, env: gym.Env[Any, Any]) -> None:
        """Check that the agent has the spaces of an environment; a policy on the honeycomb takes those of any tube.

        Args:
            environment: id of the environment, for messages.
            env: the environment.

        Raises:
            ConfigurationError: if observation or action spaces differ.
        """
        here, there = (self.agent.observation_space, self.agent.action_space), (env.observation_space, env.action_space)
        if here != there and _on_honeycomb(self.agent):
            from matgym.agents.honeycomb import on_spaces

            self.agent = on_spaces(self.agent, *there)
        elif here != there:
            raise ConfigurationError(
                f"the agent observes {here[0]} and acts in {here[1]}, but {environment} has {there[0]} and {there[1]}: "
                "give the environment of its training"
            )

    def __call__(self, env: gym.Env[Any, Any], observation: Any) -> Any:
        """Return the agent's action.

        Args:
            env: the environment, which provides the action mask.
            observation: the present observation.
        """
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


def _on_honeycomb(agent: Any) -> bool:
    """Return whether an agent has a policy on the honeycomb, without the slow import of Stable-Baselines3."""
    return hasattr(getattr(agent, "policy", None), "sizes")
