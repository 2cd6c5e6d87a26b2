"""Which sentences do bad files get? Each question, with files of the wrong kind, scale, unit, range or content.

    python -m scripts.studies.characterization.refused

writes the files of `CASES` to a temporary folder, asks `characterize`, and writes docs/results/refused.json: file, what
is wrong with it, and the sentence. It takes seconds. What a file's kind, scale or range decides is refused before the
network sees it, so that untrained networks with the pipelines of the tasks stand in. What only the content decides
needs a trained network; where matgym has none, the case is pending.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from matgym.characterization import characterize
from matgym.characterization.reading.learned import STORE as READERS
from matgym.characterization.reading.learned import Reader, save_reader
from matgym.characterization.reading.registry import READINGS
from matgym.characterization.recognition.learned import STORE, Calibration, Recognizer, save_recognizer
from matgym.characterization.recognition.locators import LOCATORS, Locator, LocatorCalibration, save_locator
from matgym.characterization.recognition.networks import make_network
from matgym.characterization.recognition.registry import PLACE_TASKS, TASKS
from matgym.characterization.recognition.unet import UNet
from matgym.errors import MatgymError
from scripts.studies.common import Study, print_markdown

SMALL = {"width": 4, "blocks": 1, "hidden": (8,)}


@dataclass(frozen=True)
class Settings:
    """The settings of the study.

    Attributes:
        seed: random seed of noise.
    """

    seed: int = 0


@dataclass(frozen=True)
class Case:
    """A bad file.

    Attributes:
        task: task whose network is asked.
        file: name of the file.
        wrong: what is wrong with it.
        write: function that writes it, of its path and a generator.
        says: the offending value, as the sentence names it; for content, nothing.
        fix: the fix, as the sentence names it.
        options: options of `characterize`.
        second: function that writes the scattering curve of a forest; None if there is none.
        content: whether only its content is wrong.
    """

    task: str
    file: str
    wrong: str
    write: Callable[[Path, np.random.Generator], Any]
    says: str = ""
    fix: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    second: Callable[[Path, np.random.Generator], Any] | None = None
    content: bool = False

    @property
    def what(self) -> str:
        """The question of the task."""
        return {"chirality": "chirality", "crystal": "crystal", "species": "spectrum"}.get(
            self.task.partition("-")[0], self.task.partition("-")[0]
        )

    def sentence(self, folder: Path, model: Path | None, rng: np.random.Generator) -> str:
        """Return the sentence that `characterize` answers with, without the folder; empty if it gives an answer."""
        path, options = folder / self.file, dict(self.options)
        self.write(path, rng)
        if self.second is not None:
            self.second(folder / "saxs.csv", rng)
            options["scattering"] = folder / "saxs.csv"
        try:
            answer: Any = characterize(path, self.what, model=model, **options)
        except MatgymError as error:
            return str(error).replace(f"{folder}/", "")
        return str(answer.refusal if hasattr(answer, "refusal") else answer.answer.refusal)


# ---- what files hold


def noise(rng, size=160, dose=30.0):
    """Return (size, size) counts."""
    return rng.poisson(dose, (size, size)).astype(np.uint16)


def photograph(size=256):
    """Return a grey photograph, which comes with Matplotlib."""
    from matplotlib.cbook import get_sample_data

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return np.asarray(image.convert("L").resize((size, size)))


def tiff(pixels=noise, unit="nm", pixel=0.045, down=None, **more):
    """Return a function that writes a .tif file with the scale of ImageJ; without a unit, without a scale."""

    def write(path, rng):
        values = pixels(rng) if callable(pixels) else pixels
        if unit:
            resolution = (1.0 / pixel, 1.0 / (down or pixel))
            tifffile.imwrite(path, values, imagej=True, resolution=resolution, metadata={"unit": unit}, **more)
        else:
            tifffile.imwrite(path, values, **more)

    return write


def clipped(rng):
    """Return counts of a detector that ends at 31."""
    return np.minimum(noise(rng), 31).astype(np.uint16)


def with_nan(rng):
    """Return an image with one pixel that is no number."""
    values = noise(rng).astype(np.float32)
    values[3, 5] = np.nan
    return values


def colours(rng):
    """Return an image in three colours."""
    return np.stack([noise(rng), noise(rng), noise(rng)], axis=2).astype(np.uint8)


def half(write):
    """Return a function that writes the first half of a file."""

    def write_half(path, rng):
        write(path, rng)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return write_half


def content(data):
    """Return a function that writes bytes or text."""
    return lambda path, _rng: path.write_bytes(data if isinstance(data, bytes) else data.encode())


def peaks(x, rng, places, width, height=1000.0):
    """Return counts of some peaks over a background."""
    shape = sum(np.exp(-(((x - place) / width) ** 2)) for place in places)
    return rng.poisson(50.0 + height * shape).astype(float)


def columns(start, stop, step, places, width, head="", swapped=False, change=lambda y: y):
    """Return a function that writes columns of a curve with some peaks."""

    def write(path, rng):
        x = np.arange(start, stop + step / 2.0, step)
        pairs = [x, change(peaks(x, rng, places, width))]
        rows = [f"{a:.6g},{b:.6g}" for a, b in zip(*(pairs[::-1] if swapped else pairs), strict=True)]
        path.write_text("\n".join([head, *rows]), encoding="utf-8")

    return write


def powder(start=10.0, stop=80.0, step=0.05, **more):
    """Return a function that writes a powder pattern."""
    return columns(start, stop, step, (28.4, 47.3, 56.1), 0.2, **more)


def raman(start=100.0, stop=1800.0, step=1.0, head="Raman shift (cm-1),counts", **more):
    """Return a function that writes a Raman spectrum."""
    return columns(start, stop, step, (230.0, 1350.0, 1590.0), 8.0, head, **more)


def absorption(start=400.0, stop=1600.0, step=1.0, head="Wavelength (nm),absorbance", **more):
    """Return a function that writes an absorption spectrum."""
    return columns(start, stop, step, (570.0, 650.0, 980.0), 20.0, head, **more)


def saxs(start=0.1, stop=2.2, step=0.005, head="q (1/nm),photons", **more):
    """Return a function that writes a scattering curve."""
    return columns(start, stop, step, (0.3,), 0.3, head, **more)


def cut_line(write):
    """Return a function that writes a file whose last line ends after the first column."""

    def write_cut(path, rng):
        write(path, rng)
        path.write_text(path.read_text(encoding="utf-8").rpartition(",")[0], encoding="utf-8")

    return write_cut


def nan_in(y):
    """Return intensities with one that is no number."""
    return np.where(np.arange(len(y)) == 7, np.nan, y)


def ceiling(y):
    """Return intensities of a detector that ends at 200."""
    return np.minimum(y, 200.0)


HRTEM, DIFFRACTION, DEFECTS, FILM, FOREST = (
    "chirality-hrtem", "chirality-diffraction", "defects-hrtem", "film-micrograph", "forest-curves",
)  # fmt: skip
CRYSTAL, RAMAN, ABSORPTION = "crystal-system", "species-raman", "species-absorption"
CU, GREEN, RED = {"wavelength_angstrom": 1.5406}, {"laser_ev": 2.33}, {"laser_ev": 1.96}
SITE = {"site_nm": 2.0}

CASES = (
    Case(HRTEM, "tube.jpg", "wrong kind: a JPEG", content(b"\xff\xd8"), "tube.jpg", "give a file of .tif"),
    Case(HRTEM, "raman.csv", "wrong kind: a spectrum", raman(), "raman.csv", "give a file of .tif"),
    Case(HRTEM, "a.tif", "empty", content(b""), "0 bytes", "copy it again"),
    Case(HRTEM, "a.tif", "truncated", half(tiff()), "is damaged", "copy it again"),
    Case(HRTEM, "a.tif", "text inside", content("no image"), "is damaged or no .tif file", "copy it again"),
    Case(HRTEM, "a.tif", "no scale", tiff(unit=""), "has no scale", "give pixel_nm"),
    Case(HRTEM, "a.tif", "wrong unit: volts", tiff(unit="V"), "a scale in 'V'", "give pixel_nm"),
    Case(HRTEM, "a.tif", "oblong pixels", tiff(down=0.09), "0.045 x 0.09 nm", "resample it to square pixels"),
    Case(HRTEM, "a.tif", "not a number", tiff(with_nan), "1 pixels that are not finite", "replace them"),
    Case(HRTEM, "a.tif", "saturated", tiff(clipped), "the highest value 31", "within the range of the detector"),
    Case(HRTEM, "a.tif", "constant", tiff(np.full((160, 160), 7, np.uint8)), "all its pixels are 7", "give measured"),
    Case(HRTEM, "a.tif", "colours", tiff(colours, photometric="rgb"), "a colour image", "give the grey image"),
    Case(HRTEM, "a.tif", "a stack", tiff(np.zeros((5, 160, 160), np.uint8)), "5 images", "give one of them"),
    Case(HRTEM, "a.tif", "wrong scale: wide pixels", tiff(pixel=0.5), "a pixel of 0.5 nm", "the network needs 0.0562"),
    Case(HRTEM, "a.tif", "a small field", tiff(pixel=0.01), "a field of 1.6 nm", "the network needs 2.88 nm"),
    Case(HRTEM, "a.tif", "a pixel of 0 nm", tiff(), "pixel_nm=0.0", "must be positive", {"pixel_nm": 0.0}),
    Case(DIFFRACTION, "a.tif", "wide pixels", tiff(unit="1/nm", pixel=2.0), "a pixel of 2 1/nm",
         "the network needs 0.2"),
    Case(DIFFRACTION, "a.tif", "a small detector", tiff(lambda rng: noise(rng, 64), "1/nm", 0.1), "a field of 6.4 1/nm",
         "the network needs 16.8 1/nm"),
    Case(DIFFRACTION, "a.tif", "saturated", tiff(clipped, "1/nm", 0.165), "the highest value 31",
         "give an image within"),
    Case(DIFFRACTION, "a.tif", "few pixels", tiff(lambda rng: noise(rng, 12), "1/nm", 2.0), "12 x 12 pixels",
         "give 16"),
    Case(DEFECTS, "a.tif", "wrong kind: a diffraction pattern", tiff(unit="1/nm", pixel=0.165),
         "an electron diffraction pattern was given, by its scale in 1/nm", "give an image of a specimen"),
    Case(DEFECTS, "a.tif", "a small field", tiff(pixel=0.02), "a field of 3.2 nm", "the network needs 4.32 nm"),
    Case(DEFECTS, "a.tif", "not a number", tiff(with_nan), "1 pixels that are not finite", "replace them"),
    Case(FILM, "a.tif", "no lattice constant", tiff(pixel=1.0), "site_nm=None", "1 to 2.5 nm for this image"),
    Case(FILM, "a.tif", "a large lattice constant", tiff(pixel=1.0), "site_nm=9.0", "1 to 2.5 nm", {"site_nm": 9.0}),
    Case(FILM, "a.tif", "a small image", tiff(lambda rng: noise(rng, 40), pixel=1.0), "40 x 40 pixels",
         "the network needs 64", SITE),
    Case(FILM, "a.tif", "wrong kind: a diffraction pattern", tiff(unit="1/nm"), "an electron diffraction pattern",
         "give an image of a specimen", SITE),
    Case(FILM, "a.tif", "colours", tiff(colours, pixel=1.0, photometric="rgb"), "a colour image", "give the grey",
         SITE),
    Case(CRYSTAL, "a.tif", "wrong kind: an image", tiff(), "a.tif", "give a file of .xy", CU),
    Case(CRYSTAL, "a.xy", "no wavelength", powder(), "states no wavelength", "give wavelength_angstrom"),
    Case(CRYSTAL, "a.xy", "another wavelength and range", powder(5.0, 30.0, 0.02), "10.85 to 68.25° at 1.54056 Å",
         "the network needs 10 to 80°", {"wavelength_angstrom": 0.7107}),
    Case(CRYSTAL, "a.xy", "wavelength in nm", powder(), "wavelength_angstrom=0.0154", "from 0.1 to 5",
         {"wavelength_angstrom": 0.0154}),
    Case(CRYSTAL, "a.xy", "a short range", powder(20.0, 60.0), "covers 2θ of 20 to 60°", "needs 10 to 80°", CU),
    Case(CRYSTAL, "a.xy", "wide steps", powder(step=0.2), "steps of 0.2°", "needs 0.0855° or less", CU),
    Case(CRYSTAL, "a.xy", "swapped columns", powder(swapped=True), "in its second column", "swap the columns", CU),
    Case(CRYSTAL, "a.xy", "wrong unit: q", powder(head="q (1/nm),counts"), "states '1/nm'", "convert it", CU),
    Case(CRYSTAL, "a.xy", "not a number", powder(change=nan_in), "(10.35, nan) as point 8", "give finite numbers", CU),
    Case(CRYSTAL, "a.xy", "negative", powder(change=lambda y: y - 300.0), "a negative intensity of -2",
         "give counts", CU),
    Case(CRYSTAL, "a.xy", "saturated", powder(change=ceiling), "the highest intensity 200", "within the range", CU),
    Case(CRYSTAL, "a.xy", "constant", powder(change=np.zeros_like), "all its intensities are 0", "give measured", CU),
    Case(CRYSTAL, "a.xy", "truncated", cut_line(powder()), "1 numbers in line 1402", "give 2, as before", CU),
    Case(CRYSTAL, "a.xrdml", "truncated XML", content("<xrdMeasurements><scan>"), "is damaged", "copy it again"),
    Case(RAMAN, "a.csv", "no unit", raman(head="x,y"), "states no unit", "give unit", RED),
    Case(RAMAN, "a.csv", "wrong unit: THz", raman(head="THz,counts"), "states 'THz'", "convert it", RED),
    Case(RAMAN, "a.csv", "two units", raman(), "unit='nm' was given", "give the unit of the file", {"unit": "nm"}),
    Case(RAMAN, "a.csv", "no laser", raman(), "the energy of the laser is unknown", "give laser_ev"),
    Case(RAMAN, "a.csv", "an ultraviolet laser", raman(), "a laser of 3.81 eV", "knows 1.5 to 2.8 eV",
         {"laser_ev": 3.81}),
    Case(RAMAN, "a.csv", "laser in nm", raman(), "laser_ev=633.0", "from 0.5 to 6", {"laser_ev": 633.0}),
    Case(RAMAN, "a.csv", "a short range", raman(1200.0), "covers 1200 to 1800 1/cm", "needs 100 to 400 1/cm", RED),
    Case(RAMAN, "a.csv", "wide steps", raman(step=5.0), "steps of 5 1/cm", "the network needs 2 1/cm", RED),
    Case(RAMAN, "a.csv", "swapped columns", raman(swapped=True), "in its second column", "swap the columns", RED),
    Case(RAMAN, "a.csv", "saturated", raman(change=ceiling), "the highest intensity 200", "within the range", RED),
    Case(RAMAN, "a.csv", "unknown environment", raman(), "environment='ice'", "give 'air'",
         RED | {"environment": "ice"}),
    Case(ABSORPTION, "a.csv", "empty", content("\n"), "has no text", "copy it again"),
    Case(ABSORPTION, "a.csv", "a short range", absorption(900.0, 1350.0), "covers 0.9184 to 1.3776 eV",
         "needs 0.8 to 3"),
    Case(ABSORPTION, "a.csv", "wide steps", absorption(step=20.0), "the spectrum has steps of",
         "needs 0.02 eV or less"),
    Case(ABSORPTION, "a.csv", "a laser", absorption(), "laser_ev=1.96 has no effect", "leave it out", RED),
    Case(FOREST, "a.csv", "one curve", raman(), "scattering is missing", "give the small-angle", GREEN),
    Case(FOREST, "a.csv", "a red laser", raman(), "a laser of 1.96 eV", "the network knows 2.28 to 2.38", RED, saxs()),
    Case(FOREST, "a.csv", "wrong kind: absorption", absorption(), "a spectrum over nm", "give Raman shifts", {},
         saxs()),
    Case(FOREST, "a.csv", "relative scattering", raman(), "photons at most", "give counts", GREEN,
         saxs(change=lambda y: y / 1e4)),
    Case(FOREST, "a.csv", "a short scattering curve", raman(), "covers 0.5 to 2.2 1/nm", "needs 0.15 to 2 1/nm", GREEN,
         saxs(0.5)),
    Case(FOREST, "a.csv", "scattering over 2θ", raman(), "states '2theta'", "convert it", GREEN, saxs(head="2theta,I")),
    # ---- what only a trained network can know
    Case(HRTEM, "photo.tif", "a photograph", tiff(photograph()), content=True),
    Case(DIFFRACTION, "photo.tif", "a photograph", tiff(photograph(), "1/nm", 0.165), content=True),
    Case(DEFECTS, "photo.tif", "a photograph", tiff(photograph()), content=True),
    Case(FILM, "photo.tif", "a photograph", tiff(photograph(), pixel=1.0), options=SITE, content=True),
    Case(CRYSTAL, "noise.xy", "noise", powder(change=lambda y: 100.0 + y % 7), options=CU, content=True),
    Case(RAMAN, "noise.csv", "noise", raman(change=lambda y: 100.0 + y % 7), options=RED, content=True),
    Case(ABSORPTION, "noise.csv", "noise", absorption(change=lambda y: 100.0 + y % 7), content=True),
    Case(FOREST, "noise.csv", "noise", raman(change=lambda y: 100.0 + y % 7), options=GREEN, second=saxs(),
         content=True),
)  # fmt: skip
"""All bad files."""


def stand_ins(folder: Path) -> dict[str, Path]:
    """Store an untrained network with the pipeline of each task, and return the files."""

    def anywhere(size: int) -> dict[str, Any]:
        return {"centre": np.zeros(size), "whitening": np.zeros((size, size)), "threshold": np.ones(1)}

    files = {name: folder / f"{name}.safetensors" for name in (*TASKS, *PLACE_TASKS, *READINGS)}
    for name, task in TASKS.items():
        net = make_network("resnet", SMALL, task.pipeline.shape, len(task.classes), task.pipeline.beside).eval()
        calibration = Calibration(1.0, 0.0, anywhere(net.last.in_features))
        recognizer = Recognizer(net, task.classes, task.pipeline, calibration)
        save_recognizer(recognizer, files[name], task=name, network="resnet", settings=SMALL)
    for name, place in PLACE_TASKS.items():
        unet = UNet(len(place.kinds), 4).eval()
        locator = Locator(unet, place.kinds, place.pipeline, LocatorCalibration(1.0, 0.0, 0.5, anywhere(unet.features)))
        save_locator(locator, files[name], task=name, width=4, tolerance_nm=0.2)
    for name, reading in READINGS.items():
        net = make_network("resnet", SMALL, reading.pipeline.shape, 2 * len(reading.quantities)).eval()
        ones = np.ones(len(reading.quantities))
        reader = Reader(net, reading.quantities, reading.pipeline, ones, anywhere(net.last.in_features))
        save_reader(reader, files[name], task=name, network="resnet", settings=SMALL)
    return files


def trained() -> set[str]:
    """Return the tasks whose networks come with matgym."""
    return {*STORE.names(), *LOCATORS.names(), *READERS.names()}


def rows(seed: int) -> list[dict[str, Any]]:
    """Return a row for each case: question, task, file, what is wrong, and the sentence, or that it is pending."""
    known, found = trained(), []
    with tempfile.TemporaryDirectory() as name:
        models = stand_ins(Path(name))
        for number, case in enumerate(CASES):
            folder = Path(name) / str(number)
            folder.mkdir()
            pending = case.content and case.task not in known
            model = None if case.content else models[case.task]
            sentence = None if pending else case.sentence(folder, model, np.random.default_rng([seed, number]))
            found.append(
                {"question": case.what, "task": case.task, "file": case.file, "wrong": case.wrong,
                 "sentence": sentence, "pending": pending}
            )  # fmt: skip
    return found


def main() -> None:
    study = Study.from_command_line("refused", __doc__, Settings(), Settings())
    found = rows(study.settings.seed)
    shown = [[*list(row.values())[:1], row["file"], row["wrong"], row["sentence"] or "(pending)"] for row in found]
    print_markdown(["question", "file", "what is wrong", "sentence"], shown)
    asked = [row for row in found if not row["pending"]]
    answered = [row for row in asked if not row["sentence"]]
    study.write({"files": len(found), "refused": len(asked) - len(answered), "pending": len(found) - len(asked),
                 "answered": answered, "rows": found})  # fmt: skip


if __name__ == "__main__":
    main()
