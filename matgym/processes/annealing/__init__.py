"""Films of crystallites under heat."""
