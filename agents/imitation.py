"""Imitation: an agent begins with the actions of a scripted expert, before it learns from rewards.

The expert plays whole episodes in the agent's own environments. Then the agent's policy is fitted by maximum likelihood
to the expert's actions, and its critic to the expert's discounted returns, so that `agent.learn` goes on from there
with a critic that knows the states (behaviour cloning; Bain and Sammut, Machine Intelligence 15, 1995). Where small
faults grow from step to step, disturb the actions that are carried out: the agent then sees how the expert leads back
(DART; Laskey et al., Conference on Robot Learning, 2017).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from torch import nn

from matgym.agents.sb3 import SB3VecEnv
from matgym.agents.scripted import Scripted
from matgym.errors import ConfigurationError, require_counts
from matgym.frozen import ValueObject
from matgym.typing import BoolArray, FloatArray, IntArray

AGENTS: Final = (PPO, A2C, MaskablePPO)
"""Agents that can imitate: those with a stochastic policy and a critic of states, without memory."""

EPOCHS: Final = 6
"""Passes over the expert's steps. A choice of ours, as are the next three."""

BATCH: Final = 128
RATE: Final = 2e-3
VALUE_WEIGHT: Final = 0.5
"""Weight of the critic's squared error beside the negative log-likelihood: as in PPO."""


@dataclass(frozen=True, eq=False)
class Demonstration(ValueObject):
    """The steps of an expert.

    Attributes:
        observations: N observations: an array, or a dictionary of arrays.
        actions: (N, ...) actions of the expert.
        returns: (N,) discounted sums of the rewards that follow.
        masks: (N, n_actions) which actions were allowed; None where the agent uses no masks.
        reward: mean undiscounted return of an episode.
        designs: number of evaluations that the ledger counted.
    """

    observations: Any
    actions: Any
    returns: FloatArray
    masks: BoolArray | None
    reward: float
    designs: int

    @classmethod
    def joined(cls, parts: "Sequence[Demonstration]") -> "Demonstration":
        """Return the steps of several demonstrations, all with masks or all without; `reward` is the mean of theirs."""
        first = parts[0]
        return cls(
            _joined([part.observations for part in parts]),
            np.concatenate([part.actions for part in parts]),
            np.concatenate([part.returns for part in parts]),
            None if first.masks is None else np.concatenate([part.masks for part in parts]),
            float(np.mean([part.reward for part in parts])),
            sum(part.designs for part in parts),
        )


@dataclass(frozen=True)
class Imitation:
    """What an imitation took and reached.

    Attributes:
        episodes: number of episodes of the expert.
        steps: number of their steps.
        designs: number of evaluations that they cost: part of the training designs.
        reward: mean undiscounted return of the expert.
        losses: for each epoch, the mean negative log-likelihood of the expert's actions, and the mean squared error of
            the critic.
    """

    episodes: int
    steps: int
    designs: int
    reward: float
    losses: tuple[tuple[float, float], ...]


def imitate(
    agent: BaseAlgorithm,
    expert: Scripted,
    episodes: int,
    rng: np.random.Generator,
    *,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    rate: float = RATE,
    disturbance: float = 0.0,
    spread: float | None = None,
    on_progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Imitation:
    """Let an agent imitate an expert in its own environments.

    Args:
        agent: an agent of `AGENTS` in batched environments of matgym, as `matgym.agents.training.learner` makes it.
        expert: the expert; see `matgym.agents.experts`.
        episodes: number of episodes that the expert plays.
        rng: source of the expert's draws and of the order of the steps.
        epochs: passes over the steps.
        batch: steps of a step of the optimizer.
        rate: learning rate of Adam; it decreases linearly to zero.
        disturbance: standard deviation of what is added to the expert's actions before they are carried out; the agent
            imitates them without it. Only for actions that are numbers.
        spread: standard deviation with which the agent then explores; None for the one that fits the expert's actions.
            Only for actions that are numbers.
        on_progress: called with what is done, a number, and its total.

    Raises:
        ConfigurationError: if the agent or its environments are of another kind, or a number is not positive.
    """
    require_counts(episodes=episodes, epochs=epochs, batch=batch)
    policy: Any = agent.policy
    numbers = isinstance(agent.action_space, gym.spaces.Box)
    for name, value in (("disturbance", disturbance), ("spread", spread)):
        if value and not (value > 0.0 and numbers):
            kind = "actions that are no numbers" if value > 0.0 else "a negative one"
            raise ConfigurationError(f"{name}={value} has no meaning for {kind}: leave it out")
    shown = demonstrate(
        agent, expert, episodes, rng, lambda done: on_progress("episodes of the expert", done, episodes),
        disturbance=disturbance,
    )  # fmt: skip
    losses = fit(agent, shown, rng, epochs, batch, rate, lambda done: on_progress("epochs of imitation", done, epochs))
    if spread:
        with torch.no_grad():
            policy.log_std.fill_(math.log(spread))
    return Imitation(episodes, len(shown.returns), shown.designs, shown.reward, losses)


def demonstrate(
    agent: BaseAlgorithm,
    expert: Scripted,
    episodes: int,
    rng: np.random.Generator,
    on_episodes: Callable[[int], None] = lambda _done: None,
    *,
    disturbance: float = 0.0,
) -> Demonstration:
    """Return the steps of an expert in the environments of an agent; see `imitate`."""
    envs = agent.get_env()
    if not isinstance(agent, AGENTS):
        names = ", ".join(kind.__name__ for kind in AGENTS)
        raise ConfigurationError(f"{type(agent).__name__} cannot imitate an expert; {names} can")
    if not isinstance(envs, SB3VecEnv):
        raise ConfigurationError(f"an expert needs batched environments of matgym, and {type(envs).__name__} is none")
    batch: Any = envs.envs
    inside, masked = batch.episodes, isinstance(agent, MaskablePPO)
    before, parts, done = sum(inside.task.ledger.counts.values()), list[_Round](), 0
    while done < episodes:
        envs.reset()
        expert.begin(inside, rng)
        rows = np.arange(min(envs.num_envs, episodes - done))
        carried = partial(_disturbed, box=batch.single_action_space, deviation=disturbance, rng=rng)
        parts.append(
            _Round.played(
                inside, expert, rows, masked, batch.max_episode_steps, agent.gamma, carried if disturbance else None
            )
        )
        done += len(rows)
        on_episodes(done)
    return Demonstration(
        _joined([part.observations for part in parts]),
        np.concatenate([part.actions for part in parts]),
        np.concatenate([part.returns for part in parts]),
        np.concatenate([part.masks for part in parts]) if masked else None,
        sum(part.reward for part in parts) / episodes,
        sum(inside.task.ledger.counts.values()) - before,
    )


def fit(
    agent: BaseAlgorithm,
    shown: Demonstration,
    rng: np.random.Generator,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    rate: float = RATE,
    on_epoch: Callable[[int], None] = lambda _done: None,
) -> tuple[tuple[float, float], ...]:
    """Fit policy and critic of an agent to the steps of an expert, and return the losses of epochs; see `imitate`."""
    policy: Any = agent.policy
    optimizer = torch.optim.Adam(policy.parameters(), lr=rate)
    total, losses = epochs * -(-len(shown.returns) // batch), []
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=total)
    policy.set_training_mode(True)
    for epoch in range(epochs):
        sums = np.zeros(2)
        for rows in _batches(rng.permutation(len(shown.returns)), batch):
            values, likelihood = _evaluated(policy, shown, rows)
            wanted = torch.as_tensor(shown.returns[rows], dtype=values.dtype, device=values.device)
            action_loss, value_loss = -likelihood.mean(), nn.functional.mse_loss(values.flatten(), wanted)
            optimizer.zero_grad()
            (action_loss + VALUE_WEIGHT * value_loss).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), agent.max_grad_norm)  # type: ignore[attr-defined]  # `AGENTS`
            optimizer.step()
            falling.step()
            sums += len(rows) * np.array([action_loss.item(), value_loss.item()])
        action, value = (sums / len(shown.returns)).tolist()
        losses.append((action, value))
        on_epoch(epoch + 1)
    policy.set_training_mode(False)
    return tuple(losses)


@dataclass(frozen=True, eq=False)
class _Round:
    """The steps of an expert in one batch of episodes, whole episodes, in the order of time."""

    observations: Any
    actions: Any
    returns: FloatArray
    masks: Any
    reward: float

    @classmethod
    def played(
        cls, episodes: Any, expert: Scripted, first: IntArray, masked: bool, limit: int | None, gamma: float,
        disturb: Callable[[Any], Any] | None,
    ) -> "_Round":  # fmt: skip
        """Play the (k,) first episodes of a batch that was just reset, each to its end."""
        running, rows, steps = np.ones(len(first), dtype=bool), first, 0
        kept: list[tuple[IntArray, Any, Any, Any, FloatArray]] = []
        while rows.size and steps != limit:
            observation = episodes.observe()
            actions = np.asarray(expert.act(observation))[rows]
            masks = episodes.masks()[rows] if masked else None
            rewards, ended = episodes.step(actions if disturb is None else disturb(actions), rows)
            kept.append((rows, _rows_of(observation, rows), actions, masks, rewards))
            running[rows] = ~ended
            rows, steps = first[running], steps + 1
        returns, later = [], np.zeros(len(first))
        for rows, *_, rewards in reversed(kept):
            later[rows] = rewards + gamma * later[rows]
            returns.append(later[rows].copy())
        return cls(
            _joined([look for _, look, *_ in kept]),
            np.concatenate([actions for _, _, actions, _, _ in kept]),
            np.concatenate(returns[::-1]),
            np.concatenate([masks for *_, masks, _ in kept]) if masked else None,
            float(sum(rewards.sum() for *_, rewards in kept)),
        )


def _disturbed(actions: Any, box: gym.spaces.Box, deviation: float, rng: np.random.Generator) -> Any:
    """Return (k, d) actions with noise, in the box."""
    noisy = actions + deviation * rng.standard_normal(actions.shape)
    return np.clip(noisy, box.low, box.high).astype(actions.dtype)


def _joined(observations: Sequence[Any]) -> Any:
    """Return batches of observations, arrays or dictionaries of arrays, as one."""
    if isinstance(observations[0], dict):
        return {name: np.concatenate([each[name] for each in observations]) for name in observations[0]}
    return np.concatenate(observations)


def _rows_of(observation: Any, rows: IntArray) -> Any:
    """Return the observations of (k,) rows, copied."""
    if isinstance(observation, dict):
        return {name: each[rows] for name, each in observation.items()}
    return observation[rows]


def _batches(order: IntArray, size: int) -> Iterator[IntArray]:
    """Yield parts of (N,) indices."""
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _evaluated(policy: Any, shown: Demonstration, rows: IntArray) -> tuple[Any, Any]:
    """Return the critic's values of the (k,) states, and the log-likelihood of the expert's actions there."""
    observations = obs_as_tensor(_rows_of(shown.observations, rows), policy.device)
    actions = torch.as_tensor(shown.actions[rows], device=policy.device)
    masks = {} if shown.masks is None else {"action_masks": shown.masks[rows]}
    values, likelihood, _ = policy.evaluate_actions(observations, actions, **masks)
    return values, likelihood
