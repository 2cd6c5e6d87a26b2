"""Seeders by name; see `matgym.tasks.SEEDERS`."""

from functools import lru_cache

from matgym.data import Dataset
from matgym.generative.nearest import NearestSeeder
from matgym.tasks import Seeder

DATA = "nanotube-doping"


@lru_cache(maxsize=1)
def nearest() -> NearestSeeder:
    """The training structures with the nearest gap."""
    return NearestSeeder(Dataset.load(DATA))


@lru_cache(maxsize=1)
def swap() -> NearestSeeder:
    """The same with one swap."""
    return NearestSeeder(Dataset.load(DATA), swaps=1)


@lru_cache(maxsize=1)
def gan() -> Seeder:
    """The shipped generative adversarial network."""
    return _stored("gan")


@lru_cache(maxsize=1)
def vae() -> Seeder:
    """The shipped variational autoencoder."""
    return _stored("vae")


@lru_cache(maxsize=1)
def diffusion() -> Seeder:
    """The shipped masked diffusion."""
    return _stored("diffusion")


def _stored(name: str) -> Seeder:
    from matgym.generative.store import load_generator  # torch, which the baselines above do without

    return load_generator(name)
