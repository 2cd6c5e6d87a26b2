"""The network that gives each candidate a logit."""

from typing import ClassVar

from torch import Tensor, nn


class ChoiceNetwork(nn.Module):
    """A perceptron that gives each candidate a logit; an untrained one gives all of them 0.

    Args:
        hidden: width of its two hidden layers.

    Attributes:
        features: names of what the network knows of each candidate, in order.
    """

    features: ClassVar[tuple[str, ...]]

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        last = nn.Linear(hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            nn.Linear(len(self.features), hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), last
        )

    def forward(self, known: Tensor) -> Tensor:
        """Return (...) logits of (..., features) of candidates."""
        logits: Tensor = self.body(known)[..., 0]
        return logits
