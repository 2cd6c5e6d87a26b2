"""What a network sees of tubes of any lattices: sites, their three neighbours, and numbers of the whole tube.

Each site of a honeycomb has three neighbours, one for each direction of a bond, on a tube of any chirality. A direction
is given by cos 2φ and sin 2φ, with the angle φ of the bond to the circumference. These are the same for the bonds of A
and of B sites, which point in opposite directions, so that a network of them is invariant under the two-fold rotation
across the tube as well as under rotations and screws. The mirror image of a tube has the other sign of sin 2φ.
"""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject, cached_by_bytes, returns_read_only
from matgym.structures import Species, TubeBatch, TubeLattice
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray

SITE_SPECIES: Final = (Species.B, Species.N, Species.VACANCY, Species.C13, Species.C14)
"""Species with a feature of their own; all are zero at a 12C site."""

SITE_FEATURES: Final = len(SITE_SPECIES) + 1
"""Features of a site: its species, and whether its bond is turned."""

CHARGED: Final = (Species.B, Species.N)
"""Species whose unit charges' potentials are inputs of a site, in networks that write a Hamiltonian."""

NAMES: Final[tuple[tuple[str, float, str], ...]] = (
    ("inverse diameter", 1.0, "1/nm"),
    ("cos 6θ", 1.0, ""),
    ("cos of the family", 1.0, ""),
    ("sin of the family", 1.0, ""),
    ("inverse length", 1.0, "1/nm"),
    ("strain", 1.0, "%"),
    ("torsion", 1.0, "%"),
    ("excess of N over B", 100.0, "%"),
    ("share of B", 100.0, "%"),
    ("share of N", 100.0, "%"),
    ("share of vacancies", 100.0, "%"),
    ("share of 13C", 100.0, "%"),
    ("share of 14C", 100.0, "%"),
    ("share of turned bonds", 100.0, "%"),
)
"""Features of a tube, in the order of `tube_features`: name, and factor and unit in which a reader sees it."""

TUBE_FEATURES: Final = len(NAMES)
"""Number of features of a tube: see `tube_features`."""

RANGED: Final = (*NAMES, ("number of turned bonds", 1.0, ""))
"""Numbers of a tube whose ranges in training bound where a surrogate may be asked, as `NAMES`: see `ranged`.

Where no tube of the data has two turned bonds, no network knows what one does to the other, at any share of them.
"""


@dataclass(frozen=True, eq=False)
class Honeycombs(ValueObject):
    """B tubes with S sites together, as one graph.

    Attributes:
        neighbours: (S, 3) index of each neighbour.
        directions: (S, 3, 2) cos 2φ and sin 2φ of the bond to it.
        sites: (S, F) features of the sites.
        tubes: (B, G) features of the tubes.
        tube: (S,) index of the tube of each site.
    """

    neighbours: IntArray
    directions: Float32Array
    sites: Float32Array
    tubes: Float32Array
    tube: IntArray


def pieces(batch: TubeBatch, sites: int) -> list[IntArray]:
    """Return rows of a batch in pieces of some number of sites, at least one tube each; without tubes, one piece."""
    number = batch.offsets[1:] // max(sites, int(batch.n_sites.max(initial=1)))
    pieces = np.unique(number).tolist() or [0]
    return [np.asarray(np.flatnonzero(number == each), dtype=np.int64) for each in pieces]


class _Last(threading.local):
    """The last batch of a thread of which a graph was made, as long as anything else holds it, and this graph."""

    batch: Callable[[], TubeBatch | None] = staticmethod(lambda: None)
    graph: Honeycombs | None = None


_LAST = _Last()


def honeycombs(batch: TubeBatch) -> Honeycombs:
    """Return tubes of any lattices as one graph; of the last batch again without effort.

    A task asks the models of several properties about the same batch, one after the other.
    """
    if _LAST.graph is None or _LAST.batch() is not batch:
        _LAST.graph, _LAST.batch = _graph_of(batch), weakref.ref(batch, _forget)
    return _LAST.graph


def _forget(gone: Callable[[], TubeBatch | None]) -> None:
    if _LAST.batch is gone:
        _LAST.graph = None


def _graph_of(batch: TubeBatch) -> Honeycombs:
    neighbours = np.empty((len(batch.species), 3), dtype=np.int64)
    directions = np.empty((len(batch.species), 3, 2), dtype=np.float32)
    starts = batch.offsets[:-1]
    for number, lattice in enumerate(batch.lattices):
        rows = np.flatnonzero(batch.lattice_index == number)
        places = starts[rows, None] + np.arange(lattice.n_sites)
        neighbours[places] = starts[rows, None, None] + lattice.neighbours
        directions[places] = bond_directions(lattice)
    turned = np.zeros(len(batch.species), dtype=bool)
    for row in np.flatnonzero(batch.reconstructed):
        changed, start = batch[int(row)], starts[row]
        part = slice(start, start + changed.n_sites)
        own, neighbours[part], directions[part] = _reconnected(changed.lattice, changed.bonds, changed.stone_wales)
        neighbours[part] += start
        turned[part] = own
    marks = [batch.species == code for code in SITE_SPECIES] + [turned]
    sites = np.stack(marks, axis=1).astype(np.float32)
    tube = np.repeat(np.arange(len(batch)), batch.n_sites)
    return Honeycombs(neighbours, directions, sites, tube_features(batch, sites, tube), tube)


def sites_of(graph: Honeycombs, rows: IntArray) -> IntArray:
    """Return the places of all sites of some tubes of a graph, tube by tube in the order of (b,) rows."""
    sizes = np.bincount(graph.tube, minlength=len(graph.tubes))
    return _sites_of(sizes, rows)[0]


def _sites_of(sizes: IntArray, rows: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return the places of sites, by how much each moves, and the (b,) numbers of sites of tubes."""
    counts = sizes[rows]
    ends = np.cumsum(counts)
    shift = np.repeat((np.cumsum(sizes) - sizes)[rows] - (ends - counts), counts)
    return np.arange(len(shift)) + shift, shift, counts


def part_of(graph: Honeycombs, rows: IntArray) -> Honeycombs:
    """Return some tubes of a graph, in the order of (b,) rows."""
    sites, shift, counts = _sites_of(np.bincount(graph.tube, minlength=len(graph.tubes)), rows)
    return Honeycombs(
        graph.neighbours[sites] - shift[:, None],
        graph.directions[sites],
        graph.sites[sites],
        graph.tubes[rows],
        np.repeat(np.arange(len(rows)), counts),
    )


def ranged(graph: Honeycombs) -> FloatArray:
    """Return (B, len(RANGED)) numbers of tubes whose ranges bound the applicability domain."""
    turned = 0.5 * np.bincount(graph.tube, graph.sites[:, -1], len(graph.tubes))  # each bond has two ends
    return np.concatenate([graph.tubes, turned[:, None]], axis=1, dtype=np.float64)


@cached_by_bytes()
@returns_read_only
def bond_directions(lattice: TubeLattice) -> Float32Array:
    """Return (3, 2) cos 2φ and sin 2φ of the three bonds of a site."""
    around, along = lattice.bond_vectors.T
    angle = 2.0 * np.arctan2(along, around)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def _reconnected(
    lattice: TubeLattice, bonds: IntArray, pairs: tuple[tuple[int, int], ...]
) -> tuple[BoolArray, IntArray, Float32Array]:
    """Return (n_sites,) whether the bond of a site is turned, (n_sites, 3) neighbours, and (n_sites, 3, 2) directions.

    A turned bond points at right angles to its old direction; bonds beside it keep the direction of their row.
    """
    turned = np.isin(np.arange(lattice.n_sites), pairs)
    direction = np.repeat(bond_directions(lattice), lattice.n_cells, axis=0)
    direction[lattice.bond_mask(pairs)] *= -1.0
    ends = np.concatenate([bonds[:, 0], bonds[:, 1]])
    others = np.concatenate([bonds[:, 1], bonds[:, 0]])
    order = np.argsort(ends, kind="stable").reshape(lattice.n_sites, 3)
    return turned, others[order], np.concatenate([direction, direction])[order]


def tube_features(batch: TubeBatch, sites: Float32Array, tube: IntArray) -> Float32Array:
    """Return (B, G) features of tubes.

    Returns:
        Inverse diameter (1/nm); cos 6θ of the chiral angle, 1 for zigzag and -1 for armchair; the remainder of
        (n - m)/3 as cos and sin of 2π/3 of it; inverse length (1/nm); strain and torsion in per cent; the excess of N
        over B as a share of the sites; and the shares of the features of sites.
    """
    shapes = np.array([_shape(lattice) for lattice in batch.lattices]).reshape(-1, 5)[batch.lattice_index]
    shares = np.stack([np.bincount(tube, column, len(batch)) for column in sites.T], axis=1) / batch.n_sites[:, None]
    excess = shares[:, SITE_SPECIES.index(Species.N)] - shares[:, SITE_SPECIES.index(Species.B)]
    loads = 100.0 * np.stack([batch.strain, batch.torsion], axis=1)
    return np.concatenate([shapes, loads, excess[:, None], shares], axis=1).astype(np.float32)


def _shape(lattice: TubeLattice) -> tuple[float, ...]:
    angle = np.arctan2(np.sqrt(3.0) * lattice.m, 2.0 * lattice.n + lattice.m)
    family = 2.0 * np.pi * ((lattice.n - lattice.m) % 3) / 3.0
    return (
        1.0 / lattice.diameter_nm, float(np.cos(6.0 * angle)), float(np.cos(family)), float(np.sin(family)),
        10.0 / lattice.length_angstrom,
    )  # fmt: skip


def mirrored(directions: Float32Array, tube: IntArray, signs: Float32Array) -> Float32Array:
    """Return directions with the (B,) signs of sin 2φ: -1 for the mirror image of a tube."""
    flipped = directions.copy()
    flipped[:, :, 1] *= signs[tube][:, None]
    return flipped
