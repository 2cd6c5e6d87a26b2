"""Grain growth by the Potts model: boundaries that move towards their centre of curvature.

Anderson, Srolovitz, Grest and Sahni, Acta Metall. 32, 783 (1984): every site holds the label of a grain; a site takes a
random neighbour's label with probability 1 where that does not raise the number of unlike neighbours, and
e^(-ΔE/kT) where it does by ΔE. Neighbours are the eight of a square lattice, whose boundaries hardly see the lattice at
kT = 0.7 (in units of one pair's energy; a choice of ours, held to the laws below by tests). What follows in two
dimensions: the mean radius grows as the square root of time, and a grain of n neighbours by dA/dt ∝ n - 6 (von Neumann
1952; Mullins, J. Appl. Phys. 27, 900 (1956)).

A sweep visits the sites in four colours; those of a colour are no neighbours of each other and move at once, those of
all structures of a batch together. Particles belong to no grain and hold back what passes them (Zener;
Srolovitz et al., Acta Metall. 32, 1429 (1984)).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matgym.errors import ConfigurationError
from matgym.processes.annealing.microstructure import PARTICLE, Labels
from matgym.typing import FloatArray

LATTICE_TEMPERATURE: Final = 0.7
"""kT in units of one unlike pair's energy."""

NEIGHBOURS: Final = 8

_CHUNK: Final = 1 << 17
"""Sites that move at once: what fits into a core's cache."""


def _chances() -> npt.NDArray[np.uint32]:
    """Of a move by its ΔE + 8, out of 2^24."""
    change = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    chance = np.exp(-np.maximum(change, 0) / LATTICE_TEMPERATURE)
    return np.asarray(np.round(chance * 2**24), dtype=np.uint32)


_CHANCES: Final = _chances()


def sweep(labels: Labels, sweeps: FloatArray, generators: Sequence[np.random.Generator]) -> None:
    """Let boundaries move, in place.

    Args:
        labels: (B, H, W) with even H and W; periodic.
        sweeps: (B,) visits a site gets on average; a fraction of one makes every move that much less likely.
        generators: B, one a structure, so that what becomes of it does not depend on its company.

    Raises:
        ConfigurationError: if the shape is odd.
    """
    batch, height, width = labels.shape
    if height % 2 or width % 2:
        raise ConfigurationError(
            f"a lattice of {height} x {width} must have even sides: its sites move in four colours"
        )
    rounds = np.ceil(sweeps).astype(np.int64)
    chance = np.asarray(sweeps) / np.maximum(rounds, 1)
    at_once = max(1, _CHUNK // (height * width))
    for first in range(0, batch, at_once):
        rows = np.arange(first, min(first + at_once, batch))
        for done in range(int(rounds[rows].max(initial=0))):
            active = rows[rounds[rows] > done]
            labels[active] = _swept(labels[active], chance[active], [generators[row] for row in active])


def _swept(labels: Labels, chance: FloatArray, generators: Sequence[np.random.Generator]) -> Labels:
    batch, height, width = labels.shape
    half = (batch, height // 2, width // 2)
    drawn = np.stack([rng.integers(0, 1 << 32, (4, *half[1:]), dtype=np.uint32) for rng in generators], axis=1)
    limits = np.round(chance * 2**24).astype(np.uint64)
    thresholds = (_CHANCES[None].astype(np.uint64) * limits[:, None] >> np.uint64(24)).astype(np.uint32)  # (B, 17)
    offsets = np.arange(batch)[:, None, None] * thresholds.shape[1]
    wide = np.empty((batch, height + 2, width + 2), dtype=labels.dtype)  # with what lies beyond each side
    wide[:, 1:-1, 1:-1] = labels
    around = np.empty((NEIGHBOURS, *half), dtype=labels.dtype)
    for ways, (a, b) in zip(drawn, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        wide[:, 0], wide[:, -1] = wide[:, -2], wide[:, 1]
        wide[:, :, 0], wide[:, :, -1] = wide[:, :, -2], wide[:, :, 1]
        for values, (down, right) in zip(around, _beside(a, b), strict=True):
            values[:] = wide[:, 1 + a + down :: 2, 1 + b + right :: 2][:, : half[1], : half[2]]
        mine = np.ascontiguousarray(wide[:, 1 + a : -1 : 2, 1 + b : -1 : 2])
        candidate = np.take_along_axis(around, (ways & np.uint32(7))[None].astype(np.intp), axis=0)[0]
        change = np.zeros(half, dtype=np.int8)
        for neighbour in around:
            change += neighbour == mine
            change -= neighbour == candidate
        threshold = thresholds.ravel()[offsets + change + NEIGHBOURS]
        moves = ((ways >> np.uint32(8)) < threshold) & (candidate != PARTICLE) & (mine != PARTICLE)
        wide[:, 1 + a : -1 : 2, 1 + b : -1 : 2] = np.where(moves, candidate, mine)
    return wide[:, 1:-1, 1:-1]


def _beside(a: int, b: int) -> tuple[tuple[int, int], ...]:
    """Rows and columns from a site of one colour to its neighbours, those in its own cell of four sites first."""
    down, right = 1 - 2 * a, 1 - 2 * b
    sides = ((0, right), (0, -right), (down, 0), (-down, 0))
    return (*sides, (down, right), (down, -right), (-down, right), (-down, -right))
