"""The species that a lattice site can hold."""

from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from matgym.errors import SpeciesError, is_whole


class Species(IntEnum):
    """The species code of a site, as stored in `Nanotube.species`."""

    C12 = 0
    C13 = 1
    C14 = 2
    B = 3
    N = 4
    VACANCY = 5


@dataclass(frozen=True)
class SpeciesData:
    """The data of a species that physics uses.

    Attributes:
        label: name in text and files.
        symbol: chemical symbol; empty for a vacancy.
        mass_amu: atomic mass, u. Source: for isotopes AME2020 (Wang et al., Chin. Phys. C 45, 030003 (2021));
            for B and N the standard atomic weights (IUPAC 2021).
        pi_electrons: number of electrons that the atom gives to the π system after three σ bonds.
        letter: one character for compact text.
    """

    label: str
    symbol: str
    mass_amu: float
    pi_electrons: int
    letter: str


SPECIES_DATA: Final = {
    Species.C12: SpeciesData("12C", "C", 12.0, 1, "C"),
    Species.C13: SpeciesData("13C", "C", 13.003355, 1, "c"),
    Species.C14: SpeciesData("14C", "C", 14.003242, 1, "k"),
    Species.B: SpeciesData("B", "B", 10.81, 0, "B"),
    Species.N: SpeciesData("N", "N", 14.007, 2, "N"),
    Species.VACANCY: SpeciesData("vacancy", "", 0.0, 0, "."),
}

CARBONS: Final = (Species.C12, Species.C13, Species.C14)

_BY_NAME: Final = {data.label.lower(): species for species, data in SPECIES_DATA.items()} | {
    "c": Species.C12,
    "c12": Species.C12,
    "c13": Species.C13,
    "c14": Species.C14,
    "v": Species.VACANCY,
}


def parse_species(name: "str | int | Species") -> Species:
    """Return the species for a name ("B", "13C", "vacancy"), a code or a Species.

    Raises:
        SpeciesError: if there is no such species.
    """
    with suppress(KeyError, ValueError):
        if isinstance(name, str):
            return _BY_NAME[name.lower()]
        if is_whole(name):  # int() would make boron of 3.7
            return Species(name)
    known = ", ".join(data.label for data in SPECIES_DATA.values())
    raise SpeciesError(f"unknown species {name!r}: give one of {known}")
