"""From a spectrum to the input of a network: pipelines of Raman and of absorption spectra.

A Raman spectrum is brought to two windows, and the energy of the laser is marked on an axis of its own. An absorption
spectrum is brought to a grid of photon energies. What varies slowly, as fluorescence and scattering do, is removed.
"""

from itertools import pairwise
from typing import Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from matgym.characterization.curves import check_grid, rebinned, without_background
from matgym.characterization.files import Spectrum
from matgym.characterization.files.headers import NM_EV
from matgym.characterization.steps import Steps
from matgym.errors import RefusalError
from matgym.typing import Float32Array, FloatArray

BACKGROUND_CM: Final = (60.0, 200.0)
"""Widths of the windows in which the backgrounds of the breathing mode and of the D and G bands are their lowest
smoothed values, cm⁻¹: some ten times as wide as the lines. A choice of ours, as are the next five constants."""

MARK_EV: Final = 0.03
"""Standard deviation of the peak that marks the laser, eV: half of the width of a resonance."""

MARK_MARGIN_EV: Final = 0.1
"""Energies beyond those of the lasers on the axis of the mark, eV."""

SMOOTH_EV: Final = 0.15
"""Standard deviation of the Gaussian mean that is taken from an absorption spectrum, eV: wider than any line."""

COARSEST_CM: Final = 2.0
"""Largest step of a Raman spectrum, cm⁻¹."""

COARSEST_EV: Final = 0.02
"""Largest step of an absorption spectrum, eV: a third of the narrowest line with its usual broadening."""

ENVIRONMENTS: Final = ("air", "dispersed")
"""The environments that a Raman spectrum can state, in the order of their channels."""


class RamanPipeline(Steps):
    """The steps for Raman spectra.

    Channels: the root of the intensity in the window of the breathing mode; the same in the window of D and G, both
    relative to the highest of both; a peak at the energy of the laser if the tubes are or may be in air; the same if
    they are or may be dispersed in water.

    Attributes:
        kind: "raman".
        low_cm: first and last Raman shift of the window of the breathing mode, cm⁻¹.
        high_cm: first and last Raman shift of the window of D and G, cm⁻¹.
        laser_ev: lowest and highest energy of the laser, eV.
        points: number of points of each channel.
    """

    kind: Literal["raman"] = "raman"
    low_cm: tuple[float, float] = (100.0, 400.0)
    high_cm: tuple[float, float] = (1200.0, 1710.0)
    laser_ev: tuple[float, float] = (1.5, 2.8)
    points: int = Field(default=512, ge=64, le=16384)

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        windows = (*self.low_cm, *self.high_cm)
        if not all(first + 10.0 <= second for first, second in pairwise(windows)):
            raise ValueError(f"low_cm={self.low_cm} and high_cm={self.high_cm} must increase by 10 or more")
        if not 0.5 <= self.laser_ev[0] < self.laser_ev[1] <= 6.0:
            raise ValueError(f"laser_ev={self.laser_ev} must increase within 0.5 to 6")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (4, points) of one input of the network."""
        return 4, self.points

    @property
    def axes(self) -> tuple[tuple[str, FloatArray], ...]:
        """The Raman shifts of both windows."""
        return tuple(("Raman shift, cm⁻¹", np.linspace(*window, self.points)) for window in (self.low_cm, self.high_cm))

    @property
    def mark_axis_ev(self) -> FloatArray:
        """(points,) energies at which the laser is marked, eV."""
        return np.linspace(self.laser_ev[0] - MARK_MARGIN_EV, self.laser_ev[1] + MARK_MARGIN_EV, self.points)

    def apply(
        self, intensities: FloatArray, shifts_cm: FloatArray, laser_ev: float, environment: str | None = None
    ) -> Float32Array:
        """Return (B, 4, points) inputs of (B, X) spectra of one laser on one grid.

        Args:
            intensities: (B, X) intensities.
            shifts_cm: (X,) Raman shifts, cm⁻¹.
            laser_ev: energy of the laser, eV.
            environment: one of `ENVIRONMENTS`; None if it is not known.

        Raises:
            RefusalError: if the grid does not cover both windows or is too coarse, or the laser is out of range.
        """
        if not self.laser_ev[0] <= laser_ev <= self.laser_ev[1]:
            low, high = self.laser_ev
            raise RefusalError(f"a laser of {laser_ev:.4g} eV is unknown: the network knows {low:g} to {high:g} eV")
        parts = []
        for (_, grid), width in zip(self.axes, BACKGROUND_CM, strict=True):
            check_grid(shifts_cm, grid[0], grid[-1], COARSEST_CM, "1/cm")
            parts.append(without_background(rebinned(intensities, shifts_cm, grid), int(width / (grid[1] - grid[0]))))
        windows = np.stack(parts, axis=1)
        highest = windows.max(axis=(1, 2), keepdims=True)
        roots = np.sqrt(windows / np.where(highest > 0.0, highest, 1.0))
        mark = np.exp(-0.5 * ((self.mark_axis_ev - laser_ev) / MARK_EV) ** 2)
        marks = np.stack([mark * (environment in {each, None}) for each in ENVIRONMENTS])
        every = np.broadcast_to(marks, (len(roots), *marks.shape))
        return np.concatenate([roots, every], axis=1).astype(np.float32)

    def laser_of(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the (B,) energies of the laser that inputs mark, eV, and the (B, 2) environments that may be."""
        marks = inputs[:, 2:]
        return self.mark_axis_ev[marks.max(axis=1).argmax(axis=1)], np.asarray(marks.max(axis=2))

    def of(self, measured: Spectrum) -> Float32Array:
        """Return the (1, 4, points) input of one spectrum.

        Raises:
            RefusalError: if it is no Raman spectrum, states no laser, or does not fit.
        """
        if not isinstance(measured, Spectrum):
            raise RefusalError(f"a {type(measured).__name__.lower()} is no Raman spectrum: give Raman shifts in 1/cm")
        if measured.unit != "1/cm":
            raise RefusalError(f"a spectrum over {measured.unit} is no Raman spectrum: give Raman shifts in 1/cm")
        if measured.laser_ev is None:
            raise RefusalError("the energy of the laser is unknown, and resonance depends on it: give laser_ev")
        return self.apply(measured.intensity[None], measured.x, measured.laser_ev, measured.environment)


class AbsorptionPipeline(Steps):
    """The steps for absorption spectra; all but the scale are linear, so that mixtures stay sums.

    Attributes:
        kind: "absorption".
        start_ev: first photon energy of the grid, eV.
        stop_ev: last photon energy of the grid, eV.
        points: number of points of the grid.
    """

    kind: Literal["absorption"] = "absorption"
    start_ev: float = Field(default=0.8, gt=0.1, le=10.0)
    stop_ev: float = Field(default=3.0, gt=0.1, le=10.0)
    points: int = Field(default=512, ge=64, le=16384)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.stop_ev <= self.start_ev + 0.5:
            raise ValueError(f"stop_ev={self.stop_ev} must be larger than start_ev={self.start_ev} by 0.5 or more")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (1, points) of one input of the network."""
        return 1, self.points

    @property
    def axes(self) -> tuple[tuple[str, FloatArray], ...]:
        """The photon energies."""
        return (("photon energy, eV", np.linspace(self.start_ev, self.stop_ev, self.points)),)

    def sharp(self, absorbances: FloatArray, energies_ev: FloatArray) -> FloatArray:
        """Return (B, points) of (B, X) spectra without what varies slowly; linear.

        Raises:
            RefusalError: if the grid does not cover that of the network, or is too coarse.
        """
        from scipy.ndimage import gaussian_filter1d

        check_grid(energies_ev, self.start_ev, self.stop_ev, COARSEST_EV, "eV")
        grid = self.axes[0][1]
        values = rebinned(absorbances, energies_ev, grid)
        return np.asarray(values - gaussian_filter1d(values, SMOOTH_EV / (grid[1] - grid[0]), axis=1, mode="nearest"))

    def apply(self, absorbances: FloatArray, energies_ev: FloatArray) -> Float32Array:
        """Return (B, 1, points) inputs, of mean square 1, of (B, X) spectra on one grid; see `sharp`."""
        sharp = self.sharp(absorbances, energies_ev)
        scale = np.sqrt(np.square(sharp).mean(axis=1, keepdims=True))
        return np.asarray(sharp / np.where(scale > 0.0, scale, 1.0), dtype=np.float32)[:, None]

    def of(self, measured: Spectrum) -> Float32Array:
        """Return the (1, 1, points) input of one spectrum.

        Raises:
            RefusalError: if it is no absorption spectrum, or does not fit.
        """
        if not isinstance(measured, Spectrum):
            raise RefusalError(f"a {type(measured).__name__.lower()} is no absorption spectrum: give nm or eV")
        if measured.unit == "1/cm":
            raise RefusalError("a spectrum over 1/cm is no absorption spectrum: give wavelengths, nm, or energies, eV")
        energies, absorbances = measured.x, measured.intensity
        if measured.unit == "nm":
            energies, absorbances = NM_EV / energies[::-1], absorbances[::-1]
        return self.apply(absorbances[None], energies)
