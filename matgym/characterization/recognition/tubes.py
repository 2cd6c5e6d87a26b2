"""The tasks of the chirality of a tube: from electron diffraction, and from HRTEM images.

The classes are all (n, m), n ≥ m, of diameters from 0.6 to 2.0 nm. The mirror image (m, n) has the same pattern up to
interference and the mirrored image, and counts as the same class. Conditions of training and of the test were chosen
before any training, except for diffraction: after a pilot with 2,048 patterns (75 % at conditions of training, 19 % at
unseen ones) doses were raised tenfold, because at 3 electrons/Å² the patterns of the test hold some thirty electrons,
and patterns were turned by their mirror symmetry and stretched in training. After a full training (98 % at unseen
conditions and 1000 electrons/Å², 84 % at 300), training patterns were also blurred and given a background and noise;
the test is as it was.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from matgym.characterization.diffraction import Detector, Exposure, tube_patterns
from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.imaging import Camera, Lens, hrtem
from matgym.characterization.poses import Poses
from matgym.characterization.preprocessing import DiffractionPipeline, ImagePipeline
from matgym.characterization.recognition.augmentation import blurred, noise
from matgym.characterization.recognition.tasks import (
    Range,
    RecognitionTask,
    Samples,
    log_uniform,
    uniform,
)
from matgym.structures import Nanotube
from matgym.typing import Float32Array, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

DIAMETERS_NM: Final = (0.6, 2.0)
"""Range of the diameters of the tubes that are recognised, nm."""

STRETCHES: Final = (0.05, 0.015)
"""Largest logarithm of the stretches of training patterns along and across the axis. This constant and the next five
are choices of ours."""

BLURS: Final = (1.0, 0.5)
"""Largest standard deviations of the blurs of training patterns along and across the axis, pixels: layer lines of a
short tube are wide along it."""

MOST_BACKGROUND: Final = 0.5
"""Largest background of training patterns, relative to their mean intensity."""

EMPTY_PIXELS: Final = 4
"""Distance from all counted electrons, pixels, beyond which a pixel counts as outside of the detector."""

BACKGROUND_PIXELS: Final = (8.0, 24.0)
"""Distances from the beam in which that background decays, pixels."""

NOISE: Final = (0.01, 1.0)
"""Standard deviations of the noise of training patterns, even in their logarithm, relative to their mean intensity."""


@cache
def tubes_between(low: float, high: float) -> tuple[tuple[int, int], ...]:
    """Return all (n, m), n ≥ m, of diameters between two limits, nm, by ascending n and m."""
    largest = int(np.ceil(high / Nanotube(1000, 0).diameter_nm * 1000.0))
    every = ((n, m) for n in range(4, largest + 1) for m in range(n + 1))
    return tuple(pair for pair in every if low <= Nanotube(*pair).diameter_nm <= high)


def tube_classes() -> tuple[tuple[int, int], ...]:
    """Return the (n, m) that are recognised."""
    return tubes_between(*DIAMETERS_NM)


class _ChiralityTask(RecognitionTask):
    pipeline: ClassVar[DiffractionPipeline | ImagePipeline]

    @property
    def classes(self) -> tuple[str, ...]:
        """The (n, m) as text."""
        return tuple(f"({n},{m})" for n, m in tube_classes())

    def pair(self, name: str) -> tuple[int, int]:
        """Return (n, m) of the name of a class."""
        return tube_classes()[self.classes.index(name)]

    @abstractmethod
    def measured(
        self, count: int, rng: np.random.Generator, conditions: Any, level: float | None = None
    ) -> tuple[FloatArray, float, Any, FloatArray]:
        """Return (B, H, W) measurements of one instrument, the width of a pixel, (B,) labels and (B,) doses."""

    def group(self, count: int, rng: np.random.Generator, conditions: Any, level: float | None) -> Samples:
        """Return measurements as inputs; see `RecognitionTask.group`."""
        measured, pixel, labels, doses = self.measured(count, rng, conditions, level)
        return Samples(self.pipeline.apply(measured, pixel).astype(np.float16), labels, doses)


@dataclass(frozen=True)
class DiffractionConditions:
    """Ranges from which conditions of electron diffraction are drawn evenly.

    Attributes:
        voltage_kv: accelerating voltage, kV.
        pixel_per_angstrom: width of a detector pixel, 1/Å.
        spread_pixels: standard deviation of the point spread, pixels.
        readout_electrons: standard deviation of the readout noise, electrons.
        length_nm: width of the illuminated stretch, nm.
        diffuse: electrons of the smooth background relative to those of the tube.
        diffuse_per_angstrom: decay of that background, 1/Å.
        tilt_deg: tilt out of the plane, degrees.
        strain: axial strain.
        off_centre_pixels: largest distance of the beam from the middle of the detector along each axis, pixels.
        dose_per_angstrom2: dose, 1/Å², even in its logarithm.
    """

    voltage_kv: Range = (60.0, 120.0)
    pixel_per_angstrom: Range = (0.016, 0.019)
    spread_pixels: Range = (0.5, 0.9)
    readout_electrons: Range = (0.0, 0.3)
    length_nm: Range = (10.0, 50.0)
    diffuse: Range = (0.0, 1.0)
    diffuse_per_angstrom: Range = (0.15, 0.4)
    tilt_deg: Range = (-12.0, 12.0)
    strain: Range = (-0.005, 0.005)
    off_centre_pixels: int = 4
    dose_per_angstrom2: Range = (10.0, 3000.0)


class ChiralityFromDiffraction(_ChiralityTask):
    """The chirality of a tube from its electron diffraction pattern."""

    name = "chirality-diffraction"
    question = "Which (n, m) does the tube have whose electron diffraction pattern this is?"
    level_name = "dose, electrons/Å²"
    levels = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    pipeline = DiffractionPipeline(pixel_per_nm=0.175, pixels=96, stop_per_nm=1.0)
    training = DiffractionConditions()
    unseen = DiffractionConditions(
        voltage_kv=(150.0, 300.0),
        pixel_per_angstrom=(0.0145, 0.0158),
        spread_pixels=(0.9, 1.1),
        readout_electrons=(0.3, 0.5),
        length_nm=(5.0, 10.0),
        diffuse=(1.0, 2.0),
        tilt_deg=(12.0, 18.0),
        strain=(0.005, 0.01),
    )

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":
        """Stretch patterns along and across the axis, as a tilt, a strain or an inexact scale would, and worsen them.

        They are blurred as by a shorter tube and a wider point spread, and get a smooth background and noise.
        """
        import torch

        rows, columns = (np.exp(rng.uniform(-most, most, len(inputs))) for most in STRETCHES)
        scales = torch.zeros((len(inputs), 2, 3))
        for axis, factors in enumerate((columns, rows)):  # the corner of the quadrant, at -1, stays
            scales[:, axis, axis] = torch.from_numpy(factors)
            scales[:, axis, 2] = torch.from_numpy(factors - 1.0)
        grid = torch.nn.functional.affine_grid(scales, list(inputs.shape), align_corners=False)
        stretched = torch.nn.functional.grid_sample(
            inputs, grid.to(inputs.device), padding_mode="border", align_corners=False
        )
        return self._worsened(stretched, rng)

    def _worsened(self, roots: "Tensor", rng: np.random.Generator) -> "Tensor":
        """Return roots of intensities that are blurred, with background and noise where a detector is."""
        import torch

        count = len(roots)
        found = blurred(roots.square(), np.stack([rng.uniform(0.0, most, count) for most in BLURS], axis=1))
        places = torch.arange(roots.shape[2], dtype=torch.float32) + 0.5
        distances = torch.hypot(places[:, None], places).to(roots.device)
        decays, shares = (
            torch.from_numpy(rng.uniform(*limits, (count, 1, 1, 1)).astype(np.float32)).to(roots.device)
            for limits in (BACKGROUND_PIXELS, (0.0, MOST_BACKGROUND))
        )
        background = torch.exp(-distances / decays)
        found += shares * background / background.mean(dim=(2, 3), keepdim=True)
        found += noise(roots, np.asarray(log_uniform(rng, NOISE, count)), rng)
        reach, pool = EMPTY_PIXELS, torch.nn.functional.max_pool2d
        near = pool(pool(roots, (2 * reach + 1, 1), 1, (reach, 0)), (1, 2 * reach + 1), 1, (0, reach))
        seen = (distances >= self.pipeline.stop_per_nm / self.pipeline.pixel_per_nm) & (near > 0.0)
        found = found.clamp_min(0.0) * seen
        return (found / found.mean(dim=(2, 3), keepdim=True).clamp_min(1e-12)).sqrt()

    def simulated(self, name: str, pipeline: Any) -> Float32Array:
        """Return the pattern of a class without noise, of an upright tube at 80 kV."""
        pixel = 0.1 * pipeline.pixel_per_nm
        detector = Detector(pipeline.pixels, pixel, beam_stop_per_angstrom=0.1 * pipeline.stop_per_nm)
        return np.asarray(pipeline.apply(tube_patterns([self.pair(name)], detector=detector), 10.0 * pixel)[0])

    def measured(
        self, count: int, rng: np.random.Generator, conditions: DiffractionConditions, level: float | None = None
    ) -> tuple[FloatArray, float, Any, FloatArray]:
        """Return (B, H, W) counts of one instrument, the width of a pixel, 1/nm, (B,) labels and (B,) doses."""
        labels = rng.integers(len(tube_classes()), size=count)
        doses = np.full(count, level) if level else log_uniform(rng, conditions.dose_per_angstrom2, count)
        pixel, margin = uniform(rng, conditions.pixel_per_angstrom), conditions.off_centre_pixels
        needed = int(np.ceil(0.1 * self.pipeline.field_per_nm / pixel)) + 2 * margin
        detector = Detector(
            needed + 2 * margin,
            pixel,
            uniform(rng, conditions.spread_pixels),
            0.1 * self.pipeline.stop_per_nm,
            uniform(rng, conditions.readout_electrons),
        )
        exposure = Exposure(
            1.0,
            uniform(rng, conditions.length_nm),
            uniform(rng, conditions.diffuse),
            uniform(rng, conditions.diffuse_per_angstrom),
        )
        tilts = rng.uniform(*conditions.tilt_deg, count) * rng.choice([-1.0, 1.0], count)
        expected = tube_patterns(
            np.array(tube_classes())[labels],
            replace(Poses.random(rng, count), tilt_deg=tilts),
            beam=ElectronBeam(uniform(rng, conditions.voltage_kv)),
            detector=detector,
            exposure=exposure,
            strain=rng.uniform(*conditions.strain, count),
        )
        counts = detector.expose(expected * doses[:, None, None], rng)
        top, left = rng.integers(2 * margin + 1, size=2)  # of the whole group: one detector
        return counts[:, top : top + needed, left : left + needed], 10.0 * pixel, labels, doses


def _mirrored(inputs: "Tensor", axis: int) -> "Tensor":
    """Return inputs mirrored in an axis; the zero frequency of a power spectrum, at N // 2, stays in its place."""
    mirrored = inputs.flip(axis)
    if inputs.shape[1] > 1:
        mirrored[:, 1] = mirrored[:, 1].roll(1, axis - 1)
    return mirrored


@dataclass(frozen=True)
class ImageConditions:
    """Ranges from which conditions of HRTEM images are drawn evenly.

    Attributes:
        voltage_kv: accelerating voltage, kV.
        defocus_nm: defocus, nm; positive for underfocus.
        cs_mm: spherical aberration, mm.
        astigmatism_nm: two-fold astigmatism, nm.
        focal_spread_nm: standard deviation of the defocus, nm.
        pixel_angstrom: width of a pixel, Å.
        spread_pixels: standard deviation of the point spread, pixels.
        drift_angstrom: drift during the exposure along each axis, Å.
        tilt_deg: tilt out of the plane, degrees.
        shift_angstrom: largest distance of the tube from the middle along each axis, Å.
        dose_per_angstrom2: dose, 1/Å², even in its logarithm.
    """

    voltage_kv: Range = (60.0, 120.0)
    defocus_nm: Range = (2.0, 12.0)
    cs_mm: Range = (-0.015, 0.0)
    astigmatism_nm: Range = (0.0, 1.5)
    focal_spread_nm: Range = (2.0, 4.0)
    pixel_angstrom: Range = (0.42, 0.5)
    spread_pixels: Range = (0.3, 0.7)
    drift_angstrom: Range = (-0.5, 0.5)
    tilt_deg: Range = (-8.0, 8.0)
    shift_angstrom: float = 2.0
    dose_per_angstrom2: Range = (300.0, 30000.0)

    def microscope(self, rng: np.random.Generator, field_angstrom: float) -> tuple[Lens, Camera]:
        """Draw a lens and a camera whose field has at least a width, Å."""
        pixel = uniform(rng, self.pixel_angstrom)
        camera = Camera(
            int(np.ceil(field_angstrom / pixel)),
            pixel,
            1.0,
            uniform(rng, self.spread_pixels),
            (uniform(rng, self.drift_angstrom), uniform(rng, self.drift_angstrom)),
        )
        lens = Lens(
            uniform(rng, self.defocus_nm),
            uniform(rng, self.cs_mm),
            uniform(rng, self.astigmatism_nm),
            uniform(rng, (0.0, 180.0)),
            uniform(rng, self.focal_spread_nm),
        )
        return lens, camera

    def poses(self, rng: np.random.Generator, count: int) -> Poses:
        """Draw poses."""
        tilts = rng.uniform(*self.tilt_deg, count) * rng.choice([-1.0, 1.0], count)
        return replace(Poses.random(rng, count, shift_angstrom=self.shift_angstrom), tilt_deg=tilts)


class ChiralityFromImages(_ChiralityTask):
    """The chirality of a tube from its HRTEM image."""

    name = "chirality-hrtem"
    question = "Which (n, m) does the tube have whose HRTEM image this is?"
    level_name = "dose, electrons/Å²"
    levels = (300.0, 1000.0, 3000.0, 10000.0, 30000.0)
    pipeline = ImagePipeline(pixel_nm=0.045, pixels=64)
    training = ImageConditions()
    unseen = ImageConditions(
        voltage_kv=(120.0, 200.0),
        defocus_nm=(12.0, 15.0),
        cs_mm=(-0.02, -0.015),
        astigmatism_nm=(1.5, 2.0),
        pixel_angstrom=(0.38, 0.42),
        spread_pixels=(0.7, 0.9),
        tilt_deg=(8.0, 12.0),
    )

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":
        """Mirror images, which have the same class, along the axis and across it."""
        import torch

        for axis in (2, 3):
            chosen = torch.from_numpy(rng.uniform(size=(len(inputs), 1, 1, 1)) < 0.5).to(inputs.device)
            inputs = torch.where(chosen, _mirrored(inputs, axis), inputs)
        return inputs

    def simulated(self, name: str, pipeline: Any) -> Float32Array:
        """Return the image of a class without noise, of an upright tube at 80 kV with the default lens."""
        camera = Camera(pipeline.pixels + 2, 10.0 * pipeline.pixel_nm)
        image = hrtem([Nanotube(*self.pair(name))], camera=camera)
        return np.asarray(pipeline.apply(image, pipeline.pixel_nm)[0])

    def measured(
        self, count: int, rng: np.random.Generator, conditions: ImageConditions, level: float | None = None
    ) -> tuple[FloatArray, float, Any, FloatArray]:
        """Return (B, H, W) images of one instrument, the width of a pixel, nm, (B,) labels and (B,) doses."""
        labels = rng.integers(len(tube_classes()), size=count)
        doses = np.full(count, level) if level else log_uniform(rng, conditions.dose_per_angstrom2, count)
        # The corners of the part that is used lie beside the tube, and may be missing when it is turned.
        lens, camera = conditions.microscope(rng, 10.0 * self.pipeline.field_nm + 2.0 * conditions.shift_angstrom)
        images = hrtem(
            [Nanotube(*tube_classes()[label]) for label in labels],
            conditions.poses(rng, count),
            beam=ElectronBeam(uniform(rng, conditions.voltage_kv)),
            lens=lens,
            camera=camera,
        )
        return camera.expose_each(images, doses, rng), 0.1 * camera.pixel_angstrom, labels, doses
