"""The pair model with a learned acquisition function; see `matgym.agents.acquisition.network`."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from typing_extensions import override

from matgym.agents.acquisition.network import CANDIDATES, FEATURES, LEAST, AcquisitionNetwork
from matgym.agents.acquisition.store import SHIPPED, STORE
from matgym.agents.optimizers.pair_model import PairModel
from matgym.agents.problem import Problem
from matgym.tasks import Designs
from matgym.typing import FloatArray

SMALLEST: Final = 1e-300
"""Expected improvements below it count as it, so that they have a logarithm."""


class LearnedAcquisition(PairModel):
    """The pair model, whose candidates of the largest expected improvement a trained network chooses among.

    The network was trained on other problems. The card of its weights holds the number of designs that the training
    evaluated.

    Args:
        acquisition: the network, a .safetensors file, or the name of the shipped network.
        explores: whether the choice is drawn by its probability, as in training, and not the most likely one.
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        rng: np.random.Generator,
        acquisition: AcquisitionNetwork | Path | str = SHIPPED,
        explores: bool = False,
    ) -> None:
        super().__init__(problem, budget, rng)
        if not isinstance(acquisition, AcquisitionNetwork):
            acquisition = STORE.load_network(acquisition)
        self.network = acquisition
        self.explores = explores
        self.choices: list[tuple[FloatArray, int, float]] = []
        """Features, choice and log-probability of each choice, where it explores."""

    @override
    def _chosen(self, candidates: Designs, worth: FloatArray) -> int:
        rows = np.resize(np.arange(len(candidates)), CANDIDATES)  # the first ones again, where there are too few
        features = self._described(candidates, worth)[rows]
        with torch.no_grad():
            logits = self.network(torch.as_tensor(features, dtype=torch.float32)).log_softmax(dim=-1).numpy()
        if not self.explores:
            return int(rows[logits.argmax()])
        chosen = int((logits + self.rng.gumbel(size=len(logits))).argmax())
        self.choices.append((features, chosen, float(logits[chosen])))
        return int(rows[chosen])

    def _described(self, candidates: Designs, worth: FloatArray) -> FloatArray:
        """Return (k, features) what the network knows of k candidates with their expected improvements."""
        x = self._scaled(self.space.features(candidates))
        drawn = self._sampled(x, self._slopes * self._prior(candidates))
        told = self._rewarded(np.concatenate(self._outcomes))
        told = told[np.isfinite(told)]
        spread = float(told.std()) or 1.0
        logs = np.log(np.maximum(worth, SMALLEST))
        likely = self._likely(x)
        best, count = self._scaled(self.space.features(self._best(1))), sum(map(len, self._designs))
        features = np.empty((len(candidates), len(FEATURES)))
        columns = (
            np.maximum(logs - logs[0], LEAST), (drawn.mean(axis=1) - self._most) / spread, drawn.std(axis=1) / spread,
            likely / likely.max(), np.sqrt(((x - best) ** 2).sum(axis=1)),
            (self._most - told.mean()) / spread, count / self.budget, np.log(count),
        )  # fmt: skip
        for place, column in enumerate(columns):
            features[:, place] = column
        return features
