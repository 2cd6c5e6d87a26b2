"""The task of a film's micrograph: mean radius of the crystallites, and remaining share of the defects."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.characterization.micrographs import Microscope, Specimen, exposed, film_micrographs
from matgym.characterization.reading.grain_size import GrainCounting
from matgym.characterization.reading.inputs import CONTRAST, FilmInputs
from matgym.characterization.reading.tasks import Quantity, ReadingTask
from matgym.characterization.recognition.augmentation import blurred, noise
from matgym.characterization.recognition.tasks import Range, Samples, log_uniform
from matgym.processes.annealing.film import evaporate
from matgym.processes.annealing.microstructure import Labels, mean_radius, voronoi
from matgym.processes.annealing.potts import sweep
from matgym.processes.annealing.runs import random_films
from matgym.typing import Float32Array, FloatArray

if TYPE_CHECKING:
    from torch import Tensor

SIDE: Final = 64
"""Sites along a side of the films of the training."""

STAGES: Final = 8
"""States of one film that are measured, each with a specimen and a microscope of its own; a choice of ours."""

MOST_NOISE: Final = 0.2
"""Largest standard deviation of the noise that training adds, relative to the mean. Noise was added after a pilot of
5,000 micrographs without it, whose network was no better than the baseline under unseen conditions; the next two
changes after a full training, which had R² of 0.86 and 0.62 there in training and 0.09 and -0.12 under unseen ones."""

LEAST_CONTRAST: Final = 0.4
"""Smallest factor on the contrast of training micrographs."""

MOST_BLUR: Final = 0.8
"""Largest standard deviation of the blur of training micrographs, lattice constants."""

MOST_SLOPE: Final = 0.25
"""Largest change of the illumination of training micrographs from the middle to an edge. It was added after a training
without it, whose network took slopes in images of little contrast for large crystallites."""

QUANTITIES: Final = (Quantity("radius", 1.5, 20.0, logarithmic=True), Quantity("defects", 0.0, 1.0))
"""What is read: mean radius, lattice constants, and remaining share of the defects."""


@dataclass(frozen=True)
class FilmConditions:
    """Ranges from which films and microscopes are drawn evenly; dose and number of sweeps evenly in their logarithm.

    Attributes:
        dose: electrons for each pixel.
        spread: standard deviation of the point spread, lattice constants.
        orientation: half of the range of brightness of crystallites without defects.
        boundary: darkness of a boundary.
        particle: excess brightness of a particle.
        dot: darkness of a cluster of defects.
        slope: largest change of the illumination from the middle to an edge.
        pixel: width of a pixel, lattice constants.
        grains: crystallites of a film as deposited.
        particles: share of sites with a particle.
        sweeps: sweeps of the Potts model between two states of a film.
    """

    dose: Range = (100.0, 3000.0)
    spread: Range = (0.4, 0.8)
    orientation: Range = (0.15, 0.3)
    boundary: Range = (0.15, 0.35)
    particle: Range = (0.3, 0.8)
    dot: Range = (0.3, 0.5)
    slope: float = 0.1
    pixel: Range = (0.8, 1.0)
    grains: tuple[int, int] = (80, 300)
    particles: Range = (0.0, 0.2)
    sweeps: Range = (0.5, 60.0)

    def microscope(self, rng: np.random.Generator, level: float | None = None) -> Microscope:
        """Draw a microscope; a first axis of length 1.

        Args:
            rng: random number generator.
            level: its dose; None draws it.
        """
        dose = log_uniform(rng, self.dose)
        ranges = (
            self.spread,
            self.orientation,
            self.boundary,
            self.particle,
            self.dot,
            *2 * [(-self.slope, self.slope)],
        )
        drawn = [rng.uniform(*each) for each in ranges]
        return Microscope(*(np.array([value]) for value in (dose if level is None else level, *drawn)))


class FilmMicrograph(ReadingTask):
    """Mean radius and remaining share of the defects from the micrograph of a film."""

    name = "film-micrograph"
    question = "Which mean radius have the crystallites of the film, and which share of its defects remains?"
    quantities = QUANTITIES
    level_name = "dose, electrons/pixel"
    levels = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    pipeline = FilmInputs(pixels=SIDE, pixel=1.0)
    training = FilmConditions()
    unseen = FilmConditions(
        dose=(30.0, 100.0), spread=(0.8, 1.1), orientation=(0.12, 0.15), boundary=(0.1, 0.15), dot=(0.25, 0.3),
        slope=0.2, pixel=(0.6, 0.8),
    )  # fmt: skip

    def group(self, count: int, rng: np.random.Generator, conditions: FilmConditions, level: float | None) -> Samples:
        """Return micrographs of films in several states of their annealing; see `DrawnTask.group`."""
        films = -(-count // STAGES)
        generators = rng.spawn(films)
        labels = random_films(films, rng, size=SIDE, grains=conditions.grains, particles=conditions.particles)
        parts = []
        for _ in range(STAGES):
            evaporate(labels, rng.uniform(0.0, 0.5, films), generators)
            sweep(labels, log_uniform(rng, conditions.sweeps, films), generators)
            parts.append(self.measured(labels, rng, conditions, level))
        return Samples.joined(parts).take(slice(0, count))

    def measured(
        self, labels: Labels, rng: np.random.Generator, conditions: FilmConditions, level: float | None = None
    ) -> Samples:
        """Return micrographs of (B, H, W) films with random shares of defects, on the grid of the inputs."""
        films, pixel = len(labels), float(rng.uniform(*conditions.pixel))
        drawn = [conditions.microscope(rng, level) for _ in range(films)]
        microscope = Microscope(*map(np.concatenate, zip(*drawn, strict=True)))
        most = int(labels.max())
        specimens = [Specimen.drawn(rng, most, *labels.shape[1:]) for _ in range(films)]
        specimen = Specimen(*map(np.concatenate, zip(*specimens, strict=True)))
        defects, pixels = rng.uniform(size=films), int(np.ceil(SIDE / pixel - 1e-9))
        images = film_micrographs(labels, defects, specimen, microscope, pixels=pixels, pixel=pixel)
        counted = exposed(images, microscope.dose, rng.standard_normal(images.shape))
        values = np.stack([mean_radius(labels), defects], axis=1)
        seen: Float32Array = self.pipeline.resampled(counted, pixel).astype(np.float32)
        return Samples(seen, values, microscope.dose)

    def simulated(self, values: FloatArray) -> FloatArray:
        """Return the micrograph of a film of Voronoi cells; always the same film for the same values."""
        radius, defects = values
        grains = max(1, round(SIDE**2 / (np.pi * radius**2)))
        rng = np.random.default_rng(0)
        specimen = Specimen.drawn(rng, grains, SIDE, SIDE)
        middles = (self.training.spread, self.training.orientation, self.training.boundary, self.training.particle,
                   self.training.dot, (0.0, 0.0), (0.0, 0.0))  # fmt: skip
        microscope = Microscope(np.array([np.inf]), *(np.array([np.mean(each)]) for each in middles))
        return film_micrographs(voronoi(SIDE, grains, 0, rng)[None], np.array([defects]), specimen, microscope)

    def baseline(self) -> GrainCounting:
        """Return line intercepts of thresholded boundaries, and the number of dark dots."""
        return GrainCounting(QUANTITIES)

    def augmented(self, inputs: "Tensor", rng: np.random.Generator) -> "Tensor":
        """Turn or mirror the images of a batch, by one symmetry of a square, and worsen each.

        They are blurred, lose contrast, and get a slope of the illumination and noise as of a lower dose.
        """
        import torch

        count, turn, mirrored = len(inputs), int(rng.integers(4)), bool(rng.integers(2))
        turned = inputs.rot90(turn, (2, 3))
        turned = turned.flip(3) if mirrored else turned
        widths = np.repeat(rng.uniform(0.0, MOST_BLUR / self.pipeline.pixel, (count, 1)), 2, axis=1)
        contrasts = rng.uniform(LEAST_CONTRAST, 1.0, (count, 1, 1, 1)).astype(np.float32)
        dull = blurred(turned, widths) * torch.from_numpy(contrasts).to(inputs.device)
        places = np.linspace(-1.0, 1.0, inputs.shape[2])
        along, across = rng.uniform(-CONTRAST * MOST_SLOPE, CONTRAST * MOST_SLOPE, (2, count, 1))
        slopes = (along * places)[:, :, None] + (across * places)[:, None]
        dull += torch.from_numpy(slopes.astype(np.float32))[:, None].to(inputs.device)
        return dull + noise(dull, rng.uniform(0.0, CONTRAST * MOST_NOISE, count), rng)
