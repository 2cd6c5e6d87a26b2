"""Files of instruments: micrographs and diffraction patterns of microscopes, powder patterns, and spectra."""

from matgym.characterization.files.curves import read_pattern, read_spectrum
from matgym.characterization.files.images import read_micrograph
from matgym.characterization.files.records import Micrograph, Pattern, Source, Spectrum

__all__ = ["Micrograph", "Pattern", "Source", "Spectrum", "read_micrograph", "read_pattern", "read_spectrum"]
