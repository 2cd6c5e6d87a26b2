"""Annular dark-field images of a scanning transmission electron microscope, STEM, of tubes and other atoms.

Electrons scattered to large angles do not interfere between atoms (Kirkland, *Advanced Computing in Electron
Microscopy*, 2010, sec. 5.4). The image is then the sum over atoms of the intensity of the probe at the atom's height,
convolved with a kernel of its element: the square of the part of its potential that scatters into the detector. The
integral of the kernel is the cross-section ∫ (γ λ f)² d²q over the detector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.characterization.electrons import ElectronBeam, scattering_factors
from matgym.characterization.grids import Grid
from matgym.characterization.imaging import Camera, Lens, in_layers
from matgym.characterization.poses import Poses
from matgym.errors import ConfigurationError, require_within
from matgym.typing import Float32Array, FloatArray

if TYPE_CHECKING:
    from ase import Atoms

    from matgym.structures import Nanotube

RADIAL_POINTS: Final = 512
"""Points of the radial integrals of a kernel."""

KERNEL_ANGSTROM: Final = 3.0
"""Radius up to which a kernel is integrated, Å."""


@dataclass(frozen=True)
class DarkField:
    """An annular detector and the size of the source.

    Attributes:
        inner_mrad: inner angle, mrad; larger than the convergence of the probe.
        outer_mrad: outer angle, mrad.
        source_angstrom: standard deviation of the image of the source in the specimen, Å.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    inner_mrad: float = 60.0
    outer_mrad: float = 200.0
    source_angstrom: float = 0.3

    def __post_init__(self) -> None:
        require_within(1.0, 400.0, inner_mrad=self.inner_mrad)
        require_within(1.0, 400.0, outer_mrad=self.outer_mrad)
        require_within(0.0, 10.0, source_angstrom=self.source_angstrom)
        if self.inner_mrad >= self.outer_mrad:
            raise ConfigurationError(
                f"inner_mrad={self.inner_mrad} is not below outer_mrad={self.outer_mrad}: give a smaller inner angle"
            )


PROBE: Final = Lens(defocus_nm=0.0, cs_mm=0.0, focal_spread_nm=0.0, convergence_mrad=0.0, aperture_mrad=30.0)
"""The default lens of a probe: an aberration-corrected one of 30 mrad."""


def stem(
    structures: "Sequence[Nanotube | Atoms]",
    poses: Poses | None = None,
    *,
    beam: ElectronBeam | None = None,
    lens: Lens = PROBE,
    detector: DarkField | None = None,
    camera: Camera | None = None,
    slice_angstrom: float = 4.0,
    rms_angstrom: float = 0.06,
) -> FloatArray:
    """Return annular dark-field images of structures without noise.

    Args:
        structures: B tubes, with defects and dopants, or ASE atoms; they are repeated along their axis if periodic.
        poses: B poses. Default: upright tubes in the middle.
        beam: default `ElectronBeam()`.
        lens: the lens that forms the probe; `aperture_mrad` is its convergence. Its focal spread and its
            `convergence_mrad` are ignored: `DarkField.source_angstrom` blurs the probe.
        detector: default `DarkField()`.
        camera: raster of the scan; default `Camera()`.
        slice_angstrom: thickness of the layers in which the probe has one defocus, Å.
        rms_angstrom: root mean square displacement of the atoms along one axis, Å.

    Returns:
        (B, pixels, pixels) shares of the beam that reach the detector.

    Raises:
        ConfigurationError: if the detector sees the unscattered probe, or the number of poses differs from that of
            structures.
        StructureError: if an element has no scattering factor.

    Example:
        >>> from matgym.structures import Nanotube
        >>> stem([Nanotube(10, 5).decorated({0: "N"})], camera=Camera(pixels=64)).shape
        (1, 64, 64)
    """
    from scipy.fft import irfft2

    beam, detector, camera = beam or ElectronBeam(), detector or DarkField(), camera or Camera()
    if detector.inner_mrad < lens.aperture_mrad:
        raise ConfigurationError(
            f"inner_mrad={detector.inner_mrad} lies inside the probe's aperture of {lens.aperture_mrad} mrad: give a "
            "larger inner angle"
        )
    grid = camera.grid()
    blur = np.exp(-2.0 * np.pi**2 * (rms_angstrom**2 + detector.source_angstrom**2) * grid.squared)
    response = (camera.response() * blur * grid.points**2).astype(np.float32)
    images = np.empty((len(structures), camera.pixels, camera.pixels))
    for row, layers in enumerate(in_layers(structures, poses, camera, slice_angstrom)):
        spectrum = np.zeros(grid.squared.shape, dtype=np.complex64)
        probes = [probe_transform(grid, beam, lens, round(float(height), 1)) for height in layers.heights]
        for number in np.unique(layers.numbers).tolist():
            own = layers.numbers == number
            transforms = grid.transforms(layers.positions[own], layers.layer[own], len(probes))
            kernel = _kernel(grid, beam, detector, number)
            for transform, probe in zip(transforms, probes, strict=True):
                spectrum += transform * probe * kernel
        image = np.asarray(irfft2(spectrum * response, s=(grid.points, grid.points)), dtype=np.float64)
        images[row] = np.maximum(grid.middle(image, camera.pixels, camera.every), 0.0)
    return images


@lru_cache(maxsize=256)
def probe_transform(grid: Grid, beam: ElectronBeam, lens: Lens, height: float) -> Float32Array:
    """Return the (points, points//2 + 1) transform of the intensity of the probe at a height along the beam, Å.

    The intensity is normalised to one electron; the probe of a lens without astigmatism is symmetric, and otherwise its
    transform is still real, because χ(-q) = χ(q).
    """
    from scipy.fft import ifft2, rfft2

    x, y = grid.q_rows[None, :], grid.q_rows[:, None]
    squared = x**2 + y**2
    inside = np.sqrt(squared) * beam.wavelength_angstrom <= 1e-3 * lens.aperture_mrad
    chi = lens.phase(beam, x, y) + np.pi * beam.wavelength_angstrom * height * squared
    field = ifft2(inside * np.exp(-1j * chi))
    transform = rfft2(field.real**2 + field.imag**2).real
    return np.asarray(transform / transform[0, 0], dtype=np.float32)


@lru_cache(maxsize=64)
def _kernel(grid: Grid, beam: ElectronBeam, detector: DarkField, number: int) -> Float32Array:
    """Return the (points, points//2 + 1) transform of the kernel of an element, Å².

    Hankel transforms: from the scattering factor within the detector to the filtered potential, squared, and back.
    """
    from scipy.special import j0

    low, high = (1e-3 * angle / beam.wavelength_angstrom for angle in (detector.inner_mrad, detector.outer_mrad))
    q, dq = np.linspace(low, high, RADIAL_POINTS, retstep=True)
    r, dr = np.linspace(0.0, KERNEL_ANGSTROM, RADIAL_POINTS, retstep=True)
    factor = beam.gamma * beam.wavelength_angstrom * scattering_factors(np.array([number]), q**2)[0]
    waves = j0(2.0 * np.pi * np.outer(r, q)) * _trapezoid(2.0 * np.pi * q * dq)
    squared = (waves @ factor) ** 2 * _trapezoid(2.0 * np.pi * r * dr)
    frequencies = np.linspace(0.0, grid.limit, 128)
    values = j0(2.0 * np.pi * np.outer(frequencies, r)) @ squared
    values *= cross_section_angstrom2(beam, detector, number) / values[0]  # the tail beyond KERNEL_ANGSTROM
    return np.asarray(np.interp(np.sqrt(grid.squared), frequencies, values, right=0.0), dtype=np.float32)


def cross_section_angstrom2(beam: ElectronBeam, detector: DarkField, number: int) -> float:
    """Return the cross-section of an atom for scattering into the detector, Å²."""
    low, high = (1e-3 * angle / beam.wavelength_angstrom for angle in (detector.inner_mrad, detector.outer_mrad))
    q, dq = np.linspace(low, high, RADIAL_POINTS, retstep=True)
    factor = beam.gamma * beam.wavelength_angstrom * scattering_factors(np.array([number]), q**2)[0]
    return float((factor**2 * _trapezoid(2.0 * np.pi * q * dq)).sum())


def _trapezoid(weights: FloatArray) -> FloatArray:
    """Return weights of a sum with those of both ends halved."""
    halved = np.array(weights)
    halved[[0, -1]] *= 0.5
    return halved
