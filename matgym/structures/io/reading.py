"""Tubes in files of any program: the tube, the file's own coordinates, and what was assumed."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError, FormatError, RecognitionError, StructureError, require_positive
from matgym.files import is_file
from matgym.structures.atoms import check_numbers
from matgym.structures.crystals import Crystal
from matgym.structures.io.convert import recorded, relabelled, to_atoms
from matgym.structures.io.files import Hints, load_atoms
from matgym.structures.lattice import MAX_SITES
from matgym.structures.nanotube import Nanotube
from matgym.structures.recognition import DISPLACED_ANGSTROM, displaced_note, finite_reason, survey
from matgym.structures.sheets import Sheet
from matgym.typing import FloatArray, IntArray
from matgym.units import CARBON_BOND_ANGSTROM

if TYPE_CHECKING:
    from ase import Atoms

VACUUM_ANGSTROM: Final = 10.0
"""Empty space on every side of the atoms of `ReadTube.upright`."""

EXACT_ANGSTROM: Final = 1e-3
"""Largest root mean square distance of atoms that are those of `ReadTube.tube`, in files of a few decimals."""

_AXES: Final = ("x", "y", "z")


@dataclass(frozen=True)
class Reading:
    """How a file is read; each setting tells what the file does not.

    Attributes:
        format: "cif", "poscar", "extxyz" or "lammps", or the name of any format that ASE reads; None to tell it from
            the name or the content of the file.
        wall: number of the wall of a tube of several walls, from 1, the innermost one; None for a single wall.
        period_angstrom: period of the tube; None for that of the file's cell.
        rest_angstrom: period of the same tube under no load, to which strain is relative; None to tell strain from the
            ratio of the axial and the radial scale, which relaxation changes, too.
        axis: "x", "y" or "z", the axis of the tube along which the period is; empty to find it.
        hints: elements and atom style.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    format: str | None = None
    wall: int | None = None
    period_angstrom: float | None = None
    axis: str = ""
    hints: Hints = field(default_factory=Hints)
    rest_angstrom: float | None = None

    def __post_init__(self) -> None:
        if self.period_angstrom is not None:
            require_positive(period_angstrom=self.period_angstrom)
        if self.rest_angstrom is not None:
            require_positive(rest_angstrom=self.rest_angstrom)
        if self.axis and self.axis not in _AXES:
            raise ConfigurationError(f"axis={self.axis!r} is unknown: give x, y or z")
        if self.axis and self.period_angstrom is None:
            raise ConfigurationError(f"axis={self.axis!r} without a period has no effect: give the period too, in Å")


@dataclass(frozen=True, eq=False)
class ReadTube:
    """A tube of a file.

    Attributes:
        tube: the tube on its ideal lattice, at the model's own bond length; of a finite tube, its cells.
        atoms: the file's own atoms, of the chosen wall, Å, in the order and the coordinates of the file. The array
            `site` holds their sites of `tube`. None for a tube that was given by its chirality.
        bond_length_angstrom: bond length of the file, Å; strain is relative to it.
        notes: what was assumed, or differs between the file and `tube`.
        own_notes: those of the notes that hold for the file's own coordinates, too.
        is_finite: whether the tube ends: then it is a device, and properties of periodic tubes are not defined.
    """

    tube: Nanotube
    atoms: "Atoms | None" = None
    bond_length_angstrom: float = CARBON_BOND_ANGSTROM
    notes: tuple[str, ...] = ()
    own_notes: tuple[str, ...] = ()
    is_finite: bool = False
    _joined: FloatArray | None = None  # in one piece, in the order of `atoms`
    _period: FloatArray | None = None
    _is_exact: bool = False

    @property
    def note(self) -> str:
        """All notes as one text."""
        return "; ".join(self.notes)

    @property
    def is_ideal(self) -> bool:
        """Whether the coordinates are those of `tube`, so that no note is needed on either."""
        return self.atoms is None or not self.notes

    @property
    def own_coordinates(self) -> "Atoms | None":
        """The atoms of `upright`, for oracles that compute from coordinates; None if there are only those of `tube`."""
        return None if self.atoms is None or self.is_finite or self._is_exact else self.upright()

    def periodic(self, name: str) -> Nanotube:
        """Return the tube if it is periodic.

        Args:
            name: name of the file, for the message.

        Raises:
            RecognitionError: if it is finite.
        """
        if self.is_finite and self.atoms is not None:
            raise RecognitionError(f"{name}: {finite_reason(self.tube, self.atoms)}")
        return self.tube

    def upright(self) -> "Atoms":
        """Return the file's atoms along z, in one piece, in a cell as that of `to_atoms`, in the order of their sites.

        This is what programs that compute from coordinates need. Lengths and angles are those of the file. A tube that
        was given by its chirality has the coordinates of its ideal lattice.

        Raises:
            StructureError: if a tube without a file is twisted.
        """
        if self.atoms is None or self._period is None:
            return to_atoms(self.tube)
        atoms = self.atoms.copy()
        if self._joined is not None:
            atoms.positions = self._joined
        atoms = atoms[np.argsort(atoms.arrays["site"], kind="stable")]
        atoms.rotate(self._period, "z", center=(0.0, 0.0, 0.0))
        across = atoms.positions[:, :2]
        side = float(np.ptp(across, axis=0).max()) + 2.0 * VACUUM_ANGSTROM
        atoms.positions[:, :2] += (side - across.max(axis=0) - across.min(axis=0)) / 2.0
        length = float(np.linalg.norm(self._period))
        if self.is_finite:
            atoms.positions[:, 2] += VACUUM_ANGSTROM - atoms.positions[:, 2].min()
            length = float(atoms.positions[:, 2].max()) + VACUUM_ANGSTROM
        else:  # each atom in the period of its site, so that bonds have the images of `Nanotube.bonds`
            place = atoms.positions[:, 2] / length - self.tube.lattice.site_fractions[atoms.arrays["site"], 1]
            offset = float(np.angle(np.exp(2j * np.pi * place).mean()) / (2.0 * np.pi))
            atoms.positions[:, 2] -= (np.rint(place - offset) + offset) * length
        atoms.set_cell([side, side, length])
        atoms.set_array("species", self.tube.species[atoms.arrays["site"]].astype(np.int64))
        atoms.pbc = (False, False, not self.is_finite)
        return atoms


def read_structure(path: str | os.PathLike[str], reading: Reading | None = None) -> ReadTube:
    """Read a tube from a file that matgym or any other program has written.

    Args:
        path: the file. Its name selects the format, as in `write`; for other names it is told from the content. The
            last of several frames is read.
        reading: what the file does not say.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the format is unknown, or the file cannot be read.
        RecognitionError: if the file holds no tube, or several walls of which none is chosen.
    """
    path, reading = Path(path), reading or Reading()
    atoms = load_atoms(path, reading.format, reading.hints)
    try:
        return tube_of(atoms, reading)
    except RecognitionError as error:
        raise RecognitionError(f"{path}: {error}") from None


def read(path: str | os.PathLike[str], format: str | None = None) -> Nanotube:  # noqa: A002  # as ASE
    """Read a tube from a file; `read_structure` also returns the file's own coordinates and what was assumed.

    Args:
        path: the file, as for `read_structure`.
        format: name of the format, as in `Reading`.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the format is unknown, or the file cannot be read.
        RecognitionError: if the file holds no periodic tube of one wall.
    """
    return read_structure(path, Reading(format)).periodic(str(path))


def parse_structure(text: str, reading: Reading | None = None) -> ReadTube:
    """Return the tube that a structure file holds, or that a chirality such as "(11,0)x3" names.

    Args:
        text: path of a file, or n, m and cells ("10,10x2"; one cell if there is no x).
        reading: what a file does not say.

    Raises:
        FormatError: if the text is neither of these, or the file cannot be read.
        FileNotFoundError: if the text looks like the path of a file that is missing.
        RecognitionError: if the file holds no tube.
        StructureError: if there is no such tube.
    """
    named = re.fullmatch(r"\(?\s*([0-9]+)\s*,\s*([0-9]+)\s*\)?\s*(?:[x×]\s*([0-9]+))?", text.strip())
    if is_file(Path(text)):
        return read_structure(text, reading)
    if named is None:
        raise FormatError(
            f"{text!r} is neither a structure file nor a chirality: give a file, or a chirality such as '(11,0)x3'"
        )
    if any(len(number or "") > len(str(MAX_SITES)) for number in named.groups()):
        raise StructureError(f"{text[:40]!r} has too many sites: give a tube of {MAX_SITES:,} sites or fewer")
    n, m, cells = (int(number or 1) for number in named.groups())
    return ReadTube(Nanotube(n, m, cells))


def parse_design(text: str) -> Nanotube:
    """Return the periodic tube that a structure file holds, or that a chirality such as "(11,0)x3" names.

    Args:
        text: path of a file, or n, m and cells, as for `parse_structure`.

    Raises:
        FormatError: if the text is neither of these, or the file cannot be read.
        RecognitionError: if the file holds no periodic tube of one wall.
        StructureError: if there is no such tube.
    """
    return parse_structure(text).periodic(text)


def read_atoms(path: Path, reading: Reading) -> "Atoms":
    """Return the atoms of a file, with what the file says of them; errors as those of `read_structure`."""
    return load_atoms(path, reading.format, reading.hints)


def read_sheet(path: str | os.PathLike[str], format: str | None = None) -> Sheet:  # noqa: A002  # as ASE
    """Return the sheet that a structure file holds.

    Args:
        path: the file, of any format that ASE reads.
        format: its format, if its name does not tell it.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the file cannot be read.
        StructureError: if it holds no single layer.
    """
    return Sheet.of(read_atoms(Path(path), Reading(format)))


def read_crystal(path: str | os.PathLike[str], format: str | None = None) -> Crystal:  # noqa: A002  # as ASE
    """Return the crystal that a structure file holds; a tube or a layer in a whole cell counts as one.

    Sites of mixed occupancy, of which CIF files tell, are several atoms at one place.

    Args:
        path: the file, of any format that ASE reads.
        format: its format, if its name does not tell it.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if the file cannot be read.
        StructureError: if it has no whole cell.
    """
    from ase.data import atomic_numbers

    atoms = read_atoms(Path(path), Reading(format))
    if atoms.cell.rank == 3:
        atoms.pbc = True
    crystal = Crystal.of(atoms)
    shares = _shares(atoms)
    if all(len(each) == 1 and set(each.values()) == {1.0} for each in shares):
        return crystal
    rows = [(site, atomic_numbers[name], share) for site, each in enumerate(shares) for name, share in each.items()]
    sites, numbers, occupancies = (np.array(column) for column in zip(*rows, strict=True))
    return Crystal(crystal.cell, crystal.fractional[sites], numbers, occupancies)


def _shares(atoms: "Atoms") -> list[dict[str, float]]:
    """Return the shares of the elements on each site: ASE keeps them beside the atoms, which are the main ones."""
    names, told = atoms.get_chemical_symbols(), atoms.info.get("occupancy", {})
    kinds = atoms.arrays.get("spacegroup_kinds", np.full(len(atoms), -1)).tolist()
    return [dict(told.get(str(kind), {name: 1.0})) for name, kind in zip(names, kinds, strict=True)]


def tube_of(atoms: "Atoms", reading: Reading) -> ReadTube:
    """Return the tube that atoms form, by their record if matgym made them.

    Raises:
        RecognitionError: if they form no tube, or several walls of which none is chosen.
    """
    notes: tuple[str, ...] = ()
    if reading.period_angstrom is not None:
        atoms = _with_period(atoms, reading.period_angstrom, reading.axis)
        notes = (f"period {reading.period_angstrom:g} Å as given",)
    elif reading.wall is None and reading.rest_angstrom is None and (original := recorded(atoms)) is not None:
        sites = atoms.arrays["site"]
        period = np.array([0.0, 0.0, original.length_angstrom])
        rms = _rms_moved(original, atoms)
        moved = (displaced_note(rms),) if rms > DISPLACED_ANGSTROM else ()
        return ReadTube(
            original, _with_sites(atoms, sites), notes=moved, _period=period, _is_exact=rms < EXACT_ANGSTROM
        )
    found = survey(atoms, reading.wall)
    unloaded = _rest_of(atoms, found.tube)
    if reading.rest_angstrom is not None:
        found = found.relative_to_rest(reading.rest_angstrom, "as given")
    elif unloaded is not None and not found.is_finite:
        found = found.relative_to_rest(unloaded, "which the relaxation wrote to the file")
    tube, sites = found.tube, found.sites
    if unloaded is not None:
        relaxed = relabelled(atoms[found.atoms], tube)
        if relaxed is not tube:
            tube, sites = relaxed, atoms.arrays["site"][found.atoms]
    return ReadTube(
        tube, _with_sites(atoms[found.atoms], sites), found.bond_length_angstrom, notes + found.notes,
        notes + found.own_notes, found.is_finite, found.positions, found.period,
    )  # fmt: skip


def _rest_of(atoms: "Atoms", tube: Nanotube) -> float | None:
    """Return the period at rest that a relaxation by `matgym export` recorded for a tube, Å; None if there is none."""
    lattice = tuple(atoms.info.get(name) for name in ("n", "m", "cells"))
    return atoms.info.get("unloaded") if lattice == (tube.n, tube.m, tube.cells) else None


def _with_sites(atoms: "Atoms", sites: IntArray) -> "Atoms":
    """Return a plain copy of atoms with the array `site`."""
    from ase import Atoms

    copy = Atoms(atoms.numbers, atoms.positions, masses=atoms.get_masses(), cell=atoms.cell, pbc=atoms.pbc)
    copy.set_array("site", np.array(sites))
    return copy


def _rms_moved(tube: Nanotube, atoms: "Atoms") -> float:
    """Return the root mean square distance of atoms with a record from their sites, Å."""
    shift = atoms.positions - tube.positions_angstrom[atoms.arrays["site"]]
    shift -= shift[0]
    shift[:, 2] -= np.rint(shift[:, 2] / tube.length_angstrom) * tube.length_angstrom
    return float(np.sqrt(((shift - shift.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _with_period(atoms: "Atoms", period: float, axis: str) -> "Atoms":
    """Return atoms with a period along an axis; without an axis, along that of the tube that they form.

    Raises:
        RecognitionError: if no axis is given and the atoms form no tube.
    """
    atoms = atoms.copy()
    if axis:
        along = np.eye(3)[_AXES.index(axis)]
    else:
        alone = atoms.copy()
        alone.pbc = False
        try:
            found = survey(alone)
        except RecognitionError as error:
            raise RecognitionError(f"the axis of the given period is not found ({error}): give it (--axis z)") from None
        along = found.period / np.linalg.norm(found.period)
    cell, lengths = np.asarray(atoms.cell.array), atoms.cell.lengths()
    own = [k for k in range(3) if lengths[k] and abs(cell[k] @ along) > 0.999 * lengths[k]]
    if own and np.linalg.matrix_rank(cell) == 3:
        place = own[0]
        cell[place] *= period / lengths[place]
        atoms.set_cell(cell)
    else:
        place = 2
        beside = np.linalg.svd(along[None])[2][1:]
        atoms.set_cell(np.stack([*(beside * (np.ptp(atoms.positions) + 2.0 * VACUUM_ANGSTROM)), along * period]))
        atoms.pbc = False
    atoms.pbc[place] = True
    try:
        check_numbers(atoms)
    except ValueError as error:
        raise RecognitionError(f"the period {period:g} Å does not fit the atoms: {error}") from None
    return atoms
