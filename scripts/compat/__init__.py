"""Other libraries that matgym is used with, one script each; `python -m scripts.compat.run` runs them."""
