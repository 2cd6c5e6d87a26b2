"""Surrogates: learned stand-ins for an oracle, fitted, calibrated, stored, and audited."""

from matgym.surrogates.audit import Audit, audit
from matgym.surrogates.belief import Belief
from matgym.surrogates.config import FitConfig
from matgym.surrogates.fit import fit
from matgym.surrogates.learned import NetworkSurrogate
from matgym.surrogates.networks import NETWORKS, RasterNetwork
from matgym.surrogates.predictor import Predictor, as_predictor
from matgym.surrogates.store import SurrogateCard, load, load_card, save, shipped

__all__ = [
    "NETWORKS",
    "Audit",
    "Belief",
    "FitConfig",
    "NetworkSurrogate",
    "Predictor",
    "RasterNetwork",
    "SurrogateCard",
    "as_predictor",
    "audit",
    "fit",
    "load",
    "load_card",
    "save",
    "shipped",
]
