"""Read powder patterns, spectra and scattering curves: text with columns, and PANalytical's XRDML."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final, cast
from xml.etree import ElementTree as ET

import numpy as np

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

UNITS: Final[tuple[tuple[str, str | None], ...]] = (
    (r"1\s*/\s*nm\b|\bnm\s*\^?\s*[-−⁻]\s*[1¹]", "1/nm"),
    (r"1\s*/\s*(?:å|ang|a\b)|(?:å|ang\w*)\s*\^?\s*[-−⁻]\s*[1¹]|\ba\s*\^\s*-\s*1", "1/angstrom"),
    (r"cm\s*\^?\s*[-−⁻]\s*[1¹]|1\s*/\s*cm|wave\s*number|raman shift", "1/cm"),
    (r"(?<!\d)(?<!\d )\bnm\b|nanomet|wavelength(?![^\n]*\d)", "nm"),
    (r"(?<!\d)(?<!\d )\bev\b|electron\s*volt", "eV"),
    (r"(?<!\d)(?<!\d )(?:\b[tg]hz\b|\bpm\b|\bµm\b|\bum\b|\bå(?!\w)|\bkev\b)|2\s*theta|2θ", None),
)
"""Words of a header and the unit that they mean; None for units of no curve that is read here.

A unit after a number, as in "laser 532 nm", is that of the number.
"""


def read_pattern(path: Path | str, *, wavelength_angstrom: float | None = None) -> Pattern:
    """Read a powder X-ray diffraction pattern.

    Args:
        path: .xy, .xye, .csv, .txt or .dat file of columns (2θ in degrees, intensity, and an error that is ignored), or
            .xrdml file with one scan.
        wavelength_angstrom: wavelength, Å. Required for text, which does not state it; for .xrdml it replaces the
            wavelength of the file.

    Raises:
        FormatError: if the file cannot be read, is damaged or empty, or its angles do not increase.
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
        named = _stated(header)
        if named and named[1] in {"1/nm", "1/angstrom", "1/cm", "eV"}:
            raise FormatError(f"{path} states {named[0]!r}: a powder pattern has angles 2θ in degrees, so convert it")
        stated = None
    wavelength = stated if wavelength_angstrom is None else wavelength_angstrom
    if wavelength is None:
        raise ConfigurationError(f"{path} states no wavelength: give wavelength_angstrom, such as 1.5406 for copper Kα")
    require_within(0.1, 5.0, wavelength_angstrom=wavelength)
    scale = "kAlpha1" if wavelength_angstrom is None else "argument"
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
        laser_ev: energy of the laser of a Raman spectrum, eV.
        environment: environment of the tubes of a Raman spectrum: "air", or "dispersed" in water.

    Raises:
        FormatError: if the file cannot be read, is damaged or empty, or states no unit or another one.
        ConfigurationError: if `unit` is unknown, or the laser or the environment does not fit; see `Spectrum`.
    """
    path = Path(path)
    if unit not in {None, "1/cm", "nm", "eV"}:
        raise ConfigurationError(f"unit={unit!r} is unknown: give '1/cm', 'nm' or 'eV'")
    if path.suffix.lower() not in SPECTRUM_TEXT:
        raise FormatError(f"{path} is no spectrum: give a file of {', '.join(SPECTRUM_TEXT)}")
    text, digest = _text(path)
    x, intensity, header = _columns(path, text)
    stated = _unit_of(path, header, unit, "unit", "a spectrum", ("1/cm", "nm", "eV"))
    source = Source(str(path), digest, "header" if _stated(header) else "argument")
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
    stated = _unit_of(path, header, unit, "q_unit", "a scattering curve", ("1/nm", "1/angstrom"))
    source = Source(str(path), digest, "header" if _stated(header) else "argument")
    return Scattering(10.0 * q if stated == "1/angstrom" else q, photons, source)


def _stated(header: str) -> tuple[str, str | None] | None:
    """Return the first words of a header that state a unit, and the unit: of the last line, or else of any."""
    for part in (header.rpartition("\n")[2], header):
        for words, unit in UNITS:
            if said := re.search(words, part, re.IGNORECASE):
                return said[0], unit
    return None


def _unit_of(path: Path, header: str, given: str | None, argument: str, what: str, known: tuple[str, ...]) -> str:
    """Return the unit of the first column, by the header of a file or an argument.

    Raises:
        FormatError: if none of them states one of the known units, or they differ.
    """
    named, units = _stated(header), f"{', '.join(known[:-1])} or {known[-1]}"
    if named is None and given is None:
        raise FormatError(f"{path} states no unit of its first column: {what} has {units}; give {argument}")
    if named is not None and named[1] not in known:
        raise FormatError(f"{path} states {named[0]!r}: {what} has {units}, so convert it")
    if named is not None and given is not None and named[1] != given:
        raise FormatError(f"{path} states {named[0]!r}, and {argument}={given!r} was given: give the unit of the file")
    return str(named[1] if named else given)


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
        # Between semicolons or tabs, as Europe's spreadsheets write them, a comma is the point of a decimal.
        points = ";" in stripped or ("\t" in stripped and "." not in stripped)
        plain = stripped.replace(",", "." if points else " ").replace(";", " ")
        try:
            row = [float(cell) for cell in plain.split()]
        except ValueError:
            if rows:
                raise FormatError(f"{path} has {stripped[:40]!r} in line {number}: give numbers in columns") from None
            header.append(stripped)
            continue
        if len(row) not in {2, 3} or (width and len(row) != width):
            wanted = f"{width}, as before" if width else "2 or 3"
            raise FormatError(f"{path} has {len(row)} numbers in line {number}: give {wanted}")
        width = len(row)
        rows.append(row)
        if len(rows) > MOST_POINTS:
            raise FormatError(f"{path} has more than {MOST_POINTS:,} points: give fewer")
    if not rows:
        raise FormatError(f"{path} has no rows of numbers: give two columns")
    table = np.array(rows)
    if (np.diff(table[:, 0]) < 0.0).all():
        table = table[::-1]
    return table[:, 0], table[:, 1], "\n".join(header)


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
