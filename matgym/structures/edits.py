"""Lattice edits as flat discrete actions, on a batch of tubes at once.

A design is a row of n_sites species codes. If bonds can be turned, too, a 0 or 1 for each of the 3 n_cells bonds of the
lattice follows: whether the bond is turned by 90°, to a Stone-Wales pair.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import numpy as np
from typing_extensions import override

from matgym.errors import ConfigurationError, is_whole, require_counts
from matgym.frozen import ValueObject, read_only, returns_read_only
from matgym.structures.lattice import TubeLattice
from matgym.structures.species import SPECIES_DATA, Species, parse_species
from matgym.typing import BoolArray, Float32Array, IntArray, SpeciesArray

STONE_WALES: Final = "SW"
"""The name of turned bonds in a budget."""


class SubstitutionEdits(ValueObject):
    """Edits that replace 12C by a fixed budget of other species, one site per edit.

    Action `k * n_sites + site` places the k-th species of the budget on `site`.

    Attributes:
        n_sites: number of sites of the tube.
        species: (K,) codes of the species in the budget.
        budget: (K,) number of atoms of each species to place.
    """

    def __init__(self, n_sites: int, budget: Mapping[str, int]) -> None:
        """Make edits for tubes of `n_sites` sites from a budget such as `{"B": 8, "N": 8}`.

        Raises:
            ConfigurationError: if the budget is empty, negative, or larger than the tube.
        """
        require_counts(**{f"budget[{name!r}]": count for name, count in budget.items()})
        parsed = {parse_species(name): int(count) for name, count in budget.items()}
        total = sum(parsed.values())
        if not parsed or min(parsed.values()) < 1 or Species.C12 in parsed:
            raise ConfigurationError(f"budget {dict(budget)} must name species other than 12C, each at least once")
        if total > n_sites:
            raise ConfigurationError(f"a budget of {total} does not fit a tube of {n_sites} sites: give a smaller one")
        self.n_sites = n_sites
        self.species = read_only(np.array(list(parsed), dtype=np.uint8))
        self.budget = read_only(np.array(list(parsed.values()), dtype=np.int64))

    def __repr__(self) -> str:
        names = [SPECIES_DATA[Species(code)].label for code in self.species.tolist()]
        return f"{type(self).__name__}({self.n_sites} sites, {names}: {self.budget.tolist()})"  # turned bonds come last

    @property
    def width(self) -> int:
        """The number of entries of a design: one per site."""
        return self.n_sites

    @property
    def n_actions(self) -> int:
        """The size of the flat action space."""
        return len(self.species) * self.n_sites

    @property
    def length(self) -> int:
        """The number of edits that use up the budget."""
        return int(self.budget.sum())

    def remaining(self, species: SpeciesArray) -> IntArray:
        """Return the (batch, K) number of atoms of each species that (batch, n_sites) codes still lack."""
        placed = np.stack([(species == code).sum(axis=1) for code in self.species], axis=1)
        return np.asarray(self.budget - placed, dtype=np.int64)

    def complete(self, species: SpeciesArray) -> BoolArray:
        """Return (batch,) whether the whole budget is placed and every other site holds 12C."""
        placed = (self.remaining(species) == 0).all(axis=1)
        return np.asarray(placed & ((species != Species.C12).sum(axis=1) == self.length))

    def mask(self, species: SpeciesArray, remaining: IntArray) -> BoolArray:
        """Return (batch, n_actions) whether each edit is allowed: on 12C, and within the budget."""
        carbon = species == Species.C12
        return np.asarray((carbon[:, None, :] & (remaining > 0)[:, :, None]).reshape(len(species), -1))

    def apply(self, species: SpeciesArray, remaining: IntArray, actions: IntArray) -> BoolArray:
        """Carry out one edit per tube, in place; a forbidden edit does not change its tube.

        Args:
            species: (batch, n_sites) codes, changed in place.
            remaining: (batch, K) rest of the budget, changed in place.
            actions: (batch,) flat actions.

        Returns:
            (batch,) whether the edit was allowed.
        """
        rows = np.arange(len(species))
        kind, site = np.divmod(actions, self.n_sites)
        allowed = (species[rows, site] == Species.C12) & (remaining[rows, kind] > 0)
        rows, kind, site = rows[allowed], kind[allowed], site[allowed]
        species[rows, site] = self.species[kind]
        remaining[rows, kind] -= 1
        return np.asarray(allowed)

    def describe(self, action: int) -> str:
        """Return a description of an edit in words."""
        kind, site = divmod(action, self.n_sites)
        return f"{SPECIES_DATA[Species(self.species[kind])].label} on site {site}"


class DefectEdits(SubstitutionEdits):
    """Edits that replace atoms and turn bonds within a fixed budget, one atom or bond per edit.

    Actions are those of `SubstitutionEdits`, followed by one action per bond, which turns it. Pairs that would touch,
    that cross the tube's end, or that would hold a vacancy are not allowed.

    Attributes:
        lattice: lattice of the tubes.
    """

    def __init__(self, lattice: TubeLattice, budget: Mapping[str, int]) -> None:
        """Make edits from a budget of species and of turned bonds ("SW"), such as `{"SW": 2, "N": 1}`.

        Raises:
            ConfigurationError: if the budget is empty, negative, or larger than the tube.
        """
        others = {name: count for name, count in budget.items() if name != STONE_WALES}
        turns = budget.get(STONE_WALES, 0)
        if not is_whole(turns) or turns < 1:
            raise ConfigurationError(
                f"budget {dict(budget)} must turn at least one bond: give SW a whole number of 1 or more"
            )
        if others:
            super().__init__(lattice.n_sites, others)
        else:
            self.n_sites = lattice.n_sites
            self.species, self.budget = read_only(np.zeros(0, dtype=np.uint8)), np.zeros(0, dtype=np.int64)
        self.lattice = lattice
        self.budget = read_only(np.append(self.budget, turns))
        # A turn moves or rebonds six sites, and no two turns may share a site.
        most = min(int(self.turnable.sum()), lattice.n_sites // 6)
        if turns > most:
            raise ConfigurationError(f"{turns} bonds cannot be turned: this tube has room for at most {most}")
        gone = dict(zip(self.species.tolist(), self.budget.tolist(), strict=False)).get(Species.VACANCY, 0)
        if gone > lattice.n_sites - 2 * turns:
            raise ConfigurationError(
                f"{gone} vacancies leave too few atoms to turn {turns} bonds: give at most "
                f"{lattice.n_sites - 2 * turns} vacancies"
            )

    @property
    def width(self) -> int:
        """The number of entries of a design: one per site and one per bond."""
        return self.n_sites + len(self.lattice.bonds)

    @property
    @override
    def n_actions(self) -> int:
        return len(self.species) * self.n_sites + len(self.lattice.bonds)

    @cached_property
    @returns_read_only
    def turnable(self) -> BoolArray:
        """(n_bonds,) whether a bond can be turned alone: the tube is long enough, and the bond crosses no end."""
        bonds = self.lattice.bonds  # turning each by `validated_pairs` would take the square of their number
        around = np.sort(self.lattice.neighbours[bonds[:, :2]].reshape(len(bonds), 6), axis=1)
        long_enough = (np.diff(around, axis=1) > 0).all(axis=1) & (np.abs(bonds[:, 2]).max() <= 1)
        return np.asarray((bonds[:, 2] == 0) & long_enough)

    @cached_property
    @returns_read_only
    def _touched(self) -> Float32Array:
        """(n_bonds, n_sites) 1 where a turn of a bond moves or rebonds a site; floats, whose products are faster."""
        touched = np.zeros((len(self.lattice.bonds), self.n_sites), dtype=np.float32)
        for bond, pair in enumerate(self.lattice.bonds[:, :2]):
            touched[bond, self.lattice.neighbours[pair].ravel()] = 1
        return touched

    @cached_property
    @returns_read_only
    def _touching(self) -> Float32Array:
        """(n_bonds, n_bonds) number of sites that two bonds both touch."""
        return np.asarray(self._touched @ self._touched.T)

    def _free(self, rows: SpeciesArray) -> BoolArray:
        """Return (B, n_bonds) whether each bond can be turned in addition to those already turned."""
        apart = rows[:, self.n_sites :].astype(np.float32) @ self._touching == 0.0
        gone = rows[:, : self.n_sites] == Species.VACANCY
        a, b = self.lattice.bonds[:, 0], self.lattice.bonds[:, 1]
        return np.asarray(self.turnable & apart & ~gone[:, a] & ~gone[:, b])

    def _turned_sites(self, rows: SpeciesArray) -> BoolArray:
        """Return (B, n_sites) whether a site is an end of a turned bond."""
        is_end = np.zeros((len(rows), self.n_sites), dtype=bool)
        row, bond = np.nonzero(rows[:, self.n_sites :])
        for end in (0, 1):
            is_end[row, self.lattice.bonds[bond, end]] = True
        return is_end

    @override
    def remaining(self, species: SpeciesArray) -> IntArray:
        placed = [(species[:, : self.n_sites] == code).sum(axis=1) for code in self.species]
        turned = species[:, self.n_sites :].sum(axis=1, dtype=np.int64)
        return np.asarray(self.budget - np.stack([*placed, turned], axis=1), dtype=np.int64)

    @override
    def complete(self, species: SpeciesArray) -> BoolArray:
        placed = (self.remaining(species) == 0).all(axis=1)
        others = (species[:, : self.n_sites] != Species.C12).sum(axis=1)
        return np.asarray(placed & (others == self.budget[:-1].sum()) & self.sound(species))

    def sound(self, rows: SpeciesArray) -> BoolArray:
        """Return (B,) whether all turned bonds can be turned, hold no vacancy and do not touch each other."""
        turned = rows[:, self.n_sites :] > 0
        apart = (turned.astype(np.float32) @ self._touched <= 1).all(axis=1)
        gone = rows[:, : self.n_sites] == Species.VACANCY
        return np.asarray(
            apart & ~(turned & ~self.turnable).any(axis=1) & ~(gone & self._turned_sites(rows)).any(axis=1)
        )

    @override
    def mask(self, species: SpeciesArray, remaining: IntArray) -> BoolArray:
        atoms = species[:, : self.n_sites]
        carbon = (atoms == Species.C12)[:, None, :] & (remaining[:, :-1] > 0)[:, :, None]
        kinds = self.species == Species.VACANCY
        if kinds.any():
            carbon = carbon & ~(kinds[:, None] & self._turned_sites(species)[:, None, :])
        bonds = self._free(species) & (remaining[:, -1:] > 0)
        return np.concatenate([carbon.reshape(len(species), len(self.species) * self.n_sites), bonds], axis=1)

    @override
    def apply(self, species: SpeciesArray, remaining: IntArray, actions: IntArray) -> BoolArray:
        rows = np.arange(len(species))
        allowed = self.mask(species, remaining)[rows, actions]
        first_bond = len(self.species) * self.n_sites
        turns = allowed & (actions >= first_bond)
        species[rows[turns], self.n_sites + actions[turns] - first_bond] = 1
        remaining[rows[turns], -1] -= 1
        places = allowed & ~turns
        kind, site = np.divmod(actions[places], self.n_sites)
        species[rows[places], site] = self.species[kind] if len(self.species) else 0
        remaining[rows[places], kind] -= 1
        return np.asarray(allowed)

    @override
    def describe(self, action: int) -> str:
        first_bond = len(self.species) * self.n_sites
        if action < first_bond:
            return super().describe(action)
        a, b = self.lattice.bonds[action - first_bond, :2]
        return f"turned bond ({a}, {b})"


def lattice_edits(lattice: TubeLattice, budget: Mapping[str, int]) -> SubstitutionEdits:
    """Return the edits that use up a budget of species and, if it names any, of turned bonds."""
    return DefectEdits(lattice, budget) if STONE_WALES in budget else SubstitutionEdits(lattice.n_sites, budget)
