"""The face of every trained generator."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from matgym.errors import ConfigurationError
from matgym.generative.examples import ConditionScaling, raw_conditions
from matgym.generative.geometry import Geometry, geometry
from matgym.learning.devices import device_of
from matgym.structures import Species, TubeBatch, TubeLattice
from matgym.tasks import Decorations
from matgym.typing import FloatArray, IntArray, SpeciesArray

BATCH: Final = 512
"""Tubes that are drawn at once."""


@dataclass(frozen=True)
class ConditionalGenerator(ABC):
    """A network with all that is needed to draw tubes from it. A `matgym.tasks.DesignGenerator`.

    Attributes:
        network: its weights; `network.size` describes it.
        kinds: dopants that it places.
        key: the property it is asked for.
        scaling: of conditions.
    """

    network: Any
    kinds: tuple[Species, ...]
    key: str
    scaling: ConditionScaling

    @abstractmethod
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        """(B, K, S) zeros and ones: one tube for each condition and composition.

        Args:
            shape: of all tubes.
            condition: (B, columns) standardised.
            budget: (B, K) atoms of each of `kinds`.
            rng: the only source of randomness.
        """

    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """(B, n_sites) one tube for each of (B,) targets in the property's unit, and (B, K) atoms of `kinds`."""
        shape, parts = geometry(lattice, device_of(self.network)), []
        with torch.inference_mode():
            for start in range(0, len(targets), BATCH):
                part = slice(start, start + BATCH)
                condition, atoms = self.condition(lattice, targets[part], budget[part]), torch.from_numpy(budget[part])
                parts.append(self.placed(shape, condition, atoms.to(shape.device), rng))
            return shape.species(torch.cat(parts), self.kinds)

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """See `matgym.tasks.DesignGenerator`.

        Raises:
            ConfigurationError: if the budget holds another species than those it learned to place.
        """
        counts = dict(zip(space.edits.species.tolist(), space.edits.budget.tolist(), strict=True))
        if not set(counts) <= {int(kind) for kind in self.kinds}:
            raise ConfigurationError(
                f"this generator places {', '.join(kind.name for kind in self.kinds)}; the budget holds others"
            )
        budget = np.tile([counts.get(int(kind), 0) for kind in self.kinds], (len(targets), 1))
        return TubeBatch.uniform(space.lattice, self.draw(space.lattice, targets, budget, rng))

    def condition(self, lattice: TubeLattice, targets: FloatArray, budget: IntArray) -> Tensor:
        """(B, columns) standardised, on the network's device."""
        standard = self.scaling(raw_conditions(lattice, self.key, targets, budget))
        return torch.from_numpy(standard).to(device_of(self.network))


@dataclass(frozen=True)
class TrainedGenerator:
    """What a training leaves.

    Attributes:
        generator: with the weights of the epoch that did best on held-out structures.
        validation: figures of that epoch.
        epochs: that were run.
    """

    generator: Any
    validation: Mapping[str, float]
    epochs: int
