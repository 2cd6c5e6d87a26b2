"""`as_model`: a model for any object that predicts a property, by one of the adapters."""

import sys
from functools import lru_cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final

from matgym.errors import ConfigurationError, WeightsError
from matgym.models import Model, Property
from matgym.physics.registry import judge_of, oracle_of
from matgym.surrogates.adapters import (
    AseModel,
    FunctionModel,
    KerasModel,
    OnnxModel,
    PipelineModel,
    SklearnModel,
    TorchModel,
    as_property,
)

_BY_LEVEL: Final = "oracle:"

_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".zip"}


def as_model(source: Any, prop: Property | str) -> Model[Any]:  # noqa: PLR0911  # a list of cases
    """Return a model for any object that predicts a property.

    Args:
        source: one of
            - a model: an oracle, a surrogate, an adapter;
            - "oracle": the property's oracle that verifies it if none is named; "oracle:scc-pi" and the like: that of
              another level, see `matgym.physics.registry.levels_of`;
            - the name of a shipped surrogate or of a property that a shipped surrogate predicts, or the path of a
              stored surrogate;
            - the path of an ONNX file: see `OnnxModel`;
            - a torch module, see `TorchModel`; a Keras model, see `KerasModel`; a fitted regressor, see `SklearnModel`;
            - a pipeline of Hugging Face's transformers, see `PipelineModel`;
            - an ASE calculator, see `AseModel`; a function of a sequence of tubes, see `FunctionModel`: these compute
              a property of their own;
            - a callable without arguments that returns one of these: a class, a function, a
              `matgym.physics.mechanics.lammps.LammpsPotential`.
        prop: the property to predict, such as "gap_ev".

    Raises:
        WeightsError: if there are no weights at a path.
        ConfigurationError: if `source` is none of these, or a regressor was fitted on other features.
        PropertyError: if no oracle computes the property, or none by that level.
    """
    prop = as_property(prop)
    if isinstance(source, Model):
        return source
    if isinstance(source, str | Path):
        return _from_name(source, prop)
    if _makes_a_source(source):
        return as_model(source(), prop)
    torch, keras = (sys.modules.get(name) for name in ("torch", "keras"))  # imported if `source` is theirs
    if keras is not None and isinstance(source, keras.layers.Layer):  # with its torch backend, it is a module as well
        return KerasModel(source, prop)
    if torch is not None and isinstance(source, torch.nn.Module):
        return TorchModel(source, prop)
    if all(hasattr(source, step) for step in ("preprocess", "forward", "postprocess")):
        return PipelineModel(source, prop)
    if hasattr(source, "predict") and (hasattr(source, "fit") or hasattr(source, "n_features_in_")):
        return SklearnModel(source, prop)
    if hasattr(source, "get_potential_energy") and hasattr(source, "calculate"):
        return AseModel(source)
    if callable(source):
        return FunctionModel(source)
    raise ConfigurationError(
        f"{source!r} is not a model: give a surrogate's name, a model, a torch or Keras module, a fitted "
        "scikit-learn regressor, an ONNX file, a pipeline of transformers, an ASE calculator, or a function of a list "
        "of tubes"
    )


def _from_name(source: str | Path, prop: Property) -> Model[Any]:
    if source == "oracle":
        return judge_of(prop.key)
    if isinstance(source, str) and source.startswith(_BY_LEVEL):
        return oracle_of(prop.key, level=source.removeprefix(_BY_LEVEL))
    suffix = Path(source).suffix.lower()
    if suffix in _PICKLES:
        raise WeightsError(
            f"{source} may run code when it is read, as pickles do: load it yourself if you trust it and pass the "
            "object, or store weights as .safetensors or .onnx"
        )
    if suffix == ".onnx":
        return OnnxModel(source, prop)
    from matgym.surrogates.store import located

    file = located(source)
    return _stored(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _stored(file: Path, _changed: int) -> Model[Any]:
    """Load a stored surrogate once; all environments share the object, since none of them trains it."""
    from matgym.surrogates.store import load

    return load(file)


def _makes_a_source(source: Any) -> bool:
    """Return whether an object is a class that needs no argument, or another callable that takes no argument."""
    if not callable(source):
        return False
    try:
        parameters = signature(source).parameters.values()
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False
    named = [p for p in parameters if p.kind is not Parameter.VAR_KEYWORD]
    if isinstance(source, type):
        return all(p.default is not Parameter.empty or p.kind is Parameter.VAR_POSITIONAL for p in named)
    return not named
