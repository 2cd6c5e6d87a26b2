"""The builder that changes complete tubes: put an atom on a site, take one away, change the strain, or stop."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from gymnasium import spaces
from typing_extensions import override

from matgym.envs.builders import Builder, Graph
from matgym.errors import ConfigurationError
from matgym.structures import Species
from matgym.tasks import Designs
from matgym.tasks.any_tube import HEAD, KINDS, STRAINS, AnyTube
from matgym.typing import BoolArray, Float32Array, FloatArray, IntArray, SpeciesArray

PUT: Final = (*KINDS, Species.C12)
"""Kinds that are put on sites: those of `AnyTube`, and 12C, which takes an atom away or fills a vacancy."""

NUMBERS: Final = 3 + len(KINDS) + len(STRAINS)
"""Number of entries of `Mutation.numbers`."""

_KIND_OF: Final = np.full(len(Species), -1)
_KIND_OF[list(PUT)] = np.arange(len(PUT))

_CHARGE: Final = np.array([{Species.B: -1, Species.N: 1}.get(kind, 0) for kind in PUT])
"""Excess of N over B that an atom of each kind adds."""


class Mutation(Builder):
    """A builder that begins with random designs on given lattices and changes one thing per step.

    Actions `k * S + site` put kind k on a site, whatever it holds. Then follow: stop, and one action for each strain.
    At most one B or N atom lacks a partner at any time, and none at the end.

    Attributes:
        space: the design space.
        horizon: the number of changes after which a design is finished.
        left: (B,) changes that are left.
        stopped: (B,) whether the design is finished.
    """

    action_space: spaces.Discrete
    designs: SpeciesArray
    masked = True
    steps = 1

    def __init__(self, space: AnyTube, size: int, horizon: int) -> None:
        self.space, self.size, self.horizon = space, size, horizon
        self.designs = np.zeros((size, space.width), dtype=np.uint8)
        self.left = np.full(size, horizon)
        self.stopped = np.zeros(size, dtype=bool)
        self.stop = len(PUT) * space.sites
        self.action_space = spaces.Discrete(self.stop + 1 + len(STRAINS))
        self.width = len(KINDS) * space.sites + NUMBERS
        self.graph_shape = (space.sites, len(PUT), NUMBERS)
        self._given: SpeciesArray | None = None
        self._masks: BoolArray | None = None

    @property
    @override
    def most_steps(self) -> int:
        return self.horizon

    @override
    def begin(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Draw random designs, unless they were given."""
        if self._given is not None:
            self.designs[rows], self._given = self._given, None
            return
        count = len(self.space.lattices)
        for row, rng in zip(rows, generators, strict=True):
            lattice = int(rng.integers(count)) if count > 1 else 0
            self.designs[row] = self.space.sample_on(np.array([lattice]), rng)[0]

    def give(self, designs: SpeciesArray) -> None:
        """Let the next call of `begin` begin (k, width) given designs, instead of random ones."""
        self._given = designs

    @override
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        self._masks = None
        self.left[rows], self.stopped[rows] = self.horizon, False

    @override
    def advance(self, actions: IntArray, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        which = np.arange(self.size)[rows]
        allowed = self.masks()[which, actions] & ~self.stopped[which]
        self._masks = None
        puts = allowed & (actions < self.stop)
        kind, site = np.divmod(actions[puts], self.space.sites)
        self.designs[which[puts], HEAD + site] = np.array(PUT, dtype=np.uint8)[kind]
        further = actions - self.stop  # 0 stops, then strains
        strains = allowed & (further > 0)
        self.designs[which[strains], 1] = further[strains] - 1
        self.left[which[allowed & (further != 0)]] -= 1
        self.stopped[which[allowed & (further == 0)]] = True
        self.stopped[which] |= self.left[which] == 0
        return self.stopped[rows], allowed

    @override
    def plan(self, designs: Designs) -> IntArray:
        raise ConfigurationError("a plan begins with the empty design, and these episodes with complete ones")

    def excess(self, rows: IntArray | slice) -> IntArray:
        """Return (rows,) numbers of N atoms minus those of B atoms: -1, 0 or 1."""
        counts = self.space.counts(self.designs[rows])
        return np.asarray(counts[:, 1] - counts[:, 0])

    @override
    def masks(self) -> BoolArray:
        if self._masks is None:
            masks = np.zeros((self.size, int(self.action_space.n)), dtype=bool)
            masks[:, : self.stop] = self.changeable(slice(None)).reshape(self.size, -1)
            complete = self.excess(slice(None)) == 0
            masks[:, self.stop] = complete
            others = self.designs[:, 1, None] != np.arange(len(STRAINS))
            masks[:, self.stop + 1 :] = others & (complete | (self.left > 1))[:, None]
            masks[self.stopped] = True
            masks.setflags(write=False)
            self._masks = masks
        return self._masks

    def changeable(self, rows: IntArray | slice) -> BoolArray:
        """Return (rows, K + 1, S) whether each kind may be put on each site."""
        designs = self.designs[rows]
        index, counts = designs[:, 0].astype(np.int64), self.space.counts(designs)
        held = _KIND_OF[designs[:, HEAD:]]
        room = np.ones((len(designs), len(PUT)), dtype=bool)
        room[:, :-1] = counts < self.space.most[index]
        placed = (np.array(PUT) != Species.C12).astype(np.int64)
        total = counts.sum(axis=1)[:, None, None] - placed[:, None] + placed  # (rows, held, put), as the next ones
        excess = (counts[:, 1] - counts[:, 0])[:, None, None] - _CHARGE[:, None] + _CHARGE
        most = np.where(self.left[rows] > 1, 1, 0)[:, None, None]
        allowed = room[:, None, :] & (total <= self.space.edits) & (np.abs(excess) <= most)
        allowed &= ~np.eye(len(PUT), dtype=bool)
        inside = np.arange(self.space.sites) < self.space.n_sites[index, None]
        each = allowed[np.arange(len(designs))[:, None], held] & inside[:, :, None]
        return np.asarray(each.transpose(0, 2, 1))

    def excess_after(self, rows: IntArray | slice) -> IntArray:
        """Return (rows, n_actions) excesses of N over B after each action."""
        held = _KIND_OF[self.designs[rows, HEAD:]]
        puts = _CHARGE[:, None] - _CHARGE[held][:, None, :]
        added = np.zeros((len(held), int(self.action_space.n)), dtype=np.int64)
        added[:, : self.stop] = puts.reshape(len(held), -1)
        return added + self.excess(rows)[:, None]

    def undoing(self, rows: IntArray, actions: IntArray) -> IntArray:
        """Return the (k,) actions that will take back (k,) placements on the present designs of (k,) rows."""
        site = actions % self.space.sites
        return np.asarray(_KIND_OF[self.designs[rows, HEAD + site]] * self.space.sites + site)

    def numbers(self, rows: IntArray | slice) -> Float32Array:
        """Return (rows, NUMBERS) numbers of the state in [0, 1].

        These are the share of changes that are left; whether B or N lacks an atom, 1 or 0, and 0.5 if neither does; the
        share of all atoms that are placed, and that of each kind; the strain, one-hot.
        """
        designs = self.designs[rows]
        counts, index = self.space.counts(designs), designs[:, 0].astype(np.int64)
        parts = (
            self.left[rows, None] / self.horizon,
            0.5 + 0.5 * self.excess(rows)[:, None],
            counts.sum(axis=1, keepdims=True) / self.space.edits,
            counts / np.maximum(self.space.most[index], 1),
            designs[:, 1, None] == np.arange(len(STRAINS)),
        )
        return np.concatenate(parts, axis=1, dtype=np.float32)

    @override
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return what each site holds, one-hot by kind, and `numbers`."""
        designs = self.designs[rows]
        held = np.concatenate([designs[:, HEAD:] == code for code in KINDS], axis=1)
        return np.concatenate([held, self.numbers(rows)], axis=1, dtype=np.float32)

    @override
    def graph(self, rows: IntArray | slice) -> Graph:
        batch = self.space.decode(self.designs[rows])
        return Graph(batch, self.changeable(rows), self.numbers(rows), open_ends=True)
