"""Files of instruments: micrographs and diffraction patterns of microscopes, powder patterns, and spectra."""

from matgym.characterization.files.curves import read_pattern, read_spectrum
from matgym.characterization.files.images import read_micrograph
from matgym.characterization.files.records import Environment, Micrograph, Pattern, Source, Spectrum, SpectrumUnit

__all__ = [
    "Environment",
    "Micrograph",
    "Pattern",
    "Source",
    "Spectrum",
    "SpectrumUnit",
    "read_micrograph",
    "read_pattern",
    "read_spectrum",
]
