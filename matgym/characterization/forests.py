"""What in-situ instruments read of a growing forest of tubes: Raman spectrum, and small-angle X-ray scattering.

The tubes of `matgym.processes.growth` have several walls and outer diameters of 4 to 20 nm. Two instruments that were
used while such forests grew show them:

- **Raman spectrum at 532 nm**: D, G and D' bands of the tubes, and the broad bands of amorphous carbon. D/G is that of
  `matgym.processes.growth.runs.disorder`, as a ratio of heights. Positions and widths of amorphous carbon follow the
  five-band fit of soot (Sadezky et al., Carbon 43, 1731 (2005), M); its share of the signal is its share of the carbon
  atoms. Bands shift with temperature (Huang et al., J. Appl. Phys. 84, 4022 (1998), for tubes with many walls, M), and
  the hot forest radiates by Planck's law. There is no radial breathing mode: it is seen of walls below about 2 nm (Zhao
  et al., Appl. Phys. Lett. 81, 2550 (2002), M), and the inner walls here have 3 nm and more, whose 70 cm⁻¹ and less
  lie below the edge filter.
- **Small-angle X-ray scattering**: hollow cylinders with log-normal diameters, the model by which diameters of tubes
  in forests were measured (Wang et al., J. Phys. Chem. C 111, 5859 (2007), V), also during growth (Meshot et al.,
  Nanoscale 2, 896 (2010), V). Amorphous carbon is an outer shell of lower density. This instrument gives the diameter.

Strengths, D'/D, probing depths and noise are choices of ours (D). Noise is normal with the variance of counts, so that
the number of random draws does not depend on the forest.
"""

from typing import Final, NamedTuple

import numpy as np

from matgym.typing import FloatArray

SHIFTS_CM: Final = np.arange(1100.0, 1801.0, 5.0)
"""(141,) Raman shifts, cm⁻¹."""

Q_PER_NM: Final = np.geomspace(0.15, 2.0, 40)
"""(40,) scattering vectors, 1/nm."""

TUBE_BANDS: Final = {"g": (1582.0, 35.0, 1.0), "d": (1350.0, 50.0, 1.0), "d_prime": (1617.0, 20.0, 0.25)}
"""Shift at 300 K, full width, cm⁻¹, and height, relative to G for G and to D for the others; widths and D'/D (D)."""

SOOT_BANDS: Final = ((1580.0, 90.0, 1.0), (1350.0, 180.0, 0.8), (1500.0, 160.0, 0.4), (1190.0, 170.0, 0.25))
"""The same of amorphous carbon, of G, D1, D3 and D4: all Lorentzian here; heights (D)."""

SHIFT_CM_K: Final = -0.025
"""Change of the bands' shifts with temperature, cm⁻¹/K (M)."""

WIDENING_CM_K: Final = 0.015
"""Change of their widths, cm⁻¹/K (D)."""

RADIATION_K: Final = 24_950.0
"""hν/k of light at 576 nm, K: in the middle of the spectrum."""

HOT_K: Final = 1173.15
"""Temperature for which `RamanProbe.radiation` is given, K."""

PROBED_UM: Final = 1.0
"""Depth of the forest that the laser probes, µm (D)."""

BEAM_UM: Final = 10.0
"""Height of the X-ray beam above the wafer, µm (D)."""

SPACING_NM: Final = 0.34
"""Distance of walls, and thickness of a monolayer of amorphous carbon, nm."""

SOOT_DENSITY: Final = 0.8
"""Density of amorphous carbon relative to that of the walls (D)."""

MOST_SOOT: Final = 30.0
"""Monolayers of amorphous carbon above which the curves no longer change: a shell of 10 nm (D)."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(13)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Forest(NamedTuple):
    """Growing forests, (B,) arrays.

    Attributes:
        diameter_nm: median outer diameter of the walls, nm.
        walls: number of walls.
        length_um: length of the tubes, µm.
        disorder: D/G of the tubes.
        amorphous: amorphous carbon on the tubes, monolayers.
        temperature_k: temperature, K.
    """

    diameter_nm: FloatArray
    walls: FloatArray
    length_um: FloatArray
    disorder: FloatArray
    amorphous: FloatArray
    temperature_k: FloatArray

    @property
    def amorphous_share(self) -> FloatArray:
        """(B,) share of amorphous carbon in the carbon, by monolayers and walls."""
        return np.asarray(self.amorphous / (self.amorphous + self.walls))


class Probes(NamedTuple):
    """The conditions of both instruments and the spread of the diameters, (B,) arrays.

    Attributes:
        counts: photons at the maximum of G of a tall forest of perfect tubes.
        resolution_cm: full width of the spectrometer's profile, cm⁻¹.
        background: luminescence at the first shift, relative to G.
        slope: its relative change over the spectrum.
        radiation: thermal radiation of a forest at `HOT_K`, relative to G.
        photons: X-ray photons at the first scattering vector, of a tall forest of tubes of 10 nm.
        dark: X-ray photons of the background.
        spread: standard deviation of the logarithm of the diameters.
    """

    counts: FloatArray
    resolution_cm: FloatArray
    background: FloatArray
    slope: FloatArray
    radiation: FloatArray
    photons: FloatArray
    dark: FloatArray
    spread: FloatArray


def forest_spectra(forest: Forest, probes: Probes) -> FloatArray:
    """Return (B, 141) Raman spectra on `SHIFTS_CM` without noise; G of a tall forest of perfect tubes has height 1."""
    share = np.minimum(forest.amorphous, MOST_SOOT)
    share = share / (share + forest.walls)
    warmer = forest.temperature_k - 300.0
    heights = {"g": np.ones_like(share), "d": forest.disorder, "d_prime": forest.disorder}
    tubes = sum(
        (relative * heights[name])[:, None] * line(shift, width, warmer, probes.resolution_cm)
        for name, (shift, width, relative) in TUBE_BANDS.items()
    )
    soot = sum(relative * line(shift, width, warmer, probes.resolution_cm) for shift, width, relative in SOOT_BANDS)
    amount = -np.expm1(-forest.length_um / PROBED_UM)
    signal = amount[:, None] * ((1.0 - share)[:, None] * tubes + share[:, None] * soot)
    along = (SHIFTS_CM - SHIFTS_CM[0]) / (SHIFTS_CM[-1] - SHIFTS_CM[0])
    luminescence = probes.background[:, None] * (1.0 + probes.slope[:, None] * along)
    hot = probes.radiation * np.exp(RADIATION_K * (1.0 / HOT_K - 1.0 / forest.temperature_k))
    return np.asarray(signal + luminescence + hot[:, None])


def forest_scattering(forest: Forest, probes: Probes) -> FloatArray:
    """Return (B, 40) expected X-ray photons on `Q_PER_NM`: azimuthal means of an aligned forest, ∝ |F|²/q."""
    soot = SPACING_NM * np.minimum(forest.amorphous, MOST_SOOT)
    amount = -np.expm1(-forest.length_um / BEAM_UM)
    curve = cylinders(forest.diameter_nm, forest.walls, soot, probes.spread)
    return np.asarray((probes.photons * amount)[:, None] * curve + probes.dark[:, None])


def measured_forests(forest: Forest, probes: Probes, normals: FloatArray) -> FloatArray:
    """Return (B, 181) measured curves: the spectrum relative to G, then X-ray photons.

    Args:
        forest: the forests.
        probes: the instruments.
        normals: (B, 181) standard normal numbers.
    """
    first, second = np.split(normals, [len(SHIFTS_CM)], axis=1)
    return np.concatenate(
        [measured_spectra(forest, probes, first), measured_scattering(forest, probes, second)], axis=1
    )


def measured_spectra(forest: Forest, probes: Probes, normals: FloatArray) -> FloatArray:
    """Return (B, 141) measured spectra for (B, 141) standard normal numbers; see `forest_spectra`."""
    spectra = forest_spectra(forest, probes)
    return np.maximum(spectra + np.sqrt(spectra / probes.counts[:, None]) * normals, 0.0)


def measured_scattering(forest: Forest, probes: Probes, normals: FloatArray) -> FloatArray:
    """Return (B, 40) measured X-ray photons for (B, 40) standard normal numbers; see `forest_scattering`."""
    photons = forest_scattering(forest, probes)
    return np.maximum(photons + np.sqrt(photons) * normals, 0.0)


def line(shift: float, width: float, warmer: FloatArray, resolution_cm: FloatArray) -> FloatArray:
    """Return (B, 141) Lorentzian profiles of height 1; the squares of the widths of band and instrument add (D)."""
    half = 0.5 * np.sqrt((width + WIDENING_CM_K * warmer) ** 2 + resolution_cm**2)
    apart = SHIFTS_CM - (shift + SHIFT_CM_K * warmer)[:, None]
    return np.asarray(1.0 / (1.0 + (apart / half[:, None]) ** 2))


def cylinders(diameter_nm: FloatArray, walls: FloatArray, soot_nm: FloatArray, spread: FloatArray) -> FloatArray:
    """Return (B, 40) |F|²/q of hollow cylinders with a shell of soot, relative to full ones of 10 nm at the first q.

    F is the transform of a disc, 2π R J₁(qR)/q, of the outer radius less that of the inner one (Guinier and Fournet,
    Small-Angle Scattering of X-Rays, 1955, M), averaged over the diameters by Gauss-Hermite quadrature. Walls do not
    vary with the diameter within a forest.
    """
    from scipy.special import j1

    def disc(radius: FloatArray) -> FloatArray:
        return np.asarray(radius[:, :, None] * j1(radius[:, :, None] * Q_PER_NM))

    outer = 0.5 * diameter_nm[:, None] * np.exp(spread[:, None] * _NODES)
    inner = np.maximum(outer - SPACING_NM * (walls[:, None] - 1.0), 0.0)
    wall = disc(outer)
    amplitude = (1.0 - SOOT_DENSITY) * wall - disc(inner)
    amplitude += SOOT_DENSITY * disc(outer + soot_nm[:, None])
    power = np.einsum("k,bkq->bq", _WEIGHTS, amplitude**2) / Q_PER_NM**3
    return np.asarray(power / ((5.0 * j1(5.0 * Q_PER_NM[0])) ** 2 / Q_PER_NM[0] ** 3))
