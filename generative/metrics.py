"""How a set of generated tubes compares with a set of known ones.

All functions look at (B, n_sites) species of one lattice, or at features of them, (N, F) real and (M, F) fake. What
cannot be computed, such as the neighbourhoods among too few structures, is NaN.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from matgym.structures import Species, TubeLattice
from matgym.structures.symmetry import canonical_form
from matgym.typing import BoolArray, Float32Array, FloatArray, SpeciesArray

NEIGHBOURS: Final = 5
"""The k of coverage and density: what Naeem et al. recommend."""

SHELLS: Final = 6
"""Neighbour shells of pair correlations: up to some 6 Å."""


# ---- orbits


def orbit_keys(lattice: TubeLattice, species: SpeciesArray) -> list[bytes]:
    """A key for each tube that all its symmetric copies share, and no other tube."""
    return [canonical_form(lattice, codes)[0].tobytes() for codes in species]


def uniqueness(lattice: TubeLattice, species: SpeciesArray) -> float:
    """Share of tubes that remain when symmetric copies of each other count once."""
    return len(set(orbit_keys(lattice, species))) / len(species)


def novelty(lattice: TubeLattice, species: SpeciesArray, known: SpeciesArray) -> float:
    """Share of tubes of which no symmetric copy is among the (M, n_sites) known; M may be zero."""
    rough = set(_environments(lattice, species))
    alike = np.array([signature in rough for signature in _environments(lattice, known)], dtype=bool)
    seen = set(orbit_keys(lattice, known[alike]))
    return float(np.mean([key not in seen for key in orbit_keys(lattice, species)]))


def _environments(lattice: TubeLattice, species: SpeciesArray) -> list[bytes]:
    """What stands on and around the sites of each tube, sorted: found quickly, and the same for symmetric copies."""
    bits = 1 << (3 + 2 * np.arange(len(Species)))  # of each species up to three around a site: two bits
    around = bits[species[:, lattice.neighbours]].sum(axis=2) + species
    return [codes.tobytes() for codes in np.sort(around.astype(np.uint16), axis=1)]


# ---- distributions in a feature space


def coverage(real: FloatArray, fake: FloatArray, k: int = NEIGHBOURS) -> float:
    """Share of real samples that have a fake one no further off than their k-th real neighbour.

    Naeem, Oh, Uh, Choi and Yoo, ICML 2020 (arXiv:2002.09797), eq. 4. For N real and M fake samples of one distribution
    about 1 - (N/(N + M))^k is expected, which is 0.97 for k = 5 and as many of either: give as many of either.
    """
    inside = _inside(real, fake, k)
    return float("nan") if inside is None else float(inside.any(axis=1).mean())


def density(real: FloatArray, fake: FloatArray, k: int = NEIGHBOURS) -> float:
    """How many neighbourhoods of real samples a fake one lies in, over k; about 1 where both are alike.

    Naeem et al., eq. 3; it can exceed 1 where fake samples crowd in the densest parts. Arguments as of `coverage`.
    """
    inside = _inside(real, fake, k)
    return float("nan") if inside is None else float(inside.sum(axis=0).mean() / k)


def _inside(real: FloatArray, fake: FloatArray, k: int) -> BoolArray | None:
    """(N, M) whether a fake sample lies in the neighbourhood of a real one; None if there is no k-th neighbour."""
    if len(real) <= k or not len(fake):
        return None
    radius = np.partition(cdist(real, real), k, axis=1)[:, k]  # the nearest, at place 0, is the sample itself
    return np.asarray(cdist(real, fake) <= radius[:, None])


def frechet(real: FloatArray, fake: FloatArray) -> float:
    """Squared Fréchet distance of the Gaussians that have the mean and covariance of two sets of features.

    |μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½): Heusel et al., NeurIPS 2017 (arXiv:1706.08500), eq. 6, after Dowson and
    Landau (1982). The root's trace is the sum of the roots of the eigenvalues of C₁^½ C₂ C₁^½, which is symmetric, so
    that singular covariances do no harm. It is biased upwards for few samples: compare at equal numbers only.
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
    """(K, K, shells) how many pairs stand at each distance, over what a random arrangement of the same atoms has.

    Entry [x, y, s] counts the atoms of y that are s + 1 bonds away from an atom of x, by the shortest way; x and y are
    among the (K,) codes of dopants. Pairs are summed over all tubes before the division, so that tubes of several
    compositions may be mixed. NaN where no such pair can be.
    """
    holds = np.stack([species == code for code in codes]).astype(np.float32)  # (K, B, n_sites)
    at = at_distance(lattice, shells)
    atoms = holds.sum(axis=2, dtype=np.float64)  # (K, B)
    partners = atoms - np.eye(len(codes))[:, :, None]  # (K, K, B): an atom is no partner of its own
    chances = (atoms[:, None] * partners).sum(axis=2) / (lattice.n_sites - 1)  # (K, K), for a single partner site
    found = np.empty((len(codes), len(codes), shells))
    for shell in range(shells):
        around = holds @ at[shell]  # (K, B, n_sites): atoms of each kind at that distance from each site
        found[:, :, shell] = np.tensordot(holds, around, axes=((1, 2), (1, 2)))
    expected = chances[:, :, None] * at[:, 0].sum(axis=1)  # every site has as many others at a distance
    return np.asarray(np.divide(found, expected, out=np.full_like(found, np.nan), where=expected > 0.0))


def pair_correlation_error(one: FloatArray, other: FloatArray) -> float:
    """Root mean square difference of two pair correlations, over what both could be computed of."""
    apart = (one - other)[np.isfinite(one) & np.isfinite(other)]
    return float(np.sqrt((apart**2).mean())) if apart.size else float("nan")


@lru_cache(maxsize=32)
def at_distance(lattice: TubeLattice, shells: int) -> Float32Array:
    """(shells, n_sites, n_sites) one where the shortest way between two sites has 1, 2, … bonds."""
    reached = np.eye(lattice.n_sites, dtype=bool)
    at = np.zeros((shells, lattice.n_sites, lattice.n_sites), dtype=np.float32)
    for shell in range(shells):
        further = reached[lattice.neighbours].any(axis=1) | reached
        at[shell] = further & ~reached
        reached = further
    at.setflags(write=False)
    return at


def spread(species: SpeciesArray, reference: SpeciesArray) -> float:
    """Mean number of sites in which two tubes differ, over that of reference tubes of the same compositions.

    A generator that always puts its dopants on the same sites has less than 1.
    """
    wanted = _hamming(reference)
    return _hamming(species) / wanted if wanted > 0.0 else float("nan")


def _hamming(species: SpeciesArray) -> float:
    """Mean number of sites in which two of the tubes differ."""
    count = len(species)
    if count < 2:
        return float("nan")
    same = np.zeros(species.shape[1])
    for code in np.unique(species):
        holding = (species == code).sum(axis=0)
        same += holding * (holding - 1) / (count * (count - 1))
    return float((1.0 - same).sum())
