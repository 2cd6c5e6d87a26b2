"""Scripts of the repository. They form a package so that `python -m scripts.studies...` runs these and no others."""
