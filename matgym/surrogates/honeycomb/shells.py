"""Descriptors of tubes of any lattices: numbers of the whole tube, and pairs of species by their distance along bonds.

The pairs of a cluster expansion (Sanchez, Ducastelle and Gratias, Physica A 128, 334 (1984)) that lie on one shell are
summed, so that a sum means the same on every tube. Shells are counted along bonds: the sites at distance d are the ends
of walks of d bonds that do not go back, A m_d = m_(d+1) + 2 m_(d-1) on a graph of three neighbours a site. Turned bonds
change the graph, and with it the shells.
"""

from typing import Final

import numpy as np

from matgym.structures import TubeBatch
from matgym.surrogates.honeycomb.graph import SITE_FEATURES, Honeycombs, honeycombs, pieces
from matgym.typing import Float32Array, FloatArray

SHELLS: Final = 6
"""Longest walk, in bonds. A choice of ours."""

DIRECTED_SHELLS: Final = 2
"""Longest walk whose last bond's direction is told apart. A choice of ours."""

_SITES: Final = 500_000  # at a time

_ONE, _OTHER = np.triu_indices(SITE_FEATURES)


def shell_features(batch: TubeBatch) -> FloatArray:
    """Return (B, F) descriptors of tubes.

    Returns:
        `tube_features`; then per site, for every walk of 0 to `SHELLS` bonds, the number of pairs {s, t} of features of
        sites at its ends; and for walks of 1 to `DIRECTED_SHELLS` bonds the same weighted by cos 2φ of the last bond.
    """
    parts = []
    for rows in pieces(batch, _SITES):
        graph = honeycombs(batch.take(rows))
        parts.append(np.concatenate([graph.tubes, _pairs(graph)], axis=1))
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, 0))


def _pairs(graph: Honeycombs) -> Float32Array:
    marks, neighbours = graph.sites, graph.neighbours
    cosines = graph.directions[:, :, 0]
    before, walked = np.zeros_like(marks), marks
    found = [_products(marks, marks, graph)]
    for length in range(1, SHELLS + 1):
        beside = walked[neighbours]  # (S, 3, F)
        if length <= DIRECTED_SHELLS:
            found.append(_products(marks, (cosines[:, :, None] * beside).sum(axis=1), graph))
        before, walked = walked, beside.sum(axis=1) - (3.0 if length == 2 else 2.0) * before
        found.append(_products(marks, walked, graph))
    return np.concatenate(found, axis=1)


def _products(one: Float32Array, other: Float32Array, graph: Honeycombs) -> Float32Array:
    """Return (B, pairs) means over the sites of a tube of products of features, each pair both ways round."""
    products = one[:, _ONE] * other[:, _OTHER] + one[:, _OTHER] * other[:, _ONE]
    starts = np.searchsorted(graph.tube, np.arange(len(graph.tubes)))
    counts = np.bincount(graph.tube, minlength=len(graph.tubes))
    return np.asarray(np.add.reduceat(products, starts, axis=0) / (2.0 * counts[:, None]), dtype=np.float32)
