"""Train a generative adversarial network: discriminator and generator in turn."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from matgym.data import Dataset
from matgym.generative.conditions import ConditionScaling
from matgym.generative.diagnostics import Diagnosis, diagnose
from matgym.generative.examples import Examples, examples, shuffled
from matgym.generative.geometry import Geometry, geometry
from matgym.generative.losses import PENALTY, discriminator_loss, generator_loss, gradient_penalty
from matgym.generative.model import TubeGenerator, draw_noise, scores
from matgym.generative.networks import Discriminator, Generator
from matgym.generative.placement import straight_through
from matgym.generative.regressor import Regressor, fit_regressor
from matgym.generative.settings import GanSettings
from matgym.learning.checkpoint import Checkpoint, TrainingState, board
from matgym.typing import FloatArray

FREE_TARGETS: Final = 0.5
"""Share of a generator's batch that is asked for targets from anywhere in the data's range, whatever the structure that
lent its composition has: only the regressor judges these, for the discriminator knows no such structure."""

NEAR: Final = 0.5
"""Standard deviations of the property within which the regressor's loss is quadratic."""

OnEpoch: TypeAlias = Callable[[str, int, str], None]
"""Called with the stage ("regressor" or "gan"), the epoch, and a note."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        generator: with the averaged weights of the epoch that validated best.
        diagnosis: of that epoch, on the validation split, each tube drawn once.
        epochs: that were run.
    """

    generator: TubeGenerator
    diagnosis: Diagnosis
    epochs: int

    @property
    def validation(self) -> dict[str, float]:
        """For the card."""
        return self.diagnosis.as_dict()


def train_gan(
    data: Dataset,
    settings: GanSettings,
    *,
    checkpoints: Path | None = None,
    log: Path | None = None,
    on_epoch: OnEpoch = lambda _stage, _epoch, _note: None,
) -> Trained:
    """Train on the train split, keep what is best on the validation split; the test split is never looked at.

    Args:
        data: labelled structures.
        settings: how.
        checkpoints: folder from which a killed training goes on as if it had not been killed.
        log: folder for TensorBoard.
        on_epoch: called after every epoch.

    Raises:
        DatasetError: if a split holds no valid structure, or the checkpoints are another training's.
    """
    data = data.labelled((settings.key,))
    regressor = fit_regressor(
        data, settings, checkpoints, lambda _m, epoch, _l, error: on_epoch("regressor", epoch, f"error {error:.3f} sd")
    )
    groups = examples(data.split("train"), settings.key, settings.kinds, settings.left_out)
    held_out = examples(data.split("validation"), settings.key, settings.kinds, settings.left_out)
    scaling = ConditionScaling.of(np.concatenate([group.conditions for group in groups]))
    torch.manual_seed(settings.seed)
    players = _Players(settings)
    for net in (players.generator, players.average):
        net.guide.load_state_dict(regressor.surrogate.networks[0].state_dict())
        net.calibration.copy_(regressor.calibration(scaling))
    players.average.load_state_dict(players.generator.state_dict())
    players.average.requires_grad_(requires_grad=False)
    rates = [(players.generator, settings.generator_rate), (players.critic, settings.critic_rate)]
    optimizer = torch.optim.Adam(
        [{"params": [p for p in net.parameters() if p.requires_grad], "lr": rate} for net, rate in rates],
        betas=(0.5, 0.99),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0 - 0.98 * epoch / settings.epochs)
    state = TrainingState(players, optimizer, schedule, np.random.default_rng(settings.seed))
    identity = {"data": data.digest, "settings": settings.as_dict()}
    checkpoint = Checkpoint(checkpoints / "gan.pt" if checkpoints else None, identity)
    checkpoint.restore(state)
    averaged = TubeGenerator(players.average, settings.kinds, settings.key, scaling, draws=1)
    game = _Game(players, optimizer, regressor, averaged, settings, state.rng)
    write = board(log, state.epoch)
    while state.epoch < settings.epochs and not state.out_of_patience(settings.patience):
        losses = [game.turn(batch) for batch in shuffled(groups, settings.batch_size, state.rng)]
        schedule.step()
        found = diagnose(averaged, regressor, held_out, settings.kinds, _checks(settings, state.epoch))
        state.finish_epoch(found.score)
        checkpoint.write(state)
        for name, value in zip(("critic", "game", "regressor", "moments"), np.mean(losses, axis=0), strict=True):
            write(f"loss/{name}", float(value), state.epoch)
        for name, value in found.as_dict().items():
            write(f"validation/{name}", value, state.epoch)
        on_epoch("gan", state.epoch, found.note)
    players.load_state_dict(state.best)
    players.eval()
    best = diagnose(averaged, regressor, held_out, settings.kinds, _checks(settings, state.best_epoch - 1))
    return Trained(replace(averaged, draws=TubeGenerator.draws), best, state.epoch)


def _checks(settings: GanSettings, epoch: int) -> np.random.Generator:
    """Of an epoch's diagnosis: another generator than the training's, so that to look changes nothing."""
    return np.random.default_rng([settings.seed, 1, epoch])


class _Players(nn.Module):
    """The generator, the moving average of its weights, and the discriminator."""

    def __init__(self, settings: GanSettings) -> None:
        super().__init__()
        size, kinds = settings.size, len(settings.kinds)
        self.generator = Generator(size, kinds)
        self.average = Generator(size, kinds)
        self.critic = Discriminator(size, kinds, spectral=settings.spectral, projection=settings.projection)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own overload lacks it


@dataclass(frozen=True)
class _Game:
    """Both players."""

    players: _Players
    optimizer: torch.optim.Optimizer
    regressor: Regressor
    averaged: TubeGenerator
    settings: GanSettings
    rng: np.random.Generator

    def turn(self, batch: Examples) -> tuple[float, float, float, float]:
        """One step of each; the losses of discriminator, game, regressor and moments."""
        shape = geometry(batch.lattice)
        real = shape.one_hot(batch.turned(self.rng), self.settings.kinds)
        condition = torch.from_numpy(self.averaged.scaling(batch.conditions))
        budget = torch.from_numpy(batch.budget)
        for _ in range(self.settings.critic_steps):
            critic_loss = self._critic_step(shape, real, condition, budget)
        return critic_loss, *self._generator_step(batch, shape, real, condition, budget)

    def _critic_step(self, shape: Geometry, real: Tensor, condition: Tensor, budget: Tensor) -> float:
        critic, settings = self.players.critic, self.settings
        with torch.no_grad():
            fake, _ = self._sample(shape, condition, budget)

        def judge(placed: Tensor, condition: Tensor = condition) -> Tensor:
            out: Tensor = critic(shape.raster(placed), condition, shape.shift)
            return out

        both = judge(torch.cat([real, fake]), torch.cat([condition, condition]))
        loss = discriminator_loss(settings.loss, both[: len(real)], both[len(real) :])
        if settings.loss == "wasserstein":
            share = torch.from_numpy(self.rng.random(len(real), dtype=np.float32))
            loss = loss + PENALTY * gradient_penalty(judge, real, fake, share)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()  # the generator has no gradients now, and stays
        return float(loss.detach())

    def _generator_step(
        self, batch: Examples, shape: Geometry, real: Tensor, condition: Tensor, budget: Tensor
    ) -> tuple[float, float, float]:
        critic, settings = self.players.critic, self.settings
        free = int(FREE_TARGETS * len(real)) if settings.regressor else 0
        targets = np.concatenate([batch.values, self._free_targets(batch, free)])
        asked = torch.cat(
            [condition, self.averaged.condition(batch.lattice, targets[len(real) :], batch.budget[:free])]
        )
        placed, change = self._sample(shape, asked, torch.cat([budget, budget[:free]]))
        critic.requires_grad_(requires_grad=False)
        judged = critic(shape.raster(placed[: len(real)]), condition, shape.shift)
        critic.requires_grad_(requires_grad=True)
        game = generator_loss(settings.loss, judged)
        missed = self._missed(shape, placed, targets) if settings.regressor else torch.zeros(())
        matched = moments_distance(shape, real, placed[: len(real)]) if settings.moments else torch.zeros(())
        loss = (
            settings.game * game
            + settings.regressor * missed
            + settings.moments * matched
            + settings.restraint * change
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            pairs = zip(self.players.average.parameters(), self.players.generator.parameters(), strict=True)
            for kept, fresh in pairs:
                kept.lerp_(fresh, 1.0 - settings.average)
        return float(game.detach()), float(missed.detach()), float(matched.detach())

    def _free_targets(self, batch: Examples, count: int) -> FloatArray:
        """(count,) from between the lowest and the highest value that the data hold of each composition."""
        return np.asarray(self.rng.uniform(*batch.span[:count].T))

    def _missed(self, shape: Geometry, placed: Tensor, targets: FloatArray) -> Tensor:
        """Huber loss of the distance from the target: near it, a gradient that does not fade would overshoot."""
        error = self.regressor.error(shape, placed, targets)
        return nn.functional.smooth_l1_loss(error, torch.zeros_like(error), beta=NEAR)

    def _sample(self, shape: Geometry, condition: Tensor, budget: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, S) placed atoms, with a straight-through gradient, and the mean squared change of scores."""
        net, settings = self.players.generator, self.settings
        noise = draw_noise(settings.size, shape, len(condition), len(settings.kinds), self.rng)
        scored = scores(net, shape, condition, budget, noise)
        placed = straight_through(scored, budget, shape.neighbours, settings.temperature)
        return placed, ((scored - noise.gumbel) ** 2).mean()


def moments_distance(shape: Geometry, real: Tensor, fake: Tensor) -> Tensor:
    """Root mean square difference of mean pair counts, by species and shell, of two batches of equal composition."""
    shells = torch.from_numpy(shape.shells)  # (shells, S, S)
    counts = [
        torch.einsum("bks,dst,blt->dkl", placed, shells, placed) / placed.sum().clamp(min=1.0)
        for placed in (real, fake)
    ]
    return ((counts[0] - counts[1]) ** 2).mean().add(1e-12).sqrt()
