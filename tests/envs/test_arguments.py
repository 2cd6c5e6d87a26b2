"""No argument of an environment is silently ignored, and messages advise only arguments that exist."""

import re
import subprocess
import sys
import zlib
from inspect import signature
from itertools import combinations

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.envs.design import DesignVectorEnv
from matgym.errors import ConfigurationError, MatgymError
from matgym.models import Predictions
from matgym.physics import PhononTransport, PiElectrons, PristinePhonons, Thermoelectric
from matgym.physics.phonons.ring_isotopes import RingIsotopes
from matgym.structures import tube_lattice
from matgym.surrogates import FunctionModel
from matgym.surrogates.learned import NetworkSurrogate
from matgym.tasks import chirality_task, decoration_task, rings_task
from matgym.tasks.annealing import AnnealingTask
from matgym.tasks.growth import GrowthTask

RANGES = {"gap_ev": (0.3, 1.5), "zt": (0.0, 0.4), "thermal_conductance_nw_k": (2.0, 3.5)}


def pseudo(model, tubes, properties):
    """Numbers that depend on everything that a prediction can depend on: model, property, tube."""
    columns = {}
    for prop in properties:
        low, high = RANGES.get(prop.key, (0.0, 1.0))
        words = [f"{model} {prop} {tube.n} {tube.m} {tube.cells} {tube.strain} {tube.stone_wales}" for tube in tubes]
        hashes = [zlib.crc32(word.encode() + tube.species.tobytes()) for word, tube in zip(words, tubes, strict=True)]
        columns[prop.key] = low + (high - low) * np.array(hashes) / 2**32
    return columns


@pytest.fixture
def quick(monkeypatch):
    """Physics and networks of no cost, so that all pairs of arguments can be played."""
    for oracle in (PiElectrons, PhononTransport, PristinePhonons, Thermoelectric, RingIsotopes):
        name = oracle.__name__
        monkeypatch.setattr(
            oracle, "predict", lambda self, tubes, name=name: Predictions(pseudo(name, tubes, self.properties))
        )

    def by_network(self, tubes):
        columns = pseudo("network", tubes, self.properties)
        return Predictions(columns, sd={key: 0.1 + 0.1 * values for key, values in columns.items()})

    monkeypatch.setattr(NetworkSurrogate, "predict", by_network)


def cheap(key):
    return FunctionModel(lambda tubes: [RANGES[key][0] + 0.001 * float(tube.species.sum()) for tube in tubes], key)


def mine(predictions, targets):  # noqa: ARG001  # the face of a reward function
    first = next(iter(predictions.values.values()))
    return 0.5 + 0.4 * np.sin(50.0 * first)


def grown(outcomes, _other):
    return 0.5 + 0.4 * np.sin(50.0 * next(iter(outcomes.values())) + outcomes["energy_kwh"])


BUDGET = {"B": 2, "N": 3}
TINY = tube_lattice(7, 0, 1)
ZT = "zt"
HEAT = "thermal_conductance_nw_k"
VARIANTS = ("goal", "multi-objective")
ARGUMENTS = {
    "matgym/NanotubeDoping-v0": {
        "n": (10,), "m": (2,), "cells": (2,), "budget": (BUDGET,), "targets": ((0.7, 1.0),), "model": ("oracle",),
        "reward": (mine,), "estimate": ("lcb",), "instance": ("doping-easy",), "initial_designs": ("random",),
        "removed": (2,), "variant": VARIANTS, "on_forbidden": ("terminate",), "margin": (0.3,),
        "reward_type": ("dense",), "observation": ("honeycomb",),
        "direction": ("minimize",), "values": ((0.3, 1.6),), "oracle": ("pi",),
        "task": (decoration_task(lattice=TINY, budget=BUDGET, model=cheap("gap_ev")),),
    },
    "matgym/NanotubeChirality-v0": {
        "model": ("oracle",), "reward": (mine,), "variant": VARIANTS, "on_forbidden": ("terminate",),
        "reward_type": ("dense",),
        "margins": ((0.2, 0.1, 0.4),), "direction": ("maximize", "minimize"), "values": ((0.1, 0.9),),
        "task": (chirality_task(gaps_ev=(0.0, 1.0), model=cheap("gap_ev")),),
    },
    "matgym/NanotubeIsotopes-v0": {
        "instance": ("isotope-sites",), "n": (9,), "cells": (3,), "budget": ({"14C": 5},), "model": (cheap(HEAT),),
        "direction": ("maximize", "target"), "values": ((2.1, 3.3),), "targets": ((2.1, 3.3),), "margin": (0.2,),
        "reward": (mine,), "variant": VARIANTS, "on_forbidden": ("terminate",), "reward_type": ("dense",),
        "observation": ("honeycomb",),
        "task": (rings_task(n=7, rings=4, model=cheap(HEAT)),),
    },
    "matgym/NanotubeThermoelectric-v0": {
        "instance": ("thermoelectric-easy",), "n": (9,), "m": (2,), "cells": (4,), "budget": (BUDGET, {"SW": 1}),
        "model": (cheap(ZT),), "reward": (mine,), "variant": VARIANTS, "on_forbidden": ("terminate",),
        "reward_type": ("dense",), "observation": ("honeycomb",),
        "direction": ("minimize", "target"), "values": ((0.1, 0.3),), "targets": ((0.1, 0.3),), "margin": (0.1,),
        "task": (decoration_task(lattice=TINY, budget=BUDGET, property=ZT, model=cheap(ZT)),),
    },
    "matgym/CVDGrowth-v0": {
        "minutes": (5,), "level": ("easy", "hard"), "model": ("cvd-growth",), "reward": (grown,),
        "reward_type": ("sparse",), "observation": ("spectrum", "state"), "characterizer": ("none.safetensors",),
        "variant": ("multi-objective",),
        "task": (GrowthTask(minutes=4),),
    },
    "matgym/CVDRecipe-v0": {
        "minutes": (5,), "level": ("easy", "hard"), "experiments": (3,), "model": ("cvd-growth",),
        "reward_type": ("sparse",),
        "reward": (grown,),
        "task": (GrowthTask(minutes=4),),
    },
    "matgym/FilmAnnealing-v0": {
        "level": ("easy", "hard"), "observation": ("image", "state"), "dynamics": ("annealing",),
        "variant": VARIANTS, "characterizer": ("none.safetensors",),
        "reward": (grown,),
        "reward_type": ("sparse",),
        "task": (AnnealingTask(size=40, steps=4),),
    },
}  # fmt: skip
"""A value or two that are not the default, of every argument; Experiments needs data: test_process_envs.py."""


NEED_ANOTHER = {
    "matgym/NanotubeDoping-v0": {"removed", "values"},  # initial designs; an extreme
    "matgym/NanotubeChirality-v0": {"values"},
    "matgym/NanotubeIsotopes-v0": {"targets", "margin", "on_forbidden", "observation"},  # that has targets; sites
    "matgym/NanotubeThermoelectric-v0": {"targets", "margin"},
    "matgym/CVDGrowth-v0": {"characterizer"},  # the observation "characterized"
    "matgym/FilmAnnealing-v0": {"characterizer"},
}
"""Arguments that alone have no effect, which is an error."""


def told(found):
    """Whatever an environment gives, as bytes."""
    if isinstance(found, dict):
        return b"".join(key.encode() + told(found[key]) for key in sorted(found))
    array = np.asarray(found)
    if array.dtype == object:
        return b"".join(told(each) for each in array.ravel() if each is not None)
    return str(array.shape).encode() + array.tobytes()


def behaviour(identity, arguments):
    """All that can be seen of an environment, or its error: spaces, then observations, rewards, infos of episodes."""
    try:
        envs = gym.make_vec(identity, num_envs=3, max_episode_steps=100, **arguments)
        seen = [repr((envs.single_observation_space, envs.single_action_space)).encode()]
        observation, info = envs.reset(seed=1)
    except MatgymError as error:
        return error
    seen += [told(observation), told(info)]
    if isinstance(envs, DesignVectorEnv):  # verification is not seen in episodes
        seen += [str(objective.oracle and objective.oracle.level).encode() for objective in envs.task.objectives]
    rng, space = np.random.default_rng(0), envs.action_space
    space.seed(0)
    for _ in range(max(envs.episodes.steps, 5) + 1):
        masks = envs.action_masks() if envs.episodes.masked else np.zeros(0)
        actions = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1) if masks.size else space.sample()
        if masks.size:  # the first episode takes what is forbidden, where something is
            actions[0] = masks[0].argmin()
        seen += [told(each) for each in envs.step(actions)]
    return b"".join(seen)


@pytest.mark.parametrize("identity", ARGUMENTS)
@pytest.mark.usefixtures("quick")
def test_each_of_two_arguments_changes_the_environment_or_is_an_error(identity):
    known = ARGUMENTS[identity]
    names = list(signature(gym.make(identity).unwrapped.episodes_class).parameters)[1:]
    assert known.keys() == set(names), "an argument is missing here"
    given = [(name, value) for name, values in known.items() for value in values]
    plain = behaviour(identity, {})
    alone = [behaviour(identity, {name: value}) for name, value in given]
    errors = [found for found in alone if isinstance(found, MatgymError)]
    for (name, value), found in zip(given, alone, strict=True):
        assert found != plain, f"{name}={value!r} changes nothing"
    failed = [name for (name, _), found in zip(given, alone, strict=True) if isinstance(found, MatgymError)]
    assert set(failed) == NEED_ANOTHER.get(identity, set()), errors
    for (one, first), (other, second) in combinations(zip(given, alone, strict=True), 2):
        if one[0] == other[0]:
            continue
        both = behaviour(identity, dict([one, other]))
        if isinstance(both, MatgymError):
            errors.append(both)
            continue
        assert both != first, f"{other[0]}={other[1]!r} changes nothing beside {one[0]}={one[1]!r}"
        assert both != second, f"{one[0]}={one[1]!r} changes nothing beside {other[0]}={other[1]!r}"
    for error in errors:  # what messages advise exists
        for word in re.findall(r"\b([a-z_]+)=", str(error)):
            assert word in {*names, "max_episode_steps", "render_mode"}, error


def test_pairs_that_0_1_decided_silently_are_decided_aloud():
    env = gym.make("matgym/NanotubeThermoelectric-v0", m=8, model=cheap(ZT))
    assert (env.unwrapped.task.space.lattice.n, env.unwrapped.task.space.lattice.m) == (11, 8)  # in 0.1: (8, 0)
    for identity, instance in [
        ("matgym/NanotubeDoping-v0", "doping"),
        ("matgym/NanotubeIsotopes-v0", "isotope-sites"),
        ("matgym/NanotubeThermoelectric-v0", "thermoelectric-easy"),
    ]:
        with pytest.raises(ConfigurationError, match=f"n has no effect with instance='{instance}'"):
            gym.make(identity, instance=instance, n=9)


def test_unknown_arguments_suggest_what_was_meant():
    with pytest.raises(ConfigurationError, match="got an unexpected keyword argument 'modle'; did you mean model"):
        gym.make("matgym/NanotubeDoping-v0", modle="oracle")


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_a_budget_that_exceeds_the_time_limit_is_refused_with_the_fix(make):
    """In 0.1 the scalar environment could never finish."""
    identity, budget = "matgym/NanotubeDoping-v0", {"B": 20, "N": 20}
    with pytest.raises(
        ConfigurationError, match=r"takes 40 steps at least.*max_episode_steps=32.*give max_episode_steps=80"
    ):
        make(identity, budget=budget)
    env = make(identity, budget=budget, max_episode_steps=80)
    env.reset(seed=0)
    rng, done, steps = np.random.default_rng(0), False, 0
    while not done:
        masks = np.atleast_2d(env.unwrapped.action_masks())
        action = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        _, _, terminated, truncated, _ = env.step(action if make is gym.make_vec else action[0])
        done, steps = bool(np.any(terminated)), steps + 1
        assert not np.any(truncated)
    assert steps == 40


TABLES = [
    ("matgym/NanotubeChirality-v0", {}),
    ("matgym/NanotubeIsotopes-v0", {}),
    ("matgym/MO-NanotubeIsotopes-v0", {}),
    ("matgym/NanotubeDoping-v0", {"instance": "doping-easy"}),
    (
        "matgym/NanotubeDoping-v0",
        {"n": 11, "cells": 1, "budget": {"B": 2, "N": 2}, "model": "solved:doping-easy", "initial_designs": "nearest"},
    ),
    ("matgym/NanotubeThermoelectric-v0", {"instance": "thermoelectric-easy"}),
]


def test_environments_that_look_up_tables_import_no_torch():
    """In 0.1 `gymnasium.make` of a table took 2.3 seconds more."""
    code = f"""
import sys, gymnasium, matgym
for identity, arguments in {TABLES!r}:
    env = gymnasium.make(identity, disable_env_checker=True, **arguments).unwrapped
    envs = gymnasium.make_vec(identity, num_envs=2, **arguments)
    envs.reset(seed=0)
    for _ in range(16):
        envs.step(envs.action_masks().argmax(axis=1))
print([name for name in ("torch", "stable_baselines3", "sklearn", "onnxruntime") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
