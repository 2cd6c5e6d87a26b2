"""A checkout of matgym 0.1 in a temporary folder, and the environment variables to run it."""
# ruff: noqa: S603, S607  # git and tar, on our own repository

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

COMMIT = "e4205b9"
HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@contextmanager
def checkout(commit=COMMIT):
    """Yield a temporary folder with the files of a commit."""
    with tempfile.TemporaryDirectory(prefix=f"matgym-{commit}-") as folder:
        archive = subprocess.run(["git", "-C", ROOT, "archive", commit], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def environment(folder):
    """Return the variables with which Python imports matgym from a folder and uses one thread."""
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return os.environ | one | {"PYTHONPATH": str(folder)}


def check_imports():
    """Exit if Python would import matgym from another folder than this checkout."""
    found = Path(find_spec("matgym").origin).parents[1]
    if found != ROOT:
        sys.exit(f"matgym would be imported from {found}, not from this checkout: set PYTHONPATH={ROOT}")
