"""What instruments show of tubes and crystals: forward models, files, and networks that recognise.

Forward models are batched and deterministic. Noise comes from a generator that is passed to `Detector.expose`,
`Camera.expose` or `count_photons`. `characterize` says what a file shows. `docs/characterization.md` describes
formulas, limits and accuracy.
"""

from matgym.characterization.answers import Characterization, characterize
from matgym.characterization.defect_maps import DefectMap
from matgym.characterization.diffraction import Detector, Exposure, atom_patterns, tube_patterns
from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.files import (
    Micrograph,
    Pattern,
    Scattering,
    Spectrum,
    Structure,
    read_crystal,
    read_micrograph,
    read_pattern,
    read_scattering,
    read_spectrum,
)
from matgym.characterization.imaging import Camera, Lens, hrtem
from matgym.characterization.noise import count_photons
from matgym.characterization.optical import Photometer, absorption_spectra, emission_maps
from matgym.characterization.poses import Poses
from matgym.characterization.powder import Diffractometer, Powder, powder_patterns
from matgym.characterization.raman import Spectrometer, defect_distance_nm, raman_spectra
from matgym.characterization.scanning import DarkField, stem
from matgym.characterization.virtual import virtual_microscope
from matgym.structures.crystals import Crystal

__all__ = [
    "Camera",
    "Characterization",
    "Crystal",
    "DarkField",
    "DefectMap",
    "Detector",
    "Diffractometer",
    "ElectronBeam",
    "Exposure",
    "Lens",
    "Micrograph",
    "Pattern",
    "Photometer",
    "Poses",
    "Powder",
    "Scattering",
    "Spectrometer",
    "Spectrum",
    "Structure",
    "absorption_spectra",
    "atom_patterns",
    "characterize",
    "count_photons",
    "defect_distance_nm",
    "emission_maps",
    "hrtem",
    "powder_patterns",
    "raman_spectra",
    "read_crystal",
    "read_micrograph",
    "read_pattern",
    "read_scattering",
    "read_spectrum",
    "stem",
    "tube_patterns",
    "virtual_microscope",
]
