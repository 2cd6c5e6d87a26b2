"""Generators of initial structures."""

from matgym.generative.nearest import NearestDesigns

__all__ = ["NearestDesigns"]
