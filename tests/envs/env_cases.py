"""Environments with arguments that make them quick, for the tests of this folder."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.registration import SPECS, variant_id
from matgym.surrogates import FunctionModel
from matgym.tasks.annealing import AnnealingTask
from matgym.tasks.solved import optima_folder

SAME = 1e-5  # networks of a batch and of one
EASY = "thermoelectric-easy"


def cheap_values(tubes):
    """A number that hangs on which sites hold what, and on the tube."""
    return [0.5 + 0.7 * float(np.sin(tube.species @ np.arange(1.0, tube.n_sites + 1) + 7 * tube.n)) for tube in tubes]


def cheap(identity):
    """The same as a model of the property that an environment designs for."""
    return FunctionModel(cheap_values, next(key for name, key in KEYS.items() if name in identity))


KEYS = {
    "Doping": "gap_ev",
    "Chirality": "gap_ev",
    "Isotopes": "thermal_conductance_nw_k",
    "Thermoelectric": "zt",
}


SMALL = {
    "matgym/NanotubeImprovement-v0": {"steps": 4, "tubes": [(6, 4, 1), (5, 5, 4)]},
    "matgym/CVDGrowth-v0": {"minutes": 5},
    "matgym/CVDRecipe-v0": {"minutes": 5, "experiments": 3},
    "matgym/FilmAnnealing-v0": {"task": AnnealingTask(size=40, steps=4)},
}
TABLES = {"matgym/NanotubeChirality-v0": "chirality", "matgym/NanotubeIsotopes-v0": "isotope-rings"}
IDS = {
    variant_id(spec.id, variant): (SMALL.get(spec.id, {}), TABLES.get(spec.id))
    for spec in SPECS
    for variant in ("", *spec.variants)
    if spec.id != "matgym/Experiments-v0"  # which needs data: tests/envs/test_process_envs.py
}
DESIGNS = [identity for identity in IDS if "Nanotube" in identity]
INSTANCES = {
    "doping": ("matgym/NanotubeDoping-v0", {"instance": "doping"}, None),
    "doping-easy": ("matgym/NanotubeDoping-v0", {"instance": "doping-easy"}, "doping-easy"),
    "isotope-sites": ("matgym/NanotubeIsotopes-v0", {"instance": "isotope-sites"}, "isotope-sites"),
    "isotope-sites, goal": ("matgym/NanotubeIsotopesGoal-v0", {"instance": "isotope-sites"}, "isotope-sites"),
    EASY: ("matgym/NanotubeThermoelectric-v0", {"instance": EASY}, EASY),
    f"{EASY}, goal": ("matgym/NanotubeThermoelectricGoal-v0", {"instance": EASY}, EASY),
    f"{EASY}, multi-objective": ("matgym/MO-NanotubeThermoelectric-v0", {"instance": EASY}, EASY),
    "turned bonds and isotopes": (
        "matgym/NanotubeThermoelectric-v0",
        {"n": 7, "cells": 3, "budget": {"SW": 1, "14C": 2, "vacancy": 1}, "model": cheap("Thermoelectric")},
        None,
    ),
    "rings of one's own": ("matgym/NanotubeIsotopes-v0", {"n": 7, "cells": 2, "model": cheap("Isotopes")}, None),
    "sites of one's own": (
        "matgym/NanotubeIsotopes-v0",
        {"n": 7, "budget": {"13C": 4}, "model": cheap("Isotopes")},
        None,
    ),
}
ALL = {**{identity: (identity, *rest) for identity, rest in IDS.items()}, **INSTANCES}
LONG = {"matgym/NanotubeThermoelectricGoal-v0", "matgym/MO-NanotubeThermoelectric-v0"}
"""Three networks a design; the easy instance runs the same code by its table."""


def some(names):
    """Parameters, those that take long marked so."""
    return [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in names]


def needs(table):
    if table and not (optima_folder() / f"{table}.parquet").is_file():
        pytest.skip(f"the table of {table} was not made yet")


def scalar(identity, **arguments):
    """An environment; vector rewards are what Gymnasium's own passive checker warns of."""
    return gym.make(identity, disable_env_checker="MO-" in identity or None, **arguments)


def case(name):
    identity, arguments, table = ALL[name]
    needs(table)
    return identity, arguments


def same(ours, theirs, atol):
    """Whether observations agree: arrays, or dictionaries of them."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, values in ours.items():
            np.testing.assert_allclose(values, theirs[key], atol=atol)
    else:
        np.testing.assert_allclose(ours, theirs, atol=atol)


def row(observation, i):
    return {key: values[i] for key, values in observation.items()} if isinstance(observation, dict) else observation[i]


def draw(envs, rng, *, allowed=True):
    """Actions for a batch: allowed ones, or any."""
    if not isinstance(envs.single_action_space, gym.spaces.Discrete):
        box = envs.single_action_space
        return rng.uniform(box.low, box.high, (envs.num_envs, *box.shape)).astype(np.float32)
    if not allowed:
        return rng.integers(envs.single_action_space.n, size=envs.num_envs)
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in envs.action_masks()])
