"""Splits by structure, up to symmetry.

A tube's split follows from the hash of its canonical form alone, so that no rotated or mirrored copy of a
test structure can stand in the training set, whoever built it and whenever.
"""

from typing import Final, Literal, TypeAlias

Split: TypeAlias = Literal["train", "validation", "test", "larger"]

SPLITS: Final = ("train", "validation", "test", "larger")
TEST_SHARE: Final = 0.10
VALIDATION_SHARE: Final = 0.08


def split_of(key: str) -> Split:
    """The split of the structure with this `Nanotube.key`.

    "larger" is never answered: it is for tubes of sizes that training does not see, which a data set's
    specification names.
    """
    position = int(key[:13], 16) / 16.0**13
    if position < TEST_SHARE:
        return "test"
    return "validation" if position < TEST_SHARE + VALIDATION_SHARE else "train"
