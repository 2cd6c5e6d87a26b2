"""Surrogates of properties of crystals, trained on tables that `matgym data fetch` wrote."""

from matgym.surrogates.crystals.fitting import CrystalResult, fit_crystals
from matgym.surrogates.crystals.models import CrystalFit
from matgym.surrogates.crystals.store import holds_crystals, load, load_card
from matgym.surrogates.crystals.surrogate import CrystalPredictions, CrystalSurrogate
from matgym.surrogates.crystals.table import CrystalTable, table_of

__all__ = [
    "CrystalFit",
    "CrystalPredictions",
    "CrystalResult",
    "CrystalSurrogate",
    "CrystalTable",
    "fit_crystals",
    "holds_crystals",
    "load",
    "load_card",
    "table_of",
]
