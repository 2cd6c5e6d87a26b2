"""Generators of initial structures."""

from matgym.generative.nearest import NearestSeeder

__all__ = ["NearestSeeder"]
