"""Proximal policy optimization of a network that chooses one of several candidates."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Updates:
    """How a network is improved by its choices. The values are choices of ours.

    Attributes:
        epochs: passes over the choices of an update.
        batch: choices of a step of Adam.
        rate: step size of Adam.
        clip: largest relative change of a probability that is rewarded (Schulman et al., arXiv:1707.06347).
        entropy: weight of the entropy.
    """

    epochs: int = 8
    batch: int = 256
    rate: float = 5e-3
    clip: float = 0.2
    entropy: float = 0.003


class Choices(NamedTuple):
    """N choices of a network among C candidates each.

    Attributes:
        features: (N, C, F) what it knew of the candidates.
        chosen: (N,) the candidates that it chose.
        log_probabilities: (N,) the logarithms of the probabilities with which it did so.
        advantages: (N,) how much better than expected the consequences were.
    """

    features: FloatArray
    chosen: IntArray
    log_probabilities: FloatArray
    advantages: FloatArray


def learn(
    network: nn.Module, adam: torch.optim.Optimizer, choices: Choices, updates: Updates, rng: np.random.Generator
) -> None:
    """Improve a network by clipped policy gradients.

    Args:
        network: gives (k, C) logits of (k, C, F) features.
        adam: its optimizer.
        choices: what it chose.
        updates: how to improve it.
        rng: source of the order of the choices.
    """
    known, taken = torch.as_tensor(choices.features, dtype=torch.float32), torch.as_tensor(choices.chosen)
    before = torch.as_tensor(choices.log_probabilities, dtype=torch.float32)
    advantage = torch.as_tensor(choices.advantages, dtype=torch.float32)
    for _ in range(updates.epochs):
        order = torch.as_tensor(rng.permutation(len(taken)))
        for part in torch.split(order, updates.batch):
            log = network(known[part]).log_softmax(dim=-1)
            ratio = (log.gather(1, taken[part, None])[:, 0] - before[part]).exp()
            gain = torch.minimum(
                ratio * advantage[part], ratio.clamp(1 - updates.clip, 1 + updates.clip) * advantage[part]
            )
            loss = -gain.mean() + updates.entropy * (log.exp() * log).sum(dim=-1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
