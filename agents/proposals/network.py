"""The network that chooses among mutations, and what it knows of each."""

from typing import Final

from torch import Tensor, nn

FEATURES: Final = (
    "mean", "improvement", "sd", "known", "step", "changed",  # of a mutant
    "standing", "gap", "progress", "temperature", "count",  # of the walk
)  # fmt: skip
"""What the network knows of each mutant. Rewards are in standard deviations of the search's rewards.

- mean: predicted reward of the mutant, minus that of the present design;
- improvement: predicted reward of the mutant, minus the best reward;
- sd: standard deviation of the prediction;
- known: 1 if the mutant was evaluated before;
- step: distance of the mutant from the present design, in scaled features;
- changed: share of the entries of a design that differ;
- standing: reward of the present design;
- gap: best reward, minus that of the present design;
- progress: share of the budget that is spent;
- temperature: decimal logarithm of the temperature;
- count: natural logarithm of the number of evaluations."""


class ProposalNetwork(nn.Module):
    """A perceptron that gives each mutant a logit.

    An untrained network gives all mutants the logit 0, so that each is proposed with the same probability.

    Args:
        hidden: width of its two hidden layers.
    """

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.hidden = hidden
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.Linear(len(FEATURES), hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), last
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (...) logits of (..., 11) features."""
        logits: Tensor = self.body(features)[..., 0]
        return logits
