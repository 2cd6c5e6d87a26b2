"""Electrons of tubes: π bands, transmission and conductance."""
