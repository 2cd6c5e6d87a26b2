"""Fitting of networks on the honeycomb: standardised targets, mean squared error, AdamW, one-cycle schedule."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.learning.config import check_counts, check_not_negative, check_positive
from matgym.learning.metrics import calibrate, column_scales
from matgym.learning.trainer import Options, Training, one_cycle, train
from matgym.structures import TubeBatch
from matgym.surrogates.baseline import check_informants, physics_of
from matgym.surrogates.honeycomb.graph import honeycombs
from matgym.surrogates.honeycomb.network import HoneycombNetwork, HoneycombSettings
from matgym.surrogates.honeycomb.surrogate import HoneycombSurrogate, Scaling, known
from matgym.typing import FloatArray

Batch: TypeAlias = tuple[tuple[Tensor, ...], Tensor]
"""Arguments of the network, and (B, properties) standardised targets."""


@dataclass(frozen=True)
class HoneycombFit:
    """The configuration of a fit.

    Attributes:
        properties: keys of the labels to learn, one output each.
        informed_by: physics that is given as further inputs; see `matgym.surrogates.baseline`.
        size: settings of the network; missing ones have their defaults.
        members: number of networks, fitted with different seeds.
        epochs: number of passes over the training split.
        patience: number of epochs without a lower validation error after which the fit stops; None runs all epochs.
        batch_size: number of tubes per step.
        learning_rate: peak learning rate of the one-cycle schedule.
        weight_decay: weight decay of AdamW.
        seed: random seed of initial weights, order, and mirror images; member i has `seed + i`.
        dataset: name or file of the data that the configuration is for; empty for any data.
        network: "honeycomb".

    Raises:
        ConfigurationError: if a value is out of range.
    """

    properties: tuple[str, ...]
    informed_by: tuple[str, ...] = ()
    size: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    epochs: int = 60
    patience: int | None = None
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    dataset: str = ""
    network: Literal["honeycomb"] = "honeycomb"

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "members", "batch_size", "patience")
        check_positive(self, "learning_rate")
        check_not_negative(self, "weight_decay")
        if not self.properties:
            raise ConfigurationError("properties must hold at least one key")
        check_informants(self.informed_by)
        HoneycombSettings(**self.size)

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary for the card, with all settings of the network."""
        return asdict(self) | {"size": asdict(HoneycombSettings(**self.size))}


@dataclass(frozen=True, eq=False)
class Examples(ValueObject):
    """Labelled tubes with what is to be learned.

    Attributes:
        batch: B tubes.
        labels: (B, properties) labels.
        learned: (B, properties) labels without the part that is known without learning.
        factor: (B, properties) factors of the learned values in the labels.
        physics: (B, informed) physics inputs.
    """

    batch: TubeBatch
    labels: FloatArray
    learned: FloatArray
    factor: FloatArray
    physics: FloatArray

    @classmethod
    def of(cls, data: Dataset, config: HoneycombFit) -> "Examples":
        """Return the rows of a data set, but for those whose physics inputs fail."""
        batch, labels = data.batch, np.stack([data.values(key) for key in config.properties], axis=1)
        physics = physics_of(data, config.informed_by)
        rows = np.flatnonzero(np.isfinite(physics).all(axis=1))
        batch, labels, physics = batch.take(rows), labels[rows], physics[rows]
        offset, factor = known(config.properties, batch, config.informed_by, physics)
        return cls(batch, labels, (labels - offset) / factor, factor, physics)


def fit(
    data: Dataset, config: HoneycombFit, start: HoneycombSurrogate | None = None, **options: Unpack[Options]
) -> HoneycombSurrogate:
    """Fit networks to the training split, keep the epoch of the lowest validation error, and calibrate uncertainty.

    Args:
        data: data set with train and validation rows; rows of other splits are not used.
        config: configuration of the fit.
        start: surrogate whose weights, of another property perhaps, the rounds of messages begin with.
        options: see `matgym.learning.trainer.Options`.

    Raises:
        DatasetError: if a split is empty, or the checkpoints are those of another fit.
        PropertyError: if the data have no labels of a property.
    """
    data = data.labelled(config.properties)
    learned, validation = (Examples.of(data.split(split), config) for split in ("train", "validation"))
    if not len(learned.batch) or not len(validation.batch):
        raise DatasetError(
            f"the data set has {len(learned.batch)} tubes to train on and {len(validation.batch)} to validate on: give "
            "labelled rows in the splits 'train' and 'validation'"
        )
    numbers = np.concatenate([honeycombs(learned.batch).tubes, learned.physics], axis=1)
    scaling = Scaling(
        learned.learned.mean(axis=0), column_scales(learned.learned), numbers.mean(axis=0), column_scales(numbers)
    )
    settings = HoneycombSettings(**config.size)
    chiralities = tuple(sorted({(lattice.n, lattice.m) for lattice in learned.batch.lattices}))
    fresh = HoneycombSurrogate((), asdict(settings), config.properties, config.informed_by, scaling, chiralities)
    leads = any(prop.between_leads for prop in fresh.properties)
    networks: list[HoneycombNetwork] = []
    for member in range(config.members):
        torch.manual_seed(config.seed + member)
        network = HoneycombNetwork(settings, len(config.properties), informed=len(config.informed_by), sums=leads)
        if start is not None:
            _take_over(network, start.networks[member % len(start.networks)])
        training = _training(replace(fresh, networks=(network,)), learned, validation, config, member)
        train(training, {"data": data.digest, "config": asdict(config)}, **options)
        networks.append(network)
    fitted = replace(fresh, networks=tuple(networks))
    _, features = fitted.run(learned.batch, learned.physics)
    members, held_out = fitted.run(validation.batch, validation.physics)
    return replace(fitted, calibration=calibrate(validation.labels, members, features, held_out))


def _take_over(network: HoneycombNetwork, start: HoneycombNetwork) -> None:
    """Give a network the weights of another one that has the same sizes: all but those of the head's last layer.

    Raises:
        ConfigurationError: if no weights but those of the head fit.
    """
    wanted = network.state_dict()
    fitting = {
        name: value
        for name, value in start.state_dict().items()
        if name in wanted
        and value.shape == wanted[name].shape
        and not name.startswith(f"head.{len(network.head) - 1}.")
    }
    if "site.weight" not in fitting or any(name not in fitting for name in wanted if name.startswith("rounds.")):
        raise ConfigurationError("the initial weights are of a network of another size: give the same settings")
    network.load_state_dict(wanted | fitting)


def _training(
    surrogate: HoneycombSurrogate, learned: Examples, validation: Examples, config: HoneycombFit, member: int
) -> Training[Batch]:
    """Return the training of the surrogate's only network."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    count = len(learned.batch)
    steps = math.ceil(count / config.batch_size)
    targets = ((learned.learned - scaling.mean) / scaling.scale).astype(np.float32)

    def batches(_progress: float) -> Iterator[Batch]:
        for rows in np.array_split(rng.permutation(count), steps):
            signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), len(rows))
            graph = honeycombs(learned.batch.take(rows))
            yield surrogate.tensors(graph, learned.physics[rows], signs), torch.from_numpy(targets[rows])

    def losses(batch: Batch) -> dict[str, Tensor]:
        inputs, wanted = batch
        return {"train": ((net(*inputs) - wanted) ** 2).mean()}

    def validate(_epoch: int) -> dict[str, float]:
        found = surrogate.run(validation.batch, validation.physics)[0][0]
        residuals = (found - validation.labels) / validation.factor / scaling.scale
        return {"error": float(np.sqrt((residuals**2).mean()))}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training("honeycomb", net, [update], batches, validate, rng, config.epochs, config.patience, member=member)
