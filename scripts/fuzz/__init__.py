"""Fuzzing of what users give: command lines, files, and arguments of environments; see `scripts.fuzz.__main__`."""
