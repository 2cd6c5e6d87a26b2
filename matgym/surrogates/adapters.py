"""Users' own models with the face of a model: each kind is a small class, and `as_model` chooses one.

A network or a regressor predicts the property that it is given for; a function or an ASE calculator computes a property
of its own, unless it is told which. So nothing is verified by an oracle of another property.
"""

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from inspect import Parameter, signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError, MissingExtraError, PropertyError, WeightsError
from matgym.models import Level, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY, oracle_of
from matgym.structures import TubeBatch, TubeLattice, tube_lattice
from matgym.surrogates.answers import asked, numbers, predicted
from matgym.surrogates.domain import SEEN_SPECIES, outside_space, visible
from matgym.typing import Float32Array, FloatArray, SpeciesArray

if TYPE_CHECKING:
    import torch

ENERGY_EV: Final = Property("energy_ev", "eV", "potential energy of the tube as it stands, not relaxed", extensive=True)

_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".zip"}


WhichProperties: TypeAlias = Property | str | Sequence[Property | str]
"""A property, by its key or as it is; or several, which a model gives in the columns of its answer."""

Featurizer: TypeAlias = Callable[[TubeLattice, SpeciesArray], FloatArray]
"""(B, n_sites) species on a lattice to (B, F) features, such as `matgym.surrogates.descriptors.pairs`."""

_ONNX_TYPES: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def as_property(prop: Property | str) -> Property:
    """A property from its key; one of the user's own, a pure number, where no oracle computes it."""
    return prop if isinstance(prop, Property) else PROPERTIES_BY_KEY.get(prop) or Property(prop)


class Adapter(Model[Any]):
    """A user's model of one property, or of several.

    Attributes:
        source: the user's object.
    """

    properties: tuple[Property, ...] = ()

    def __init__(self, source: Any, property: WhichProperties) -> None:  # noqa: A002  # the field's word
        """Wrap an object that predicts properties, given by keys such as "gap_ev" or as `Property`."""
        several = () if isinstance(property, Property | str) else tuple(property)
        self.source, self.properties = source, tuple(map(as_property, several or (property,)))  # type: ignore[arg-type]

    @override
    def property_of(self, key: str) -> Property:
        if key not in self.keys:
            raise PropertyError(
                f"{self.name} does not predict {key!r}; it predicts {', '.join(self.keys)}: where it is {key}, wrap it "
                f'as {type(self).__name__}(model, "{key}")'
            )
        return self.properties[self.keys.index(key)]

    @property
    @override
    def name(self) -> str:
        return getattr(self.source, "__name__", type(self.source).__name__)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {', '.join(map(repr, self.keys))})"

    def _numbers(self, count: int, ask: Callable[[], Any]) -> FloatArray:
        """(B, k) numbers that the user's code gives when it is asked about B designs; see `answers.numbers`."""
        return numbers(asked(self.name, f"{count} designs", ask), count, self.name, self.keys)


class FunctionModel(Adapter):
    """A function of a sequence of tubes, or of whatever the design space decodes to, to that many values.

    It may give a list, an array, a tensor or a series of any precision and on any device; a mapping or a table by
    property; or an object with `logits` or `prediction`.
    """

    level = Level.SURROGATE

    def __init__(
        self,
        source: Callable[[Any], Any],
        property: WhichProperties | None = None,  # noqa: A002  # the field's word
        level: Level = Level.SURROGATE,
    ) -> None:
        """Wrap a function, which gives NaN where there is no value; its property has its own name by default."""
        own = getattr(source, "__name__", "value")
        super().__init__(source, property or (own if own.isidentifier() else "value"))
        self.level = level

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) values of the function; what is not finite is a failure."""
        return predicted(self._numbers(len(batch), lambda: self.source(batch)), self.keys, self.name)


class AseModel(Adapter):
    """An ASE calculator: the potential energy of the unrelaxed tube, eV."""

    level = Level.CALCULATOR

    def __init__(self, source: Any, property: Property | str = ENERGY_EV) -> None:  # noqa: A002
        """Wrap a calculator, whose energy stands for the property."""
        super().__init__(source, property)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) energies, one tube after the other; a calculation that does not converge is a failure of its tube."""
        from ase.calculators.calculator import CalculationFailed

        from matgym.structures.io.convert import to_atoms

        energies, failures = np.full((len(batch), 1), np.nan), {}
        for row, tube in enumerate(batch):
            atoms = to_atoms(tube)
            atoms.calc = self.source
            try:
                energy = asked(self.name, str(tube), atoms.get_potential_energy, passing=(CalculationFailed,))
            except CalculationFailed as error:
                failures[row] = f"{self.name} failed on {tube}: {error}"
            else:
                energies[row] = numbers([energy], 1, self.name)
        return predicted(energies, self.keys, self.name, failures=failures)


class _SiteModel(Adapter):
    """A model that sees what each site of an undeformed tube holds, by lattice."""

    @override
    def unsupported(self, space: Space) -> str:
        return outside_space(space, SEEN_SPECIES)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) values; tubes that are deformed or reconstructed, and unknown species, are failures."""
        tubes = TubeBatch.of(batch)
        values, sd = np.full((2, len(tubes), len(self.keys)), np.nan)
        failures, groups = visible(tubes, SEEN_SPECIES)
        for lattice, rows, species, _ in groups:
            values[rows], sd[rows] = self._values(lattice, species)
        return predicted(values, self.keys, self.name, None if np.isnan(sd).all() else sd, failures)

    @abstractmethod
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, FloatArray | float]:
        """(b, k) values of tubes of one lattice, and their standard deviations, NaN where it knows none."""


class TorchModel(_SiteModel):
    """A torch module from (B, channels, H, W) rasters (see `matgym.surrogates.raster.encode`) to values.

    Rasters come on the device and in the precision of the module's first parameter. It gives (B,), (B, 1) or, of
    k properties, (B, k); or a tuple, a mapping or an object that holds them: see `matgym.surrogates.answers.numbers`.
    It is asked in evaluation mode and without gradients, and left in the mode that it was in.
    """

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        import torch

        from matgym.surrogates.raster import encode

        raster = torch.from_numpy(encode(lattice, species))
        weight = _first_weight(self.source)
        if weight is not None:
            raster = raster.to(weight.device, weight.dtype)
        # No inference mode: what a module keeps, such as a cache, would be of no use to its training afterwards.
        with _evaluating(self.source), torch.no_grad():
            return self._numbers(len(species), lambda: self.source(raster)), np.nan


def _first_weight(module: "torch.nn.Module") -> "torch.Tensor | None":
    """The first parameter or buffer of floating point; None where there is none."""
    weights = chain(module.parameters(), module.buffers())
    return next((weight for weight in weights if weight.is_floating_point()), None)


@contextmanager
def _evaluating(module: "torch.nn.Module") -> Iterator[None]:
    """Put a module into evaluation mode, and each of its parts back into the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    trained = any(training for _, training in modes)
    if trained:
        module.eval()
    try:
        yield
    finally:
        if trained:
            module.train(modes[0][1])
            for part, training in modes:
                part.training = training


class KerasModel(_SiteModel):
    """A Keras 3 model of any backend, by the shape of its input: rasters, or features like a regressor's.

    An input of four axes gets rasters as `TorchModel` does, with the channels where the model has as many (last, as
    Keras has them, where that does not tell); one of two axes the features that `SklearnModel` would choose.
    """

    def __init__(self, source: Any, property: WhichProperties) -> None:  # noqa: A002
        """Wrap a model that is built.

        Raises:
            ConfigurationError: if it is not built, or takes neither rasters nor known features.
        """
        super().__init__(source, property)
        shape = getattr(source, "input_shape", None) if getattr(source, "built", False) else None
        if not isinstance(shape, tuple) or len(shape) not in (2, 4):
            raise ConfigurationError(
                f"{self.name} takes input of shape {shape}: it must be a built model of one input, rasters (B, H, W, "
                "channels) or features (B, F)"
            )
        self._features = features_of(shape[1], self.name) if len(shape) == 2 else None
        self._channels_first = len(shape) == 4 and shape[1] == 2 * len(SEEN_SPECIES) != shape[3]

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        from matgym.surrogates.raster import encode

        if self._features is not None:
            given: FloatArray | Float32Array = self._features(lattice, species)
        else:
            raster = encode(lattice, species)
            given = raster if self._channels_first else np.ascontiguousarray(np.moveaxis(raster, 1, -1))
        return self._numbers(len(species), lambda: self.source(given, training=False)), np.nan


class OnnxModel(_SiteModel):
    """A user's own ONNX file, from rasters to values.

    The file has one input, (B, channels, H, W) of any floating point as `matgym.surrogates.raster.encode` gives it with
    its default species, and as its first output (B,), (B, 1) or (B, k) values, with B left open at export.
    """

    def __init__(self, source: Path | str, property: WhichProperties) -> None:  # noqa: A002
        """Read the file.

        Raises:
            WeightsError: if it is missing or damaged.
            ConfigurationError: if it takes anything else than one raster.
            MissingExtraError: if onnxruntime is not installed.
        """
        from matgym.surrogates.engines import onnx_session

        super().__init__(Path(source), property)
        if not self.source.is_file():
            raise WeightsError(f"there is no ONNX file {str(source)!r}: give the path of one that exists")
        try:
            self._session = onnx_session(str(self.source), threads=1)
        except MissingExtraError:
            raise
        except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no common base
            raise WeightsError(f"{self.source} is no ONNX file that onnxruntime can read: {error}") from None
        inputs = [(given.name, given.type, given.shape) for given in self._session.get_inputs()]
        if len(inputs) != 1 or inputs[0][1] not in _ONNX_TYPES or len(inputs[0][2]) != 4:
            found = ", ".join(f"{name}: {kind} {shape}" for name, kind, shape in inputs)
            raise ConfigurationError(
                f"{self.source} takes {found or 'nothing'}: it must take one tensor(float) of shape (B, channels, H, W)"
            )
        self._input, kind, self._shape = inputs[0]
        self._dtype = _ONNX_TYPES[kind]

    @property
    @override
    def name(self) -> str:
        return str(self.source)

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        from matgym.surrogates.raster import encode

        return self.run(encode(lattice, species)), np.nan

    def run(self, raster: Float32Array) -> FloatArray:
        """(B, channels, H, W) rasters to (B, k) values.

        Raises:
            ConfigurationError: if the file is for rasters of another shape, or gives anything else than a value each.
        """
        fixed = zip(self._shape, raster.shape, strict=False)
        if raster.ndim != 4 or any(isinstance(size, int) and size != given for size, given in fixed):
            raise ConfigurationError(
                f"{self.source} takes rasters of shape {tuple(self._shape)}, not {raster.shape}: export it with the "
                "batch, and for tubes of any size the height and width, left open"
            )
        given = {self._input: np.ascontiguousarray(raster, self._dtype)}
        return self._numbers(len(raster), lambda: self._session.run(None, given)[0])


class SklearnModel(_SiteModel):
    """A fitted regressor: scikit-learn's, a pipeline, or anything with `predict` and scikit-learn's face.

    One whose `predict` takes `return_std`, such as a Gaussian process, gives its uncertainty, too.
    """

    def __init__(
        self,
        source: Any,
        property: WhichProperties,  # noqa: A002
        features: Featurizer | None = None,
    ) -> None:
        """Wrap a regressor.

        Args:
            source: the regressor.
            property: that it predicts.
            features: that it was fitted on; by default `composition` or `pairs` of `matgym.surrogates.descriptors`,
                whichever has as many as its `n_features_in_`.

        Raises:
            ConfigurationError: if it is not fitted, or was fitted on other features.
        """
        super().__init__(source, property)
        self._features = features or features_of(getattr(source, "n_features_in_", None), self.name)
        steps = getattr(source, "steps", None)  # a pipeline hands on what its last step understands
        try:
            self._with_sd = "return_std" in signature((steps[-1][1] if steps else source).predict).parameters
        except (TypeError, ValueError):  # some that are written in C do not tell
            self._with_sd = False

    @property
    @override
    def is_uncertain(self) -> bool:
        return self._with_sd

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, FloatArray | float]:
        features, count = self._features(lattice, species), len(species)
        if not self._with_sd:
            return self._numbers(count, lambda: self.source.predict(features)), np.nan
        answer = asked(self.name, f"{count} designs", lambda: self.source.predict(features, return_std=True))
        values, sd = (numbers(part, count, self.name, self.keys) for part in answer)
        return values, sd


def as_model(source: Any, prop: Property | str) -> Model[Any]:  # noqa: PLR0911  # a list of cases
    """Make a model of anything that predicts a property.

    Args:
        source: one of
            - a model: physics, a surrogate, an adapter;
            - "oracle": physics, with its default settings;
            - the name of a shipped surrogate or of a property that one predicts, or the path of a stored one;
            - the path of an ONNX file: see `OnnxModel`;
            - a torch module, see `TorchModel`; a Keras model, see `KerasModel`; a fitted regressor, see `SklearnModel`;
            - an ASE calculator, see `AseModel`; a function of a sequence of tubes, see `FunctionModel`: these compute
              a property of their own;
            - what makes one of these without an argument: a class, a function, a
              `matgym.physics.mechanics.lammps.LammpsPotential`.
        prop: the property wanted, such as "gap_ev".

    Raises:
        WeightsError: if a path is none of weights.
        ConfigurationError: if it is none of these, or a regressor was fitted on other features.
    """
    prop = as_property(prop)
    if isinstance(source, Model):
        return source
    if isinstance(source, str | Path):
        return _from_name(source, prop)
    if _makes_a_source(source):
        return as_model(source(), prop)
    torch, keras = (sys.modules.get(name) for name in ("torch", "keras"))  # whoever gives a module has imported it
    if keras is not None and isinstance(source, keras.Model):  # with its torch backend, it is a torch module as well
        return KerasModel(source, prop)
    if torch is not None and isinstance(source, torch.nn.Module):
        return TorchModel(source, prop)
    if hasattr(source, "predict") and (hasattr(source, "fit") or hasattr(source, "n_features_in_")):
        return SklearnModel(source, prop)
    if hasattr(source, "get_potential_energy") and hasattr(source, "calculate"):
        return AseModel(source)
    if callable(source):
        return FunctionModel(source)
    raise ConfigurationError(
        f"{source!r} cannot reward a design: give a surrogate's name, a model, a torch or Keras module, a fitted "
        "scikit-learn regressor, an ONNX file, an ASE calculator, or a function of a list of tubes"
    )


def _from_name(source: str | Path, prop: Property) -> Model[Any]:
    if source == "oracle":
        return oracle_of(prop.key)
    suffix = Path(source).suffix.lower()
    if suffix in _PICKLES:
        raise WeightsError(
            f"{source} may run code when it is read, as pickles do: load it yourself where you trust it and give the "
            "object, or store weights as .safetensors or .onnx"
        )
    if suffix == ".onnx":
        return OnnxModel(source, prop)
    from matgym.surrogates.store import located

    file = located(source)
    return _stored(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _stored(file: Path, _changed: int) -> Model[Any]:
    """A stored surrogate; those of many environments are one, which nobody trains on."""
    from matgym.surrogates.store import load

    return load(file)


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


def features_of(count: int | None, name: str) -> Featurizer:
    """Return the descriptor that has as many features as a model takes, which is as many for every tube.

    Raises:
        ConfigurationError: if there is none.
    """
    from matgym.surrogates.descriptors import composition, pairs

    if count is None:
        raise ConfigurationError(
            f"{name} is not fitted: fit it on matgym.surrogates.descriptors.pairs or composition, or say what it was "
            "fitted on: SklearnModel(regressor, property, features=pairs)"
        )
    lattice = tube_lattice(8, 0, 1)
    pristine = np.zeros((1, lattice.n_sites), dtype=np.uint8)
    given = {descriptor(lattice, pristine).shape[1]: descriptor for descriptor in (composition, pairs)}
    if count not in given:
        few, many = given
        raise ConfigurationError(
            f"{name} was fitted on {count} features; matgym.surrogates.descriptors.composition gives {few}, pairs "
            f"{many}: fit it on one of them, or give a function of a list of tubes that calls it"
        )
    return given[count]
