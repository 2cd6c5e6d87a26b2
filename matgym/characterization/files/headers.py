"""What the header of a text file says: the unit of the first column, the wavelength of X-rays, and the laser."""

import re
from pathlib import Path
from typing import Final

from matgym.errors import FormatError, is_number

NM_EV: Final = 1239.841984
"""Wavelength times photon energy, nm eV (CODATA 2018)."""

UNITS: Final[tuple[tuple[str, str | None], ...]] = (
    (r"1\s*/\s*nm\b|\bnm\s*\^?\s*[-−⁻]\s*[1¹]", "1/nm"),
    (
        r"1\s*/\s*(?:å|ang|a\b)|(?:å|ang\w*)\s*\^?\s*[-−⁻]\s*[1¹]|\ba\s*\^\s*-\s*1|[(\[/]\s*a\s*-\s*1\b",
        "1/angstrom",
    ),
    (r"cm\s*\^?\s*[-−⁻]\s*[1¹]|1\s*/\s*cm|wave\s*number|raman shift", "1/cm"),
    (r"(?<!\d)(?<!\d )\bnm\b|nanomet", "nm"),
    (r"(?<!\d)(?<!\d )\bev\b|electron\s*volt", "eV"),
    (r"2\s*theta|2θ", "2theta"),
    (
        (
            r"(?<!\d)(?<!\d )(?:\b[tg]hz\b|\bpm\b|\bµm\b|\bμm\b|\bum\b|\bmicron\w*|[(\[]\s*m\s*[)\]]|\bå(?!\w)|"
            r"\b[km]ev\b|\brad(?:ians?)?\b|(?<!2)(?<!2 )(?<!2-)\btheta\b)"
        ),
        None,
    ),
    (r"wavelength(?![^\n]*\d)", "nm"),
)
"""Words of a header and the unit that they mean; None for units of no curve that is read here.

A unit after a number, as in "laser 532 nm", or before one, as in "laser (nm): 532", is that of the number.
"""

BEFORE_NUMBER: Final = r"(?!\s*[)\]]?\s*(?:[:=]\s*\d|[,;\t]\s*\d[\d.]*\s*$))"

WAVELENGTH: Final = re.compile(
    r"(?:wave\s*length|lambda|λ)[\s:=,;(\[]*(å|nm|ang\w*|a\b)?[\s:=,;)\]]*(\d\.\d+)\s*(nm\b)?", re.IGNORECASE
)
"""A stated wavelength of X-rays, with its unit before or after the number."""

_VALUE: Final = r"(?P<value>\d+(?:\.\d+)?)"

_UNIT: Final = r"(?P<unit>nm|ev)"

LASERS: Final = tuple(
    re.compile(words, re.IGNORECASE)
    for words in (
        rf"(?:laser|excitation)(?:[\s:=,;#]|line|wave\s*length|energy|source|at|is)*{_VALUE}\s*{_UNIT}\b",
        rf"(?:laser|excitation)(?:\s|line|wave\s*length|energy|source)*[(\[]\s*{_UNIT}\s*[)\]][\s:=,;]*{_VALUE}",
        rf"{_VALUE}\s*{_UNIT}\s*(?:laser|excitation)",
    )
)
"""A stated laser, with its unit before or after the number."""

AGREEMENT: Final = 0.01
"""Largest relative difference between a stated and a given wavelength or laser; a choice of ours."""


def stated_unit(header: str) -> tuple[str, str | None] | None:
    """Return the first words of a header that state a unit, and the unit: of the last line, or else of any."""
    return next(filter(None, map(_named, (header.rpartition("\n")[2], header))), None)


def _named(text: str) -> tuple[str, str | None] | None:
    """Return the first words of a text that state a unit, and the unit."""
    plain = re.sub(r"[{}$]", "", text)  # of LaTeX: cm$^{-1}$
    for words, unit in UNITS:
        if said := re.search(f"(?:{words}){BEFORE_NUMBER}", plain, re.IGNORECASE | re.MULTILINE):
            return said[0], unit
    return None


def check_angles(path: Path, header: str) -> None:
    """Check that a header states no other unit than degrees 2θ for the first column of a powder pattern.

    Raises:
        FormatError: if it does.
    """
    columns, whole = _named(header.rpartition("\n")[2]), _named(header)
    named = columns or (whole if whole and whole[1] in {"1/nm", "1/angstrom", "1/cm", "eV"} else None)
    if named and named[1] != "2theta":
        raise FormatError(f"{path} states {named[0]!r}: a powder pattern has angles 2θ in degrees, so convert it")


def wavelength_of(path: Path, header: str, given: float | None) -> float | None:
    """Return the wavelength of X-rays that a header states, Å; None if it states none.

    Raises:
        FormatError: if it is not the given one.
    """
    said = WAVELENGTH.search(header)
    if said is None:
        return None
    stated = float(said[2]) * (10.0 if "nm" in {(said[1] or "").lower(), (said[3] or "").lower()} else 1.0)
    _check_agreement(path, "a wavelength", "Å", stated, wavelength_angstrom=given)
    return stated


def laser_of(path: Path, header: str, given: float | None) -> float | None:
    """Return the energy of the laser that an argument or a header states, eV; None if there is none.

    Raises:
        FormatError: if both do, and they differ.
    """
    said = next(filter(None, (words.search(header) for words in LASERS)), None)
    if said is None or float(said["value"]) == 0.0:
        return given
    stated = float(said["value"]) if said["unit"].lower() == "ev" else NM_EV / float(said["value"])
    _check_agreement(path, "a laser", "eV", stated, laser_ev=given)
    return stated if given is None else given


def _check_agreement(path: Path, what: str, unit: str, stated: float, **given: float | None) -> None:
    """Check that a number of a header and the one of an argument agree.

    Raises:
        FormatError: if they do not.
    """
    ((name, value),) = given.items()
    if value is not None and is_number(value) and abs(float(value) - stated) > AGREEMENT * stated:
        raise FormatError(
            f"{path} states {what} of {stated:.5g} {unit}, and {name}={value} was given: give that of the file, or "
            "leave it out"
        )


def unit_of(path: Path, header: str, given: str | None, argument: str, what: str, known: tuple[str, ...]) -> str:
    """Return the unit of the first column, by the header of a file or an argument.

    Raises:
        FormatError: if none of them states one of the known units, or they differ.
    """
    named, units = stated_unit(header), f"{', '.join(known[:-1])} or {known[-1]}"
    if named is None and given is None:
        raise FormatError(f"{path} states no unit of its first column: {what} has {units}; give {argument}")
    if named is not None and named[1] not in known:
        raise FormatError(f"{path} states {named[0]!r}: {what} has {units}, so convert it")
    if named is not None and given is not None and named[1] != given:
        raise FormatError(f"{path} states {named[0]!r}, and {argument}={given!r} was given: give the unit of the file")
    return str(named[1] if named else given)
