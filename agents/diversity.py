"""The best designs of a search that differ from each other."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from matgym.errors import ConfigurationError, require_counts
from matgym.tasks import Designs, DesignSpace
from matgym.typing import FloatArray, IntArray

Describe: TypeAlias = Callable[[Designs], FloatArray]
"""A function from (B, width) designs to (B, F) numbers."""


def distances(space: DesignSpace, design: Designs, others: Designs, describe: Describe | None = None) -> FloatArray:
    """Return the distances of one design from others.

    Designs are compared by numbers that are equal for symmetric copies. For doped tubes these numbers are the counts of
    dopants and of pairs of dopants in each orbit, so that half the sum of their differences is the number of pairs that
    differ.

    Args:
        space: the design space.
        design: (1, width) design.
        others: (B, width) designs.
        describe: the numbers by which designs are compared; `DesignSpace.features` by default.

    Returns:
        (B,) sums of the absolute differences of these numbers, divided by 2.
    """
    numbers = np.asarray((describe or space.features)(np.concatenate([design, others])), dtype=np.float64)
    return np.asarray(0.5 * np.abs(numbers[1:] - numbers[:1]).sum(axis=1))


def best(
    designs: Designs,
    rewards: FloatArray,
    count: int,
    space: DesignSpace,
    *,
    distance: float = 0.0,
    describe: Describe | None = None,
) -> IntArray:
    """Return the places of the best designs of which no two are too near to each other.

    The design of the largest reward is taken. Then, again and again, the design of the largest reward among those whose
    distance from all taken designs is larger than `distance`. Earlier designs come first among equal rewards.

    Args:
        designs: (B, width) designs.
        rewards: (B,) rewards.
        count: largest number of designs.
        space: the design space.
        distance: largest distance of designs that count as the same; see `distances`. 0 takes each design once, and
            leaves out its symmetric copies.
        describe: see `distances`.

    Returns:
        (k,) places in `designs`, the best first, with k at most `count`.

    Raises:
        ConfigurationError: if `count` is below 1, `distance` is negative, or the numbers of designs and rewards differ.
    """
    require_counts(count=count)
    if not distance >= 0.0:
        raise ConfigurationError(f"distance={distance} must be 0 or more")
    if len(designs) != len(rewards):
        raise ConfigurationError(f"{len(designs)} designs have {len(rewards)} rewards: give one for each design")
    order = np.argsort(-np.asarray(rewards), kind="stable")
    taken: list[int] = []
    while len(order) and len(taken) < count:
        taken.append(int(order[0]))
        apart = distances(space, designs[order[:1]], designs[order], describe)
        order = order[apart > max(distance, 1e-9)]
    return np.array(taken, dtype=np.int64)
