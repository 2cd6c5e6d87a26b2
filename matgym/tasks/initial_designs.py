"""Design generators: what searches and episodes begin on."""

from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures import TubeBatch
from matgym.tasks.decorations import Decorations
from matgym.typing import FloatArray


@runtime_checkable
class DesignGenerator(Protocol):
    """Anything that proposes decorated tubes to start a search from."""

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """One tube of a design space for each of the (B,) targets."""
        ...


DesignGeneratorLike: TypeAlias = str | Path | DesignGenerator
"""A name of `DESIGN_GENERATORS`, a stored generator (.safetensors), or a design generator."""

DESIGN_GENERATORS: Final[dict[str, str]] = {
    "random": "matgym.tasks.initial_designs:RandomDesigns",
    "nearest": "matgym.generative.initial_designs:nearest",
    "swap": "matgym.generative.initial_designs:swap",
    "gan": "matgym.generative.initial_designs:gan",
    "vae": "matgym.generative.initial_designs:vae",
    "diffusion": "matgym.generative.initial_designs:diffusion",
}
"""Name to where it is made, as Gymnasium's entry points: nothing is imported before it is used."""


def as_design_generator(source: DesignGeneratorLike) -> DesignGenerator:
    """Anything that stands for a design generator, as one.

    Raises:
        ConfigurationError: if it stands for none.
    """
    if isinstance(source, str) and source in DESIGN_GENERATORS:
        module, name = DESIGN_GENERATORS[source].split(":")
        made: DesignGenerator = getattr(import_module(module), name)()
        return made
    if isinstance(source, str | Path) and Path(source).suffix == ".safetensors":
        load: Any = import_module("matgym.generative.store").load_generator
        stored: DesignGenerator = load(source)
        return stored
    if not isinstance(source, str | Path) and isinstance(source, DesignGenerator):
        return source
    raise ConfigurationError(
        f"{source!r} is no design generator: give one of {', '.join(DESIGN_GENERATORS)}, a .safetensors file of a "
        "generator, or an object with a method sample(space, targets, rng)"
    )


class RandomDesigns:
    """Sites drawn uniformly, the composition exact."""

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Draw without looking at the targets."""
        return space.decode(space.sample(len(targets), rng))
