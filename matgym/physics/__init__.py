"""Physics: batches of tubes in, typed batches of properties with units out."""

from matgym.models import (
    FERMI_EV,
    GAP_EV,
    PI_FORMATION_EV,
    Cost,
    Fidelity,
    Oracle,
    Properties,
    Property,
)
from matgym.physics.cache import Cached
from matgym.physics.electrons.bands import PiElectrons
from matgym.physics.electrons.conductance import CONDUCTANCE_US, PiTransport
from matgym.physics.electrons.tight_binding import PiParameters
from matgym.physics.mechanics.elastic import POISSON_RATIO, YOUNG_GPA, Elasticity
from matgym.physics.mechanics.formation import FORMATION_EV, FormationEnergy
from matgym.physics.mechanics.lammps import REBO, REBO_FRACTURE, TERSOFF_BNC, LammpsPotential
from matgym.physics.mechanics.strength import FAILURE_STRAIN, TENSILE_STRENGTH_GPA, Strength
from matgym.physics.phonons.conductance import THERMAL_CONDUCTANCE_NW_K, PhononTransport, PristinePhonons
from matgym.physics.phonons.vibrations import HEAT_CAPACITY_J_G_K, Vibrations
from matgym.physics.registry import Conditions, evaluate, oracle_of, properties
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
    "PI_FORMATION_EV",
    "POISSON_RATIO",
    "POWER_FACTOR_PW_K2",
    "REBO",
    "REBO_FRACTURE",
    "SEEBECK_UV_K",
    "TENSILE_STRENGTH_GPA",
    "TERSOFF_BNC",
    "THERMAL_CONDUCTANCE_NW_K",
    "YOUNG_GPA",
    "ZT",
    "Cached",
    "Conditions",
    "Cost",
    "Elasticity",
    "Fidelity",
    "FormationEnergy",
    "LammpsPotential",
    "Oracle",
    "PhononTransport",
    "PiElectrons",
    "PiParameters",
    "PiTransport",
    "PristinePhonons",
    "Properties",
    "Property",
    "Strength",
    "Thermoelectric",
    "Vibrations",
    "evaluate",
    "oracle_of",
    "properties",
]
