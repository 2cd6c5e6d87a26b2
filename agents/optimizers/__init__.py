"""Optimizers with the interface `ask` and `tell`."""
