"""Read micrographs and electron diffraction patterns with their scale.

TIFF by tifffile, MRC by mrcfile, DM3, DM4, SER and EMD by ncempy, and PNG by Pillow, which stores no scale. The first
three come with `pip install 'matgym[instruments]'`.
"""

import io
import re
import warnings
from collections.abc import Callable
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from matgym.characterization.files.records import MOST_PIXELS, Kind, Micrograph, Source
from matgym.errors import ConfigurationError, FormatError, MissingExtraError, one_line, require_positive
from matgym.files import read_bytes

MAX_IMAGE_BYTES: Final = 1 << 29
"""Largest file of an image that is read; a choice of ours."""

SQUARE: Final = 0.01
"""Largest relative difference between the width and the height of a pixel; a choice of ours."""

NM: Final = {
    "m": 1e9, "cm": 1e7, "mm": 1e6, "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "nm": 1.0,
    "pm": 1e-3, "a": 0.1, "å": 0.1, "ang": 0.1, "angstrom": 0.1, "angstroms": 0.1,
}  # fmt: skip
"""Units of length in nm, as programs of microscopes write them, in small letters."""

LENGTHS_ONLY: Final = (".mrc", ".ser")
"""Formats whose scale is in one unit of length, also that of a diffraction pattern."""

WHITE_IS_ZERO: Final = 0
"""The photometric interpretation of a TIFF that stores bright pixels as small numbers."""

KINDS: Final[dict[Kind, str]] = {"image": "an image", "diffraction": "a diffraction pattern"}


class Scale(NamedTuple):
    """The width and the height of a pixel, the unit of each, and the tag of the file that gave them."""

    sizes: tuple[float, float]
    units: tuple[str, str]
    tag: str


def read_micrograph(
    path: Path | str, *, pixel_nm: float | None = None, pixel_per_nm: float | None = None
) -> Micrograph:
    """Read one image of a specimen, or one electron diffraction pattern.

    Args:
        path: .tif, .tiff, .mrc, .dm3, .dm4, .ser, .emd or .png file with one grey image.
        pixel_nm: width of a pixel of an image, nm, instead of the scale of the file.
        pixel_per_nm: width of a pixel of a diffraction pattern, 1/nm, instead of the scale of the file.

    Returns:
        The pixels with their scale. It is a diffraction pattern if the scale is a reciprocal length.

    Raises:
        FormatError: if the file cannot be read, is damaged, empty, too large, a colour image or a stack, or has no
            scale or a scale of another unit, or one of an image where `pixel_per_nm` is given, or the reverse.
        MissingExtraError: if the library for this format is not installed.
        ConfigurationError: if both sizes of a pixel are given, or one is out of range.
    """
    path = Path(path)
    if pixel_nm is not None and pixel_per_nm is not None:
        raise ConfigurationError(f"pixel_nm={pixel_nm} and pixel_per_nm={pixel_per_nm}: give one of them")
    for name, value in (("pixel_nm", pixel_nm), ("pixel_per_nm", pixel_per_nm)):
        if value is not None:
            require_positive(**{name: value})
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FormatError(f"{path} is no image that matgym reads: give a file of {', '.join(READERS)}")
    content = read_bytes(path, MAX_IMAGE_BYTES)
    if not content:
        raise FormatError(f"{path} is empty: it has 0 bytes; copy it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels, scale = reader(path, content)
    except (FormatError, MissingExtraError):
        raise
    except Exception as error:  # noqa: BLE001  # the libraries raise a dozen kinds for a damaged file
        if "imagecodecs" in str(error):  # tifffile names the library that some compressions need
            raise FormatError(f"{path} is compressed: store it without compression, or install imagecodecs") from None
        raise FormatError(
            f"{path} is damaged or no {path.suffix} file: {one_line(error)[:120]}; copy it again"
        ) from None
    digest = sha256(content).hexdigest()
    if pixel_nm is not None or pixel_per_nm is not None:
        kind: Kind = "image" if pixel_per_nm is None else "diffraction"
        _check_kind(path, scale, kind)
        return Micrograph(_grey(path, pixels), float(pixel_nm or pixel_per_nm or 0.0), kind, Source(str(path), digest))
    kind, size = _pixel(path, scale)
    return Micrograph(_grey(path, pixels), size, kind, Source(str(path), digest, cast("Scale", scale).tag))


def _pixel(path: Path, scale: Scale | None) -> tuple[Kind, float]:
    """Return what a scale is of, and the width of a pixel in nm or 1/nm."""
    if scale is None or not all(np.isfinite(scale.sizes)) or min(map(abs, scale.sizes)) == 0.0:
        raise FormatError(f"{path} has no scale: give pixel_nm for an image or pixel_per_nm for a diffraction pattern")
    across, down = map(_unit, scale.units)
    if across is None or down is None or across[0] != down[0]:
        wrong = scale.units[0] if across is None else scale.units[1]
        raise FormatError(
            f"{path} has a scale in {wrong!r}, which is no length and no reciprocal length: give pixel_nm or "
            "pixel_per_nm"
        )
    width, height = (abs(size) * each[1] for size, each in zip(scale.sizes, (across, down), strict=True))
    if abs(width - height) > SQUARE * width:
        unit = "nm" if across[0] == "image" else "1/nm"
        raise FormatError(f"{path} has pixels of {width:g} x {height:g} {unit}: resample it to square pixels")
    return across[0], width


def _unit(name: str) -> tuple[Kind, float] | None:
    """Return what a unit is of, and the unit in nm or 1/nm; None if it is no length and no reciprocal length."""
    unit = name.strip().lower().replace(" ", "")
    reciprocal = re.fullmatch(r"1/\(?(.+?)\)?|(.+?)(?:\^?-1|⁻¹)", unit)
    length = (reciprocal[1] or reciprocal[2]) if reciprocal else unit
    if length not in NM:
        return None
    return ("diffraction", 1.0 / NM[length]) if reciprocal else ("image", NM[length])


def _check_kind(path: Path, scale: Scale | None, given: Kind) -> None:
    """Check that a file has no scale of the other kind than the argument that replaces it.

    Raises:
        FormatError: if it has.
    """
    stated = _unit(scale.units[0]) if scale else None
    if scale is None or stated is None or stated[0] == given or path.suffix.lower() in LENGTHS_ONLY:
        return
    right, wrong = ("pixel_nm", "pixel_per_nm") if stated[0] == "image" else ("pixel_per_nm", "pixel_nm")
    raise FormatError(
        f"{path} has a scale in {scale.units[0]!r}, which is that of {KINDS[stated[0]]}, and {wrong} was given: give "
        f"{right}, or leave it out"
    )


def _grey(path: Path, pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the one grey image of an array, as floats."""
    pixels = np.asarray(pixels)
    while pixels.ndim > 2 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim == 3 and pixels.shape[2] in {3, 4}:
        if not (pixels[..., :1] == pixels[..., :3]).all():
            raise FormatError(f"{path} is a colour image: give the grey image of the detector")
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        raise FormatError(f"{path} is a stack of {len(pixels)} images: give one of them as a file of its own")
    if pixels.dtype.kind not in "biuf":
        raise FormatError(f"{path} has pixels of type {pixels.dtype}: give real numbers")
    return np.asarray(pixels, dtype=np.float64)


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Check the size that a header states before memory is taken."""
    if max(shape) > MOST_PIXELS or np.prod([float(each) for each in shape]) > 4.0 * MOST_PIXELS**2:
        raise FormatError(f"{path} states {' x '.join(map(str, shape))} pixels: give {MOST_PIXELS:,} rows or fewer")


def _read_tiff(path: Path, content: bytes) -> tuple[NDArray[Any], Scale | None]:
    try:
        from tifffile import TiffFile
    except ModuleNotFoundError:
        raise MissingExtraError("tifffile", "instruments") from None
    with TiffFile(io.BytesIO(content)) as file:
        first, *others = file.series
        _check_size(path, first.shape)
        if count := sum(not each.keyframe.is_reduced for each in others):  # thumbnails are no images of their own
            raise FormatError(f"{path} is a stack of {count + 1} images: give one of them as a file of its own")
        pixels = file.asarray()
        if first.keyframe.photometric == WHITE_IS_ZERO:
            if pixels.dtype.kind not in "bu":
                raise FormatError(f"{path} stores white as 0 in pixels of type {pixels.dtype}: store black as 0")
            pixels = (1 << first.keyframe.bitspersample) - 1 - pixels
        return pixels, _tiff_scale(file)


def _tiff_scale(file: Any) -> Scale | None:
    """Return the scale of ImageJ or OME; the resolution of other programs is that of a printer."""
    tags = file.pages[0].tags
    if file.is_imagej and "XResolution" in tags and file.imagej_metadata.get("unit"):
        across, down = (tags[name].value for name in ("XResolution", "YResolution"))
        escaped = str(file.imagej_metadata["unit"])  # ImageJ writes µ as \u00B5
        unit = re.sub(r"\\(?:u(?=\w{4})|x(?=\w{2}))(\w{2,4})", lambda code: chr(int(code[1], 16)), escaped)
        if across[0] and down[0]:
            return Scale((across[1] / across[0], down[1] / down[0]), (unit, unit), "ImageJ")
    if file.is_ome:
        across, down, *units = (re.search(rf'\bPhysicalSize{name}="([^"]+)"', file.ome_metadata) for name in
                                ("X", "Y", "XUnit", "YUnit"))  # fmt: skip
        if across and down:
            first, second = (unescape(unit[1]) if unit else "µm" for unit in units)
            return Scale((float(across[1]), float(down[1])), (first, second), "OME")
    return None


def _read_mrc(path: Path, content: bytes) -> tuple[NDArray[Any], Scale | None]:
    try:
        from mrcfile.mrcinterpreter import MrcInterpreter
    except ModuleNotFoundError:
        raise MissingExtraError("mrcfile", "instruments") from None
    if content[208:212] == b"MAP ":  # without it the library says that this is no MRC file
        columns, rows, sections = np.frombuffer(content[:12], "<i4").tolist()
        if not 0 < columns < 2**24 or not 0 < rows < 2**24:  # as of a file in the other order of bytes
            columns, rows, sections = np.frombuffer(content[:12], ">i4").tolist()
        _check_size(path, (sections, rows, columns))
    with MrcInterpreter(io.BytesIO(content)) as file:
        voxel = file.voxel_size
        return np.array(file.data), Scale((float(voxel.x), float(voxel.y)), ("Å", "Å"), "MRC voxel size")


def _read_ncem(path: Path, _content: bytes) -> tuple[NDArray[Any], Scale | None]:
    try:
        from ncempy import io as ncem
    except ModuleNotFoundError:
        raise MissingExtraError("ncempy", "instruments") from None
    found = ncem.read(path)
    if not found or "pixelSize" not in found:
        raise FormatError(f"{path} holds no image: give a file with one")
    sizes, units = found["pixelSize"], found["pixelUnit"]
    across, down = (units, units) if isinstance(units, str) else (str(units[-1]), str(units[-2]))
    across, down = (unit.strip("[]").replace("_", "") for unit in (across, down))
    return found["data"], Scale((float(sizes[-1]), float(sizes[-2])), (across, down), path.suffix)


def _read_png(path: Path, content: bytes) -> tuple[NDArray[Any], Scale | None]:
    from PIL import Image

    if content[12:16] != b"IHDR":
        raise FormatError(f"{path} is damaged or no .png file: it has no header of one; copy it again")
    _check_size(path, tuple(np.frombuffer(content[16:24], ">u4").tolist()))  # before Pillow warns
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB") if image.mode not in {"1", "L", "I", "I;16", "F"} else image), None


READERS: Final[dict[str, Callable[[Path, bytes], tuple[NDArray[Any], Scale | None]]]] = {
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".mrc": _read_mrc,
    ".dm3": _read_ncem,
    ".dm4": _read_ncem,
    ".ser": _read_ncem,
    ".emd": _read_ncem,
    ".png": _read_png,
}
