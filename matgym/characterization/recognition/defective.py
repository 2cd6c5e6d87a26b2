"""Tubes with defects at rest: random vacancies and Stone-Wales pairs, and where they are.

Atoms near a defect are relaxed in Tersoff's potential (`matgym.physics.mechanics`), because they move by up to half an
ångström, which an image shows. Atoms farther away have the places of the pristine tube.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.characterization.specimens import Specimen
from matgym.errors import RelaxationError, StructureError
from matgym.frozen import ValueObject
from matgym.structures import Nanotube
from matgym.typing import BoolArray, FloatArray, IntArray

KINDS: Final = ("vacancy", "Stone-Wales")
"""The defects that are looked for. The contrast of B and N is far below the noise: see docs/characterization.md."""

MOST_DEFECTS: Final = 4
"""Most defects of one drawn tube."""

APART_ANGSTROM: Final = 6.0
"""Smallest distance of two defects; a choice of ours."""

RELAXED_ANGSTROM: Final = 7.0
"""Distance from a defect within which atoms are relaxed. Measured: 0.03 to 0.15 s a tube; displacements beyond are
below 0.1 Å."""

ATTEMPTS: Final = 50
"""Attempts to draw defects that can be relaxed; some vacancies of thin tubes close a new bond, which is an error."""


@dataclass(frozen=True, eq=False)
class DefectiveTube(ValueObject):
    """A tube with defects.

    Attributes:
        specimen: its atoms, with the middle of the stretch of the defects at the origin.
        places: (D, 3) the vacant places, and the middles of the turned bonds, in the specimen, Å.
        kinds: (D,) numbers in `KINDS`.
    """

    specimen: Specimen
    places: FloatArray
    kinds: IntArray


def relaxed_specimen(tube: Nanotube) -> Specimen:
    """Return the atoms of a tube, relaxed within `RELAXED_ANGSTROM` of its defects, about the middle of the tube.

    Raises:
        RelaxationError: if the atoms do not come to rest.
    """
    from matgym.physics.mechanics.relaxation import relax

    at_rest = relax(tube, fixed=~_near_defects(tube))
    middle = np.array([0.0, 0.0, 0.5 * at_rest.period_angstrom])
    numbers = np.full(len(at_rest.positions), 6)
    return Specimen(at_rest.positions - middle, numbers, at_rest.period_angstrom, at_rest.twist_rad)


def defective_tube(tube: Nanotube) -> DefectiveTube:
    """Return a tube of carbon at rest, with the places of its vacancies and Stone-Wales pairs.

    Raises:
        RelaxationError: if the atoms do not come to rest.
    """
    from matgym.physics.mechanics.relaxation import relaxed_pristine

    specimen = relaxed_specimen(tube)
    pristine = relaxed_pristine(tube.n, tube.m).positions(tube.cells) - [0.0, 0.0, 0.5 * specimen.period_angstrom]
    vacant = np.flatnonzero(tube.species)
    atom = np.cumsum(tube.species == 0) - 1
    turned = [specimen.positions[atom[list(pair)]].mean(axis=0) for pair in tube.stone_wales]
    places = np.concatenate([pristine[vacant], np.reshape(turned, (-1, 3))])
    return DefectiveTube(specimen, places, np.repeat([0, 1], [len(vacant), len(turned)]))


def random_defects(rng: np.random.Generator, n: int, m: int, stretch_angstrom: float) -> DefectiveTube:
    """Draw a tube with 0 to `MOST_DEFECTS` defects, each a vacancy or a Stone-Wales pair, evenly over a stretch.

    The tube is periodic, and so long that no copy of a defect is within the length of the stretch from its end.

    Args:
        rng: random number generator.
        n: first chiral index.
        m: second chiral index.
        stretch_angstrom: length of the stretch in which there are defects, Å.

    Raises:
        StructureError: if no drawn tube could be relaxed.
    """
    cell = Nanotube(n, m)
    tube = Nanotube(n, m, int(np.ceil(2.0 * stretch_angstrom / cell.length_angstrom)))
    for _ in range(ATTEMPTS):
        try:
            return defective_tube(_with_defects(tube, rng, stretch_angstrom))
        except (RelaxationError, StructureError):
            continue
    raise StructureError(f"no defects of a ({n}, {m}) tube could be relaxed in {ATTEMPTS} attempts: give a wider tube")


def _with_defects(tube: Nanotube, rng: np.random.Generator, stretch_angstrom: float) -> Nanotube:
    lattice, positions = tube.lattice, tube.positions_angstrom
    near = np.abs(positions[:, 2] - 0.5 * tube.length_angstrom) <= 0.5 * stretch_angstrom
    count = int(rng.integers(MOST_DEFECTS + 1))
    vacant: list[int] = []
    turned: list[tuple[int, int]] = []
    for site in rng.permutation(np.flatnonzero(near)):
        if len(vacant) + len(turned) == count:
            break
        held = np.array([*vacant, *(each for pair in turned for each in pair)], dtype=np.int64)
        if len(held) and np.linalg.norm(positions[held] - positions[site], axis=1).min() < APART_ANGSTROM:
            continue
        if rng.uniform() < 0.5:
            vacant.append(int(site))
        else:
            turned.append((int(site), int(rng.choice(lattice.neighbours[site]))))
    return tube.decorated(dict.fromkeys(vacant, "vacancy")).turned(*turned)


def _near_defects(tube: Nanotube) -> BoolArray:
    """Return the (n_sites,) sites within `RELAXED_ANGSTROM` of a defect."""
    turned = [site for pair in tube.stone_wales for site in pair]
    defects = np.array([*np.flatnonzero(tube.species), *turned], dtype=np.int64)
    positions = tube.positions_angstrom
    distances = np.linalg.norm(positions[:, None] - positions[defects], axis=2)
    return np.asarray((distances < RELAXED_ANGSTROM).any(axis=1))
