"""Data sets of labelled tubes: specified, built, stored, read; and the most similar crystals of a table."""

from matgym.data.builder import build, random_decoration
from matgym.data.dataset import Dataset
from matgym.data.labels import Labels, read_labels
from matgym.data.matching import are_same
from matgym.data.novelty import Fingerprints, Similar, most_similar
from matgym.data.specification import SPECIFICATIONS, DatasetSpec, Family, read_specification
from matgym.data.table import split_of

__all__ = [
    "SPECIFICATIONS",
    "Dataset",
    "DatasetSpec",
    "Family",
    "Fingerprints",
    "Labels",
    "Similar",
    "are_same",
    "build",
    "most_similar",
    "random_decoration",
    "read_labels",
    "read_specification",
    "split_of",
]
