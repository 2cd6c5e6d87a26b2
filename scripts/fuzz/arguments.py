"""Arguments of environments: `gymnasium.make` of every id with values of wrong types and sizes, then a step.

Values that are right, or nearly so, are drawn as often as the others: what is refused at once hides what comes after.
Gymnasium compares `render_mode` itself, before matgym's code runs, and raises AttributeError for values that are no
text; these are therefore not drawn.
"""

import inspect
from typing import Any, Final

import gymnasium as gym
import numpy as np

from matgym.registration import SPECS, variant_id
from scripts.fuzz.engine import Make
from scripts.fuzz.hostile import VALUES

IDS = [variant_id(spec.id, variant) for spec in SPECS for variant in ("", *spec.variants)]

_DESIGNS: Final = ("doping-easy", "doping-medium", "doping-hard", "isotope-rings", "missing")

NEAR: Final[dict[str, tuple[Any, ...]]] = {
    "n": (0, 1, 5, 6, 8, 10, 20_000, 20_001),
    "m": (0, 5, 8, 20_000),
    "cells": (0, 1, 2, 3, 20_000),
    "budget": ({}, {"B": 1}, {"B": 1, "N": 1}, {"B": 0}, {"B": 40}, {"13C": 8}, {"vacancy": 1}, {"C": 1}, {"B": True}),
    "targets": ((0.4, 0.6), (0.6, 0.4), (0.5, 0.5), (-1.0, 1e308), (0.0, 1e-320)),
    "margin": (0.0, 0.05, 1e-320, 1e308, -0.1),
    "margins": ((0.1, 0.1, 0.1), (0.0, 0.1, 1e308), (0.1, 0.1, -0.1)),
    "direction": ("target", "minimize", "maximize", "Maximize"),
    "values": ((0.0, 2.0), (2.0, 0.0), (1.0, 1.0), (-1e308, 1e308), (0.0, 1e-320)),
    "model": ("oracle", "surrogate", "nanotube-doping", "cvd-growth", "simulator", "best", "gp", "trees", "missing"),
    "dynamics": ("simulator", "film-annealing", "cvd-growth", "missing"),
    "observation": ("statistics", "image", "spectrum", "diffraction", "state", "flat", "honeycomb", "grid", "missing"),
    "reward": (
        lambda *given: np.asarray(given[-1]),
        lambda *_given: 1.0,
        lambda *_given: None,
        lambda *_given: "x",
        lambda *_given: np.full(1, np.nan),
        lambda *_given: np.zeros((3, 7)),
        lambda *_given: {"a": 1},
        lambda: 0.0,
    ),
    "estimate": ("mean", "lcb", "worst", "best"),
    "instance": _DESIGNS,
    "initial_designs": ("random", "gan", "vae", "missing"),
    "removed": (0, 1, 2, 40, -1),
    "variant": ("plain", "goal", "multi-objective", "Goal"),
    "on_forbidden": ("resample", "penalty", "terminate"),
    "minutes": (1, 2, 30, 60, 10_000, 10_001),
    "experiments": (1, 2, 20, 200, 10_000, 10_001),
    "level": ("easy", "medium", "hard"),
    "data": ("bowl", "missing", "missing.csv", "/dev/null"),
    "target": ("y", "yield", "missing"),
    "log": (True, False),
    "render_mode": ("ansi", "rgb_array", "human"),
}
"""By argument; each of these lists holds values that pass, for one environment at least, and values that do not."""

ENVS: Final = (1, 2, 3, 1000, 0, -1, True, 1.5, "2", None, 2**20 + 1, 10**12)
"""Numbers of episodes side by side; the most that are allowed take gigabytes, rightly."""


def names_of(spec) -> list[str]:
    """Names of an environment's arguments, by the signature of its batch of episodes."""
    kind = gym.envs.registration.load_env_creator(spec.entry_point)
    episodes = kind.episodes_class
    return [
        name
        for name, parameter in inspect.signature(episodes).parameters.items()
        if name != "size" and parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    ]


def case_maker(seed: int) -> Make:
    """Return what makes cases."""
    known = {variant_id(spec.id, v): names_of(spec) for spec in SPECS for v in ("", *spec.variants)}

    def make(case: int):
        rng = np.random.default_rng([seed, 3, case])
        name = IDS[int(rng.integers(len(IDS)))]
        there = [*known[name], "render_mode", "misspelt"]
        chosen = rng.choice(there, size=int(rng.integers(1, 5)), replace=False).tolist()
        given = {word: _drawn(word, rng) for word in chosen}
        if not isinstance(given.get("render_mode", ""), str):
            given["render_mode"] = "odd"  # see the module's docstring
        if rng.random() < 0.3:
            given.pop("render_mode", None)
            count = ENVS[int(rng.integers(len(ENVS)))]
            return f"{name} x {count!r} {given!r}", lambda: _tried_batch(name, count, given)
        return f"{name} {given!r}", lambda: _tried(name, given)

    return make


def _drawn(name: str, rng: np.random.Generator) -> Any:
    """Draw a value that may be right, or one that cannot be."""
    near = NEAR.get(name, ())
    values = near if near and rng.random() < 0.7 else VALUES
    return values[int(rng.integers(len(values)))]


def _tried(name, given):
    try:
        env = gym.make(name, **given)
    except gym.error.Error:
        return
    _stepped(env)


def _tried_batch(name, count, given):
    kind = gym.envs.registration.load_env_creator(gym.spec(name).vector_entry_point)
    _stepped(kind(num_envs=count, **{**gym.spec(name).kwargs, **given}))


def _stepped(env):
    env.reset(seed=0)
    env.action_space.seed(0)
    env.step(env.action_space.sample())
    if env.render_mode is not None:
        env.render()
    env.close()
