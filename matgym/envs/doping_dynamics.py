"""The one implementation of the doping dynamics: a batch of tubes, one edit each a step."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from matgym.envs.batch import Dynamics, Transition
from matgym.envs.seeding import Seeding
from matgym.structures import Species
from matgym.tasks import TargetProperty
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray


class DopingDynamics(Dynamics):
    """State of a batch of episodes.

    Attributes:
        task: what is to be designed.
        species: (B, n_sites) codes.
        remaining: (B, K) what is left of the budget.
        targets: (B,) in the property's unit.
        seeding: of episodes that begin on seeds; None for those that begin on the undecorated tube.
    """

    choices: ClassVar[tuple[str, ...]] = ("target_ev",)
    species: SpeciesArray
    remaining: IntArray
    targets: FloatArray

    def __init__(self, task: TargetProperty, size: int, seeding: Seeding | None = None) -> None:
        self.task, self.size, self.seeding = task, size, seeding
        edits = task.edits
        self.species = np.zeros((size, edits.n_sites), dtype=np.uint8)
        self.remaining = np.tile(edits.budget, (size, 1))
        self.targets = np.full(size, (task.low + task.high) / 2)
        low = np.zeros(edits.n_actions + len(edits.species) + 1, dtype=np.float32)  # sites, budget left, target
        low[-1] = -1.0
        self.observation_space = spaces.Box(low, np.ones_like(low), dtype=np.float32)
        self.action_space = spaces.Discrete(edits.n_actions)

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator], chosen: Mapping[str, Any]) -> None:
        """Begin new episodes on the undecorated tube, or on seeds."""
        given = chosen.get("target_ev")
        targets = np.array([self.task.draw_target(rng) for rng in generators]) if given is None else given
        self.targets[rows] = self.task.checked_targets(targets, len(rows))
        self.species[rows] = Species.C12
        self.remaining[rows] = self.task.edits.budget
        if self.seeding is not None:
            for row, rng in zip(rows, generators, strict=True):
                self.species[row], self.remaining[row] = self.seeding.begin(self.targets[row], rng)

    def begun(self) -> Mapping[str, Any]:
        """The targets."""
        return {"target_ev": self.targets.copy()}

    def step(self, actions: IntArray) -> Transition:
        """Carry out (B,) edits and score the designs that they complete."""
        allowed = self.task.edits.apply(self.species, self.remaining, actions)
        terminated = (self.remaining == 0).all(axis=1)
        reward, value, error, sd, distance = np.zeros((5, self.size))
        if terminated.any():
            scores = self.task.score(self.species[terminated], self.targets[terminated])
            reward[terminated], value[terminated], error[terminated] = scores.reward, scores.value, scores.error
            sd[terminated], distance[terminated] = scores.sd, scores.distance
        info: dict[str, Any] = {
            "target_ev": self.targets.copy(),
            "allowed": allowed,
            "objectives": {"gap_ev": value, "error_ev": error},
            "uncertainty": {"sd_ev": sd, "distance": distance},
        }
        present = dict.fromkeys(("objectives", "uncertainty", "species"), terminated)
        if terminated.any():
            info["species"] = self.species.copy()
        return Transition(reward, terminated, info, present)

    def observe(self, rows: IntArray | slice = slice(None)) -> Float32Array:
        """(rows, n_actions + K + 1) float32 in [-1, 1]."""
        edits, task = self.task.edits, self.task
        species = self.species[rows]
        observation = np.empty((len(species), edits.n_actions + len(edits.species) + 1), dtype=np.float32)
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
