"""Training code that all networks share.

`trainer` is the training loop, which continues after an interruption. `config` reads settings, `store` writes and reads
weights, `metrics` evaluates predictions, and `devices` selects the device. The package does not depend on nanotubes or
furnaces.
"""
