"""Files of instruments: what is read from files of the libraries' own writers, and thirty files that are refused."""

import importlib.util
import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from matgym.characterization.files import Spectrum, read_micrograph, read_pattern, read_scattering, read_spectrum
from matgym.errors import ConfigurationError, FormatError, MissingExtraError

PIXELS = np.random.default_rng(0).poisson(20.0, (24, 32)).astype(np.uint16)
ANGLES = np.linspace(10.0, 80.0, 141)
COUNTS = np.random.default_rng(1).poisson(50.0, 141).astype(float)


# ---- good files


@pytest.mark.parametrize(
    ("unit", "per_unit", "kind", "size"),
    [("nm", 20.0, "image", 0.05), ("um", 2e4, "image", 0.05), ("1/nm", 4.0, "diffraction", 0.25),
     ("Å", 5.0, "image", 0.02), ("1/Å", 4.0, "diffraction", 2.5)],
)  # fmt: skip
def test_the_scale_of_imagej_is_read(tmp_path, unit, per_unit, kind, size):
    file = tmp_path / "a.tif"
    written = unit.encode("ascii", "backslashreplace").decode()  # as ImageJ writes other letters
    tifffile.imwrite(file, PIXELS, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": written})
    read = read_micrograph(file)
    assert (read.kind, read.source.scale) == (kind, "ImageJ")
    assert read.pixel_size == pytest.approx(size, rel=1e-6)
    assert np.array_equal(read.pixels, PIXELS)


def test_the_scale_of_ome_is_read(tmp_path):
    file = tmp_path / "a.ome.tif"
    size = {"PhysicalSizeX": 0.4, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 0.4, "PhysicalSizeYUnit": "Å"}
    tifffile.imwrite(file, PIXELS, ome=True, metadata={"axes": "YX", **size})
    read = read_micrograph(file)
    assert read.pixel_size == pytest.approx(0.04)
    assert (read.kind, read.source.scale) == ("image", "OME")


def test_mrc_is_read(tmp_path):
    mrcfile = pytest.importorskip("mrcfile")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(PIXELS)
        file.voxel_size = 0.8
    read = read_micrograph(tmp_path / "a.mrc")
    assert read.pixel_size == pytest.approx(0.08)
    assert np.array_equal(read.pixels, PIXELS)


def test_emd_is_read(tmp_path):
    emd = pytest.importorskip("ncempy.io.emd")
    dims = [(np.arange(size) * 0.02, name, "[n_m]") for size, name in zip(PIXELS.shape, "yx", strict=True)]
    with emd.fileEMD(tmp_path / "a.emd", readonly=False) as file:
        file.put_emdgroup("image", PIXELS, dims)
    read = read_micrograph(tmp_path / "a.emd")
    assert read.pixel_size == pytest.approx(0.02)
    assert np.array_equal(read.pixels, PIXELS)


def ser_file(path, pixels, size_m):
    """Write a TIA series with one image, by the description of C. Boothroyd (2.1: 'ES Vision')."""
    height, width = pixels.shape
    calibration = struct.pack("<ddi", 0.0, size_m, 0) * 2
    element = calibration + struct.pack("<hii", 2, width, height) + pixels[::-1].astype("<u2").tobytes()
    head = struct.pack("<hhhiiiii", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 0)
    dimension = struct.pack("<iddii", 1, 0.0, 1.0, 0, 0) + struct.pack("<i", 0)
    start = len(head) + 4 + len(dimension)
    head = struct.pack("<hhhiiiii", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, start) + struct.pack("<i", 1)
    offsets = struct.pack("<q", start + 16) + struct.pack("<q", start + 16 + len(element))
    path.write_bytes(head + dimension + offsets + element + struct.pack("<hhi", 0x4152, 0, 0))


def test_ser_is_read(tmp_path):
    pytest.importorskip("ncempy")
    ser_file(tmp_path / "a.ser", PIXELS, 5e-11)
    read = read_micrograph(tmp_path / "a.ser")
    assert read.pixel_size == pytest.approx(0.05)
    assert sorted(read.pixels.ravel()) == sorted(PIXELS.ravel())


def dm4_tags(name, content):
    """Return one entry of a DM4 file, by the description of C. Boothroyd: a group of entries, or little-endian data."""
    if isinstance(content, list):
        kind, body = 20, struct.pack(">bbq", 1, 0, len(content)) + b"".join(content)
    else:
        info, values = content
        kind, body = 21, b"%%%%" + struct.pack(f">q{len(info)}q", len(info), *info) + values
    return struct.pack(">bH", kind, len(name)) + name.encode() + struct.pack(">q", len(body)) + body


def dm4_file(path, pixels, size, unit):
    """Write a DM4 file with one image of 16-bit counts: an array is [20, type, length], and 4, 5 and 6 are types."""
    number = [dm4_tags("", ([5], struct.pack("<I", each))) for each in pixels.shape[::-1]]
    text = ([20, 4, len(unit)], unit.encode("utf-16-le"))
    axis = [dm4_tags("Origin", ([6], struct.pack("<f", 0.0))), dm4_tags("Scale", ([6], struct.pack("<f", size))),
            dm4_tags("Units", text)]  # fmt: skip
    image = [
        dm4_tags("Calibrations", [dm4_tags("Dimension", [dm4_tags("", axis), dm4_tags("", axis)])]),
        dm4_tags("Data", ([20, 4, pixels.size], pixels.astype("<u2").tobytes())),
        dm4_tags("DataType", ([5], struct.pack("<I", 10))),
        dm4_tags("Dimensions", number),
        dm4_tags("PixelDepth", ([5], struct.pack("<I", 2))),
    ]
    root = [dm4_tags("ImageList", [dm4_tags("", [dm4_tags("ImageData", image)])])]
    body = struct.pack(">bbq", 1, 0, len(root)) + b"".join(root)
    path.write_bytes(struct.pack(">iqi", 4, len(body), 1) + body + bytes(8))


@pytest.mark.parametrize(("unit", "kind"), [("nm", "image"), ("1/nm", "diffraction")])
def test_dm4_is_read(tmp_path, unit, kind):
    pytest.importorskip("ncempy")
    dm4_file(tmp_path / "a.dm4", PIXELS, 0.05, unit)
    read = read_micrograph(tmp_path / "a.dm4")
    assert (read.kind, read.source.scale) == (kind, ".dm4")
    assert read.pixel_size == pytest.approx(0.05)
    assert np.array_equal(read.pixels, PIXELS)


def test_a_png_has_the_size_of_its_argument(tmp_path):
    Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / "a.png")
    assert read_micrograph(tmp_path / "a.png", pixel_nm=0.03).kind == "image"
    read = read_micrograph(tmp_path / "a.png", pixel_per_nm=0.2)
    assert (read.kind, read.pixel_size, read.source.scale) == ("diffraction", 0.2, "argument")
    assert np.array_equal(read.pixels, PIXELS)


@pytest.mark.parametrize(
    ("name", "line", "head"),
    [("a.xy", "{} {}", "# 2theta counts"), ("a.xye", "{} {} 1.0", ""), ("a.csv", "{},{}", "angle,intensity"),
     ("b.csv", "{};{}", "Winkel;Zahl"), ("a.txt", "{}\t{}", "! made here")],
)  # fmt: skip
def test_columns_are_read(tmp_path, name, line, head):
    rows = [line.format(x, y) for x, y in zip(ANGLES, COUNTS, strict=True)]
    rows = [row.replace(".", ",") for row in rows] if ";" in line else rows
    (tmp_path / name).write_text("\n".join([head, *rows]), encoding="utf-8")
    read = read_pattern(tmp_path / name, wavelength_angstrom=1.54)
    assert np.allclose(read.two_theta_deg, ANGLES)
    assert np.array_equal(read.counts, COUNTS)
    assert len(read.source.sha256) == 64


XRDML = """<?xml version="1.0" encoding="UTF-8"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/1.5"><xrdMeasurement>
<usedWavelength><kAlpha1 unit="Angstrom">1.5405980</kAlpha1></usedWavelength>
<scan><dataPoints><positions axis="Omega" unit="deg"><startPosition>5</startPosition></positions>
<positions axis="2Theta" unit="{unit}"><startPosition>10</startPosition><endPosition>80</endPosition></positions>
<intensities unit="counts">{counts}</intensities></dataPoints></scan>{more}</xrdMeasurement></xrdMeasurements>"""


def xrdml(unit="deg", counts=COUNTS, more=""):
    return XRDML.format(unit=unit, counts=" ".join(map(str, counts)), more=more)


def test_xrdml_is_read(tmp_path):
    (tmp_path / "a.xrdml").write_text(xrdml())
    read = read_pattern(tmp_path / "a.xrdml")
    assert read.wavelength_angstrom == 1.540598
    assert np.allclose(read.two_theta_deg, ANGLES)
    assert np.array_equal(read.counts, COUNTS)


@pytest.mark.parametrize(
    ("head", "unit"),
    [("# Raman shift (cm-1)\tcounts", "1/cm"), ("Wavelength (nm),Absorbance", "nm"), ("Energy (eV),I", "eV")],
)
def test_the_unit_of_a_spectrum_is_read(tmp_path, head, unit):
    (tmp_path / "a.txt").write_text("\n".join([head, *(f"{x} {y}" for x, y in zip(ANGLES, COUNTS, strict=True))]))
    assert read_spectrum(tmp_path / "a.txt").unit == unit


def test_decreasing_rows_are_reversed(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(["nm", *(f"{x} {y}" for x, y in zip(ANGLES[::-1], COUNTS, strict=True))]))
    read = read_spectrum(tmp_path / "a.txt")
    assert np.array_equal(read.x, ANGLES)
    assert np.array_equal(read.intensity, COUNTS[::-1])


def test_commas_of_decimals_between_tabs_are_read(tmp_path):
    lines = [f"{x}\t{y}".replace(".", ",") for x, y in zip(ANGLES, COUNTS, strict=True)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    assert np.array_equal(read_pattern(tmp_path / "a.txt", wavelength_angstrom=1.54).two_theta_deg, ANGLES)


@pytest.mark.parametrize(
    ("head", "given", "unit"),
    [
        ("# laser 532 nm, 1.5 eV below the gap", "1/cm", "1/cm"),
        ("# Excitation wavelength: 785 nm\nRaman shift / cm^-1", None, "1/cm"),
        ("# calibrated in nm\nEnergy (eV)\tI", None, "eV"),
        ("wavelength\tabsorbance", None, "nm"),
    ],
)
def test_the_unit_of_a_number_in_a_comment_is_not_that_of_the_column(tmp_path, head, given, unit):
    (tmp_path / "a.txt").write_text("\n".join([head, *(f"{x} {y}" for x, y in zip(ANGLES, COUNTS, strict=True))]))
    assert read_spectrum(tmp_path / "a.txt", unit=given).unit == unit


@pytest.mark.parametrize(
    ("head", "factor"), [("q (1/nm)", 1.0), ("q / nm^-1", 1.0), ("q [1/Å]", 10.0), ("Q (A^-1) I", 10.0), ("Å⁻¹", 10.0)]
)
def test_the_unit_of_a_scattering_curve_is_read(tmp_path, head, factor):
    (tmp_path / "a.csv").write_text("\n".join([head, *(f"{x},{y}" for x, y in zip(ANGLES, COUNTS, strict=True))]))
    read = read_scattering(tmp_path / "a.csv")
    assert read.q_per_nm == pytest.approx(factor * ANGLES)
    assert np.array_equal(read.photons, COUNTS)


def write_spectrum(path, *header, row="{0:.2f},{1:.1f}"):
    path.write_text("\n".join([*header, *(row.format(*pair) for pair in zip(ANGLES, COUNTS, strict=True))]))
    return path


@pytest.mark.parametrize(
    ("head", "unit"),
    [("shift (cm$^{-1}$),I", "1/cm"), ("# Excitation (nm): 532\nRaman shift (1/cm),I", "1/cm"),
     ("Wavelength [nm],I", "nm"), ("Wavelength,I", "nm")],
)  # fmt: skip
def test_units_in_latex_and_before_numbers_are_told_apart(tmp_path, head, unit):
    assert read_spectrum(write_spectrum(tmp_path / "a.csv", head)).unit == unit


@pytest.mark.parametrize("unit", ["µm", "um", "Å", "microns", "m"])
def test_wavelengths_in_other_units_are_not_taken_for_nanometres(tmp_path, unit):
    with pytest.raises(FormatError, match=re.escape(unit) + r".*: a spectrum has 1/cm, nm or eV, so convert it"):
        read_spectrum(write_spectrum(tmp_path / "a.csv", f"Wavelength ({unit}),I"))


def test_a_given_unit_holds_where_only_a_comment_names_a_length(tmp_path):
    file = write_spectrum(tmp_path / "a.csv", "# Laser (nm): 785", "x,y")
    assert read_spectrum(file, unit="1/cm").unit == "1/cm"


@pytest.mark.parametrize(
    ("head", "energy"),
    [("# laser 532 nm", 2.3305), ("# Laser=\t633nm", 1.9587), ("# 785 nm excitation", 1.5794),
     ("# Laser wavelength (nm): 514.5", 2.4098), ("# excitation energy 1.96 eV", 1.96), ("# laser power 10 mW", None),
     ("# laser spot 500 nm", None)],
)  # fmt: skip
def test_the_laser_of_a_header_is_read(tmp_path, head, energy):
    """Energies are 1239.84 nm eV over the wavelengths."""
    file = write_spectrum(tmp_path / "a.csv", head, "Raman shift (1/cm),I")
    assert read_spectrum(file).laser_ev == (None if energy is None else pytest.approx(energy, abs=1e-4))


def test_another_laser_than_that_of_the_header_is_refused(tmp_path):
    file = write_spectrum(tmp_path / "a.csv", "# laser 532 nm", "Raman shift (1/cm),I")
    assert read_spectrum(file, laser_ev=2.33).laser_ev == 2.33  # as people round it
    with pytest.raises(FormatError, match=r"states a laser of 2\.3305 eV, and laser_ev=1\.96 was given"):
        read_spectrum(file, laser_ev=1.96)


def test_the_wavelength_of_a_header_is_read_and_another_one_is_refused(tmp_path):
    file = write_spectrum(tmp_path / "a.xy", "# Wavelength 0.7107 A", row="{0} {1}")
    read = read_pattern(file)
    assert (read.wavelength_angstrom, read.source.scale) == (0.7107, "header")
    assert read_pattern(file, wavelength_angstrom=0.71073).wavelength_angstrom == 0.71073
    with pytest.raises(FormatError, match=r"states a wavelength of 0\.7107 Å, and wavelength_angstrom=1\.5406 was"):
        read_pattern(file, wavelength_angstrom=1.5406)
    in_nm = write_spectrum(tmp_path / "b.xy", "lambda (nm) = 0.15406", row="{0} {1}")
    assert read_pattern(in_nm).wavelength_angstrom == pytest.approx(1.5406)


@pytest.mark.parametrize("head", ["theta (deg), I", "d (Å), I", "d (nm), I", "E (keV), I", "Q (A-1), I"])
def test_a_powder_pattern_over_another_quantity_is_refused(tmp_path, head):
    with pytest.raises(FormatError, match="a powder pattern has angles 2θ in degrees, so convert it"):
        read_pattern(write_spectrum(tmp_path / "a.csv", head), wavelength_angstrom=1.54)


@pytest.mark.parametrize("head", ["2theta (deg), I", "K-Alpha1 [Å],1.5406\nAngle,Intensity", "x, y"])
def test_a_powder_pattern_over_angles_is_read(tmp_path, head):
    read = read_pattern(write_spectrum(tmp_path / "a.csv", head), wavelength_angstrom=1.54)
    assert np.allclose(read.two_theta_deg, ANGLES, atol=0.005)


@pytest.mark.parametrize("row", ["100 23,4", "100,0 23", "100,5 23,4", "100.5\t1,234", "100.5;1,234"])
def test_commas_that_may_be_points_or_thousands_are_refused(tmp_path, row):
    file = tmp_path / "a.csv"
    file.write_text("Raman shift (1/cm)\n" + row)
    with pytest.raises(FormatError, match="in line 2, where commas may be decimal points or separate thousands"):
        read_spectrum(file)


def test_a_column_that_counts_rows_is_refused(tmp_path):
    """As `DataFrame.to_csv` writes one."""
    file = tmp_path / "a.csv"
    rows = [f"{row},{x},{y}" for row, (x, y) in enumerate(zip(ANGLES, COUNTS, strict=True))]
    file.write_text("\n".join([",Raman shift (1/cm),Intensity", *rows]))
    with pytest.raises(FormatError, match="counts its rows in its first column: leave that column out"):
        read_spectrum(file)
    errors = [f"{row},{y},3" for row, y in enumerate(COUNTS)]  # a third column of errors
    file.write_text("\n".join(["Raman shift (1/cm),Intensity,Error", *errors]))
    assert np.array_equal(read_spectrum(file).intensity, COUNTS)


@pytest.mark.parametrize(("height", "unit", "right"), [(0.05, "nm", True), (50.0, "pm", True), (0.05, "µm", False)])
def test_width_and_height_of_a_pixel_have_units_of_their_own(tmp_path, height, unit, right):
    file = tmp_path / "a.ome.tif"
    size = {"PhysicalSizeX": 0.05, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": height, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(file, PIXELS, ome=True, metadata={"axes": "YX", **size})
    if right:
        assert read_micrograph(file).pixel_size == pytest.approx(0.05)
    else:
        with pytest.raises(FormatError, match=r"has pixels of 0\.05 x 50 nm: resample it to square pixels"):
            read_micrograph(file)


def test_pages_of_a_tiff_are_a_stack_and_a_thumbnail_is_none(tmp_path):
    for name, reduced in (("a.tif", 0), ("b.tif", 1)):
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(PIXELS)
            file.write(PIXELS[::2, ::2], subfiletype=reduced)
    with pytest.raises(FormatError, match="is a stack of 2 images"):
        read_micrograph(tmp_path / "a.tif", pixel_nm=0.05)
    assert np.array_equal(read_micrograph(tmp_path / "b.tif", pixel_nm=0.05).pixels, PIXELS)


def test_a_tiff_that_stores_white_as_zero_is_turned(tmp_path):
    """Pillow shows such a file with the same brightness as its turned values."""
    file, pixels = tmp_path / "a.tif", PIXELS.astype(np.uint8)
    tifffile.imwrite(file, pixels, photometric="miniswhite")
    read = read_micrograph(file, pixel_nm=0.05).pixels
    assert np.array_equal(read, np.asarray(Image.open(file)))
    assert np.array_equal(read, 255 - pixels)
    tifffile.imwrite(file, pixels.astype(np.float32), photometric="miniswhite")
    with pytest.raises(FormatError, match="stores white as 0 in pixels of type float32: store black as 0"):
        read_micrograph(file, pixel_nm=0.05)


def test_an_argument_of_the_other_kind_than_the_scale_is_refused(tmp_path):
    file = tmp_path / "a.tif"
    for unit, wrong, right in (("1/nm", "pixel_nm", "pixel_per_nm"), ("nm", "pixel_per_nm", "pixel_nm")):
        tifffile.imwrite(file, PIXELS, imagej=True, resolution=(6.0, 6.0), metadata={"unit": unit})
        with pytest.raises(FormatError, match=f"has a scale in '{unit}'.* and {wrong} was given: give {right}"):
            read_micrograph(file, **{wrong: 0.04})
        assert read_micrograph(file, **{right: 0.04}).pixel_size == 0.04


def test_a_diffraction_pattern_in_mrc_takes_its_scale_from_the_argument(tmp_path):
    """The format has lengths only."""
    mrcfile = pytest.importorskip("mrcfile")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(PIXELS)
        file.voxel_size = 0.8
    read = read_micrograph(tmp_path / "a.mrc", pixel_per_nm=0.17)
    assert (read.kind, read.pixel_size) == ("diffraction", 0.17)


def test_a_rounded_maximum_is_not_saturated():
    """A detector cuts a curve off; rounding leaves at most 2.4 times as many points at the top as at the next step."""
    x = np.linspace(-1.0, 1.0, 2001)
    curve = np.round(1.0 - x**2, 3)
    assert (curve == curve.max()).sum() > 40
    assert Spectrum(x + 2.0, "eV", curve).intensity.max() == 1.0
    with pytest.raises(FormatError, match=r"is saturated: [0-9,]+ points have the highest intensity 0.5"):
        Spectrum(x + 2.0, "eV", np.minimum(1.0 - x**2, 0.5))


# ---- bad files: the file, the call, and what the sentence says


def tiff(file, pixels, **options):
    tifffile.imwrite(file, pixels, **options)


def scaled(file, pixels, unit="nm", across=20.0, down=20.0):
    tiff(file, pixels, imagej=True, resolution=(across, down), metadata={"unit": unit})


def cut(write, file, *arguments, **options):
    write(file, *arguments, **options)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def rows(file, pairs, head=""):
    file.write_text("\n".join([head, *(" ".join(map(str, pair)) for pair in pairs)]))


def pairs(x=ANGLES, y=COUNTS):
    return list(zip(x, y, strict=True))


def huge_png(file):
    """Write the header of a PNG of 10^10 pixels, whose pixels would take 10 GB."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)))


IMAGES = {
    "a jpeg": ("a.jpg", lambda f: f.write_bytes(b"x"), {}, "is no image that matgym reads: give a file of"),
    "a folder": ("a.tif", lambda f: f.mkdir(), {}, "is a folder or a device"),
    "no bytes": ("a.tif", lambda f: f.write_bytes(b""), {}, "is empty: it has 0 bytes"),
    "text": ("a.tif", lambda f: f.write_text("no image"), {}, "is damaged or no .tif file"),
    "half a tiff": ("a.tif", lambda f: cut(scaled, f, PIXELS), {}, "is damaged or no .tif file"),
    "no scale": ("a.tif", lambda f: tiff(f, PIXELS), {}, "has no scale: give pixel_nm"),
    "a printer's scale": ("a.tif", lambda f: tiff(f, PIXELS, resolution=(72, 72)), {}, "has no scale"),
    "a unit of pixels": ("a.tif", lambda f: scaled(f, PIXELS, "pixel"), {}, "a scale in 'pixel', which is no length"),
    "a scale in volts": ("a.tif", lambda f: scaled(f, PIXELS, "V"), {}, "a scale in 'V', which is no length"),
    "oblong pixels": ("a.tif", lambda f: scaled(f, PIXELS, down=10.0), {}, "resample it to square pixels"),
    "one value": ("a.tif", lambda f: scaled(f, 0 * PIXELS), {}, "is empty: all its pixels are 0"),
    "NaN": ("a.tif", lambda f: scaled(f, np.full((20, 20), np.nan, np.float32)), {}, "400 pixels that are not finite"),
    "too small": ("a.tif", lambda f: scaled(f, PIXELS[:8]), {}, "has 8 x 32 pixels: give 16"),
    "a stack": ("a.tif", lambda f: scaled(f, np.stack([PIXELS] * 5)), {}, "is a stack of 5 images"),
    "a huge pixel": ("a.png", lambda f: Image.fromarray(PIXELS.astype("u1")).save(f), {"pixel_nm": 1e5}, "pixel_size="),
    "two sizes": ("a.png", lambda f: f.write_bytes(b"x"), {"pixel_nm": 1, "pixel_per_nm": 1}, "give one of them"),
    "colours": ("a.png", lambda f: Image.fromarray(np.stack([PIXELS, 2 * PIXELS, PIXELS], 2).astype("u1")).save(f),
                {"pixel_nm": 0.1}, "is a colour image"),
    "a bomb": ("a.png", huge_png, {"pixel_nm": 0.1}, "states 100000 x 100000 pixels: give 8,192 rows"),
    "a png without size": ("a.png", lambda f: Image.fromarray(PIXELS.astype("u1")).save(f), {}, "has no scale"),
    "a tiff as png": ("a.png", lambda f: tifffile.imwrite(f.with_suffix(".tif"), PIXELS) or
                      f.with_suffix(".tif").rename(f), {"pixel_nm": 0.1}, "no .png file: it has no header of one"),
    "half a png": ("a.png", lambda f: cut(lambda g: Image.fromarray(PIXELS.astype("u1")).save(g), f),
                   {"pixel_nm": 0.1}, "is damaged or no .png file"),
}  # fmt: skip

OPTIONAL = {
    "half an mrc": ("mrcfile", "a.mrc", b"\x20\0\0\0\x18\0\0\0\x01\0\0\0" + bytes(500), "is damaged or no .mrc file"),
    "a huge mrc": (
        "mrcfile",
        "a.mrc",
        struct.pack("<iii", 10**6, 10**6, 1) + bytes(196) + b"MAP " + bytes(812),
        "states 1 x 1000000",
    ),
    "a packed mrc": ("mrcfile", "a.mrc", bytes(range(1, 256)) * 8, "is damaged or no .mrc file: Map ID"),
    "zeros as dm3": ("ncempy", "a.dm3", bytes(4096), "is damaged or no .dm3 file"),
    "text as emd": ("ncempy", "a.emd", b"text", "is damaged or no .emd file"),
    "zeros as ser": ("ncempy", "a.ser", bytes(64), "is damaged or no .ser file"),
}

PATTERNS = {
    "an image": ("a.png", lambda f: f.write_bytes(b"x"), "is no powder pattern: give a file of"),
    "no text": ("a.xy", lambda f: f.write_text(" \n"), "is empty: it has no text"),
    "words": ("a.xy", lambda f: f.write_text("two theta\ncounts"), "has no rows of numbers"),
    "unsorted": ("a.xy", lambda f: rows(f, pairs(np.roll(ANGLES, 3))), "do not increase, 80 before 10: sort the rows"),
    "swapped": (
        "a.xy",
        lambda f: rows(f, pairs(COUNTS, ANGLES)),
        "in its second column, which increases: swap the col",
    ),
    "saturated": ("a.xy", lambda f: rows(f, pairs(y=np.minimum(COUNTS, 45.0))), "have the highest intensity 45: give"),
    "q": ("a.xy", lambda f: rows(f, pairs(), "q (1/nm)"), "states '1/nm': a powder pattern has angles 2θ in degrees"),
    "NaN": ("a.xy", lambda f: rows(f, pairs(y=np.append(COUNTS[:-1], np.nan))), "give finite numbers"),
    "negative": ("a.xy", lambda f: rows(f, pairs(y=COUNTS - 60.0)), "has a negative intensity"),
    "four columns": ("a.xy", lambda f: rows(f, [(1, 2, 3, 4)] * 20), "has 4 numbers in line 2: give 2 or 3"),
    "cut line": ("a.xy", lambda f: rows(f, [*pairs(), (81.0,)]), "has 1 numbers in line 143: give 2, as before"),
    "few points": ("a.xy", lambda f: rows(f, pairs()[:5]), "has 5 points: give 16"),
    "spacings": ("a.xy", lambda f: rows(f, pairs(ANGLES * 10.0)), "angles 2θ must lie between 0 and 180"),
    "flat": ("a.xy", lambda f: rows(f, pairs(y=COUNTS * 0.0)), "is empty: all its intensities are 0"),
    "binary": ("a.xy", lambda f: f.write_bytes(b"\xff\xfa\x00"), "is not UTF-8 text"),
    "half an xrdml": ("a.xrdml", lambda f: f.write_text(xrdml()[:500]), "is damaged or no XRDML"),
    "two scans": ("a.xrdml", lambda f: f.write_text(xrdml(more="<scan/>")), "has 2 scans: give a file with one"),
    "radians": ("a.xrdml", lambda f: f.write_text(xrdml("rad")), "has angles in 'rad': give degrees"),
    "entities": ("a.xrdml", lambda f: f.write_text('<!DOCTYPE x [<!ENTITY a "b">]>' + xrdml()), "a document type"),
    "words as counts": ("a.xrdml", lambda f: f.write_text(xrdml(counts=["many"])), "something else than numbers"),
}

SPECTRA = {
    "no unit": (lambda f: rows(f, pairs()), {}, "states no unit of its first column: a spectrum has"),
    "terahertz": (lambda f: rows(f, pairs(), "Frequency (THz)"), {}, "states 'THz': a spectrum has 1/cm, nm or eV"),
    "another unit": (lambda f: rows(f, pairs(), "x (nm)"), {"unit": "eV"}, "states 'nm', and unit='eV' was given"),
    "an unknown unit": (lambda f: rows(f, pairs()), {"unit": "THz"}, "is unknown: give '1/cm', 'nm' or 'eV'"),
    "zero energy": (lambda f: rows(f, pairs(ANGLES - 10.0)), {"unit": "eV"}, "begins at 0 eV: give positive"),
    "unsorted": (lambda f: rows(f, pairs(np.roll(ANGLES, 3))), {"unit": "nm"}, "sort the rows"),
    "q": (lambda f: rows(f, pairs(), "q (nm^-1)"), {}, "states 'nm.*-1': a spectrum has 1/cm, nm or eV"),
}


def refused(call, message):
    with pytest.raises((FormatError, ConfigurationError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("name", "write", "options", "message"), IMAGES.values(), ids=IMAGES)
def test_bad_images_are_refused(tmp_path, name, write, options, message):
    write(tmp_path / name)
    refused(lambda: read_micrograph(tmp_path / name, **options), message)


@pytest.mark.parametrize(("library", "name", "content", "message"), OPTIONAL.values(), ids=OPTIONAL)
def test_bad_files_of_optional_libraries_are_refused(tmp_path, library, name, content, message):
    pytest.importorskip(library)
    (tmp_path / name).write_bytes(content)
    refused(lambda: read_micrograph(tmp_path / name), message)


@pytest.mark.parametrize(("name", "write", "message"), PATTERNS.values(), ids=PATTERNS)
def test_bad_patterns_are_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    refused(lambda: read_pattern(tmp_path / name, wavelength_angstrom=1.54), message)


def test_text_without_a_wavelength_is_refused(tmp_path):
    rows(tmp_path / "a.xy", pairs())
    refused(lambda: read_pattern(tmp_path / "a.xy"), "states no wavelength: give wavelength_angstrom")


@pytest.mark.parametrize(("write", "options", "message"), SPECTRA.values(), ids=SPECTRA)
def test_bad_spectra_are_refused(tmp_path, write, options, message):
    write(tmp_path / "a.txt")
    refused(lambda: read_spectrum(tmp_path / "a.txt", **options), message)


def test_a_compression_that_needs_a_library_is_named(tmp_path):
    if importlib.util.find_spec("imagecodecs"):
        pytest.skip("imagecodecs reads it")
    Image.fromarray(PIXELS.astype("u1")).save(tmp_path / "a.tif", compression="tiff_lzw")
    with pytest.raises(FormatError, match="is compressed: store it without compression, or install imagecodecs"):
        read_micrograph(tmp_path / "a.tif", pixel_nm=0.1)


@pytest.mark.parametrize(
    ("library", "module", "name"),
    [("tifffile", "tifffile", "a.tif"), ("mrcfile", "mrcfile.mrcinterpreter", "a.mrc"), ("ncempy", "ncempy", "a.dm3")],
)
def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch, library, module, name):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    (tmp_path / name).write_bytes(bytes(1100))
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed.* pip install 'matgym\[instruments\]'"):
        read_micrograph(tmp_path / name)
