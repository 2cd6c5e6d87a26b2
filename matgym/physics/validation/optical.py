"""Compute the published optical transitions, modes by name, and heat in tubes longer than the mean free path."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from matgym.physics.electrons.optics import OPTICAL, OpticalTransitions
from matgym.physics.phonons.boltzmann import HeatSpectrum, LongTubeHeat
from matgym.physics.phonons.named_modes import named_modes
from matgym.physics.validation.electronic import Computed
from matgym.structures import Nanotube

SAMPLED_ANGSTROM: Final = 60.0
HEATED: Final = Nanotube(5, 5)


def _transition_ev(environment: str, name: str, n: int, m: int) -> float:
    return float(OpticalTransitions(environment).predict([Nanotube(n, m)])[OPTICAL[name]][0])


@cache
def _spectrum(share_13c: float) -> HeatSpectrum:
    return LongTubeHeat(share_13c=share_13c, sampled_angstrom=SAMPLED_ANGSTROM).spectrum(HEATED)


def _exponent_of_length() -> float:
    short, long = 20.0, 100.0
    low, high = _spectrum(0.0).conductivity_w_mk(np.array([short, long]))
    return math.log(high / low) / math.log(long / short)


def _loss_by_isotopes() -> float:
    clean, mixed = _spectrum(0.0), _spectrum(0.5)
    isotopes = replace(clean, rates_ps=mixed.rates_ps - clean.rates_ps, inward_ps=mixed.inward_ps - clean.inward_ps)
    ballistic, long = isotopes.conductance_nw_k(np.array([0.0, 2500.0]))
    return 100.0 * (1.0 - float(long / ballistic))


OPTICAL_ROWS: Final[Mapping[str, Computed]] = {
    "e11_6_5_sds_ev": Computed("Relation of Weisman and Bachilo", lambda: _transition_ev("sds", "e11", 6, 5)),
    "e22_11_3_sds_ev": Computed("Relation of Araujo et al.", lambda: _transition_ev("dispersed", "e22", 11, 3)),
    "e22_13_5_air_ev": Computed(
        "Relation fitted to tubes of even n of the same atlas", lambda: _transition_ev("air", "e22", 13, 5)
    ),
    "m11_13_13_air_ev": Computed(
        "Relation fitted to tubes of even n of the same atlas", lambda: _transition_ev("air", "m11_lower", 13, 13)
    ),
    "e11_6_5_tight_binding_ev": Computed("π tight binding", lambda: _transition_ev("", "e11", 6, 5)),
    "rbm_6_5_sds_cm": Computed(
        "Free tube, with its relaxed geometry", lambda: named_modes(Nanotube(6, 5))["rbm"].frequency_cm
    ),
    "exponent_conductivity_length": Computed("(5,5) of 12C from 20 to 100 nm, full solution", _exponent_of_length),
    "isotope_loss_2500_nm_percent": Computed(
        "(5,5), half of the atoms 13C, scattering by isotopes only", _loss_by_isotopes
    ),
}
"""How each row is computed, by its key."""
