"""How micrographs change: a convolutional recurrent network that goes on from some frames under any schedule.

A gated recurrent unit of convolutions (Ballas, Yao, Pal and Courville, ICLR 2016) on a raster four times coarser, to
which sites are folded into channels and back (Shi et al., CVPR 2016). It has no size of its own, so that what was
trained on 64 x 64 sites serves any multiple of four, with periodic edges throughout.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from matgym.errors import ConfigurationError, WeightsError
from matgym.files import atomic_path, write_json
from matgym.oracles.film import CELSIUS_K, Course, Film
from matgym.structures.microstructure import boundaries
from matgym.structures.schedule import COLDEST_C, STEP_S
from matgym.surrogates.checkpoint import Checkpoint, TrainingState, board
from matgym.surrogates.sequences.annealing import random_films, random_schedule
from matgym.surrogates.sequences.store import SHIPPED
from matgym.surrogates.store import check_suffix
from matgym.typing import Float32Array, FloatArray

FOLD: Final = 4
"""Sites along a side of one cell of the coarse raster."""

DRIVES: Final = 2
"""What drives a frame: sweeps and evaporation, from the furnace's course."""


@dataclass(frozen=True)
class Micrographs:
    """Films as they were seen, and what drove them.

    Attributes:
        frames: (N, T + 1, H, W) uint8, 255 times `boundaries`.
        drives: (N, T, 2) see `drives_of`.
        radii: (N, T + 1) true mean radii.
    """

    frames: np.typing.NDArray[np.uint8]
    drives: Float32Array
    radii: FloatArray


def drives_of(course: Course) -> Float32Array:
    """(B, 2) of order one: how far boundaries will move, and what share of the particles will go."""
    return np.stack([np.sqrt(course.sweeps / 10.0), -np.expm1(-course.going)], axis=1).astype(np.float32)


def micrograph_runs(
    count: int,
    steps: int,
    rng: np.random.Generator,
    *,
    size: int = 64,
    particles: tuple[float, float] = (0.0, 0.12),
    schedules: FloatArray | None = None,
) -> Micrographs:
    """Films under schedules, random ones by default.

    Args:
        count: of films.
        steps: of each.
        rng: the only source of randomness.
        size: of a side.
        particles: least and largest share of sites.
        schedules: (count, steps) set points in °C.
    """
    film, generators = Film(), rng.spawn(count)
    labels = random_films(count, rng, size=size, grains=(120, 200), particles=particles)
    state = film.fresh(labels, np.full(count, COLDEST_C + CELSIUS_K))
    if schedules is None:
        schedules = np.stack([random_schedule(steps, rng) for _ in range(count)])
    frames = np.empty((count, steps + 1, size, size), dtype=np.uint8)
    drives, radii = np.empty((count, steps, DRIVES), dtype=np.float32), np.empty((count, steps + 1))
    for step in range(steps + 1):
        frames[:, step] = np.round(255.0 * boundaries(state.labels))
        radii[:, step] = film.measures(state)[:, 0]
        if step < steps:
            setpoint = schedules[:, step] + CELSIUS_K
            drives[:, step] = drives_of(film.course(state.temperature_k, setpoint, STEP_S))
            state = film.hold(state, setpoint, STEP_S, generators)
    return Micrographs(frames, drives, radii)


class ConvGru(nn.Module):
    """Frame and drive in, next frame out; remembers on a coarse raster.

    Args:
        width: channels of the memory.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        cells = FOLD * FOLD
        self.width = width
        self.inward = nn.Conv2d(cells + DRIVES, width, 3)
        self.gates = nn.Conv2d(2 * width, 2 * width, 3)
        self.candidate = nn.Conv2d(2 * width, width, 3)
        self.middle = nn.Conv2d(width, width, 3)
        self.outward = nn.Conv2d(width + DRIVES, cells, 3)

    def forward(self, frame: Tensor, drive: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, H, W) in [0, 1], (B, 2), (B, width, H/4, W/4) → the next frame and memory."""
        folded = functional.pixel_unshuffle(frame[:, None], FOLD)
        height, width = folded.shape[2:]
        plane = drive[:, :, None, None].expand(-1, -1, height, width)
        x = functional.silu(_around(self.inward, torch.cat([folded, plane], dim=1)))
        memory = x.new_zeros(len(x), self.width, height, width) if memory is None else memory
        update, reset = torch.sigmoid(_around(self.gates, torch.cat([x, memory], dim=1))).chunk(2, dim=1)
        candidate = torch.tanh(_around(self.candidate, torch.cat([x, reset * memory], dim=1)))
        memory = (1.0 - update) * memory + update * candidate
        change = functional.silu(_around(self.middle, memory))
        change = _around(self.outward, torch.cat([change, plane], dim=1))
        following = frame + functional.pixel_shuffle(change, FOLD)[:, 0]
        return following, memory


def _around(layer: nn.Conv2d, x: Tensor) -> Tensor:
    out: Tensor = layer(functional.pad(x, (1, 1, 1, 1), mode="circular"))
    return out


@dataclass(frozen=True)
class MicrographSurrogate:
    """A fitted network, and how its pictures are read.

    Attributes:
        net: the network.
        reach: mean radius times mean brightness of a film without particles, lattice constants.
    """

    net: ConvGru
    reach: float

    def step(self, frames: Float32Array, drives: Float32Array, memory: Tensor | None) -> tuple[Float32Array, Tensor]:
        """The next (B, H, W) frames in [0, 1] and memory, after (B, H, W) frames and (B, 2) drives."""
        with torch.inference_mode():
            found, memory = self.net(torch.from_numpy(frames), torch.from_numpy(drives), memory)
        return found.clamp(0.0, 1.0).numpy(), memory

    def roll_out(self, context: Float32Array, drives: Float32Array) -> Float32Array:
        """Frames that follow.

        Args:
            context: (B, C, H, W) frames that are known, in [0, 1].
            drives: (B, C - 1 + K, 2) of the known steps and of the K that follow.

        Returns:
            (B, K, H, W) in [0, 1].
        """
        known, found = context.shape[1], []
        memory, frame = None, context[:, 0]
        for step in range(drives.shape[1]):
            frame, memory = self.step(context[:, step] if step < known else frame, drives[:, step], memory)
            if step >= known - 1:
                found.append(frame)
        return np.stack(found, axis=1)

    def radii(self, frames: Float32Array) -> FloatArray:
        """(...) mean radii that (..., H, W) frames show: boundaries' brightness falls as grains grow.

        Particles, and the ring of brightness around one within a grain, do not count.
        """
        grains = np.where(frames < WHITE, frames, 0.0).mean(axis=(-2, -1))
        return np.asarray(self.reach / np.maximum(grains, 1e-6))


def read_reach(runs: Micrographs) -> float:
    """Mean of radius times brightness where no particle is seen."""
    frames = runs.frames.astype(np.float32) / 255.0
    free = (frames < WHITE).all(axis=(2, 3))
    if not free.any():
        raise ConfigurationError("no frame is free of particles, of which brightness could be read")
    return float((runs.radii * frames.mean(axis=(2, 3)))[free].mean())


WHITE: Final = 0.95
"""Brightness from which a site counts as a particle; of boundaries, a triple point has 6/8 at most."""


@dataclass(frozen=True)
class MicrographSettings:
    """How to fit.

    Attributes:
        width: channels of the memory.
        context: frames that are known before the network goes on by itself.
        horizon: frames for which it does in training.
        epochs: passes over the training films.
        batch_size: films a step.
        learning_rate: peak of the one-cycle schedule.
        seed: of weights and order.
    """

    width: int = 32
    context: int = 5
    horizon: int = 10
    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "context", "horizon", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 1 or more")


def fit_micrographs(
    train: Micrographs,
    validation: Micrographs,
    settings: MicrographSettings,
    *,
    checkpoints: Path | None = None,
    log: Path | None = None,
    on_epoch: Callable[[int, int, float, float], None] = lambda _member, _epoch, _loss, _error: None,
) -> MicrographSurrogate:
    """Fit a network on windows of the films; the epoch that validates best is kept."""
    torch.manual_seed(settings.seed)
    net = ConvGru(settings.width)
    window = settings.context + settings.horizon
    if train.frames.shape[1] <= window:
        raise ConfigurationError(f"films of {train.frames.shape[1]} frames are too short for windows of {window} steps")
    steps = -(-len(train.frames) // settings.batch_size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.learning_rate, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    state = TrainingState(net, optimizer, schedule, np.random.default_rng(settings.seed))
    identity = {"settings": asdict(settings), "films": len(train.frames), "sum": int(train.frames[:, -1].sum())}
    checkpoint = Checkpoint(checkpoints / "micrographs.pt" if checkpoints else None, identity)
    checkpoint.restore(state)
    write = board(log, state.epoch)
    while state.epoch < settings.epochs:
        net.train()
        losses = []
        for rows in np.array_split(state.rng.permutation(len(train.frames)), steps):
            begin = int(state.rng.integers(train.frames.shape[1] - window))
            frames = train.frames[rows, begin : begin + window + 1].astype(np.float32) / 255.0
            loss: Any = _loss(net, torch.from_numpy(frames), train.drives[rows, begin : begin + window], settings)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        net.eval()
        with torch.no_grad():
            known = torch.from_numpy(validation.frames[:, : window + 1].astype(np.float32) / 255.0)
            error = float(torch.sqrt(_loss(net, known, validation.drives[:, :window], settings)))
        state.finish_epoch(error)
        checkpoint.write(state)
        write("loss/train", float(np.mean(losses)), state.epoch)
        write("error/validation", error, state.epoch)
        on_epoch(0, state.epoch, float(np.mean(losses)), error)
    net.load_state_dict(state.best)
    return MicrographSurrogate(net.eval(), read_reach(train))


def _loss(net: ConvGru, frames: Tensor, drives: Float32Array, settings: MicrographSettings) -> Tensor:
    """Mean squared error of the frames that follow, the known ones' included."""
    memory: Tensor | None = None
    frame, total = frames[:, 0], frames.new_zeros(())
    for step in range(drives.shape[1]):
        if step < settings.context:
            frame = frames[:, step]
        frame, memory = net(frame, torch.from_numpy(drives[:, step]), memory)
        total = total + ((frame - frames[:, step + 1]) ** 2).mean()
    mean: Tensor = total / drives.shape[1]
    return mean


def save_micrographs(surrogate: MicrographSurrogate, path: Path, **facts: Any) -> None:
    """Write `path` (.safetensors) and a card beside it (.json)."""
    check_suffix(path)
    card = {"format_version": 1, "width": surrogate.net.width, "reach": surrogate.reach} | facts
    with atomic_path(path) as scratch:
        save_file({name: value.contiguous() for name, value in surrogate.net.state_dict().items()}, scratch)
    write_json(path.with_suffix(".json"), card)


def load_micrographs(path: Path | str) -> MicrographSurrogate:
    """Read one: a .safetensors file with its card beside it, or the name of a shipped one.

    Raises:
        WeightsError: if a file is missing or damaged.
    """
    file = Path(path) if Path(path).suffix else SHIPPED / f"{path}.safetensors"
    try:
        card = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        net = ConvGru(int(card["width"]))
        net.load_state_dict(load_file(file))
        return MicrographSurrogate(net.eval(), float(card["reach"]))
    except FileNotFoundError as error:
        raise WeightsError(f"there is no {error.filename}: weights are read with their card beside them") from None
    except (ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{file} does not hold a network of micrographs: {error}") from None
