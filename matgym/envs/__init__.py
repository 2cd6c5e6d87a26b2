"""Environments: spaces, reset and step, and nothing else."""
