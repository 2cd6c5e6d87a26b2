"""Generators of initial designs."""

from matgym.generative.nearest import NearestDesigns

__all__ = ["NearestDesigns"]
