"""One face for everything that can reward a design: ours, yours, or physics.

A task asks for one number a tube, for a batch of tubes of one lattice. Whatever is given — a surrogate, an
oracle, a torch module, a function — becomes that here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, PropertyError
from matgym.oracles import Fidelity, Oracle
from matgym.structures import Nanotube, TubeLattice, tubes_on
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import FloatArray, SpeciesArray

Kind: TypeAlias = Literal["surrogate", "oracle"]


@dataclass(frozen=True)
class Predictor:
    """One property of a batch of tubes.

    Attributes:
        predict: (lattice, (B, n_sites) species) to (B,) values; NaN where it failed.
        kind: under which heading the ledger counts its evaluations.
        name: for records.
    """

    predict: Callable[[TubeLattice, SpeciesArray], FloatArray]
    kind: Kind
    name: str


def as_predictor(source: Any, key: str) -> Predictor:
    """Make a predictor of anything that knows a property.

    Args:
        source: one of
            - the name of a shipped surrogate, or the path of a stored one;
            - a surrogate or an oracle (anything with `provides`, `fidelity`, `cost` and `evaluate`);
            - a torch module from (B, channels, H, W) rasters to (B,) or (B, 1) values
              (see `matgym.surrogates.raster.encode`);
            - a function from a list of tubes to that many values.
        key: the property wanted, such as "gap_ev".

    Raises:
        PropertyError: if the source does not provide the property.
        ConfigurationError: if it is none of these.
    """
    import torch

    if isinstance(source, Predictor):
        return source
    if isinstance(source, str):
        from matgym.surrogates.store import load

        source = load(source)
    if isinstance(source, NetworkSurrogate):
        column = _column(source, key)
        surrogate = source
        return Predictor(lambda lat, species: surrogate.predict(lat, species)[:, column], "surrogate", "cnn")
    if isinstance(source, torch.nn.Module):
        return Predictor(_module_predictor(source), "surrogate", type(source).__name__)
    if isinstance(source, Oracle):
        _column(source, key)
        oracle = source
        kind: Kind = "surrogate" if source.fidelity == Fidelity.SURROGATE else "oracle"
        return Predictor(lambda lat, species: oracle.evaluate(tubes_on(lat, species))[key], kind, type(source).__name__)
    if callable(source):
        return Predictor(_function_predictor(source), "surrogate", getattr(source, "__name__", "function"))
    raise ConfigurationError(
        f"{source!r} cannot reward a design: give a surrogate's name, a surrogate, an oracle, a torch module, "
        "or a function of a list of tubes"
    )


def _column(source: Oracle, key: str) -> int:
    keys = [prop.key for prop in source.provides]
    if key not in keys:
        raise PropertyError(f"{type(source).__name__} does not provide {key!r}; it provides {', '.join(keys)}")
    return keys.index(key)


def _module_predictor(module: Any) -> Callable[[TubeLattice, SpeciesArray], FloatArray]:
    import torch

    from matgym.surrogates.raster import encode

    def predict(lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        was_training = module.training
        module.eval()
        with torch.inference_mode():
            values = module(torch.from_numpy(encode(lattice, species))).numpy()
        module.train(was_training)
        return _checked(values, len(species), type(module).__name__)

    return predict


def _function_predictor(
    function: Callable[[Sequence[Nanotube]], Any],
) -> Callable[[TubeLattice, SpeciesArray], FloatArray]:
    def predict(lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        return _checked(function(tubes_on(lattice, species)), len(species), getattr(function, "__name__", "function"))

    return predict


def _checked(values: Any, count: int, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise ConfigurationError(f"{name} gave values of shape {array.shape} for {count} tubes: it must be ({count},)")
    return array
