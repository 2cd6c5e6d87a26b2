"""Actions of environments: extreme ones, and ones of wrong types, shapes and numbers, for one episode and for batches.

Options and seeds of `reset` are drawn as well. After every step that is taken, observations are in their space and
rewards are finite.
"""

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from scripts.fuzz.arguments import IDS
from scripts.fuzz.engine import EXPECTED, Make, TooLong
from scripts.fuzz.hostile import VALUES, pick

STEPS: Final = 6

_made: dict[tuple[str, int], Any] = {}
"""Environments of this child, by id and number of episodes; 0 is a scalar one."""


class WrongError(Exception):
    """An environment that broke its word."""


def case_maker(seed: int) -> Make:
    """Return what makes cases."""

    def make(case: int):
        rng = np.random.default_rng([seed, 4, case])
        name, count = pick(rng, IDS), pick(rng, (0, 0, 1, 3))
        return f"{name} x {count}", lambda: _played(name, count, rng)

    return make


def _played(name: str, count: int, rng: np.random.Generator) -> None:
    if (name, count) not in _made:
        _made[name, count] = gym.make_vec(name, num_envs=count) if count else gym.make(name, disable_env_checker=True)
    env = _made[name, count]
    one = env.single_action_space if count else env.action_space
    _reset(env, rng)
    told = []
    for _ in range(STEPS):
        action, kind = _drawn(one, count, rng)
        told.append(kind)
        try:
            observation, reward, terminated, truncated, _ = env.step(action)
        except (*EXPECTED, gym.error.Error):
            continue
        except TooLong:
            raise
        except Exception as error:
            error.add_note(f"action {kind}: {action!r}"[:200])
            raise
        if not np.isfinite(reward).all() or np.shape(np.asarray(terminated)) != ((count,) if count else ()):
            raise WrongError(f"reward {reward!r}, terminated {terminated!r} after {told}")
        _check(env, observation, f"{told}")
        if not count and (terminated or truncated):
            env.reset()


def _reset(env: Any, rng: np.random.Generator) -> None:
    """Reset with odd options and seeds, then with none."""
    if rng.random() < 0.5:
        seed = pick(rng, (None, 0, 7, -1, 2**70, "a", 1.5, [1, 2], [1, 2, 3], (1, None, 2), True, np.int64(3)))
        names = [*env.unwrapped.episodes.options, "reset_mask", "misspelt"]
        options = pick(
            rng,
            (
                None, {}, [], "a", 5, {pick(rng, names): pick(rng, VALUES)}, {pick(rng, names): pick(rng, VALUES)},
                {name: pick(rng, VALUES) for name in names[:2]},
                {pick(rng, names): np.full(3, pick(rng, (0.5, np.nan, 1e308)))},
                {pick(rng, names): np.full((3, 2), 0.5)},
                {"reset_mask": np.zeros(3, bool)}, {"reset_mask": np.ones(1, bool)}, {1: 2},
            ),
        )  # fmt: skip
        try:
            observation, _ = env.reset(seed=seed, options=options)
        except (*EXPECTED, gym.error.Error):
            pass
        except TooLong:
            raise
        except Exception as error:
            error.add_note(f"reset(seed={seed!r}, options={options!r})"[:200])
            raise
        else:
            _check(env, observation, f"reset(seed={seed!r}, options={options!r})"[:200])
    env.reset(seed=int(rng.integers(100)))


def _check(env: Any, observation: Any, told: str) -> None:
    if not env.observation_space.contains(observation):
        raise WrongError(f"an observation is outside its space after {told}")


def _drawn(space: spaces.Space[Any], count: int, rng: np.random.Generator) -> tuple[Any, str]:
    """Draw a batch of actions, or one."""
    kind = pick(rng, ("valid", "valid", "extreme", "outside", "number", "shape", "type", "object"))
    batch = (count,) if count else ()
    if kind == "object":
        return pick(rng, VALUES), kind
    shape = (*batch, *(space.shape or ()))
    if isinstance(space, spaces.Discrete):
        good = rng.integers(space.n, size=shape)
        odd = {
            "extreme": np.full(shape, pick(rng, (0, space.n - 1))),
            "outside": np.full(shape, pick(rng, (-1, space.n, 2**62))),
            "number": np.full(shape, pick(rng, (np.nan, 0.5, 1e308, -0.0))),
            "type": pick(rng, (good.astype(str), good == 0, good.astype(object), good.astype("M8[s]"))),
        }
    else:
        good = rng.uniform(-1.0, 1.0, size=shape).astype(np.float32)
        mixed = good.astype(np.float64)
        if mixed.size:
            mixed.reshape(-1)[int(rng.integers(mixed.size))] = pick(rng, (np.nan, np.inf, -np.inf, 1.0 + 1e-7, 1e308))
        odd = {
            "extreme": rng.choice([-1.0, 1.0, 0.0, -0.0, 1e-45], size=shape),
            "outside": np.full(shape, pick(rng, (-1.1, 2.0, 1e308))),
            "number": mixed,
            "type": pick(rng, (good.astype(str), good.astype(object), good.astype(complex), good > 0, good.tolist())),
        }
    if kind == "shape":
        return pick(rng, (good[None], good.reshape(-1)[:-1], good[..., None], np.zeros(0), np.zeros((2, 2, 2)))), kind
    return (good if kind == "valid" else odd[kind]), kind
