"""Tests. As a package this folder comes before the folder `tests` that the wheel of optimade installs."""
