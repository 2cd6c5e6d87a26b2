"""Micrographs of an annealed film: contrast of orientations, boundaries, particles and clusters of defects.

A film of `matgym.processes.annealing.film` has no length in metres; all lengths here are in lattice constants of its
Potts model. The image is that of a scanning electron microscope with backscattered electrons, relative to the mean:

- Crystallites differ in brightness by channelling, which depends on their orientation: some percent of the signal (Joy,
  Newbury and Davidson, J. Appl. Phys. 53, R81 (1982), M). Each crystallite has a random brightness, because the film
  model has no orientations. We chose the contrast (D).
- Defects scatter diffusely, so that the channelling contrast falls as a static Debye-Waller factor e^(-2M), whose
  exponent is proportional to their density (Krivoglaz, Theory of X-Ray and Thermal-Neutron Scattering by Real Crystals,
  1969, M). We chose 2M = `FADING` for a film with all of its defects (D).
- Clusters of defects show as dark dots, as in irradiated crystals. We chose their number, `DOTS` for each site of a
  film with all of its defects, in proportion to the remaining share (D). A cluster that has healed does not come back.
- Boundaries are dark, and particles of iron are bright, since backscattering rises with the atomic number (Goldstein et
  al., Scanning Electron Microscopy and X-Ray Microanalysis, M). We chose their contrasts (D).
- The probe blurs by a Gaussian point spread. The illumination varies linearly over the field.
- Electrons are counted. The noise is normal with the variance of Poisson counts, so that the number of random draws
  does not depend on the image; at ten electrons a pixel and more the difference is small.
"""

from typing import Final, NamedTuple

import numpy as np

from matgym.errors import require_counts, require_positive
from matgym.processes.annealing.microstructure import PARTICLE, Labels, boundaries
from matgym.typing import Float32Array, FloatArray

FADING: Final = 1.0
"""Exponent of the static Debye-Waller factor of a film with all of its defects (D)."""

DOTS: Final = 0.04
"""Clusters of defects for each site of a film with all of its defects (D)."""


class Microscope(NamedTuple):
    """The conditions of microscopes, (B,) arrays.

    Attributes:
        dose: electrons for each pixel.
        spread: standard deviation of the point spread, lattice constants.
        orientation: half of the range of brightness of crystallites without defects, relative to the mean.
        boundary: darkness of a boundary.
        particle: excess brightness of a particle.
        dot: darkness of a cluster of defects.
        slope_down: change of the illumination from the middle to the lower edge.
        slope_right: change of the illumination from the middle to the right edge.
    """

    dose: FloatArray
    spread: FloatArray
    orientation: FloatArray
    boundary: FloatArray
    particle: FloatArray
    dot: FloatArray
    slope_down: FloatArray
    slope_right: FloatArray


class Specimen(NamedTuple):
    """What a microscope shows of films beside their state; it does not change while they are annealed.

    Attributes:
        brightness: (B, most + 1) brightness of crystallites by label, from -1 to 1.
        clusters: (B, H, W) share of the defects above which a site shows a cluster, in units of `DOTS`.
    """

    brightness: Float32Array
    clusters: Float32Array

    @classmethod
    def drawn(cls, rng: np.random.Generator, most: int, height: int, width: int) -> "Specimen":
        """Draw the specimen of one film, with a first axis of length 1.

        Args:
            rng: random number generator.
            most: largest label.
            height: sites along the first side.
            width: sites along the second side.
        """
        brightness = rng.uniform(-1.0, 1.0, (1, most + 1)).astype(np.float32)
        return cls(brightness, rng.random((1, height, width), dtype=np.float32))


def film_micrographs(
    labels: Labels,
    defects: FloatArray,
    specimen: Specimen,
    microscope: Microscope,
    *,
    pixels: int | None = None,
    pixel: float = 1.0,
) -> FloatArray:
    """Return micrographs of films without noise, whose mean brightness is about 1.

    Args:
        labels: (B, H, W) labels of crystallites, 0 at particles; the film is periodic.
        defects: (B,) remaining share of the defects.
        specimen: what the films show beside their state.
        microscope: conditions of each film.
        pixels: rows and columns of the image; default: the shorter side of the film.
        pixel: width of a pixel, lattice constants.

    Returns:
        (B, pixels, pixels) intensities.

    Raises:
        ConfigurationError: if a size is not positive.
    """
    batch, height, width = labels.shape
    pixels = min(height, width) if pixels is None else pixels
    require_counts(pixels=pixels)
    require_positive(pixel=pixel)
    rows, inside = np.arange(batch)[:, None, None], labels != PARTICLE
    contrast = microscope.orientation * np.exp(-FADING * defects)
    sites = contrast[:, None, None] * specimen.brightness[rows, labels]
    sites -= microscope.boundary[:, None, None] * boundaries(labels)
    dots = specimen.clusters < DOTS * defects[:, None, None]
    sites -= microscope.dot[:, None, None] * dots
    sites = np.where(inside, 1.0 + sites, 1.0 + microscope.particle[:, None, None])
    down, right = (_probe(size, pixels, pixel, microscope.spread) for size in (height, width))
    images = down @ sites @ right.swapaxes(1, 2)
    across = (np.arange(pixels) + 0.5) * 2.0 / pixels - 1.0
    slopes = microscope.slope_down[:, None, None] * across[:, None] + microscope.slope_right[:, None, None] * across
    return np.asarray(np.maximum(images * (1.0 + slopes), 0.0))


def exposed(images: FloatArray, dose: FloatArray, normals: FloatArray) -> FloatArray:
    """Return (B, H, W) measured micrographs.

    Args:
        images: (B, H, W) intensities without noise.
        dose: (B,) electrons for each pixel at an intensity of 1.
        normals: (B, H, W) standard normal numbers.
    """
    return np.asarray(np.maximum(images + np.sqrt(images / dose[:, None, None]) * normals, 0.0))


def _probe(size: int, pixels: int, pixel: float, spread: FloatArray) -> FloatArray:
    """Return (B, pixels, size) shares of the sites of a periodic line in pixels: a Gaussian about each pixel's middle.

    The square of a pixel's width over 12, the variance of its aperture, adds to that of the point spread.
    """
    middle = (np.arange(pixels) + 0.5) * pixel - 0.5
    apart = np.abs(middle[:, None] - np.arange(size)) % size
    apart = np.minimum(apart, size - apart)
    variance = spread[:, None, None] ** 2 + pixel**2 / 12.0
    weights = np.exp(-(apart**2) / (2.0 * variance))
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))
