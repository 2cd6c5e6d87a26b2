"""Tables of experiments, and emulators of them."""
