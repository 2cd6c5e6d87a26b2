"""The task of a growing forest: diameter, D/G and amorphous share from its Raman spectrum and X-ray scattering."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from matgym.characterization.curves import check_grid, rebinned
from matgym.characterization.files import Scattering, Spectrum
from matgym.characterization.forests import (
    Q_PER_NM,
    SHIFTS_CM,
    Forest,
    Probes,
    forest_scattering,
    forest_spectra,
    measured_forests,
)
from matgym.characterization.reading.curve_fit import CurveFit
from matgym.characterization.reading.inputs import CurveInputs
from matgym.characterization.reading.tasks import Quantity, ReadingTask
from matgym.characterization.recognition.tasks import Range, Samples, log_uniform
from matgym.characterization.scaling import COARSE
from matgym.errors import RefusalError
from matgym.processes.growth.kinetics import GrowthKinetics
from matgym.typing import FloatArray

QUANTITIES: Final = (
    Quantity("diameter_nm", 3.0, 25.0, logarithmic=True),
    Quantity("disorder", 0.01, 5.0, logarithmic=True),
    Quantity("amorphous_share", 0.0, 1.0),
)
"""What is read: median outer diameter of the walls, nm, D/G of the tubes, and share of amorphous carbon."""

TALL_UM: Final = 100.0
"""Length of the tubes of a simulated forest, µm: longer than what both instruments probe."""

LASER_EV: Final = (2.28, 2.38)
"""Energies of a laser of about 532 nm, eV: D/G depends on it."""

FEWEST_PHOTONS: Final = 3.0
"""Photons that the highest point of a scattering curve must have: fewer are no counts. A choice of ours."""

SMOOTH_CM: Final = 60.0
"""Standard deviation of the Gaussian mean that is taken from a spectrum before it is compared, cm⁻¹: wider than the
bands of the tubes. A choice of ours."""

COARSEST_RATIO: Final = 1.1
"""Largest ratio of neighbouring scattering vectors; that of the network's grid is 1.07."""


@dataclass(frozen=True)
class ForestConditions:
    """Ranges from which forests and instruments are drawn; those of one decade and more evenly in their logarithm.

    Attributes:
        diameter_nm: median outer diameter, nm.
        length_um: length of the tubes, µm.
        disorder: D/G.
        amorphous: amorphous carbon, monolayers.
        temperature_k: temperature, K.
        counts: photons at the maximum of G.
        resolution_cm: full width of the spectrometer's profile, cm⁻¹.
        background: luminescence, relative to G.
        slope: relative change of the luminescence over the spectrum.
        radiation: thermal radiation at 900 °C, relative to G.
        photons: X-ray photons at the first scattering vector.
        dark: X-ray photons of the background.
        spread: standard deviation of the logarithm of the diameters.
    """

    diameter_nm: Range = (3.5, 24.0)
    length_um: Range = (0.03, 300.0)
    disorder: Range = (0.01, 3.0)
    amorphous: Range = (0.003, 300.0)
    temperature_k: Range = (800.0, 1230.0)
    counts: Range = (100.0, 1000.0)
    resolution_cm: Range = (3.0, 10.0)
    background: Range = (0.05, 0.3)
    slope: Range = (-0.5, 0.5)
    radiation: Range = (0.0, 0.3)
    photons: Range = (1e4, 1e5)
    dark: Range = (3.0, 10.0)
    spread: Range = (0.1, 0.2)

    def probes(self, rng: np.random.Generator, count: int, level: float | None = None) -> Probes:
        """Draw the instruments of some forests.

        Args:
            rng: random number generator.
            count: number of forests.
            level: photons at the maximum of G; None draws them.
        """
        counts = log_uniform(rng, self.counts, count)
        return Probes(
            counts=counts if level is None else np.full(count, level),
            resolution_cm=rng.uniform(*self.resolution_cm, count),
            background=rng.uniform(*self.background, count),
            slope=rng.uniform(*self.slope, count),
            radiation=rng.uniform(*self.radiation, count),
            photons=log_uniform(rng, self.photons, count),
            dark=rng.uniform(*self.dark, count),
            spread=rng.uniform(*self.spread, count),
        )


class ForestCurves(ReadingTask):
    """Diameter, D/G and amorphous share of a forest from its Raman spectrum and its X-ray scattering."""

    name = "forest-curves"
    question = "Which diameter, D/G and share of amorphous carbon has the forest?"
    quantities = QUANTITIES
    level_name = "photons at the maximum of G"
    levels = (30.0, 100.0, 300.0, 1000.0)
    pipeline = CurveInputs(shifts=len(SHIFTS_CM), angles=len(Q_PER_NM))
    training = ForestConditions()
    unseen = ForestConditions(
        counts=(50.0, 100.0), resolution_cm=(10.0, 14.0), background=(0.3, 0.5), radiation=(0.3, 0.5),
        photons=(3e3, 1e4), dark=(10.0, 20.0), spread=(0.2, 0.25),
    )  # fmt: skip

    def group(self, count: int, rng: np.random.Generator, conditions: ForestConditions, level: float | None) -> Samples:
        """Return curves of random forests; see `DrawnTask.group`."""
        diameter = rng.uniform(*conditions.diameter_nm, count)
        ranges = (conditions.length_um, conditions.disorder, conditions.amorphous)
        length, disorder, amorphous = (log_uniform(rng, each, count) for each in ranges)
        temperature = rng.uniform(*conditions.temperature_k, count)
        walls = GrowthKinetics().walls(diameter)
        forest = Forest(diameter, walls, length, disorder, amorphous, temperature)
        probes = conditions.probes(rng, count, level)
        measured = measured_forests(forest, probes, rng.standard_normal((count, self.pipeline.shape[1])))
        values = np.stack([diameter, disorder, forest.amorphous_share], axis=1)
        return Samples(measured.astype(np.float32), values, probes.counts)

    def simulated(self, values: FloatArray) -> FloatArray:
        """Return the curves of a tall forest."""
        diameter, disorder, share = (np.array([value]) for value in values)
        walls = GrowthKinetics().walls(diameter)
        amorphous = walls * share / np.maximum(1.0 - share, 1e-6)
        middle = {name: np.array([np.mean(ends)]) for name, ends in asdict(self.training).items()}
        forest = Forest(diameter, walls, np.array([TALL_UM]), disorder, amorphous, middle["temperature_k"])
        probes = Probes(*(middle[name] for name in Probes._fields))
        return np.concatenate([forest_spectra(forest, probes), forest_scattering(forest, probes)], axis=1)

    def resemblance(self, measured: FloatArray, values: FloatArray) -> FloatArray:
        """Return the smaller one of the cosines of both curves, of the bands without what varies slowly."""
        from scipy.ndimage import gaussian_filter1d

        exact = np.concatenate([self.simulated(row) for row in values])
        both = [self.pipeline.apply(each)[:, 0].astype(np.float64) for each in (measured, exact)]
        spectra, scattered = zip(*(np.split(each, [self.pipeline.shifts], axis=1) for each in both), strict=True)
        step = SHIFTS_CM[1] - SHIFTS_CM[0]
        bands = [each - gaussian_filter1d(each, SMOOTH_CM / step, axis=1) for each in spectra]
        curves = [each - each.mean(axis=1, keepdims=True) for each in scattered]
        return np.minimum(_cosines(*bands), _cosines(*curves))

    def baseline(self) -> CurveFit:
        """Return the fit of bands and cylinders."""
        return CurveFit(QUANTITIES)


def _cosines(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the (B,) cosines of the rows of two (B, X) arrays."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-12))


def curves_of(raman: Spectrum, scattering: Scattering) -> FloatArray:
    """Return the (1, 181) curves of one forest on the grids of the task: means around each point.

    Raises:
        RefusalError: if they are no Raman spectrum at 532 nm and no counted scattering curve, or do not cover the grids
            or are too coarse.
    """
    if not isinstance(raman, Spectrum) or raman.unit != "1/cm":
        kind = f"spectrum over {raman.unit}" if isinstance(raman, Spectrum) else type(raman).__name__.lower()
        raise RefusalError(f"a {kind} is no Raman spectrum of a forest: give Raman shifts in 1/cm")
    if not isinstance(scattering, Scattering):
        kind = type(scattering).__name__.lower()
        raise RefusalError(f"a {kind} is no scattering curve: give scattering vectors q and photons")
    if raman.laser_ev is None:
        raise RefusalError("the energy of the laser is unknown, and D/G depends on it: give laser_ev")
    if not LASER_EV[0] <= raman.laser_ev <= LASER_EV[1]:
        low, high = LASER_EV
        raise RefusalError(f"a laser of {raman.laser_ev:.4g} eV is unknown: the network knows {low:g} to {high:g} eV")
    step = SHIFTS_CM[1] - SHIFTS_CM[0]
    check_grid(raman.x, SHIFTS_CM[0], SHIFTS_CM[-1], COARSE * step, "1/cm")
    if (middle := float(raman.intensity.mean())) <= 0.0:
        raise RefusalError(
            f"the mean intensity of the spectrum is {middle:.3g}: give it without subtracting a background"
        )
    q, least, most = scattering.q_per_nm, Q_PER_NM[0], Q_PER_NM[-1]
    # A relative 1e-6 more, since files round the ends.
    if q[0] > least * (1.0 + 1e-6) or q[-1] < most * (1.0 - 1e-6):
        raise RefusalError(
            f"the scattering curve covers {q[0]:.4g} to {q[-1]:.4g} 1/nm: the network needs {least:g} to {most:g} 1/nm"
        )
    inside = q[max(int(np.searchsorted(q, least, side="right")) - 1, 0) : int(np.searchsorted(q, most)) + 1]
    if (ratio := float((inside[1:] / inside[:-1]).max())) > COARSEST_RATIO:
        raise RefusalError(
            f"neighbouring scattering vectors differ by a factor of {ratio:.3g}: the network needs {COARSEST_RATIO:g} "
            "or less"
        )
    if (highest := float(scattering.photons.max())) < FEWEST_PHOTONS:
        raise RefusalError(
            f"the scattering curve has {highest:.3g} photons at most: give counts, not relative intensities"
        )
    spectrum = rebinned(raman.intensity[None], raman.x, SHIFTS_CM)
    scattered = rebinned(scattering.photons[None], np.log(q), np.log(Q_PER_NM))
    return np.concatenate([spectrum, scattered], axis=1)
