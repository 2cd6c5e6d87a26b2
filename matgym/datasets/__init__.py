"""Data sets of labelled tubes: specified, built, stored, read."""

from matgym.datasets.builder import build
from matgym.datasets.dataset import Dataset
from matgym.datasets.sampling import random_decoration
from matgym.datasets.specification import DOPING_ORACLE, NANOTUBE_DOPING, DatasetSpec, Family
from matgym.datasets.splits import split_of

__all__ = [
    "DOPING_ORACLE",
    "NANOTUBE_DOPING",
    "Dataset",
    "DatasetSpec",
    "Family",
    "build",
    "random_decoration",
    "split_of",
]
