"""Grain growth by the Potts model: boundaries that move towards their centre of curvature.

Anderson, Srolovitz, Grest and Sahni, Acta Metall. 32, 783 (1984): every site holds the label of a grain; a site takes a
random neighbour's label with probability 1 if that does not raise the number of unlike neighbours, and e^(-ΔE/kT) if it
raises this number by ΔE. A site has the eight neighbours of a square lattice. We chose kT = 0.7 in units of one pair's
energy, at which boundaries hardly depend on the lattice's directions; tests check the following laws. In two
dimensions, the mean radius grows as the square root of time, and the area of a grain of n neighbours by dA/dt ∝ n - 6
(von Neumann 1952; Mullins, J. Appl. Phys. 27, 900 (1956)).

A sweep visits the sites in four colours. Sites of one colour are not neighbours of each other and change together, in
all structures of a batch. Particles belong to no grain and pin the boundaries (Zener; Srolovitz et al., Acta Metall.
32, 1429 (1984)).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from matgym.errors import ConfigurationError
from matgym.processes.annealing.microstructure import PARTICLE, Labels
from matgym.typing import FloatArray

LATTICE_TEMPERATURE: Final = 0.7
"""The temperature kT in units of one unlike pair's energy."""

NEIGHBOURS: Final = 8

_CHUNK: Final = 1 << 17
"""The number of sites that are processed together, chosen to fit into a core's cache."""


def _chances() -> npt.NDArray[np.uint32]:
    """Return the probability of a move in units of 2^-24, by its ΔE + 8."""
    change = np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    chance = np.exp(-np.maximum(change, 0) / LATTICE_TEMPERATURE)
    return np.asarray(np.round(chance * 2**24), dtype=np.uint32)


_CHANCES: Final = _chances()


def sweep(labels: Labels, sweeps: FloatArray, generators: Sequence[np.random.Generator]) -> None:
    """Move the boundaries of films, in place.

    Args:
        labels: (B, H, W) periodic labels with even H and W.
        sweeps: (B,) mean number of visits of a site; a fraction of a sweep reduces the probability of every move.
        generators: B random generators, one for each structure, so that its result does not depend on the batch.

    Raises:
        ConfigurationError: if a side is odd.
    """
    batch, height, width = labels.shape
    if height % 2 or width % 2:
        raise ConfigurationError(
            f"a lattice of {height} x {width} must have even sides, because its sites are visited in four colours"
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
    wide = np.empty((batch, height + 2, width + 2), dtype=labels.dtype)  # with the periodic images beyond each side
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
    """Return the steps (rows, columns) from a site to its neighbours, those in its own cell of four sites first."""
    down, right = 1 - 2 * a, 1 - 2 * b
    sides = ((0, right), (0, -right), (down, 0), (-down, 0))
    return (*sides, (down, right), (down, -right), (-down, right), (-down, -right))
