"""Diameter, D/G and amorphous share of a forest without learning: least squares of bands and of cylinders.

The spectrum is a sum of the known bands of tubes and of amorphous carbon, and a background linear in the shift, at a
typical temperature and resolution; coefficients are not negative (Lawson and Hanson, 1974). The scattering curve is
compared with those of cylinders of a grid of diameters and shells; the diameter is the mean under their likelihood.
"""

from functools import cached_property
from typing import Final

import numpy as np

from matgym.characterization.forests import (
    SHIFTS_CM,
    SOOT_BANDS,
    SPACING_NM,
    TUBE_BANDS,
    cylinders,
    line,
)
from matgym.characterization.reading.tasks import Characterizer, Quantity, Readings
from matgym.processes.growth.kinetics import GrowthKinetics
from matgym.typing import FloatArray

TYPICAL: Final = (1000.0, 6.0, 0.15, 250.0)
"""Temperature, K, resolution, cm⁻¹, spread of the diameters, and photons at the maximum of G, that the fit assumes."""

DIAMETERS_NM: Final = np.geomspace(3.0, 25.0, 64)
SHELLS: Final = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0])
"""The grid of outer diameters, nm, and of monolayers of amorphous carbon."""

ROUGHNESS: Final = 0.05
"""Relative error of the model's scattering curves, which is added to that of counting; a choice of ours."""


class CurveFit(Characterizer):
    """Bands by least squares that are not negative, and the diameter by a grid of cylinders.

    Attributes:
        quantities: diameter, D/G and amorphous share.
    """

    def __init__(self, quantities: tuple[Quantity, ...]) -> None:
        self.quantities = quantities

    @cached_property
    def _bands(self) -> FloatArray:
        """(X, 5) columns: G with nothing else, D with D', amorphous carbon, and two of the background."""
        warmer, resolution = np.array([TYPICAL[0] - 300.0]), np.array([TYPICAL[1]])

        def lines(bands: tuple[tuple[float, float, float], ...]) -> FloatArray:
            parts = [relative * line(shift, width, warmer, resolution)[0] for shift, width, relative in bands]
            return np.asarray(np.sum(parts, axis=0))

        along = np.linspace(0.0, 1.0, len(SHIFTS_CM))
        tubes = lines((TUBE_BANDS["g"],)), lines((TUBE_BANDS["d"], TUBE_BANDS["d_prime"]))
        return np.stack([*tubes, lines(SOOT_BANDS), 1.0 - along, along], axis=1)

    @cached_property
    def _curves(self) -> tuple[FloatArray, FloatArray]:
        """(N, 40) curves of the grid, and their (N,) diameters."""
        diameters = np.repeat(DIAMETERS_NM, len(SHELLS))
        shells = SPACING_NM * np.tile(SHELLS, len(DIAMETERS_NM))
        walls, spread = GrowthKinetics().walls(diameters), np.full(len(diameters), TYPICAL[2])
        return cylinders(diameters, np.asarray(walls), shells, spread), diameters

    def read(self, measured: FloatArray) -> Readings:
        """Return the readings of (B, 181) curves."""
        curves = np.asarray(measured, dtype=np.float64)
        shifts = len(SHIFTS_CM)
        rows = [(*self._diameter(row[shifts:]), *self._ratios(row[:shifts])) for row in curves]
        table = np.array(rows).reshape(len(curves), 6)
        low, high = (np.array([getattr(each, end) for each in self.quantities]) for end in ("low", "high"))
        return Readings(np.clip(table[:, 0::2], low, high), np.minimum(table[:, 1::2], high - low))

    def _diameter(self, photons: FloatArray) -> tuple[float, float]:
        """Return mean and standard deviation of the diameter; amplitude and background are fitted for each curve."""
        templates, diameters = self._curves
        variance = photons + 1.0 + (ROUGHNESS * photons) ** 2
        weights = 1.0 / variance
        one, shape, squares = weights.sum(), templates @ weights, (templates**2) @ weights
        data, product = photons @ weights, templates @ (weights * photons)
        determinant = np.maximum(squares * one - shape**2, 1e-300)
        amplitude = np.maximum((product * one - shape * data) / determinant, 0.0)
        background = (data - amplitude * shape) / one
        misfit = photons - amplitude[:, None] * templates - background[:, None]
        chi = (misfit**2) @ weights
        likelihood = np.exp(-0.5 * (chi - chi.min()))
        likelihood /= likelihood.sum()
        mean = float(likelihood @ diameters)
        step = mean * np.log(DIAMETERS_NM[1] / DIAMETERS_NM[0]) / np.sqrt(12.0)
        return mean, float(np.sqrt(likelihood @ (diameters - mean) ** 2 + step**2))

    def _ratios(self, spectrum: FloatArray) -> tuple[float, float, float, float]:
        """Return D/G and amorphous share, each with its standard deviation to first order in the coefficients."""
        from scipy.optimize import nnls

        weights = np.sqrt(TYPICAL[3] / np.maximum(spectrum, 0.05))
        columns = self._bands * weights[:, None]
        g, d, soot, *_ = nnls(columns, spectrum * weights)[0]
        covariance = np.linalg.inv(columns.T @ columns)[:3, :3]
        signal = max(g + soot, 1e-6)
        ratio, share = d / max(g, 1e-6), soot / signal
        slopes = np.array([[-ratio, 1.0, 0.0], [-share, 0.0, 1.0 - share]]) / np.array([[max(g, 1e-6)], [signal]])
        errors = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
        return float(ratio), float(errors[0]), float(share), float(errors[1])
