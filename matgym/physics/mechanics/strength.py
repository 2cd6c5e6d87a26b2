"""Tensile strength of tubes, pulled step by step at zero temperature.

The tube is unloaded first, then stretched in equal steps with its atoms at rest after each one. Stress is
F/A, the tension F = dE/dL over the wall's area before the load, A = π d₀ · 0.34 nm, with d₀ the diameter of the
rolled sheet: an engineering stress. Strength is its *first* peak, as uniform tubes stiffen again past it. Tubes
that tear and never come to rest have failed as well: their strength is the stress of the step before.

A tube that is repeated without end in short cells fails everywhere at once: strengths are ideal ones, upper
bounds to what a long, warm tube holds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.calculators import (
    CalculatorFactory,
    Relaxation,
    axial_force,
    bond_lengths,
    canonical,
    check_elements,
    neighbours,
    relaxed,
    running,
    stretch,
)
from matgym.physics.mechanics.lammps import REBO_FRACTURE
from matgym.physics.oracles import predict_each
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import GPA_NM2_PER_EV_PER_ANGSTROM, WALL_THICKNESS_NM

if TYPE_CHECKING:
    from ase import Atoms

TENSILE_STRENGTH_GPA = Property(
    "tensile_strength_gpa", "GPa", "first peak of the engineering stress under tension, for a wall of 0.34 nm"
)
FAILURE_STRAIN = Property("failure_strain", "1", "axial strain at the first stress peak, relative to the unloaded tube")

TORN_ANGSTROM: Final = 2.4
"""Atoms that were bonded and are now this far apart, as far as next neighbours, no longer are. A chosen bound."""


@dataclass(frozen=True)
class StressStrain:
    """A tube's stress under tension.

    Attributes:
        strain: (S,) axial strain, from 0 on.
        stress_gpa: (S,) engineering stress, GPa.
        peak: index of the first stress peak; None if there is none up to the last strain.
    """

    strain: FloatArray
    stress_gpa: FloatArray
    peak: int | None


@dataclass(frozen=True)
class Strength(Model):
    """The strength oracle.

    Attributes:
        potential: gives ASE calculators; must describe stretched bonds (see `REBO_FRACTURE`).
        step: of strain. Failure strains are multiples of it.
        max_strain: at which pulling ends; a tube that holds until then has no strength, but a failure "censored".

    Raises:
        ConfigurationError: if the step is not positive, or above the largest strain.
    """

    potential: CalculatorFactory = REBO_FRACTURE
    step: float = 0.02
    max_strain: float = 0.4
    relaxation: Relaxation = field(default_factory=Relaxation)

    def __post_init__(self) -> None:
        if not 0.0 < self.step <= self.max_strain:
            raise ConfigurationError(f"step={self.step} must be positive and at most max_strain={self.max_strain}")

    properties = (TENSILE_STRENGTH_GPA, FAILURE_STRAIN)
    level = Level.CLASSICAL
    cost = Cost(seconds=3.0, sites=160, exponent=0.7)
    """Measured with `REBO_FRACTURE` and one vacancy on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Strength and failure strain of each tube, from its unloaded state and without torsion.

        Returns:
            Predictions with `tensile_strength_gpa` and `failure_strain`, each of shape (B,); NaN, with the reason in
            `failures`, for tubes that are cut in two, do not come to rest, hold elements that the potential does
            not know, or do not fail up to the largest strain.
        """
        peak = cache(self._peak)
        return predict_each(tubes, self.properties, lambda tube: peak(canonical(tube.strained(0.0))))

    def _peak(self, tube: Nanotube) -> tuple[float, float]:
        """Stress, GPa, and strain at the first peak."""
        curve = self.curve(tube)
        if curve.peak is None:
            raise RelaxationError(
                f"censored: no stress peak up to a strain of {self.max_strain:g}, "
                f"where it bears {curve.stress_gpa[-1]:.1f} GPa"
            )
        return float(curve.stress_gpa[curve.peak]), float(curve.strain[curve.peak])

    def curve(self, tube: Nanotube) -> StressStrain:
        """Stress against strain, up to the step after the first peak, or the largest strain.

        Args:
            tube: without torsion; its strain does not count.

        Raises:
            RelaxationError: if the tube is cut in two or does not come to rest before its stress peaks, or if the
                potential does not support an element.
            StructureError: if the tube is twisted.
        """
        check_elements(tube, self.potential)
        area = math.pi * tube.lattice.diameter_nm * WALL_THICKNESS_NM  # nm²
        n_steps = int(self.max_strain / self.step + 1e-9)
        stress: list[float] = []
        peak = None
        with running(self.potential) as calculator:
            atoms = relaxed(tube.strained(0.0), calculator, self.relaxation)
            length = float(atoms.cell[2, 2])
            for i in range(n_steps + 1):
                if i and not self._pulled(atoms, length * (1.0 + i * self.step)):
                    peak = i - 1
                    break
                stress.append(axial_force(atoms) * GPA_NM2_PER_EV_PER_ANGSTROM / area)
                if i and stress[-1] < stress[-2]:
                    peak = i - 1
                    break
        strain = self.step * np.arange(len(stress), dtype=np.float64)
        return StressStrain(strain, np.array(stress), peak)

    def _pulled(self, atoms: "Atoms", length_angstrom: float) -> bool:
        """Stretch the atoms in place and bring them to rest; False if they tear and so cannot come to rest.

        Raises:
            RelaxationError: if they do not come to rest, but do not tear either.
        """
        bonds = neighbours(atoms)
        stretch(atoms, length_angstrom)
        try:
            self.relaxation.rest(atoms)
        except RelaxationError:
            if bond_lengths(atoms, bonds).max() < TORN_ANGSTROM:
                raise
            return False
        return True
