"""Reward functions of one's own, and what is said of designs that have no value."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError, FailureWarning, ModelError
from matgym.surrogates.answers import asked, numbers
from matgym.tasks.ledger import Ledger
from matgym.typing import BoolArray, FloatArray, IntArray


def check_reward(reward: Callable[..., Any] | None) -> None:
    """Raise an error for what can be no reward function.

    Raises:
        ConfigurationError: if it cannot be called.
    """
    if reward is not None and not callable(reward):
        raise ConfigurationError(f"reward={reward!r} must be a function to rewards in [0, 1]; give a model as model=")


def name_of(reward: Callable[..., Any]) -> str:
    """Return what messages call a reward function."""
    return f"the reward function {getattr(reward, '__name__', type(reward).__name__)}"


def rewarded(reward: Callable[..., Any], count: int, *arguments: Any, what: str = "designs") -> FloatArray:
    """Return (B,) rewards in [0, 1] that a reward function gives; NaN where it gives NaN.

    Args:
        reward: the function.
        count: B.
        arguments: that it is called with.
        what: it rewards, for messages.

    Raises:
        ModelError: if it raises an error, or gives anything else than B numbers from 0 to 1. They are not clipped,
            which would hide from an agent what is better.
    """
    name = name_of(reward)
    given = asked(name, f"{count} {what}", lambda: reward(*arguments))
    found: FloatArray = numbers(given, count, name)[:, 0]
    outside = found[(found < 0.0) | (found > 1.0)]
    if outside.size:
        raise ModelError(f"{name} gave {outside[0]:g}: rewards must lie from 0 to 1, so scale it or clip it there")
    return found


def tell_failures(ledger: Ledger, name: str, failed: BoolArray, reason: str, what: str = "designs") -> None:
    """Count what has no value, and warn of the first by whom.

    Args:
        ledger: that counts them.
        name: of the model or the reward function that has no value for them.
        failed: (B,) whether there is none.
        reason: of the first of them.
        what: they are, for the message.
    """
    if name not in ledger.failures:
        warnings.warn(
            f"{name} has no value for {np.count_nonzero(failed)} of {len(failed)} {what}: they are rewarded 0, as are "
            f"others later, of which info['failed'] tells; the first reason: {reason}",
            FailureWarning,
            stacklevel=2,
        )
    ledger.failures[name] += int(np.count_nonzero(failed))


class Gains:
    """What each step adds to what a reward function finds an episode worth, so that rewards sum to its last word.

    Attributes:
        worth: (B,) what episodes are worth as they stand, from 0 to 1; 0 when they begin.
        failed: (B,) whether the function had no value at the last step, which is rewarded 0 then.
    """

    def __init__(self, size: int, reward: Callable[..., Any], ledger: Ledger) -> None:
        """Prepare for `size` episodes; what fails is counted in the ledger."""
        self.worth, self.failed = np.zeros(size), np.zeros(size, dtype=bool)
        self._reward, self._ledger = reward, ledger

    def restart(self, rows: IntArray) -> None:
        """Begin new episodes."""
        self.worth[rows], self.failed[rows] = 0.0, False

    def step(self, rows: IntArray | slice, *arguments: Any) -> FloatArray:
        """Return (k,) by how much rows are worth more than at the last step, within [-1, 1]."""
        before = np.array(self.worth[rows])  # a copy: of a slice, it would be a view
        worth = rewarded(self._reward, len(before), *arguments, what="runs")
        lost = np.isnan(worth)
        if lost.any():
            tell_failures(self._ledger, name_of(self._reward), lost, "it gave NaN", "runs")
            worth = np.where(lost, before, worth)
        self.worth[rows], self.failed[rows] = worth, lost
        return worth - before
