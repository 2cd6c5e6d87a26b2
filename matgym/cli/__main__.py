"""`python -m matgym.cli` is `matgym`."""

from matgym.cli import main

main()
