"""Policies of the amortised track: stored ones, look-up tables, and policies that are trained."""

import numpy as np

from matgym.agents.look_up import LOOK_UP, LookUp
from matgym.agents.policy import Policy
from matgym.benchmark.suite import PolicySpec
from matgym.errors import ConfigurationError
from matgym.tasks import DesignTask


def trained(policy: PolicySpec, task: DesignTask, environment: str, seed: int, *, trust: bool = False) -> Policy:
    """Return a stored policy, or train a policy in an environment of a task.

    Raises:
        ConfigurationError: if there is no environment for the training.
    """
    if policy.file:
        from matgym.agents.storage import load_agent

        stored = load_agent(policy.file, trust=trust)
        return Policy(stored, policy.title, type(stored).__name__ == "MaskablePPO")
    if policy.algorithm == LOOK_UP:
        return LookUp.of(task, policy.designs, np.random.default_rng(seed), policy.title)
    from matgym.agents.sb3 import make_agent, train_agent

    if not environment:
        raise ConfigurationError(f"policy {policy.title!r} has no environment for its training: give a trained policy")
    agent = make_agent(policy.algorithm, task, seed, environment=environment)
    train_agent(agent, task.ledger, policy.designs, lambda _designs, _reward: None)
    return Policy(agent, policy.title, policy.algorithm == "MaskablePPO")
