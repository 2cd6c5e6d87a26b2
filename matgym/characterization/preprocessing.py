"""From a measurement to the input of a network: the steps that are stored with the network and checked on loading.

Micrographs and electron diffraction patterns are brought to one scale, centred, turned until the tube's axis is
vertical, cut and normalised. Powder patterns are brought to one wavelength and one grid; spectra are in `spectral`, and
crystals in `crystal_steps`. A measurement that cannot be brought there raises `RefusalError`: too coarse, too small, or
without the needed range.
"""

from typing import Annotated, Final, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from matgym.characterization.alignment import (
    inversion_centre,
    long_axis_deg,
    mirror_axis_deg,
    mirror_offset,
    resampled,
)
from matgym.characterization.crystal_steps import CrystalPipeline
from matgym.characterization.curves import rebinned, without_background
from matgym.characterization.files import Micrograph, Pattern
from matgym.characterization.indexing import FIGURES, figures_of_merit
from matgym.characterization.lattices import centrings
from matgym.characterization.scaling import (
    COARSE,
    Walls,
    across_walls_deg,
    binned,
    check_kind,
    check_scale,
    power_spectra,
    standardised,
)
from matgym.characterization.spectral import AbsorptionPipeline, RamanPipeline
from matgym.characterization.steps import Steps
from matgym.errors import RefusalError
from matgym.typing import Float32Array, FloatArray

WITHIN_DEG: Final = 10.0
"""Largest distance of the exact equator from the direction of the intensity, degrees; a choice of ours."""

SHORT: Final = 2.0
"""Points of the grid by which a pattern may be too short: tables give the wavelength of one line with other digits, and
angles are converted. The end is then continued. A choice of ours."""

BACKGROUND_DEG: Final = 6.0
"""Width of the window in which the background of a powder pattern is its lowest smoothed value, degrees; ours."""


class DiffractionPipeline(Steps):
    """The steps for electron diffraction patterns of a tube.

    The centre is that of inversion, since |F(q)| = |F(-q)|. The equator is the direction in which the intensity below
    the lowest reflection of graphene lies, and exactly the nearest axis about which the pattern is symmetric. The four
    quadrants of an upright tube are equal, and their mean is kept.

    Attributes:
        kind: "diffraction".
        pixel_per_nm: width of a pixel, 1/nm.
        pixels: number of rows and of columns before the quadrants are averaged; even.
        stop_per_nm: spatial frequency below which pixels are set to zero, 1/nm: the beam and the beam stop.
        equator_per_nm: spatial frequency up to which the equator is looked for, 1/nm: below graphene's 4.7.
        off_centre: largest distance of the beam from the middle of the detector, as a share of its width.
    """

    kind: Literal["diffraction"] = "diffraction"
    pixel_per_nm: float = Field(default=0.175, gt=0.0, le=10.0)
    pixels: int = Field(default=96, ge=16, le=1024, multiple_of=2)
    stop_per_nm: float = Field(default=1.0, ge=0.0, le=10.0)
    equator_per_nm: float = Field(default=4.0, gt=0.0, le=10.0)
    off_centre: float = Field(default=0.1, ge=0.0, le=0.5)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (1, pixels/2, pixels/2) of one input of the network."""
        return 1, self.pixels // 2, self.pixels // 2

    @property
    def field_per_nm(self) -> float:
        """Width of the part of a pattern that is used, 1/nm."""
        return self.pixels * self.pixel_per_nm

    def apply(self, patterns: FloatArray, pixel_per_nm: float) -> Float32Array:
        """Return (B, 1, pixels/2, pixels/2) inputs of (B, H, W) patterns of one scale.

        Raises:
            RefusalError: if pixels are too wide, or the detector is too small.
        """
        check_scale(patterns, pixel_per_nm, self.pixel_per_nm, self.field_per_nm, "1/nm")
        patterns, pixel = binned(patterns, pixel_per_nm, self.pixel_per_nm)
        roots = np.sqrt(np.maximum(patterns, 0.0))  # of equal noise everywhere
        centres = inversion_centre(roots, self.off_centre)
        stop = self.stop_per_nm / pixel
        turns = long_axis_deg(patterns, stop, self.equator_per_nm / pixel, centres)
        radii = np.arange(max(stop, 1.0), 0.5 * self.field_per_nm / pixel)
        turns = mirror_axis_deg(roots, centres, turns, radii, WITHIN_DEG)
        upright = resampled(patterns, centres, turns, self.pixel_per_nm / pixel, self.pixels)
        half = self.pixels // 2
        mirrored = upright + upright[:, ::-1] + upright[:, :, ::-1] + upright[:, ::-1, ::-1]
        quadrants = np.sqrt(np.maximum(mirrored[:, half:, half:] / 4.0, 0.0))
        q = self.pixel_per_nm * (np.arange(half) + 0.5)
        quadrants *= np.hypot(q[:, None], q) >= self.stop_per_nm
        scale = np.sqrt(np.square(quadrants).mean(axis=(1, 2), keepdims=True))
        return np.asarray(quadrants / np.where(scale > 0.0, scale, 1.0), dtype=np.float32)[:, None]

    def of(self, measured: Micrograph) -> Float32Array:
        """Return the (1, 1, pixels/2, pixels/2) input of one pattern.

        Raises:
            RefusalError: if it is no diffraction pattern, or its scale does not fit.
        """
        check_kind(measured, "diffraction")
        return self.apply(measured.pixels[None], measured.pixel_size)


class ImagePipeline(Steps):
    """The steps for images of a tube.

    The axis is perpendicular to the direction in which the power spectrum below the lowest reflection of graphene lies,
    since walls are lines along the axis. The middle of the tube is the mirror axis of the mean across it.

    Attributes:
        kind: "image".
        pixel_nm: width of a pixel, nm.
        pixels: number of rows and of columns; even.
        wall_per_nm: range of spatial frequencies in which walls are looked for, 1/nm: below graphene's 4.7.
        off_centre: largest distance of the axis from the middle of the image, as a share of its width.
        spectrum: whether a second channel holds the logarithm of the power spectrum.
    """

    kind: Literal["image"] = "image"
    pixel_nm: float = Field(default=0.045, gt=0.0, le=1.0)
    pixels: int = Field(default=64, ge=16, le=1024, multiple_of=2)
    wall_per_nm: Walls = (0.5, 4.0)
    off_centre: float = Field(default=0.15, ge=0.0, le=0.5)
    spectrum: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (channels, pixels, pixels) of one input of the network."""
        return 1 + self.spectrum, self.pixels, self.pixels

    @property
    def field_nm(self) -> float:
        """Width of the part of an image that is used, nm."""
        return self.pixels * self.pixel_nm

    def apply(self, images: FloatArray, pixel_nm: float) -> Float32Array:
        """Return (B, channels, pixels, pixels) inputs of (B, H, W) images of one scale.

        Raises:
            RefusalError: if pixels are too wide, or the images are too small.
        """
        check_scale(images, pixel_nm, self.pixel_nm, self.field_nm, "nm")
        images, pixel = binned(images, pixel_nm, self.pixel_nm)
        flat = images - images.mean(axis=(1, 2), keepdims=True)
        across = across_walls_deg(flat, pixel, self.wall_per_nm)
        middle = np.tile((np.array(flat.shape[1:]) - 1.0) / 2.0, (len(flat), 1))
        every = self.pixel_nm / pixel
        upright = resampled(flat, middle, across, every, self.pixels)
        offset = every * mirror_offset(upright.mean(axis=1), self.off_centre)
        turn = np.radians(across)
        centres = middle + offset[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
        upright = resampled(flat, centres, across, every, self.pixels)
        channels = [standardised(upright)]
        if self.spectrum:
            power = power_spectra(channels[0])
            channels.append(standardised(np.log(power + np.median(power, axis=(1, 2), keepdims=True) + 1e-12)))
        return np.stack(channels, axis=1).astype(np.float32)

    def of(self, measured: Micrograph) -> Float32Array:
        """Return the (1, channels, pixels, pixels) input of one image.

        Raises:
            RefusalError: if it is no image of a specimen, or its scale does not fit.
        """
        check_kind(measured, "image")
        return self.apply(measured.pixels[None], measured.pixel_size)


class PatternPipeline(Steps):
    """The steps for powder patterns: one wavelength, one grid, no background, square roots, highest point 1.

    Peaks are found before, in the pattern as it was measured.

    Attributes:
        kind: "powder".
        wavelength_angstrom: wavelength, Å; angles of other wavelengths are converted.
        start_deg: first 2θ of the grid, degrees.
        stop_deg: last 2θ of the grid, degrees.
        points: number of points of the grid.
        indexed: whether the figures of merit of lattices, `figures_of_merit`, are beside the pattern.
    """

    kind: Literal["powder"] = "powder"
    wavelength_angstrom: float = Field(default=1.54056, gt=0.0, le=5.0)
    start_deg: float = Field(default=10.0, gt=0.0, le=160.0)
    stop_deg: float = Field(default=80.0, gt=0.0, le=170.0)
    points: int = Field(default=1024, ge=64, le=16384)
    indexed: bool = False

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.stop_deg <= self.start_deg + 1.0:
            raise ValueError(f"stop_deg={self.stop_deg} must be larger than start_deg={self.start_deg} by 1 or more")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (1, points + beside) of one input of the network."""
        return 1, self.points + self.beside

    @property
    def beside(self) -> int:
        """Number of figures of merit."""
        return len(centrings()) * FIGURES if self.indexed else 0

    @property
    def axes(self) -> tuple[tuple[str, FloatArray], ...]:
        """The angles."""
        return (("2θ, °", self.two_theta_deg),)

    @property
    def two_theta_deg(self) -> FloatArray:
        """(points,) angles 2θ of the grid, degrees."""
        return np.linspace(self.start_deg, self.stop_deg, self.points)

    def apply(self, counts: FloatArray, two_theta_deg: ArrayLike, wavelength_angstrom: float) -> Float32Array:
        """Return (B, 1, points + beside) inputs of (B, X) patterns on one grid.

        Raises:
            RefusalError: if the grid does not cover that of the network, or is too coarse.
        """
        angles = np.asarray(two_theta_deg, dtype=np.float64)
        sine = np.sin(np.radians(angles / 2.0)) * self.wavelength_angstrom / wavelength_angstrom
        angles = np.degrees(2.0 * np.arcsin(np.minimum(sine, 1.0)))
        step = (self.stop_deg - self.start_deg) / (self.points - 1)
        if angles[0] > self.start_deg + SHORT * step or angles[-1] < self.stop_deg - SHORT * step:
            raise RefusalError(
                f"the pattern covers 2θ of {angles[0]:.4g} to {angles[-1]:.4g}° at {self.wavelength_angstrom:g} Å: the "
                f"network needs {self.start_deg:g} to {self.stop_deg:g}°"
            )
        inside = (angles >= self.start_deg) & (angles <= self.stop_deg)
        if (own := float(np.diff(angles[inside]).max())) > COARSE * step:
            raise RefusalError(f"the pattern has steps of {own:.3g}°: the network needs {COARSE * step:.3g}° or less")
        figures = [figures_of_merit(row[inside], angles[inside], self.wavelength_angstrom).ravel()
                   for row in counts] if self.indexed else []  # fmt: skip
        before, after = int(angles[0] > self.start_deg), int(angles[-1] < self.stop_deg)
        counts = np.pad(counts, ((0, 0), (before, after)), mode="edge")
        angles = np.concatenate([[self.start_deg] * before, angles, [self.stop_deg] * after])
        values = rebinned(counts, angles, self.two_theta_deg)
        peaks = without_background(values, max(int(BACKGROUND_DEG / step), 3))
        highest = peaks.max(axis=1, keepdims=True)
        found = np.sqrt(peaks / np.where(highest > 0.0, highest, 1.0))
        found = np.concatenate([found, figures], axis=1) if self.indexed else found
        return np.asarray(found, dtype=np.float32)[:, None]

    def of(self, measured: Pattern) -> Float32Array:
        """Return the (1, 1, points + beside) input of one pattern.

        Raises:
            RefusalError: if it is no powder pattern, its range does not cover the grid, or its steps are too coarse.
        """
        if not isinstance(measured, Pattern):
            raise RefusalError(f"a {type(measured).__name__.lower()} is no powder pattern: give 2θ and intensities")
        return self.apply(measured.counts[None], measured.two_theta_deg, measured.wavelength_angstrom)


Pipeline: TypeAlias = Annotated[
    DiffractionPipeline | ImagePipeline | PatternPipeline | RamanPipeline | AbsorptionPipeline | CrystalPipeline,
    Field(discriminator="kind"),
]
"""Any pipeline, as a card stores it."""
