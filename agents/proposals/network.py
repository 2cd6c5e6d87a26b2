"""The network that chooses among mutations, and what it knows of each."""

from typing import Final

from matgym.agents.choosing.network import ChoiceNetwork

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


class ProposalNetwork(ChoiceNetwork):
    """The network that chooses proposals; an untrained one proposes each mutant with the same probability."""

    features = FEATURES

    def __init__(self, hidden: int = 32) -> None:
        super().__init__(hidden)
