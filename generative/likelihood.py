"""Train a baseline by its likelihood: the loop that the autoencoder and the diffusion share."""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.generative.base import ConditionalSeeder
from matgym.generative.conditions import ConditionScaling
from matgym.generative.examples import Examples, examples, shuffled
from matgym.generative.geometry import Geometry, geometry
from matgym.generative.training import OnEpoch
from matgym.learning.checkpoint import Checkpoint, TrainingState, board
from matgym.structures import Species
from matgym.structures.species import parse_species

CHECKED = 2000
"""Seed of the noise with which held-out losses are taken, the same every epoch."""


@dataclass(frozen=True)
class LikelihoodSettings:
    """All but the data and the network. Numbers are chosen by us.

    Attributes:
        key: the property it can be asked for.
        species: dopants that it places.
        epochs: passes over the structures.
        patience: epochs without a better held-out loss after which it is given up.
        batch_size: tubes a step.
        learning_rate: peak of the one-cycle schedule of AdamW.
        left_out: a band of the property of which no structure is shown.
        seed: of weights, order and noise.

    Raises:
        ConfigurationError: if a value is out of range.
    """

    key: str = "gap_ev"
    species: tuple[str, ...] = ("B", "N")
    epochs: int = 40
    patience: int = 12
    batch_size: int = 96
    learning_rate: float = 3e-3
    left_out: tuple[float, float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")
        if not 0.0 < self.learning_rate < math.inf:
            raise ConfigurationError(f"learning_rate={self.learning_rate} must be positive")
        if self.left_out is not None and not self.left_out[0] < self.left_out[1]:
            raise ConfigurationError(f"left_out={self.left_out} must be a band: LOW below HIGH")
        if not 1 <= len(self.kinds) <= 2:  # conditions have two columns of shares
            raise ConfigurationError(f"species={self.species}: a generator places one or two dopants")

    @property
    def kinds(self) -> tuple[Species, ...]:
        """Codes of the dopants."""
        return tuple(parse_species(name) for name in self.species)

    def as_dict(self) -> dict[str, Any]:
        """Plain form for the card."""
        return asdict(self)


class Likelihood(nn.Module, ABC):
    """A network that knows how unlikely it finds a batch of tubes."""

    @abstractmethod
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        """Negative log-likelihood a site, or a bound of it.

        Args:
            shape: of the tubes.
            real: (B, K, S) zeros and ones.
            condition: (B, columns) standardised.
            rng: of its noise.
            progress: share of the training that is done.
        """


@dataclass(frozen=True)
class Fitted:
    """What a training leaves.

    Attributes:
        generator: with the weights of the epoch that did best on held-out structures.
        validation: figures of that epoch.
        epochs: that were run.
    """

    generator: Any
    validation: dict[str, float]
    epochs: int


def train_likelihood(
    data: Dataset, settings: LikelihoodSettings, network: Likelihood, model: type[ConditionalSeeder], stage: str,
    checkpoints: Path | None, log: Path | None, on_epoch: OnEpoch,
) -> Fitted:  # fmt: skip
    """Train on the train split, keep what is likeliest on the validation split; see `train_gan` for the arguments."""
    data = data.labelled((settings.key,))
    groups, held_out = (
        examples(data.split(split), settings.key, settings.kinds, settings.left_out)
        for split in ("train", "validation")
    )
    scaling = ConditionScaling.of(np.concatenate([group.conditions for group in groups]))
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    steps = sum(-(-len(group.species) // settings.batch_size) for group in groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    state = TrainingState(network, optimizer, schedule, np.random.default_rng(settings.seed))
    identity = {"data": data.digest, "settings": settings.as_dict()}
    checkpoint = Checkpoint(checkpoints / f"{stage}.pt" if checkpoints else None, identity)
    checkpoint.restore(state)
    write = board(log, state.epoch)

    def loss_of(batch: Examples, rng: np.random.Generator, progress: float) -> Tensor:
        shape = geometry(batch.lattice)
        real = shape.one_hot(batch.turned(rng), settings.kinds)
        return network.loss(shape, real, torch.from_numpy(scaling(batch.conditions)), rng, progress)

    while state.epoch < settings.epochs and not state.out_of_patience(settings.patience):
        losses = []
        for batch in shuffled(groups, settings.batch_size, state.rng):
            loss = loss_of(batch, state.rng, state.epoch / settings.epochs)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        rng = np.random.default_rng(CHECKED)
        with torch.no_grad():
            found = float(np.mean([float(loss_of(batch, rng, 1.0)) for batch in shuffled(held_out, 256, rng)]))
        state.finish_epoch(found)
        checkpoint.write(state)
        write("loss/train", float(np.mean(losses)), state.epoch)
        write("loss/validation", found, state.epoch)
        on_epoch(stage, state.epoch, f"held-out loss {found:.4f} a site")
    network.load_state_dict(state.best)
    network.eval()
    return Fitted(model(network, settings.kinds, settings.key, scaling), {"loss": state.best_error}, state.epoch)
