"""Users' own models with the face of a model: each kind is a small class, and `as_model` chooses one.

A network or a regressor predicts the property that it is given for; a function or an ASE calculator computes a property
of its own, unless it is told which. So nothing is verified by an oracle of another property.
"""

import sys
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Final

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError, MissingExtraError, PropertyError, WeightsError
from matgym.models import Level, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY, oracle_of
from matgym.structures import TubeBatch, TubeLattice, tube_lattice
from matgym.surrogates.domain import SEEN_SPECIES, outside_space, visible
from matgym.typing import Float32Array, FloatArray, SpeciesArray

ENERGY_EV: Final = Property("energy_ev", "eV", "potential energy of the tube as it stands, not relaxed", extensive=True)

_PICKLES: Final = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".zip"}


def as_property(prop: Property | str) -> Property:
    """A property from its key; one of the user's own, a pure number, where no oracle computes it."""
    return prop if isinstance(prop, Property) else PROPERTIES_BY_KEY.get(prop) or Property(prop)


class Adapter(Model[Any]):
    """A user's model of one property.

    Attributes:
        source: the user's object.
    """

    properties: tuple[Property, ...] = ()

    def __init__(self, source: Any, property: Property | str) -> None:  # noqa: A002  # the field's word
        """Wrap an object that predicts a property, given by a key such as "gap_ev" or as a `Property`."""
        self.source, self.properties = source, (as_property(property),)

    @override
    def property_of(self, key: str) -> Property:
        if key not in self.keys:
            raise PropertyError(
                f"{self.name} does not predict {key!r}; it predicts {self.keys[0]}: where it is {key}, wrap it "
                f'as {type(self).__name__}(model, "{key}")'
            )
        return self.properties[0]

    @property
    @override
    def name(self) -> str:
        return getattr(self.source, "__name__", type(self.source).__name__)

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.keys[0]!r})"


class FunctionModel(Adapter):
    """A function of a sequence of tubes, or of whatever the design space decodes to, to that many values."""

    level = Level.SURROGATE

    def __init__(
        self,
        source: Callable[[Any], Any],
        property: Property | str | None = None,  # noqa: A002  # the field's word
        level: Level = Level.SURROGATE,
    ) -> None:
        """Wrap a function, which gives NaN where there is no value; its property has its own name by default."""
        own = getattr(source, "__name__", "value")
        super().__init__(source, property or (own if own.isidentifier() else "value"))
        self.level = level

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) values of the function; NaN is a failure."""
        values = checked_values(self.source(batch), len(batch), self.name)
        lost, reason = np.flatnonzero(np.isnan(values)), f"{self.name} gave NaN: its value cannot be computed"
        return Predictions.together({self.keys[0]: values}, dict.fromkeys(lost.tolist(), reason))


class AseModel(Adapter):
    """An ASE calculator: the potential energy of the unrelaxed tube, eV."""

    level = Level.CALCULATOR

    def __init__(self, source: Any, property: Property | str = ENERGY_EV) -> None:  # noqa: A002
        """Wrap a calculator, whose energy stands for the property."""
        super().__init__(source, property)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) energies, one tube after the other."""
        from matgym.structures.io.convert import to_atoms

        energies = np.empty(len(batch))
        for row, tube in enumerate(batch):
            atoms = to_atoms(tube)
            atoms.calc = self.source
            energies[row] = atoms.get_potential_energy()
        return Predictions({self.keys[0]: energies})


class _SiteModel(Adapter):
    """A model that sees what each site of an undeformed tube holds, by lattice."""

    @override
    def unsupported(self, space: Space) -> str:
        return outside_space(space, SEEN_SPECIES)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """(B,) values; tubes that are deformed or reconstructed, and unknown species, are failures."""
        tubes, key = TubeBatch.of(batch), self.keys[0]
        values, sd = np.full(len(tubes), np.nan), np.full(len(tubes), np.nan)
        failures, groups = visible(tubes, SEEN_SPECIES)
        for lattice, rows, species, _ in groups:
            values[rows], sd[rows] = self._values(lattice, species)
        return Predictions({key: values}, {key: failures} if failures else {}, {} if np.isnan(sd).all() else {key: sd})

    @abstractmethod
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, FloatArray | float]:
        """(b,) values of tubes of one lattice, and their standard deviations, NaN where it knows none."""


class TorchModel(_SiteModel):
    """A torch module from (B, channels, H, W) rasters (see `matgym.surrogates.raster.encode`) to (B,) or (B, 1)."""

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        import torch

        from matgym.surrogates.raster import encode

        was_training = self.source.training
        self.source.eval()
        with torch.inference_mode():
            values = self.source(torch.from_numpy(encode(lattice, species))).numpy()
        self.source.train(was_training)
        return checked_values(values, len(species), self.name), np.nan


class OnnxModel(_SiteModel):
    """A user's own ONNX file, from rasters to values.

    The file has one input, (B, channels, H, W) of single precision as `matgym.surrogates.raster.encode` gives it with
    its default species, and as its first output (B,) or (B, 1) values, with B left open at export.
    """

    name = "onnx"

    def __init__(self, source: Path | str, property: Property | str) -> None:  # noqa: A002
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
        if len(inputs) != 1 or inputs[0][1] != "tensor(float)" or len(inputs[0][2]) != 4:
            found = ", ".join(f"{name}: {kind} {shape}" for name, kind, shape in inputs)
            raise ConfigurationError(
                f"{self.source} takes {found or 'nothing'}: it must take one tensor(float) of shape (B, channels, H, W)"
            )
        self._input, _, self._shape = inputs[0]

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        from matgym.surrogates.raster import encode

        return self.run(encode(lattice, species)), np.nan

    def run(self, raster: Float32Array) -> FloatArray:
        """(B, channels, H, W) rasters to (B,) values.

        Raises:
            ConfigurationError: if the file is for rasters of another shape, or gives anything else than a value each.
        """
        fixed = zip(self._shape, raster.shape, strict=False)
        if raster.ndim != 4 or any(isinstance(size, int) and size != given for size, given in fixed):
            raise ConfigurationError(
                f"{self.source} takes rasters of shape {tuple(self._shape)}, not {raster.shape}: export it with the "
                "batch, and for tubes of any size the height and width, left open"
            )
        try:
            values = self._session.run(None, {self._input: np.ascontiguousarray(raster, np.float32)})[0]
        except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no common base
            raise ConfigurationError(f"{self.source} fails on rasters of shape {raster.shape}: {error}") from None
        return checked_values(values, len(raster), str(self.source))


class SklearnModel(_SiteModel):
    """A fitted scikit-learn regressor on `matgym.surrogates.descriptors.composition` or `pairs`.

    One whose `predict` takes `return_std`, such as a Gaussian process, gives its uncertainty, too.
    """

    def __init__(self, source: Any, property: Property | str) -> None:  # noqa: A002
        """Wrap a regressor.

        Raises:
            ConfigurationError: if it is not fitted, or was fitted on other features.
        """
        super().__init__(source, property)
        self._features = _features_of(source, self.name)
        self._with_sd = "return_std" in signature(source.predict).parameters

    @property
    @override
    def is_uncertain(self) -> bool:
        return self._with_sd

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, FloatArray | float]:
        features, count = self._features(lattice, species), len(species)
        if not self._with_sd:
            return checked_values(self.source.predict(features), count, self.name), np.nan
        values, sd = self.source.predict(features, return_std=True)
        return checked_values(values, count, self.name), checked_values(sd, count, self.name)


def as_model(source: Any, prop: Property | str) -> Model[Any]:  # noqa: PLR0911  # a list of cases
    """Make a model of anything that predicts a property.

    Args:
        source: one of
            - a model: physics, a surrogate, an adapter;
            - "oracle": physics, with its default settings;
            - the name of a shipped surrogate or of a property that one predicts, or the path of a stored one;
            - the path of an ONNX file: see `OnnxModel`;
            - a torch module, see `TorchModel`; a fitted regressor, see `SklearnModel`;
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
    torch = sys.modules.get("torch")  # whoever gives a module has imported it
    if torch is not None and isinstance(source, torch.nn.Module):
        return TorchModel(source, prop)
    if hasattr(source, "predict") and (hasattr(source, "fit") or hasattr(source, "n_features_in_")):
        return SklearnModel(source, prop)
    if hasattr(source, "get_potential_energy") and hasattr(source, "calculate"):
        return AseModel(source)
    if callable(source):
        return FunctionModel(source)
    raise ConfigurationError(
        f"{source!r} cannot reward a design: give a surrogate's name, a model, a torch module, a fitted "
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


def checked_values(values: Any, count: int, name: str) -> FloatArray:
    """(B,) values that a user's model gave.

    Raises:
        ConfigurationError: if they are no numbers, or too many or too few.
    """
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
