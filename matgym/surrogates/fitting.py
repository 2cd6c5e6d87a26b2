"""Fitting of networks: standardised targets, mean squared error, AdamW, one-cycle schedule, early stopping."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeAlias, Unpack

import numpy as np
import torch
from torch import Tensor

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.learning.config import check_counts, check_not_negative, check_positive
from matgym.learning.devices import device_of
from matgym.learning.metrics import calibrate, column_scales
from matgym.learning.trainer import NormStatistics, Options, Training, grouped_rows, one_cycle, train
from matgym.physics.registry import PROPERTIES_BY_KEY
from matgym.structures import Species
from matgym.structures.species import SPECIES_DATA, parse_species
from matgym.structures.symmetry import symmetry_between_leads, symmetry_group
from matgym.surrogates.baseline import Group, check_informants, groups_of
from matgym.surrogates.domain import excess_range
from matgym.surrogates.learned import NetworkSurrogate, Scaling
from matgym.surrogates.networks import RasterNetwork, make_network, network_settings
from matgym.typing import FloatArray

SHORTEST_MEMORY: Final = 0.1
"""Largest momentum of the normalisation statistics; if an epoch has more steps, the momentum is one over their number.
With torch's 0.1 the statistics would be those of the last ten batches, whatever their lattices."""

FREEZE: Final = 0.65
"""Share of a training after which the normalisation statistics are frozen: training then uses them as inference does.

A batch holds tubes of one lattice, and the distribution of features differs between lattices: between leads, with the
share of the raster that is lead. Batch normalisation removes such differences in training but not in inference.
Measured on the thermal conductance (24 epochs): the validation error is 0.24 standard deviations without freezing, 0.05
with it, and 0.28 with batch renormalisation (Ioffe, NeurIPS 2017); the training error, too, falls by a factor of three.
"""


Batch: TypeAlias = tuple[Tensor, Tensor, int, Tensor]
"""(B, channels, H, W) raster, (B, globals) numbers, shift of the raster, (B, properties) standardised targets."""


@dataclass(frozen=True)
class FitConfig:
    """The configuration of a fit.

    Attributes:
        properties: keys of the labels to learn, one output each.
        weights: weight of each property's loss; all 1 if none are given. A second, smooth property stabilises the
            training on a gap.
        network: name of the network: see `matgym.surrogates.networks`.
        size: settings of the network; missing ones have their defaults.
        members: number of networks of an ensemble, fitted with different seeds.
        species: species that have channels in the network's input.
        informed_by: physics that is given as further inputs; see `matgym.surrogates.baseline`.
        epochs: number of passes over the training split.
        patience: number of epochs without a lower validation error after which the fit stops; None runs all epochs,
            and the schedule has its best ones at the end.
        batch_size: number of tubes per step.
        learning_rate: peak learning rate of the one-cycle schedule.
        weight_decay: weight decay of AdamW.
        seed: random seed of initial weights, order, and augmentation; member i has `seed + i`.
        dataset: name or file of the data that the configuration is for; empty for any data.

    Raises:
        ConfigurationError: if a value is out of range, or the network has no such setting.
        PropertyError: if `informed_by` names physics that is not available as an input.
    """

    properties: tuple[str, ...] = ("gap_ev",)
    weights: tuple[float, ...] = ()
    network: str = "resnet"
    size: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    species: tuple[str, ...] = ("B", "N")
    informed_by: tuple[str, ...] = ()
    epochs: int = 40
    patience: int | None = None
    batch_size: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    seed: int = 0
    dataset: str = ""

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.properties):
            raise ConfigurationError(
                f"{len(self.weights)} weights do not match properties {self.properties}: give one weight per property"
            )
        check_counts(self, "epochs", "members", "batch_size", "patience")
        check_positive(self, "learning_rate")
        check_not_negative(self, "weight_decay")
        if not self.properties or not self.species:
            raise ConfigurationError(
                f"properties={self.properties} and species={self.species} must each hold at least one entry"
            )
        check_informants(self.informed_by)
        network_settings(self.network, self.size)
        for name in self.species:
            parse_species(name)

    @property
    def network_size(self) -> Mapping[str, Any]:
        """All settings of the network, including defaults."""
        return network_settings(self.network, self.size)

    @property
    def codes(self) -> tuple[Species, ...]:
        """Species that have channels in the network's input."""
        return tuple(parse_species(name) for name in self.species)

    @property
    def between_leads(self) -> bool:
        """Whether the properties are those of tubes between leads."""
        return any(PROPERTIES_BY_KEY[key].between_leads for key in self.properties if key in PROPERTIES_BY_KEY)

    def as_dict(self) -> dict[str, Any]:
        """Return a plain dictionary for the card, with the network's defaults and the labels of the species."""
        labels = tuple(SPECIES_DATA[code].label for code in self.codes)
        return asdict(self) | {"size": dict(self.network_size), "species": labels}


def fit(
    data: Dataset,
    config: FitConfig,
    *,
    start: NetworkSurrogate | None = None,
    stage: str = "member",
    **options: Unpack[Options],
) -> NetworkSurrogate:
    """Fit networks to the training split, keep the epoch of the lowest validation error, and calibrate uncertainty.

    The calibration uses the validation rows.

    Args:
        data: data set with train and validation rows; its test rows are not used.
        config: configuration of the fit.
        start: a surrogate with the same network that gives the initial weights, except those of the last layer if it
            predicts other properties: transfer learning from another property or another family of tubes.
        stage: name of the training.
        options: see `matgym.learning.trainer.Options`.

    Raises:
        ConfigurationError: if `start` has another network or size, or there is no such device.
        DatasetError: if a split is empty, or the checkpoints are those of another fit.
        PropertyError: if the data have no labels of a property.
    """
    data = data.labelled(config.properties)
    learned, validation = (
        groups_of(data.split(split), config.properties, config.informed_by) for split in ("train", "validation")
    )
    if not learned or not validation:
        counts = f"{len(learned)} lattices to train on and {len(validation)} to validate on"
        raise DatasetError(f"the data set has {counts}: give labelled rows in the splits 'train' and 'validation'")
    targets, physics = (np.concatenate([getattr(group, name) for group in learned]) for name in ("learned", "informed"))
    scaling = Scaling(targets.mean(axis=0), column_scales(targets), physics.mean(axis=0), column_scales(physics))
    fresh = NetworkSurrogate(
        (), config.network, config.network_size, config.properties, config.codes,
        tuple((group.lattice.n, group.lattice.m, group.lattice.cells) for group in learned),
        scaling, config.informed_by, excess=excess_range(group.species for group in learned),
    )  # fmt: skip
    networks: list[RasterNetwork] = []
    for member in range(config.members):
        surrogate = replace(fresh, networks=(initial_network(config, member, start),))
        training = _training(surrogate, learned, validation, config, member, stage)
        train(training, {"data": data.digest, "config": config.as_dict()}, **options)
        networks += surrogate.networks
    return _calibrated(replace(fresh, networks=tuple(networks)), learned, validation)


def _training(
    surrogate: NetworkSurrogate, learned: list[Group], validation: list[Group], config: FitConfig, member: int,
    stage: str,
) -> Training[Batch]:  # fmt: skip
    """Return the training of the surrogate's only network."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    rng = np.random.default_rng(config.seed + member)
    weights = torch.tensor(config.weights or (1.0,) * len(config.properties))
    steps = sum(math.ceil(len(group.species) / config.batch_size) for group in learned)  # an epoch

    def batches(_progress: float) -> Iterator[Batch]:
        device = device_of(net)
        for index, rows in grouped_rows([len(group.species) for group in learned], config.batch_size, rng):
            group, lattice = learned[index], learned[index].lattice
            operations = (symmetry_between_leads if config.between_leads else symmetry_group)(lattice)
            turns = operations[
                rng.integers(len(operations), size=len(rows))
            ]  # each tube gets a random symmetry operation
            inputs = surrogate.inputs(
                lattice, np.take_along_axis(group.species[rows], turns, axis=1), group.informed[rows]
            )
            arrays = (*inputs, (group.learned[rows] - scaling.mean) / scaling.scale)
            raster, numbers, standard = (torch.from_numpy(x.astype(np.float32, copy=False)).to(device) for x in arrays)
            yield raster.contiguous(memory_format=torch.channels_last), numbers, surrogate.view(lattice).shift, standard

    def losses(batch: Batch) -> dict[str, Tensor]:
        raster, numbers, shift, targets = batch
        squared = (net(raster, numbers, shift) - targets) ** 2
        return {"train": (squared.mean(dim=0) * weights.to(squared.device)).sum()}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=config.weight_decay
    )
    return Training(
        stage, net, [update], batches, lambda _: {"error": _error(surrogate, validation, weights.numpy())}, rng,
        config.epochs, config.patience, member=member,
        callbacks=[NormStatistics(net, min(1.0 / steps, SHORTEST_MEMORY), FREEZE)],
    )  # fmt: skip


def initial_network(config: FitConfig, member: int, start: NetworkSurrogate | None) -> RasterNetwork:
    """Return a network with fresh weights, or with the weights of another surrogate.

    The last layer has fresh weights if the other surrogate predicts other properties.

    Raises:
        ConfigurationError: if the other surrogate has another network or size, or channels for other species.
    """
    torch.manual_seed(config.seed + member)
    net = make_network(
        config.network, config.network_size, len(config.species), len(config.properties),
        informed=len(config.informed_by), leads=config.between_leads,
    )  # fmt: skip
    if start is not None:
        _take_over(net, start, config, member)
    return net


def _take_over(net: RasterNetwork, start: NetworkSurrogate, config: FitConfig, member: int) -> None:
    """Copy another surrogate's weights into a fresh network where the two have the same inputs and outputs.

    The last layer stays fresh unless the properties are the same. Weights of inputs that only one of the two has stay
    fresh, too: the channels of a lead, physics as an input.
    """
    size = dict(config.network_size)
    if (start.network, dict(start.settings), start.species) != (config.network, size, config.codes):
        raise ConfigurationError(
            f"weights of a {start.network} {dict(start.settings)} cannot start a {config.network} {size}, "
            "or a network for other species: fit the same network for the same species"
        )
    last = "" if start.keys == config.properties else f"head.{len(net.head) - 1}."
    fresh = net.state_dict()
    for name, value in start.networks[member % len(start.networks)].state_dict().items():
        if last and name.startswith(last):
            continue
        if fresh[name].shape == value.shape:
            fresh[name].copy_(value)
        elif name.startswith("head."):
            inputs = min(fresh[name].shape[1], value.shape[1])
            fresh[name][:, :inputs] = value[:, :inputs]
        else:  # the first convolution: species have the first channels
            shared = 2 * len(config.species)
            fresh[name][:, :shared] = value[:, :shared]
    net.load_state_dict(fresh)


def _error(surrogate: NetworkSurrogate, groups: list[Group], weights: FloatArray) -> float:
    """Return the root of the weighted mean squared error of the learned values, in standard deviations."""
    residuals = np.concatenate(
        [(surrogate.mean(g.lattice, g.species, g.informed) - g.labels) / g.factor for g in groups]
    )
    squared = ((residuals / surrogate.scaling.scale) ** 2).mean(axis=0)
    return float(np.sqrt((squared * weights).sum() / weights.sum()))


def _calibrated(surrogate: NetworkSurrogate, train: list[Group], validation: list[Group]) -> NetworkSurrogate:
    features = np.concatenate([surrogate.features(g.lattice, g.species, g.informed) for g in train])
    labels = np.concatenate([g.labels for g in validation])
    runs = [surrogate.run(g.lattice, g.species, g.informed) for g in validation]
    members = np.concatenate([members for members, _ in runs], axis=1)
    held_out = np.concatenate([pooled for _, pooled in runs])
    return replace(surrogate, calibration=calibrate(labels, members, features, held_out))
