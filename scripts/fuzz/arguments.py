"""Arguments of environments: `gymnasium.make` of every id with values of wrong types and sizes, then a step."""

import inspect

import gymnasium as gym
import numpy as np

from matgym.registration import SPECS, variant_id
from scripts.fuzz.engine import Make
from scripts.fuzz.hostile import VALUES

IDS = [variant_id(spec.id, variant) for spec in SPECS for variant in ("", *spec.variants)]


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
        chosen = rng.choice(there, size=int(rng.integers(1, 3)), replace=False).tolist()
        given = {word: VALUES[int(rng.integers(len(VALUES)))] for word in chosen}
        if not isinstance(given.get("render_mode", ""), str):
            given["render_mode"] = "odd"  # Gymnasium itself asks for its suffix, and raises AttributeError
        return f"{name} {given!r}", lambda: _tried(name, given)

    return make


def _tried(name, given):
    try:
        env = gym.make(name, **given)
    except gym.error.Error:
        return
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
