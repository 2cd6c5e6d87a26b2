"""The CNN surrogate: fast predictions, an uncertainty for each, and a score of how far out a tube lies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import torch

from matgym.errors import PropertyError, WeightsError
from matgym.oracles import FERMI_EV, GAP_EV, PI_FORMATION_EV, Cost, Fidelity, Properties, Property
from matgym.structures import Nanotube, TubeLattice
from matgym.surrogates.baseline import known
from matgym.surrogates.networks import NetworkSettings, ResidualRaster
from matgym.surrogates.raster import encode, global_features
from matgym.typing import BoolArray, FloatArray, SpeciesArray

COVERAGE: Final = 0.90
"""Nominal coverage of the conformal intervals."""

DISTANCE_QUANTILE: Final = 0.99
"""A tube further from the training data than this share of validation tubes counts as out of distribution."""

INFERENCE_BATCH: Final = 256
"""Tubes a forward pass: larger ones fall out of the processor's cache."""

PROPERTIES: Final = {prop.key: prop for prop in (GAP_EV, FERMI_EV, PI_FORMATION_EV)}
"""Properties that a surrogate can be trained on, by key."""


@dataclass(frozen=True, eq=False)
class CnnSurrogate:
    """A network with an oracle's face.

    Attributes:
        network: the fitted network, in evaluation mode.
        settings: its size.
        keys: properties it predicts, in order.
        mean: (properties,) of what is learned of the training labels (see `baseline`).
        scale: (properties,) standard deviation of the same.
        lattices: (n, m, cells) it was trained on.
        calibration: named arrays: `rmse` and `interval` (properties,) from the validation split, and
            `centre`, `whitening`, `threshold` of the Mahalanobis distance between features.
    """

    network: ResidualRaster
    settings: NetworkSettings
    keys: tuple[str, ...]
    mean: FloatArray
    scale: FloatArray
    lattices: tuple[tuple[int, int, int], ...]
    calibration: Mapping[str, FloatArray]

    @classmethod
    def from_network(
        cls,
        network: ResidualRaster,
        settings: NetworkSettings,
        keys: Sequence[str],
        mean: FloatArray,
        scale: FloatArray,
        lattices: Sequence[TubeLattice],
    ) -> Self:
        """A surrogate that is not calibrated yet."""
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shapes = tuple((lattice.n, lattice.m, lattice.cells) for lattice in lattices)
        return cls(network.eval(), settings, tuple(keys), mean, scale, shapes, {})

    # ---- the oracle's face

    @property
    def provides(self) -> tuple[Property, ...]:
        """The properties it was trained on."""
        return tuple(PROPERTIES[key] for key in self.keys)

    @property
    def fidelity(self) -> Fidelity:
        """A surrogate: to be audited."""
        return Fidelity.SURROGATE

    @property
    def cost(self) -> Cost:
        """Measured on one core of an AMD EPYC server, in batches."""
        return Cost(seconds=2e-4, sites=128, exponent=1.0)

    def evaluate(self, tubes: Sequence[Nanotube]) -> Properties:
        """Predicted properties, with the root mean square validation error as uncertainty.

        Args:
            tubes: B tubes, of any sizes; those of sizes unlike the training set's are extrapolations.

        Raises:
            PropertyError: if a tube is strained.
        """
        values = np.full((len(tubes), len(self.keys)), np.nan)
        for lattice, rows, species in _by_lattice(tubes):
            values[rows] = self.predict(lattice, species)
        rmse = self.calibration.get("rmse", np.full(len(self.keys), np.nan))
        return Properties(
            {key: values[:, k] for k, key in enumerate(self.keys)},
            uncertainty={key: np.full(len(tubes), rmse[k]) for k, key in enumerate(self.keys)},
        )

    # ---- batches of one lattice, without objects

    def predict(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B, properties) predictions for B tubes of one lattice, given as (B, n_sites) codes."""
        offset, factor = known(lattice, self.provides)
        return offset + factor * (self._run(self.network.forward, lattice, species) * self.scale + self.mean)

    def features(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B, F) pooled features, before the head."""
        return self._run(self.network.features, lattice, species)

    def distance(self, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        """(B,) Mahalanobis distance to the training features over the out-of-distribution threshold.

        Above 1, a tube counts as out of distribution (Lee et al., NeurIPS 2018, for the score).
        """
        if not self.calibration:
            raise WeightsError("this surrogate was not calibrated; fit it with matgym.surrogates.fit")
        offset = self.features(lattice, species) - self.calibration["centre"]
        lengths = np.linalg.norm(offset @ self.calibration["whitening"], axis=1)
        return np.asarray(lengths / self.calibration["threshold"])

    def out_of_distribution(self, tubes: Sequence[Nanotube]) -> BoolArray:
        """(B,) whether each tube lies further out than nearly all validation tubes."""
        far = np.zeros(len(tubes), dtype=bool)
        for lattice, rows, species in _by_lattice(tubes):
            far[rows] = self.distance(lattice, species) > 1.0
        return far

    def _run(self, function: Any, lattice: TubeLattice, species: SpeciesArray) -> FloatArray:
        outputs = []
        with torch.inference_mode():
            for start in range(0, len(species), INFERENCE_BATCH):
                part = species[start : start + INFERENCE_BATCH]
                raster = torch.from_numpy(encode(lattice, part)).contiguous(memory_format=torch.channels_last)
                globals_ = torch.from_numpy(global_features(lattice, part))
                outputs.append(function(raster, globals_, lattice.raster_shift).numpy())
        return np.concatenate(outputs).astype(np.float64)

    # ---- calibration

    def calibrated(self, residuals: FloatArray, features: FloatArray, held_out: FloatArray) -> Self:
        """With uncertainties from the validation split.

        Args:
            residuals: (V, properties) validation errors.
            features: (T, F) of the training split.
            held_out: (V, F) of the validation split.

        Split-conformal intervals (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018)): half-width is the
        ⌈(V + 1) 0.9⌉-th smallest absolute residual. They hold for tubes like the validation split's only.
        """
        rank = min(len(residuals), int(np.ceil((len(residuals) + 1) * COVERAGE))) - 1
        centre = features.mean(axis=0)
        # In units of each feature's own spread. What hardly varies in training, such as the share of vacancies
        # where there are none, gets a floor: to deviate there is to be far out.
        spread = features.std(axis=0)
        spread = np.maximum(spread, 1e-3 * spread.mean())
        covariance = np.cov(features / spread, rowvar=False) + 1e-3 * np.eye(features.shape[1])
        whitening = np.linalg.cholesky(np.linalg.inv(covariance)) / spread[:, None]
        lengths = np.linalg.norm((held_out - centre) @ whitening, axis=1)
        return replace(
            self,
            calibration={
                "rmse": np.sqrt((residuals**2).mean(axis=0)),
                "interval": np.sort(np.abs(residuals), axis=0)[rank],
                "centre": centre,
                "whitening": whitening,
                "threshold": np.quantile(lengths, DISTANCE_QUANTILE)[None],
            },
        )


def _by_lattice(tubes: Sequence[Nanotube]) -> Iterator[tuple[TubeLattice, list[int], SpeciesArray]]:
    """Rows grouped by lattice, with their species stacked."""
    groups: dict[TubeLattice, list[int]] = {}
    for row, tube in enumerate(tubes):
        if tube.strain:
            raise PropertyError(f"{tube} is strained; this surrogate knows unstrained tubes only: ask the oracle")
        groups.setdefault(tube.lattice, []).append(row)
    for lattice, rows in groups.items():
        yield lattice, rows, np.stack([tubes[row].species for row in rows])
