"""What instruments show of tubes and crystals: forward models of images, diffraction patterns and spectra.

All are batched and deterministic. Noise comes from a generator that is passed to `Detector.expose`, `Camera.expose` or
`count_photons`. `docs/characterization.md` describes formulas, limits and accuracy.
"""

from matgym.characterization.crystals import Crystal
from matgym.characterization.diffraction import Detector, Exposure, atom_patterns, tube_patterns
from matgym.characterization.electrons import ElectronBeam
from matgym.characterization.imaging import Camera, Lens, hrtem
from matgym.characterization.noise import count_photons
from matgym.characterization.optical import Photometer, absorption_spectra, emission_maps
from matgym.characterization.poses import Poses
from matgym.characterization.powder import Diffractometer, Powder, powder_patterns
from matgym.characterization.raman import Spectrometer, defect_distance_nm, raman_spectra
from matgym.characterization.scanning import DarkField, stem

__all__ = [
    "Camera",
    "Crystal",
    "DarkField",
    "Detector",
    "Diffractometer",
    "ElectronBeam",
    "Exposure",
    "Lens",
    "Photometer",
    "Poses",
    "Powder",
    "Spectrometer",
    "absorption_spectra",
    "atom_patterns",
    "count_photons",
    "defect_distance_nm",
    "emission_maps",
    "hrtem",
    "powder_patterns",
    "raman_spectra",
    "stem",
    "tube_patterns",
]
