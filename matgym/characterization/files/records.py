"""What instruments measured: an image with its scale, a powder pattern, a spectrum or a structure, and its file."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, FormatError, require_within
from matgym.frozen import ValueObject
from matgym.structures.crystals import Crystal
from matgym.typing import FloatArray

FEWEST_PIXELS: Final = 16
"""Fewest rows and columns of a micrograph. This limit and the next three are ours."""

MOST_PIXELS: Final = 8192
"""Most rows or columns of a micrograph."""

FEWEST_POINTS: Final = 16
"""Fewest points of a pattern or a spectrum."""

MOST_POINTS: Final = 1_000_000
"""Most points of a pattern or a spectrum."""

Kind: TypeAlias = Literal["image", "diffraction"]
SpectrumUnit: TypeAlias = Literal["1/cm", "nm", "eV"]
Environment: TypeAlias = Literal["air", "dispersed"]


@dataclass(frozen=True)
class Source:
    """Where a measurement comes from.

    Attributes:
        path: the file; empty for arrays in memory.
        sha256: SHA-256 of the file.
        scale: what gave the scale, the wavelength or the unit: a tag of the file, or "argument".
    """

    path: str = ""
    sha256: str = ""
    scale: str = "argument"


@dataclass(frozen=True, eq=False)
class Micrograph(ValueObject, copies=True):
    """An image of a specimen, or an electron diffraction pattern.

    Attributes:
        pixels: (H, W) intensities, rows from top to bottom.
        pixel_size: width of a pixel: nm for an image, 1/nm for a diffraction pattern.
        kind: "image" or "diffraction".
        source: where it comes from.

    Raises:
        FormatError: if there are too few or too many pixels, or one of them is not finite, or all are equal.
        ConfigurationError: if the width of a pixel is out of range.
    """

    pixels: FloatArray
    pixel_size: float
    kind: Kind = "image"
    source: Source = Source()

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.source.path or "the image"
        if self.pixels.ndim != 2:
            raise FormatError(f"{where} has shape {self.pixels.shape}: give one image of rows and columns")
        if min(self.pixels.shape) < FEWEST_PIXELS or max(self.pixels.shape) > MOST_PIXELS:
            raise FormatError(
                f"{where} has {self.pixels.shape[0]} x {self.pixels.shape[1]} pixels: give {FEWEST_PIXELS} to "
                f"{MOST_PIXELS:,} rows and columns"
            )
        if not np.isfinite(self.pixels).all():
            count = int((~np.isfinite(self.pixels)).sum())
            raise FormatError(f"{where} has {count:,} pixels that are not finite: replace them by finite numbers")
        if self.pixels.min() == self.pixels.max():
            raise FormatError(f"{where} is empty: all its pixels are {self.pixels.flat[0]:g}")
        require_within(1e-5, 1e4, pixel_size=self.pixel_size)

    @property
    def unit(self) -> str:
        """The unit of the width of a pixel: nm or 1/nm."""
        return "nm" if self.kind == "image" else "1/nm"


@dataclass(frozen=True, eq=False)
class Pattern(ValueObject, copies=True):
    """A powder X-ray diffraction pattern.

    Attributes:
        two_theta_deg: (X,) angles 2θ, degrees, increasing.
        counts: (X,) intensities, not negative.
        wavelength_angstrom: wavelength, Å.
        source: where it comes from.

    Raises:
        FormatError: if shapes differ, or numbers are not finite, out of order or out of range.
        ConfigurationError: if the wavelength is out of range.
    """

    two_theta_deg: FloatArray
    counts: FloatArray
    wavelength_angstrom: float
    source: Source = Source()

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.source.path or "the pattern"
        _check_curve(where, "angles 2θ", self.two_theta_deg, self.counts)
        first, last = float(self.two_theta_deg[0]), float(self.two_theta_deg[-1])
        if first < 0.0 or last > 180.0:
            raise FormatError(f"{where} covers {first:g} to {last:g}: angles 2θ must lie between 0 and 180 degrees")
        if self.counts.min() < 0.0:
            raise FormatError(f"{where} has a negative intensity of {self.counts.min():g}: give counts")
        require_within(0.1, 5.0, wavelength_angstrom=self.wavelength_angstrom)


@dataclass(frozen=True, eq=False)
class Spectrum(ValueObject, copies=True):
    """A Raman or optical spectrum.

    Attributes:
        x: (X,) Raman shifts, wavelengths or energies, increasing.
        unit: unit of `x`: 1/cm, nm or eV.
        intensity: (X,) intensities.
        source: where it comes from.
        laser_ev: energy of the laser of a Raman spectrum, eV; None if it is not known.
        environment: environment of the tubes of a Raman spectrum: "air", or "dispersed" in water; None if it is not
            known.

    Raises:
        FormatError: if shapes differ, or numbers are not finite or out of order.
        ConfigurationError: if the energy of the laser or the environment is out of range, or the spectrum is no Raman
            spectrum and has one.
    """

    x: FloatArray
    unit: SpectrumUnit
    intensity: FloatArray
    source: Source = Source()
    laser_ev: float | None = None
    environment: Environment | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.source.path or "the spectrum"
        _check_curve(where, f"places ({self.unit})", self.x, self.intensity)
        if self.unit != "1/cm" and self.x[0] <= 0.0:
            raise FormatError(f"{where} begins at {self.x[0]:g} {self.unit}: give positive wavelengths or energies")
        for name, value in (("laser_ev", self.laser_ev), ("environment", self.environment)):
            if value is not None and self.unit != "1/cm":
                raise ConfigurationError(f"{name}={value} has no effect for a spectrum over {self.unit}: leave it out")
        if self.laser_ev is not None:
            require_within(0.5, 6.0, laser_ev=self.laser_ev)
        if self.environment not in {None, "air", "dispersed"}:
            raise ConfigurationError(f"environment={self.environment!r} is unknown: give 'air' or 'dispersed'")


@dataclass(frozen=True, eq=False)
class Structure(ValueObject):
    """A crystal with the noise of a measurement or of a simulation.

    Attributes:
        crystal: cell and atoms.
        source: where it comes from.
    """

    crystal: Crystal
    source: Source = Source()


Measured: TypeAlias = Micrograph | Pattern | Spectrum | Structure
"""What can be characterized."""


def _check_curve(where: str, what: str, x: FloatArray, y: FloatArray) -> None:
    if x.ndim != 1 or x.shape != y.shape:
        raise FormatError(f"{where} has {what} of shape {x.shape} and intensities of shape {y.shape}: give two columns")
    if not FEWEST_POINTS <= len(x) <= MOST_POINTS:
        raise FormatError(f"{where} has {len(x):,} points: give {FEWEST_POINTS} to {MOST_POINTS:,}")
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.all():
        row = int(np.argmin(finite))
        raise FormatError(f"{where} has ({x[row]}, {y[row]}) as point {row + 1}: all numbers must be finite")
    back = np.diff(x) <= 0.0
    if back.any():
        row = int(np.argmax(back))
        raise FormatError(f"{where} has {what} that do not increase, {x[row]:g} before {x[row + 1]:g}: sort the rows")
    if y.min() == y.max():
        raise FormatError(f"{where} is empty: all its intensities are {y[0]:g}")
