"""Relaxation of tubes in xTB, atoms and axial period together, from matgym's own Tersoff geometry.

The quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno starts from Tersoff's Hessian, which is known exactly
at that geometry: 5 to 10 calculations bring a decorated tube to rest, where a unit matrix needs several times as many.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.errors import RelaxationError, StructureError
from matgym.physics.mechanics.calculators import check_bonds, stretch
from matgym.physics.mechanics.relaxation import RelaxedTube, relax
from matgym.physics.oracles import atom_bonds
from matgym.physics.xtb.states import SHORTEST_ANGSTROM, VACUUM_ANGSTROM, XtbMethod, repeats, tblite
from matgym.structures import SPECIES_DATA, Nanotube, Species
from matgym.typing import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

SCALE: Final = 0.986
"""Lengths of a pristine tube in GFN1-xTB over those in Tersoff's potential; (8,0), measured. It is a start only."""

_FLOPPY_EV: Final = 2.0
"""Added to Tersoff's curvatures, eV/Å², so that the softest motions do not take the longest steps."""

_LONGEST_STEP: Final = 0.3  # Å for atoms; for the period, this over the number of atoms is a strain


def relaxed_atoms(tube: Nanotube, method: XtbMethod, force_ev_per_angstrom: float, max_steps: int) -> "Atoms":
    """Return a tube at rest in xTB: unloaded, then stretched by its strain.

    Returns:
        ASE atoms, Å, in the order of the tube's occupied sites, with the calculator attached; periodic in all three
        directions, with empty space around the tube. A tube with a short period is repeated along z.

    Raises:
        StructureError: if the tube is twisted.
        RelaxationError: if it does not come to rest or loses a bond.
        MissingExtraError: if tblite is not installed.
    """
    from ase.filters import FrechetCellFilter

    start = tersoff_start(tube)
    atoms = scaled_atoms(start)
    atoms.calc = tblite().ase.TBLite(method=method.value, verbosity=0, guess="eeqbc")
    axial = np.zeros((3, 3))
    axial[2, 2] = 1.0
    _rest(FrechetCellFilter(atoms, mask=axial), _hessian(start, with_period=True), force_ev_per_angstrom, max_steps)
    if tube.strain:
        stretch(atoms, atoms.cell[2, 2] * (1.0 + tube.strain))
        _rest(atoms, _hessian(start, with_period=False), force_ev_per_angstrom, max_steps)
    if not start.tube.stone_wales:
        check_bonds(atoms, atom_bonds(start.tube))
    return atoms


def tersoff_start(tube: Nanotube, shortest_angstrom: float = SHORTEST_ANGSTROM) -> RelaxedTube:
    """Return the tube without strain at rest in Tersoff's potential, repeated if its period is too short for xTB.

    Raises:
        StructureError: if the tube is twisted.
        RelaxationError: if it does not come to rest.
    """
    if tube.torsion:
        raise StructureError(f"{tube} has no period along its axis: give tube.twisted(0.0)")
    return relax(longer(tube.strained(0.0), shortest_angstrom), free_length=True)


def longer(tube: Nanotube, shortest_angstrom: float = SHORTEST_ANGSTROM) -> Nanotube:
    """Return a tube, repeated until it is long enough for a calculation."""
    times = repeats(tube.length_angstrom * SCALE, shortest_angstrom)
    return tube if times == 1 else tube.repeated(times)


def in_empty_cell(atoms: "Atoms") -> "Atoms":
    """Return atoms along z in the cell of an xTB calculation, with their own coordinates and period."""
    wide = atoms.copy()
    side = float(np.ptp(atoms.positions[:, :2], axis=0).max()) + VACUUM_ANGSTROM
    wide.set_cell([side, side, atoms.cell[2, 2]])
    wide.pbc = True
    return wide


def scaled_atoms(start: RelaxedTube) -> "Atoms":
    """Return the atoms of a Tersoff geometry, scaled to the bond length of xTB, in an empty cell."""
    from ase import Atoms

    side = start.tube.diameter_nm * 10.0 + VACUUM_ANGSTROM
    symbols = [SPECIES_DATA[Species(code)].symbol for code in start.tube.species[start.graph.sites]]
    positions = SCALE * np.asarray(start.positions) + [side / 2.0, side / 2.0, 0.0]
    return Atoms(symbols, positions=positions, cell=[side, side, SCALE * start.period_angstrom], pbc=True)


def _hessian(start: RelaxedTube, *, with_period: bool) -> FloatArray:
    """Return Tersoff's second derivatives, eV/Å², for the coordinates of ASE's cell filter or of the atoms alone."""
    expansion, size = start.expansion, start.positions.size
    hessian = np.eye(size + 9 if with_period else size)
    hessian[:size, :size] = expansion.hessian.toarray() + _FLOPPY_EV * np.eye(size)
    if with_period:  # the filter's last coordinate is the logarithm of the stretch, times the number of atoms
        hessian[-1, -1] = expansion.stiffness * start.period_angstrom**2 / (size // 3) ** 2
    return hessian


def _rest(atoms: Any, hessian: FloatArray, force: float, steps: int) -> None:
    """Bring atoms or a filter to rest, in place, from a known Hessian.

    Raises:
        RelaxationError: if they do not come to rest, or the charges do not converge.
    """
    from ase.calculators.calculator import CalculationFailed
    from ase.optimize import BFGS

    class Newton(BFGS):  # type: ignore[misc]
        def initialize(self) -> None:
            super().initialize()
            self.H0 = hessian

    try:
        at_rest = Newton(atoms, logfile=None, maxstep=_LONGEST_STEP).run(fmax=force, steps=steps)
    except (CalculationFailed, RuntimeError) as error:
        raise RelaxationError(f"xTB failed: {error}") from error
    if not at_rest:
        raise RelaxationError(f"unconverged: not at rest within {force:g} eV/Å after {steps} steps; increase max_steps")
