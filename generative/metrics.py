"""Metrics that compare a set of generated tubes with a set of known tubes.

All functions take (B, n_sites) species of one lattice, or features of them, (N, F) real and (M, F) fake. A metric that
cannot be computed, for instance because there are too few structures for a neighbourhood, is NaN.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from matgym.frozen import cached_by_bytes, returns_read_only
from matgym.structures import Species, TubeLattice
from matgym.structures.symmetry import canonical_form
from matgym.typing import BoolArray, Float32Array, FloatArray, SpeciesArray

NEIGHBOURS: Final = 5
"""The number of neighbours k of coverage and density that Naeem et al. recommend."""

SHELLS: Final = 6
"""The number of neighbour shells of pair correlations: up to about 6 Å."""


# ---- orbits


def orbit_keys(lattice: TubeLattice, species: SpeciesArray) -> list[bytes]:
    """Return a key for each tube; two tubes have the same key only if they are symmetric copies of each other."""
    return [canonical_form(lattice, codes)[0].tobytes() for codes in species]


def uniqueness(lattice: TubeLattice, species: SpeciesArray) -> float:
    """Return the share of tubes that remain when symmetric copies of each other count once."""
    return len(set(orbit_keys(lattice, species))) / len(species)


def novelty(lattice: TubeLattice, species: SpeciesArray, known: SpeciesArray) -> float:
    """Return the share of tubes of which no symmetric copy is among the (M, n_sites) known tubes; M may be zero."""
    rough = set(_environments(lattice, species))  # a quick filter: canonical forms of all known tubes would be slow
    alike = np.array([signature in rough for signature in _environments(lattice, known)], dtype=bool)
    known_keys = set(orbit_keys(lattice, known[alike]))
    return float(np.mean([key not in known_keys for key in orbit_keys(lattice, species)]))


def _environments(lattice: TubeLattice, species: SpeciesArray) -> list[bytes]:
    """Return the sorted environments of the sites of each tube, which are quick to compute and equal for copies."""
    bits = 1 << (3 + 2 * np.arange(len(Species)))  # of each species up to three around a site: two bits
    around = bits[species[:, lattice.neighbours]].sum(axis=2) + species
    return [codes.tobytes() for codes in np.sort(around.astype(np.uint16), axis=1)]


# ---- distributions in a feature space


def coverage(real: FloatArray, fake: FloatArray, k: int = NEIGHBOURS) -> float:
    """Return the share of real samples that have a fake sample within the distance of their k-th real neighbour.

    Naeem, Oh, Uh, Choi and Yoo, ICML 2020 (arXiv:2002.09797), eq. 4. For N real and M fake samples of one distribution
    about 1 - (N/(N + M))^k is expected, which is 0.97 for k = 5 and N = M. Give equal numbers of both, so that figures
    can be compared.
    """
    inside = _inside(real, fake, k)
    return float("nan") if inside is None else float(inside.any(axis=1).mean())


def density(real: FloatArray, fake: FloatArray, k: int = NEIGHBOURS) -> float:
    """Return the mean number of neighbourhoods of real samples that contain a fake sample, divided by k.

    It is about 1 for two samples of one distribution. Naeem et al., eq. 3; it exceeds 1 if many fake samples lie in the
    densest regions of the real samples. The arguments are those of `coverage`.
    """
    inside = _inside(real, fake, k)
    return float("nan") if inside is None else float(inside.sum(axis=0).mean() / k)


def _inside(real: FloatArray, fake: FloatArray, k: int) -> BoolArray | None:
    """Return (N, M) whether a fake sample lies in a real one's neighbourhood; None if there is no k-th neighbour."""
    if len(real) <= k or not len(fake):
        return None
    radius = np.partition(cdist(real, real), k, axis=1)[:, k]  # the nearest, at place 0, is the sample itself
    return np.asarray(cdist(real, fake) <= radius[:, None])


def frechet(real: FloatArray, fake: FloatArray) -> float:
    """Return the squared Fréchet distance of the Gaussians with the mean and covariance of two sets of features.

    |μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½): Heusel et al., NeurIPS 2017 (arXiv:1706.08500), eq. 6, after Dowson and
    Landau (1982). The root's trace is the sum of the roots of the eigenvalues of C₁^½ C₂ C₁^½, which is symmetric, so
    that covariances may be singular. It is biased upwards for few samples: compare at equal numbers only.
    """
    if min(len(real), len(fake)) < 2:
        return float("nan")
    one, other = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, fake))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0.0)).sum()
    apart = ((real.mean(axis=0) - fake.mean(axis=0)) ** 2).sum()
    return max(0.0, float(apart + np.trace(one) + np.trace(other) - 2.0 * cross))


# ---- arrangement of dopants


def pair_correlation(
    lattice: TubeLattice, species: SpeciesArray, codes: Sequence[int], shells: int = SHELLS
) -> FloatArray:
    """Return the number of pairs at each distance, divided by that of a random arrangement of the same atoms.

    Entry [x, y, s] counts the atoms of y that are s + 1 bonds away from an atom of x, by the shortest path; x and y are
    among the (K,) codes of dopants. Pairs are summed over all tubes before the division, so that tubes of several
    compositions may be mixed.

    Returns:
        (K, K, shells); NaN where the composition or the lattice allows no such pair.
    """
    holds = np.stack([species == code for code in codes]).astype(np.float32)  # (K, B, n_sites)
    at = at_distance(lattice, shells)
    atoms = holds.sum(axis=2, dtype=np.float64)  # (K, B)
    partners = atoms - np.eye(len(codes))[:, :, None]  # (K, K, B): an atom is no partner of its own
    chances = (atoms[:, None] * partners).sum(axis=2) / (lattice.n_sites - 1)  # (K, K), for a single partner site
    pairs = np.empty((len(codes), len(codes), shells))
    for shell in range(shells):
        around = holds @ at[shell]  # (K, B, n_sites): atoms of each kind at that distance from each site
        pairs[:, :, shell] = np.tensordot(holds, around, axes=((1, 2), (1, 2)))
    expected = chances[:, :, None] * at[:, 0].sum(axis=1)  # all sites have the same number of sites at a distance
    return np.asarray(np.divide(pairs, expected, out=np.full_like(pairs, np.nan), where=expected > 0.0))


def pair_correlation_error(one: FloatArray, other: FloatArray) -> float:
    """Return the root mean square difference of two pair correlations, over the entries that are finite in both."""
    apart = (one - other)[np.isfinite(one) & np.isfinite(other)]
    return float(np.sqrt((apart**2).mean())) if apart.size else float("nan")


@cached_by_bytes()
@returns_read_only
def at_distance(lattice: TubeLattice, shells: int) -> Float32Array:
    """Return (shells, n_sites, n_sites) with one where the shortest path between two sites has 1, 2, … bonds."""
    reached = np.eye(lattice.n_sites, dtype=bool)
    at = np.zeros((shells, lattice.n_sites, lattice.n_sites), dtype=np.float32)
    for shell in range(shells):
        further = reached[lattice.neighbours].any(axis=1) | reached
        at[shell] = further & ~reached
        reached = further
    return at


def spread(species: SpeciesArray, reference: SpeciesArray) -> float:
    """Return the mean number of sites in which two tubes differ, divided by that of the reference tubes.

    The reference tubes have the same compositions. The result is below 1 for a generator that tends to place dopants on
    the same sites.
    """
    expected = _hamming(reference)
    return _hamming(species) / expected if expected > 0.0 else float("nan")


def _hamming(species: SpeciesArray) -> float:
    """Return the mean number of sites in which two of the tubes differ."""
    count = len(species)
    if count < 2:
        return float("nan")
    same = np.zeros(species.shape[1])
    for code in np.unique(species):
        holding = (species == code).sum(axis=0)
        same += holding * (holding - 1) / (count * (count - 1))
    return float((1.0 - same).sum())
