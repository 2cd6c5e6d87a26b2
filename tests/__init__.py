"""Tests. This file makes the folder a package, which comes before the folder `tests` that the wheel of optimade installs."""
