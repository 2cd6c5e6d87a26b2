"""The space of decorated tubes: a budget of atoms and of turned bonds on the sites of one lattice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb, prod
from typing import Self

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject, returns_read_only
from matgym.structures import SPECIES_DATA, DefectEdits, Species, SubstitutionEdits, TubeBatch, TubeDomain, TubeLattice
from matgym.structures.symmetry import symmetry_between_leads, symmetry_group, translation
from matgym.tasks.pairs import PairOrbits
from matgym.tasks.space import MOST_ENUMERATED, Designs, DesignSpace, KeyArray
from matgym.tasks.variables import Variable
from matgym.typing import BoolArray, FloatArray, IntArray, SpeciesArray

MOST_RESTARTS = 1_000
"""Number of random attempts that may run out of room before a budget counts as too large."""

SWAPS = 1.0
"""Mean number of mutations after a recombination. A choice of ours, not tuned."""


@dataclass(frozen=True, eq=False)
class Decorations(ValueObject, DesignSpace):
    """Tubes that use up a budget exactly.

    In the unit cube every atom of the budget, and every turned bond, has two coordinates, an angle and a height; one
    after the other, each takes the free place nearest to its coordinates. So points that are near in the cube are
    similar tubes.

    Attributes:
        lattice: the lattice of all tubes.
        edits: the edits that a budget allows.
        between_leads: whether the tube is between leads: a design moved along the axis is then another design.
        origin: (2 · edits,) amounts by which the coordinates of the unit cube are turned; empty for none. See `turned`.
    """

    lattice: TubeLattice
    edits: SubstitutionEdits
    between_leads: bool = False
    origin: tuple[float, ...] = ()

    @cached_property
    def width(self) -> int:
        """The entries of a design: one per site, and one per bond if bonds are turned."""
        return self.edits.width

    @property
    def choices(self) -> tuple[int, ...]:
        """0, any number in [0, 1], for the angle and the height of each edit."""
        return (0,) * (2 * self.edits.length)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The angle and the height of each edit, as shares of a turn and of the length."""
        names = [SPECIES_DATA[Species(int(code))].label for code in self.edits.species] + ["turned bond"]
        edits = [
            f"{name} {number}"
            for name, count in zip(names, self.edits.budget.tolist(), strict=False)
            for number in range(count)
        ]
        return tuple(Variable(f"{what} of {edit}") for edit in edits for what in ("angle", "height"))

    # ---- what a design is

    @property
    def turns(self) -> bool:
        """Whether the budget holds turned bonds."""
        return isinstance(self.edits, DefectEdits)

    def decode(self, designs: Designs) -> TubeBatch:
        """Return designs as tubes of one lattice."""
        sites = self.edits.n_sites
        return TubeBatch.uniform(self.lattice, designs[:, :sites], designs[:, sites:] if self.turns else None)

    def encode(self, batch: TubeBatch) -> Designs:
        """Return tubes of this lattice as designs.

        Raises:
            ConfigurationError: if a tube has another lattice, is deformed, or has turned bonds that are not allowed.
        """
        other = [group.lattice for group in batch.by_lattice() if group.lattice != self.lattice]
        if other or batch.deformed.any() or (batch.turned is not None and not self.turns):
            raise ConfigurationError(
                f"{batch} holds a tube that is not a design: give undeformed tubes of {self.lattice}"
            )
        species = batch.species.reshape(len(batch), -1)
        if not self.turns:
            return species.copy()
        turned = np.zeros((len(batch), self.width - self.edits.n_sites), dtype=np.uint8)
        if batch.turned is not None:
            turned[:] = batch.turned.reshape(turned.shape)
        return np.concatenate([species, turned], axis=1)

    @cached_property
    def domain(self) -> TubeDomain:
        """The domain of undeformed tubes of one lattice, with the species of the budget."""
        species = frozenset({Species.C12, *(Species(int(code)) for code in self.edits.species)})
        return TubeDomain((self.lattice,), species, turned=self.turns)

    def valid(self, designs: Designs) -> BoolArray:
        """Return (B,) whether each row uses up the budget exactly."""
        return self.edits.complete(designs)

    # ---- sampling and variation

    def sample(self, count: int, rng: np.random.Generator) -> Designs:
        """Draw designs by edits one after the other, each uniform among those allowed."""
        if not isinstance(self.edits, DefectEdits):  # edits exclude each other only on the same site
            rows = np.zeros((count, self.width), dtype=np.uint8)
            queue = np.repeat(self.edits.species, self.edits.budget)
            sites = rng.permuted(np.tile(np.arange(self.width), (count, 1)), axis=1)[:, : len(queue)]
            np.put_along_axis(rows, sites, queue[None], axis=1)
            return rows
        return self._finished(np.zeros((count, self.width), dtype=np.uint8), rng)

    def _finished(self, rows: SpeciesArray, rng: np.random.Generator) -> SpeciesArray:
        """Place the rest of the budget at random; a design without room for the rest is drawn anew."""
        remaining = self.edits.remaining(rows)
        restarts = 0
        while (unfinished := np.flatnonzero(remaining.any(axis=1))).size:
            part, left = rows[unfinished], remaining[unfinished]
            mask = self.edits.mask(part, left)
            stuck = ~mask.any(axis=1)
            restarts += int(stuck.any())
            if restarts > MOST_RESTARTS:
                raise ConfigurationError(
                    f"a budget of {self.edits.length} edits found no room in {restarts} attempts: give a smaller one"
                )
            part[stuck], left[stuck] = 0, self.edits.budget
            mask[stuck] = self.edits.mask(part[stuck], left[stuck])
            weight = np.where(mask, rng.random(mask.shape), -1.0)
            self.edits.apply(part, left, weight.argmax(axis=1))
            rows[unfinished], remaining[unfinished] = part, left
        return rows

    def mutate(self, designs: Designs, rng: np.random.Generator) -> Designs:
        """Exchange two sites of unlike species, or turn a turned bond back and turn another one instead."""
        varied, rows, sites = designs.copy(), np.arange(len(designs)), self.edits.n_sites
        first = (rng.random(designs.shape) * (designs != 0)).argmax(axis=1)  # one of the edits, each as likely
        code = designs[rows, first]
        turned = first >= sites
        varied[rows[turned], first[turned]] = 0  # `_finished` turns another
        unlike = designs[:, :sites] != code[:, None]
        second = (rng.random(unlike.shape) * unlike).argmax(axis=1)
        moved = rows[~turned & unlike.any(axis=1)]
        varied[moved, first[moved]], varied[moved, second[moved]] = designs[moved, second[moved]], code[moved]
        if not isinstance(self.edits, DefectEdits):
            return varied
        unsound = ~self.edits.sound(varied)
        varied[unsound] = designs[unsound]  # an exchange that would put a vacancy on a turned bond
        return self._finished(varied, rng)

    def recombine(self, first: Designs, second: Designs, rng: np.random.Generator) -> Designs:
        """Combine pairs of designs: the part between two heights comes from the second parent.

        A random symmetry operation of the tube moves the second parent first: the origin of a periodic tube is
        arbitrary, and so motifs from any place can meet. Random sites are then changed to restore the composition, and
        a few mutations follow.
        """
        height = self._places[:, 1]
        low, high = np.sort(rng.random((2, len(first))), axis=0)
        moved = np.take_along_axis(second, self._screws[rng.integers(len(self._screws), size=len(first))], axis=1)
        inside = (height >= low[:, None]) & (height < high[:, None])
        children = np.where(inside, moved, first).astype(np.uint8)
        for child in children:
            self._mend(child, rng)
        if isinstance(self.edits, DefectEdits):
            children = self._finished(children, rng)
        moves = rng.poisson(SWAPS, len(children))
        for move in range(int(moves.max(initial=0))):
            children[moves > move] = self.mutate(children[moves > move], rng)
        return children

    def _mend(self, child: SpeciesArray, rng: np.random.Generator) -> None:
        """Restore the budget in place: remove surplus edits and, for species, add missing ones."""
        edits, atoms = self.edits, child[: self.edits.n_sites]
        if isinstance(edits, DefectEdits):
            turned = rng.permutation(np.flatnonzero(child[edits.n_sites :]))
            child[edits.n_sites :] = 0
            for bond in turned[: edits.budget[-1]]:
                child[edits.n_sites + bond] = 1
                if not edits.sound(child[None])[0]:
                    child[edits.n_sites + bond] = 0
        remaining = edits.remaining(child[None])[0][: len(edits.species)]
        for code, missing in zip(edits.species, remaining, strict=True):
            if missing < 0:
                atoms[rng.choice(np.flatnonzero(atoms == code), -missing, replace=False)] = Species.C12
        if isinstance(edits, DefectEdits):
            return
        for code, missing in zip(edits.species, remaining, strict=True):
            if missing > 0:
                atoms[rng.choice(np.flatnonzero(atoms == Species.C12), missing, replace=False)] = code

    # ---- the cube

    @cached_property
    @returns_read_only
    def _places(self) -> FloatArray:
        """(sites + bonds, 2) angle and height of each place of an edit, as fractions."""
        sites = self.lattice.site_fractions
        if not isinstance(self.edits, DefectEdits):
            return sites
        a, b = self.lattice.bonds[:, 0], self.lattice.bonds[:, 1]
        apart = (sites[b] - sites[a] + 0.5) % 1.0 - 0.5
        return np.concatenate([sites, (sites[a] + apart / 2.0) % 1.0])

    @override
    def turned(self, rng: np.random.Generator) -> Self:
        """Return the space with every coordinate of the unit cube turned by a random amount.

        The same designs are in the space. No point of the cube, such as its centre, where many searches begin, then
        stands for a good design by chance. Near points are still similar tubes, except at the ends of the height of a
        tube between leads, which is not periodic.
        """
        return replace(self, origin=tuple(rng.random(2 * self.edits.length).tolist()))

    def from_points(self, points: FloatArray) -> Designs:
        """Return (B, width) designs of (B, d) points in [0, 1]; see the class."""
        if self.origin:
            points = (points + np.array(self.origin)) % 1.0
        rows = np.zeros((len(points), self.width), dtype=np.uint8)
        remaining = np.tile(self.edits.budget, (len(points), 1))
        lattice = self.lattice
        size = np.array([lattice.circumference_angstrom, lattice.length_angstrom])
        kinds = np.repeat(np.arange(len(self.edits.budget)), self.edits.budget)
        n_species = len(self.edits.species)
        for edit, kind in enumerate(kinds):
            mask = self.edits.mask(rows, remaining)
            begin = int(kind) * self.edits.n_sites
            on_bonds = int(kind) >= n_species
            count = self.width - self.edits.n_sites if on_bonds else self.edits.n_sites
            places = self._places[-count:] if on_bonds else self._places[:count]
            apart = np.abs(points[:, None, 2 * edit : 2 * edit + 2] - places)
            around = np.minimum(apart[..., 0], 1.0 - apart[..., 0])
            along = apart[..., 1] if self.between_leads else np.minimum(apart[..., 1], 1.0 - apart[..., 1])
            distance = np.hypot(around * size[0], along * size[1])
            distance[~mask[:, begin : begin + count]] = np.inf
            self.edits.apply(rows, remaining, begin + distance.argmin(axis=1))
        for row in np.flatnonzero(
            remaining.any(axis=1)
        ):  # turned bonds left no room; the same point gives the same design
            rows[row] = self._finished(rows[row][None], np.random.default_rng(0))[0]
        return rows

    def to_numbers(self, designs: Designs) -> FloatArray:
        """Return (B, d) numbers of the variables: the places of the edits, kind by kind."""
        kinds, sites = self.edits.species, self.edits.n_sites
        found = [
            np.concatenate(
                [np.flatnonzero(row[:sites] == code) for code in kinds] + [sites + np.flatnonzero(row[sites:])]
            )
            for row in np.asarray(designs)
        ]
        places = self._places[np.array(found, dtype=np.int64).reshape(len(designs), -1)].reshape(len(designs), -1)
        return (places - np.array(self.origin)) % 1.0 if self.origin else places

    # ---- symmetry and enumeration

    @cached_property
    @returns_read_only
    def _operations(self) -> IntArray:
        """(operations, width) sources. With turned bonds, mirrors are left out: they reverse the sense of rotation."""
        turns = isinstance(self.edits, DefectEdits)
        if self.between_leads:
            group = symmetry_between_leads(self.lattice, mirrors=not turns)
        else:
            group = symmetry_group(self.lattice)
            if turns and self.lattice.is_achiral:
                group = group[: len(group) // 2]
        return self._with_bonds(group)

    @cached_property
    @returns_read_only
    def _screws(self) -> IntArray:
        """(operations, width) symmetry operations that may move a parent before a recombination."""
        if self.between_leads:
            return self._operations
        steps = self.lattice.site_cells[: self.lattice.n_cells]
        return self._with_bonds(np.stack([translation(self.lattice, int(p), int(q)) for p, q in steps]))

    def _with_bonds(self, group: IntArray) -> IntArray:
        """Return operations on sites, extended to bonds."""
        if not isinstance(self.edits, DefectEdits):
            return group
        ends = self.lattice.bonds[:, :2]
        number = {(int(a), int(b)): bond for bond, (a, b) in enumerate(ends)}
        # The source of bond (a, b) is the bond between the sources of a and b.
        moved = np.sort(group[:, ends], axis=2)
        bonds = np.array([[number[int(a), int(b)] for a, b in operation] for operation in moved])
        return np.concatenate([group, self.lattice.n_sites + bonds], axis=1)

    @cached_property
    def _pairs(self) -> PairOrbits:
        codes = self.edits.species if not self.turns else np.union1d(self.edits.species, [1])
        return PairOrbits(self._operations, np.asarray(codes, dtype=np.int64))

    def features(self, designs: Designs) -> FloatArray:
        """Return (B, F) counts of edits and of pairs of edits, by orbit: see `PairOrbits`."""
        return self._pairs.counts(designs)

    @cached_property
    @returns_read_only
    def _hashes(self) -> KeyArray:
        """(operations, codes, width) random words; their sum over a design's entries is its hash."""
        rng = np.random.default_rng(7)  # part of the definition of a key: stored tables depend on it
        words = rng.integers(0, 2**64, (len(Species), self.width), dtype=np.uint64)
        words[Species.C12] = 0
        targets = np.argsort(self._operations, axis=1)  # where an operation moves an entry to
        return np.stack([words[:, target] for target in targets])

    def key(self, designs: Designs) -> KeyArray:
        """Return the least hash of a design's symmetric copies; with 64 bits two orbits hardly share one by chance."""
        keys = np.full(len(designs), np.iinfo(np.uint64).max, dtype=np.uint64)
        place = np.arange(self.width)
        rows, columns = np.nonzero(designs)
        codes = designs[rows, columns]
        full = (np.bincount(rows, minlength=len(designs)) == self.edits.length).all()
        for words in self._hashes:
            entries = words[codes, columns]
            hashed = (
                entries.reshape(len(designs), self.edits.length).sum(axis=1, dtype=np.uint64)
                if full  # all have the same number of entries: the usual case
                else words[designs, place].sum(axis=1, dtype=np.uint64)
            )
            np.minimum(keys, hashed, out=keys)
        return keys

    @property
    def size(self) -> int | None:
        """The number of designs, with symmetric copies; None for turned bonds, which exclude each other."""
        if isinstance(self.edits, DefectEdits):
            return None
        left, designs = self.edits.n_sites, 1
        for count in self.edits.budget.tolist():
            designs *= comb(left, count)
            left -= count
        return designs

    def enumerate(self, rows: int = 65_536) -> Iterator[Designs]:
        """Yield one design of each orbit, in batches of at most `rows`."""
        bound = prod(comb(self.width, int(count)) for count in self.edits.budget)
        if bound > MOST_ENUMERATED:
            raise ConfigurationError(
                f"about {bound:.2g} designs cannot be enumerated: give a budget of at most {MOST_ENUMERATED:,} designs"
            )
        seen = np.zeros(0, dtype=np.uint64)
        for batch in self._every(rows):
            keys, first = np.unique(self.key(batch), return_index=True)
            fresh = ~np.isin(keys, seen)
            seen = np.union1d(seen, keys[fresh])
            if fresh.any():
                yield batch[first[fresh]]

    def _every(self, rows: int) -> Iterator[Designs]:
        """Yield all designs, including symmetric copies."""
        batch = np.zeros((rows, self.width), dtype=np.uint8)
        filled = 0
        for design in self._placed(0, np.zeros(self.width, dtype=np.uint8)):
            batch[filled] = design
            filled += 1
            if filled == rows:
                yield self._sound(batch)
                filled = 0
        yield self._sound(batch[:filled])

    def _sound(self, batch: Designs) -> Designs:
        return batch[self.edits.sound(batch)].copy() if isinstance(self.edits, DefectEdits) else batch.copy()

    def _placed(self, kind: int, row: SpeciesArray) -> Iterator[SpeciesArray]:
        """Yield all ways to place the rest of the budget on the free places of a row, which is changed in place."""
        if kind == len(self.edits.budget):
            yield row
            return
        if kind < len(self.edits.species):
            places, code = np.flatnonzero(row[: self.edits.n_sites] == Species.C12), int(self.edits.species[kind])
        else:
            places, code = np.arange(self.edits.n_sites, self.width), 1
        for chosen in combinations(places.tolist(), int(self.edits.budget[kind])):
            picked = list(chosen)
            row[picked] = code
            yield from self._placed(kind + 1, row)
            row[picked] = 0
