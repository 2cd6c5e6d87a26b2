"""Random decorations: from plain random to ordered, so that a surrogate sees what a search will find.

A search does not visit typical structures. Trained on uniformly random decorations alone, a surrogate
meets superlattices and clusters for the first time when an optimizer has already found them. So atoms are
placed one by one, each site drawn with a weight exp(preference), the preferences themselves drawn anew for
every tube (all of this is our choice, and no model of how dopants settle):

    preference(site, X) = σ_X s(site) + w_X cos(2π (h u + l z) + φ_X) + like a(site, X) + unlike a(site, X')

with s = ±1 the sublattice, (u, z) the site's angle and height as fractions, h and l small whole numbers,
and a(site, X) how many of its three neighbours hold X already.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from matgym.data.specification import Family
from matgym.structures import Nanotube, Species, TubeLattice
from matgym.structures.symmetry import Pairs
from matgym.typing import FloatArray, SpeciesArray

PLAIN_SHARE: Final = 0.35
"""Share of tubes decorated uniformly at random."""

_SUBLATTICE, _WAVE, _NEIGHBOUR = 1.5, 2.0, 1.5  # standard deviations of the preferences


def random_decoration(
    lattice: TubeLattice, counts: dict[Species, int], rng: np.random.Generator, *, plain_share: float = PLAIN_SHARE
) -> SpeciesArray:
    """(n_sites,) species codes of a lattice decorated with given numbers of each species.

    All preferences are zero with a probability of `plain_share`.
    """
    kinds = list(counts)
    queue = rng.permutation(np.repeat(np.arange(len(kinds)), [counts[kind] for kind in kinds]))
    species = np.zeros(lattice.n_sites, dtype=np.uint8)
    if rng.random() < plain_share:
        species[rng.permutation(lattice.n_sites)[: len(queue)]] = np.array(kinds, dtype=np.uint8)[queue]
        return species

    field = _preferences(lattice, len(kinds), rng)  # (kinds, n_sites)
    attraction = rng.normal(0.0, _NEIGHBOUR, (len(kinds), len(kinds))) * (rng.random() < 0.6)
    for kind in queue:
        neighbours = species[lattice.neighbours]  # (n_sites, 3)
        preference = field[kind].copy()
        for other, code in enumerate(kinds):
            preference += attraction[kind, other] * (neighbours == code).sum(axis=1)
        preference[species != Species.C12] = -np.inf
        weight = np.exp(preference - preference.max())
        species[rng.choice(lattice.n_sites, p=weight / weight.sum())] = kinds[kind]
    return species


def _preferences(lattice: TubeLattice, kinds: int, rng: np.random.Generator) -> FloatArray:
    """(kinds, n_sites) preference of each species for each site of the empty lattice."""
    sublattice = np.repeat([1.0, -1.0], lattice.n_cells)
    angle, height = lattice.site_fractions.T
    field = rng.normal(0.0, _SUBLATTICE, (kinds, 1)) * (rng.random() < 0.6) * sublattice
    if rng.random() < 0.6:
        around, along = rng.integers(0, 4), rng.integers(0, 2 * lattice.cells + 1)
        phases = rng.random((kinds, 1))
        wave = np.cos(2 * np.pi * (around * angle + along * height + phases))
        field = field + rng.normal(0.0, _WAVE, (kinds, 1)) * wave
    return np.asarray(field)


def random_codoped(n: int, m: int, cells: int, largest_share: float, rng: np.random.Generator) -> Nanotube:
    """A tube with equally many B and N, up to `largest_share` of the sites together.

    Equal numbers keep the tube neutral: carbon's one π electron a site, on average, and an even count.
    """
    lattice = Nanotube(n, m, cells).lattice
    pairs = int(rng.integers(1, max(1, int(largest_share * lattice.n_sites / 2)) + 1))
    species = random_decoration(lattice, {Species.B: pairs, Species.N: pairs}, rng)
    return Nanotube(n, m, cells, species)


def random_tube(family: Family, largest_share: float, rng: np.random.Generator) -> Nanotube:
    """A co-doped tube of a family, strained, twisted and with turned bonds as the family has it.

    The decoration is drawn first, and nothing is drawn for what the family leaves out.
    """
    tube = random_codoped(family.n, family.m, family.cells, largest_share, rng)
    strain, torsion = (low if low == high else rng.uniform(low, high) for low, high in (family.strain, family.torsion))
    return replace(tube, strain=strain, torsion=torsion, stone_wales=_random_pairs(family, rng))


def _random_pairs(family: Family, rng: np.random.Generator) -> Pairs:
    """Stone-Wales pairs at random bonds; fewer than drawn where no further bond can be turned."""
    edits = family.edits()
    if edits is None:
        return ()
    design = np.zeros((1, edits.width), dtype=np.uint8)
    remaining = np.array([[rng.integers(family.stone_wales + 1)]])
    while (free := np.flatnonzero(edits.mask(design, remaining)[0])).size:
        edits.apply(design, remaining, rng.choice(free, 1))
    return edits.lattice.bond_pairs(design[0, edits.n_sites :])
