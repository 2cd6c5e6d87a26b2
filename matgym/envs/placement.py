"""Designs made edit by edit: one atom placed, or one bond turned, a step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from matgym.envs.design_dynamics import DesignDynamics, Variant
from matgym.envs.seeding import Seeding
from matgym.tasks import Designs, TargetProperty
from matgym.typing import BoolArray, Float32Array, IntArray, SpeciesArray


class PlacementDynamics(DesignDynamics):
    """State of a batch of tubes.

    Attributes:
        species: (B, width) designs under way.
        remaining: (B, K) what is left of the budget.
        seeding: of episodes that begin on seeds; None for those that begin on the undecorated tube.
    """

    task: TargetProperty
    species: SpeciesArray
    remaining: IntArray

    def __init__(
        self, task: TargetProperty, size: int, variant: Variant = "plain", seeding: Seeding | None = None
    ) -> None:
        super().__init__(task, size, variant)
        edits, self.seeding = task.edits, seeding
        self.species = np.zeros((size, edits.width), dtype=np.uint8)
        self.remaining = np.tile(edits.budget, (size, 1))
        low = np.zeros(edits.n_actions + len(edits.budget), dtype=np.float32)  # edits done, budget left
        self.observation_space = self.make_space(low, np.ones_like(low))
        self.action_space = spaces.Discrete(edits.n_actions)

    def clear(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """The undecorated tube, or seeds."""
        self.species[rows] = 0
        self.remaining[rows] = self.task.edits.budget
        if self.seeding is not None:
            for row, rng in zip(rows, generators, strict=True):
                self.species[row], self.remaining[row] = self.seeding.begin(self.targets[row], rng)

    def advance(self, actions: IntArray) -> tuple[Designs, BoolArray, dict[str, Any]]:
        """Carry out (B,) edits; one that is not allowed changes nothing."""
        allowed = self.task.edits.apply(self.species, self.remaining, actions)
        return self.species, (self.remaining == 0).all(axis=1), {"allowed": allowed}

    def look(self, rows: IntArray | slice) -> Float32Array:
        """(rows, n_actions + K) float32: a 1 for every edit that was done, and the share of the budget left."""
        edits = self.task.edits
        species = self.species[rows]
        seen = np.empty((len(species), edits.n_actions + len(edits.budget)), dtype=np.float32)
        for kind, code in enumerate(edits.species):
            sites = slice(kind * edits.n_sites, (kind + 1) * edits.n_sites)
            np.equal(species[:, : edits.n_sites], code, out=seen[:, sites], casting="unsafe")
        if edits.width > edits.n_sites:
            seen[:, len(edits.species) * edits.n_sites : edits.n_actions] = species[:, edits.n_sites :]
        seen[:, edits.n_actions :] = self.remaining[rows] / edits.budget
        return seen

    def action_masks(self) -> BoolArray:
        """(B, n_actions) which edits are allowed; all of them where none is, as in a design that is finished."""
        masks = self.task.edits.mask(self.species, self.remaining)
        masks[~masks.any(axis=1)] = True
        return masks
