"""Files of instruments: images and diffraction patterns of microscopes, powder patterns, spectra, scattering curves."""

from matgym.characterization.files.curves import read_pattern, read_scattering, read_spectrum
from matgym.characterization.files.images import read_micrograph
from matgym.characterization.files.records import (
    Environment,
    Micrograph,
    Pattern,
    Scattering,
    ScatteringUnit,
    Source,
    Spectrum,
    SpectrumUnit,
)

__all__ = [
    "Environment",
    "Micrograph",
    "Pattern",
    "Scattering",
    "ScatteringUnit",
    "Source",
    "Spectrum",
    "SpectrumUnit",
    "read_micrograph",
    "read_pattern",
    "read_scattering",
    "read_spectrum",
]
