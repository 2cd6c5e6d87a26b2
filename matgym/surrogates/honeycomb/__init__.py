"""Surrogates of tubes of any chirality, length, strain and decoration: a network on the honeycomb itself."""
