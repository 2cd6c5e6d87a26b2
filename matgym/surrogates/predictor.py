"""One face for everything that can reward a design: ours, yours, or physics.

A task asks for one number a tube and how far to trust it, for a batch of tubes of one lattice. Whatever is given — a
surrogate, an oracle, a torch module, a regressor, an ASE calculator, a function — becomes that here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, PropertyError, WeightsError
from matgym.physics import Fidelity, Oracle, oracle_of
from matgym.structures import Nanotube, TubeLattice, tube_lattice, tubes_on
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


def as_predictor(source: Any, key: str) -> Predictor:  # noqa: C901, PLR0911  # a list of cases
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
            - a function from a list of tubes to that many values;
            - what makes one of these without an argument: a class, a function, a `matgym.physics.LammpsPotential`.
        key: the property wanted, such as "gap_ev". Sources that do not say what they give are taken at their word.

    Raises:
        PropertyError: if the source does not provide the property.
        WeightsError: if a path is none of weights.
        ConfigurationError: if it is none of these, or a regressor was fitted on other features.
    """
    if isinstance(source, Predictor):
        return source
    if isinstance(source, str | Path):
        return _from_name(source, key)
    if isinstance(source, NetworkSurrogate):
        source.column(key)
        surrogate = source
        return Predictor(lambda lattice, species: surrogate.believe(lattice, species, key), "surrogate", source.network)
    if _makes_a_source(source):
        return as_predictor(source(), key)
    name = type(source).__name__
    if isinstance(source, Oracle):
        keys = [prop.key for prop in source.provides]
        if key not in keys:
            raise PropertyError(f"{name} does not provide {key!r}; it provides {', '.join(keys)}")
        return Predictor(_oracle(source, key), "surrogate" if source.fidelity == Fidelity.SURROGATE else "oracle", name)
    if _is_module(source):
        return Predictor(_plain(_module(source), name), "surrogate", name)
    if hasattr(source, "predict") and (hasattr(source, "fit") or hasattr(source, "n_features_in_")):
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
        from matgym.surrogates.raster import encode

        module = OnnxModule(Path(source))
        return Predictor(_plain(lambda lat, species: module(encode(lat, species)), str(source)), "surrogate", "onnx")
    from matgym.surrogates.store import load

    return as_predictor(load(source), key)


def _oracle(oracle: Oracle, key: str) -> Callable[[TubeLattice, SpeciesArray], Belief]:
    def believe(lattice: TubeLattice, species: SpeciesArray) -> Belief:
        found = oracle.evaluate(tubes_on(lattice, species))
        belief = certain(found[key])
        return replace(belief, sd=found.uncertainty[key]) if key in found.uncertainty else belief

    return believe


def _plain(
    function: Callable[[TubeLattice, SpeciesArray], Any], name: str
) -> Callable[[TubeLattice, SpeciesArray], Belief]:
    return lambda lattice, species: certain(_checked(function(lattice, species), len(species), name))


def _makes_a_source(source: Any) -> bool:
    """Whether it is a class that needs no argument, or something else to be called that takes none."""
    if not callable(source):
        return False
    try:
        parameters = signature(source).parameters.values()
    except (TypeError, ValueError):  # some that are written in C do not tell
        return False
    named = [p for p in parameters if p.kind is not Parameter.VAR_KEYWORD]
    if isinstance(source, type):
        return all(p.default is not Parameter.empty or p.kind is Parameter.VAR_POSITIONAL for p in named)
    return not named


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
    name = type(regressor).__name__
    features = _features_of(regressor, name)
    with_sd = "return_std" in signature(regressor.predict).parameters

    def believe(lattice: TubeLattice, species: SpeciesArray) -> Belief:
        if not with_sd:
            return certain(_checked(regressor.predict(features(lattice, species)), len(species), name))
        values, sd = regressor.predict(features(lattice, species), return_std=True)
        belief = certain(_checked(values, len(species), name))
        return replace(belief, sd=_checked(sd, len(species), name))

    return believe


def _features_of(regressor: Any, name: str) -> Callable[[TubeLattice, SpeciesArray], FloatArray]:
    """The descriptor that gives as many features as the regressor was fitted on, which is as many for every tube."""
    from matgym.surrogates.descriptors import composition, pairs

    wanted = getattr(regressor, "n_features_in_", None)
    if wanted is None:
        raise ConfigurationError(f"{name} is not fitted: fit it on matgym.surrogates.descriptors.pairs or composition")
    lattice = tube_lattice(8, 0, 1)
    pristine = np.zeros((1, lattice.n_sites), dtype=np.uint8)
    given = {descriptor(lattice, pristine).shape[1]: descriptor for descriptor in (composition, pairs)}
    if wanted not in given:
        few, many = given
        raise ConfigurationError(
            f"{name} was fitted on {wanted} features; matgym.surrogates.descriptors.composition gives {few}, pairs "
            f"{many}: fit it on one of them, or give a function of a list of tubes that calls it"
        )
    return given[wanted]


def _calculator(calculator: "Calculator") -> Callable[[TubeLattice, SpeciesArray], Any]:
    from matgym.structures.io.convert import to_atoms

    def energy(tube: Nanotube) -> float:
        atoms = to_atoms(tube)
        atoms.calc = calculator
        return float(atoms.get_potential_energy())

    def predict(lattice: TubeLattice, species: SpeciesArray) -> Sequence[float]:
        return [energy(tube) for tube in tubes_on(lattice, species)]

    return predict


def _checked(values: Any, count: int, name: str) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"{name} gave {values!r:.80}, which is not a number for each of {count} tubes"
        ) from None
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise ConfigurationError(f"{name} gave values of shape {array.shape} for {count} tubes: it must be ({count},)")
    return array
