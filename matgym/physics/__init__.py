"""Physics oracles: compute properties with units for batches of tubes."""

from matgym.models import Cost, Level, Model, Predictions, Property
from matgym.physics.cache import Cached
from matgym.physics.electrons.bands import FERMI_EV, GAP_EV, PI_FORMATION_EV, PiElectrons, PiFormation
from matgym.physics.electrons.bias import Bias, Response
from matgym.physics.electrons.conductance import CONDUCTANCE_US, PiTransport
from matgym.physics.electrons.optics import OPTICAL, OpticalTransitions
from matgym.physics.electrons.self_consistent import SelfConsistentElectrons
from matgym.physics.electrons.self_consistent_transport import SelfConsistentTransport
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.physics.mechanics.elastic import POISSON_RATIO, YOUNG_GPA, Elasticity
from matgym.physics.mechanics.formation import FORMATION_EV, FormationEnergy
from matgym.physics.mechanics.lammps import REBO, REBO_FRACTURE, TERSOFF_BNC, LammpsPotential
from matgym.physics.mechanics.strength import FAILURE_STRAIN, TENSILE_STRENGTH_GPA, Strength
from matgym.physics.phonons.boltzmann import THERMAL_CONDUCTIVITY_W_MK, LongTubeHeat
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PhononTransport, PristinePhonons
from matgym.physics.phonons.named_modes import RAMAN, RamanModes
from matgym.physics.phonons.vibrations import HEAT_CAPACITY_J_G_K, Vibrations
from matgym.physics.registry import (
    PROPERTIES,
    Conditions,
    oracle_of,
    parse_properties,
    predict,
    predict_in_parallel,
)
from matgym.physics.thermoelectric import (
    ELECTRON_HEAT_NW_K,
    MU_EV,
    POWER_FACTOR_PW_K2,
    SEEBECK_UV_K,
    ZT,
    Thermoelectric,
)

__all__ = [
    "CONDUCTANCE_US",
    "ELECTRON_HEAT_NW_K",
    "FAILURE_STRAIN",
    "FERMI_EV",
    "FORMATION_EV",
    "GAP_EV",
    "HEAT_CAPACITY_J_G_K",
    "MU_EV",
    "OPTICAL",
    "PI_FORMATION_EV",
    "POISSON_RATIO",
    "POWER_FACTOR_PW_K2",
    "PROPERTIES",
    "RAMAN",
    "REBO",
    "REBO_FRACTURE",
    "SEEBECK_UV_K",
    "TENSILE_STRENGTH_GPA",
    "TERSOFF_BNC",
    "THERMAL_CONDUCTANCE_NW_K",
    "THERMAL_CONDUCTIVITY_W_MK",
    "YOUNG_GPA",
    "ZT",
    "Bias",
    "Cached",
    "Conditions",
    "Cost",
    "Elasticity",
    "FormationEnergy",
    "LammpsPotential",
    "Level",
    "LongTubeHeat",
    "Model",
    "OpticalTransitions",
    "PhononTransport",
    "PiElectrons",
    "PiFormation",
    "PiParameters",
    "PiTransport",
    "Predictions",
    "PristinePhonons",
    "Property",
    "RamanModes",
    "Response",
    "SelfConsistentElectrons",
    "SelfConsistentTransport",
    "Strength",
    "Thermoelectric",
    "Vibrations",
    "oracle_of",
    "parse_properties",
    "predict",
    "predict_in_parallel",
]
