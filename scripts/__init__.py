"""Scripts of the repository; a package so that `python -m scripts.studies...` finds this one and no other."""
