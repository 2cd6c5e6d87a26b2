"""The X-ray scattering factors of atoms."""

from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from matgym.errors import MissingExtraError, StructureError
from matgym.files import parse_json
from matgym.typing import FloatArray

MOTT_BETHE: Final = 41.78214
"""8π² times the Bohr radius, Å: the factor in the formula of Mott and Bethe, which turns electron into X-ray scattering
factors; the value that pymatgen uses."""


def xray_factors(number: int, squared: FloatArray) -> FloatArray:
    """Return the X-ray scattering factors of an element, without anomalous dispersion.

    Args:
        number: atomic number.
        squared: (...) squares of s = sin(θ)/λ, 1/Å².

    Returns:
        (...) factors, electrons: Z - 41.78 s² Σ a exp(-b s²), with the electron scattering factors of De Graef and
        McHenry, *Structure of Materials* (2007), as in pymatgen, whose file is read.

    Raises:
        StructureError: if the table does not have the element.
        MissingExtraError: if pymatgen is not installed.
    """
    table = _table()
    if number not in table:
        raise StructureError(f"no X-ray scattering factor for atomic number {number}: give an element up to 98")
    electron = np.zeros(np.shape(squared))
    for a, b in table[number]:
        electron += a * np.exp(-b * squared)
    return np.asarray(number - MOTT_BETHE * squared * electron)


@cache
def _table() -> dict[int, list[tuple[float, float]]]:
    from ase.data import atomic_numbers

    try:
        file = resources.files("pymatgen.analysis.diffraction") / "atomic_scattering_params.json"
    except ModuleNotFoundError:
        raise MissingExtraError("pymatgen", "pymatgen") from None
    listed = parse_json(file.read_text(encoding="utf-8"), str(file))
    known = {symbol: atomic_numbers[symbol] for symbol in listed if symbol in atomic_numbers}  # not deuterium
    return {number: [(pair[0], pair[1]) for pair in listed[symbol]] for symbol, number in known.items()}
