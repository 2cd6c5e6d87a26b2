"""Microstructure: crystallites of a film as labels on a periodic square lattice, and the particles between them.

Grains have labels from 1; particles have label 0. Functions take a batch of lattices, (B, H, W).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from matgym.errors import ConfigurationError
from matgym.typing import Float32Array, FloatArray, IntArray

Labels = npt.NDArray[np.uint16]

PARTICLE: Final = np.uint16(0)
"""The label of sites that belong to no grain."""


MAX_SIDE: Final = 4096
"""Sites along a side of the largest film. A choice of ours; environments have 64."""


def voronoi(size: int, grains: int, particles: int, rng: np.random.Generator) -> Labels:
    """Return (size, size) labels of the Voronoi cells of random points, with particles on random sites.

    Raises:
        ConfigurationError: if the side is odd, below 8 or above `MAX_SIDE`, or there are no grains, or more grains or
            particles than sites.
    """
    from scipy.spatial import KDTree

    if (
        not 8 <= size <= MAX_SIDE
        or size % 2
        or not 1 <= grains <= min(size * size, 65_535)
        or not 0 <= particles < size * size
    ):
        raise ConfigurationError(
            f"size={size}, grains={grains} and particles={particles} make no film: give an even size from 8 to "
            f"{MAX_SIDE:,}, and at least one grain and fewer particles than its {size * size} sites"
        )
    sites = np.stack(np.meshgrid(*2 * [np.arange(size) + 0.5], indexing="ij"), axis=-1).reshape(-1, 2)
    tree = KDTree(rng.random((grains, 2)) * size, boxsize=np.full(2, float(size)))
    labels = (np.asarray(tree.query(sites)[1]) + 1).astype(np.uint16)
    labels[rng.choice(size * size, particles, replace=False)] = PARTICLE
    return np.asarray(labels.reshape(size, size))


def grain_counts(labels: Labels) -> IntArray:
    """Return the (B,) number of grains."""
    batch = len(labels)
    most = int(labels.max()) + 1
    there = np.zeros((batch, most), dtype=bool)
    there[np.arange(batch)[:, None], labels.reshape(batch, -1)] = True
    return np.asarray(there[:, 1:].sum(axis=1))


def mean_radius(labels: Labels) -> FloatArray:
    """Return the (B,) radius of a disc with the grains' mean area, in lattice constants."""
    return np.asarray(np.sqrt(labels[0].size / np.pi / np.maximum(grain_counts(labels), 1)))


def boundaries(labels: Labels) -> Float32Array:
    """Return (B, H, W) micrographs: the share of a site's eight neighbours with another label; particles are 1."""
    unlike = np.zeros(labels.shape, dtype=np.uint8)
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        differs = labels != np.roll(labels, shift, axis=(1, 2))
        unlike += differs
        unlike += np.roll(differs, (-shift[0], -shift[1]), axis=(1, 2))
    picture = unlike.astype(np.float32) / 8.0
    picture[labels == PARTICLE] = 1.0
    return np.asarray(picture)


def sides(labels: Labels) -> IntArray:
    """Return the (H * W + 1,) number of neighbours of each grain of an (H, W) lattice, 0 for labels without sites."""
    pairs = np.concatenate(
        [np.stack([labels.ravel(), np.roll(labels, 1, axis=axis).ravel()]) for axis in (0, 1)], axis=1
    ).astype(np.int64)
    pairs = np.sort(pairs[:, (pairs[0] != pairs[1]) & (pairs != PARTICLE).all(axis=0)], axis=0)
    distinct = np.unique(pairs, axis=1)
    return np.asarray(np.bincount(distinct.ravel(), minlength=labels.size + 1))
