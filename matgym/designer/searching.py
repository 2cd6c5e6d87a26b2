"""Search of designs for a brief: undecorated tubes, then decorations by a genetic algorithm on the surrogates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from matgym.designer.brief import Brief
from matgym.designer.labelled import Labelled
from matgym.designer.lattices import Lattices
from matgym.designer.predicting import SECONDS, Estimates, Predictor, is_bare
from matgym.frozen import ValueObject
from matgym.structures import Species
from matgym.tasks.any_tube import HEAD, KINDS
from matgym.tasks.space import Designs
from matgym.typing import BoolArray, FloatArray, IntArray

GENERATIONS: Final = 40
CHILDREN: Final = 128
SURVIVORS: Final = 96
"""Settings of the search. A choice of ours, as are all constants here."""

OF_A_CHIRALITY: Final = 8
"""Largest number of survivors of one chirality, so that designs stay different."""

RANDOM: Final = 512
"""Number of random designs of the first generation."""

SLOW_SECONDS: Final = 24.0
"""CPU seconds on two cores for predictions by slow models, estimated by `SECONDS`."""

SIMPLER: Final = 0.02
"""Loss of decorating all sites, in scales: of equally good designs, the one of fewer decorations is taken."""

_HEAVY: Final = {"thermal_conductance", "zt"}
"""Quantities that isotopes change."""


@dataclass(frozen=True, eq=False)
class Pool(ValueObject):
    """Designs with their estimates, and how well they meet a brief.

    Attributes:
        designs: (B, width) rows of the space.
        estimates: estimates of all quantities of the brief.
        excess: (B,) distances from what is asked, with one standard deviation of doubt; see `Brief.excess`.
        loss: (B,) losses among designs that meet the brief, with doubt; see `Brief.loss`.
        met: (B,) whether the predicted values meet the brief.
    """

    designs: Designs
    estimates: Estimates
    excess: FloatArray
    loss: FloatArray
    met: BoolArray

    @classmethod
    def of(cls, brief: Brief, designs: Designs, estimates: Estimates) -> "Pool":
        """Return designs with their estimates, judged by a brief."""
        decorated = (designs[:, HEAD:] != Species.C12).sum(axis=1) / designs.shape[1]
        excess = brief.excess(estimates.values, estimates.sd)
        loss = brief.loss(estimates.values, estimates.sd) + SIMPLER * decorated
        return cls(designs, estimates, excess, loss, brief.met(estimates.values))

    def __len__(self) -> int:
        return len(self.designs)

    def order(self) -> IntArray:
        """Return (B,) places, the best first: within the domain, near to the brief, of small loss."""
        return np.lexsort((self.loss, self.excess, self.estimates.outside))

    def take(self, rows: IntArray | BoolArray) -> "Pool":
        """Return some of the designs, by index or mask."""
        return Pool(
            self.designs[rows], self.estimates.take(rows), self.excess[rows], self.loss[rows], self.met[rows]
        )  # fmt: skip

    def joined(self, other: "Pool") -> "Pool":
        """Return the designs of two pools."""
        return Pool(
            np.concatenate([self.designs, other.designs]),
            Estimates.joined([self.estimates, other.estimates]),
            np.concatenate([self.excess, other.excess]),
            np.concatenate([self.loss, other.loss]),
            np.concatenate([self.met, other.met]),
        )


class Search:
    """The search of designs for one brief.

    Args:
        brief: the brief.
        lattices: the lattices.
        species: species that may be placed.
        rng: source of randomness.

    Attributes:
        scored: number of designs that were scored.
        slow: number of designs that slow models predicted.
    """

    def __init__(self, brief: Brief, lattices: Lattices, species: frozenset[Species], rng: np.random.Generator) -> None:
        useful = species if _HEAVY & set(brief.names) else species - {Species.C14}
        self.brief, self.lattices, self.rng = brief, lattices, rng
        self._forbidden = np.array(sorted(set(KINDS) - useful), dtype=np.uint8)
        self.predictor = Predictor(lattices, brief.names)
        slow = sum(SECONDS[name] for name in self.predictor.slow)
        self.slow_room = int(SLOW_SECONDS / slow) if slow else 0
        self.scored, self.slow, self._seen = 0, 0, set[bytes]()

    # ---- scores

    def score(self, designs: Designs, room: int, guesses: Mapping[str, FloatArray] = MappingProxyType({})) -> Pool:
        """Return designs with their estimates; slow models predict the most promising ones only.

        The others are left out.

        Args:
            designs: (B, width) rows.
            room: largest number of designs for which slow models are asked.
            guesses: (B,) guessed values of slow models, by which the most promising ones are chosen.
        """
        self.scored += len(designs)
        predictor, brief = self.predictor, self.brief
        fast = predictor.predict(designs, predictor.fast) if predictor.fast else None
        if not predictor.slow:
            assert fast is not None  # noqa: S101  # a brief asks something
            return Pool.of(brief, designs, fast)
        known = is_bare(designs) if "zt" not in predictor.slow else np.zeros(len(designs), dtype=bool)
        values = {**(fast.values if fast else {}), **guesses}
        doubts = fast.sd if fast else {}
        outside = fast.outside if fast else np.zeros(len(designs), dtype=bool)
        if values:  # what is not known yet counts as met
            ahead = np.lexsort((brief.loss(values, doubts), brief.excess(values, doubts), outside))
        else:
            ahead = np.arange(len(designs))
        kept = ahead[~known[ahead]][: max(room, 0)]
        self.slow += len(kept)
        rows = np.sort(np.concatenate([np.flatnonzero(known), kept]))
        estimates = predictor.predict(designs[rows], predictor.slow)
        if fast is not None:
            estimates = fast.take(rows).beside(estimates)
        return Pool.of(brief, designs[rows], estimates)

    # ---- designs

    def undecorated(self) -> Designs:
        """Return the undecorated tube of each lattice."""
        rows = np.zeros((len(self.lattices.space.lattices), self.lattices.space.width), dtype=np.uint8)
        rows[:, 0] = np.arange(len(rows))
        return rows

    def random(self, count: int) -> Designs:
        """Return random designs on the lattices that may be decorated."""
        places = np.flatnonzero(self.lattices.decorable)
        return self.allowed(self.lattices.space.sample_on(self.rng.choice(places, count), self.rng))

    def allowed(self, designs: Designs) -> Designs:
        """Return designs without strain, and with carbon in place of species that may not be placed."""
        designs = np.array(designs)
        designs[:, 1] = 0
        sites = designs[:, HEAD:]
        sites[np.isin(sites, self._forbidden)] = Species.C12
        sites[~self.lattices.decorable[designs[:, 0].astype(np.int64)]] = Species.C12
        return designs

    def new(self, designs: Designs) -> IntArray:
        """Return the places of designs that were not scored before."""
        fresh = []
        for row, design in enumerate(designs):
            key = design.tobytes()
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(row)
        return np.array(fresh, dtype=np.int64)

    # ---- the search

    def run(
        self,
        count: int,
        labelled: Labelled | None = None,
        on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Pool:
        """Return all scored designs.

        Args:
            count: number of different designs that are wanted.
            labelled: tubes with labels on the lattices of the search, which are scored before random designs.
            on_progress: function that is told the number of finished generations, and of all.
        """
        pool = self.score(self.undecorated(), self.slow_room)
        if self._suffices(pool, count) or not self.lattices.decorable.any():
            return pool
        share = max(self.slow_room // (GENERATIONS + 4), 1)
        first, guesses = self.random(RANDOM), dict[str, FloatArray]()
        if labelled is not None and len(labelled.tubes):
            known = self.lattices.space.encode(labelled.tubes)
            kept = (self.allowed(known) == known).all(axis=1)
            first = np.concatenate([known[kept], first])
            guesses = {"gap": np.concatenate([labelled.gap_ev[kept], np.full(RANDOM, np.nan)])}  # the others come last
        new = self.new(first)
        guesses = {name: of[new] for name, of in guesses.items() if name in self.predictor.slow}
        pool = pool.joined(self.score(first[new], min(4 * share, self.slow_room), guesses))
        for generation in range(GENERATIONS):
            parents = self._survivors(pool)
            places, children = self._children(parents)
            new = self.new(children)
            guesses = {name: parents.estimates.values[name][places[new]] for name in self.predictor.slow}
            pool = pool.joined(self.score(children[new], min(share, self.slow_room - self.slow), guesses))
            on_progress(generation + 1, GENERATIONS)
        return pool

    def _suffices(self, pool: Pool, count: int) -> bool:
        """Return whether undecorated tubes are enough: so many meet the brief, and decorations gain nothing."""
        decorations_help = any(
            ask.extreme and ask.quantity.name not in {"diameter", "length"} for ask in self.brief.asks
        )
        good = pool.designs[pool.met & ~pool.estimates.outside, 0].astype(np.int64)
        shapes = {(each.n, each.m) for each in (self.lattices.space.lattices[place] for place in good.tolist())}
        return not decorations_help and len(shapes) >= count

    def _survivors(self, pool: Pool) -> Pool:
        """Return the best designs on lattices that may be decorated, at most so many of a chirality."""
        lattices, taken = self.lattices, dict[tuple[int, int], int]()
        rows = []
        for row in pool.order().tolist():
            place = int(pool.designs[row, 0])
            shape = lattices.space.lattices[place].n, lattices.space.lattices[place].m
            if lattices.decorable[place] and taken.get(shape, 0) < OF_A_CHIRALITY:
                taken[shape] = taken.get(shape, 0) + 1
                rows.append(row)
                if len(rows) == SURVIVORS:
                    break
        return pool.take(np.array(rows, dtype=np.int64))

    def _children(self, parents: Pool) -> tuple[IntArray, Designs]:
        """Return mutated and recombined designs, and the place of the parent of each.

        Better parents, which come first, have more children.
        """
        rng, space = self.rng, self.lattices.space
        places = np.minimum(rng.integers(len(parents), size=(2, CHILDREN)), rng.integers(len(parents), size=CHILDREN))
        children = parents.designs[places[0]]
        crossed = rng.random(CHILDREN) < 0.3
        children[crossed] = space.recombine(children[crossed], parents.designs[places[1][crossed]], rng)
        for again in (1.0, 0.5, 0.25, 0.125):  # one to four mutations
            more = rng.random(CHILDREN) < again
            children[more] = space.mutate(children[more], rng)
        return places[0], self.allowed(children)
