"""Environments: spaces, reset and step, and nothing else."""

from matgym.envs.doping import NanotubeDopingEnv, NanotubeDopingVectorEnv

__all__ = ["NanotubeDopingEnv", "NanotubeDopingVectorEnv"]
