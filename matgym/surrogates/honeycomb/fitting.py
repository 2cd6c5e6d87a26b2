"""Fitting of surrogates on the honeycomb, each member of an ensemble on other chiralities.

Networks: standardised targets, mean squared error, AdamW, one-cycle schedule. Ridge regression: in closed form.

The member with number i of several leaves out the chiralities with numbers i, i + members, and so on. Its errors there,
together those of all members on every chirality of the training data, calibrate the intervals of tubes of unseen
chiralities (as in the jackknife+ of Barber et al., Ann. Stat. 49, 486 (2021), with chiralities as the units).
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.frozen import ValueObject
from matgym.learning.config import check_counts, check_not_negative, check_positive
from matgym.learning.metrics import COVERAGE, calibrate, column_scales
from matgym.learning.trainer import Options, Training, one_cycle, train
from matgym.structures import TubeBatch
from matgym.surrogates.baseline import check_informants, physics_of
from matgym.surrogates.honeycomb.graph import Honeycombs, honeycombs, part_of
from matgym.surrogates.honeycomb.network import HoneycombNetwork
from matgym.surrogates.honeycomb.pairs import PairNetwork
from matgym.surrogates.honeycomb.surrogate import KINDS, AnyNetwork, HoneycombSurrogate, Scaling, build
from matgym.surrogates.honeycomb.targets import Targets
from matgym.typing import FloatArray, IntArray

Batch: TypeAlias = tuple[tuple[Tensor, ...], Tensor]
"""Arguments of the network, and (B, properties) standardised targets."""


@dataclass(frozen=True)
class HoneycombFit:
    """The configuration of a fit.

    Attributes:
        properties: keys of the labels to learn, one output each.
        informed_by: physics that is given as further inputs; see `matgym.surrogates.baseline`.
        size: settings of the network; missing ones have their defaults.
        members: number of networks, fitted with different seeds and without different chiralities.
        epochs: number of passes over the training split, as are the next four only for the network.
        patience: number of epochs without a lower validation error after which the fit stops; None runs all epochs.
        batch_size: number of tubes per step.
        learning_rate: peak learning rate of the one-cycle schedule.
        weight_decay: weight decay of AdamW.
        seed: random seed of initial weights, order, and mirror images; member i has `seed + i`.
        dataset: name or file of the data that the configuration is for; empty for any data.
        network: "honeycomb", or "pairs" for a ridge regression.

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
    network: Literal["honeycomb", "pairs"] = "honeycomb"

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "members", "batch_size", "patience")
        check_positive(self, "learning_rate")
        check_not_negative(self, "weight_decay")
        if not self.properties:
            raise ConfigurationError("properties must hold at least one key")
        check_informants(self.informed_by)
        KINDS[self.network][1](**self.size)

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary for the card, with all settings of the network."""
        return asdict(self) | {"size": asdict(KINDS[self.network][1](**self.size))}


@dataclass(frozen=True, eq=False)
class Examples(ValueObject):
    """Labelled tubes with what is to be learned.

    Attributes:
        batch: B tubes.
        graph: the same as one graph.
        labels: (B, properties) labels.
        learned: (B, properties) labels without the part that is known without learning.
        targets: how learned values become labels.
        physics: (B, informed) physics inputs.
        chirality: (B,) number of the chirality of each tube.
    """

    batch: TubeBatch
    graph: Honeycombs
    labels: FloatArray
    learned: FloatArray
    targets: Targets
    physics: FloatArray
    chirality: IntArray

    @classmethod
    def of(cls, data: Dataset, config: HoneycombFit) -> Self:
        """Return the rows of a data set, but for those whose physics inputs fail."""
        batch, labels = data.batch, np.stack([data.values(key) for key in config.properties], axis=1)
        physics = physics_of(data, config.informed_by)
        rows = np.flatnonzero(np.isfinite(physics).all(axis=1))
        batch, labels, physics = batch.take(rows), labels[rows], physics[rows]
        targets = Targets.of(config.properties, batch, config.informed_by, physics)
        numbers = data.chirality_numbers()[rows]
        return cls(batch, honeycombs(batch), labels, targets.learned(labels), targets, physics, numbers)


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
        ConfigurationError: if `start` has networks of another kind or size.
    """
    data = data.labelled(config.properties)
    learned, validation = (Examples.of(data.split(split), config) for split in ("train", "validation"))
    if not len(learned.batch) or not len(validation.batch):
        raise DatasetError(
            f"the data set has {len(learned.batch)} tubes to train on and {len(validation.batch)} to validate on: give "
            "labelled rows in the splits 'train' and 'validation'"
        )
    numbers = np.concatenate([learned.graph.tubes, learned.physics], axis=1)
    mean, scale = numbers.mean(axis=0), column_scales(numbers)
    if config.network == "pairs":  # scales features itself
        mean, scale = np.zeros_like(mean), np.ones_like(scale)
    scaling = Scaling(learned.learned.mean(axis=0), column_scales(learned.learned), mean, scale)
    settings = KINDS[config.network][1](**config.size)
    chiralities = tuple(sorted({(lattice.n, lattice.m) for lattice in learned.batch.lattices}))
    fresh = HoneycombSurrogate(
        (), config.network, asdict(settings), config.properties, config.informed_by, scaling, chiralities
    )
    leads = any(prop.between_leads for prop in fresh.properties)
    held = _left_out(learned.chirality, config.members)
    networks: list[AnyNetwork] = []
    for member in range(config.members):
        torch.manual_seed(config.seed + member)
        network = build(config.network, settings, len(config.properties), informed=len(config.informed_by), sums=leads)
        if start is not None:
            _take_over(network, start.networks[member % len(start.networks)])
        rows = np.flatnonzero(held != member)
        of_member = replace(fresh, networks=(network,))
        if isinstance(network, PairNetwork):
            pairs = of_member.run(learned.batch, learned.physics)[1][rows]
            network.solve(pairs, (learned.learned[rows] - scaling.mean) / scaling.scale, learned.chirality[rows])
        else:
            training = _training(of_member, learned, rows, validation, config, member)
            train(training, {"data": data.digest, "config": asdict(config)}, **options)
        networks.append(network)
    return _calibrated(replace(fresh, networks=tuple(networks)), learned, validation, held)


def _left_out(chirality: IntArray, members: int) -> IntArray:
    """Return (B,) the member that leaves each tube out; -1 for none, where members or chiralities are too few."""
    number = np.unique(chirality, return_inverse=True)[1]
    if members < 2 or number.max() + 1 < 2 * members:
        return np.full(len(chirality), -1)
    return np.asarray(number % members)


def _calibrated(
    fitted: HoneycombSurrogate, learned: Examples, validation: Examples, held: IntArray
) -> HoneycombSurrogate:
    found, features, _ = fitted.run(learned.batch, learned.physics)
    members, held_out, _ = fitted.run(validation.batch, validation.physics)
    calibration = calibrate(validation.labels, members, features, held_out)
    tubes = learned.graph.tubes.astype(np.float64)
    calibration |= {"low": tubes.min(axis=0), "high": tubes.max(axis=0)}
    left = np.flatnonzero(held >= 0)
    if len(left):
        errors = np.abs(learned.targets.learned(found)[held[left], left] - learned.learned[left])
        # The quantile of split conformal prediction.
        level = min(1.0, math.ceil((len(left) + 1) * COVERAGE) / len(left))
        calibration |= {
            "unseen_sd": np.sqrt((errors**2).mean(axis=0)),
            "unseen_interval": np.quantile(errors, level, axis=0, method="higher"),
        }
    return replace(fitted, calibration=calibration)


def _take_over(network: AnyNetwork, start: AnyNetwork) -> None:
    """Give a network the weights of another one that has the same sizes: all but those of the head's last layer.

    Raises:
        ConfigurationError: if no weights but those of the head fit.
    """
    if not isinstance(network, HoneycombNetwork) or not isinstance(start, HoneycombNetwork):
        raise ConfigurationError('only networks of kind "honeycomb" can start from the weights of others')
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
    surrogate: HoneycombSurrogate,
    learned: Examples,
    rows: IntArray,
    validation: Examples,
    config: HoneycombFit,
    member: int,
) -> Training[Batch]:
    """Return the training of the surrogate's only network on some rows."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    steps = math.ceil(len(rows) / config.batch_size)
    targets = ((learned.learned - scaling.mean) / scaling.scale).astype(np.float32)

    def batches(_progress: float) -> Iterator[Batch]:
        for some in np.array_split(rng.permutation(rows), steps):
            signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), len(some))
            graph = part_of(learned.graph, some)
            yield surrogate.tensors(graph, learned.physics[some], signs), torch.from_numpy(targets[some])

    def losses(batch: Batch) -> dict[str, Tensor]:
        inputs, wanted = batch
        return {"train": ((net(*inputs) - wanted) ** 2).mean()}

    def validate(_epoch: int) -> dict[str, float]:
        found = validation.targets.learned(surrogate.run(validation.batch, validation.physics)[0][0])
        residuals = (found - validation.learned) / scaling.scale
        return {"error": float(np.sqrt((residuals**2).mean()))}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training("honeycomb", net, [update], batches, validate, rng, config.epochs, config.patience, member=member)
