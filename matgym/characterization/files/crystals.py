"""Read crystals from structure files of any program, by ASE."""

from hashlib import sha256
from pathlib import Path

from matgym.characterization.files.records import Source, Structure
from matgym.errors import FormatError, StructureError
from matgym.files import read_bytes
from matgym.structures.crystals import Crystal
from matgym.structures.io.files import MAX_FILE_BYTES, Hints, load_atoms


def read_crystal(path: Path | str) -> Structure:
    """Read a crystal, of several frames the last one.

    Args:
        path: CIF, POSCAR, extended XYZ or another file that ASE reads.

    Raises:
        FormatError: if the file cannot be read, or holds no crystal.
    """
    path = Path(path)
    try:
        crystal = Crystal.of(load_atoms(path, None, Hints()))
    except (FileNotFoundError, StructureError) as error:
        raise FormatError(f"{path} is no crystal: {error}") from None
    return Structure(crystal, Source(str(path), sha256(read_bytes(path, MAX_FILE_BYTES)).hexdigest(), "cell"))
