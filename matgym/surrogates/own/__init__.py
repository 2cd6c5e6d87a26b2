"""Surrogates of a property of the user's own, learned from a few hundred labels on top of the shipped surrogates."""
