"""What predicts a property of crystals: the mean of the values, a ridge regression, or graph networks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, Self, TypeAlias, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.learning.config import check_counts, check_positive
from matgym.learning.crystal_graphs import CrystalGraphs
from matgym.learning.crystal_network import CrystalBody, CrystalSettings, LatticeInputs
from matgym.learning.sizes import bounded
from matgym.learning.store import ensemble_tensors
from matgym.learning.trainer import Options, Training, digest, one_cycle, train
from matgym.structures.crystals import Crystal
from matgym.surrogates.crystals.elements import COLUMNS, descriptors, element_data
from matgym.surrogates.crystals.table import unusable
from matgym.surrogates.honeycomb.targets import Targets
from matgym.surrogates.own.ridge import MEMBERS, folds_of, ridge
from matgym.typing import BoolArray, FloatArray, IntArray

Network: TypeAlias = Literal["mean", "ridge", "graph"]

NETWORKS: Final[tuple[Network, ...]] = ("mean", "ridge", "graph")
"""Kinds of models, in the order of what a prediction costs."""

LEFT_OUT: Final = 8
"""Parts of the data of which each network leaves one out, to choose its best epoch. A choice of ours."""

ASKED: Final = 64
"""Crystals in a batch of predictions. A choice of ours."""

MOST_MEMBERS: Final = 16

SIZE: Final = CrystalSettings(width=32, layers=2, gaussians=24, hidden=(32,), neighbours=12, cutoff_angstrom=5.0)
"""Settings of the graph network, which fit some hundreds of crystals. A choice of ours."""


@dataclass(frozen=True)
class CrystalFit:
    """How a surrogate of crystals is trained.

    Attributes:
        network: "mean", "ridge" or "graph"; "auto" for the one that cross-validation chooses.
        members: graph networks in the ensemble.
        epochs: epochs of the training of each.
        batch_size: crystals in a batch.
        rate: largest learning rate.
        weight_decay: weight decay of AdamW.
        seed: random seed of folds, weights and batches.
        size: settings of the graph networks.

    Raises:
        ConfigurationError: if a setting is out of range.
    """

    network: str = "auto"
    members: int = 2
    epochs: int = 60
    batch_size: int = 16
    rate: float = 4e-3
    weight_decay: float = 1e-2
    seed: int = 0
    size: CrystalSettings = SIZE

    def __post_init__(self) -> None:
        if self.network not in {"auto", *NETWORKS}:
            raise ConfigurationError(f"network={self.network!r} is unknown: give auto, {', '.join(NETWORKS)}")
        check_counts(self, "members", "epochs", "batch_size")
        check_positive(self, "rate", "weight_decay")
        if self.members > MOST_MEMBERS:
            raise ConfigurationError(f"members={self.members} is too many: give 1 to {MOST_MEMBERS}")
        if self.seed < 0:
            raise ConfigurationError(f"seed={self.seed} must not be negative")

    @property
    def networks(self) -> tuple[Network, ...]:
        """The models that are compared: cheaper opponents are always among them."""
        last = NETWORKS[-1] if self.network == "auto" else self.network
        return NETWORKS[: 1 + [*NETWORKS].index(last)]  # type: ignore[arg-type]  # checked above


@dataclass(frozen=True, eq=False)
class CrystalRows(ValueObject):
    """What models read of B crystals.

    Attributes:
        descriptors: (B, D) see `matgym.surrogates.crystals.elements.descriptors`.
        graphs: B graphs of one crystal each; none if no graph network is asked.
    """

    descriptors: FloatArray
    graphs: tuple[CrystalGraphs, ...] = ()

    def __len__(self) -> int:
        return len(self.descriptors)

    @classmethod
    def of(cls, crystals: Sequence[Crystal], size: CrystalSettings | None, *, has_volume: bool) -> Self:
        """Return what models read of crystals; with `size` None, without graphs.

        Raises:
            StructureError: if a graph has too many pairs of atoms.
        """
        graphs = tuple(_graph(crystal, size) for crystal in crystals) if size else ()
        return cls(descriptors(crystals, has_volume=has_volume), graphs)

    @classmethod
    def joined(cls, parts: "Sequence[CrystalRows]") -> "CrystalRows":
        """Return the rows of several parts."""
        graphs = tuple(graph for part in parts for graph in part.graphs)
        return CrystalRows(np.concatenate([part.descriptors for part in parts]), graphs)

    def take(self, rows: IntArray) -> Self:
        """Return some rows."""
        graphs = tuple(self.graphs[row] for row in rows) if self.graphs else ()
        return replace(self, descriptors=self.descriptors[rows], graphs=graphs)

    @property
    def digest(self) -> str:
        """A digest of what graph networks read."""
        whole = CrystalGraphs.joined(self.graphs)
        return digest(whole.numbers, whole.crystal, whole.vectors, whole.lattice)


def _graph(crystal: Crystal, size: CrystalSettings) -> CrystalGraphs:
    return CrystalGraphs.of([crystal], cutoff_angstrom=size.cutoff_angstrom, neighbours=size.neighbours)


def why_not(crystal: Crystal, elements: Sequence[int]) -> str:
    """Return why a crystal cannot be predicted, in one sentence without its subject; empty if it may be."""
    from ase.data import chemical_symbols

    strange = sorted(set(np.unique(crystal.numbers).tolist()) - set(elements))
    if strange:
        names = ", ".join(chemical_symbols[number] for number in strange)
        known = ", ".join(chemical_symbols[number] for number in elements)
        return f"it contains {names}, and the training data have only {known}"
    reason = unusable(crystal)
    return f"it has {reason}" if reason else ""


class CrystalModel(Protocol):
    """A fitted model."""

    def members(self, rows: CrystalRows) -> FloatArray:
        """Return the (members, B) predictions."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights by the names under which they are stored."""
        ...


@dataclass(frozen=True)
class MeanModel:
    """The mean of the training values, whatever the crystal."""

    mean: float

    def members(self, rows: CrystalRows) -> FloatArray:
        """Return (1, B) times the mean."""
        return np.full((1, len(rows)), self.mean)

    def tensors(self) -> dict[str, Tensor]:
        """Return the mean."""
        return {"mean": torch.tensor([self.mean], dtype=torch.float64)}


@dataclass(frozen=True, eq=False)
class RidgeModel(ValueObject):
    """Linear models on descriptors.

    Attributes:
        weights: (members, D) weights.
        bias: (members,) constants.
    """

    weights: FloatArray
    bias: FloatArray

    def members(self, rows: CrystalRows) -> FloatArray:
        """Return the (members, B) predictions."""
        return np.asarray(self.weights @ rows.descriptors.T + self.bias[:, None])

    def tensors(self) -> dict[str, Tensor]:
        """Return weights and constants."""
        return {name: torch.from_numpy(np.array(values)) for name, values in vars(self).items()}


class CrystalNetwork(nn.Module):
    """A graph network with a linear layer for one property in standard deviations of its values.

    The vectors of atoms begin as random projections of element data, so that similar elements begin alike.
    """

    def __init__(self, size: CrystalSettings, lattice: LatticeInputs) -> None:
        super().__init__()
        self.body = CrystalBody(size, lattice)
        self.last = nn.Linear(self.body.n_features, 1)

    def start(self) -> Self:
        """Set the initial vectors of atoms by torch's random numbers, and return the network."""
        data = element_data()[1:]
        scaled = torch.tensor((data - data.mean(axis=0)) / data.std(axis=0), dtype=torch.float32)
        with torch.no_grad():
            self.body.atom.weight[1:] = (
                scaled @ torch.randn(len(COLUMNS), self.body.settings.width) * len(COLUMNS) ** -0.5
            )
        return self

    def forward(self, graphs: CrystalGraphs) -> Tensor:
        """Return the (B,) values of crystals in standard deviations from the mean."""
        found: Tensor = self.last(self.body(graphs))[:, 0]
        return found


@dataclass(frozen=True)
class GraphModel:
    """An ensemble of graph networks.

    Attributes:
        networks: the networks.
        mean: mean of the training values.
        scale: their standard deviation.
    """

    networks: tuple[CrystalNetwork, ...] = field(repr=False)
    mean: float
    scale: float

    def members(self, rows: CrystalRows) -> FloatArray:
        """Return the (members, B) predictions; in double precision, so that they do not depend on turns."""
        found = np.empty((len(self.networks), len(rows)))
        with torch.no_grad():
            for first in range(0, len(rows), ASKED):
                batch = CrystalGraphs.joined(rows.graphs[first : first + ASKED])
                for number, network in enumerate(self.networks):
                    found[number, first : first + ASKED] = network.double().eval()(batch).numpy()
        return self.mean + self.scale * found

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights, in single precision as they were trained, with mean and scale."""
        weights = {name: value.float() for name, value in ensemble_tensors(self.networks).items()}
        return weights | {"scaling": torch.tensor([self.mean, self.scale], dtype=torch.float64)}


def fit_model(
    network: Network,
    rows: CrystalRows,
    values: FloatArray,
    groups: IntArray,
    fit: CrystalFit,
    lattice: LatticeInputs,
    stage: str,
    **options: Unpack[Options],
) -> CrystalModel:
    """Fit a model to T crystals.

    Args:
        network: kind of the model.
        rows: the crystals.
        values: (T,) values.
        groups: (T,) what is left out together when penalties and epochs are chosen.
        fit: the settings.
        lattice: what graph networks read of lattices.
        stage: name of the training, by which it finds its checkpoints.
        options: see `Options`.
    """
    if network == "mean":
        return MeanModel(float(values.mean()))
    rng = np.random.default_rng([fit.seed, 1])
    if network == "ridge":
        whole = Targets(np.zeros((len(rows), 1)), np.ones((len(rows), 1)), np.zeros(1, bool), np.zeros(1, bool))
        least = MEMBERS - 1  # what remains of the fewest groups of which whole ones are left out
        folds = folds_of(_several(groups, least), MEMBERS, rng)
        found = ridge(rows.descriptors, values, whole, np.ones(rows.descriptors.shape[1]), folds)
        return RidgeModel(found.weights, found.bias)
    parts = max(LEFT_OUT, fit.members)
    folds = folds_of(_several(groups, parts), parts, rng)
    mean, scale = float(values.mean()), float(values.std()) or 1.0
    scaled = (values - mean) / scale
    networks = [
        _trained(rows, scaled, folds == member, fit, lattice, stage, member, **options) for member in range(fit.members)
    ]
    return GraphModel(tuple(networks), mean, scale)


def _several(groups: IntArray, least: int) -> IntArray:
    """Return the groups, or a group for each row if there are too few to leave some out."""
    return groups if len(np.unique(groups)) >= least else np.arange(len(groups))


def _trained(
    rows: CrystalRows,
    values: FloatArray,
    is_held: BoolArray,
    fit: CrystalFit,
    lattice: LatticeInputs,
    stage: str,
    member: int,
    **options: Unpack[Options],
) -> CrystalNetwork:
    """Return one network, with the weights of the epoch of the least error on the crystals that are held out."""
    held, held_values = rows.take(np.flatnonzero(is_held)), values[is_held]
    rows, values = rows.take(np.flatnonzero(~is_held)), values[~is_held]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1_000_003 * fit.seed + member)
        network = bounded(lambda: CrystalNetwork(fit.size, lattice)).start()
    rng = np.random.default_rng([fit.seed, 2, member])
    aim, held_graphs = torch.tensor(values, dtype=torch.float32), CrystalGraphs.joined(held.graphs)
    parts = max(1, len(rows) // fit.batch_size)

    def batches(_progress: float) -> list[IntArray]:
        return [part for part in np.array_split(rng.permutation(len(rows)), parts) if len(part)]

    def losses(batch: IntArray) -> dict[str, Tensor]:
        told = network(CrystalGraphs.joined([rows.graphs[row] for row in batch]))
        return {"mse": (told - aim[batch].to(told.device)).square().mean()}

    def validate(_epoch: int) -> dict[str, float]:
        told = network(held_graphs).cpu().numpy()
        return {"error": float(np.sqrt(np.square(told - held_values).mean()))}

    update = one_cycle(network, losses, rate=fit.rate, steps=fit.epochs * parts, weight_decay=fit.weight_decay)
    identity = {
        "fit": fit, "lattice": lattice, "rows": rows.digest, "held": held.digest, "values": digest(values, held_values)
    }  # fmt: skip
    training = Training(stage, network, [update], batches, validate, rng, fit.epochs, member=member)
    train(training, identity, **options)
    return network
