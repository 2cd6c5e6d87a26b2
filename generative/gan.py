"""Train a generative adversarial network: discriminator and generator in turn."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final, NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, smooth_l1_loss, softplus

from matgym.data import Dataset
from matgym.generative.base import TrainedGenerator
from matgym.generative.config import GanConfig, Loss
from matgym.generative.examples import ConditionScaling, Examples, examples, shuffled
from matgym.generative.geometry import Geometry, geometry
from matgym.generative.networks import Discriminator, Generator, TubeGenerator, draw_noise, scores
from matgym.generative.placement import straight_through
from matgym.generative.regressor import Regressor, diagnose, fit_regressor
from matgym.learning.devices import device_of, torch_device
from matgym.learning.sizes import bounded
from matgym.learning.trainer import Options, Training, Update, WeightAverage, train
from matgym.typing import FloatArray

FREE_TARGETS: Final = 0.5
"""The share of a generator's batch whose targets are drawn from the whole range of the data for the same composition,
instead of being the property of a structure. Only the regressor's loss applies to these, because the discriminator has
no real structure to compare them with."""

NEAR: Final = 0.5
"""The distance from the target below which the regressor's loss is quadratic, in standard deviations."""

PENALTY: Final = 10.0
"""The weight of the gradient penalty, as in Gulrajani et al., NeurIPS 2017."""


def train_gan(data: Dataset, config: GanConfig, **options: Unpack[Options]) -> TrainedGenerator:
    """Train a GAN on the train split and return the generator that scores best on the validation split.

    The test split is not used. The generator has the averaged weights of the epoch with the best validation score.
    Discriminator and generator have an optimizer each (version 0.1 had one optimizer with two groups of weights, which
    took the same steps to the bit).

    Args:
        data: labelled structures.
        config: the settings of the training.
        options: see `matgym.learning.trainer.Options`; the stages are "regressor" and "gan".

    Raises:
        DatasetError: if a split holds no valid structure, or the checkpoints belong to another training.
    """
    data = data.labelled((config.key,))
    regressor = fit_regressor(data, config, **options)
    groups, held_out = (
        examples(data.split(split), config.key, config.kinds, config.left_out) for split in ("train", "validation")
    )
    scaling = ConditionScaling.of(np.concatenate([group.conditions for group in groups]))
    torch.manual_seed(config.seed)
    players = _Players(config)
    for net in (players.generator, players.average):
        net.guide.load_state_dict(regressor.surrogate.networks[0].state_dict())
        net.calibration.copy_(regressor.calibration(scaling))
    average = WeightAverage(players.average, players.generator, config.average)
    regressor.surrogate.networks[0].to(torch_device(options.get("device", "auto")))
    averaged = TubeGenerator(players.average, config.kinds, config.key, scaling, draws=1)
    rng = np.random.default_rng(config.seed)
    game = _Game(players, regressor, averaged, config, rng)

    def validate(epoch: int) -> dict[str, float]:
        # Validation draws from a generator of its own, so that it does not change the training.
        checks = np.random.default_rng([config.seed, 1, epoch])
        return diagnose(averaged, regressor, held_out, config.kinds, checks)

    def batches(_progress: float) -> Iterator[_Turn]:
        return (game.turn(batch) for batch in shuffled(groups, config.batch_size, rng))

    training = Training(
        "gan", players, game.updates, batches, validate, rng, config.epochs, config.patience, "score", [average]
    )
    trained = train(training, {"data": data.digest, "config": asdict(config)}, **options)
    return TrainedGenerator(replace(averaged, draws=TubeGenerator.draws), trained.validation, trained.epochs)


class _Players(nn.Module):
    """The generator, the moving average of its weights, and the discriminator."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        size, kinds = config.size, len(config.kinds)
        self.generator = bounded(lambda: Generator(size, kinds))
        self.average = Generator(size, kinds)
        bounded(lambda: Discriminator(size, kinds, spectral=False, projection=config.projection))
        self.critic = Discriminator(size, kinds, spectral=config.spectral, projection=config.projection)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own overload lacks it


class _Turn(NamedTuple):
    """A batch of real structures with its tensors."""

    examples: Examples
    shape: Geometry
    real: Tensor  # (B, K, S)
    condition: Tensor  # (B, columns) standardised
    budget: Tensor  # (B, K)


@dataclass(frozen=True)
class _Game:
    """The losses of both players."""

    players: _Players
    regressor: Regressor
    averaged: TubeGenerator
    config: GanConfig
    rng: np.random.Generator

    @property
    def updates(self) -> list[Update[_Turn]]:
        """The discriminator's steps, then the generator's; both learning rates fall linearly."""
        config = self.config

        optimizers = [
            torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=rate, betas=(0.5, 0.99))
            for net, rate in (
                (self.players.critic, config.critic_rate),
                (self.players.generator, config.generator_rate),
            )
        ]
        falling = [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0 - 0.98 * epoch / config.epochs)
            for optimizer in optimizers
        ]
        weights = {
            "game": config.game, "regressor": config.regressor, "moments": config.moments, "change": config.restraint,
        }  # fmt: skip
        return [
            Update(self.critic_losses, optimizers[0], falling[0], "epoch", repeats=config.critic_steps),
            Update(self.generator_losses, optimizers[1], falling[1], "epoch", weights),
        ]

    def turn(self, batch: Examples) -> _Turn:
        """Return a batch whose structures are moved by random symmetry operations."""
        shape = geometry(batch.lattice, device_of(self.players))
        real = shape.one_hot(batch.turned(self.rng), self.config.kinds)
        condition = shape.tensor(self.averaged.scaling(batch.conditions))
        return _Turn(batch, shape, real, condition, torch.tensor(batch.budget, device=shape.device))

    def critic_losses(self, turn: _Turn) -> dict[str, Tensor]:
        """Return the discriminator's loss on real and generated structures."""
        _, shape, real, condition, budget = turn
        with torch.no_grad():
            fake, _ = self._sample(shape, condition, budget)

        def critic_output(placed: Tensor, condition: Tensor = condition) -> Tensor:
            out: Tensor = self.players.critic(shape.raster(placed), condition, shape.shift)
            return out

        both = critic_output(torch.cat([real, fake]), torch.cat([condition, condition]))
        loss = discriminator_loss(self.config.loss, both[: len(real)], both[len(real) :])
        if self.config.loss == "wasserstein":
            share = shape.tensor(self.rng.random(len(real), dtype=np.float32))
            loss = loss + PENALTY * gradient_penalty(critic_output, real, fake, share)
        return {"critic": loss}

    def generator_losses(self, turn: _Turn) -> dict[str, Tensor]:
        """Return the terms of the generator's loss."""
        batch, shape, real, condition, budget = turn
        critic, config = self.players.critic, self.config
        free = int(FREE_TARGETS * len(real)) if config.regressor else 0
        # Free targets lie between the lowest and the highest value of the same composition in the data.
        targets = np.concatenate([batch.values, self.rng.uniform(*batch.span[:free].T)])
        conditions = torch.cat(
            [condition, self.averaged.condition(batch.lattice, targets[len(real) :], batch.budget[:free])]
        )
        placed, change = self._sample(shape, conditions, torch.cat([budget, budget[:free]]))
        critic.requires_grad_(requires_grad=False)
        outputs = critic(shape.raster(placed[: len(real)]), condition, shape.shift)
        critic.requires_grad_(requires_grad=True)
        nothing = torch.zeros((), device=shape.device)
        return {
            "game": generator_loss(config.loss, outputs),
            "regressor": self._missed(shape, placed, targets) if config.regressor else nothing,
            "moments": moments_distance(shape, real, placed[: len(real)]) if config.moments else nothing,
            "change": change,
        }

    def _missed(self, shape: Geometry, placed: Tensor, targets: FloatArray) -> Tensor:
        """Return the Huber loss of the distance from the target, whose gradient vanishes at the target."""
        error = self.regressor.error(shape, placed, targets)
        return smooth_l1_loss(error, torch.zeros_like(error), beta=NEAR)

    def _sample(self, shape: Geometry, condition: Tensor, budget: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, K, S) placed atoms with a straight-through gradient, and the mean squared change of scores."""
        net, config = self.players.generator, self.config
        noise = draw_noise(config.size, shape, len(condition), len(config.kinds), self.rng)
        scored = scores(net, shape, condition, budget, noise)
        placed = straight_through(scored, budget, shape.neighbours, config.temperature)
        return placed, ((scored - noise.gumbel) ** 2).mean()


def moments_distance(shape: Geometry, real: Tensor, fake: Tensor) -> Tensor:
    """Return the root mean square difference of the mean pair counts, by species and shell, of two batches.

    Both batches must have equal compositions.
    """
    counts = [
        torch.einsum("bks,dst,blt->dkl", placed, shape.shells, placed) / placed.sum().clamp(min=1.0)
        for placed in (real, fake)
    ]
    return ((counts[0] - counts[1]) ** 2).mean().add(1e-12).sqrt()


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Return the discriminator's loss for its (B,) outputs on real and on generated samples."""
    if loss == "original":
        return softplus(-real).mean() + softplus(fake).mean()
    if loss == "hinge":
        return relu(1.0 - real).mean() + relu(1.0 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """Return the generator's loss for the discriminator's (B,) outputs on generated samples."""
    return softplus(-fake).mean() if loss == "original" else -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Return the mean of (|gradient| - 1)² at points between real and generated samples.

    The (B,) shares, from 0 to 1, are the weights of the real samples.
    """
    share = share.view(-1, *([1] * (real.dim() - 1)))
    between = (share * real + (1.0 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = ((gradient.flatten(1).norm(dim=1) - 1.0) ** 2).mean()
    return penalty
