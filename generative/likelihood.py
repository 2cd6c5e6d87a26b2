"""The training by likelihood, which the autoencoder and the masked diffusion share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Final, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from matgym.data import Dataset
from matgym.generative.base import ConditionalGenerator, TrainedGenerator
from matgym.generative.config import LikelihoodConfig
from matgym.generative.examples import ConditionScaling, Examples, examples, shuffled
from matgym.generative.geometry import Geometry, geometry
from matgym.learning.devices import device_of
from matgym.learning.sizes import bounded
from matgym.learning.trainer import Options, Training, one_cycle, train

CHECKED: Final = 2000
"""The random seed of the noise in the validation loss, which is the same in every epoch."""


class Likelihood(nn.Module, ABC):
    """A network that computes the negative log-likelihood of a batch of tubes."""

    @abstractmethod
    def loss(
        self, shape: Geometry, real: Tensor, condition: Tensor, rng: np.random.Generator, progress: float
    ) -> Tensor:
        """Return the negative log-likelihood per site, or an upper bound of it.

        Args:
            shape: the geometry that all tubes share.
            real: (B, K, S) zeros and ones.
            condition: (B, columns) standardised conditions.
            rng: the source of noise.
            progress: the share of the training that is done.
        """


def train_likelihood(
    data: Dataset, config: LikelihoodConfig, kind: Callable[..., Likelihood], model: type[ConditionalGenerator],
    stage: str, **options: Unpack[Options],
) -> TrainedGenerator:  # fmt: skip
    """Train a network on the train split and return the generator with the best likelihood on the validation split.

    Args:
        data: labelled structures.
        config: the settings of the training; `config.size` is the size of the network.
        kind: the function that makes the network from its size and the number of dopants.
        model: the class of the generator.
        stage: the name of the training.
        options: see `matgym.learning.trainer.Options`.
    """
    data = data.labelled((config.key,))
    groups, held_out = (
        examples(data.split(split), config.key, config.kinds, config.left_out) for split in ("train", "validation")
    )
    scaling = ConditionScaling.of(np.concatenate([group.conditions for group in groups]))
    torch.manual_seed(config.seed)
    network, rng = bounded(lambda: kind(config.size, len(config.kinds))), np.random.default_rng(config.seed)
    steps = sum(-(-len(group.species) // config.batch_size) for group in groups)  # per epoch

    def loss_of(batch: Examples, noise: np.random.Generator, progress: float) -> Tensor:
        shape = geometry(batch.lattice, device_of(network))
        real = shape.one_hot(batch.turned(noise), config.kinds)
        return network.loss(shape, real, shape.tensor(scaling(batch.conditions)), noise, progress)

    def batches(progress: float) -> Iterator[tuple[Examples, float]]:
        for batch in shuffled(groups, config.batch_size, rng):
            yield batch, progress

    def losses(batch: tuple[Examples, float]) -> dict[str, Tensor]:
        return {"train": loss_of(batch[0], rng, batch[1])}

    def validate(_epoch: int) -> dict[str, float]:
        noise = np.random.default_rng(CHECKED)
        return {"loss": float(np.mean([float(loss_of(batch, noise, 1.0)) for batch in shuffled(held_out, 256, noise)]))}

    update = one_cycle(network, losses, rate=config.learning_rate, steps=config.epochs * steps)
    training = Training(
        stage, network, [update], batches, validate, rng, config.epochs, config.patience, monitor="loss"
    )  # fmt: skip
    trained = train(training, {"data": data.digest, "config": asdict(config)}, **options)
    return TrainedGenerator(model(network, config.kinds, config.key, scaling), trained.validation, trained.epochs)
