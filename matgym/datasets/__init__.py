"""Data sets of labelled tubes: specified, built, stored, read."""

from matgym.datasets.builder import build
from matgym.datasets.dataset import Dataset
from matgym.datasets.sampling import random_decoration
from matgym.datasets.specification import SPECIFICATIONS, DatasetSpec, Family
from matgym.datasets.splits import split_of

__all__ = [
    "SPECIFICATIONS",
    "Dataset",
    "DatasetSpec",
    "Family",
    "build",
    "random_decoration",
    "split_of",
]
