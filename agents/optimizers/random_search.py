"""Random search: the baseline that everything must beat."""

from typing_extensions import override

from matgym.agents.base import Optimizer
from matgym.tasks import Designs, Scores


class RandomSearch(Optimizer):
    """Draws every design anew."""

    @override
    def ask(self) -> Designs:
        return self.problem.start(1, self.rng)

    @override
    def tell(self, designs: Designs, scores: Scores) -> None:
        """Learns nothing."""
