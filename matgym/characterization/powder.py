"""Powder X-ray diffraction patterns of crystals.

Reflections of the kinematic theory with Lorentz and polarisation factors (de Graef and McHenry, *Structure of
Materials*, 2007, ch. 12); texture by March and Dollase (Dollase, J. Appl. Cryst. 19, 267 (1986)); profiles of Voigt's
form with Scherrer's broadening by size (Lorentzian), Stokes and Wilson's by strain and the instrument's (Gaussian).

A pattern is one sum over Fourier transforms. Each reflection is placed between the points of the grid by cubic
interpolation and between two of `NODES` widths; each width has one transform, times that of its profile. The time does
not depend on widths, and hardly on the number of reflections.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from matgym.characterization.xray import xray_factors
from matgym.errors import ConfigurationError, require_within
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures.crystals import Crystal
from matgym.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

NODES: Final = 24
"""Number of angles at which profiles are computed; between two, profiles are mixed. A choice of ours."""

MARGIN_DEG: Final = 4.0
"""Width of the frame around the grid, from which profiles reach into it, degrees."""

SCHERRER: Final = 0.9
"""Scherrer's constant for full widths at half maximum; conventional, 0.94 for spheres."""

MOST_REFLECTIONS: Final = 2_000_000
"""Most reciprocal lattice points of a crystal; a choice of ours."""

FWHM: Final = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian in standard deviations."""


@dataclass(frozen=True)
class Diffractometer(ValueObject):
    """A powder diffractometer in Bragg-Brentano geometry.

    Attributes:
        wavelength_angstrom: wavelength, Å. Default: copper Kα1.
        second_angstrom: wavelength of a second line, Å. Default: copper Kα2.
        second_share: intensity of the second line relative to the first: 0.5 for copper without a monochromator.
        start_deg: first 2θ of the grid, degrees.
        stop_deg: last 2θ of the grid, degrees.
        step_deg: step of the grid, degrees.
        fwhm_deg: full width at half maximum of the instrument's profile, degrees; Gaussian; three steps or more.
        zero_deg: shift of the zero of 2θ, degrees.
        displacement_deg: shift of 2θ at θ = 0 by a sample above the plane of focus, which falls as cos(θ), degrees.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    wavelength_angstrom: float = 1.54056
    second_angstrom: float = 1.54439
    second_share: float = 0.0
    start_deg: float = 5.0
    stop_deg: float = 90.0
    step_deg: float = 0.02
    fwhm_deg: float = 0.08
    zero_deg: float = 0.0
    displacement_deg: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(0.1, 5.0, wavelength_angstrom=self.wavelength_angstrom, second_angstrom=self.second_angstrom)
        require_within(0.0, 10.0, second_share=self.second_share)
        require_within(0.5, 160.0, start_deg=self.start_deg)
        require_within(self.start_deg + 1.0, 170.0, stop_deg=self.stop_deg)
        require_within(1e-3, 1.0, step_deg=self.step_deg)
        require_within(3.0 * self.step_deg, 5.0, fwhm_deg=self.fwhm_deg)
        require_within(-1.0, 1.0, zero_deg=self.zero_deg, displacement_deg=self.displacement_deg)

    @property
    @returns_read_only
    def two_theta_deg(self) -> FloatArray:
        """(G,) angles 2θ of the grid, degrees."""
        count = int((self.stop_deg - self.start_deg) / self.step_deg + 1e-6) + 1
        return np.asarray(self.start_deg + self.step_deg * np.arange(count))

    @property
    def lines(self) -> list[tuple[float, float]]:
        """Wavelength, Å, and relative intensity of each line."""
        both = [(self.wavelength_angstrom, 1.0), (self.second_angstrom, self.second_share)]
        return both if self.second_share else both[:1]


@dataclass(frozen=True)
class Powder:
    """A powder sample.

    Attributes:
        size_nm: size of crystallites, nm.
        strain: microstrain, a fraction; its broadening is 4 ε tan(θ) at half maximum.
        thermal_angstrom2: Debye-Waller factor B of all atoms, Å².
        texture: March's parameter: 1 for none, below 1 for plates that lie flat, above 1 for needles.
        texture_axis: (h, k, l) of the planes that lie flat.
        background: coefficients of Chebyshev polynomials over the grid, relative to the highest point of the pattern.
        impurity: another crystal in the sample.
        impurity_share: height of its highest reflection relative to that of the main crystal.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    size_nm: float = 50.0
    strain: float = 0.0
    thermal_angstrom2: float = 0.0
    texture: float = 1.0
    texture_axis: tuple[int, int, int] = (0, 0, 1)
    background: tuple[float, ...] = ()
    impurity: Crystal | None = None
    impurity_share: float = 0.0

    def __post_init__(self) -> None:
        require_within(1.0, 1e6, size_nm=self.size_nm)
        require_within(0.0, 0.1, strain=self.strain)
        require_within(0.0, 20.0, thermal_angstrom2=self.thermal_angstrom2)
        require_within(0.1, 10.0, texture=self.texture)
        require_within(0.0, 1e3, impurity_share=self.impurity_share)
        if not any(self.texture_axis):
            raise ConfigurationError("texture_axis=(0, 0, 0) has no direction: give Miller indices, such as (0, 0, 1)")
        if (self.impurity is None) != (self.impurity_share == 0.0):
            raise ConfigurationError(
                f"impurity_share={self.impurity_share} does not fit impurity={self.impurity!r:.40}: give both or none"
            )


class Reflections(NamedTuple):
    """Reflections of a crystal; each stands for (h, k, l) and (-h, -k, -l).

    Attributes:
        miller: (R, 3) Miller indices.
        spacing: (R,) distance of planes, Å.
        squared: (R,) |F|² of both together, electrons².
    """

    miller: IntArray
    spacing: FloatArray
    squared: FloatArray


def powder_patterns(
    crystals: "Sequence[Crystal | Atoms | Structure]",
    samples: "Powder | Sequence[Powder] | None" = None,
    instrument: Diffractometer | None = None,
) -> FloatArray:
    """Return powder patterns without noise.

    Args:
        crystals: B crystals.
        samples: one sample, or one for each crystal. Default: `Powder()`.
        instrument: default `Diffractometer()`.

    Returns:
        (B, G) intensities on `instrument.two_theta_deg`; the highest point is 1 before the background is added. A
        pattern without a reflection in the range is 0 but for the background.

    Raises:
        ConfigurationError: if the number of samples differs from that of crystals.
        StructureError: if a crystal is none, or an element has no scattering factor.

    Example:
        >>> from ase.build import bulk
        >>> patterns = powder_patterns([bulk("Si"), bulk("Cu")], Powder(size_nm=20.0))
        >>> float(Diffractometer().two_theta_deg[patterns[0].argmax()].round(1))
        28.4
    """
    instrument = instrument or Diffractometer()
    each = [samples or Powder()] * len(crystals) if samples is None or isinstance(samples, Powder) else list(samples)
    if len(each) != len(crystals):
        raise ConfigurationError(f"{len(each)} samples do not fit {len(crystals)} crystals: give one for each")
    grid = instrument.two_theta_deg
    patterns = np.empty((len(crystals), len(grid)))
    span = 2.0 * (grid - grid[0]) / (grid[-1] - grid[0]) - 1.0
    for row, (crystal, sample) in enumerate(zip(crystals, each, strict=True)):
        pattern = _highest_one(_profile(Crystal.of(crystal), sample, instrument, sample.texture))
        if sample.impurity is not None:
            other = _highest_one(_profile(sample.impurity, sample, instrument, 1.0))
            pattern = _highest_one(pattern + sample.impurity_share * other)
        if sample.background:
            pattern = pattern + np.polynomial.chebyshev.chebval(span, sample.background)
        patterns[row] = pattern
    return patterns


def reflections(crystal: Crystal, closest_angstrom: float, thermal_angstrom2: float = 0.0) -> Reflections:
    """Return the reflections of a crystal down to a distance of planes.

    Args:
        crystal: the crystal.
        closest_angstrom: smallest distance of planes, Å.
        thermal_angstrom2: Debye-Waller factor B, Å².

    Raises:
        ConfigurationError: if there are more than `MOST_REFLECTIONS` points.
        StructureError: if an element has no scattering factor.
    """
    reciprocal = crystal.reciprocal
    most = (np.linalg.norm(crystal.cell, axis=1) / closest_angstrom).astype(int) + 1
    if np.prod(2.0 * most + 1.0) > MOST_REFLECTIONS:
        raise ConfigurationError(
            f"a cell of {crystal.volume:.0f} Å³ has some {np.prod(2.0 * most + 1.0):.0f} reflections down to "
            f"{closest_angstrom:.2f} Å: give a smaller cell or a smaller range of angles"
        )
    h, k, l = (np.arange(-each, each + 1) for each in most)
    grid = np.stack(np.meshgrid(h, k, l[most[2] :], indexing="ij"), axis=-1).reshape(-1, 3)
    half = (grid[:, 2] > 0) | (grid[:, 1] > 0) & (grid[:, 2] == 0) | (grid[:, 0] > 0) & ~grid[:, 1:].any(axis=1)
    lengths = np.square(grid @ reciprocal).sum(axis=1)
    kept = half & (lengths <= closest_angstrom**-2)
    miller, lengths = grid[kept], lengths[kept]
    # exp(2πi h x) of all h at once: the phase of a reflection is a product of three of them
    phases = [np.exp(2j * np.pi * np.outer(axis, x)) for axis, x in zip((h, k, l), crystal.fractional.T, strict=True)]
    along = [phase[index + shift] for phase, index, shift in zip(phases, miller.T, most, strict=True)]
    products = along[0] * along[1] * along[2]
    total = np.zeros(len(miller), dtype=np.complex128)
    for number in np.unique(crystal.numbers).tolist():
        own = crystal.numbers == number
        total += xray_factors(number, lengths / 4.0) * (products[:, own] @ crystal.occupancies[own])
    damping = np.exp(-0.5 * thermal_angstrom2 * lengths)  # of the intensity: twice that of the amplitude
    return Reflections(miller, 1.0 / np.sqrt(lengths), 2.0 * (total.real**2 + total.imag**2) * damping)


def march_dollase(crystal: Crystal, miller: IntArray, axis: tuple[int, int, int], parameter: float) -> FloatArray:
    """Return the (R,) factors of intensities by texture: (r² cos²α + sin²α/r)^(-3/2), α the angle to the axis."""
    vectors, normal = miller @ crystal.reciprocal, np.array(axis) @ crystal.reciprocal
    cosine = (vectors @ normal) ** 2 / (np.square(vectors).sum(axis=1) * (normal @ normal))
    return np.asarray((parameter**2 * cosine + (1.0 - cosine) / parameter) ** -1.5)


def sticks(
    crystal: "Crystal | Atoms | Structure", instrument: Diffractometer | None = None, sample: Powder | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the (R,) angles 2θ, degrees, and intensities of all reflections within the grid and its margin."""
    instrument, sample = instrument or Diffractometer(), sample or Powder()
    return _sticks(Crystal.of(crystal), sample, instrument, sample.texture)


def _sticks(
    crystal: Crystal, sample: Powder, instrument: Diffractometer, texture: float
) -> tuple[FloatArray, FloatArray]:
    widest = np.radians(min(instrument.stop_deg + MARGIN_DEG, 178.0) / 2.0)
    shortest = min(wavelength for wavelength, _ in instrument.lines)
    miller, spacing, squared = reflections(crystal, shortest / (2.0 * float(np.sin(widest))), sample.thermal_angstrom2)
    if texture != 1.0:
        squared = squared * march_dollase(crystal, miller, sample.texture_axis, texture)
    angles, heights = [], []
    for wavelength, share in instrument.lines:
        sine = wavelength / (2.0 * spacing)
        seen = sine < np.sin(widest)
        theta = np.arcsin(sine[seen])
        lorentz = (1.0 + np.cos(2.0 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
        angles.append(np.degrees(2.0 * theta) + instrument.zero_deg + instrument.displacement_deg * np.cos(theta))
        heights.append(share * squared[seen] * lorentz)
    angle, height = np.concatenate(angles), np.concatenate(heights)
    kept = angle >= instrument.start_deg - MARGIN_DEG
    return angle[kept], height[kept]


def widths(angle_deg: FloatArray, sample: Powder, instrument: Diffractometer) -> tuple[FloatArray, FloatArray]:
    """Return the full widths at half maximum of the Gaussian and of the Lorentzian part at angles 2θ, degrees."""
    theta = np.radians(np.clip(angle_deg, 0.5, 178.0) / 2.0)
    lorentzian = np.degrees(SCHERRER * instrument.wavelength_angstrom / (10.0 * sample.size_nm * np.cos(theta)))
    gaussian = np.hypot(instrument.fwhm_deg, np.degrees(4.0 * sample.strain * np.tan(theta)))
    return np.asarray(gaussian), np.asarray(lorentzian)


def _profile(crystal: Crystal, sample: Powder, instrument: Diffractometer, texture: float) -> FloatArray:
    """Return the (G,) pattern of one crystal: profiles of unit area times the intensities."""
    from scipy.fft import irfft, rfft

    angle, height = _sticks(crystal, sample, instrument, texture)
    mesh = _mesh(instrument)
    transfer = _transfer(instrument, sample.size_nm, sample.strain)
    place = (angle - mesh.first_deg) / instrument.step_deg
    low = np.floor(place).astype(np.int64)
    part = place - low
    cubic = np.stack(
        [
            -part * (part - 1.0) * (part - 2.0) / 6.0,
            (part + 1.0) * (part - 1.0) * (part - 2.0) / 2.0,
            -(part + 1.0) * part * (part - 2.0) / 2.0,
            (part + 1.0) * part * (part - 1.0) / 6.0,
        ]
    )
    node = np.clip((angle - mesh.nodes_deg[0]) / (mesh.nodes_deg[1] - mesh.nodes_deg[0]), 0.0, NODES - 1.001)
    lower = node.astype(np.int64)
    share = node - lower
    cells = (low + np.arange(-1, 3)[:, None]) % mesh.points
    weights = cubic * height
    placed = sum(
        np.bincount((cells + row * mesh.points).ravel(), (weights * part_of).ravel(), NODES * mesh.points)
        for row, part_of in ((lower, 1.0 - share), (lower + 1, share))
    )
    spectrum = (rfft(np.reshape(placed, (NODES, mesh.points))) * transfer).sum(axis=0)
    first = round((instrument.start_deg - mesh.first_deg) / instrument.step_deg)
    return np.asarray(irfft(spectrum, mesh.points)[first : first + mesh.shown] / instrument.step_deg)


@dataclass(frozen=True, eq=False)
class _Mesh(ValueObject):
    """The grid with its margins.

    Attributes:
        first_deg: its first 2θ, degrees.
        points: number of its points.
        shown: number of points of the instrument's grid.
        nodes_deg: (NODES,) angles at which profiles are computed, degrees.
    """

    first_deg: float
    points: int
    shown: int
    nodes_deg: FloatArray


@lru_cache(maxsize=64)
def _mesh(instrument: Diffractometer) -> _Mesh:
    from scipy.fft import next_fast_len

    margin = int(np.ceil((MARGIN_DEG + 1.0) / instrument.step_deg))
    shown = len(instrument.two_theta_deg)
    first = instrument.start_deg - margin * instrument.step_deg
    nodes = np.linspace(max(instrument.start_deg - MARGIN_DEG, 0.5), instrument.stop_deg + MARGIN_DEG, NODES)
    return _Mesh(first, next_fast_len(shown + 2 * margin, real=True), shown, nodes)


@lru_cache(maxsize=256)
def _transfer(instrument: Diffractometer, size_nm: float, strain: float) -> FloatArray:
    """Return the (NODES, points//2 + 1) transforms of the profiles of unit area at the nodes."""
    mesh = _mesh(instrument)
    gaussian, lorentzian = widths(mesh.nodes_deg, Powder(size_nm=size_nm, strain=strain), instrument)
    frequency = np.fft.rfftfreq(mesh.points, instrument.step_deg)
    squared = np.outer((gaussian / FWHM) ** 2, 2.0 * np.pi**2 * frequency**2)
    return np.asarray(np.exp(-squared - np.outer(lorentzian, np.pi * frequency)))


def _highest_one(pattern: FloatArray) -> FloatArray:
    highest = float(pattern.max())
    return pattern / highest if highest > 0.0 else pattern
