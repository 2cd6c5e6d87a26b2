"""Seeders give initial structures."""

from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import SubstitutionEdits, TubeLattice
from matgym.typing import FloatArray, SpeciesArray


@runtime_checkable
class Seeder(Protocol):
    """Anything that proposes decorated tubes to start a search from."""

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """(B, n_sites) species that spend the budget of `edits`, one tube for each of the (B,) targets."""
        ...


SeederLike: TypeAlias = str | Path | Seeder
"""A name of `SEEDERS`, a stored generator (.safetensors), or a seeder."""

SEEDERS: Final[dict[str, str]] = {
    "random": "matgym.tasks.seeder:RandomSeeder",
    "nearest": "matgym.generative.seeders:nearest",
    "swap": "matgym.generative.seeders:swap",
    "gan": "matgym.generative.seeders:gan",
    "vae": "matgym.generative.seeders:vae",
    "diffusion": "matgym.generative.seeders:diffusion",
}
"""Name to where it is made, as Gymnasium's entry points: nothing is imported before it is used."""


def as_seeder(source: SeederLike) -> Seeder:
    """Anything that stands for a seeder, as one.

    Raises:
        ConfigurationError: if it stands for none.
    """
    if isinstance(source, str) and source in SEEDERS:
        module, name = SEEDERS[source].split(":")
        made: Seeder = getattr(import_module(module), name)()
        return made
    if isinstance(source, str | Path) and Path(source).suffix == ".safetensors":
        load: Any = import_module("matgym.generative.store").load_generator
        stored: Seeder = load(source)
        return stored
    if not isinstance(source, str | Path) and isinstance(source, Seeder):
        return source
    raise ConfigurationError(
        f"{source!r} is no seeder: give one of {', '.join(SEEDERS)}, a .safetensors file of a generator, "
        "or an object with a method seed"
    )


class RandomSeeder:
    """Sites drawn uniformly, the composition exact."""

    def seed(
        self, lattice: TubeLattice, edits: SubstitutionEdits, targets: FloatArray, rng: np.random.Generator
    ) -> SpeciesArray:
        """Draw without looking at the targets."""
        queue = np.repeat(edits.species, edits.budget)
        species = np.zeros((len(targets), lattice.n_sites), dtype=np.uint8)
        sites = rng.permuted(np.tile(np.arange(lattice.n_sites), (len(targets), 1)), axis=1)[:, : len(queue)]
        np.put_along_axis(species, sites, queue[None], axis=1)
        return species
