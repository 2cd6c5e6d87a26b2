"""Surrogates: learned stand-ins for an oracle, fitted, calibrated, stored, and audited."""

from matgym.surrogates.audit import Audit, audit
from matgym.surrogates.cnn import CnnSurrogate
from matgym.surrogates.fit import FitSettings, fit
from matgym.surrogates.networks import NetworkSettings, ResidualRaster
from matgym.surrogates.predictor import Predictor, as_predictor
from matgym.surrogates.store import Card, load, load_card, save

__all__ = [
    "Audit",
    "Card",
    "CnnSurrogate",
    "FitSettings",
    "NetworkSettings",
    "Predictor",
    "ResidualRaster",
    "as_predictor",
    "audit",
    "fit",
    "load",
    "load_card",
    "save",
]
