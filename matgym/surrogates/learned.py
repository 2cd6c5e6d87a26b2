"""The learned surrogate: a model made of one network or an ensemble, with calibrated uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
import torch

from matgym.data import Dataset
from matgym.errors import PropertyError
from matgym.frozen import ValueObject
from matgym.learning.metrics import distance, judge
from matgym.models import Cost, Predictions
from matgym.structures import Nanotube, Species, TubeBatch, TubeLattice
from matgym.surrogates.baseline import UNINFORMED, LearnedModel, PristineModel, informants, physics_of
from matgym.surrogates.domain import (
    check_undeformed,
    excess_electrons,
    excess_notes,
    shape_distance,
    unknown_species,
    visible,
)
from matgym.surrogates.engines import Engine, by_torch
from matgym.surrogates.networks import RasterNetwork
from matgym.surrogates.raster import RasterView, global_features, raster_view
from matgym.typing import Float32Array, FloatArray, SpeciesArray

INFERENCE_BATCH: Final = 256
"""Number of tubes per forward pass: larger batches do not fit into the processor's cache."""


@dataclass(frozen=True)
class Scaling(ValueObject):
    """Scaling of the inputs and outputs of a network.

    Attributes:
        mean: (properties,) mean of the values to learn (see `baseline`) of the training labels.
        scale: (properties,) standard deviation of the same.
        informed_mean: (informed,) mean of the physics inputs.
        informed_scale: (informed,) standard deviation of the same.
    """

    mean: FloatArray
    scale: FloatArray
    informed_mean: FloatArray = field(default_factory=lambda: np.zeros(0))
    informed_scale: FloatArray = field(default_factory=lambda: np.ones(0))


@dataclass(frozen=True, eq=False)
class NetworkSurrogate(ValueObject, LearnedModel):
    """A model made of networks.

    Attributes:
        networks: fitted networks of one kind, in evaluation mode; their mean is the prediction.
        network: name of the kind of network.
        settings: size settings of the networks.
        predicted: see `LearnedModel`.
        species: species that have channels of their own.
        lattices: (n, m, cells) of the lattices in the training data.
        scaling: scaling of labels and inputs.
        informed_by: see `LearnedModel`.
        calibration: named arrays: `floor`, `factor`, `interval` (properties,) of the uncertainty, and `centre`,
            `whitening`, `threshold` of the distance; see `matgym.learning.metrics`.
        baseline: see `LearnedModel`.
        excess: least and largest number of N minus B atoms in the training data; None if it is unknown.
        engine: engine that runs the networks; None for torch. See `with_engine`.
    """

    networks: tuple[RasterNetwork, ...]
    network: str
    settings: Mapping[str, Any]
    predicted: tuple[str, ...]
    species: tuple[Species, ...]
    lattices: tuple[tuple[int, int, int], ...]
    scaling: Scaling
    informed_by: tuple[str, ...] = ()
    calibration: Mapping[str, FloatArray] = field(default_factory=dict)
    baseline: PristineModel = field(default_factory=PristineModel)
    excess: tuple[int, int] | None = None
    engine: Engine | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for network in self.networks:
            network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    # ---- interface of `Model`

    @property
    def is_uncertain(self) -> bool:
        """True: predictions have an uncertainty, calibrated on validation data."""
        return True

    @property
    def name(self) -> str:
        """The kind of network."""
        return self.network

    @property
    def cost(self) -> Cost:
        """Cost of the members and the physics inputs, measured in batches on one core of an AMD EPYC server."""
        informed = sum(cost.seconds for name in self.informed_by if (cost := informants()[name].oracle.cost))
        return Cost(seconds=2e-4 * len(self.networks) + informed, sites=128, exponent=1.0)

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Predict every property of each tube, with its uncertainty; sizes outside the training data are extrapolated.

        Returns:
            Predictions of shape (B,); NaN, with the reason in `failures`, for tubes that are strained, twisted, have
            turned bonds, or hold a species that the networks have no channels for. Their distance is infinite. So are
            distance, standard deviation and half-width, with a note, of tubes with other numbers of electrons than in
            the training data: their error is unknown.
        """
        batch = TubeBatch.of(tubes)
        failures, groups = visible(batch, self.species)
        shape = (len(self.networks), len(batch), len(self.predicted))
        members, furthest = np.full(shape, np.nan), np.full(len(batch), np.inf)
        excess = np.zeros(len(batch), dtype=np.int64)
        for lattice, rows, species, _ in groups:
            excess[rows] = excess_electrons(species)
            members[:, rows], pooled = self.run(lattice, species)
            furthest[rows] = np.nan
            if self.calibration:
                off = shape_distance(lattice, self.lattices)
                furthest[rows] = np.maximum(distance(pooled, self.calibration), off)
            lost = np.isnan(members[:, rows]).any(axis=(0, 2))
            failures |= dict.fromkeys(rows[lost].tolist(), UNINFORMED)
        judged = judge(members, self.calibration)
        notes = {row: note for row, note in excess_notes(excess, self.excess).items() if row not in failures}
        for unknown in (furthest, *judged[1:]):
            unknown[list(notes)] = np.inf
        values, sds, half_widths = (dict(zip(self.predicted, x.T, strict=True)) for x in judged)
        failed = dict.fromkeys(self.predicted, failures) if failures else {}
        by_key = {key: members[:, :, k] for k, key in enumerate(self.predicted)}
        said = dict.fromkeys(self.predicted, notes) if notes else {}
        return Predictions(values, failed, sds, half_widths, by_key, furthest, said)

    # ---- batches of one lattice, as used in training

    def mean(self, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray | None = None) -> FloatArray:
        """Return (B, properties) predictions for B tubes of one lattice, given as (B, n_sites) codes.

        Args:
            lattice: lattice of the tubes.
            species: (B, n_sites) codes.
            physics: (B, informed) values of `informed_by`; None to compute them.
        """
        return np.asarray(self.run(lattice, species, physics)[0].mean(axis=0))

    def intervals(
        self, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return (B, properties) predictions, and half the widths of the intervals that hold 90 % of true values."""
        mean, _, half_width = judge(self.run(lattice, species, physics)[0], self.calibration)
        return mean, half_width

    def judged(self, data: Dataset) -> tuple[FloatArray, FloatArray]:
        """Return (B, properties) means and half-widths of intervals for the rows of a data set.

        Raises:
            DatasetError: if some are strained, twisted or reconstructed.
        """
        mean, half_width = np.full((2, len(data), len(self.predicted)), np.nan)
        check_undeformed(data.batch)
        physics = physics_of(data, self.informed_by)
        for lattice, rows, species, _ in data.by_lattice():
            mean[rows], half_width[rows] = self.intervals(lattice, species, physics[rows])
        return mean, half_width

    def features(self, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray | None = None) -> FloatArray:
        """Return (B, F) pooled features of the first network, before its head."""
        return self.run(lattice, species, physics)[1]

    def column(self, key: str) -> int:
        """Return the index of a property among the predicted ones.

        Raises:
            PropertyError: if the surrogate was not trained on the property.
        """
        self.property_of(key)
        return self.predicted.index(key)

    def inputs(
        self, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray
    ) -> tuple[Float32Array, Float32Array]:
        """Return the networks' inputs of a batch: (B, channels, H, W) rasters and (B, globals) numbers.

        Raises:
            PropertyError: if a site holds a species that the networks have no channels for.
        """
        if reason := unknown_species(species, self.species):
            raise PropertyError(reason)
        numbers = global_features(lattice, species, self.species)
        if self.informed_by:
            scaled = (physics - self.scaling.informed_mean) / self.scaling.informed_scale
            numbers = np.concatenate([numbers, scaled.astype(np.float32)], axis=1)
        return self.view(lattice).encode(species, self.species), numbers

    def run(
        self, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return (members, B, properties) predictions and (B, F) features of the first network."""
        physics = self.physics(lattice, species) if physics is None else physics
        outputs, pooled, view = [], [], self.view(lattice)
        for start in range(0, len(species), INFERENCE_BATCH):
            part = slice(start, start + INFERENCE_BATCH)
            inputs = self.inputs(lattice, species[part], physics[part])
            output, features = (self.engine or by_torch)(self.networks, view, *inputs)
            outputs.append(output)
            pooled.append(features)
        standard, first = np.concatenate(outputs, axis=1).astype(np.float64), np.concatenate(pooled).astype(np.float64)
        offset, factor = self.known(lattice, physics)
        return offset + factor * (standard * self.scaling.scale + self.scaling.mean), first

    def with_engine(self, name: str, threads: int = 1, device: str = "cpu") -> Self:
        """Return the same surrogate with another engine that runs its networks.

        Args:
            name: "torch", "onnxruntime" or "openvino"; for 8 bit see `matgym.surrogates.training.quantised`.
            threads: number of threads of a forward pass.
            device: device of "torch"; see `matgym.learning.devices`.

        Raises:
            ConfigurationError: if there is no such engine or device.
        """
        return replace(self, engine=Engine(name, threads, device=device))

    def view(self, lattice: TubeLattice) -> RasterView:
        """Return the raster layout of a tube in the networks' input."""
        return raster_view(lattice, leads=self.between_leads)

    @property
    def between_leads(self) -> bool:
        """Whether the predicted properties are those of tubes between leads."""
        return any(prop.between_leads for prop in self.properties)
