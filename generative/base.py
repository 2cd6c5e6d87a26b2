"""The base class of trained generators."""

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
"""Number of tubes that are drawn at once."""


@dataclass(frozen=True)
class ConditionalGenerator(ABC):
    """A trained network and the settings that are needed to draw tubes from it. A `matgym.tasks.DesignGenerator`.

    Attributes:
        network: the network with its weights; `network.size` holds its size.
        kinds: the dopants that the generator places.
        key: the property that the targets are values of.
        scaling: the scaling of conditions.
    """

    network: Any
    kinds: tuple[Species, ...]
    key: str
    scaling: ConditionScaling

    @abstractmethod
    def placed(self, shape: Geometry, condition: Tensor, budget: Tensor, rng: np.random.Generator) -> Tensor:
        """Draw one tube for each condition and composition.

        Args:
            shape: the geometry that all tubes share.
            condition: (B, columns) standardised conditions.
            budget: (B, K) number of atoms of each of `kinds`.
            rng: the only source of randomness.

        Returns:
            (B, K, S), one where a dopant stands on a site and zero elsewhere.
        """

    def draw(
        self, lattice: TubeLattice, targets: FloatArray, budget: IntArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """Draw one tube for each target and composition.

        Args:
            lattice: the lattice that all tubes share.
            targets: (B,) targets in the property's unit.
            budget: (B, K) number of atoms of each of `kinds`.
            rng: the only source of randomness.

        Returns:
            (B, n_sites) species codes.
        """
        if not len(targets):
            return np.zeros((0, lattice.n_sites), dtype=np.uint8)
        shape, parts = geometry(lattice, device_of(self.network)), []
        with torch.inference_mode():
            for start in range(0, len(targets), BATCH):
                part = slice(start, start + BATCH)
                condition, atoms = self.condition(lattice, targets[part], budget[part]), torch.tensor(budget[part])
                parts.append(self.placed(shape, condition, atoms.to(shape.device), rng))
            return shape.species(torch.cat(parts), self.kinds)

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Draw one tube for each target; see `matgym.tasks.DesignGenerator`.

        Raises:
            ConfigurationError: if the budget holds a species that the generator was not trained to place, or a target
                is not finite.
        """
        targets = np.asarray(targets, dtype=np.float64)
        if targets.ndim != 1 or not np.isfinite(targets).all():
            raise ConfigurationError(f"targets={targets} must be a finite number for each tube, of shape (B,)")
        counts = dict(zip(space.edits.species.tolist(), space.edits.budget.tolist(), strict=True))
        if others := set(counts) - {int(kind) for kind in self.kinds}:
            raise ConfigurationError(
                f"the budget holds {', '.join(Species(code).name for code in sorted(others))}, which this generator "
                f"cannot place: it places {', '.join(kind.name for kind in self.kinds)}"
            )
        budget = np.tile([counts.get(int(kind), 0) for kind in self.kinds], (len(targets), 1))
        return TubeBatch.uniform(space.lattice, self.draw(space.lattice, targets, budget, rng))

    def condition(self, lattice: TubeLattice, targets: FloatArray, budget: IntArray) -> Tensor:
        """Return the (B, columns) standardised conditions on the network's device."""
        standard = self.scaling(raw_conditions(lattice, self.key, targets, budget))
        return torch.from_numpy(standard).to(device_of(self.network))


@dataclass(frozen=True)
class TrainedGenerator:
    """The result of a training.

    Attributes:
        generator: the generator with the weights of the epoch that scored best on the validation split.
        validation: the validation figures of that epoch.
        epochs: the number of epochs that were run.
    """

    generator: Any
    validation: Mapping[str, float]
    epochs: int
