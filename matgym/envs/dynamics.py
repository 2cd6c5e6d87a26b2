"""The one implementation of the doping dynamics: a batch of tubes, one edit each a step.

The scalar environment is this with a batch of one; the vector environment is this with many.
"""

from dataclasses import dataclass, field

import numpy as np

from matgym.structures import Species
from matgym.tasks import Scores, TargetProperty
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray


@dataclass(frozen=True)
class Transition:
    """What one step did to a batch.

    Attributes:
        reward: (B,) in [0, 1]; zero until a design is complete.
        terminated: (B,) whether the budget is used up.
        allowed: (B,) whether the edit was carried out.
        scores: of the designs completed in this step, in the order of their rows; None if there are none.
    """

    reward: FloatArray
    terminated: BoolArray
    allowed: BoolArray
    scores: Scores | None


@dataclass
class DopingDynamics:
    """State of a batch of episodes.

    Attributes:
        task: what is to be designed.
        size: B, episodes side by side.
        species: (B, n_sites) codes.
        remaining: (B, K) what is left of the budget.
        targets: (B,) in the property's unit.
    """

    task: TargetProperty
    size: int
    species: SpeciesArray = field(init=False)
    remaining: IntArray = field(init=False)
    targets: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        edits = self.task.edits
        self.species = np.zeros((self.size, edits.n_sites), dtype=np.uint8)
        self.remaining = np.tile(edits.budget, (self.size, 1))
        self.targets = np.full(self.size, (self.task.low + self.task.high) / 2)

    @property
    def observation_size(self) -> int:
        """Length of one observation: a flag for every species and site, the budget left, and the target."""
        return self.task.edits.n_actions + len(self.task.edits.species) + 1

    def restart(self, rows: IntArray, targets: FloatArray) -> None:
        """Begin new episodes on the undecorated tube."""
        self.species[rows] = Species.C12
        self.remaining[rows] = self.task.edits.budget
        self.targets[rows] = targets

    def step(self, actions: IntArray) -> Transition:
        """Carry out (B,) edits and score the designs that they complete."""
        allowed = self.task.edits.apply(self.species, self.remaining, actions)
        terminated = (self.remaining == 0).all(axis=1)
        reward = np.zeros(self.size)
        scores = None
        if terminated.any():
            scores = self.task.score(self.species[terminated], self.targets[terminated])
            reward[terminated] = scores.reward
        return Transition(reward, terminated, allowed, scores)

    def observe(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, observation_size) float32 in [-1, 1], of all episodes or of some."""
        edits, task = self.task.edits, self.task
        species = self.species[rows]
        observation = np.empty((len(species), self.observation_size), dtype=np.float32)
        for kind, code in enumerate(edits.species):
            sites = slice(kind * edits.n_sites, (kind + 1) * edits.n_sites)
            np.equal(species, code, out=observation[:, sites], casting="unsafe")
        observation[:, edits.n_actions : -1] = self.remaining[rows] / edits.budget
        scaled = (2 * self.targets[rows] - task.low - task.high) / (task.high - task.low)
        observation[:, -1] = np.clip(scaled, -1.0, 1.0)
        return observation

    def action_masks(self) -> BoolArray:
        """(B, n_actions) which edits are allowed."""
        return self.task.edits.mask(self.species, self.remaining)
