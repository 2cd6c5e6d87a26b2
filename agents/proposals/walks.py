"""Annealing walks whose proposals a network chooses; several walks on one problem run side by side.

A walk draws `CANDIDATES` mutations of its present design by the design space, and the network chooses one of them.
Proposals are accepted by the rule of Metropolis, as in Neural SA (Correia, Worrall and Bondesan, PMLR 206, 2023). With
equal logits this is simulated annealing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from matgym.agents.optimizers.memory import TRIES, Memory
from matgym.agents.proposals.memory_model import Scaling, predicted
from matgym.agents.proposals.network import FEATURES, ProposalNetwork
from matgym.frozen import ValueObject
from matgym.tasks import Designs
from matgym.typing import BoolArray, FloatArray, IntArray

CANDIDATES: Final = 16
"""Number of mutations among which the network chooses. A choice of ours, not tuned."""

MOST_REMEMBERED: Final = 256
"""Most evaluations that predictions use, because the cost is their third power: the better half are the best ones, and
the others are the latest. A choice of ours."""


@dataclass(frozen=True, eq=False)
class Choice(ValueObject):
    """The choices that walks made in one turn, for training.

    Attributes:
        walks: (k,) walks.
        features: (k, CANDIDATES, features) what the network knew.
        chosen: (k,) chosen mutants.
        log_probabilities: (k,) their log-probabilities.
    """

    walks: IntArray
    features: FloatArray
    chosen: IntArray
    log_probabilities: FloatArray


class Walks:
    """Annealing walks on one problem.

    Args:
        scaling: the scaling of the features of the space.
        network: the network that chooses.
        designs: (R, width) first designs.
        rewards: (R,) their rewards.
        budget: number of evaluations of each walk, of which the first designs are one.
        temperatures: first and last temperature, in units of reward.
        rng: source of randomness.
    """

    def __init__(
        self,
        scaling: Scaling,
        network: ProposalNetwork,
        designs: Designs,
        rewards: FloatArray,
        budget: int,
        temperatures: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        self.scaling, self.space, self.network, self.budget, self.rng = scaling, scaling.space, network, budget, rng
        self._hot, self._cold = temperatures
        self.designs, self.rewards, self.turn = designs.copy(), rewards.copy(), 1
        self.memories = [Memory(self.space) for _ in designs]
        self._features = scaling(designs)  # of the present designs
        self._seen, self._told = self._features[:, None], rewards[:, None].copy()
        self._remember(designs, rewards)

    @property
    def temperature(self) -> float:
        """The temperature of the next evaluation, which falls geometrically over the budget."""
        share = (self.turn - 1) / max(self.budget - 1, 1)
        return float(self._hot * (self._cold / self._hot) ** share)

    def propose(self) -> tuple[Designs, list[Choice]]:
        """Return (R, width) designs to be evaluated, and the choices that led to them.

        A proposal that was evaluated before is accepted or rejected by its known reward, and the walk goes on, `TRIES`
        times at most.
        """
        proposed, choices, open_walks = self.designs.copy(), [], np.arange(len(self.designs))
        for _ in range(TRIES):
            mutants, known, choice = self._choose(open_walks)
            choices.append(choice)
            rows = np.arange(len(open_walks))
            proposed[open_walks] = mutants[rows, choice.chosen]
            repeated = known[rows, choice.chosen]
            open_walks = open_walks[repeated]
            if not len(open_walks):
                return proposed, choices
            rewards = [self.memories[walk].reward(proposed[walk : walk + 1]) or 0.0 for walk in open_walks.tolist()]
            self._consider(open_walks, proposed[open_walks], np.array(rewards))
        for walk in open_walks.tolist():  # all neighbours are known
            proposed[walk] = self.memories[walk].new(proposed[[walk]].copy, self.rng)[0]
        return proposed, choices

    def tell(self, designs: Designs, rewards: FloatArray) -> None:
        """Receive the (R,) rewards of the designs of the last `propose`."""
        self._seen = np.concatenate([self._seen, self.scaling(designs)[:, None]], axis=1)
        self._told = np.concatenate([self._told, rewards[:, None]], axis=1)
        self._remember(designs, rewards)
        self._consider(np.arange(len(designs)), designs, rewards)
        self.turn += 1

    def _remember(self, designs: Designs, rewards: FloatArray) -> None:
        for walk, memory in enumerate(self.memories):
            memory.add(designs[walk : walk + 1], rewards[walk : walk + 1])

    def _consider(self, walks: IntArray, designs: Designs, rewards: FloatArray) -> None:
        """Accept designs by the rule of Metropolis."""
        gain = np.minimum(rewards - self.rewards[walks], 0.0)
        accepted = self.rng.random(len(walks)) < np.exp(gain / self.temperature)
        moved = walks[accepted]
        self.designs[moved], self.rewards[moved] = designs[accepted], rewards[accepted]
        if len(moved):
            self._features[moved] = self.scaling(designs[accepted])

    # ---- what the network chooses among

    def _choose(self, walks: IntArray) -> tuple[Designs, BoolArray, Choice]:
        """Return (k, C, width) mutants, (k, C) whether each is known, and the network's choices."""
        repeated = np.repeat(self.designs[walks], CANDIDATES, axis=0)
        flat = self.space.mutate(repeated, self.rng)
        mutants = flat.reshape(len(walks), CANDIDATES, -1)
        keys = self.memories[0].keys(flat)  # all at once, because single calls are slow
        known = np.array(
            [self.memories[walks[row // CANDIDATES]].has(key) for row, key in enumerate(keys)], dtype=np.bool_
        ).reshape(len(walks), CANDIDATES)
        features = self._described(walks, flat, known, (flat != repeated).mean(axis=1))
        with torch.no_grad():
            logits = self.network(torch.as_tensor(features, dtype=torch.float32)).log_softmax(dim=-1).numpy()
        draws = self.rng.gumbel(size=logits.shape)
        chosen = np.asarray((logits + draws).argmax(axis=1))
        return mutants, known, Choice(walks, features, chosen, logits[np.arange(len(walks)), chosen])

    def _described(self, walks: IntArray, mutants: Designs, known: BoolArray, changed: FloatArray) -> FloatArray:
        """Return (k, C, features) what the network knows; see `FEATURES`."""
        count = len(walks)
        seen, told = self._remembered(walks)
        spread = np.maximum(told.std(axis=1, keepdims=True), 1e-9)
        middle = told.mean(axis=1, keepdims=True)
        asked = self.scaling(mutants).reshape(count, CANDIDATES, -1)
        here = self._features[walks][:, None]
        mean, sd = predicted(seen, (told - middle) / spread, np.concatenate([here, asked], axis=1))
        present = (self.rewards[walks, None] - middle) / spread
        best = (self._told[walks].max(axis=1, keepdims=True) - middle) / spread
        features = np.empty((count, CANDIDATES, len(FEATURES)))
        of_mutants = (mean[:, 1:] - mean[:, :1], mean[:, 1:] - best, sd[:, 1:], known)
        for place, column in enumerate(of_mutants):
            features[..., place] = column
        features[..., 4] = np.sqrt(((asked - here) ** 2).sum(axis=-1))
        features[..., 5] = changed.reshape(count, CANDIDATES)
        progress = (self.turn - 1) / max(self.budget - 1, 1)
        of_walks = (present, best - present, progress, np.log10(self.temperature), np.log(self._told.shape[1]))
        for place, value in enumerate(of_walks, start=6):
            features[..., place] = value
        return features

    def _remembered(self, walks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return (k, n, F) features and (k, n) rewards of evaluated designs; see `MOST_REMEMBERED`."""
        seen, told = self._seen[walks], self._told[walks]
        if told.shape[1] <= MOST_REMEMBERED:
            return seen, told
        half, last = MOST_REMEMBERED // 2, told.shape[1] - MOST_REMEMBERED // 2
        best = np.argsort(-told[:, :last], axis=1, kind="stable")[:, :half]
        order = np.concatenate([best, np.tile(np.arange(last, told.shape[1]), (len(walks), 1))], axis=1)
        return np.take_along_axis(seen, order[..., None], axis=1), np.take_along_axis(told, order, axis=1)
