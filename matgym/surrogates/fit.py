"""Fit the CNN: standardised targets, AdamW, one-cycle schedule, early stopping on validation only."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from matgym.datasets import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.structures import TubeLattice
from matgym.structures.symmetry import symmetry_group
from matgym.surrogates.baseline import known
from matgym.surrogates.cnn import PROPERTIES, CnnSurrogate
from matgym.surrogates.networks import NetworkSettings, ResidualRaster
from matgym.surrogates.raster import encode, global_features
from matgym.typing import FloatArray, SpeciesArray


@dataclass(frozen=True)
class FitSettings:
    """How to fit.

    Attributes:
        properties: labels to learn, the one that rewards first.
        weights: of each property's loss; a second, smooth property steadies the gap's.
        epochs: passes over the training split.
        batch_size: tubes a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW.
        seed: of initial weights, order, and augmentation.
        network: its size.
    """

    properties: tuple[str, ...] = ("gap_ev", "pi_formation_ev")
    weights: tuple[float, ...] = (1.0, 0.2)
    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.properties) or not self.properties:
            raise ConfigurationError(f"{len(self.weights)} weights do not fit properties {self.properties}")
        if min(self.epochs, self.batch_size) < 1 or self.learning_rate <= 0:
            raise ConfigurationError(f"epochs={self.epochs}, batch_size={self.batch_size} must be 1 or more")

    def as_dict(self) -> dict[str, Any]:
        """Plain form for the card."""
        return asdict(self)


@dataclass(frozen=True)
class _Group:
    """Tubes of one lattice."""

    lattice: TubeLattice
    species: SpeciesArray  # (k, n_sites)
    labels: FloatArray  # (k, properties)
    learned: FloatArray  # (k, properties): labels less what is known without learning


def _groups(data: Dataset, properties: tuple[str, ...]) -> list[_Group]:
    labels = np.stack([data.values(key) for key in properties], axis=1)
    groups = []
    for lattice, rows, species in data.by_lattice():
        offset, factor = known(lattice, tuple(PROPERTIES[key] for key in properties))
        groups.append(_Group(lattice, species, labels[rows], (labels[rows] - offset) / factor))
    return groups


def fit(
    data: Dataset,
    settings: FitSettings,
    on_epoch: Callable[[int, float, float], None] = lambda _epoch, _train, _validation: None,
) -> CnnSurrogate:
    """Fit a network to the training split; the epoch that validates best is kept.

    Args:
        data: with train and validation rows; its test rows are never looked at.
        settings: how.
        on_epoch: called with epoch, training loss, and validation RMSE of the first property.

    Returns:
        The fitted surrogate, calibrated on the validation split.

    Raises:
        DatasetError: if a split is empty.
    """
    data = data.labelled()
    train = _groups(data.split("train"), settings.properties)
    validation = _groups(data.split("validation"), settings.properties)
    if not train or not validation:
        raise DatasetError("the data set has no rows to train or to validate on")
    rng = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    learned = np.concatenate([group.learned for group in train])
    mean, scale = learned.mean(axis=0), learned.std(axis=0)
    net = ResidualRaster(settings.network, len(settings.properties))
    surrogate = CnnSurrogate.from_network(
        net, settings.network, settings.properties, mean, scale, [group.lattice for group in train]
    )
    steps = settings.epochs * sum(math.ceil(len(g.species) / settings.batch_size) for g in train)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    loss_weights = torch.tensor(settings.weights)

    best_rmse, best_state = math.inf, net.state_dict()
    for epoch in range(settings.epochs):
        net.train()
        losses = []
        for lattice, species, targets in _batches(train, settings.batch_size, rng):
            predicted = net(*_tensors(lattice, species), lattice.raster_shift)
            wanted = torch.from_numpy(((targets - mean) / scale).astype(np.float32))
            loss = (((predicted - wanted) ** 2).mean(dim=0) * loss_weights).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        net.eval()
        rmse = float(np.sqrt(np.mean(_residuals(surrogate, validation)[:, 0] ** 2)))
        if rmse < best_rmse:
            best_rmse, best_state = rmse, {name: value.clone() for name, value in net.state_dict().items()}
        on_epoch(epoch, float(np.mean(losses)), rmse)
    net.load_state_dict(best_state)
    return _calibrated(surrogate, train, validation)


def _batches(
    groups: list[_Group], size: int, rng: np.random.Generator
) -> Iterator[tuple[TubeLattice, SpeciesArray, FloatArray]]:
    """Shuffled batches, each of one lattice, every tube turned by a random operation of its symmetry."""
    cuts = [
        (group, rows)
        for group in groups
        for rows in np.array_split(rng.permutation(len(group.species)), math.ceil(len(group.species) / size))
    ]
    for index in rng.permutation(len(cuts)):
        group, rows = cuts[index]
        operations = symmetry_group(group.lattice)
        chosen = operations[rng.integers(len(operations), size=len(rows))]
        yield group.lattice, np.take_along_axis(group.species[rows], chosen, axis=1), group.learned[rows]


def _tensors(lattice: TubeLattice, species: SpeciesArray) -> tuple[Tensor, Tensor]:
    raster = torch.from_numpy(encode(lattice, species)).contiguous(memory_format=torch.channels_last)
    return raster, torch.from_numpy(global_features(lattice, species))


def _residuals(surrogate: CnnSurrogate, groups: list[_Group]) -> FloatArray:
    """(rows, properties) prediction less label."""
    return np.concatenate([surrogate.predict(g.lattice, g.species) - g.labels for g in groups])


def _calibrated(surrogate: CnnSurrogate, train: list[_Group], validation: list[_Group]) -> CnnSurrogate:
    features = np.concatenate([surrogate.features(g.lattice, g.species) for g in train])
    held_out = np.concatenate([surrogate.features(g.lattice, g.species) for g in validation])
    return surrogate.calibrated(_residuals(surrogate, validation), features, held_out)
