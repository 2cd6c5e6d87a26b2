"""Electrons of a tube: π bands and what flows through them."""
