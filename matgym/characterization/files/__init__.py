"""Files of instruments: images and diffraction patterns, powder patterns, spectra, scattering curves, and crystals."""

from matgym.characterization.files.crystals import read_crystal
from matgym.characterization.files.curves import read_pattern, read_scattering, read_spectrum
from matgym.characterization.files.images import read_micrograph
from matgym.characterization.files.records import (
    Environment,
    Measured,
    Micrograph,
    Pattern,
    Scattering,
    ScatteringUnit,
    Source,
    Spectrum,
    SpectrumUnit,
    Structure,
)

__all__ = [
    "Environment",
    "Measured",
    "Micrograph",
    "Pattern",
    "Scattering",
    "ScatteringUnit",
    "Source",
    "Spectrum",
    "SpectrumUnit",
    "Structure",
    "read_crystal",
    "read_micrograph",
    "read_pattern",
    "read_scattering",
    "read_spectrum",
]
