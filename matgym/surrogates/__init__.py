"""Surrogate models: fitting, calibration, storage and verification; and adapters to users' own models."""

from importlib import import_module
from typing import Any, Final

_HOMES: Final = {
    "adapters": ("AseModel", "FunctionModel", "KerasModel", "OnnxModel", "PipelineModel", "SklearnModel", "TorchModel"),
    "fitting": ("FitConfig", "fit"),
    "learned": ("NetworkSurrogate",),
    "networks": ("NETWORKS", "RasterNetwork"),
    "own.fitting": ("fit_own",),
    "own.result": ("OwnFit",),
    "sources": ("as_model",),
    "store": ("SurrogateCard", "load", "load_card", "save", "shipped"),
    "training": ("Verification", "verify"),
}

__all__ = [name for names in _HOMES.values() for name in names]  # all are strings


def __getattr__(name: str) -> Any:
    # Importing torch takes seconds, so modules are imported at the first use of their names.
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"matgym.surrogates.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
