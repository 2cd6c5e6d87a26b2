"""A surrogate of micrographs: a network moves the boundaries of grains under any schedule.

The first frame is converted to labels (`read_grains`). From then on the labels are the state, a frame takes a few moves
of at most `SWEEPS` sweeps each, and pictures are drawn from the labels, so that boundaries stay sharp. Boundaries
fluctuate, as those of the Potts model do: the label of each site is drawn from the network's probabilities with random
numbers that are correlated within `CORRELATION` sites, because in that many sweeps a segment of a boundary moves as a
whole.

Grains without particles grow as in the simulator (`docs/results/annealing-network.json`). Measured weaknesses: with 8 %
of particles grains become 12 to 30 % too large, an isolated disc shrinks 20 to 25 % too slowly, and on one core the
network is ten times slower than the simulator.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import Field

from matgym.learning.sizes import check_sizes
from matgym.learning.store import Card, Store, filled
from matgym.processes.annealing.film import Course
from matgym.processes.annealing.microstructure import PARTICLE, Labels, boundaries, mean_radius, read_grains
from matgym.processes.annealing.rivalry import SWEEPS, Rivalry, Sites, choose, look, near_boundaries
from matgym.typing import Float32Array, FloatArray

CORRELATION: Final = 3.0
"""The standard deviation, in sites, of the kernel that correlates random numbers (F). With it, boundaries are as rough
as the simulator's; without it, they are brighter by a quarter."""

_AT_ONCE: Final = 8192
"""The number of sites that the network processes together, chosen to fit into a core's cache."""


class MicrographCard(Card):
    """The description of a network of micrographs and its training."""

    width: int = Field(ge=1)


STORE: Final = Store(MicrographCard, "a network of micrographs", Path(__file__).parent / "weights")


def drives_of(course: Course) -> Float32Array:
    """Return (B, 2) inputs of order one: the root of the sweeps over 10, and the share of particles that evaporate."""
    return np.stack([np.sqrt(course.sweeps / 10.0), -np.expm1(-course.going)], axis=1).astype(np.float32)


def parts_of(sweeps: FloatArray) -> FloatArray:
    """Return the (B,) number of moves into which the sweeps of a frame are divided."""
    return np.maximum(np.ceil(sweeps / SWEEPS - 1e-6), 1.0)


@dataclass(frozen=True)
class MicrographSurrogate:
    """A surrogate that advances films with a fitted network.

    Attributes:
        net: the network.
    """

    net: Rivalry

    def step(
        self,
        frames: Float32Array,
        drives: Float32Array,
        memory: Labels | None,
        generators: Sequence[np.random.Generator] | None = None,
    ) -> tuple[Float32Array, Labels]:
        """Return the next frames and labels.

        Args:
            frames: (B, H, W) frames in [0, 1]; used only if `memory` is None.
            drives: (B, 2) see `drives_of`.
            memory: (B, H, W) labels, which are not changed; None reads them from the frames.
            generators: B random generators, one for each film; None takes the most probable label everywhere, with
                which large grains grow too slowly.
        """
        labels = self.advance(read_grains(frames) if memory is None else memory, drives, generators)
        return boundaries(labels), labels

    def advance(self, labels: Labels, drives: Float32Array, generators: Sequence[np.random.Generator] | None) -> Labels:
        """Return the next labels; see `step`."""
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
        """Return the labels after one move of (B,) sweeps, at most `SWEEPS`; without generators particles stay."""
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
        chances = np.empty(sites.rivals.shape, dtype=np.float32)
        with torch.inference_mode():
            for first in range(0, len(chances), _AT_ONCE):
                some = slice(first, first + _AT_ONCE)
                chunk = Sites(sites.where, sites.seen[some], sites.rivals[some])
                chances[some] = self.net(chunk, sweeps[some]).exp().cpu().numpy()
        return chances

    def roll_out(
        self, context: Float32Array, drives: Float32Array, generators: Sequence[np.random.Generator] | None = None
    ) -> Float32Array:
        """Return the frames that follow the known ones.

        Args:
            context: (B, C, H, W) known frames in [0, 1]; only the last of them has an effect.
            drives: (B, C - 1 + K, 2) inputs of the known steps and of the K steps that follow; see `drives_of`.
            generators: B random generators, one for each film; for None see `step`.

        Returns:
            (B, K, H, W) frames in [0, 1].
        """
        known, frame, memory, frames = context.shape[1], context[:, -1], None, []
        for step in range(known - 1, drives.shape[1]):
            frame, memory = self.step(frame, drives[:, step], memory, generators)
            frames.append(frame)
        return np.stack(frames, axis=1)

    @staticmethod
    def radii(frames: Float32Array) -> FloatArray:
        """Return the (...) mean radii of the grains in (..., H, W) frames, in lattice constants."""
        return mean_radius(read_grains(frames.reshape(-1, *frames.shape[-2:]))).reshape(frames.shape[:-2])


def _alike(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Draw correlated numbers between 0 and 1, each uniformly distributed, from a smoothed normal field."""
    from scipy.ndimage import gaussian_filter
    from scipy.special import ndtr

    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), CORRELATION, mode="wrap")
    return np.asarray(ndtr(2.0 * math.sqrt(math.pi) * CORRELATION * noise))


def save_micrographs(surrogate: MicrographSurrogate, path: Path | str, **facts: object) -> MicrographCard:
    """Write a surrogate to `path` (.safetensors) and its card beside it (.json).

    Raises:
        WeightsError: if `path` does not end in .safetensors.
    """
    return STORE.save(path, surrogate.net.state_dict(), {"width": surrogate.net.width, **facts})


def load_micrographs(path: Path | str) -> MicrographSurrogate:
    """Return a surrogate of micrographs: from a .safetensors file with its card beside it, or by a shipped name.

    Raises:
        WeightsError: if a file is missing, damaged, of another format, or does not match its card.
    """

    def built(card: MicrographCard, tensors: dict[str, torch.Tensor]) -> MicrographSurrogate:
        check_sizes(width=card.width)
        return MicrographSurrogate(filled(lambda: Rivalry(card.width), tensors).eval())

    return STORE.load(path, built)
