"""Users' reward functions, and warnings of designs without a value."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError, FailureWarning, ModelError
from matgym.surrogates.answers import asked, counted, numbers
from matgym.tasks.ledger import Ledger
from matgym.typing import BoolArray, FloatArray, IntArray


def check_reward(reward: Callable[..., Any] | None) -> None:
    """Raise an error if a reward function is not callable.

    Raises:
        ConfigurationError: if it is not callable.
    """
    if reward is not None and not callable(reward):
        raise ConfigurationError(
            f"reward={reward!r} must be a function that returns rewards in [0, 1]; give a model as model="
        )


def name_of(reward: Callable[..., Any]) -> str:
    """Return the name of a reward function for messages."""
    return f"the reward function {getattr(reward, '__name__', type(reward).__name__)}"


def rewarded(reward: Callable[..., Any], count: int, *arguments: Any, what: str = "designs") -> FloatArray:
    """Return the (B,) rewards in [0, 1] that a reward function returns; NaN where it returns NaN.

    Args:
        reward: the reward function.
        count: batch size B.
        arguments: arguments of the reward function.
        what: plural noun for the rewarded objects, for messages.

    Raises:
        ModelError: if the function raises an error, or returns anything else than B numbers from 0 to 1. Rewards are
            not clipped, because clipping would make different designs equal for an agent.
    """
    name = name_of(reward)
    result = asked(name, counted(count, what), lambda: reward(*arguments))
    rewards: FloatArray = numbers(result, count, name, what=what)[:, 0]
    outside = rewards[(rewards < 0.0) | (rewards > 1.0)]
    if outside.size:
        raise ModelError(f"{name} gave {outside[0]:g}: rewards must lie from 0 to 1, so scale it or clip it there")
    return rewards


def tell_failures(ledger: Ledger, name: str, failed: BoolArray, reason: str, what: str = "designs") -> None:
    """Count designs without a value, and warn once for each model or reward function.

    Args:
        ledger: ledger that counts the failures.
        name: name of the model or the reward function that failed.
        failed: (B,) whether there is no value.
        reason: reason of the first failure.
        what: plural noun for the failed objects, for the message.
    """
    if name not in ledger.failures:
        warnings.warn(
            f"{name} has no value for {np.count_nonzero(failed)} of {len(failed)} {what}: they are rewarded 0, as are "
            f"later ones, which info['failed'] marks; the first reason: {reason}",
            FailureWarning,
            stacklevel=2,
        )
    ledger.failures[name] += int(np.count_nonzero(failed))


class Gains:
    """Step rewards from a reward function of whole episodes: the increase of its value, so that they sum to the last.

    Attributes:
        worth: (B,) present values of episodes, from 0 to 1; 0 at the start.
        failed: (B,) whether the function had no value at the last step, which then has reward 0.
    """

    def __init__(self, size: int, reward: Callable[..., Any], ledger: Ledger) -> None:
        """Prepare for `size` episodes; the ledger counts failures."""
        self.worth, self.failed = np.zeros(size), np.zeros(size, dtype=bool)
        self._reward, self._ledger = reward, ledger

    def restart(self, rows: IntArray) -> None:
        """Set the values of rows to those at the start of an episode."""
        self.worth[rows], self.failed[rows] = 0.0, False

    def step(self, rows: IntArray | slice, *arguments: Any) -> FloatArray:
        """Return the (k,) increases of the values of rows since the last step, within [-1, 1]."""
        before = np.array(self.worth[rows])  # a copy: of a slice, it would be a view
        worth = rewarded(self._reward, len(before), *arguments, what="runs")
        lost = np.isnan(worth)
        if lost.any():
            tell_failures(self._ledger, name_of(self._reward), lost, "it gave NaN", "runs")
            worth = np.where(lost, before, worth)
        self.worth[rows], self.failed[rows] = worth, lost
        return worth - before
