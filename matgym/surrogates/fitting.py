"""Fit networks: standardised targets, mean squared error, AdamW, one-cycle schedule, early stopping on validation."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch

from matgym.data import Dataset
from matgym.errors import ConfigurationError, DatasetError
from matgym.learning.checkpoint import Checkpoint, TrainingState, board
from matgym.structures import TubeLattice
from matgym.surrogates.batches import Group, groups_of, shuffled_batches
from matgym.surrogates.learned import NetworkSurrogate, Scaling
from matgym.surrogates.networks import RasterNetwork, make_network
from matgym.surrogates.settings import FitSettings
from matgym.typing import FloatArray, SpeciesArray

SHORTEST_MEMORY: Final = 0.1
"""Largest momentum of the statistics of normalisation, otherwise one over the steps of an epoch: with torch's 0.1, what
is kept is that of the last ten batches, of whatever lattices they were."""

FREEZE: Final = 0.65
"""Share of a training after which statistics of normalisation are kept as they are, in training as in use.

A batch holds tubes of one lattice, and what their features are like differs from another lattice's: between leads, by
how much of the raster is lead. Batch normalisation takes such differences away in training and leaves them in use.
Measured on the thermal conductance (24 epochs): validation error 0.24 standard deviations without it, 0.05 with it,
and 0.28 by batch renormalisation (Ioffe, NeurIPS 2017); the training error, too, falls by a factor of three.
"""

LARGEST_GRADIENT: Final = 1.0
"""Norm to which gradients are cut: the first steps with kept statistics are steep."""

OnEpoch: TypeAlias = Callable[[int, int, float, float], None]
"""Called with member, epoch, training loss, and validation error in standard deviations."""


def fit(
    data: Dataset,
    settings: FitSettings,
    *,
    start: NetworkSurrogate | None = None,
    checkpoints: Path | None = None,
    log: Path | None = None,
    on_epoch: OnEpoch = lambda _member, _epoch, _loss, _error: None,
) -> NetworkSurrogate:
    """Fit networks to the training split; of each, the epoch that validates best is kept.

    Args:
        data: with train and validation rows; its test rows are never looked at.
        settings: how.
        start: a surrogate of the same network whose weights are taken over, all but the last layer's if it predicts
            other properties: transfer learning from another property or another family of tubes.
        checkpoints: folder from which an interrupted fit goes on as if it had not been interrupted; written every
            epoch.
        log: folder for TensorBoard.
        on_epoch: called after every epoch.

    Returns:
        The fitted surrogate, calibrated on the validation split.

    Raises:
        ConfigurationError: if `start` has another network or size.
        DatasetError: if a split is empty, or the checkpoints are another fit's.
        PropertyError: if the data hold no such property.
    """
    data = data.labelled(settings.properties)
    train = groups_of(data.split("train"), settings)
    validation = groups_of(data.split("validation"), settings)
    if not train or not validation:
        raise DatasetError("the data set has no rows to train or to validate on")
    learned, physics = (np.concatenate([getattr(group, name) for group in train]) for name in ("learned", "informed"))
    scaling = Scaling(learned.mean(axis=0), _spread(learned), physics.mean(axis=0), _spread(physics))
    fresh = NetworkSurrogate(
        (), settings.network, settings.size, settings.properties, settings.codes,
        tuple((group.lattice.n, group.lattice.m, group.lattice.cells) for group in train),
        scaling, settings.informed_by,
    )  # fmt: skip
    identity = {"data": data.digest, "settings": settings.as_dict(), "start": start is not None}
    networks: list[RasterNetwork] = []
    for member in range(settings.members):
        checkpoint = Checkpoint(checkpoints / f"member-{member}.pt" if checkpoints else None, identity)
        surrogate = replace(fresh, networks=(_initial(settings, member, start),))
        _train_member(
            surrogate, train, validation, settings, member, checkpoint, log and log / f"member-{member}", on_epoch
        )
        networks += surrogate.networks
    return _calibrated(replace(fresh, networks=tuple(networks)), train, validation)


def _train_member(
    surrogate: NetworkSurrogate,
    train: list[Group],
    validation: list[Group],
    settings: FitSettings,
    member: int,
    checkpoint: Checkpoint,
    log: Path | None,
    on_epoch: OnEpoch,
) -> None:
    """Train the surrogate's one network, and leave in it the weights that validated best."""
    net, scaling = surrogate.networks[0], surrogate.scaling
    steps = sum(math.ceil(len(group.species) / settings.batch_size) for group in train)  # an epoch
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = min(1.0 / steps, SHORTEST_MEMORY)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    state = TrainingState(net, optimizer, schedule, np.random.default_rng(settings.seed + member))
    checkpoint.restore(state)
    loss_weights = torch.tensor(settings.weights or (1.0,) * len(settings.properties))
    write = board(log, state.epoch)
    while state.epoch < settings.epochs and not state.out_of_patience(settings.patience):
        net.train()
        for norm in norms:
            norm.train(state.epoch < FREEZE * settings.epochs)
        losses = []
        for lattice, species, targets, physics in shuffled_batches(train, settings, state.rng):
            predicted = net(*_tensors(surrogate, lattice, species, physics), surrogate.view(lattice).shift)
            wanted = torch.from_numpy(((targets - scaling.mean) / scaling.scale).astype(np.float32))
            loss = (((predicted - wanted) ** 2).mean(dim=0) * loss_weights).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        net.eval()
        error = _error(surrogate, validation, loss_weights.numpy())
        state.finish_epoch(error)
        checkpoint.write(state)
        write("loss/train", float(np.mean(losses)), state.epoch)
        write("error/validation", error, state.epoch)
        on_epoch(member, state.epoch, float(np.mean(losses)), error)
    net.load_state_dict(state.best)


def _spread(values: FloatArray) -> FloatArray:
    """(columns,) standard deviations; 1 for a column that does not vary."""
    spread = values.std(axis=0)
    return np.where(spread > 0.0, spread, 1.0)


def _initial(settings: FitSettings, member: int, start: NetworkSurrogate | None) -> RasterNetwork:
    """A network with fresh weights, or with those of another surrogate but for the last layer."""
    torch.manual_seed(settings.seed + member)
    net = make_network(
        settings.network,
        settings.size,
        len(settings.species) + settings.between_leads,
        len(settings.species) + 1 + len(settings.informed_by),
        len(settings.properties),
        sums=settings.between_leads,
    )
    if start is not None:
        _take_over(net, start, settings, member)
    return net


def _take_over(net: RasterNetwork, start: NetworkSurrogate, settings: FitSettings, member: int) -> None:
    """Put another surrogate's weights into a fresh network, as far as they mean the same there.

    The last layer stays fresh unless the properties are the same; so do weights of inputs that only one of the two
    has: the channels of a lead, physics as an input.
    """
    same = (start.network, dict(start.settings), start.species)
    if same != (settings.network, settings.size, settings.codes):
        raise ConfigurationError(
            f"weights of a {start.network} {dict(start.settings)} cannot start a {settings.network} {settings.size}, "
            "or one that sees other species: fit the same network"
        )
    last = "" if start.keys == settings.properties else f"head.{len(net.head) - 1}."
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
            shared = 2 * len(settings.species)
            fresh[name][:, :shared] = value[:, :shared]
    net.load_state_dict(fresh)


def _tensors(
    surrogate: NetworkSurrogate, lattice: TubeLattice, species: SpeciesArray, physics: FloatArray
) -> tuple[torch.Tensor, torch.Tensor]:
    raster, numbers = surrogate.inputs(lattice, species, physics)
    return torch.from_numpy(raster).contiguous(memory_format=torch.channels_last), torch.from_numpy(numbers)


def _error(surrogate: NetworkSurrogate, groups: list[Group], weights: FloatArray) -> float:
    """Root of the weighted mean squared error of what is learned, in standard deviations."""
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
    return surrogate.calibrated(labels, members, features, np.concatenate([pooled for _, pooled in runs]))
