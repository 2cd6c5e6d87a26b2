"""Reward functions of one's own, and what is said of designs that have no value."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from matgym.errors import ConfigurationError, FailureWarning, ModelError
from matgym.surrogates.answers import asked, numbers
from matgym.tasks.ledger import Ledger
from matgym.typing import BoolArray, FloatArray


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


def rewarded(reward: Callable[..., Any], count: int, *arguments: Any) -> FloatArray:
    """Return (B,) rewards in [0, 1] that a reward function gives; NaN where it gives NaN.

    Raises:
        ModelError: if it raises an error, or gives anything else than B numbers from 0 to 1. They are not clipped, which
            would hide what is better.
    """
    name = name_of(reward)
    given = asked(name, f"{count} designs", lambda: reward(*arguments))
    found: FloatArray = numbers(given, count, name)[:, 0]
    outside = found[(found < 0.0) | (found > 1.0)]
    if outside.size:
        raise ModelError(f"{name} gave {outside[0]:g}: rewards must lie from 0 to 1, so scale it or clip it there")
    return found


def tell_failures(ledger: Ledger, name: str, failed: BoolArray, reason: str) -> None:
    """Count designs without a value, and warn of the first by whom.

    Args:
        ledger: that counts them.
        name: of the model or the reward function that has no value for them.
        failed: (B,) whether a design has none.
        reason: of the first of them.
    """
    if name not in ledger.failures:
        warnings.warn(
            f"{name} has no value for {np.count_nonzero(failed)} of {len(failed)} designs: they are rewarded 0, as are "
            f"others later, of which info['failed'] tells; the first reason: {reason}",
            FailureWarning,
            stacklevel=2,
        )
    ledger.failures[name] += int(np.count_nonzero(failed))
