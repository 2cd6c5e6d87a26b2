"""Learned proposals inside simulated annealing."""
