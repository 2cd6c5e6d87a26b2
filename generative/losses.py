"""The minimax game's losses, by name.

- "original": Goodfellow et al., NeurIPS 2014, with the generator's non-saturating form;
- "hinge": Lim and Ye, arXiv:1705.02894;
- "wasserstein": Arjovsky, Chintala and Bottou, ICML 2017, with the gradient penalty of Gulrajani et al., NeurIPS 2017.
"""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Loss: TypeAlias = Literal["original", "hinge", "wasserstein"]

PENALTY: Final = 10.0
"""Weight of the gradient penalty, as in the paper."""


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Of (B,) values of real and generated samples."""
    if loss == "original":
        return softplus(-real).mean() + softplus(fake).mean()
    if loss == "hinge":
        return relu(1.0 - real).mean() + relu(1.0 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """Of (B,) values of generated samples."""
    return softplus(-fake).mean() if loss == "original" else -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Mean of (|gradient| - 1)² at random points between real and generated samples.

    Args:
        critic: (B, ...) → (B,).
        real: (B, ...) samples.
        fake: (B, ...) samples, without gradient.
        share: (B,) random shares of the real sample in each point, from 0 to 1.
    """
    share = share.view(-1, *([1] * (real.dim() - 1)))
    between = (share * real + (1.0 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = ((gradient.flatten(1).norm(dim=1) - 1.0) ** 2).mean()
    return penalty
