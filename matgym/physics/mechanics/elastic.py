"""Young's modulus and Poisson ratio of tubes, from the exact linear response of Tersoff's potential.

At rest at period L the energy changes by ½ E″ δL², with E″ = d²E/dL² at relaxed atoms. Young's modulus is
Y = E″ L/(π d t), with the relaxed diameter d and the conventional thickness t = 0.34 nm of the wall. Poisson's ratio is
-(dR/R)/(dL/L), with R the mean distance of the atoms from their axis. For a pristine tube both are computed from its
four variables, for a decorated tube from its Hessian.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.errors import RelaxationError
from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.mechanics.relaxation import RelaxedTube, positive_factors, relax, relaxed_pristine, stretch_of
from matgym.physics.notes import tersoff_note
from matgym.physics.oracles import predict_each
from matgym.structures import Nanotube
from matgym.typing import FloatArray
from matgym.units import GPA_NM2_PER_EV_PER_ANGSTROM, WALL_THICKNESS_NM

YOUNG_GPA = Property("young_gpa", "GPa", "Young's modulus along the axis, for a wall of 0.34 nm")
POISSON_RATIO = Property("poisson_ratio", "1", "radial contraction over axial strain")

_SHIFT: Final = 1e-6  # eV/Å²: makes the Hessian positive in spite of free translation and rotation
_REFINEMENTS: Final = 4


@dataclass(frozen=True)
class Elasticity(Model):
    """The oracle of elastic properties; the strain of a tube is relative to its own length under no tension."""

    properties = (YOUNG_GPA, POISSON_RATIO)
    level = Level.CLASSICAL
    validity = "Tersoff's potential, at rest; doubtful at vacancies"
    cost = Cost(seconds=0.1, sites=200, exponent=1.1)
    """Cost, measured on one core of an AMD EPYC server, with dopants; a pristine tube takes 3 ms, once."""

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Return the elastic properties of each tube, at its own strain and torsion.

        Returns:
            Predictions with `young_gpa` and `poisson_ratio`, each of shape (B,); NaN, with the reason in `failures`,
            for tubes that do not come to rest, or not with their own bonds: see `relax`.
        """
        return predict_each(tubes, self.properties, self._moduli, lambda tube: tersoff_note(tube, repeated=True))

    @staticmethod
    def _moduli(tube: Nanotube) -> tuple[float, float]:
        """Return Young's modulus, GPa, and the Poisson ratio."""
        if tube.is_carbon:
            cell = relaxed_pristine(tube.n, tube.m, tube.strain, tube.torsion)
            period, radius = cell.period_angstrom, cell.radius_angstrom
            stiffness, slope = cell.stiffness_ev_per_square_angstrom, cell.radius_slope
        elif tube.torsion:
            raise RelaxationError(
                "a decorated tube with torsion winds off its axis, so its radius is not defined; set torsion to 0"
            )
        else:
            rest = relax(tube, free_length=True)
            period = rest.period_angstrom
            stiffness, follow = axial_response(rest)
            across = (rest.positions - rest.positions.mean(axis=0))[:, :2]
            distance = np.linalg.norm(across, axis=1)
            radius = float(distance.mean())
            moving = (follow - follow.mean(axis=0))[:, :2]
            slope = float(((across * moving).sum(axis=1) / distance).mean())
        area = math.pi * (radius / 5.0) * WALL_THICKNESS_NM  # nm²
        return stiffness * period * GPA_NM2_PER_EV_PER_ANGSTROM / area, -slope * period / radius


def axial_response(rest: RelaxedTube) -> tuple[float, FloatArray]:
    """Return the response of a tube at rest to a change of its period L.

    Returns:
        d²E/dL², eV/Å², and (S, 3) derivatives of the coordinates of the atoms by L, dimensionless; both at relaxed
        atoms.

    Raises:
        RelaxationError: if the tube is not at a minimum of the energy.
    """
    expansion = rest.expansion
    stretch = stretch_of(rest.positions, rest.period_angstrom)
    pull = expansion.tension_slope + expansion.hessian @ stretch
    factors = positive_factors(expansion.hessian, _SHIFT)
    if factors is None:
        raise RelaxationError(f"{rest.tube} is not at a minimum of the energy")
    follow = np.zeros_like(pull)
    for _ in range(_REFINEMENTS):  # iterative refinement, which removes the effect of the shift
        follow -= factors.solve(pull + expansion.hessian @ follow)
    stiffness = expansion.stiffness + stretch @ (expansion.tension_slope + pull) + pull @ follow
    return float(stiffness), (stretch + follow).reshape(-1, 3)
