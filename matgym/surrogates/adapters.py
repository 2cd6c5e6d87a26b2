"""Adapters that give users' own models the interface of `Model`; `matgym.surrogates.as_model` chooses the adapter.

A network or a regressor predicts the property that the caller names. A function or an ASE calculator computes a
property of its own, unless the caller names one. So no value is verified by an oracle of another property.
"""

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError, MissingExtraError, PropertyError, WeightsError, one_line
from matgym.models import Level, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, TubeBatch, TubeLattice, tube_lattice
from matgym.surrogates.answers import asked, counted, numbers, predicted
from matgym.surrogates.domain import SEEN_SPECIES, outside_space, visible
from matgym.typing import Float32Array, FloatArray, SpeciesArray

if TYPE_CHECKING:
    import torch

ENERGY_EV: Final = Property("energy_ev", "eV", "potential energy of the tube as it stands, not relaxed", extensive=True)


WhichProperties: TypeAlias = Property | str | Sequence[Property | str]
"""A property, given as a key or as a `Property`; or several, which are the columns of the model's answer."""

Featurizer: TypeAlias = Callable[[TubeLattice, SpeciesArray], FloatArray]
"""A function from (B, n_sites) species on a lattice to (B, F) features, such as `descriptors.pairs`."""

_ONNX_NUMBERS: Final = 1 << 22
"""Most numbers of rasters that an ONNX file gets at once, so that its memory does not grow with batches."""

_PIXELS: Final = "pixel_values"
"""The argument by which vision models of transformers take rasters, whatever the number of their channels."""

_ONNX_TYPES: Final = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def as_property(prop: Property | str) -> Property:
    """Return the property with a key; a new dimensionless property if no oracle computes one with this key."""
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
                f"{self.name} does not predict {key!r}; it predicts {', '.join(self.keys)}: if its output is {key}, "
                f'wrap it as {type(self).__name__}(model, "{key}")'
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
        """Call the user's code on B designs and return its (B, k) numbers; see `answers.numbers`."""
        return numbers(asked(self.name, counted(count), ask), count, self.name, self.keys)


class FunctionModel(Adapter):
    """A function from B tubes, or B designs as the design space decodes them, to B values.

    The function may return a list, an array, a tensor or a series of any precision and on any device; a mapping or a
    table with one entry per property; a list of B records; or an object with `logits` or `prediction`.
    """

    level = Level.SURROGATE

    def __init__(
        self,
        source: Callable[[Any], Any],
        property: WhichProperties | None = None,  # noqa: A002  # the field's word
        level: Level = Level.SURROGATE,
    ) -> None:
        """Wrap a function that returns NaN for a missing value; by default the property has the function's name."""
        own = getattr(source, "__name__", "value")
        super().__init__(source, property or (own if own.isidentifier() else "value"))
        self.level = level

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """Return the (B,) values of the function; values that are not finite count as failures."""
        return predicted(self._numbers(len(batch), lambda: self.source(batch)), self.keys, self.name)


class AseModel(Adapter):
    """An ASE calculator: the potential energy of the unrelaxed tube, eV."""

    level = Level.CALCULATOR

    def __init__(self, source: Any, property: Property | str = ENERGY_EV) -> None:  # noqa: A002
        """Wrap a calculator whose energy is the value of the property."""
        super().__init__(source, property)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """Return (B,) energies, computed tube by tube; a calculation that does not converge counts as a failure."""
        from ase.calculators.calculator import CalculationFailed

        from matgym.structures.io.convert import to_atoms

        energies, failures = np.full((len(batch), 1), np.nan), {}
        for row, tube in enumerate(batch):
            atoms = to_atoms(tube)
            atoms.calc = self.source
            try:
                energy = asked(self.name, str(tube), atoms.get_potential_energy, passing=(CalculationFailed,))
            except CalculationFailed as error:
                failures[row] = f"{self.name} failed on {tube}: {one_line(error)}"
            else:
                energies[row] = numbers([energy], 1, self.name)
        return predicted(energies, self.keys, self.name, failures=failures)


class _SiteModel(Adapter):
    """A model of undeformed tubes whose input is the species on each site, one lattice at a time."""

    @override
    def unsupported(self, space: Space) -> str:
        return outside_space(space, SEEN_SPECIES)

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """Return (B,) values; tubes that are deformed, reconstructed or hold an unknown species count as failures."""
        tubes = TubeBatch.of(batch)
        values, sd = np.full((2, len(tubes), len(self.keys)), np.nan)
        failures, groups = visible(tubes, SEEN_SPECIES)
        for lattice, rows, species, _ in groups:
            values[rows], sd[rows] = self._values(lattice, species)
        return predicted(values, self.keys, self.name, None if np.isnan(sd).all() else sd, failures)

    @abstractmethod
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, FloatArray | float]:
        """Return (b, k) values of tubes of one lattice, and their standard deviations; NaN if there are none."""


class TorchModel(_SiteModel):
    """A torch module from (B, channels, H, W) rasters (see `matgym.surrogates.raster.encode`) to values.

    Rasters are on the device and in the precision of the module's first parameter. The module returns (B,), (B, 1) or,
    for k properties, (B, k); or a tuple, a mapping or an object that holds them: see
    `matgym.surrogates.answers.numbers`. It is called in evaluation mode and without gradients; afterwards its mode is
    restored. A vision model of Hugging Face's transformers gets the rasters as `pixel_values` and returns `logits`.
    """

    def __init__(self, source: Any, property: WhichProperties) -> None:  # noqa: A002
        """Wrap a module.

        Raises:
            ConfigurationError: if it is a model of transformers that takes text or sound.
        """
        super().__init__(source, property)
        self._argument = getattr(source, "main_input_name", None)  # only models of transformers have it
        if self._argument not in (None, _PIXELS):
            raise ConfigurationError(
                f"{self.name} takes {self._argument}, and tubes are rasters here: give a model that takes "
                f"{_PIXELS}, or a function of a list of tubes that prepares its input"
            )

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        import torch

        from matgym.surrogates.raster import encode

        raster = torch.from_numpy(encode(lattice, species))
        weight = _first_weight(self.source)
        if weight is not None:
            raster = raster.to(weight.device, weight.dtype)
        # `no_grad` instead of inference mode: tensors that the module caches in inference mode could not be trained on.
        with _evaluating(self.source), torch.no_grad():
            if self._argument is not None:
                return self._numbers(len(species), lambda: self.source(**{_PIXELS: raster})), np.nan
            return self._numbers(len(species), lambda: self.source(raster)), np.nan


def _first_weight(module: "torch.nn.Module") -> "torch.Tensor | None":
    """Return the first floating-point parameter or buffer; None if there is none."""
    weights = chain(module.parameters(), module.buffers())
    return next((weight for weight in weights if weight.is_floating_point()), None)


@contextmanager
def _evaluating(module: "torch.nn.Module") -> Iterator[None]:
    """Put a module into evaluation mode, and restore the mode of each of its submodules afterwards."""
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
    """A Sequential or functional Keras 3 model; the shape of its input decides between rasters and features.

    A model with an input of four axes gets the rasters of `TorchModel`. Their channels are on the axis whose length is
    the number of channels; on the last axis, as Keras has them, if both axes match. A model with an input of two axes
    gets the features that `SklearnModel` would choose. The model returns (B, 1) or (B, k) values, or a list or a
    dictionary of k outputs. It may have any backend; with that of torch it computes no gradients.
    """

    def __init__(self, source: Any, property: WhichProperties) -> None:  # noqa: A002
        """Wrap a built model.

        Raises:
            ConfigurationError: if the model is not built, or takes neither rasters nor known features.
        """
        from matgym.surrogates.raster import CHANNELS

        super().__init__(source, property)
        shape = getattr(source, "input_shape", None) if getattr(source, "built", False) else None
        if not isinstance(shape, tuple) or len(shape) not in (2, 4):
            raise ConfigurationError(
                f"{self.name} takes input of shape {shape}: give a built Sequential or functional model with one "
                f"input, rasters (B, H, W, {CHANNELS}) or features (B, F), or a function of tubes that calls it"
            )
        self._shape = shape
        self._features = features_of(shape[1], self.name) if len(shape) == 2 else None
        self._channels_first = len(shape) == 4 and shape[1] == CHANNELS != shape[3]
        if len(shape) == 4 and not self._channels_first and shape[3] not in (None, CHANNELS):
            raise ConfigurationError(
                f"{self.name} takes rasters of shape {shape}, and those of tubes have {CHANNELS} channels: give it an "
                f"input of shape (None, None, {CHANNELS})"
            )

    @override
    def _values(self, lattice: TubeLattice, species: SpeciesArray) -> tuple[FloatArray, float]:
        from matgym.surrogates.raster import encode

        if self._features is not None:
            inputs: FloatArray | Float32Array = self._features(lattice, species)
        else:
            raster = encode(lattice, species)
            inputs = raster if self._channels_first else np.ascontiguousarray(np.moveaxis(raster, 1, -1))
            if any(size not in (None, given) for size, given in zip(self._shape[1:], inputs.shape[1:], strict=True)):
                raise ConfigurationError(
                    f"{self.name} takes rasters of shape {self._shape}, not {inputs.shape}: leave height and width of "
                    "its input open, as None"
                )
        return self._numbers(len(species), lambda: self._asked(inputs)), np.nan

    def _asked(self, inputs: FloatArray | Float32Array) -> Any:
        torch = sys.modules.get("torch")  # no backend of the model's if it is not imported
        with nullcontext() if torch is None else torch.no_grad():
            answer = self.source(inputs, training=False)
        return tuple(answer) if isinstance(answer, list) else answer  # a list has several outputs


class OnnxModel(_SiteModel):
    """A user's ONNX file from rasters to values.

    The file has one input, (B, channels, H, W) of any floating-point type, as `matgym.surrogates.raster.encode` returns
    it with its default species. Its first output is (B,), (B, 1) or (B, k) values. B is a dynamic axis.
    """

    def __init__(self, source: Path | str, property: WhichProperties) -> None:  # noqa: A002
        """Read the file.

        Raises:
            WeightsError: if the file is missing or damaged.
            ConfigurationError: if its input is anything else than one raster.
            MissingExtraError: if onnxruntime is not installed.
        """
        from matgym.surrogates.engines import onnx_session

        super().__init__(Path(source), property)
        if not self.source.is_file():
            raise WeightsError(f"there is no ONNX file {str(source)!r}: give the path of an existing file")
        try:
            self._session = onnx_session(str(self.source), threads=1, foreign=True)
        except MissingExtraError:
            raise
        except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no common base
            raise WeightsError(f"onnxruntime cannot read {self.source} as an ONNX file: {error}") from None
        inputs = [(entry.name, entry.type, entry.shape) for entry in self._session.get_inputs()]
        if len(inputs) != 1 or inputs[0][1] not in _ONNX_TYPES or len(inputs[0][2]) != 4:
            signatures = ", ".join(f"{name}: {kind} {shape}" for name, kind, shape in inputs)
            raise ConfigurationError(
                f"{self.source} takes {signatures or 'nothing'}: export it with one input, a tensor(float) of shape "
                "(B, channels, H, W)"
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
        """Return (B, k) values of (B, channels, H, W) rasters.

        Raises:
            ConfigurationError: if the file is for rasters of another shape.
            ModelError: if the file returns anything else than one value for each raster and property.
        """
        fixed = zip(self._shape, raster.shape, strict=False)
        if raster.ndim != 4 or any(isinstance(size, int) and size != given for size, given in fixed):
            raise ConfigurationError(
                f"{self.source} takes rasters of shape {tuple(self._shape)}, not {raster.shape}: export it with a "
                "dynamic batch axis and, for tubes of any size, with dynamic height and width"
            )
        at_once = max(1, len(raster))
        if not isinstance(self._shape[0], int) and raster.size:
            at_once = max(1, _ONNX_NUMBERS * len(raster) // raster.size)
        parts = [raster[first : first + at_once] for first in range(0, len(raster), at_once)] or [raster]
        return np.concatenate([self._numbers(len(part), partial(self._ask, part)) for part in parts])

    def _ask(self, raster: Float32Array) -> Any:
        return self._session.run(None, {self._input: np.ascontiguousarray(raster, self._dtype)})[0]


class SklearnModel(_SiteModel):
    """A fitted regressor: of scikit-learn, a pipeline, or any object with `predict` and scikit-learn's interface.

    If `predict` takes `return_std`, as that of a Gaussian process does, predictions have an uncertainty.
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
            property: the property that the regressor predicts.
            features: the features that it was fitted on; by default `composition` or `pairs` of
                `matgym.surrogates.descriptors`, whichever has `n_features_in_` features.

        Raises:
            ConfigurationError: if the regressor is not fitted, or was fitted on other features.
        """
        super().__init__(source, property)
        self._features = features or features_of(getattr(source, "n_features_in_", None), self.name)
        steps = getattr(source, "steps", None)  # a pipeline passes arguments of `predict` on to its last step
        try:
            self._with_sd = "return_std" in signature((steps[-1][1] if steps else source).predict).parameters
        except (TypeError, ValueError):  # some functions written in C have no signature
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
        answer = asked(self.name, counted(count), lambda: self.source.predict(features, return_std=True))
        values, sd = (numbers(part, count, self.name, self.keys) for part in answer)
        return values, sd


class PipelineModel(Adapter):
    """A pipeline of Hugging Face's transformers: a list of B inputs in, a list of B records out.

    The record of a tube is `{"label": "gap_ev", "score": 0.9}`, a list of such labels and scores if there are several
    properties (`top_k=None`), or a mapping by property: see `matgym.surrogates.answers.numbers`. Labels are the names
    of outputs in the model's configuration, `id2label={0: "gap_ev"}`. A regression also needs the configuration
    `problem_type="regression"` or the pipeline `function_to_apply="none"`: pipelines of text otherwise put a sigmoid or
    a softmax on the number.
    """

    def __init__(
        self,
        source: Callable[[list[Any]], Any],
        property: WhichProperties,  # noqa: A002
        inputs: Callable[[Nanotube], Any] | None = None,
    ) -> None:
        """Wrap a pipeline.

        Args:
            source: the pipeline.
            property: the property that the pipeline predicts.
            inputs: a function that returns what the pipeline reads of a tube, such as the text that its model was
                trained on; by default the pipeline reads the tube itself.

        Raises:
            ConfigurationError: if a pipeline with a tokenizer or an image processor has no `inputs`.
        """
        super().__init__(source, property)
        self._inputs = inputs
        readers = ("tokenizer", "image_processor", "feature_extractor", "processor")
        reader = next((name for name in readers if getattr(source, name, None) is not None), None)
        if inputs is None and reader is not None:
            raise ConfigurationError(
                f"{self.name} has a {reader}, which cannot read tubes: say what it reads of a tube, "
                f'PipelineModel(pipeline, "{self.keys[0]}", inputs=function of a tube)'
            )

    @override
    def predict(self, batch: Any, /) -> Predictions:
        """Return (B,) values; values that are not finite count as failures."""
        read = [tube if self._inputs is None else self._inputs(tube) for tube in batch]
        return predicted(self._numbers(len(read), lambda: self.source(read)), self.keys, self.name)


def features_of(count: int | None, name: str) -> Featurizer:
    """Return the descriptor with as many features as a model takes; the number is the same for every tube.

    Raises:
        ConfigurationError: if no descriptor has this number of features, or `count` is None.
    """
    from matgym.surrogates.descriptors import composition, pairs

    if count is None:
        raise ConfigurationError(
            f"{name} is not fitted: fit it on matgym.surrogates.descriptors.pairs or composition, or name the features "
            "that it was fitted on: SklearnModel(regressor, property, features=pairs)"
        )
    lattice = tube_lattice(8, 0, 1)
    pristine = np.zeros((1, lattice.n_sites), dtype=np.uint8)
    by_count = {descriptor(lattice, pristine).shape[1]: descriptor for descriptor in (composition, pairs)}
    if count not in by_count:
        few, many = by_count
        raise ConfigurationError(
            f"{name} was fitted on {count} features; matgym.surrogates.descriptors.composition gives {few}, pairs "
            f"{many}: fit it on one of them, or pass a function of a list of tubes that calls it"
        )
    return by_count[count]
