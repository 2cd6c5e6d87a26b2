"""The surrogate of tubes of any lattice: networks on the honeycomb, physics that they stand on, calibrated doubt.

A property is `offset + factor × learned`. Factors are those of geometry: energies grow with the number of sites, heat
with the diameter. Where a cheaper oracle computes the same property, or a good part of it, its value is the offset or
the factor, and an input of the network: see `known`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from matgym.data import Dataset
from matgym.frozen import ValueObject
from matgym.learning.metrics import distance, judge
from matgym.models import Cost, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, TubeBatch
from matgym.surrogates.baseline import UNINFORMED, corrections, informants, physics_inputs, physics_of
from matgym.surrogates.honeycomb.graph import Honeycombs, honeycombs, mirrored, pieces
from matgym.surrogates.honeycomb.network import HoneycombNetwork
from matgym.typing import Float32Array, FloatArray

SITES_A_PASS: Final = 16_384
"""Sites of a forward pass: more do not fit into the processor's cache. A choice of ours, as is the next one."""

_SAME: Final[Mapping[str, str]] = {"gap_ev": "pi_gap_ev"}
"""Physics, by name in `informants`, that computes the same property; the difference from it is learned."""

_DIAMETERS: Final = ("thermal_conductance_nw_k",)
"""Properties that grow with the diameter."""


def known(
    keys: Sequence[str], batch: TubeBatch, informed_by: Sequence[str], physics: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the (B, properties) offsets and factors of what is learned.

    Args:
        keys: keys of the properties.
        batch: B tubes.
        informed_by: names of physics inputs.
        physics: (B, informed) their values.
    """
    offset, factor = np.zeros((len(batch), len(keys))), corrections(keys, informed_by, physics)
    for column, key in enumerate(keys):
        if PROPERTIES_BY_KEY[key].extensive:
            factor[:, column] *= batch.n_sites
        if key in _DIAMETERS:
            diameters = np.array([lattice.diameter_nm for lattice in batch.lattices])
            factor[:, column] *= diameters[batch.lattice_index]
        if _SAME.get(key) in informed_by:
            offset[:, column] = physics[:, list(informed_by).index(_SAME[key])]
    return offset, factor


@dataclass(frozen=True)
class Scaling(ValueObject):
    """Means and standard deviations of outputs, (properties,), and of the numbers of tubes, (numbers,)."""

    mean: FloatArray
    scale: FloatArray
    numbers_mean: FloatArray
    numbers_scale: FloatArray


@dataclass(frozen=True, eq=False)
class HoneycombSurrogate(ValueObject, Model):
    """A model of tubes of any lattice.

    Attributes:
        networks: fitted networks, in evaluation mode; their mean is the prediction.
        settings: size settings of the networks.
        predicted: keys of the predicted properties.
        informed_by: physics that is computed for each tube as further inputs: see `informants`.
        scaling: scaling of inputs and outputs.
        chiralities: (n, m) of the tubes in the training data.
        calibration: named arrays of the uncertainty and of the distance; see `matgym.learning.metrics`.
    """

    networks: tuple[HoneycombNetwork, ...]
    settings: Mapping[str, Any]
    predicted: tuple[str, ...]
    informed_by: tuple[str, ...]
    scaling: Scaling
    chiralities: tuple[tuple[int, int], ...] = ()
    calibration: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for network in self.networks:
            network.eval()

    @property
    def properties(self) -> tuple[Property, ...]:
        """The properties that the model was fitted to."""
        return tuple(PROPERTIES_BY_KEY[key] for key in self.predicted)

    @property
    def name(self) -> str:
        """The kind of network."""
        return "honeycomb"

    @property
    def is_uncertain(self) -> bool:
        """True: predictions have an uncertainty, calibrated on validation data."""
        return True

    @property
    def cost(self) -> Cost:
        """Cost of the members and the physics inputs, measured in batches on one core of an AMD EPYC server."""
        informed = sum(cost.seconds for name in self.informed_by if (cost := informants()[name].oracle.cost))
        return Cost(seconds=5e-4 * len(self.networks) + informed, sites=128, exponent=1.0)

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be predicted: its designs are not tubes; empty if one can."""
        return "" if space.domain is not None else "its designs are not tubes"

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Predict every property of each tube, with its uncertainty.

        Returns:
            Predictions of shape (B,); NaN, with the reason in `failures`, for tubes whose physics inputs fail.
        """
        batch = TubeBatch.of(tubes)
        members, pooled = self.run(batch)
        mean, sd, half_width = judge(members, self.calibration)
        lost = dict.fromkeys(np.flatnonzero(np.isnan(mean).any(axis=1)).tolist(), UNINFORMED)
        values, sds, half_widths = (dict(zip(self.predicted, x.T, strict=True)) for x in (mean, sd, half_width))
        far = distance(pooled, self.calibration) if self.calibration else np.full(len(batch), np.nan)
        return Predictions(
            values, dict.fromkeys(self.predicted, lost) if lost else {}, sds, half_widths,
            {key: members[:, :, k] for k, key in enumerate(self.predicted)}, far,
        )  # fmt: skip

    def judged(self, data: Dataset) -> tuple[FloatArray, FloatArray]:
        """Return (B, properties) means and half-widths of intervals for the rows of a data set."""
        members, _ = self.run(data.batch, physics_of(data, self.informed_by))
        mean, _, half_width = judge(members, self.calibration)
        return mean, half_width

    def run(self, batch: TubeBatch, physics: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Return (members, B, properties) predictions and (B, F) features of the first network.

        Args:
            batch: B tubes.
            physics: (B, informed) values of `informed_by`; None to compute them.
        """
        physics = physics_inputs(self.informed_by, batch) if physics is None else physics
        outputs, pooled = [], []
        for rows in pieces(batch, SITES_A_PASS):
            tensors = self.tensors(honeycombs(batch.take(rows)), physics[rows])
            with torch.inference_mode():
                features = [network.features(*tensors) for network in self.networks]
                results = [network.head(x) for network, x in zip(self.networks, features, strict=True)]
            outputs.append(torch.stack(results).numpy())
            pooled.append(features[0].numpy())
        standard = np.concatenate(outputs, axis=1).astype(np.float64)
        offset, factor = known(self.predicted, batch, self.informed_by, physics)
        values = offset + factor * (standard * self.scaling.scale + self.scaling.mean)
        return values, np.concatenate(pooled).astype(np.float64)

    def tensors(
        self, graph: Honeycombs, physics: FloatArray, signs: Float32Array | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Return the arguments of a network: see `HoneycombNetwork.forward`.

        Args:
            graph: B tubes.
            physics: (B, informed) values of `informed_by`.
            signs: (B,) -1 for the mirror image of a tube; None for none.
        """
        numbers = np.concatenate([graph.tubes, physics], axis=1)
        numbers = ((numbers - self.scaling.numbers_mean) / self.scaling.numbers_scale).astype(np.float32)
        directions = graph.directions if signs is None else mirrored(graph.directions, graph.tube, signs)
        arrays = graph.sites, graph.neighbours, directions, graph.tube, numbers
        return tuple(torch.tensor(np.ascontiguousarray(array)) for array in arrays)
