"""What a microscope shows of the films of `matgym/FilmAnnealing-v0`: micrographs, and what is read from them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from matgym.characterization.micrographs import Microscope, Specimen, exposed, film_micrographs
from matgym.characterization.reading.films import QUANTITIES, FilmMicrograph
from matgym.processes.annealing.microstructure import Labels
from matgym.typing import FloatArray, IntArray

BRIGHTEST: Final = 2.0
"""The intensity of the brightest grey of an image, relative to the mean."""


class FilmMicroscope:
    """Micrographs of B films, and readings from them.

    Each film has another microscope, drawn from the conditions of the task `film-micrograph`. All noise comes from a
    generator that is spawned from that of the episode, so that a run is the same whatever is observed.
    """

    def __init__(self, size: int, sites: int, most: int, *, characterized: bool, characterizer: Any) -> None:
        """Allocate the measurements.

        Args:
            size: B.
            sites: sites along a side of a film.
            most: largest label of a crystallite.
            characterized: whether readings are needed.
            characterizer: what reads micrographs; None for the shipped network.
        """
        self._conditions, self._most = FilmMicrograph.training, most
        self._reader = None
        if characterized:
            from matgym.characterization.reading.learned import reader_of  # imports torch

            self._reader = reader_of(characterizer, FilmMicrograph.name, QUANTITIES)
        self._microscope = Microscope(*np.ones((len(Microscope._fields), size)))
        self._specimen = Specimen(
            np.zeros((size, most + 1), dtype=np.float32), np.ones((size, sites, sites), dtype=np.float32)
        )
        self._generators = [np.random.default_rng(0)] * size
        self.images = np.ones((size, sites, sites))
        self.values, self.uncertainties = np.zeros((size, 2)), np.zeros((size, 2))

    def restart(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Draw specimens and microscopes of new films; `measure` them afterwards."""
        for row, rng in zip(rows, generators, strict=True):
            (own,) = rng.spawn(1)
            self._generators[row] = own
            microscope = self._conditions.microscope(own)
            specimen = Specimen.drawn(own, self._most, *self.images.shape[1:])
            for column, value in zip(self._microscope, microscope, strict=True):
                column[row] = value[0]
            self._specimen.brightness[row] = specimen.brightness[0]
            self._specimen.clusters[row] = specimen.clusters[0]

    def measure(self, rows: IntArray, labels: Labels, defects: FloatArray) -> None:
        """Measure (k,) films.

        Args:
            rows: (k,) the films.
            labels: (k, sites, sites) their crystallites.
            defects: (k,) their remaining shares of defects.
        """
        microscope = Microscope(*(column[rows] for column in self._microscope))
        specimen = Specimen(*(column[rows] for column in self._specimen))
        images = film_micrographs(labels, defects, specimen, microscope)
        normals = np.stack([self._generators[row].standard_normal(images.shape[1:]) for row in rows])
        self.images[rows] = seen = exposed(images, microscope.dose, normals)
        if self._reader is not None:
            readings = self._reader.read(seen)
            self.values[rows], self.uncertainties[rows] = readings.values, readings.uncertainties

    def pictures(self, rows: IntArray | slice) -> FloatArray:
        """Return (k, sites, sites) greys from 0 to 255."""
        return np.asarray(np.round(255.0 / BRIGHTEST * np.minimum(self.images[rows], BRIGHTEST)))
