"""Ballistic transport of electrons and of phonons: slabs between leads, Green's functions, Landauer integrals."""
