"""How micrographs change: a network moves the boundaries of the grains that a picture shows, under any schedule.

A frame is read as labels once (`read_grains`); from then on labels are the memory, a frame is a few moves of at most
`SWEEPS` sweeps each, and pictures are drawn from the labels, so that no boundary ever fades. Boundaries wander at
random, as the Potts model's do: what the network says of each site is drawn with numbers that are alike within
`CORRELATION` sites, since in as many sweeps a stretch of boundary moves as one.

Grains without particles grow as the simulator's do (`docs/results/annealing-network.json`). Known weaknesses, measured:
among 8 % of particles grains become 12 to 30 % too large, a lone disc shrinks 20 to 25 % too slowly, and on a core the
network is ten times slower than the simulator.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import torch
from pydantic import Field

from matgym.learning.store import Card, Store
from matgym.processes.annealing.film import Course
from matgym.processes.annealing.microstructure import PARTICLE, Labels, boundaries, mean_radius, read_grains
from matgym.processes.annealing.rivalry import SWEEPS, Rivalry, Sites, choose, look, near_boundaries
from matgym.typing import Float32Array, FloatArray

CORRELATION: Final = 3.0
"""Standard deviation, in sites, of the kernel that makes random numbers alike (F: with it, boundaries are as rough as
the simulator's; without, a quarter brighter)."""

_AT_ONCE: Final = 8192
"""Sites that the network is shown at once: what fits into a core's cache."""


class MicrographCard(Card):
    """What a network of micrographs is, and where it came from."""

    OLDEST: ClassVar[int] = 2  # 1 was a convolutional recurrent network on brightness

    width: int = Field(ge=1)


STORE: Final = Store(MicrographCard, "a network of micrographs", Path(__file__).parent / "weights")


def drives_of(course: Course) -> Float32Array:
    """(B, 2) of order one: how far boundaries will move, and what share of the particles will go."""
    return np.stack([np.sqrt(course.sweeps / 10.0), -np.expm1(-course.going)], axis=1).astype(np.float32)


def parts_of(sweeps: FloatArray) -> FloatArray:
    """(B,) moves of which a frame of so many sweeps is made."""
    return np.maximum(np.ceil(sweeps / SWEEPS - 1e-6), 1.0)


@dataclass(frozen=True)
class MicrographSurrogate:
    """A fitted network, and how films go on by it."""

    net: Rivalry

    def step(
        self,
        frames: Float32Array,
        drives: Float32Array,
        memory: Labels | None,
        generators: Sequence[np.random.Generator] | None = None,
    ) -> tuple[Float32Array, Labels]:
        """The next frames and labels.

        Args:
            frames: (B, H, W) in [0, 1]; only looked at where there is no memory.
            drives: (B, 2) see `drives_of`.
            memory: (B, H, W) labels, left as they are; None reads them from the frames.
            generators: B, one a film; None takes the likeliest label everywhere, with which large grains grow
                too slowly.
        """
        labels = self.advance(read_grains(frames) if memory is None else memory, drives, generators)
        return boundaries(labels), labels

    def advance(self, labels: Labels, drives: Float32Array, generators: Sequence[np.random.Generator] | None) -> Labels:
        """The next labels; see `step`."""
        labels = labels.copy()
        sweeps = 10.0 * drives[:, 0].astype(np.float64) ** 2
        parts = parts_of(sweeps)
        gone = -np.expm1(np.log1p(-np.minimum(drives[:, 1].astype(np.float64), 1.0 - 1e-7)) / parts)
        for part in range(int(parts.max())):
            rows = np.flatnonzero(parts > part)
            mine = None if generators is None else [generators[row] for row in rows.tolist()]
            labels[rows] = self.move(labels[rows], (sweeps / parts)[rows], gone[rows], mine)
        return labels

    def move(
        self, labels: Labels, sweeps: FloatArray, gone: FloatArray, generators: Sequence[np.random.Generator] | None
    ) -> Labels:
        """Labels after one move of (B,) sweeps, `SWEEPS` at most; without generators no particle goes."""
        where = near_boundaries(labels) & (labels != PARTICLE)
        if generators is not None:
            leaving = np.stack([rng.random(labels.shape[1:]) for rng in generators]) < gone[:, None, None]
            where |= (labels == PARTICLE) & leaving
        sites = look(labels, where)
        chances = self._chances(sites, sweeps[np.nonzero(where)[0]])
        if generators is None:
            taken = np.take_along_axis(sites.rivals, chances.argmax(axis=1)[:, None], axis=1)[:, 0]
        else:
            taken = choose(
                sites.rivals, chances, np.stack([_alike(labels.shape[1:], rng) for rng in generators])[where]
            )
        moved = labels.copy()
        moved[where] = taken
        return moved

    def _chances(self, sites: Sites, sweeps: FloatArray) -> Float32Array:
        found = np.empty(sites.rivals.shape, dtype=np.float32)
        with torch.inference_mode():
            for first in range(0, len(found), _AT_ONCE):
                some = slice(first, first + _AT_ONCE)
                shown = Sites(sites.where, sites.seen[some], sites.rivals[some])
                found[some] = self.net(shown, sweeps[some]).exp().cpu().numpy()
        return found

    def roll_out(
        self, context: Float32Array, drives: Float32Array, generators: Sequence[np.random.Generator] | None = None
    ) -> Float32Array:
        """Frames that follow.

        Args:
            context: (B, C, H, W) frames that are known, in [0, 1]; what follows depends on the last of them.
            drives: (B, C - 1 + K, 2) of the known steps and of the K that follow.
            generators: B, one a film; None: see `step`.

        Returns:
            (B, K, H, W) in [0, 1].
        """
        known, frame, memory, found = context.shape[1], context[:, -1], None, []
        for step in range(known - 1, drives.shape[1]):
            frame, memory = self.step(frame, drives[:, step], memory, generators)
            found.append(frame)
        return np.stack(found, axis=1)

    @staticmethod
    def radii(frames: Float32Array) -> FloatArray:
        """(...) mean radii of the grains that (..., H, W) frames show, in lattice constants."""
        return mean_radius(read_grains(frames.reshape(-1, *frames.shape[-2:]))).reshape(frames.shape[:-2])


def _alike(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Numbers between 0 and 1, each uniform, neighbours alike: a normal field, smoothed and brought to variance 1."""
    from scipy.ndimage import gaussian_filter
    from scipy.special import ndtr

    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), CORRELATION, mode="wrap")
    return np.asarray(ndtr(2.0 * math.sqrt(math.pi) * CORRELATION * noise))


def save_micrographs(surrogate: MicrographSurrogate, path: Path, **facts: object) -> MicrographCard:
    """Write `path` (.safetensors) and a card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    return STORE.save(path, surrogate.net.state_dict(), {"width": surrogate.net.width, **facts})


def load_micrographs(path: Path | str) -> MicrographSurrogate:
    """Read one: a .safetensors file with its card beside it, or the name of a shipped one.

    Raises:
        WeightsError: if a file is missing, damaged, of another format, or not what its card describes.
    """

    def built(card: MicrographCard, tensors: dict[str, torch.Tensor]) -> MicrographSurrogate:
        net = Rivalry(card.width)
        net.load_state_dict(tensors)
        return MicrographSurrogate(net.eval())

    return STORE.load(path, built)
