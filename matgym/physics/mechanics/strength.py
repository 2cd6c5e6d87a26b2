"""Tensile strength of tubes, stretched step by step at zero temperature.

The tube is unloaded first, then stretched in equal steps, and its atoms are relaxed after each step. The stress is the
engineering stress F/A, the tension F = dE/dL over the area of the wall before the load, A = π d₀ · 0.34 nm, with d₀ the
diameter of the rolled sheet. The strength is its *first* peak, because uniform tubes stiffen again beyond it. A tube
that tears and therefore does not come to rest has also failed: its strength is the stress of the step before.

A periodic tube with a short cell fails in all cells at once. The computed strengths are therefore ideal strengths,
which are upper bounds of the strength of a long tube at finite temperature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, RelaxationError, require_within
from matgym.frozen import ValueObject
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
from matgym.physics.notes import IDEAL_STRENGTH, repeated_note, said, thin_note
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

STEPS: Final = (1e-4, 1.0)
"""Smallest and largest step of the strain. A choice of ours, as is the next number."""

MAX_STRAIN: Final = 10.0
"""Largest strain up to which a tube is stretched."""

TORN_ANGSTROM: Final = 2.4
"""Distance, Å, at which bonded atoms count as torn: about that of next neighbours. A chosen bound."""


@dataclass(frozen=True)
class StressStrain(ValueObject):
    """The stress of a tube under tension.

    Attributes:
        strain: (S,) axial strain, starting at 0.
        stress_gpa: (S,) engineering stress, GPa.
        peak: index of the first stress peak; None if there is none up to the last strain.
    """

    strain: FloatArray
    stress_gpa: FloatArray
    peak: int | None


def _note(tube: Nanotube) -> str:
    """Return what must be known with a strength."""
    return said(IDEAL_STRENGTH, thin_note(tube), repeated_note(tube))


@dataclass(frozen=True)
class Strength(Model):
    """The oracle of tensile strength and failure strain.

    Attributes:
        potential: function that returns ASE calculators; must describe stretched bonds (see `REBO_FRACTURE`).
        step: step of the strain. Failure strains are multiples of it.
        max_strain: largest strain; a tube whose stress does not peak up to it has no strength, but a failure
            "censored".
        relaxation: settings of the relaxation.

    Raises:
        ConfigurationError: if the step is not positive, or above the largest strain.
    """

    potential: CalculatorFactory = REBO_FRACTURE
    step: float = 0.02
    max_strain: float = 0.4
    relaxation: Relaxation = field(default_factory=Relaxation)

    def __post_init__(self) -> None:
        require_within(*STEPS, step=self.step)
        require_within(0.0, MAX_STRAIN, max_strain=self.max_strain)
        if not self.step <= self.max_strain:
            raise ConfigurationError(f"step={self.step} must be positive and at most max_strain={self.max_strain}")

    properties = (TENSILE_STRENGTH_GPA, FAILURE_STRAIN)
    level = Level.CLASSICAL
    validity = "carbon at 0 K: an ideal strength, which is an upper bound"
    cost = Cost(seconds=3.0, sites=160, exponent=0.7)
    """Cost, measured with `REBO_FRACTURE` and one vacancy on one core of an AMD EPYC server."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the strength, GPa, and the failure strain of each tube.

        Tubes must be without torsion; their own strain is ignored.

        Returns:
            Predictions with `tensile_strength_gpa` and `failure_strain`, each of shape (B,); NaN, with the reason in
            `failures`, for tubes that are cut in two, do not come to rest, contain elements that the potential does
            not support, or do not fail up to the largest strain.
        """
        peak = cache(self._peak)
        return predict_each(tubes, self.properties, lambda tube: peak(canonical(tube.strained(0.0))), _note)

    def _peak(self, tube: Nanotube) -> tuple[float, float]:
        """Return the stress, GPa, and the strain at the first peak."""
        curve = self.curve(tube)
        if curve.peak is None:
            raise RelaxationError(
                f"censored: no stress peak up to a strain of {self.max_strain:g}, "
                f"where the stress is {curve.stress_gpa[-1]:.1f} GPa; increase max_strain"
            )
        return float(curve.stress_gpa[curve.peak]), float(curve.strain[curve.peak])

    def curve(self, tube: Nanotube) -> StressStrain:
        """Return the stress at each strain, up to the step after the first peak, or to the largest strain.

        Args:
            tube: tube without torsion; its own strain is ignored.

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
        """Stretch and relax the atoms, in place, and return whether they come to rest; they do not if bonds tear.

        Raises:
            RelaxationError: if they do not come to rest although no bond is torn.
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
