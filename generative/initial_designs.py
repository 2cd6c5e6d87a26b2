"""Design generators by name; see `matgym.tasks.DESIGN_GENERATORS`."""

from functools import lru_cache

from matgym.data import Dataset
from matgym.generative.nearest import NearestDesigns
from matgym.tasks import DesignGenerator

DATA = "nanotube-doping"


@lru_cache(maxsize=1)
def nearest() -> NearestDesigns:
    """The training structures with the nearest gap."""
    return NearestDesigns(Dataset.load(DATA))


@lru_cache(maxsize=1)
def swap() -> NearestDesigns:
    """The same with one swap."""
    return NearestDesigns(Dataset.load(DATA), swaps=1)


@lru_cache(maxsize=1)
def gan() -> DesignGenerator:
    """The shipped generative adversarial network."""
    return _stored("gan")


@lru_cache(maxsize=1)
def vae() -> DesignGenerator:
    """The shipped variational autoencoder."""
    return _stored("vae")


@lru_cache(maxsize=1)
def diffusion() -> DesignGenerator:
    """The shipped masked diffusion."""
    return _stored("diffusion")


def _stored(name: str) -> DesignGenerator:
    from matgym.generative.store import load_generator  # torch, which the baselines above do without

    return load_generator(name)
