"""Kinematic electron diffraction of single-walled tubes: layer lines of pristine tubes, and sums over atoms.

A beam illuminates a stretch of the tube with a Gaussian profile. The amplitude of a thin, light object is the Fourier
transform of its scattering factors on the Ewald sphere (first Born approximation); the electrons that a pixel receives
are D γ² λ² ∫ |F|² d²q, with D electrons for each Å² of the illuminated stretch. `tube_patterns` has the layer lines of
helical theory, narrower than pixels, integrated exactly. `atom_patterns` sums over the atoms of any structure: some
hundred times slower, but with defects and dopants.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from matgym.characterization.electrons import ElectronBeam, scattering_factors
from matgym.characterization.layer_lines import LARGEST, LayerLines, layer_lines
from matgym.characterization.poses import Poses
from matgym.characterization.specimens import Specimen, along_axis
from matgym.errors import ConfigurationError, require_counts, require_positive, require_within
from matgym.frozen import ValueObject, returns_read_only
from matgym.typing import BoolArray, ComplexArray, FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms

    from matgym.structures import Nanotube

FINER: Final = 6
"""Points along a layer line for each pixel. With 4, patterns are off by up to 0.6 % of their largest value, with 6 by
0.3 % (measured against sums over atoms)."""

FWHM: Final = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian in standard deviations."""

COHERENT: Final = 1e-5
"""Smallest overlap of two layer lines at which their interference is computed."""

WIDE: Final = 5.0
"""Standard deviations beyond which a layer line is cut off."""


@dataclass(frozen=True)
class Detector(ValueObject):
    """A square detector in the diffraction plane, centred on the direct beam, which is not simulated itself.

    Attributes:
        pixels: number of rows and of columns.
        pixel_per_angstrom: width of a pixel as a spatial frequency, 1/Å.
        spread_pixels: standard deviation of the point spread, pixels, with the pixel's own area; Gaussian. Patterns are
            sampled at pixel centres, which is exact to 1 % from 0.5 on.
        beam_stop_per_angstrom: radius of the beam stop, 1/Å; pixels with their centre inside receive nothing.
        readout_electrons: standard deviation of the readout noise of a pixel, electrons.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    pixels: int = 64
    pixel_per_angstrom: float = 0.025
    spread_pixels: float = 0.6
    beam_stop_per_angstrom: float = 0.08
    readout_electrons: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(4096, pixels=self.pixels)
        require_within(1e-4, 1.0, pixel_per_angstrom=self.pixel_per_angstrom)
        require_within(0.5, 16.0, spread_pixels=self.spread_pixels)
        require_within(0.0, 10.0, beam_stop_per_angstrom=self.beam_stop_per_angstrom)
        require_within(0.0, 1e6, readout_electrons=self.readout_electrons)

    @property
    @returns_read_only
    def frequencies(self) -> FloatArray:
        """(pixels,) spatial frequencies of the centres of the columns, or rows, 1/Å."""
        return np.asarray(self.pixel_per_angstrom * (np.arange(self.pixels) - (self.pixels - 1) / 2.0))

    @property
    def reach(self) -> float:
        """Largest spatial frequency, at a corner, 1/Å."""
        return float(self.pixel_per_angstrom * self.pixels / np.sqrt(2.0))

    @property
    @returns_read_only
    def is_open(self) -> BoolArray:
        """(pixels, pixels) whether the beam stop leaves a pixel open."""
        q = self.frequencies
        return np.asarray(np.hypot(q[:, None], q) >= self.beam_stop_per_angstrom)

    def expose(self, expected: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return (..., pixels, pixels) counts of expected electrons: Poisson's statistics and readout noise."""
        counts = rng.poisson(np.maximum(expected, 0.0)).astype(np.float64)  # interference rounds to -1e-18
        if self.readout_electrons:
            counts += rng.normal(0.0, self.readout_electrons, counts.shape)
        return counts


@dataclass(frozen=True)
class Exposure:
    """What the beam illuminates, and with how many electrons.

    Attributes:
        dose_per_angstrom2: electrons for each Å² in the middle of the illuminated stretch.
        length_nm: full width at half maximum of the illuminated stretch, nm.
        diffuse: electrons of a smooth background, relative to those in the layer lines; stands for amorphous carbon and
            inelastic scattering.
        diffuse_per_angstrom: decay of that background exp(-q/q₀), 1/Å.
        rms_angstrom: root mean square displacement of the atoms along one axis, Å, for the Debye-Waller factor.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    dose_per_angstrom2: float = 1e4
    length_nm: float = 20.0
    diffuse: float = 0.0
    diffuse_per_angstrom: float = 0.25
    rms_angstrom: float = 0.06

    def __post_init__(self) -> None:
        require_positive(dose_per_angstrom2=self.dose_per_angstrom2, diffuse_per_angstrom=self.diffuse_per_angstrom)
        require_within(2.0, 1000.0, length_nm=self.length_nm)
        require_within(0.0, 1e3, diffuse=self.diffuse)
        require_within(0.0, 1.0, rms_angstrom=self.rms_angstrom)

    @property
    def sigma_angstrom(self) -> float:
        """Standard deviation of the intensity of the beam along the tube, Å."""
        return float(10.0 * self.length_nm / FWHM)


def tube_patterns(
    chiralities: Sequence[tuple[int, int]] | IntArray,
    poses: Poses | None = None,
    *,
    beam: ElectronBeam | None = None,
    detector: Detector | None = None,
    exposure: Exposure | None = None,
    strain: FloatArray | float = 0.0,
    torsion: FloatArray | float = 0.0,
) -> FloatArray:
    """Return the expected diffraction patterns of pristine carbon tubes.

    Args:
        chiralities: (B, 2) chiral indices; (m, n) is the mirror image of (n, m).
        poses: B poses; `shift_angstrom` counts along the axis only. Default: upright tubes.
        beam: default `ElectronBeam()`.
        detector: default `Detector()`.
        exposure: default `Exposure()`.
        strain: axial strain of all tubes, or (B,).
        torsion: shear strain of the twist of all tubes, or (B,).

    Returns:
        (B, pixels, pixels) expected electrons; `Detector.expose` makes counts of them.

    Raises:
        ConfigurationError: if the number of poses differs from that of tubes, or the detector reaches beyond the table
            of Bessel functions.
        ChiralityError: if (n, m) is no chirality.

    Example:
        >>> patterns = tube_patterns([(10, 5), (9, 6)], Poses.of(2, tilt_deg=[0.0, 5.0]))
        >>> patterns.shape
        (2, 64, 64)
    """
    beam, detector, exposure = beam or ElectronBeam(), detector or Detector(), exposure or Exposure()
    count = len(chiralities)
    poses = _one_for_each(poses, count)
    strains, torsions = np.broadcast_to(strain, count).tolist(), np.broadcast_to(torsion, count).tolist()
    patterns = np.empty((count, detector.pixels, detector.pixels))
    for row, (n, m) in enumerate(np.asarray(chiralities).tolist()):
        lines = layer_lines(n, m, round(1.1 * detector.reach, 6), strain=strains[row], torsion=torsions[row])
        if 2.0 * np.pi * lines.radius_angstrom * 1.2 * detector.reach > LARGEST:
            raise ConfigurationError(
                f"a ({n}, {m}) tube on a detector up to {detector.reach:g} 1/Å needs Bessel functions beyond "
                f"{LARGEST:g}: give a thinner tube or a smaller detector"
            )
        patterns[row] = _pattern(lines, poses, row, beam, detector, exposure)
    return _with_background(patterns, detector, exposure)


def _pattern(
    lines: LayerLines, poses: Poses, row: int, beam: ElectronBeam, detector: Detector, exposure: Exposure
) -> FloatArray:
    """Return the (pixels, pixels) pattern of one tube without background.

    x and y are frequencies across and along the projected axis. A layer line Z is the parabola y' = y - (λ/2) tan(τ) x²
    = constant of the tilted Ewald sphere: its intensity is a function of x, and the rest is a Gaussian in y'.
    """
    tilt, turn, spin = np.radians([poses.tilt_deg[row], poses.turn_deg[row], poses.spin_deg[row]])
    wavelength, pixel = beam.wavelength_angstrom, detector.pixel_per_angstrom
    half = detector.reach + 4.0 * detector.spread_pixels * pixel
    x = np.linspace(-half, half, 2 * int(np.ceil(half / pixel * FINER)) + 1)
    height = lines.frequency / np.cos(tilt)
    for _ in range(2):  # the height of a line on the Ewald sphere, at x = 0
        height = (lines.frequency + 0.5 * wavelength * height**2 * np.sin(tilt)) / np.cos(tilt)
    y = height[:, None] + 0.5 * wavelength * np.tan(tilt) * x**2
    depth = -0.5 * wavelength * (x**2 + y**2)
    across = y * np.sin(tilt) - depth * np.cos(tilt)
    amplitudes = lines.amplitudes(np.sqrt(x**2 + across**2), np.arctan2(across, x))
    amplitudes *= scattering_factors(np.array([6]), x**2 + y**2, exposure.rms_angstrom)[0]
    along = 2.0 * np.pi * lines.frequency * poses.shift_angstrom[row, 2]
    amplitudes *= np.exp(1j * (lines.order * spin + along))[:, None]
    amplitudes /= np.sqrt(np.cos(tilt) - wavelength * height * np.sin(tilt))[:, None]  # dZ/dy: a tilted line is wider
    place, profiles = _intensities(amplitudes, height, np.cos(tilt), exposure)
    dose = exposure.dose_per_angstrom2 * (beam.gamma * wavelength) ** 2 * pixel**2
    return dose * _spread(place, _smoothed(profiles, x, detector), x, tilt, turn, wavelength, detector, exposure)


def _intensities(
    amplitudes: ComplexArray, height: FloatArray, cosine: float, exposure: Exposure
) -> tuple[FloatArray, FloatArray]:
    """Return (L,) heights and (L, X) intensities of layer lines, integrated over their width.

    The illuminated stretch widens each line to a Gaussian; where two overlap, they interfere in the middle.
    """
    squared_width = 1.0 / (8.0 * np.pi**2 * exposure.sigma_angstrom**2)  # of the amplitude, 1/Å²
    apart = (height[:, None] - height) * cosine
    overlap = np.exp(-(apart**2) / (4.0 * squared_width))
    first, second = np.nonzero(np.triu(overlap > COHERENT))
    between = 0.5 * (height[first] + height[second])
    twice = np.where(first == second, 1.0, 2.0) * overlap[first, second]
    between = np.round(between, 6)
    order = np.argsort(between, kind="stable")
    first, second, twice = first[order], second[order], twice[order]
    products = (amplitudes[first] * amplitudes[second].conj()).real * twice[:, None]
    place, starts = np.unique(between[order], return_index=True)
    profiles = np.add.reduceat(products, starts, axis=0)
    return place, profiles * np.sqrt(2.0 * np.pi) * exposure.sigma_angstrom


def _smoothed(profiles: FloatArray, x: FloatArray, detector: Detector) -> FloatArray:
    from scipy.ndimage import gaussian_filter1d

    sigma = detector.spread_pixels * detector.pixel_per_angstrom / (x[1] - x[0])
    return np.asarray(gaussian_filter1d(profiles, sigma, axis=1, mode="nearest"))


def _spread(
    place: FloatArray,
    profiles: FloatArray,
    x: FloatArray,
    tilt: float,
    turn: float,
    wavelength: float,
    detector: Detector,
    exposure: Exposure,
) -> FloatArray:
    """Return the (pixels, pixels) density of layer lines in detector pixels, from their (L, X) profiles."""
    q = detector.frequencies
    columns, rows = np.meshgrid(q, q)
    here_x = (columns * np.cos(turn) + rows * np.sin(turn)).ravel()
    here_y = (rows * np.cos(turn) - columns * np.sin(turn)).ravel() - 0.5 * wavelength * np.tan(tilt) * here_x**2
    width = 1.0 / (4.0 * np.pi * exposure.sigma_angstrom * np.cos(tilt))
    sigma = np.hypot(width, detector.spread_pixels * detector.pixel_per_angstrom)
    order = np.argsort(here_y)
    low, high = (np.searchsorted(here_y[order], place + sign * WIDE * sigma) for sign in (-1.0, 1.0))
    lengths = high - low
    line = np.repeat(np.arange(len(place)), lengths)
    pixel = order[np.arange(lengths.sum()) + np.repeat(low - np.cumsum(lengths) + lengths, lengths)]
    position = (here_x[pixel] - x[0]) / (x[1] - x[0])
    left = position.astype(np.int64)
    part = position - left
    flat = profiles.ravel()
    at = line * len(x) + left
    values = flat[at] * (1.0 - part) + flat[at + 1] * part
    values *= np.exp(-0.5 * ((here_y[pixel] - place[line]) / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
    total = np.bincount(pixel, values, detector.pixels**2)
    return np.asarray(total, dtype=np.float64).reshape(detector.pixels, detector.pixels)


def atom_patterns(
    structures: "Sequence[Nanotube | Atoms]",
    poses: Poses | None = None,
    *,
    beam: ElectronBeam | None = None,
    detector: Detector | None = None,
    exposure: Exposure | None = None,
    ends: Literal["beam", "cell"] = "beam",
) -> FloatArray:
    """Return the expected diffraction patterns of any structures as sums over their atoms.

    Args:
        structures: B tubes, with defects and dopants, or ASE atoms with the axis along z.
        poses: B poses. Default: upright tubes.
        beam: default `ElectronBeam()`.
        detector: default `Detector()`.
        exposure: default `Exposure()`.
        ends: `"beam"` repeats periodic structures along z and illuminates them with the Gaussian beam of the exposure;
            `"cell"` takes the atoms as they are, evenly illuminated: a tube of finite length.

    Returns:
        (B, pixels, pixels) expected electrons.

    Raises:
        ConfigurationError: if the number of poses differs from that of structures.
        StructureError: if an element has no scattering factor.
    """
    beam, detector, exposure = beam or ElectronBeam(), detector or Detector(), exposure or Exposure()
    poses = _one_for_each(poses, len(structures))
    patterns = np.empty((len(structures), detector.pixels, detector.pixels))
    for row, structure in enumerate(structures):
        specimen = Specimen.of(structure)
        weights = np.ones(len(specimen.numbers))
        if ends == "beam":
            sigma = exposure.sigma_angstrom
            specimen = along_axis(specimen, WIDE * np.sqrt(2.0) * sigma, poses.shift_angstrom[row, 2])
            weights = np.exp(-((specimen.positions[:, 2] / (2.0 * sigma)) ** 2))
        positions = specimen.positions @ poses.rotation(row).T
        patterns[row] = _summed(positions, specimen.numbers, weights, beam, detector, exposure)
    return _with_background(patterns, detector, exposure)


def amplitude(
    positions: FloatArray, numbers: IntArray, weights: FloatArray, x: FloatArray, y: FloatArray, beam: ElectronBeam,
    rms_angstrom: float = 0.0,
) -> ComplexArray:  # fmt: skip
    """Return the (Y, X) scattering amplitude Σ w f exp(2πi q·r) on the paraxial Ewald sphere, Å.

    Its depth -λ(x² + y²)/2 is a sum of one term for each axis. The sum over atoms is therefore a matrix product.

    Args:
        positions: (A, 3) positions, the beam along z, Å.
        numbers: (A,) atomic numbers.
        weights: (A,) amplitude of the beam at each atom.
        x: (X,) frequencies along columns, 1/Å.
        y: (Y,) frequencies along rows, 1/Å.
        beam: the beam.
        rms_angstrom: root mean square displacement of the atoms along one axis, Å.
    """
    total = np.zeros((len(y), len(x)), dtype=np.complex128)
    squared = y[:, None] ** 2 + x**2
    for number in np.unique(numbers).tolist():
        own = numbers == number
        along_x, along_y = (
            np.exp(2j * np.pi * (np.outer(q, r) - 0.5 * beam.wavelength_angstrom * np.outer(q**2, positions[own, 2])))
            for q, r in ((x, positions[own, 0]), (y, positions[own, 1]))
        )
        factor = scattering_factors(np.array([number]), squared, rms_angstrom)[0]
        total += factor * ((along_y * weights[own]) @ along_x.T)
    return total


def _summed(
    positions: FloatArray,
    numbers: IntArray,
    weights: FloatArray,
    beam: ElectronBeam,
    detector: Detector,
    exposure: Exposure,
) -> FloatArray:
    """Return the (pixels, pixels) pattern of atoms, on a grid that resolves their interference, then spread."""
    pixel, sigma = detector.pixel_per_angstrom, detector.spread_pixels * detector.pixel_per_angstrom
    edge = detector.frequencies[-1] + WIDE * sigma
    grids, kernels = [], []
    for axis in range(2):
        extent = float(np.ptp(positions[:, axis])) + 1.0
        points = 2 * int(np.ceil(edge * max(2.0 * extent, 4.0 / pixel))) + 1
        fine = np.linspace(-edge, edge, points)
        kernel = np.exp(-0.5 * ((detector.frequencies[:, None] - fine) / sigma) ** 2)
        grids.append(fine)
        kernels.append(kernel * (fine[1] - fine[0]) / (np.sqrt(2.0 * np.pi) * sigma))
    field = amplitude(positions, numbers, weights, grids[0], grids[1], beam, exposure.rms_angstrom)
    density = kernels[1] @ (field.real**2 + field.imag**2) @ kernels[0].T
    dose = exposure.dose_per_angstrom2 * (beam.gamma * beam.wavelength_angstrom) ** 2
    return np.asarray(dose * pixel**2 * density)


def _with_background(patterns: FloatArray, detector: Detector, exposure: Exposure) -> FloatArray:
    """Return patterns behind the beam stop, with the smooth background."""
    patterns = patterns * detector.is_open
    if exposure.diffuse:
        q = detector.frequencies
        smooth = np.exp(-np.hypot(q[:, None], q) / exposure.diffuse_per_angstrom) * detector.is_open
        total = patterns.sum(axis=(1, 2), keepdims=True)
        patterns += exposure.diffuse * total * smooth / smooth.sum()
    return patterns


def _one_for_each(poses: Poses | None, count: int) -> Poses:
    if poses is None:
        return Poses.of(count)
    if len(poses) != count:
        raise ConfigurationError(f"{len(poses)} poses do not fit {count} structures: give one for each")
    return poses
