"""VASP inputs of `matgym export`: pymatgen's relaxation set of the Materials Project, made fit for a tube."""

import math
from typing import Any, Final

from matgym.errors import MissingExtraError
from matgym.structures.io.convert import to_atoms
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import Species
from matgym.version import __version__

K_SPACING_PER_ANGSTROM: Final = 0.1
"""Largest distance of k-points along the axis, 2π included. Chosen: 27 points for the cell of an armchair tube."""

_SETTINGS: Final = {
    "ISIF": 2,  # the cell stands: VASP relaxes no single axis, and vacuum must not be relaxed
    "ISMEAR": 0,  # tetrahedra need a three-dimensional mesh
    "SIGMA": 0.05,
    "EDIFF": 1e-6,  # the set's tolerance grows with the number of atoms
    "EDIFFG": -0.01,
}


def vasp_inputs(tube: Nanotube) -> dict[str, str]:
    """Text of POSCAR, INCAR, KPOINTS and POTCAR.spec.

    Relaxes the atoms in the tube's own period, with PBE: Jain et al., Comput. Mater. Sci. 50, 2295 (2011) has the
    settings. Spin is polarised if electrons are odd in number or bonds dangle at vacancies. k-points are centred
    on Γ, along the axis only, and a multiple of three, so that a third of the zone is among them, where the bands
    of armchair tubes cross.

    Raises:
        MissingExtraError: if pymatgen is not installed.
        StructureError: if the tube is twisted.
    """
    try:
        from pymatgen.core import Lattice, Structure
        from pymatgen.io.vasp.inputs import Kpoints, Poscar
        from pymatgen.io.vasp.sets import MPRelaxSet
    except ImportError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    atoms = to_atoms(tube)
    structure = Structure(
        Lattice(atoms.cell.array), atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True
    )
    structure.sort()
    polarised = bool(int(atoms.numbers.sum()) % 2 or tube.counts[Species.VACANCY])
    points = 3 * math.ceil(2.0 * math.pi / tube.length_angstrom / K_SPACING_PER_ANGSTROM / 3.0)
    inputs = MPRelaxSet(
        structure,
        user_incar_settings=_SETTINGS | {"ISPIN": 1 + polarised},
        user_kpoints_settings=Kpoints.gamma_automatic((1, 1, points)),
    )
    incar: dict[str, Any] = inputs.incar
    if not polarised:
        incar.pop("MAGMOM", None)
    isotopes = "; isotopes as plain C" if tube.counts[Species.C13] or tube.counts[Species.C14] else ""
    return {
        "POSCAR": Poscar(structure, comment=f"{tube}{isotopes}; matgym {__version__}").get_str(significant_figures=10),
        "INCAR": str(incar),
        "KPOINTS": str(inputs.kpoints),
        "POTCAR.spec": "\n".join(inputs.potcar_symbols) + "\n",
    }
