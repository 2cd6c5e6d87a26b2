"""The space of tubes of several lattices: a lattice, a strain, and up to some number of atoms placed on its sites."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from matgym.errors import ConfigurationError, require_counts
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import Species, SubstitutionEdits, TubeBatch, TubeDomain, TubeLattice, tube_lattice
from matgym.tasks.decorations import Decorations
from matgym.tasks.space import Designs, DesignSpace, KeyArray
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray

KINDS: Final = (Species.B, Species.N, Species.VACANCY, Species.C14)
"""Kinds of atoms that can be placed: B, N, a vacancy, 14C."""

SHARES: Final = (0.10, 0.10, 0.0235, 0.45)
"""Largest share of the sites for each kind: what the shipped surrogates of stiffness, heat and formation energy saw."""

STRAINS: Final = (0.0, 0.01, 0.02, 0.03)
"""Axial strains of the designs: the range that the same surrogates saw."""

DIAMETERS_NM: Final = (0.63, 1.35)
LENGTHS_NM: Final = (0.86, 3.4)
"""Ranges of the lattices: those that the same surrogates saw."""

PADDING: Final = Species.C12
"""What a row holds beyond the sites of its tube."""

HEAD: Final = 2
"""Entries of a row before the sites: the index of the lattice, and that of the strain."""

_RESHAPE: Final = 0.1
"""Share of mutations that change the lattice, and of those that change the strain. A choice of ours."""

_WORD: Final = np.uint64(0x9E3779B97F4A7C15)  # an odd number, so that keys of different lattices differ


def lattices_of(sites: int) -> tuple[TubeLattice, ...]:
    """Return two lengths of every chirality that fits: the longest tube of at most `sites` sites, and half of it.

    Diameters and lengths lie within `DIAMETERS_NM` and `LENGTHS_NM`.
    """
    found: list[TubeLattice] = []
    for n in range(4, 20):
        for m in range(n + 1):
            unit = tube_lattice(n, m, 1)
            if not DIAMETERS_NM[0] <= unit.diameter_nm <= DIAMETERS_NM[1]:
                continue
            longest = min(sites // unit.n_sites, int(10.0 * LENGTHS_NM[1] / unit.length_angstrom))
            lengths = (cells for cells in sorted({longest, longest // 2}) if cells)
            shortest = 10.0 * LENGTHS_NM[0] / unit.length_angstrom
            found += [tube_lattice(n, m, cells) for cells in lengths if cells >= shortest]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class AnyTube(ValueObject, DesignSpace):
    """Tubes of several lattices between leads, strained, with as many B as N atoms, vacancies and 14C.

    A row holds the index of the lattice, the index of the strain, and the species of `sites` sites; those beyond the
    tube hold 12C. In the unit cube there are two coordinates for lattice and strain, and three for each edit: its kind,
    or none, and an angle and a height, of which the edit takes the nearest free site.

    Attributes:
        lattices: the lattices.
        sites: number of sites of a row; at least those of the largest lattice.
        edits: the largest number of atoms that are placed.
        given: whether an environment gives the lattice, rather than letting the agent choose it.
        vacancies: whether vacancies may be placed. No potential describes them beside B and N atoms, so that the oracle
            of the formation energy has no value of a tube with both.

    Raises:
        ConfigurationError: if there is no lattice, or one does not fit.
    """

    lattices: tuple[TubeLattice, ...]
    sites: int
    edits: int
    given: bool = False
    vacancies: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(edits=self.edits)
        if not 0 < len(self.lattices) < 256:  # the index is a byte
            raise ConfigurationError(f"{len(self.lattices)} lattices were given: give 1 to 255")
        if (most := max(lattice.n_sites for lattice in self.lattices)) > self.sites:
            raise ConfigurationError(f"sites={self.sites} does not hold a lattice of {most} sites: give {most} or more")

    @property
    def width(self) -> int:
        """Lattice, strain, and one entry per site."""
        return HEAD + self.sites

    @property
    def choices(self) -> tuple[int, ...]:
        """The number of lattices, of strains, and for each edit that of kinds with none, and two 0 for its place."""
        return (len(self.lattices), len(STRAINS), *((len(KINDS) + 1, 0, 0) * self.edits))

    @cached_property
    @returns_read_only
    def n_sites(self) -> IntArray:
        """(L,) number of sites of each lattice."""
        return np.array([lattice.n_sites for lattice in self.lattices])

    @cached_property
    @returns_read_only
    def most(self) -> IntArray:
        """(L, K) largest number of atoms of each kind on each lattice."""
        shares = np.array(SHARES) * [kind in self.placed for kind in KINDS]
        return np.minimum((shares * self.n_sites[:, None]).astype(np.int64), self.edits)

    @property
    def placed(self) -> tuple[Species, ...]:
        """The kinds of atoms that may be placed."""
        return tuple(kind for kind in KINDS if self.vacancies or kind is not Species.VACANCY)

    # ---- meaning of a row

    def decode(self, designs: Designs) -> TubeBatch:
        """Return designs as tubes."""
        index = designs[:, 0].astype(np.int64)
        inside = np.arange(self.sites) < self.n_sites[index, None]
        species = designs[:, HEAD:][inside].astype(np.uint8)
        strain = np.array(STRAINS)[designs[:, 1].astype(np.int64)]
        return TubeBatch(self.lattices, index, species, None, strain, np.zeros(len(designs)))

    def encode(self, batch: TubeBatch) -> Designs:
        """Return tubes as designs.

        Raises:
            ConfigurationError: if a tube is none of this space.
        """
        number = {lattice: index for index, lattice in enumerate(self.lattices)}
        rows = np.zeros((len(batch), self.width), dtype=np.uint8)
        for row, tube in enumerate(batch):
            strain = np.flatnonzero(np.isclose(STRAINS, tube.strain))
            if tube.lattice not in number or not strain.size or tube.torsion or tube.stone_wales:
                raise ConfigurationError(f"{tube} is not a design: its lattice, strain or bonds are not of this space")
            rows[row, :HEAD] = number[tube.lattice], strain[0]
            rows[row, HEAD : HEAD + tube.n_sites] = tube.species
        return rows

    @cached_property
    def domain(self) -> TubeDomain:
        """The domain of the lattices, with strain and the kinds that may be placed."""
        return TubeDomain(self.lattices, frozenset({Species.C12, *self.placed}), strained=True)

    def counts(self, designs: Designs) -> IntArray:
        """Return (B, K) the number of atoms of each kind."""
        return np.stack([(designs[:, HEAD:] == code).sum(axis=1) for code in KINDS], axis=1)

    def valid(self, designs: Designs) -> BoolArray:
        """Return (B,) whether each row is a tube with as many B as N, within the largest numbers of atoms."""
        designs = np.asarray(designs)
        head = (designs[:, 0] >= 0) & (designs[:, 0] < len(self.lattices))
        head &= (designs[:, 1] >= 0) & (designs[:, 1] < len(STRAINS))
        index = np.where(head, designs[:, 0], 0).astype(np.int64)
        sites, counts = designs[:, HEAD:], self.counts(designs)
        beyond = np.arange(self.sites) >= self.n_sites[index, None]
        placed = (sites != Species.C12).sum(axis=1)
        return np.asarray(
            head
            & ~((sites != PADDING) & beyond).any(axis=1)
            & (placed == counts.sum(axis=1))
            & (placed <= self.edits)
            & (counts <= self.most[index]).all(axis=1)
            & (counts[:, 0] == counts[:, 1])
        )

    def placeable(self, designs: Designs) -> BoolArray:
        """Return (B, K) whether one more atom of each kind leaves a way to a valid design.

        What is still to be balanced needs edits, too: a B atom is placed only if an N atom can follow.
        """
        counts, index = self.counts(designs), designs[:, 0].astype(np.int64)
        left = self.edits - counts.sum(axis=1)
        owed = counts[:, 0] - counts[:, 1]  # N atoms that balance the B atoms
        free = counts < self.most[index]
        after = np.stack([np.abs(owed + 1), np.abs(owed - 1), np.abs(owed), np.abs(owed)], axis=1)
        return np.asarray(free & (after <= (left - 1)[:, None]))

    # ---- sampling and variation

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Draw lattice, strain and the number of edits uniformly, and place random kinds on random sites."""
        return self.sample_on(rng.integers(len(self.lattices), size=count), rng)

    def sample_on(self, lattices: IntArray, rng: np.random.Generator) -> Designs:
        """Draw a design as `sample` does on each of (B,) lattices, given by their indices."""
        rows = np.zeros((len(lattices), self.width), dtype=np.uint8)
        rows[:, 0] = lattices
        rows[:, 1] = rng.integers(len(STRAINS), size=len(rows))
        return self._filled(rows, rng.integers(self.edits + 1, size=len(rows)), rng)

    def _filled(self, rows: SpeciesArray, wanted: IntArray, rng: np.random.Generator) -> SpeciesArray:
        """Place atoms of random kinds on random sites until each row has a number of them; then balance B and N."""
        index = rows[:, 0].astype(np.int64)
        carbon = (rows[:, HEAD:] == Species.C12) & (np.arange(self.sites) < self.n_sites[index, None])
        order = np.argsort(np.where(carbon, rng.random(carbon.shape), 2.0), axis=1)
        kinds = rng.random((self.edits, len(rows), len(KINDS)))
        codes, used = np.array(KINDS), np.zeros(len(rows), dtype=np.int64)
        for draw in kinds:
            counts = self.counts(rows)
            owed = counts[:, 0] != counts[:, 1]
            free = self.placeable(rows)
            free &= (counts.sum(axis=1) < wanted)[:, None] | owed[:, None]
            last = owed & (counts.sum(axis=1) >= wanted)  # what is left is to balance
            free[last, 2:] = False
            free[last, 0] &= (counts[:, 0] < counts[:, 1])[last]
            free[last, 1] &= (counts[:, 1] < counts[:, 0])[last]
            chosen = np.where(free, draw, -1.0).argmax(axis=1)
            some = np.flatnonzero(free.any(axis=1))
            if not some.size:
                break
            rows[some, HEAD + order[some, used[some]]] = codes[chosen[some]]
            used[some] += 1
        return rows

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Change each design in one way: another lattice or strain, an atom moved, added, removed, or of another kind.

        An added or removed B or N atom takes one of the other kind with it. On another lattice the atoms lie at about
        the same angles and heights.
        """
        varied = np.array(designs)
        for row, way in zip(varied, rng.random(len(varied)), strict=True):
            if way < _RESHAPE and len(self.lattices) > 1:
                other = (int(row[0]) + int(rng.integers(1, len(self.lattices)))) % len(self.lattices)
                row[:] = self._moved(row, other, rng)
            elif way < 2 * _RESHAPE:
                row[1] = (row[1] + rng.integers(1, len(STRAINS))) % len(STRAINS)
            else:
                self._edit(row, rng)
        return varied

    def _edit(self, row: SpeciesArray, rng: np.random.Generator) -> None:
        """Move, add, remove or replace an atom of one row in place."""
        sites = row[HEAD : HEAD + self.n_sites[row[0]]]
        placed, carbon = np.flatnonzero(sites != Species.C12), np.flatnonzero(sites == Species.C12)
        way = int(rng.integers(4))
        if way == 0 or (way == 1 and not placed.size):  # add
            size = int((sites != Species.C12).sum())
            row[:] = self._filled(row[None], np.array([min(size + 1, self.edits)]), rng)[0]
        elif way == 1:  # remove, with an atom of the other charge
            gone = int(rng.choice(placed))
            partner = {Species.B: Species.N, Species.N: Species.B}.get(Species(int(sites[gone])))
            sites[gone] = Species.C12
            if partner is not None:
                sites[rng.choice(np.flatnonzero(sites == partner))] = Species.C12
        elif way == 2 or not placed.size:  # move
            if placed.size and carbon.size:
                old, new = rng.choice(placed), rng.choice(carbon)
                sites[new], sites[old] = sites[old], Species.C12
        else:  # exchange two atoms of unlike kinds, or a vacancy and 14C for one another
            one = int(rng.choice(placed))
            unlike = placed[sites[placed] != sites[one]]
            if unlike.size:
                two = int(rng.choice(unlike))
                sites[one], sites[two] = sites[two], sites[one]

    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Combine pairs of designs on the lattice of the first: atoms between two heights come from the second."""
        children = np.array(first)
        for child, other in zip(children, second, strict=True):
            if rng.random() < 0.5:
                child[1] = other[1]
            moved = other if other[0] == child[0] else self._moved(other, int(child[0]), rng)
            heights = self.lattices[child[0]].site_fractions[:, 1]
            low, high = np.sort(rng.random(2))
            between = np.flatnonzero((heights >= low) & (heights < high))
            child[HEAD + between] = moved[HEAD + between]
            self._mend(child, rng)
        return children

    def _moved(self, row: SpeciesArray, index: int, rng: np.random.Generator) -> SpeciesArray:
        """Return a design on another lattice, each atom on the free site nearest to its angle and height."""
        there = self.lattices[index]
        moved = np.zeros_like(row)
        moved[:HEAD] = index, row[1]
        here = np.flatnonzero(row[HEAD : HEAD + self.n_sites[row[0]]])
        places = self.lattices[int(row[0])].site_fractions[here]
        for place, site in zip(places, here, strict=True):
            moved[HEAD + _nearest(there, place, moved[HEAD : HEAD + there.n_sites] == Species.C12)] = row[HEAD + site]
        self._mend(moved, rng)
        return moved

    def _mend(self, row: SpeciesArray, rng: np.random.Generator) -> None:
        """Remove random atoms of one row, in place, until the row is valid."""
        sites = row[HEAD:]
        counts = self.counts(row[None])[0]
        surplus = np.maximum(counts - self.most[row[0]], 0)
        surplus[:2] = counts[:2] - min(counts[0], counts[1], self.most[row[0]][0], self.most[row[0]][1])
        for code, extra in zip(KINDS, surplus.tolist(), strict=True):
            if extra:
                sites[rng.choice(np.flatnonzero(sites == code), extra, replace=False)] = Species.C12
        while (counts := self.counts(row[None])[0]).sum() > self.edits:
            kind = int(rng.choice(np.flatnonzero(counts)))
            for code in (KINDS[0], KINDS[1]) if kind < 2 else (KINDS[kind],):
                sites[rng.choice(np.flatnonzero(sites == code))] = Species.C12

    def from_points(self, points: FloatArray) -> Designs:
        """Return (B, width) designs of (B, d) points in [0, 1]; see the class. What may not be placed is left out."""
        counts = (len(self.lattices), len(STRAINS))
        rows = np.zeros((len(points), self.width), dtype=np.uint8)
        for column, count in enumerate(counts):
            rows[:, column] = np.minimum((points[:, column] * count).astype(np.int64), count - 1)
        edits = points[:, HEAD:].reshape(len(points), self.edits, 3)
        kinds = np.minimum((edits[..., 0] * (len(KINDS) + 1)).astype(np.int64), len(KINDS)) - 1  # -1 for none
        for row, own, places in zip(rows, kinds, edits[..., 1:], strict=True):
            self._place(row, own, places)
        return rows

    def _place(self, row: SpeciesArray, kinds: IntArray, places: FloatArray) -> None:
        """Place atoms of one row in place, each on the free site nearest to its (angle, height)."""
        lattice = self.lattices[int(row[0])]
        sites, most = row[HEAD : HEAD + lattice.n_sites], self.most[int(row[0])].copy()
        pairs = min(int((kinds == 0).sum()), int((kinds == 1).sum()))  # the rest of B or N has no partner
        most[:2] = np.minimum(most[:2], pairs)
        for kind, place in zip(kinds.tolist(), places, strict=True):
            if kind >= 0 and most[kind]:
                most[kind] -= 1
                sites[_nearest(lattice, place, sites == Species.C12)] = KINDS[kind]

    # ---- symmetry

    @cached_property
    def _decorations(self) -> tuple[Decorations, ...]:
        """The space of one of each kind on each lattice, for keys."""
        names = {"B": 1, "N": 1, "V": 1, "14C": 1}
        return tuple(
            Decorations(lattice, SubstitutionEdits(lattice.n_sites, names), between_leads=True)
            for lattice in self.lattices
        )

    def key(self, designs: Designs) -> KeyArray:
        """Return (B,) keys: the least hash of a design's symmetric copies, mixed with lattice and strain."""
        keys = np.empty(len(designs), dtype=np.uint64)
        for index in np.unique(designs[:, 0]).tolist():
            rows = np.flatnonzero(designs[:, 0] == index)
            part = np.ascontiguousarray(designs[rows, HEAD : HEAD + self.n_sites[index]], dtype=np.uint8)
            head = np.uint64(index * len(STRAINS)) + designs[rows, 1].astype(np.uint64)
            keys[rows] = self._decorations[index].key(part) + (head + np.uint64(1)) * _WORD
        return keys

    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F): numbers of the tube, and pairs of atoms per site by their distance along bonds.

        They mean the same on all lattices: see `matgym.surrogates.honeycomb.pairs`.
        """
        from matgym.surrogates.honeycomb.pairs import pair_features  # needs torch

        return pair_features(self.decode(designs))


def _nearest(lattice: TubeLattice, place: FloatArray, free: BoolArray) -> int:
    """Return the free site nearest to an angle and a height, given as fractions."""
    apart = np.abs(lattice.site_fractions - place)
    around = np.minimum(apart[:, 0], 1.0 - apart[:, 0]) * lattice.circumference_angstrom
    distance = np.hypot(around, apart[:, 1] * lattice.length_angstrom)
    return int(np.where(free, distance, np.inf).argmin())
