"""One face for everything that can reward a design: ours, yours, or physics.

A task asks for one number a tube and how far to trust it, for a batch of tubes of one lattice. Whatever is given — a
surrogate, an oracle, a torch module, a regressor, an ASE calculator, a function — becomes that here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.oracles import Fidelity, Oracle, oracle_of
from matgym.structures import Nanotube, TubeLattice, tubes_on
from matgym.surrogates.belief import Belief
from matgym.surrogates.learned import NetworkSurrogate
from matgym.typing import FloatArray, SpeciesArray

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

Kind: TypeAlias = Literal["surrogate", "oracle"]

_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".zip"}


@dataclass(frozen=True)
class Predictor:
    """One property of a batch of tubes.

    Attributes:
        believe: (lattice, (B, n_sites) species) to what is believed of them; NaN where it failed.
        kind: under which heading the ledger counts its evaluations.
        name: for records.
    """

    believe: Callable[[TubeLattice, SpeciesArray], Belief]
    kind: Kind
    name: str

    def predict(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B,) values alone."""
        return self.believe(lattice, species).mean


def as_predictor(source: Any, key: str) -> Predictor:  # noqa: PLR0911  # a list of cases
    """Make a predictor of anything that knows a property.

    Args:
        source: one of
            - "oracle": physics, with its default settings;
            - the name of a shipped surrogate or of a property that one predicts, or the path of a stored one;
            - the path of an ONNX file, from rasters as a torch module gets them;
            - a surrogate or an oracle (anything with `provides`, `fidelity`, `cost` and `evaluate`);
            - a torch module from (B, channels, H, W) rasters to (B,) or (B, 1) values
              (see `matgym.surrogates.raster.encode`);
            - a fitted scikit-learn regressor on `matgym.surrogates.descriptors.composition` or `pairs`; one whose
              `predict` takes `return_std`, such as a Gaussian process, gives its uncertainty, too;
            - an ASE calculator, whose potential energy of the unrelaxed tube, eV, is the value;
            - a function from a list of tubes to that many values.
        key: the property wanted, such as "gap_ev".

    Raises:
        PropertyError: if the source does not provide the property.
        WeightsError: if a path is none of weights.
        ConfigurationError: if it is none of these.
    """
    if isinstance(source, Predictor):
        return source
    if isinstance(source, str | Path):
        return _from_name(source, key)
    if isinstance(source, NetworkSurrogate):
        source.column(key)
        surrogate = source
        return Predictor(lambda lattice, species: surrogate.believe(lattice, species, key), "surrogate", source.network)
    name = type(source).__name__
    if isinstance(source, Oracle):
        keys = [prop.key for prop in source.provides]
        if key not in keys:
            raise PropertyError(f"{name} does not provide {key!r}; it provides {', '.join(keys)}")
        return Predictor(_oracle(source, key), "surrogate" if source.fidelity == Fidelity.SURROGATE else "oracle", name)
    if _is_module(source):
        return Predictor(_plain(_module(source), name), "surrogate", name)
    if hasattr(source, "predict") and hasattr(source, "fit"):
        return Predictor(_regressor(source), "surrogate", name)
    if hasattr(source, "get_potential_energy") and hasattr(source, "calculate"):
        return Predictor(_plain(_calculator(source), name), "oracle", name)
    if callable(source):
        name = getattr(source, "__name__", name)
        return Predictor(_plain(lambda lat, species: source(tubes_on(lat, species)), name), "surrogate", name)
    raise ConfigurationError(
        f"{source!r} cannot reward a design: give a surrogate's name, a surrogate, an oracle, a torch module, a fitted "
        "scikit-learn regressor, an ONNX file, an ASE calculator, or a function of a list of tubes"
    )


def certain(values: FloatArray) -> Belief:
    """What a source believes that knows nothing of its own errors: (B,) values."""
    unknown = np.full(len(values), np.nan)
    return Belief(values, unknown, unknown, unknown, values[None])


def _from_name(source: str | Path, key: str) -> Predictor:
    if source == "oracle":
        return as_predictor(oracle_of(key), key)
    suffix = Path(source).suffix.lower()
    if suffix in _PICKLES:
        raise WeightsError(
            f"{source} may run code when it is read, as pickles do: load it yourself where you trust it and give the "
            "object, or store weights as .safetensors or .onnx"
        )
    if suffix == ".onnx":
        from matgym.surrogates.engines import OnnxModule

        module = OnnxModule(Path(source))
        from matgym.surrogates.raster import encode

        return Predictor(_plain(lambda lat, species: module(encode(lat, species)), str(source)), "surrogate", "onnx")
    from matgym.surrogates.store import load

    return as_predictor(load(source), key)


def _oracle(oracle: Oracle, key: str) -> Callable[[TubeLattice, SpeciesArray], Belief]:
    def believe(lattice: TubeLattice, species: SpeciesArray) -> Belief:
        found = oracle.evaluate(tubes_on(lattice, species))
        belief = certain(found[key])
        if key not in found.uncertainty:
            return belief
        return Belief(belief.mean, found.uncertainty[key], belief.half_width, belief.distance, belief.members)

    return believe


def _plain(
    function: Callable[[TubeLattice, SpeciesArray], Any], name: str
) -> Callable[[TubeLattice, SpeciesArray], Belief]:
    return lambda lattice, species: certain(_checked(function(lattice, species), len(species), name))


def _is_module(source: Any) -> bool:
    import torch

    return isinstance(source, torch.nn.Module)


def _module(module: Any) -> Callable[[TubeLattice, SpeciesArray], Any]:
    import torch

    from matgym.surrogates.raster import encode

    def predict(lattice: TubeLattice, species: SpeciesArray) -> Any:
        was_training = module.training
        module.eval()
        with torch.inference_mode():
            values = module(torch.from_numpy(encode(lattice, species))).numpy()
        module.train(was_training)
        return values

    return predict


def _regressor(regressor: Any) -> Callable[[TubeLattice, SpeciesArray], Belief]:
    from inspect import signature

    from matgym.surrogates.descriptors import composition, pairs

    name = type(regressor).__name__
    wanted = getattr(regressor, "n_features_in_", None)
    if wanted is None:
        raise ConfigurationError(f"{name} is not fitted: fit it on matgym.surrogates.descriptors.pairs or composition")
    with_sd = "return_std" in signature(regressor.predict).parameters

    def believe(lattice: TubeLattice, species: SpeciesArray) -> Belief:
        few = composition(lattice, species)
        features = few if few.shape[1] == wanted else pairs(lattice, species)
        if features.shape[1] != wanted:
            raise ConfigurationError(
                f"{name} was fitted on {wanted} features; matgym.surrogates.descriptors.composition gives "
                f"{few.shape[1]}, pairs {features.shape[1]}"
            )
        if not with_sd:
            return certain(_checked(regressor.predict(features), len(species), name))
        values, sd = regressor.predict(features, return_std=True)
        belief = certain(_checked(values, len(species), name))
        return Belief(belief.mean, np.asarray(sd), belief.half_width, belief.distance, belief.members)

    return believe


def _calculator(calculator: "Calculator") -> Callable[[TubeLattice, SpeciesArray], Any]:
    from matgym.structures.convert import to_atoms

    def energy(tube: Nanotube) -> float:
        atoms = to_atoms(tube)
        atoms.calc = calculator
        return float(atoms.get_potential_energy())

    def predict(lattice: TubeLattice, species: SpeciesArray) -> Sequence[float]:
        return [energy(tube) for tube in tubes_on(lattice, species)]

    return predict


def _checked(values: Any, count: int, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise ConfigurationError(f"{name} gave values of shape {array.shape} for {count} tubes: it must be ({count},)")
    return array
