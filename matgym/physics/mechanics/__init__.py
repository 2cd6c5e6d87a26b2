"""Mechanics of tubes: potentials, relaxation, elasticity, strength and formation energy."""
