"""What instruments measured: an image with its scale, a curve or a structure, and the file it comes from.

Curves are powder patterns, spectra, and small-angle scattering.
"""

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

SATURATED: Final = (0.05, 8)
"""Share of the pixels of an image, and number of points of a curve, that may have the highest value if `HEAP` times
fewer have the next one. More of them mean a saturated detector. These limits are ours: a maximum between two steps of a
rounded curve has at most 2.4 times as many points as the next step."""

HEAP: Final = 4

LARGEST: Final = 1e30
"""Largest intensity: sums of squares stay finite. A choice of ours."""

Kind: TypeAlias = Literal["image", "diffraction"]
SpectrumUnit: TypeAlias = Literal["1/cm", "nm", "eV"]
Environment: TypeAlias = Literal["air", "dispersed"]
ScatteringUnit: TypeAlias = Literal["1/nm", "1/angstrom"]


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
        if self.kind not in {"image", "diffraction"}:
            raise ConfigurationError(f"kind={self.kind!r} is unknown: give 'image' or 'diffraction'")
        _check_numbers(where, "pixels", self.pixels)
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
        _check_size(where, self.pixels)
        if self.pixels.min() == self.pixels.max():
            raise FormatError(f"{where} is empty: all its pixels are {self.pixels.flat[0]:g}; give measured ones")
        if highest := _saturated(self.pixels, int(SATURATED[0] * self.pixels.size)):
            raise FormatError(
                f"{where} is saturated: {highest:,} pixels have the highest value {self.pixels.max():g}: give an image "
                "within the range of the detector"
            )
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
        if self.unit not in {"1/cm", "nm", "eV"}:
            raise ConfigurationError(f"unit={self.unit!r} is unknown: give '1/cm', 'nm' or 'eV'")
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
class Scattering(ValueObject, copies=True):
    """A small-angle X-ray scattering curve.

    Attributes:
        q_per_nm: (X,) scattering vectors q = 4π sin(θ)/λ, 1/nm, increasing.
        photons: (X,) counted photons, not negative.
        source: where it comes from.

    Raises:
        FormatError: if shapes differ, or numbers are not finite, out of order or out of range.
    """

    q_per_nm: FloatArray
    photons: FloatArray
    source: Source = Source()

    def __post_init__(self) -> None:
        super().__post_init__()
        where = self.source.path or "the scattering curve"
        _check_curve(where, "scattering vectors (1/nm)", self.q_per_nm, self.photons)
        if self.q_per_nm[0] <= 0.0:
            raise FormatError(f"{where} begins at {self.q_per_nm[0]:g} 1/nm: give positive scattering vectors")
        if self.photons.min() < 0.0:
            raise FormatError(f"{where} has a negative intensity of {self.photons.min():g}: give counts")


@dataclass(frozen=True, eq=False)
class Structure(ValueObject):
    """A crystal with the noise of a measurement or of a simulation.

    Attributes:
        crystal: cell and atoms.
        source: where it comes from.
    """

    crystal: Crystal
    source: Source = Source()


Measured: TypeAlias = Micrograph | Pattern | Spectrum | Scattering | Structure
"""What can be characterized."""


def _check_curve(where: str, what: str, x: FloatArray, y: FloatArray) -> None:
    _check_numbers(where, what, x)
    _check_numbers(where, "intensities", y)
    if x.ndim != 1 or x.shape != y.shape:
        raise FormatError(f"{where} has {what} of shape {x.shape} and intensities of shape {y.shape}: give two columns")
    if not FEWEST_POINTS <= len(x) <= MOST_POINTS:
        raise FormatError(f"{where} has {len(x):,} points: give {FEWEST_POINTS} to {MOST_POINTS:,}")
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.all():
        row = int(np.argmin(finite))
        raise FormatError(f"{where} has ({x[row]}, {y[row]}) as point {row + 1}: give finite numbers")
    _check_size(where, y)
    back = np.diff(x) <= 0.0
    if back.any():
        if (np.diff(y) > 0.0).all():
            raise FormatError(f"{where} has {what} in its second column, which increases: swap the columns")
        row = int(np.argmax(back))
        raise FormatError(f"{where} has {what} that do not increase, {x[row]:g} before {x[row + 1]:g}: sort the rows")
    if y.min() == y.max():
        raise FormatError(f"{where} is empty: all its intensities are {y[0]:g}; give measured ones")
    if highest := _saturated(y, SATURATED[1]):
        raise FormatError(
            f"{where} is saturated: {highest:,} points have the highest intensity {y.max():g}: give a curve within the "
            "range of the detector"
        )


def _check_numbers(where: str, what: str, values: object) -> None:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        given = f"an array of {values.dtype}" if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
        raise FormatError(f"{where} has {given} as {what}: give a NumPy array of real numbers")


def _check_size(where: str, values: FloatArray) -> None:
    if (largest := float(np.abs(values.astype(np.float64)).max())) > LARGEST:
        raise FormatError(f"{where} has intensities of up to {largest:.3g}: scale them to {LARGEST:g} or less")


def _saturated(values: FloatArray, most: int) -> int:
    """Return the number of values that a detector cut off at its highest one, if they are more than some; else 0."""
    highest = int((values == values.max()).sum())
    if highest <= most:
        return 0
    below = values[values < values.max()]
    return highest if highest > HEAP * int((below == below.max()).sum()) else 0
