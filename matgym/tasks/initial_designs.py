"""Design generators: sources of the initial designs of searches and episodes."""

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.structures import TubeBatch
from matgym.tasks.decorations import Decorations
from matgym.typing import FloatArray


@runtime_checkable
class DesignGenerator(Protocol):
    """The interface of objects that propose decorated tubes as initial designs."""

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Return one tube of a design space for each of the (B,) targets."""
        ...


DesignGeneratorLike: TypeAlias = str | Path | DesignGenerator
"""A name of `DESIGN_GENERATORS`, a stored generator (.safetensors), or a design generator."""

DESIGN_GENERATORS: Final = ("random", "nearest", "swap", "gan", "vae", "diffusion")
"""Names of generators: random sites, the nearest training structure, the same with one swap, and shipped networks."""


def as_design_generator(source: DesignGeneratorLike) -> DesignGenerator:
    """Return the design generator for a name, a file or an object with the interface of one.

    Raises:
        ConfigurationError: if the source is none of these.
    """
    if isinstance(source, str) and source in DESIGN_GENERATORS:
        return _named(source)
    if isinstance(source, str | Path) and Path(source).suffix == ".safetensors":
        return _stored(source)
    if not isinstance(source, str | Path) and isinstance(source, DesignGenerator):
        return source
    raise ConfigurationError(
        f"{source!r} is not a design generator: give one of {', '.join(DESIGN_GENERATORS)}, a .safetensors file of a "
        "generator, or an object with a method sample(space, targets, rng)"
    )


@lru_cache
def _named(name: str) -> DesignGenerator:
    """Return a named generator; modules are imported only if it needs them."""
    if name == "random":
        return RandomDesigns()
    if name in {"nearest", "swap"}:
        kind: Any = import_module("matgym.generative.nearest").NearestDesigns
        known: DesignGenerator = kind(Dataset.load("nanotube-doping"), swaps=int(name == "swap"))
        return known
    return _stored(name)


def _stored(source: str | Path) -> DesignGenerator:
    load: Any = import_module("matgym.generative.store").load_generator
    stored: DesignGenerator = load(source)
    return stored


class RandomDesigns:
    """A generator of uniformly drawn sites with the exact composition."""

    def sample(self, space: Decorations, targets: FloatArray, rng: np.random.Generator) -> TubeBatch:
        """Draw one design for each target, independently of the targets."""
        return space.decode(space.sample(len(targets), rng))
