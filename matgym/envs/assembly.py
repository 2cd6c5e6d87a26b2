"""The builder of whole tubes: choose a lattice and a strain, place atoms on the sites, stop."""

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

_NUMBERS: Final = 4  # of a lattice in the flat observation
_PROGRESS: Final = 3 + len(KINDS)  # entries of `Assembly.progress`
_SCALES: Final = (0.5, 1.0, 0.25)  # of diameter (1/nm), cos 6θ, length (1/nm)


class Assembly(Builder):
    """A builder of tubes of any lattice; a forbidden action changes nothing.

    Actions `k * S + site` place kind k on a site. Then follow: stop, one action for each strain but zero, and, where
    the tube is not given, one for each lattice, of which the first action of a design is one.

    Attributes:
        space: the design space.
        given: whether the lattice is given.
        chosen: (B,) whether the lattice is known.
        strained: (B,) whether a strain was chosen.
        stopped: (B,) whether the design is finished.
    """

    designs: SpeciesArray
    action_space: spaces.Discrete
    masked = True

    def __init__(self, space: AnyTube, size: int) -> None:
        self.space, self.size, self.given = space, size, space.given
        given = space.given
        self.designs = np.zeros((size, space.width), dtype=np.uint8)
        self.chosen = np.full(size, given)
        self.strained, self.stopped = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
        lattices = 0 if given else len(space.lattices)
        self.stop = len(KINDS) * space.sites
        self.action_space = spaces.Discrete(self.stop + 1 + len(STRAINS) - 1 + lattices)
        self.width = len(KINDS) * space.sites + _NUMBERS + len(STRAINS) + _PROGRESS
        self.steps = 1 if given else 2
        self.graph_shape = (space.sites, len(KINDS), _PROGRESS)
        self._masks: BoolArray | None = None

    @property
    @override
    def most_steps(self) -> int:
        """An action for each atom, the strain, the end, and the lattice unless it is given."""
        return self.space.edits + 2 + (not self.given)

    @override
    def begin(self, rows: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Draw the lattices that are given."""
        if self.given and len(self.space.lattices) > 1:
            self.give(rows, np.array([rng.integers(len(self.space.lattices)) for rng in generators], dtype=np.int64))

    def give(self, rows: IntArray, lattices: IntArray) -> None:
        """Set the lattices of designs in (k,) rows."""
        self.designs[rows, 0] = lattices

    @override
    def clear(self, rows: IntArray, targets: FloatArray, generators: Sequence[np.random.Generator]) -> None:
        self._masks = None
        self.designs[rows, 1:] = 0
        if not self.given:
            self.designs[rows, 0] = 0
        self.chosen[rows], self.strained[rows], self.stopped[rows] = self.given, False, False

    @override
    def advance(self, actions: IntArray, rows: IntArray | slice) -> tuple[BoolArray, BoolArray]:
        which = np.arange(self.size)[rows]
        allowed = self.masks()[which, actions] & ~self.stopped[which]
        self._masks = None
        places = allowed & (actions < self.stop)
        kind, site = np.divmod(actions[places], self.space.sites)
        self.designs[which[places], HEAD + site] = np.array(KINDS, dtype=np.uint8)[kind]
        further = actions - self.stop  # 0 stops, then strains, then lattices
        self.stopped[which[allowed & (further == 0)]] = True
        strains = allowed & (further > 0) & (further < len(STRAINS))
        self.designs[which[strains], 1] = further[strains]
        self.strained[which[strains]] = True
        lattices = allowed & (further >= len(STRAINS))
        self.designs[which[lattices], 0] = further[lattices] - len(STRAINS)
        self.chosen[which[lattices]] = True
        full = (self.designs[which, HEAD:] != Species.C12).sum(axis=1) == self.space.edits
        self.stopped[which[full]] = True
        return self.stopped[rows], allowed

    def placed(self, row: int) -> int:
        """Return the number of atoms that were placed on a design."""
        return int((self.designs[row, HEAD:] != Species.C12).sum())

    @override
    def plan(self, designs: Designs) -> IntArray:
        """Return (B, most_steps) actions that make B designs; those after the end stop.

        B and N atoms are placed in turn, so that each has a partner before the atoms are used up.
        """
        if self.given:
            raise ConfigurationError("a plan chooses its tube: give tube='chosen'")
        actions = np.full((len(designs), self.most_steps), self.stop)
        for row, design in zip(actions, designs, strict=True):
            sites = [np.flatnonzero(design[HEAD:] == code) for code in KINDS]
            boron, nitrogen = sites[:2]
            turns = np.stack([boron, self.space.sites + nitrogen], axis=1).ravel()
            others = [kind * self.space.sites + sites[kind] for kind in range(2, len(KINDS))]
            strained = [self.stop + int(design[1])] if design[1] else []
            made = np.concatenate([[self.stop + len(STRAINS) + int(design[0])], strained, turns, *others])
            row[: len(made)] = made
        return actions

    @override
    def masks(self) -> BoolArray:
        if self._masks is None:
            masks: BoolArray = np.zeros((self.size, int(self.action_space.n)), dtype=np.bool_)
            masks[:, : self.stop] = self._placeable(slice(None)).reshape(self.size, -1)
            counts = self.space.counts(self.designs)
            masks[:, self.stop] = self.chosen & (counts[:, 0] == counts[:, 1])
            masks[:, self.stop + 1 : self.stop + len(STRAINS)] = (self.chosen & ~self.strained)[:, None]
            masks[:, self.stop + len(STRAINS) :] = ~self.chosen[:, None]
            masks[self.stopped] = True
            masks.setflags(write=False)
            self._masks = masks
        return self._masks

    def _placeable(self, rows: IntArray | slice) -> BoolArray:
        """Return (rows, K, S) whether each kind may be placed on each site."""
        designs = self.designs[rows]
        inside = np.arange(self.space.sites) < self.space.n_sites[designs[:, 0].astype(np.int64), None]
        free = (designs[:, HEAD:] == Species.C12) & inside & self.chosen[rows, None]
        return np.asarray(self.space.placeable(designs)[:, :, None] & free[:, None, :])

    def progress(self, rows: IntArray | slice) -> Float32Array:
        """Return (rows, 3 + K): whether a lattice and a strain were chosen, and shares of atoms that were placed.

        The first share is of all atoms, the others are of each kind.
        """
        designs = self.designs[rows]
        counts, index = self.space.counts(designs), designs[:, 0].astype(np.int64)
        parts = (
            self.chosen[rows, None],
            self.strained[rows, None],
            counts.sum(axis=1, keepdims=True) / self.space.edits,
            counts / np.maximum(self.space.most[index], 1),
        )
        return np.concatenate(parts, axis=1, dtype=np.float32)

    @override
    def look(self, rows: IntArray | slice) -> Float32Array:
        """Return what each site holds, one-hot by kind, numbers of the lattice, the strain one-hot, and `progress`.

        Numbers of the lattice are half the diameter (nm), cos 6θ scaled to [0, 1], a quarter of the length (nm), and
        the share of the sites; zeros before it is chosen.
        """
        designs = self.designs[rows]
        held = np.concatenate([designs[:, HEAD:] == code for code in KINDS], axis=1)
        numbers = self._numbers[designs[:, 0].astype(np.int64)] * self.chosen[rows, None]
        strain = designs[:, 1, None] == np.arange(len(STRAINS))
        return np.concatenate([held, numbers, strain, self.progress(rows)], axis=1, dtype=np.float32)

    @property
    def _numbers(self) -> FloatArray:
        """(L, 4) numbers of each lattice in [0, 1]."""
        lattices = self.space.lattices
        angle = np.array([np.arctan2(np.sqrt(3.0) * each.m, 2.0 * each.n + each.m) for each in lattices])
        diameter = np.array([_SCALES[0] * each.diameter_nm for each in lattices])
        length = np.array([_SCALES[2] * each.length_angstrom / 10.0 for each in lattices])
        columns = diameter, 0.5 + 0.5 * np.cos(6.0 * angle), length, self.space.n_sites / self.space.sites
        return np.asarray(np.clip(np.stack(columns, axis=1), 0.0, 1.0))

    @override
    def graph(self, rows: IntArray | slice) -> Graph:
        chosen = np.flatnonzero(self.chosen[rows])
        batch = self.space.decode(self.designs[rows][chosen])
        return Graph(batch, self._placeable(rows), self.progress(rows), open_ends=True, rows=chosen)
