"""Places in maps and images: peaks, matching with true places, precision, recall and F1."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from matgym.characterization.alignment import vertex
from matgym.frozen import ValueObject
from matgym.typing import BoolArray, FloatArray, IntArray

TOLERANCE_NM: Final = 0.2
"""Largest distance of a found defect from a true one that it matches: between a bond and the width of a hexagon."""


@dataclass(frozen=True, eq=False)
class Places(ValueObject):
    """Places in several images.

    Attributes:
        image: (P,) number of the image of each place.
        places: (P, 2) rows and columns, pixels.
        kinds: (P,) numbers of their kinds.
        scores: (P,) scores or probabilities, larger for more certain places.
    """

    image: IntArray
    places: FloatArray
    kinds: IntArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.image)

    @classmethod
    def of_labels(cls, labels: FloatArray) -> Self:
        """Return the true places of (B, D, 3) rows, columns and kinds, with NaN for none."""
        image, number = np.nonzero(np.isfinite(labels[..., 0]))
        found = labels[image, number]
        return cls(image, found[:, :2], found[:, 2].astype(np.int64), np.ones(len(image)))

    def take(self, rows: IntArray | BoolArray) -> Self:
        """Return some of the places."""
        return type(self)(self.image[rows], self.places[rows], self.kinds[rows], self.scores[rows])


def peaks(maps: FloatArray, lowest: float, radius: int) -> Places:
    """Return the local maxima of (B, K, H, W) maps of K kinds, each of the kind that is highest there.

    Args:
        maps: the maps.
        lowest: score below which there is no peak.
        radius: half the width of the square, in points, whose largest value a peak is.

    Returns:
        Peaks with places between points, by parabolas along rows and columns; those on the edge are left out.
    """
    from scipy.ndimage import maximum_filter

    highest = maps.max(axis=1)
    around = maximum_filter(highest, (1, 2 * radius + 1, 2 * radius + 1), mode="nearest")
    inner = np.zeros(highest.shape, dtype=bool)
    inner[:, 1:-1, 1:-1] = True
    image, row, column = np.nonzero((highest == around) & (highest >= lowest) & inner)
    kinds = maps[image, :, row, column].argmax(axis=1)
    at = maps[image, kinds, row, column]
    down, across = (
        vertex(maps[image, kinds, row - y, column - x], at, maps[image, kinds, row + y, column + x])
        for y, x in ((1, 0), (0, 1))
    )
    return Places(image, np.stack([row + down, column + across], axis=1), kinds, at)


def matched(found: FloatArray, true: FloatArray, tolerance: float) -> tuple[IntArray, IntArray]:
    """Return the numbers of found and of true places that match one to one.

    As many places as possible are matched, at the smallest sum of distances (`scipy.optimize.linear_sum_assignment`).

    Args:
        found: (P, 2) places.
        true: (T, 2) places.
        tolerance: largest distance of a match.
    """
    from scipy.optimize import linear_sum_assignment

    distances = np.linalg.norm(found[:, None] - true, axis=2)
    # A pair that is too far apart costs more than all matches together.
    far = tolerance * (1.0 + min(distances.shape, default=0))
    rows, columns = linear_sum_assignment(np.where(distances <= tolerance, distances, far))
    near = distances[rows, columns] <= tolerance
    return rows[near], columns[near]


def right(found: Places, true: Places, tolerance: float, *, by_kind: bool = True) -> BoolArray:
    """Return which (P,) found places match a true one of the same image and, unless told otherwise, the same kind."""
    correct = np.zeros(len(found), dtype=bool)
    groups = [np.stack([each.image, each.kinds * by_kind], axis=1) for each in (found, true)]
    for group in np.unique(groups[0], axis=0):
        own, other = (np.flatnonzero((each == group).all(axis=1)) for each in groups)
        correct[own[matched(found.places[own], true.places[other], tolerance)[0]]] = True
    return correct


@dataclass(frozen=True)
class Score:
    """Counts of a search, and the measures that follow from them.

    Attributes:
        right: number of found places that match a true one.
        found: number of found places.
        true: number of true places.
    """

    right: int
    found: int
    true: int

    @property
    def precision(self) -> float:
        """The share of found places that are right; 1 if nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of true places that were found; 1 if there are none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 1 if there is nothing to find and nothing was found."""
        return 2.0 * self.right / (self.found + self.true) if self.found + self.true else 1.0


def scores(found: Places, true: Places, tolerance: float, kinds: tuple[str, ...]) -> dict[str, Score]:
    """Return scores by kind, of all kinds together, and of places whatever their kind.

    Args:
        found: places that a search found.
        true: true places.
        tolerance: largest distance of a match.
        kinds: names of the kinds.

    Returns:
        Scores by the name of the kind, "pooled", and "any kind".
    """
    correct = right(found, true, tolerance)
    by_kind = {
        name: Score(int(correct[found.kinds == kind].sum()), int((found.kinds == kind).sum()),
                    int((true.kinds == kind).sum()))
        for kind, name in enumerate(kinds)
    }  # fmt: skip
    anywhere = int(right(found, true, tolerance, by_kind=False).sum())
    return by_kind | {
        "pooled": Score(int(correct.sum()), len(found), len(true)),
        "any kind": Score(anywhere, len(found), len(true)),
    }


def best_threshold(certainty: FloatArray, correct: BoolArray, true: int) -> float:
    """Return the certainty from which on found places have the largest F1.

    Args:
        certainty: (P,) scores or probabilities of found places.
        correct: (P,) whether each is right.
        true: number of true places.

    Returns:
        The threshold; infinity if no place is right.
    """
    order = np.argsort(-certainty, kind="stable")
    hits = np.cumsum(correct[order])
    if not len(hits) or not hits[-1]:
        return float("inf")
    f1 = 2.0 * hits / (np.arange(1, len(hits) + 1) + true)
    return float(certainty[order[f1.argmax()]])
