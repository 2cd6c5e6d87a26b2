"""The task of a growing forest: diameter, D/G and amorphous share from its Raman spectrum and X-ray scattering."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.characterization.forests import Q_PER_NM, SHIFTS_CM, Forest, Probes, measured_forests
from matgym.characterization.reading.curve_fit import CurveFit
from matgym.characterization.reading.inputs import CurveInputs
from matgym.characterization.reading.tasks import Quantity, ReadingTask
from matgym.characterization.recognition.tasks import Range, Samples, log_uniform
from matgym.processes.growth.kinetics import GrowthKinetics

QUANTITIES: Final = (
    Quantity("diameter_nm", 3.0, 25.0, logarithmic=True),
    Quantity("disorder", 0.01, 5.0, logarithmic=True),
    Quantity("amorphous_share", 0.0, 1.0),
)
"""What is read: median outer diameter of the walls, nm, D/G of the tubes, and share of amorphous carbon."""


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

    def baseline(self) -> CurveFit:
        """Return the fit of bands and cylinders."""
        return CurveFit(QUANTITIES)
