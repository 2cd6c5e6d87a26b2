"""What must be known with a value: doubts of a model about a tube that are no failures, a short sentence each."""

from typing import Final

from matgym.structures import Nanotube, Species

THIN_NM: Final = 0.6
"""Diameter, nm, below which σ and π orbitals mix, which potentials fitted to flat sheets do not know."""

REPEATED: Final = "of the tube repeated periodically, not of one device"
THIN: Final = f"thinner than {THIN_NM} nm: the potential was fitted to flat sheets"
TERSOFF_VACANCY: Final = "Tersoff's potential gives a vacancy -0.3 to 0.3 eV, so what depends on its bonds is doubtful"
TERSOFF_DOPANT: Final = "force constants of B and N in carbon are not validated"
REBO_VACANCY: Final = "REBO: 5.7 eV for a vacancy where density functionals give 7.5 ± 0.8 eV"
REBO_STONE_WALES: Final = "REBO: 4.5 eV for a Stone-Wales pair where SevenNet gives 2.9 and GFN1-xTB 3.5 eV"
IDEAL_STRENGTH: Final = "ideal strength at 0 K, an upper bound"


def said(*notes: str) -> str:
    """Return the notes that are not empty as one text."""
    return "; ".join(note for note in notes if note)


def tersoff_note(tube: Nanotube, *, repeated: bool) -> str:
    """Return what must be known with a value of Tersoff's potential; empty if nothing.

    Args:
        tube: tube of the value.
        repeated: whether the value belongs to the periodic repetition of the tube.
    """
    counts = tube.counts
    return said(
        TERSOFF_VACANCY if counts[Species.VACANCY] else "",
        TERSOFF_DOPANT if counts[Species.B] or counts[Species.N] else "",
        thin_note(tube),
        repeated_note(tube) if repeated else "",
    )


def rebo_note(tube: Nanotube) -> str:
    """Return what must be known with a formation energy by REBO; empty if nothing."""
    return said(
        REBO_VACANCY if tube.counts[Species.VACANCY] else "",
        REBO_STONE_WALES if tube.stone_wales else "",
        thin_note(tube),
        repeated_note(tube),
    )


def thin_note(tube: Nanotube) -> str:
    """Return a note if the tube is thin; empty otherwise."""
    return THIN if tube.lattice.diameter_nm < THIN_NM else ""


def repeated_note(tube: Nanotube) -> str:
    """Return a note if the repetition of the tube has properties that one device has not; empty otherwise."""
    return REPEATED if not tube.is_pristine else ""
