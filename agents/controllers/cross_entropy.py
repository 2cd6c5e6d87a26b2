"""The cross-entropy method (Rubinstein, Methodol. Comput. Appl. Probab. 1, 127 (1999)) on [-1, 1]."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.typing import FloatArray

MEMORY: Final = 0.3
"""Share of mean and spread that is kept from one generation to the next."""

LEAST_SPREAD: Final = 1e-3


@dataclass(frozen=True)
class Found(ValueObject):
    """The best point of a search.

    Attributes:
        point: the best point, with the shape of the start.
        value: score of this point.
        evaluations: number of evaluations of the search.
    """

    point: FloatArray
    value: float
    evaluations: int


def cross_entropy(
    score: Callable[[FloatArray], FloatArray],
    start: FloatArray,
    rng: np.random.Generator,
    *,
    spread: float = 0.5,
    population: int = 256,
    elite: int = 32,
    generations: int = 100,
) -> Found:
    """Maximise a score.

    Args:
        score: function from (P, ...) points in [-1, 1] to (P,) scores.
        start: (...) mean of the first generation. It is also a member of this generation.
        rng: the only source of randomness.
        spread: standard deviation of the first generation.
        population: number of points per generation.
        elite: number of best points that give the mean and the spread of the next generation.
        generations: number of generations.

    Returns:
        The best point of all generations.
    """
    mean, deviation = np.array(start, dtype=np.float64), np.full(np.shape(start), spread)
    best, value = mean, -np.inf
    for _ in range(generations):
        points = np.clip(mean + deviation * rng.standard_normal((population, *mean.shape)), -1.0, 1.0)
        points[0] = mean if value == -np.inf else best
        scores = score(points)
        chosen = points[np.argsort(-scores)[:elite]]
        if scores.max() > value:
            best, value = points[int(scores.argmax())].copy(), float(scores.max())
        mean = MEMORY * mean + (1.0 - MEMORY) * chosen.mean(axis=0)
        deviation = MEMORY * deviation + (1.0 - MEMORY) * chosen.std(axis=0) + LEAST_SPREAD
    return Found(best, value, population * generations)
