"""Lattice edits as flat discrete actions, on a whole batch of tubes at once."""

from collections.abc import Mapping

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures.species import SPECIES_DATA, Species, parse_species
from matgym.typing import BoolArray, IntArray, SpeciesArray


class SubstitutionEdits:
    """Replace 12C by a fixed budget of other species, one site an edit.

    Action `k * n_sites + site` puts the k-th species of the budget on `site`.

    Attributes:
        n_sites: sites of the tube.
        species: (K,) codes of the species in the budget.
        budget: (K,) how many of each are to be placed.
    """

    def __init__(self, n_sites: int, budget: Mapping[str, int]) -> None:
        """Edits for tubes of `n_sites` sites by a budget such as `{"B": 8, "N": 8}`.

        Raises:
            ConfigurationError: if the budget is empty, negative, or larger than the tube.
        """
        parsed = {parse_species(name): int(count) for name, count in budget.items()}
        total = sum(parsed.values())
        if not parsed or min(parsed.values()) < 1 or Species.C12 in parsed:
            raise ConfigurationError(f"budget {dict(budget)} must name species other than 12C, each at least once")
        if total > n_sites:
            raise ConfigurationError(f"a budget of {total} does not fit a tube of {n_sites} sites")
        self.n_sites = n_sites
        self.species = np.array(list(parsed), dtype=np.uint8)
        self.budget = np.array(list(parsed.values()), dtype=np.int64)

    def __repr__(self) -> str:
        names = [SPECIES_DATA[Species(code)].label for code in self.species.tolist()]
        return f"{type(self).__name__}({self.n_sites} sites, {names}: {self.budget.tolist()})"  # turned bonds come last

    @property
    def width(self) -> int:
        """Entries of a design: one a site."""
        return self.n_sites

    @property
    def n_actions(self) -> int:
        """Size of the flat action space."""
        return len(self.species) * self.n_sites

    @property
    def length(self) -> int:
        """Edits that use the budget up."""
        return int(self.budget.sum())

    def remaining(self, species: SpeciesArray) -> IntArray:
        """(batch, K): how many of each species are still to be placed on (batch, n_sites) codes."""
        placed = np.stack([(species == code).sum(axis=1) for code in self.species], axis=1)
        return np.asarray(self.budget - placed, dtype=np.int64)

    def complete(self, species: SpeciesArray) -> BoolArray:
        """(batch,) whether the budget is placed, all of it, and every other site still holds 12C."""
        placed = (self.remaining(species) == 0).all(axis=1)
        return np.asarray(placed & ((species != Species.C12).sum(axis=1) == self.length))

    def mask(self, species: SpeciesArray, remaining: IntArray) -> BoolArray:
        """(batch, n_actions): which edits are allowed: on carbon, and within the budget."""
        carbon = species == Species.C12
        return np.asarray((carbon[:, None, :] & (remaining > 0)[:, :, None]).reshape(len(species), -1))

    def decode(self, actions: IntArray) -> tuple[IntArray, IntArray]:
        """(batch,) actions as (index into `species`, site)."""
        kind, site = np.divmod(actions, self.n_sites)
        return kind, site

    def encode(self, species: str | int | Species, site: int) -> int:
        """The action that puts `species` on `site`."""
        kind = self.species.tolist().index(int(parse_species(species)))
        return int(kind * self.n_sites + site)

    def apply(self, species: SpeciesArray, remaining: IntArray, actions: IntArray) -> BoolArray:
        """Carry out one edit a tube, in place; a forbidden one leaves its tube as it is.

        Args:
            species: (batch, n_sites) codes, changed in place.
            remaining: (batch, K) what is left of the budget, changed in place.
            actions: (batch,) flat actions.

        Returns:
            (batch,) whether the edit was allowed.
        """
        rows = np.arange(len(species))
        kind, site = self.decode(actions)
        allowed = (species[rows, site] == Species.C12) & (remaining[rows, kind] > 0)
        rows, kind, site = rows[allowed], kind[allowed], site[allowed]
        species[rows, site] = self.species[kind]
        remaining[rows, kind] -= 1
        return np.asarray(allowed)

    def describe(self, action: int) -> str:
        """An edit in words."""
        kind, site = divmod(action, self.n_sites)
        return f"{SPECIES_DATA[Species(self.species[kind])].label} on site {site}"
