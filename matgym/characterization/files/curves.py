"""Read powder patterns, spectra and scattering curves: text with columns, and PANalytical's XRDML."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final, cast
from xml.etree import ElementTree as ET

import numpy as np

from matgym.characterization.files.headers import check_angles, laser_of, stated_unit, unit_of, wavelength_of
from matgym.characterization.files.records import (
    MOST_POINTS,
    Environment,
    Pattern,
    Scattering,
    ScatteringUnit,
    Source,
    Spectrum,
    SpectrumUnit,
)
from matgym.errors import ConfigurationError, FormatError, one_line, require_within
from matgym.files import MAX_TEXT_BYTES, decoded, read_bytes
from matgym.typing import FloatArray

PATTERN_TEXT: Final = (".xy", ".xye", ".csv", ".txt", ".dat")
SPECTRUM_TEXT: Final = (".txt", ".csv", ".dat")

COMMENTS: Final = ("#", "!", ";", "'", "/", "*", "%", '"')
"""How lines of comments begin."""


def read_pattern(path: Path | str, *, wavelength_angstrom: float | None = None) -> Pattern:
    """Read a powder X-ray diffraction pattern.

    Args:
        path: .xy, .xye, .csv, .txt or .dat file of columns (2θ in degrees, intensity, and an error that is ignored), or
            .xrdml file with one scan.
        wavelength_angstrom: wavelength, Å. Required for text whose header does not state it, as in "wavelength
            1.5406"; for .xrdml it replaces the wavelength of the file.

    Raises:
        FormatError: if the file cannot be read, is damaged or empty, its angles do not increase, or the header of text
            states other units than degrees 2θ or another wavelength.
        ConfigurationError: if the wavelength is missing or out of range.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in {*PATTERN_TEXT, ".xrdml"}:
        raise FormatError(f"{path} is no powder pattern: give a file of {', '.join(PATTERN_TEXT)} or .xrdml")
    text, digest = _text(path)
    if suffix == ".xrdml":
        angles, counts, stated = _xrdml(path, text)
    else:
        angles, counts, header = _columns(path, text)
        check_angles(path, header)
        stated = wavelength_of(path, header, wavelength_angstrom)
    wavelength = stated if wavelength_angstrom is None else wavelength_angstrom
    if wavelength is None:
        raise ConfigurationError(f"{path} states no wavelength: give wavelength_angstrom, such as 1.5406 for copper Kα")
    require_within(0.1, 5.0, wavelength_angstrom=wavelength)
    own = "kAlpha1" if suffix == ".xrdml" else "header"
    scale = own if wavelength_angstrom is None else "argument"
    return Pattern(angles, counts, wavelength, Source(str(path), digest, scale))


def read_spectrum(
    path: Path | str,
    *,
    unit: SpectrumUnit | None = None,
    laser_ev: float | None = None,
    environment: Environment | None = None,
) -> Spectrum:
    """Read a Raman or optical spectrum.

    Args:
        path: .txt, .csv or .dat file of two columns: Raman shift, wavelength or energy, and intensity.
        unit: unit of the first column. Required if the header of the file does not state it.
        laser_ev: energy of the laser of a Raman spectrum, eV, if the header does not state it, as in "laser 633 nm".
        environment: environment of the tubes of a Raman spectrum: "air", or "dispersed" in water.

    Raises:
        FormatError: if the file cannot be read, is damaged or empty, or states no unit or another one, or another
            laser.
        ConfigurationError: if `unit` is unknown, or the laser or the environment does not fit; see `Spectrum`.
    """
    path = Path(path)
    if unit not in {None, "1/cm", "nm", "eV"}:
        raise ConfigurationError(f"unit={unit!r} is unknown: give '1/cm', 'nm' or 'eV'")
    if path.suffix.lower() not in SPECTRUM_TEXT:
        raise FormatError(f"{path} is no spectrum: give a file of {', '.join(SPECTRUM_TEXT)}")
    text, digest = _text(path)
    x, intensity, header = _columns(path, text)
    stated = unit_of(path, header, unit, "unit", "a spectrum", ("1/cm", "nm", "eV"))
    source = Source(str(path), digest, "header" if stated_unit(header) else "argument")
    if stated == "1/cm":
        laser_ev = laser_of(path, header, laser_ev)
    return Spectrum(x, cast("SpectrumUnit", stated), intensity, source, laser_ev, environment)


def read_scattering(path: Path | str, *, unit: ScatteringUnit | None = None) -> Scattering:
    """Read a small-angle X-ray scattering curve.

    Args:
        path: .txt, .csv or .dat file of columns: scattering vector q, counted photons, and an error that is ignored.
        unit: unit of q. Required if the header of the file does not state it.

    Raises:
        FormatError: if the file cannot be read, is damaged or empty, or states no unit or another one.
        ConfigurationError: if `unit` is unknown.
    """
    path = Path(path)
    if unit not in {None, "1/nm", "1/angstrom"}:
        raise ConfigurationError(f"q_unit={unit!r} is unknown: give '1/nm' or '1/angstrom'")
    if path.suffix.lower() not in SPECTRUM_TEXT:
        raise FormatError(f"{path} is no scattering curve: give a file of {', '.join(SPECTRUM_TEXT)}")
    text, digest = _text(path)
    q, photons, header = _columns(path, text)
    stated = unit_of(path, header, unit, "q_unit", "a scattering curve", ("1/nm", "1/angstrom"))
    source = Source(str(path), digest, "header" if stated_unit(header) else "argument")
    return Scattering(10.0 * q if stated == "1/angstrom" else q, photons, source)


def _text(path: Path) -> tuple[str, str]:
    """Return the text of a file and its SHA-256."""
    content = read_bytes(path, MAX_TEXT_BYTES)
    if not content.strip():
        raise FormatError(f"{path} is empty: it has no text; copy it again")
    try:
        return decoded(content), sha256(content).hexdigest()
    except UnicodeError as error:
        raise FormatError(f"{path} is not {error}; store it as UTF-8") from None


def _columns(path: Path, text: str) -> tuple[FloatArray, FloatArray, str]:
    """Return the first two columns of numbers, and the lines before them.

    Rows in decreasing order, as many instruments write them, are reversed.
    """
    header, rows, width = list[str](), list[list[float]](), 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(COMMENTS):
            header += [stripped] if stripped and not rows else []
            continue
        row = _numbers(stripped)
        if row is None:
            if rows:
                raise FormatError(f"{path} has {stripped[:40]!r} in line {number}: give numbers in columns")
            header.append(stripped)
            continue
        _check_row(path, number, stripped, len(row), width)
        width = len(row)
        rows.append(row)
        if len(rows) > MOST_POINTS:
            raise FormatError(f"{path} has more than {MOST_POINTS:,} points: give fewer")
    if not rows:
        raise FormatError(f"{path} has no rows of numbers: give two columns")
    table = np.array(rows)
    if width == 3 and _is_numbered(table):
        raise FormatError(f"{path} counts its rows in its first column: leave that column out")
    if (np.diff(table[:, 0]) < 0.0).all():
        table = table[::-1]
    return table[:, 0], table[:, 1], "\n".join(header)


def _check_row(path: Path, number: int, line: str, count: int, width: int) -> None:
    """Check the numbers of a line.

    Args:
        path: the file.
        number: number of the line, from 1.
        line: the line.
        count: number of its numbers.
        width: number of those of the lines before; 0 if there are none.

    Raises:
        FormatError: if their number is wrong, or it is not clear what its commas are.
    """
    if _is_ambiguous(line):
        raise FormatError(
            f"{path} has {line[:40]!r} in line {number}, where commas may be decimal points or separate thousands: "
            "write decimal points and no thousands"
        )
    if count not in {2, 3} or (width and count != width):
        wanted = f"{width}, as before" if width else "2 or 3"
        raise FormatError(f"{path} has {count} numbers in line {number}: give {wanted}")


def _numbers(line: str) -> list[float] | None:
    """Return the numbers of a line; None if it holds something else."""
    plain = line.replace(",", "." if _has_decimal_commas(line) else " ").replace(";", " ")
    try:
        return [float(cell) for cell in plain.split()]
    except ValueError:
        return None


def _has_decimal_commas(line: str) -> bool:
    """Return whether commas are decimal points: between semicolons or tabs, as Europe's spreadsheets write them."""
    return ";" in line or ("\t" in line and "." not in line)


def _is_ambiguous(line: str) -> bool:
    """Return whether a comma inside of a number of a line may be a decimal point or separate thousands."""
    if _has_decimal_commas(line):
        return "," in line and "." in line
    return bool(re.search(r"\d,\d", line) and re.search(r"[^\s,]\s+[^\s,]", line))


def _is_numbered(table: FloatArray) -> bool:
    """Return whether the first column counts rows, from 0 or 1, and the second is in order, as places are."""
    first, steps = table[0, 0], np.diff(table[:, 1])
    counts = first in {0.0, 1.0} and (table[:, 0] == first + np.arange(len(table))).all()
    return bool(counts and ((steps > 0.0).all() or (steps < 0.0).all()))


def _xrdml(path: Path, text: str) -> tuple[FloatArray, FloatArray, float | None]:
    """Return angles, counts and wavelength of the one scan of an XRDML file."""
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):  # entities could stand for any amount of text
        raise FormatError(f"{path} declares a document type, which XRDML files do not have: remove it")
    try:
        root = ET.fromstring(text)  # noqa: S314  # without a document type there are no entities
    except (ET.ParseError, ValueError) as error:
        raise FormatError(f"{path} is damaged or no XRDML: {one_line(error)}; copy it again") from None
    scans = root.findall(".//{*}scan")
    if len(scans) != 1:
        raise FormatError(f"{path} has {len(scans)} scans: give a file with one")
    values = scans[0].find(".//{*}intensities")
    if values is None:
        values = scans[0].find(".//{*}counts")
    places = next((each for each in scans[0].iterfind(".//{*}positions") if each.get("axis") == "2Theta"), None)
    if values is None or places is None:
        raise FormatError(f"{path} has no intensities over 2Theta: give a powder scan")
    if (unit := places.get("unit", "deg")) != "deg":
        raise FormatError(f"{path} has angles in {unit!r}: give degrees")
    try:
        counts = np.array((values.text or "").split(), dtype=np.float64)
        start, stop, listed = (places.findtext(f"{{*}}{name}") for name in
                               ("startPosition", "endPosition", "listPositions"))  # fmt: skip
        if listed:
            angles = np.array(listed.split(), dtype=np.float64)
        else:
            angles = np.linspace(float(start or "nan"), float(stop or "nan"), len(counts))
        wavelength = root.findtext(".//{*}kAlpha1")
        return angles, counts, float(wavelength) if wavelength else None
    except ValueError as error:
        raise FormatError(f"{path} has something else than numbers: {one_line(error)}; copy it again") from None
