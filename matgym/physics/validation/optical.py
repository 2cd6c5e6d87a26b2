"""Compute the published optical transitions and modes by name."""

from collections.abc import Mapping
from typing import Final

from matgym.models import Level
from matgym.physics.electrons.optics import OPTICAL, OpticalTransitions
from matgym.physics.phonons.named_modes import named_modes
from matgym.physics.validation.rows import Computed
from matgym.structures import Nanotube

SDS: Final = "Relation of Weisman and Bachilo"
DISPERSED: Final = "Relation of Araujo et al."
AIR: Final = "Relation fitted to tubes of even n of the same atlas"
FREE: Final = "Free tube, with its relaxed geometry"


def _transition_ev(environment: str, name: str, n: int, m: int) -> float:
    return float(OpticalTransitions(environment).predict([Nanotube(n, m)])[OPTICAL[name]][0])


def _relation(settings: str, environment: str, name: str, n: int, m: int) -> Computed:
    return Computed(settings, lambda: _transition_ev(environment, name, n, m), Level.EMPIRICAL)


def _breathing(n: int, m: int) -> Computed:
    return Computed(FREE, lambda: named_modes(Nanotube(n, m))["rbm"].frequency_cm, Level.CLASSICAL)


OPTICAL_ROWS: Final[Mapping[str, Computed]] = {
    "e11_6_5_sds_ev": _relation(SDS, "sds", "e11", 6, 5),
    "e22_11_3_sds_ev": _relation(DISPERSED, "dispersed", "e22", 11, 3),
    "e22_13_5_air_ev": _relation(AIR, "air", "e22", 13, 5),
    "m11_13_13_air_ev": _relation(AIR, "air", "m11_lower", 13, 13),
    "e11_6_5_tight_binding_ev": Computed("π tight binding", lambda: _transition_ev("", "e11", 6, 5)),
    "e11_7_5_kataura_ev": _relation(SDS, "sds", "e11", 7, 5),
    "e22_8_6_kataura_ev": _relation(SDS, "sds", "e22", 8, 6),
    "e11_10_5_dispersed_ev": _relation(DISPERSED, "dispersed", "e11", 10, 5),
    "e22_9_4_dispersed_ev": _relation(DISPERSED, "dispersed", "e22", 9, 4),
    "m11_10_10_water_ev": _relation(DISPERSED, "dispersed", "m11_lower", 10, 10),
    "rbm_6_5_sds_cm": _breathing(6, 5),
    "rbm_7_5_pristine_cm": _breathing(7, 5),
    "rbm_8_6_sds_cm": _breathing(8, 6),
    "rbm_9_4_solution_cm": _breathing(9, 4),
    "rbm_10_10_substrate_cm": _breathing(10, 10),
}
"""How each row is computed, by its key."""
