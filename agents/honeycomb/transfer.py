"""An agent that was trained on one tube, on another one."""

import copy
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from matgym.agents.honeycomb.policies import Sized
from matgym.errors import ConfigurationError, one_line


def on_spaces(
    agent: BaseAlgorithm, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> BaseAlgorithm:
    """Return an agent for `predict` with the weights of a given one, and the spaces of another tube.

    Args:
        agent: an agent with a policy on the honeycomb.
        observation_space: the observation space of the other tube.
        action_space: its action space, with the same kinds of atoms and the same further actions.

    Raises:
        ConfigurationError: if the policy is not on the honeycomb, or the spaces differ in more than the tube.
    """
    if not isinstance(agent.policy, Sized):
        raise ConfigurationError(f"a {type(agent.policy).__name__} acts on its own tube only: train a HoneycombPolicy")
    arguments = {name: value for name, value in agent.policy_kwargs.items() if name != "trunk"} | agent.policy.sizes
    policy = agent.policy_class(observation_space, action_space, agent.lr_schedule, **arguments)
    try:
        policy.load_state_dict(agent.policy.state_dict())
    except RuntimeError as error:
        raise ConfigurationError(
            f"the agent was trained on other kinds of atoms, targets or further actions: {one_line(error)}"
        ) from None
    moved = copy.copy(agent)
    moved.policy = policy.to(agent.device)
    moved.policy.set_training_mode(False)
    moved.observation_space, moved.action_space = observation_space, action_space
    return moved
