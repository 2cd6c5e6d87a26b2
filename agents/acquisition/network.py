"""The network that chooses among the candidates of the pair model, and what it knows of each.

It corrects the expected improvement, and was trained by reinforcement learning on other problems, as in MetaBO (Volpp
et al., ICLR 2020, arXiv:1904.02642).
"""

from typing import Final

from torch import Tensor, nn

FEATURES: Final = (
    "improvement", "mean", "sd", "likely", "distance",  # of a candidate
    "standing", "progress", "count",  # of the search
)  # fmt: skip
"""What the network knows of each candidate. Rewards are in standard deviations of the search's rewards.

- improvement: logarithm of the expected improvement, minus that of the best candidate, and at least `LEAST`;
- mean: predicted reward, minus the best reward;
- sd: standard deviation of the prediction;
- likely: chance that the constraint is met, relative to that of the best candidate;
- distance: distance from the best design, in scaled features;
- standing: the best reward, minus the mean reward;
- progress: share of the budget that is spent;
- count: natural logarithm of the number of evaluations."""

CANDIDATES: Final = 32
"""Number of candidates among which the network chooses. A choice of ours, as are the next two."""

LEAST: Final = -8.0

SHARPNESS: Final = 4.0
"""Weight of the logarithm of the expected improvement in an untrained network, which chooses by it alone."""


class AcquisitionNetwork(nn.Module):
    """A perceptron whose output is added to `SHARPNESS` times the logarithm of the expected improvement.

    An untrained network adds 0, so that its most likely choice is the largest expected improvement.

    Args:
        hidden: width of its two hidden layers.
    """

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.hidden = hidden
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.Linear(len(FEATURES), hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), last
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (...) logits of (..., 8) features."""
        logits: Tensor = SHARPNESS * features[..., 0] + self.body(features)[..., 0]
        return logits
