"""Kills, full disks, damaged files and second writers for the long jobs of the command line; see `__main__`."""
