"""Tubes to and from other programs: files, ASE, pymatgen."""
