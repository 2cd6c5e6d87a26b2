"""Fit the network of micrographs by the negative log-likelihood of the labels that the simulator gives to sites."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from matgym.learning.config import check_counts
from matgym.learning.trainer import Options, Training, digest, one_cycle, train
from matgym.processes.annealing.film import COLDEST_C, STEP_S, Film, evaporate
from matgym.processes.annealing.micrographs import MicrographSurrogate, parts_of
from matgym.processes.annealing.microstructure import PARTICLE, Labels
from matgym.processes.annealing.potts import sweep
from matgym.processes.annealing.rivalry import Rivalry, look, near_boundaries
from matgym.processes.annealing.runs import random_films, random_schedule
from matgym.typing import FloatArray
from matgym.units import CELSIUS_K


class Moves(NamedTuple):
    """N simulated moves: (N, H, W) labels before and after, and the (N,) sweeps between them."""

    before: Labels
    after: Labels
    sweeps: FloatArray


def simulated_moves(count: int, steps: int, rng: np.random.Generator, *, size: int = 64) -> Moves:
    """Simulate all moves of `count` films of `size` sites a side under random schedules, with up to 12 % particles."""
    film, generators = Film(), rng.spawn(count)
    labels = random_films(count, rng, size=size, grains=(120, 200), particles=(0.0, 0.12))
    schedules = np.stack([random_schedule(steps, rng) for _ in range(count)])
    temperature_k, moves = np.full(count, COLDEST_C + CELSIUS_K), []
    for step in range(steps):
        course = film.course(temperature_k, schedules[:, step] + CELSIUS_K, STEP_S)
        temperature_k, parts = course.temperature_k, parts_of(course.sweeps)
        for part in range(int(parts.max())):
            rows = np.flatnonzero(parts > part)
            mine, before, sweeps = [generators[row] for row in rows], labels[rows], (course.sweeps / parts)[rows]
            after = before.copy()
            evaporate(after, -np.expm1(-(course.going / parts)[rows]), mine)
            sweep(after, sweeps, mine)
            labels[rows] = after
            moves.append((before, after, sweeps))
    return Moves(*(np.concatenate(values) for values in zip(*moves, strict=True)))


@dataclass(frozen=True)
class MicrographConfig:
    """The settings of a fit.

    Attributes:
        width: the width of the network's hidden layers.
        epochs: the number of passes over the moves.
        batch_size: the number of moves in a step.
        sites: the largest number of sites near boundaries in a step, drawn at random.
        learning_rate: the highest learning rate of the one-cycle schedule.
        seed: the random seed of weights, order and sites.
    """

    width: int = 32
    epochs: int = 20
    batch_size: int = 16
    sites: int = 4096
    learning_rate: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "width", "epochs", "batch_size", "sites")


def fit_micrographs(
    learned: Moves, validation: Moves, config: MicrographConfig, **options: Unpack[Options]
) -> MicrographSurrogate:
    """Fit a network to simulated moves and return it with the weights of the epoch with the lowest validation error."""
    torch.manual_seed(config.seed)
    net, rng = Rivalry(config.width), np.random.default_rng(config.seed)
    steps = -(-len(learned.before) // config.batch_size)  # per epoch

    def batches(_progress: float) -> Iterator[Moves]:
        for rows in np.array_split(rng.permutation(len(learned.before)), steps):
            yield Moves(learned.before[rows], learned.after[rows], learned.sweeps[rows])

    def losses(moves: Moves) -> dict[str, Tensor]:
        return {"train": _loss(net, moves, config.sites, rng)}

    def validate(_epoch: int) -> dict[str, float]:
        same = np.random.default_rng(config.seed)  # the same sites in every epoch
        return {"error": float(_loss(net, validation, 16 * config.sites, same))}

    update = one_cycle(
        net, losses, rate=config.learning_rate, steps=config.epochs * steps, weight_decay=1e-5, largest_gradient=None
    )
    identity = {"config": asdict(config), "moves": digest(*learned, *validation)}
    train(Training("micrographs", net, [update], batches, validate, rng, config.epochs), identity, **options)
    return MicrographSurrogate(net)


def _loss(net: Rivalry, moves: Moves, most: int, rng: np.random.Generator) -> Tensor:
    """Return the mean -log probability of the true label at random sites near boundaries.

    Sites whose true label is out of the network's reach do not count.
    """
    where = near_boundaries(moves.before) & (moves.after != PARTICLE)
    there = np.flatnonzero(where)
    drawn = np.zeros(where.size, dtype=bool)
    drawn[rng.choice(there, min(most, len(there)), replace=False)] = True
    sites = look(moves.before, drawn.reshape(where.shape))
    true = sites.rivals == moves.after[sites.where][:, None]
    known = true.any(axis=1)
    chances = net(sites, moves.sweeps[np.nonzero(sites.where)[0]])
    labels = torch.from_numpy(true.argmax(axis=1)[known]).to(chances.device)
    return functional.nll_loss(chances[torch.from_numpy(known).to(chances.device)], labels)
