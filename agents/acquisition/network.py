"""The network that chooses among the candidates of the pair model, and what it knows of each.

It corrects the expected improvement, and was trained by reinforcement learning on other problems, as in MetaBO (Volpp
et al., ICLR 2020, arXiv:1904.02642).
"""

from typing import Final

from torch import Tensor
from typing_extensions import override

from matgym.agents.choosing.network import ChoiceNetwork

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


class AcquisitionNetwork(ChoiceNetwork):
    """A network whose logit is added to `SHARPNESS` times the logarithm of the expected improvement.

    The most likely choice of an untrained one is the largest expected improvement.
    """

    features = FEATURES

    def __init__(self, hidden: int = 16) -> None:
        super().__init__(hidden)

    @override
    def forward(self, known: Tensor) -> Tensor:
        return SHARPNESS * known[..., 0] + super().forward(known)
