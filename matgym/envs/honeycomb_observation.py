"""Observations of tubes as graphs, for policies that take tubes of any lattices: `observation="honeycomb"`.

An observation is a dictionary of three arrays for a tube of at most S sites on which K kinds of atoms can be placed:

- "sites", (S, 6 + K): what each site holds, one-hot by species code (12C, 13C, 14C, B, N, vacancy), followed by a 1 for
  each kind that may be placed there now. Rows of zeros are padding.
- "neighbours", (S, 3): the three bonded sites of each site, one for each direction of a bond. The number S means that
  there is none: the site is padding, or the bond leads across an open end into a lead.
- "context", (20 + M,): numbers of the whole tube. First cos 2φ and sin 2φ of the three bonds, with the angle φ of a
  bond to the circumference; then the 14 features of `matgym.surrogates.honeycomb.graph.NAMES` (diameter, chirality,
  length, load and composition); then M numbers of the environment, such as the remaining budget and the targets.

An environment that knows what each placement would do adds a fourth array, "effects", (S, C): C numbers of each site in
[-1, 1], such as the change of the reward by each kind; zeros on padding.

Action `k * S + site` places kind k on a site. E further actions may follow, such as one that stops, or choices of the
tube: E is the number of actions minus K S. All of K, S and E follow from the spaces, and a policy reads the bonds from
the observation, so that each row of a batch can be another tube.
"""

from typing import Final

import numpy as np
from gymnasium import spaces

from matgym.errors import ConfigurationError
from matgym.frozen import cached_by_bytes, returns_read_only
from matgym.structures import Species, TubeBatch, TubeLattice
from matgym.surrogates.honeycomb.graph import SITE_SPECIES, TUBE_FEATURES, bond_directions, tube_features
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray

SITES: Final = "sites"
NEIGHBOURS: Final = "neighbours"
CONTEXT: Final = "context"
EFFECTS: Final = "effects"

HELD: Final = len(Species)
"""The number of one-hot columns of a site; those of the kinds that may be placed follow."""

DIRECTIONS: Final = 6
"""The number of entries of the context that hold the directions of bonds: the first ones."""

GEOMETRY: Final = DIRECTIONS + TUBE_FEATURES
"""The number of entries of the context that describe the tube; those of the environment follow."""

_LARGEST: Final = 64.0
"""Bound of the entries of the context; those of all tubes are smaller, and larger ones are clipped."""


def honeycomb_space(sites: int, kinds: int, more: int, effects: int = 0) -> spaces.Dict:
    """Return the space of observations of tubes of at most S sites.

    Args:
        sites: S, the largest number of sites of a tube.
        kinds: K, the number of kinds of atoms that can be placed.
        more: M, the number of entries of the environment in the context.
        effects: C, the number of effects of a site; 0 for none.
    """
    further = {EFFECTS: spaces.Box(-1.0, 1.0, (sites, effects), np.float32)} if effects else {}
    return spaces.Dict({
        SITES: spaces.Box(0.0, 1.0, (sites, HELD + kinds), np.float32),
        NEIGHBOURS: spaces.Box(0, sites, (sites, 3), np.int32),
        CONTEXT: spaces.Box(-_LARGEST, _LARGEST, (GEOMETRY + more,), np.float32),
        **further,
    })  # fmt: skip


def observe_honeycomb(
    batch: TubeBatch,
    allowed: BoolArray,
    more: FloatArray | Float32Array,
    *,
    open_ends: bool = False,
    rows: IntArray | None = None,
    effects: Float32Array | None = None,
) -> dict[str, np.ndarray]:
    """Return B observations of tubes of any lattices; see `honeycomb_space`.

    Args:
        batch: b tubes, without turned bonds.
        allowed: (B, K, S) whether each kind may be placed on each site; only the sites of a tube count.
        more: (B, M) entries of the environment in the context.
        open_ends: whether tubes are between leads, so that bonds across an end are left out.
        rows: (b,) places of the tubes among the B observations, ascending; the others are padding only. None if b = B.
        effects: (B, C, S) effects at the sites of a tube, zeros elsewhere; None for none.

    Raises:
        ConfigurationError: if bonds are turned, or a tube has more than S sites.
    """
    count, kinds, size = allowed.shape
    if batch.reconstructed.any():
        raise ConfigurationError("the honeycomb observation shows no turned bonds: give tubes without them")
    if len(batch) and (most := int(batch.n_sites.max())) > size:
        raise ConfigurationError(f"a tube of {most} sites does not fit observations of {size}: give sites={most}")
    sites = np.zeros((count, size, HELD + kinds), dtype=np.float32)
    neighbours = np.full((count, size, 3), size, dtype=np.int32)
    context = np.zeros((count, GEOMETRY + more.shape[1]), dtype=np.float32)
    context[:, GEOMETRY:] = more
    every = len(batch.lattices) == 1 and rows is None  # the usual case: slices are written faster than rows
    rows = np.arange(count) if rows is None else rows
    for group in batch.by_lattice():
        places, end = slice(None) if every else rows[group.rows], group.lattice.n_sites
        held = sites[places, :end]
        for code in Species:
            held[..., code] = group.species == code
        for kind in range(kinds):
            held[..., HELD + kind] = allowed[places, kind, :end]
        near = _neighbours(group.lattice, open_ends)
        sites[places, :end], neighbours[places, :end] = held, np.where(near < 0, size, near)
        context[places, :DIRECTIONS] = bond_directions(group.lattice).ravel()
    if len(batch):
        context[rows, DIRECTIONS:GEOMETRY] = _features(batch)
    np.clip(context, -_LARGEST, _LARGEST, out=context)
    further = {} if effects is None else {EFFECTS: np.ascontiguousarray(effects.transpose(0, 2, 1), dtype=np.float32)}
    return {SITES: sites, NEIGHBOURS: neighbours, CONTEXT: context, **further}


def _features(batch: TubeBatch) -> Float32Array:
    """Return (B, TUBE_FEATURES) features of tubes."""
    marks = np.stack([batch.species == code for code in SITE_SPECIES] + [np.zeros(len(batch.species), dtype=bool)], 1)
    return tube_features(batch, marks, np.repeat(np.arange(len(batch)), batch.n_sites))


@cached_by_bytes()
@returns_read_only
def _neighbours(lattice: TubeLattice, open_ends: bool) -> IntArray:
    """Return (n_sites, 3) bonded sites; -1 for a bond across an end of a tube with open ends."""
    near = lattice.neighbours
    if not open_ends:
        return near
    a, b, image = lattice.bonds.T
    direction = np.repeat(np.arange(3), lattice.n_cells)  # bonds of one direction are contiguous
    cut = near.copy()
    for end in (a, b):
        cut[end[image != 0], direction[image != 0]] = -1
    return cut
