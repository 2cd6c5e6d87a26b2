"""High-resolution transmission electron micrographs, HRTEM, of tubes and other atoms.

The specimen is cut into layers across the beam. In the weak-phase approximation each layer adds its transform times the
transfer function at its own defocus, and the image is linear in the potential. The multislice method (Cowley and Moodie
(1957); Kirkland, *Advanced Computing in Electron Microscopy*, 2010, ch. 6) sends the wave through one layer after the
other, and the image is the square of the wave. Partial coherence damps the wave (quasi-coherent approximation), which
is exact for the linear image.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from matgym.characterization.electrons import ElectronBeam, scattering_factors
from matgym.characterization.grids import Grid
from matgym.characterization.poses import Poses
from matgym.characterization.specimens import Specimen, along_axis
from matgym.errors import ConfigurationError, require_counts, require_positive, require_within
from matgym.frozen import ValueObject
from matgym.typing import BoolArray, ComplexArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

    from matgym.structures import Nanotube

MARGIN_ANGSTROM: Final = 5.0
"""Width of the frame that is computed around an image: atoms there reach into it, and it keeps its edges apart."""

PITCH_ANGSTROM: Final = 0.25
"""Largest distance of grid points: frequencies up to 1.33 1/Å are kept."""


@dataclass(frozen=True)
class Camera:
    """A square camera, or the raster of a scanned probe.

    Attributes:
        pixels: number of rows and of columns.
        pixel_angstrom: width of a pixel in the specimen, Å.
        dose_per_angstrom2: electrons for each Å² of the specimen.
        spread_pixels: standard deviation of the point spread, pixels, with the pixel's own area; Gaussian.
        drift_angstrom: drift of the specimen during the exposure along x and y, Å.
        readout_electrons: standard deviation of the readout noise of a pixel, electrons.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    pixels: int = 128
    pixel_angstrom: float = 0.25
    dose_per_angstrom2: float = 1e4
    spread_pixels: float = 0.5
    drift_angstrom: tuple[float, float] = (0.0, 0.0)
    readout_electrons: float = 0.0

    def __post_init__(self) -> None:
        require_counts(2048, pixels=self.pixels)
        require_within(0.02, 10.0, pixel_angstrom=self.pixel_angstrom)
        require_positive(dose_per_angstrom2=self.dose_per_angstrom2)
        require_within(0.0, 16.0, spread_pixels=self.spread_pixels)
        require_within(0.0, 1e6, readout_electrons=self.readout_electrons)
        for value in self.drift_angstrom:
            require_within(-100.0, 100.0, drift_angstrom=value)

    @property
    def every(self) -> int:
        """Number of grid points for each pixel, in a row."""
        return int(np.ceil(self.pixel_angstrom / PITCH_ANGSTROM - 1e-9))

    @property
    def field_angstrom(self) -> float:
        """Width of the image, Å."""
        return self.pixels * self.pixel_angstrom

    def grid(self) -> Grid:
        """Return the grid on which images are computed: the field and a margin."""
        return _grid(self)

    def pixels_of(self, places: FloatArray) -> FloatArray:
        """Return the (..., 2) rows and columns, between pixels, of (..., 2) places x and y in the image, Å.

        The origin of the places is that of `Poses`, near the middle of the image.
        """
        middle = (self.pixels * self.every // 2) / self.every
        return np.asarray(places[..., ::-1] / self.pixel_angstrom + middle)

    def response(self) -> FloatArray:
        """Return the (points, points//2 + 1) modulation transfer on the grid: point spread and drift."""
        return _response(self)

    def expose(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return images as seen with the camera's dose: Poisson's statistics and readout noise.

        Args:
            images: (..., pixels, pixels) shares of the beam, as `hrtem` and `stem` return them.
            rng: source of the noise.

        Returns:
            (..., pixels, pixels) measured shares of the beam: counts over the electrons sent to a pixel.
        """
        sent = self.dose_per_angstrom2 * self.pixel_angstrom**2
        counts = rng.poisson(np.maximum(images, 0.0) * sent).astype(np.float64)
        if self.readout_electrons:
            counts += rng.normal(0.0, self.readout_electrons, counts.shape)
        return counts / sent

    def expose_each(self, images: FloatArray, doses: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return (B, pixels, pixels) images as seen, each with its own dose, 1/Å², of (B,) `doses`."""
        cameras = [replace(self, dose_per_angstrom2=float(dose)) for dose in doses]
        return np.array([camera.expose(image, rng) for camera, image in zip(cameras, images, strict=True)])


@dataclass(frozen=True)
class Lens:
    """An objective lens. A positive defocus is an underfocus, counted from the middle of the specimen.

    Attributes:
        defocus_nm: defocus, nm.
        cs_mm: spherical aberration, mm.
        astigmatism_nm: two-fold astigmatism, nm: the defocus varies by ± this value around the optical axis.
        astigmatism_deg: direction of the larger defocus, from x to y, degrees.
        focal_spread_nm: standard deviation of the defocus by fluctuations of voltage and energy, nm.
        convergence_mrad: standard deviation of the angles of illumination, mrad.
        aperture_mrad: largest angle that the aperture passes, mrad.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    defocus_nm: float = 5.0
    cs_mm: float = -0.005
    astigmatism_nm: float = 0.0
    astigmatism_deg: float = 0.0
    focal_spread_nm: float = 3.0
    convergence_mrad: float = 0.1
    aperture_mrad: float = 60.0

    def __post_init__(self) -> None:
        require_within(-1e4, 1e4, defocus_nm=self.defocus_nm, astigmatism_nm=self.astigmatism_nm)
        require_within(-10.0, 10.0, cs_mm=self.cs_mm)
        require_within(-360.0, 360.0, astigmatism_deg=self.astigmatism_deg)
        require_within(0.0, 100.0, focal_spread_nm=self.focal_spread_nm, convergence_mrad=self.convergence_mrad)
        require_within(0.1, 500.0, aperture_mrad=self.aperture_mrad)

    @classmethod
    def scherzer(cls, beam: ElectronBeam, cs_mm: float) -> "Lens":
        """Return a coherent lens at Scherzer's defocus 1.2 √(Cs λ), which has the widest passband."""
        defocus = 1.2 * np.sqrt(cs_mm * 1e7 * beam.wavelength_angstrom)
        return cls(0.1 * float(defocus), cs_mm, focal_spread_nm=0.0, convergence_mrad=0.0, aperture_mrad=500.0)

    def phase(self, beam: ElectronBeam, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the phase χ of the aberrations at frequencies x and y, 1/Å; the wave is multiplied by exp(-iχ)."""
        squared, wavelength = x**2 + y**2, beam.wavelength_angstrom
        return np.asarray(
            np.pi * wavelength * squared * (0.5e7 * self.cs_mm * wavelength**2 * squared - self._defocus(x, y))
        )

    def envelope(self, beam: ElectronBeam, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the damping by partial coherence and the aperture at frequencies x and y, 1/Å."""
        squared, wavelength = x**2 + y**2, beam.wavelength_angstrom
        temporal = 0.5 * (10.0 * np.pi * wavelength * self.focal_spread_nm * squared) ** 2
        slope = 2.0 * np.pi * np.sqrt(squared) * (1e7 * self.cs_mm * wavelength**2 * squared - self._defocus(x, y))
        spatial = 0.5 * (1e-3 * self.convergence_mrad * slope) ** 2
        passed: BoolArray = np.sqrt(squared) * wavelength <= 1e-3 * self.aperture_mrad
        return np.asarray(np.exp(-temporal - spatial) * passed)

    def _defocus(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the defocus by direction, Å."""
        angle = 2.0 * (np.arctan2(y, x) - np.radians(self.astigmatism_deg))
        return np.asarray(10.0 * (self.defocus_nm + self.astigmatism_nm * np.cos(angle)))


def hrtem(
    structures: "Sequence[Nanotube | Atoms | Specimen]",
    poses: Poses | None = None,
    *,
    beam: ElectronBeam | None = None,
    lens: Lens | None = None,
    camera: Camera | None = None,
    method: Literal["multislice", "weak_phase"] = "multislice",
    slice_angstrom: float = 2.0,
    rms_angstrom: float = 0.06,
) -> FloatArray:
    """Return HRTEM images of structures without noise.

    Args:
        structures: B tubes, with defects and dopants, ASE atoms or specimens; they are repeated along their axis if
            periodic.
        poses: B poses. Default: upright tubes in the middle.
        beam: default `ElectronBeam()`.
        lens: default `Lens()`.
        camera: default `Camera()`.
        method: `"multislice"`, or `"weak_phase"` for the linear image, which is twice as fast.
        slice_angstrom: thickness of the layers, Å.
        rms_angstrom: root mean square displacement of the atoms along one axis, Å.

    Returns:
        (B, pixels, pixels) intensities relative to that without specimen.

    Raises:
        ConfigurationError: if a setting is out of range, or the number of poses differs from that of structures.
        StructureError: if an element has no scattering factor.

    Example:
        >>> from matgym.structures import Nanotube
        >>> images = hrtem([Nanotube(10, 5), Nanotube(9, 9).decorated({3: "vacancy"})], camera=Camera(pixels=64))
        >>> images.shape
        (2, 64, 64)
    """
    beam, lens, camera = beam or ElectronBeam(), lens or Lens(), camera or Camera()
    if method not in {"multislice", "weak_phase"}:
        raise ConfigurationError(f"method={method!r} is unknown: give 'multislice' or 'weak_phase'")
    require_within(0.1, 100.0, slice_angstrom=slice_angstrom)
    from scipy.fft import irfft2

    grid, compute = camera.grid(), _multislice if method == "multislice" else _weak_phase
    images = np.empty((len(structures), camera.pixels, camera.pixels))
    for row, layers in enumerate(in_layers(structures, poses, camera, slice_angstrom)):
        phases = _phases(layers, grid, beam, rms_angstrom)
        spectrum = compute(phases, layers.heights, grid, beam, lens) * camera.response()
        image = irfft2(spectrum, s=(grid.points, grid.points))
        images[row] = grid.middle(image, camera.pixels, camera.every)
    return images


@dataclass(frozen=True, eq=False)
class Layers(ValueObject):
    """Atoms in layers across the beam.

    Attributes:
        positions: (A, 2) places x and y, Å.
        numbers: (A,) atomic numbers.
        layer: (A,) layer of each atom, in the order in which the beam passes them.
        heights: (L,) places of the layers along the beam, Å; evenly spaced.
    """

    positions: FloatArray
    numbers: IntArray
    layer: IntArray
    heights: FloatArray


def in_layers(
    structures: "Sequence[Nanotube | Atoms | Specimen]", poses: Poses | None, camera: Camera, slice_angstrom: float
) -> "list[Layers]":
    """Return the atoms of B structures within the field of a camera and its margin, in layers.

    Raises:
        ConfigurationError: if the number of poses differs from that of structures.
    """
    poses = Poses.of(len(structures)) if poses is None else poses
    if len(poses) != len(structures):
        raise ConfigurationError(f"{len(poses)} poses do not fit {len(structures)} structures: give one for each")
    half = camera.grid().points * camera.grid().pitch_angstrom / 2.0
    found = []
    for row, structure in enumerate(structures):
        x, y, along = poses.shift_angstrom[row]
        length = (half * np.sqrt(2.0) + abs(x) + abs(y)) / np.cos(np.radians(poses.tilt_deg[row]))
        specimen = along_axis(Specimen.of(structure), length + 5.0, along)
        places = poses.in_image(row, specimen.positions)
        seen = (np.abs(places[:, :2]) <= half).all(axis=1)
        places, numbers = places[seen], specimen.numbers[seen]
        low, high = (places[:, 2].min(), places[:, 2].max()) if len(places) else (0.0, 0.0)
        count = max(int(np.ceil((high - low) / slice_angstrom)), 1)
        start = 0.5 * (low + high - count * slice_angstrom)
        layer = np.clip(((places[:, 2] - start) / slice_angstrom).astype(np.int64), 0, count - 1)
        heights = np.asarray(start + slice_angstrom * (np.arange(count) + 0.5))
        found.append(Layers(places[:, :2], numbers, layer, heights))
    return found


def _phases(layers: Layers, grid: Grid, beam: ElectronBeam, rms_angstrom: float) -> ComplexArray:
    """Return the (L, points, points//2 + 1) transforms of the phase shift in each layer, complex64."""
    total = np.zeros((len(layers.heights), *grid.squared.shape), dtype=np.complex64)
    for number in np.unique(layers.numbers).tolist():
        own = layers.numbers == number
        factor = beam.gamma * beam.wavelength_angstrom * _factors(number, grid, rms_angstrom)
        total += grid.transforms(layers.positions[own], layers.layer[own], len(total)) * factor.astype(np.float32)
    total *= np.float32(grid.points**2)
    return np.asarray(total)


@lru_cache(maxsize=32)
def _factors(number: int, grid: Grid, rms_angstrom: float) -> FloatArray:
    return np.asarray(scattering_factors(np.array([number]), grid.squared, rms_angstrom)[0])


def _weak_phase(phases: ComplexArray, heights: FloatArray, grid: Grid, beam: ElectronBeam, lens: Lens) -> ComplexArray:
    """Return the transform of the linear image, 1 + 2 Σ V sin(χ) E with the χ of each layer."""
    chi, envelope = _half_transfer(grid, beam, lens)
    steps = np.pi * beam.wavelength_angstrom * grid.squared
    spectrum = np.einsum(
        "lyx,lyx->yx", phases, 2.0 * np.sin(chi - np.multiply.outer(heights, steps)).astype(np.float32)
    )
    spectrum *= envelope
    spectrum[0, 0] = grid.points**2
    return np.asarray(spectrum)


def _multislice(phases: ComplexArray, heights: FloatArray, grid: Grid, beam: ElectronBeam, lens: Lens) -> ComplexArray:
    """Return the transform of the image of a wave that passes one layer after the other."""
    from scipy.fft import fft2, ifft2, irfft2, rfft2

    shift = irfft2(phases, s=(grid.points, grid.points))
    transmitted = np.empty(shift.shape, dtype=np.complex64)  # cosine and sine are faster than a complex exponential
    np.cos(shift, out=transmitted.real)
    np.sin(shift, out=transmitted.imag)
    step = float(heights[1] - heights[0]) if len(heights) > 1 else 0.0
    onward = _propagator(grid, beam, step)
    wave = fft2(transmitted[0])
    for layer in transmitted[1:]:
        wave = fft2(layer * ifft2(wave * onward, overwrite_x=True), overwrite_x=True)
    seen = ifft2(wave * _transfer(grid, beam, lens, float(heights[-1])), overwrite_x=True)
    return np.asarray(rfft2(seen.real**2 + seen.imag**2))


@lru_cache(maxsize=64)
def _grid(camera: Camera) -> Grid:
    from scipy.fft import next_fast_len

    pitch = camera.pixel_angstrom / camera.every
    points = camera.pixels * camera.every + 2 * int(np.ceil(MARGIN_ANGSTROM / pitch))
    return Grid(2 * next_fast_len((points + 1) // 2), pitch)


@lru_cache(maxsize=64)
def _response(camera: Camera) -> FloatArray:
    grid = _grid(camera)
    blur = np.exp(-2.0 * (np.pi * camera.spread_pixels * camera.pixel_angstrom) ** 2 * grid.squared)
    drift_x, drift_y = camera.drift_angstrom
    smear = np.sinc(grid.q_rows[:, None] * drift_y + grid.q_columns * drift_x)
    return np.asarray((blur * smear).astype(np.float32))


@lru_cache(maxsize=64)
def _half_transfer(grid: Grid, beam: ElectronBeam, lens: Lens) -> tuple[FloatArray, FloatArray]:
    x, y = grid.q_columns[None, :], grid.q_rows[:, None]
    return lens.phase(beam, x, y), lens.envelope(beam, x, y).astype(np.float32)


@lru_cache(maxsize=64)
def _propagator(grid: Grid, beam: ElectronBeam, step: float) -> ComplexArray:
    """Return the (points, points) Fresnel propagator over a step, Å, within the band of the grid."""
    squared = grid.q_rows[:, None] ** 2 + grid.q_rows**2
    free = np.exp(-1j * np.pi * beam.wavelength_angstrom * step * squared) * (squared <= grid.limit**2)
    return np.asarray(free.astype(np.complex64))


def _transfer(grid: Grid, beam: ElectronBeam, lens: Lens, height: float) -> ComplexArray:
    """Return the (points, points) factor from the wave behind the layer at a height, Å, to the image."""
    return np.asarray(_coherent(grid, beam, lens) * _propagator(grid, beam, -height))


@lru_cache(maxsize=64)
def _coherent(grid: Grid, beam: ElectronBeam, lens: Lens) -> ComplexArray:
    x, y = grid.q_rows[None, :], grid.q_rows[:, None]
    return np.asarray((lens.envelope(beam, x, y) * np.exp(-1j * lens.phase(beam, x, y))).astype(np.complex64))
