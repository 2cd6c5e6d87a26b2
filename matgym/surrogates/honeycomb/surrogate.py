"""The surrogate of tubes of any lattice: networks on the honeycomb, physics that they stand on, calibrated doubt.

Intervals are conformal; see `matgym.surrogates.honeycomb.intervals`. Outside the training data's ranges a tube has a
note; where its species, its load or its composition are outside, its interval is infinite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch

from matgym.data import Dataset
from matgym.frozen import ValueObject
from matgym.learning.metrics import distance, judge
from matgym.models import Cost, Model, Predictions, Property, Space
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Nanotube, TubeBatch
from matgym.surrogates.baseline import UNINFORMED, informants, physics_inputs, physics_of
from matgym.surrogates.honeycomb.graph import RANGED, Honeycombs, honeycombs, mirrored, pieces, ranged
from matgym.surrogates.honeycomb.intervals import Asked, widths
from matgym.surrogates.honeycomb.pairs import PairNetwork
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import BoolArray, Float32Array, FloatArray

SITES_A_PASS: Final = 16_384
"""Sites of a forward pass: more do not fit into the processor's cache. A choice of ours, as are the next two."""

TOLERANCE: Final = 0.02
"""Share of a range of the training data by which a tube may lie outside it without a note."""

SIZES: Final = ("inverse diameter", "inverse length")
"""Features outside whose ranges predictions are extrapolated, with a note, and keep their interval: the splits "wider"
and "longer" of data sets measure how well. Outside all others, the interval is infinite."""

OUTSIDE: Final = "out of distribution"
"""Beginning of the note on a tube outside the training data."""


@dataclass(frozen=True)
class Scaling(ValueObject):
    """Means and standard deviations of outputs, (properties,), and of the numbers of tubes, (numbers,)."""

    mean: FloatArray
    scale: FloatArray
    numbers_mean: FloatArray
    numbers_scale: FloatArray


class Note(NamedTuple):
    """What a tube outside the training data is told.

    Attributes:
        text: what is outside.
        is_lost: whether the interval is infinite.
        distance: 1 plus the largest excess over a range, in its widths: the least distance of the tube.
    """

    text: str
    is_lost: bool
    distance: float


def _outside(column: int, value: float, low: float, high: float) -> str:
    """Return the text on a feature of a tube that is outside its range."""
    name, factor, unit = RANGED[column]
    number, least, most = (f"{factor * x:.3g}" for x in (value, low, high))
    return f"{name} {number}{f' {unit}' if unit else ''}, and {least} to {most} in the training data"


@dataclass(frozen=True, eq=False)
class HoneycombSurrogate(ValueObject, Model):
    """A model of tubes of any lattice.

    Attributes:
        networks: fitted networks, in evaluation mode, all of one class; their mean is the prediction.
        kind: kind of the networks, one of `matgym.surrogates.honeycomb.kinds.KINDS`.
        settings: size settings of the networks.
        predicted: keys of the predicted properties.
        informed_by: physics that is computed for each tube as further inputs: see `informants`.
        scaling: scaling of inputs and outputs.
        chiralities: (n, m) of the tubes in the training data.
        calibration: named arrays of the distance, see `matgym.learning.metrics`; of the uncertainty, by
            `matgym.surrogates.honeycomb.intervals` or, where no chirality was left out, by `matgym.learning.metrics`;
            and "low" and "high", (len(RANGED),) ranges in training.
    """

    networks: tuple[Any, ...]
    kind: str
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
        return self.kind

    @property
    def is_uncertain(self) -> bool:
        """True: predictions have an uncertainty, calibrated on tubes that were not trained on."""
        return True

    @property
    def cost(self) -> Cost:
        """Cost of the members and the physics inputs, measured in batches on one core of an AMD EPYC server."""
        informed = sum(cost.seconds for name in self.informed_by if (cost := informants()[name].oracle.cost))
        linear = isinstance(self.networks[0], PairNetwork)  # whose members share their features
        own = 3e-4 if linear else 5e-4 * len(self.networks)
        return Cost(seconds=own + informed, sites=128, exponent=1.0)

    def unsupported(self, space: Space) -> str:
        """Return why no tube of a design space can be predicted: its designs are not tubes; empty if one can."""
        return "" if space.domain is not None else "its designs are not tubes"

    def predict(self, tubes: Sequence[Nanotube], /) -> Predictions:
        """Predict every property of each tube, with its uncertainty.

        Returns:
            Predictions of shape (B,); NaN, with the reason in `failures`, for tubes whose physics inputs fail. Tubes
            outside the ranges of the training data have a note, and most of them an infinite interval.
        """
        batch = TubeBatch.of(tubes)
        members, pooled, targets = self.run(batch)
        notes = self.notes(batch)
        far = distance(pooled, self.calibration) if self.calibration else np.full(len(batch), np.nan)
        mean, sd, half_width = self._judged(batch, members, far, targets, notes)
        lost = self.lost(batch, np.flatnonzero(np.isnan(mean).any(axis=1)).tolist())
        said = {row: note.text for row, note in notes.items() if row not in lost}
        values, sds, half_widths = (dict(zip(self.predicted, x.T, strict=True)) for x in (mean, sd, half_width))
        for row, note in notes.items():
            far[row] = max(far[row], note.distance)
        return Predictions(
            values, dict.fromkeys(self.predicted, lost) if lost else {}, sds, half_widths,
            {key: members[:, :, k] for k, key in enumerate(self.predicted)}, far,
            dict.fromkeys(self.predicted, said) if said else {},
        )  # fmt: skip

    def lost(self, batch: TubeBatch, rows: Sequence[int]) -> dict[int, str]:  # noqa: ARG002  # other kinds need it
        """Return why some tubes, which have no prediction, have none, by row."""
        return dict.fromkeys(rows, UNINFORMED)

    def judged(self, data: Dataset) -> tuple[FloatArray, FloatArray]:
        """Return (B, properties) means and half-widths of intervals for the rows of a data set."""
        members, pooled, targets = self.run(data.batch, self.inputs_of(data))
        far = distance(pooled, self.calibration)
        mean, _, half_width = self._judged(data.batch, members, far, targets, self.notes(data.batch))
        return mean, half_width

    def _judged(
        self,
        batch: TubeBatch,
        members: FloatArray,
        far: FloatArray,
        targets: Targets,
        notes: Mapping[int, Note],
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (B, properties) means, standard deviations and half-widths of intervals."""
        mean, sd, half_width = judge(members, self.calibration)
        if "difficulty" in self.calibration:
            asked = Asked.of(honeycombs(batch), far, targets.learned(mean))
            sd, half_width = (
                targets.widths(mean, learned) for learned in widths(asked, ~self.seen(batch), self.calibration)
            )
        lost = [row for row, note in notes.items() if note.is_lost]
        sd[lost] = half_width[lost] = np.inf
        return mean, sd, half_width

    def seen(self, batch: TubeBatch) -> BoolArray:
        """Return (B,) whether the chirality of each tube is one of the training data."""
        known = set(self.chiralities)
        return np.array([(lattice.n, lattice.m) in known for lattice in batch.lattices], dtype=bool)[
            batch.lattice_index
        ]

    def notes(self, batch: TubeBatch) -> dict[int, "Note"]:
        """Return, by row, what of a tube is outside the ranges of the training data."""
        if "low" not in self.calibration or not len(batch):
            return {}
        low, high = self.calibration["low"], self.calibration["high"]
        width = np.maximum(high - low, 1e-6)
        found = ranged(honeycombs(batch))
        excess = np.maximum(low - found, found - high) / width
        notes = {}
        for row in np.flatnonzero((excess > TOLERANCE).any(axis=1)).tolist():
            columns = np.flatnonzero(excess[row] > TOLERANCE).tolist()
            parts = [_outside(column, found[row, column], low[column], high[column]) for column in columns]
            is_lost = any(RANGED[column][0] not in SIZES for column in columns)
            notes[row] = Note(f"{OUTSIDE}: {'; '.join(parts)}", is_lost, 1.0 + float(excess[row].max()))
        return notes

    def run(self, batch: TubeBatch, physics: FloatArray | None = None) -> tuple[FloatArray, FloatArray, Targets]:
        """Return (members, B, properties) predictions, (B, F) features of the first network, and the targets.

        Args:
            batch: B tubes.
            physics: (B, informed) values of `informed_by`; None to compute them.
        """
        physics = self.inputs(batch) if physics is None else physics
        outputs, pooled = [], []
        parts = pieces(batch, SITES_A_PASS)
        for rows in parts:
            part = batch if len(parts) == 1 else batch.take(rows)
            tensors = self.tensors(honeycombs(part), physics[rows])
            with torch.inference_mode():
                first = self.networks[0].features(*tensors)
                alike = isinstance(self.networks[0], PairNetwork)  # whose features have no weights
                features = [first] + [first if alike else other.features(*tensors) for other in self.networks[1:]]
                results = [network.head(x) for network, x in zip(self.networks, features, strict=True)]
            outputs.append(torch.stack(results).numpy())
            pooled.append(features[0].numpy())
        standard = np.concatenate(outputs, axis=1).astype(np.float64)
        targets = self.targets(batch, physics)
        values = targets.values(standard * self.scaling.scale + self.scaling.mean)
        return values, np.concatenate(pooled).astype(np.float64), targets

    def inputs(self, batch: TubeBatch) -> FloatArray:
        """Return the (B, inputs) further inputs of the networks, computed for the tubes: here physics."""
        return physics_inputs(self.informed_by, batch)

    def inputs_of(self, data: Dataset) -> FloatArray:
        """Return the same for the rows of a data set, which may hold them."""
        return physics_of(data, self.informed_by)

    def targets(self, batch: TubeBatch, physics: FloatArray) -> Targets:
        """Return how learned values of tubes become properties; arguments as those of `run`."""
        return Targets.of(self.predicted, batch, self.informed_by, physics)

    def pooled(self, batch: TubeBatch, physics: FloatArray) -> FloatArray:
        """Return the (B, F) features of the first network; arguments as those of `run`."""
        return self.run(batch, physics)[1]

    def tensors(
        self,
        graph: Honeycombs,
        physics: FloatArray,
        signs: Float32Array | None = None,
        more: Float32Array | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Return the arguments of a network: see `HoneycombNetwork.forward`.

        Args:
            graph: B tubes.
            physics: (B, informed) values of `informed_by`.
            signs: (B,) -1 for the mirror image of a tube; None for none.
            more: (S, inputs) further inputs of sites; None for none.
        """
        sites = graph.sites if more is None else np.concatenate([graph.sites, more], axis=1)
        numbers = np.concatenate([graph.tubes, physics], axis=1)
        numbers = ((numbers - self.scaling.numbers_mean) / self.scaling.numbers_scale).astype(np.float32)
        directions = graph.directions if signs is None else mirrored(graph.directions, graph.tube, signs)
        arrays = sites, graph.neighbours, directions, graph.tube, numbers
        return tuple(torch.tensor(np.ascontiguousarray(array)) for array in arrays)
