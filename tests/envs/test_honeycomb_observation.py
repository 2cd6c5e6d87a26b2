"""Observations on the honeycomb: the graph of the tube, for tubes of any lattices in one batch."""

import gymnasium as gym
import numpy as np
import pytest

import matgym  # noqa: F401  # registers the environments
from matgym.envs.honeycomb_observation import DIRECTIONS, GEOMETRY, HELD, honeycomb_space, observe_honeycomb
from matgym.errors import ConfigurationError
from matgym.structures import Nanotube, Species, TubeBatch, tube_lattice
from matgym.surrogates.honeycomb.graph import bond_directions, honeycombs

TUBES = [Nanotube(6, 4, 1), Nanotube(8, 0, 2)]


def observed(tubes, size, **more):
    count = len(tubes)
    return observe_honeycomb(TubeBatch.of(tubes), np.ones((count, 2, size), dtype=bool), np.zeros((count, 3)), **more)


def test_tubes_of_two_lattices_are_padded_in_one_batch():
    rng = np.random.default_rng(0)
    size = max(tube.n_sites for tube in TUBES) + 5
    tubes = [Nanotube(t.n, t.m, t.cells, rng.choice([0, 3, 4], t.n_sites).astype(np.uint8)) for t in TUBES]
    seen = observed(tubes, size)
    space = honeycomb_space(size, 2, 3)
    for row, tube in enumerate(tubes):
        each = {name: values[row] for name, values in seen.items()}
        assert space.contains(each)
        real = tube.n_sites
        np.testing.assert_array_equal(each["sites"][:real, :HELD].argmax(axis=1), tube.species)
        assert (each["sites"][:real, :HELD].sum(axis=1) == 1).all()
        assert not each["sites"][real:].any()
        np.testing.assert_array_equal(each["neighbours"][:real], tube.lattice.neighbours)
        assert (each["neighbours"][real:] == size).all()
        np.testing.assert_array_equal(each["context"][:DIRECTIONS].reshape(3, 2), bond_directions(tube.lattice))
    np.testing.assert_array_equal(seen["context"][:, DIRECTIONS:GEOMETRY], honeycombs(TubeBatch.of(tubes)).tubes)


def test_a_row_without_a_tube_is_padding():
    size = TUBES[0].n_sites
    allowed, more = np.ones((3, 1, size), dtype=bool), np.arange(3.0)[:, None]
    seen = observe_honeycomb(TubeBatch.of(TUBES[:1]), allowed, more, rows=np.array([1]))
    assert [bool(rows.any()) for rows in seen["sites"]] == [False, True, False]
    assert (seen["neighbours"][[0, 2]] == size).all()
    np.testing.assert_array_equal(seen["context"][:, GEOMETRY:], more)


def test_bonds_across_an_open_end_are_left_out():
    lattice = tube_lattice(5, 2, 1)
    size = lattice.n_sites
    seen = observed([Nanotube(5, 2, 1)], size, open_ends=True)["neighbours"][0]
    cut = {(int(a), int(b)) for a, b, image in lattice.bonds if image}
    assert cut
    for site, near in enumerate(lattice.neighbours):
        for other, found in zip(near, seen[site], strict=True):
            pair = (site, int(other)) if site < lattice.n_cells else (int(other), site)
            assert found == (size if pair in cut else other)


def test_an_episode_shows_what_the_design_holds_and_what_may_be_placed():
    envs = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=3, observation="honeycomb", n=8, cells=2)
    flat = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=3, n=8, cells=2)
    seen, info = envs.reset(seed=4)
    plain, _ = flat.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert envs.observation_space.contains(seen)
        np.testing.assert_array_equal(seen["sites"][:, :, :HELD].argmax(axis=2), info["design"])
        kinds = seen["sites"][:, :, HELD:].transpose(0, 2, 1).reshape(3, -1)
        np.testing.assert_array_equal(kinds, info["action_mask"])
        np.testing.assert_array_equal(seen["sites"][:, :, [Species.B, Species.N]].mT.reshape(3, -1), plain[:, :-3])
        np.testing.assert_array_equal(seen["context"][:, [-4, -3, -1]], plain[:, -3:])
        actions = np.where(info["action_mask"], rng.random(info["action_mask"].shape), -1.0).argmax(axis=1)
        seen, reward, *_, info = envs.step(actions)
        plain, same, *_ = flat.step(actions)
        np.testing.assert_array_equal(reward, same)


def test_a_scalar_environment_shows_the_same_as_a_batch():
    arguments = {"n": 8, "cells": 2, "observation": "honeycomb"}
    env = gym.make("matgym/NanotubeDoping-v0", **arguments)
    batch, _ = gym.make_vec("matgym/NanotubeDoping-v0", num_envs=2, **arguments).reset(seed=7)
    alone, _ = env.reset(seed=7)
    assert env.observation_space.contains(alone)
    for name, values in alone.items():
        np.testing.assert_array_equal(values, batch[name][0])


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ("matgym/NanotubeIsotopes-v0", {}, "needs atoms that are placed on sites"),
        ("matgym/NanotubeThermoelectric-v0", {"instance": "thermoelectric-easy"}, "without turned bonds"),
        ("matgym/NanotubeDopingGoal-v0", {}, "has no effect in the goal variant"),
        ("matgym/NanotubeDoping-v0", {"observation": "picture"}, "observation='picture'"),
    ],
)
def test_environments_without_sites_or_with_other_forms_raise(environment, arguments, said):
    with pytest.raises(ConfigurationError, match=said):
        gym.make_vec(environment, num_envs=2, **{"observation": "honeycomb"} | arguments)


def test_what_does_not_fit_raises():
    with pytest.raises(ConfigurationError, match="does not fit observations of 10"):
        observed(TUBES[:1], 10)
    turned = Nanotube(8, 0, 2, stone_wales=((1, int(tube_lattice(8, 0, 2).neighbours[1][0])),))
    with pytest.raises(ConfigurationError, match="no turned bonds"):
        observed([turned], turned.n_sites)


@pytest.mark.filterwarnings("ignore")
def test_the_environment_passes_the_checks_of_gymnasium_and_stable_baselines3():
    from gymnasium.utils.env_checker import check_env
    from stable_baselines3.common.env_checker import check_env as check_for_sb3

    env = gym.make("matgym/NanotubeIsotopes-v0", instance="isotope-sites", observation="honeycomb")
    check_env(env.unwrapped, skip_render_check=True)
    check_for_sb3(env)
