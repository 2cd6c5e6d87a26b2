"""The task of the crystal system from a structure that was measured with noise, and the search for symmetry by spglib.

Noise is what a relaxation, an experiment or a snapshot of molecular dynamics leaves: displaced atoms and a strained
cell. A search for symmetry needs a tolerance, and no tolerance fits all noise: the network reads what spglib finds at
several, beside the structure. A pilot without these answers had 0.46 at 0 Å and at 0.2 Å, where spglib at its best
tolerance had 0.95 and 0.29. The test is on pymatgen's AFLOW prototypes, which no training sees. Conditions of training
and of the test were chosen before any training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import numpy as np

from matgym.characterization.crystal_steps import CrystalPipeline
from matgym.characterization.recognition.prototypes import prototypes
from matgym.characterization.recognition.random_crystals import HEAVIEST, MOST_ATOMS, groups_of, random_crystal
from matgym.characterization.recognition.tasks import Range, RecognitionTask, Samples, uniform
from matgym.characterization.symmetry import SYSTEMS, TOLERANCES, crystal_system
from matgym.structures.crystals import Crystal
from matgym.typing import IntArray

if TYPE_CHECKING:
    from torch import Tensor

PSEUDOSYMMETRIC: Final = 0.2
"""Share of triclinic to tetragonal crystals whose cell fits a system of higher symmetry than their atoms. This number
and the next one are ours."""

MOST_SCALED: Final = 0.1
"""Largest logarithm by which cells of training crystals are scaled."""

Search: TypeAlias = Callable[[Sequence[Crystal], float], IntArray]
"""Function that returns the (B,) crystal systems of crystals at a tolerance, Å; -1 for none."""


@dataclass(frozen=True)
class NoiseConditions:
    """Ranges from which the noise of structures is drawn evenly.

    Attributes:
        displacement_angstrom: root mean square displacement of atoms along an axis, Å.
        strain: largest component of the strain of the cell.
        spread: standard deviation of the logarithm of the amplitudes of atoms.
        anisotropy: amplitude along a random direction over that across it.
    """

    displacement_angstrom: Range = (0.0, 0.2)
    strain: Range = (0.0, 0.015)
    spread: Range = (0.0, 0.3)
    anisotropy: Range = (1.0, 1.5)


class CrystalSystemFromStructure(RecognitionTask):
    """The crystal system from cell and atoms with noise."""

    name = "crystal-structure"
    question = "Of which crystal system is this structure without its noise?"
    level_name = "rms displacement of atoms along an axis, Å"
    levels = (0.0, 0.02, 0.05, 0.1, 0.2)
    networks: ClassVar[tuple[str, ...]] = ("crystal",)
    precision: ClassVar[type] = np.float32
    pipeline = CrystalPipeline(most_atoms=MOST_ATOMS)
    training = NoiseConditions()
    unseen = NoiseConditions(strain=(0.015, 0.02), spread=(0.3, 0.6), anisotropy=(1.5, 2.5))

    @property
    def classes(self) -> tuple[str, ...]:
        """The seven crystal systems."""
        return SYSTEMS

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":
        """Scale cells and exchange species, neither of which changes the crystal system."""
        import torch

        changed = inputs.clone()
        factors = np.exp(rng.uniform(-MOST_SCALED, MOST_SCALED, (len(inputs), 1, 1)))
        changed[:, :3, :3] *= torch.from_numpy(factors.astype(np.float32))
        others = np.zeros((len(inputs), HEAVIEST + 1), dtype=np.float32)
        others[:, 1:] = rng.permuted(np.tile(np.arange(1, HEAVIEST + 1), (len(inputs), 1)), axis=1)
        changed[:, 3] = torch.from_numpy(others).gather(1, inputs[:, 3].long())
        return changed

    def group(self, count: int, rng: np.random.Generator, conditions: NoiseConditions, level: float | None) -> Samples:
        """Return random crystals with noise; see `RecognitionTask.group`."""
        labels = rng.integers(len(SYSTEMS), size=count)
        crystals = [random_crystal(rng, groups_of(label), PSEUDOSYMMETRIC) for label in labels.tolist()]
        return self.measured(crystals, labels, rng, conditions, level)

    def measured(
        self,
        crystals: Sequence[Crystal],
        labels: IntArray,
        rng: np.random.Generator,
        conditions: NoiseConditions,
        level: float | None = None,
    ) -> Samples:
        """Return inputs of crystals with noise."""
        low, high = conditions.displacement_angstrom
        levels = rng.uniform(low, high, len(labels)) if level is None else np.full(len(labels), level)
        noisy = [
            with_noise(
                crystal,
                rng,
                displacement_angstrom=float(sigma),
                strain=uniform(rng, conditions.strain),
                spread=uniform(rng, conditions.spread),
                anisotropy=uniform(rng, conditions.anisotropy),
            )
            for crystal, sigma in zip(crystals, levels, strict=True)
        ]
        return Samples(self.pipeline.apply(noisy), labels, levels)

    def prototypes(self, rng: np.random.Generator, level: float | None = None) -> Samples:
        """Return those of pymatgen's prototypes that the pipeline takes, with noise of the unseen conditions.

        Raises:
            MissingExtraError: if pymatgen is not installed.
        """
        crystals, groups = prototypes()
        taken = [
            row
            for row, crystal in enumerate(crystals)
            if len(crystal.numbers) <= self.pipeline.most_atoms and crystal.occupancies.min() == 1.0
        ]
        labels = np.array([crystal_system(group) for group in groups[taken].tolist()], dtype=np.int64)
        return self.measured([crystals[row] for row in taken], labels, rng, self.unseen, level)


def with_noise(
    crystal: Crystal,
    rng: np.random.Generator,
    *,
    displacement_angstrom: float,
    strain: float = 0.0,
    spread: float = 0.0,
    anisotropy: float = 1.0,
) -> Crystal:
    """Return a crystal with displaced atoms in a strained cell; see `NoiseConditions` for the arguments."""
    count = len(crystal.numbers)
    amplitudes = np.exp(spread * rng.normal(size=(count, 1)))
    amplitudes *= displacement_angstrom / np.sqrt(np.square(amplitudes).mean())
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    longer = (np.eye(3) + (anisotropy - 1.0) * np.outer(direction, direction)) / np.sqrt((2.0 + anisotropy**2) / 3.0)
    moved = crystal.fractional + amplitudes * (rng.normal(size=(count, 3)) @ longer) @ np.linalg.inv(crystal.cell)
    components = strain * rng.uniform(-1.0, 1.0, (3, 3))
    cell = crystal.cell @ (np.eye(3) + np.tril(components) + np.tril(components, -1).T)
    return Crystal(cell, moved, crystal.numbers, crystal.occupancies)


# ---- without learning


def best_tolerance(search: Search, crystals: Sequence[Crystal], labels: IntArray) -> float:
    """Return the one of `TOLERANCES` at which most crystals are assigned rightly, Å."""
    shares = [float((search(crystals, tolerance) == labels).mean()) for tolerance in TOLERANCES]
    return TOLERANCES[int(np.argmax(shares))]
