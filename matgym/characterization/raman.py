"""Raman spectra of single-walled tubes: radial breathing mode, G⁻, G⁺, D and 2D bands.

Frequencies are published relations with diameter and laser energy, intensities follow the resonance with the optical
transitions of the tube in its environment, and D/G the distance of defects. What no relation gives, the strengths of
the bands relative to each other and their widths, are constants below that we chose; they are typical of isolated
tubes, and a network that reads spectra should be trained on a range of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from matgym.errors import ConfigurationError, require_within
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.electrons.kataura import EV_PER_CM, relation
from matgym.physics.phonons.named_modes import rbm_relation_cm
from matgym.structures import Nanotube, Species
from matgym.structures.lattice import tube_lattice
from matgym.typing import FloatArray, IntArray

ENVIRONMENTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"air": ("pristine", "air"), "dispersed": ("surfactant", "dispersed"), "sds": ("sds", "sds")}
)
"""The relations of the radial breathing mode and of the optical transitions in each environment. That of SDS knows no
metallic tubes."""

G_PLUS_CM: Final = 1591.0
"""Frequency of G⁺, cm⁻¹: Jorio et al., Phys. Rev. B 65, 155412 (2002)."""

G_MINUS_CM_NM2: Final = MappingProxyType({"semiconducting": 47.7, "metallic": 79.5})
"""C of G⁻ = G⁺ - C/d², cm⁻¹ nm²: the same paper; the value of metallic tubes from memory (flag M)."""

D_CM: Final = (1210.0, 53.0)
"""Frequency of the D band at 0 eV, cm⁻¹, and its dispersion, cm⁻¹/eV: Dresselhaus et al., Phys. Rep. 409, 47 (2005),
from memory (flag M)."""

TWO_D_CM: Final = (2420.0, 106.0)
"""The same of the 2D band (flag M)."""

ACTIVATED: Final = (160.0, 3.1, 1.0)
"""C_A, eV⁴, r_A and r_S, nm, of the relation of D/G with the distance of defects: Cançado et al., Nano Lett. 11, 3190
(2011), from memory (flag M). It was measured on graphene."""

BROADENING_EV: Final = 0.06
"""Broadening γ of the resonance, eV: Fantini et al., Phys. Rev. Lett. 93, 147406 (2004), from memory (flag M)."""

STRENGTHS: Final = MappingProxyType({"rbm": 1.0, "g_minus": 0.35, "g_plus": 1.0, "2d": 0.5})
"""Areas of the bands in full resonance, relative to G⁺. A choice of ours."""

WIDTHS_CM: Final = MappingProxyType({"rbm": 5.0, "g_minus": 10.0, "g_plus": 9.0, "d": 30.0, "2d": 40.0})
"""Full widths at half maximum, cm⁻¹, of semiconducting tubes. A choice of ours."""

METALLIC_G_MINUS: Final = (50.0, -0.25)
"""Full width, cm⁻¹, and 1/q of the Breit-Wigner-Fano line of metallic tubes. A choice of ours."""


@dataclass(frozen=True)
class Spectrometer(ValueObject):
    """A Raman spectrometer.

    Attributes:
        laser_ev: photon energy of the laser, eV; 2.33 for 532 nm.
        start_cm: first Raman shift, cm⁻¹.
        stop_cm: last Raman shift, cm⁻¹.
        step_cm: step, cm⁻¹.
        resolution_cm: full width at half maximum of the instrument's Gaussian profile, cm⁻¹.

    Raises:
        ConfigurationError: if an attribute is out of range.
    """

    laser_ev: float = 2.33
    start_cm: float = 100.0
    stop_cm: float = 2900.0
    step_cm: float = 1.0
    resolution_cm: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(0.8, 6.0, laser_ev=self.laser_ev)
        require_within(10.0, 4000.0, start_cm=self.start_cm)
        require_within(self.start_cm + 10.0, 5000.0, stop_cm=self.stop_cm)
        require_within(0.05, 20.0, step_cm=self.step_cm)
        require_within(0.1, 50.0, resolution_cm=self.resolution_cm)

    @property
    @returns_read_only
    def shifts_cm(self) -> FloatArray:
        """(X,) Raman shifts of the grid, cm⁻¹."""
        count = int((self.stop_cm - self.start_cm) / self.step_cm + 1e-6) + 1
        return np.asarray(self.start_cm + self.step_cm * np.arange(count))


@dataclass(frozen=True)
class Band:
    """A band of a spectrum.

    Attributes:
        name: `"rbm"`, `"g_minus"`, `"g_plus"`, `"d"` or `"2d"`.
        shift_cm: Raman shift, cm⁻¹.
        width_cm: full width at half maximum, cm⁻¹.
        area: area relative to G⁺ in full resonance.
        asymmetry: 1/q of the Breit-Wigner-Fano line; 0 for a Lorentzian.
    """

    name: str
    shift_cm: float
    width_cm: float
    area: float
    asymmetry: float = 0.0


def raman_spectra(
    chiralities: Sequence[tuple[int, int]] | IntArray,
    spectrometer: Spectrometer | None = None,
    *,
    environment: str = "air",
    defect_distance_nm: ArrayLike = math.inf,
) -> FloatArray:
    """Return Raman spectra of tubes without noise; a mixture is a weighted sum of them.

    Args:
        chiralities: (B, 2) chiral indices, n >= m.
        spectrometer: default `Spectrometer()`.
        environment: one of `ENVIRONMENTS`.
        defect_distance_nm: mean distance of defects of all tubes, or (B,), nm; see `defect_distance_nm`.

    Returns:
        (B, X) intensities on `spectrometer.shifts_cm`, in which G⁺ in full resonance has an area of 1 cm⁻¹.

    Raises:
        ConfigurationError: if there is no such environment, it does not know the transitions of a tube, or a distance
            is not positive.

    Example:
        >>> spectra = raman_spectra([(6, 5), (7, 5)], environment="sds")
        >>> spectra.shape
        (2, 2801)
    """
    spectrometer = spectrometer or Spectrometer()
    x = spectrometer.shifts_cm
    distances = np.broadcast_to(np.asarray(defect_distance_nm, dtype=float), len(chiralities)).tolist()
    spectra = np.zeros((len(chiralities), len(x)))
    for row, (n, m) in enumerate(np.asarray(chiralities).tolist()):
        bands = raman_bands(n, m, spectrometer.laser_ev, environment, distances[row])
        spectra[row] = spectrum_of(bands, x, spectrometer.resolution_cm)
    return spectra


def spectrum_of(bands: Sequence[Band], shifts_cm: FloatArray, resolution_cm: float) -> FloatArray:
    """Return the (X,) spectrum of bands without noise.

    Args:
        bands: the bands.
        shifts_cm: (X,) Raman shifts, cm⁻¹.
        resolution_cm: full width at half maximum of the instrument's Gaussian profile, cm⁻¹.
    """
    lines = [band.area * _line(shifts_cm, band, resolution_cm) for band in bands]
    return np.asarray(np.sum(lines, axis=0))


def raman_bands(
    n: int,
    m: int,
    laser_ev: float,
    environment: str = "air",
    defect_distance_nm: float = math.inf,
    transitions_ev: Sequence[float] | None = None,
) -> list[Band]:
    """Return the bands of a tube.

    Args:
        n: first chiral index.
        m: second chiral index.
        laser_ev: photon energy of the laser, eV.
        environment: one of `ENVIRONMENTS`.
        defect_distance_nm: mean distance of defects, nm.
        transitions_ev: transitions, eV; default those of the environment's relation.

    Raises:
        ConfigurationError: as `raman_spectra`.
    """
    if environment not in ENVIRONMENTS:
        raise ConfigurationError(f"environment={environment!r} is unknown: give one of {', '.join(ENVIRONMENTS)}")
    breathing, optical = ENVIRONMENTS[environment]
    transitions = tuple(relation(optical).energies_ev(n, m).values() if transitions_ev is None else transitions_ev)
    if not transitions:
        raise ConfigurationError(
            f"the relation for environment={environment!r} knows no transition of ({n}, {m}): give 'air' or 'dispersed'"
        )
    diameter = tube_lattice(n, m, 1).diameter_nm
    metallic = (n - m) % 3 == 0
    curvature = G_MINUS_CM_NM2["metallic" if metallic else "semiconducting"] / diameter**2
    width, asymmetry = METALLIC_G_MINUS if metallic else (WIDTHS_CM["g_minus"], 0.0)
    rbm = float(rbm_relation_cm(breathing, np.array(diameter)))
    shifts = {
        "rbm": rbm,
        "d": D_CM[0] + D_CM[1] * laser_ev,
        "g_minus": G_PLUS_CM - curvature,
        "g_plus": G_PLUS_CM,
        "2d": TWO_D_CM[0] + TWO_D_CM[1] * laser_ev,
    }
    resonances = {name: resonance(laser_ev, transitions, EV_PER_CM * shift) for name, shift in shifts.items()}
    areas = {name: strength * resonances[name] for name, strength in STRENGTHS.items()}
    areas["d"] = d_over_g(defect_distance_nm, laser_ev) * areas["g_plus"]
    return [
        Band(name, shift, width, areas[name], asymmetry)
        if name == "g_minus"
        else Band(name, shift, WIDTHS_CM[name], areas[name])
        for name, shift in shifts.items()
    ]


def resonance(laser_ev: float, transitions_ev: Sequence[float], phonon_ev: float) -> float:
    """Return the resonance factor of the intensity, about 1 where the laser or the scattered light is at a transition.

    The sum over transitions of |γ (γ + iħω) / ((E_L - E - iγ)(E_L - ħω - E - iγ))|², the square of third-order
    perturbation theory (Fantini et al., Phys. Rev. Lett. 93, 147406 (2004)), relative to the incoming resonance.

    Args:
        laser_ev: photon energy, eV.
        transitions_ev: transitions, eV.
        phonon_ev: energy of the phonon, eV.
    """
    gamma = BROADENING_EV
    scale = gamma**2 * (gamma**2 + phonon_ev**2)  # at E_L = E
    incoming = [(laser_ev - energy) ** 2 + gamma**2 for energy in transitions_ev]
    outgoing = [(laser_ev - phonon_ev - energy) ** 2 + gamma**2 for energy in transitions_ev]
    return float(sum(scale / (first * second) for first, second in zip(incoming, outgoing, strict=True)))


def d_over_g(distance_nm: float, laser_ev: float) -> float:
    """Return the ratio of the intensities of D and G for a mean distance of defects, nm.

    Raises:
        ConfigurationError: if the distance is not positive.
    """
    if not distance_nm > 0.0:
        raise ConfigurationError(f"defect_distance_nm={distance_nm} is not positive: give a distance, or infinity")
    strength, active, structural = ACTIVATED
    outer, inner = active**2 - structural**2, active**2 - 2.0 * structural**2
    covered = math.pi / distance_nm**2
    share = math.exp(-covered * structural**2) - math.exp(-covered * outer)
    return strength / laser_ev**4 * outer / inner * share


def defect_distance_nm(tube: Nanotube) -> float:
    """Return the mean distance of the vacancies, dopants and Stone-Wales pairs of a tube, nm; infinity for none.

    It is 1/√(number of defects for each nm² of the wall), the definition in graphene.
    """
    others = np.isin(tube.species, [Species.B, Species.N, Species.VACANCY])
    defects = int(others.sum()) + len(tube.stone_wales)
    if not defects:
        return math.inf
    return math.sqrt(math.pi * tube.diameter_nm * tube.length_angstrom / 10.0 / defects)


def _line(x: FloatArray, band: Band, resolution_cm: float) -> FloatArray:
    """Return the (X,) profile of a band: a Voigt profile of unit area, or a convolved Breit-Wigner-Fano line.

    The line of Fano (1 + ε/q)²/(1 + ε²) is 1/q² and a Lorentzian with complex weight (1 - i/q)²; its constant is left
    out. The Faddeeva function convolves it.
    """
    from scipy.special import wofz

    sigma, gamma = resolution_cm / (2.0 * math.sqrt(2.0 * math.log(2.0))), band.width_cm / 2.0
    faddeeva = wofz((x - band.shift_cm + 1j * gamma) / (sigma * math.sqrt(2.0)))
    weight = (1.0 - 1j * band.asymmetry) ** 2
    return np.asarray((weight * faddeeva).real / (sigma * math.sqrt(2.0 * math.pi)))
