"""Every registered environment and its variants: scalar and batched are one."""

import re
import warnings
from functools import partial
from inspect import getdoc
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from env_cases import (
    ALL,
    DESIGNS,
    EASY,
    INSTANCES,
    KEYS,
    SAME,
    TABLES,
    case,
    cheap,
    cheap_values,
    draw,
    needs,
    row,
    same,
    scalar,
    some,
)
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.envs.design import PENALTY, DesignEnv, DesignVectorEnv
from matgym.errors import ConfigurationError
from matgym.models import Property
from matgym.registration import SPECS
from matgym.structures import tube_lattice
from matgym.surrogates import FunctionModel
from matgym.tasks import Constraint, decoration_task
from matgym.tasks.furnace_design import furnace_task
from matgym.testing import check_env, check_vector_env


@pytest.mark.parametrize("name", some(ALL))
def test_every_environment_passes_the_checks_without_a_warning(name):
    identity, arguments = case(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(scalar(identity, **arguments))


def same_info(one, other, rows):
    """Whether what is told of some rows agrees: the same names, the same values."""
    assert {key for key in one if not key.startswith("_")} == {key for key in other if not key.startswith("_")}
    for key, values in one.items():
        if isinstance(values, dict):
            same_info(values, other[key], rows)
        elif not key.startswith("_"):
            for i in rows:
                np.testing.assert_allclose(values[i], other[key][i], atol=SAME, rtol=SAME)


@pytest.mark.parametrize("name", some(ALL))
def test_vector_and_sync_environments_give_the_same_trajectories(name):
    identity, arguments = case(name)
    native = gym.make_vec(identity, num_envs=3, **arguments)
    sync = SyncVectorEnv([partial(scalar, identity, **arguments)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    if "MO-" in identity:
        assert native.reward_space == sync.envs[0].unwrapped.reward_space
        sync._rewards = np.zeros((3, native.reward_dim))  # as MOSyncVectorEnv does, which knows NEXT_STEP alone
    first, second = native.reset(seed=5), sync.reset(seed=5)
    same(first[0], second[0], SAME if "Improvement" in name else 0.0)  # the effects of all changes are predicted
    same_info(first[1], second[1], range(3))
    rng, ended = np.random.default_rng(0), 0
    for step in range(2 * native.episodes.steps + 12):
        actions = draw(native, rng, allowed=step % 2 == 0)  # forbidden ones are drawn anew
        ours, theirs = native.step(actions), sync.step(actions)
        same(ours[0], theirs[0], SAME)
        np.testing.assert_allclose(ours[1], theirs[1], atol=SAME)
        assert native.single_observation_space.contains(row(ours[0], 0))
        for a, b in zip(ours[2:4], theirs[2:4], strict=True):
            np.testing.assert_array_equal(a, b)
        ended += int(ours[2].sum())
        last = [each[4].pop("final_info", {}) for each in (ours, theirs)]
        seen = [each[4].pop("final_obs", None) for each in (ours, theirs)]
        same_info(ours[4], theirs[4], range(3))
        for i in range(3) if seen[0] is not None else ():
            assert (seen[0][i] is None) == (seen[1][i] is None) == (not (ours[2] | ours[3])[i])
            if seen[0][i] is not None:
                same(seen[0][i], seen[1][i], SAME)
                same_info(*last, [i])
    assert ended > 0


def leaves(info):
    """All arrays of nested mappings, and of objects."""
    for value in info.values():
        if isinstance(value, dict):
            yield from leaves(value)
        elif np.asarray(value).dtype == object:
            yield from leaves(dict(enumerate(each for each in value if each is not None)))
        else:
            yield np.asarray(value)


@pytest.mark.parametrize("name", some(ALL))
def test_same_seed_gives_the_same_bits(name):
    identity, arguments = case(name)

    def trajectory():
        envs = gym.make_vec(identity, num_envs=2, **arguments)
        observation, info = envs.reset(seed=3)
        rng, trace = np.random.default_rng(1), [*leaves(info)]
        for step in range(10):
            observation, reward, *_, info = envs.step(draw(envs, rng, allowed=step > 1))
            trace += [*leaves({"observation": observation, "reward": reward, **info})]
        return [values.tobytes() for values in trace]

    assert trajectory() == trajectory()


@pytest.mark.parametrize("name", some([*DESIGNS, *INSTANCES]))
def test_what_masks_allow_changes_the_design_and_what_they_forbid_changes_nothing(name):
    identity, arguments = case(name)
    is_goal = "oal" in name  # whose rewards hold no penalty
    forbids = "ings" not in name and "Isotopes" not in name  # of a ring any choice is allowed
    how = {"on_forbidden": "penalty"} if forbids and not is_goal else {}
    env = scalar(identity, **how, **arguments)
    inner, rng = env.unwrapped, np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    done = False
    while not done:
        mask = inner.action_masks()
        assert mask.shape == (env.action_space.n,)
        assert mask.any()
        forbidden = np.flatnonzero(~mask)
        for action in rng.choice(forbidden, 0 if is_goal else min(3, len(forbidden)), replace=False):
            seen, reward, terminated, truncated, info = inner.step(int(action))  # past the time limit's count
            assert not info["allowed"]
            np.testing.assert_allclose(reward, -PENALTY)
            assert not terminated
            assert not truncated
            same(seen, observation, 0.0)
            np.testing.assert_array_equal(inner.action_masks(), mask)
        before = observation
        observation, _, done, truncated, info = env.step(int(rng.choice(np.flatnonzero(mask))))
        assert info["allowed"]
        assert not truncated
        parts = (
            (before["observation"], observation["observation"]) if isinstance(before, dict) else (before, observation)
        )
        assert not np.array_equal(*parts)
    assert inner.task.space.valid(info["design"][None])[0]


def test_the_reset_option_sets_the_targets_and_refuses_what_is_outside():
    env = gym.make("matgym/NanotubeChirality-v0", model=cheap("Chirality"))
    observation, info = env.reset(options={"target": (0.6, 1.1, 4.25)})
    np.testing.assert_array_equal(info["target"], (0.6, 1.1, 4.25))
    np.testing.assert_allclose(observation[-3:], 0.0, atol=1e-6)
    for wrong, complaint in (((0.6, 1.1, 99.0), "outside the task's range"), ((np.nan, 1.1, 4.0), "must be finite")):
        with pytest.raises(ConfigurationError, match=complaint):
            env.reset(options={"target": wrong})
    with pytest.raises(ConfigurationError, match="reset has no option 'target_ev'; there are target"):
        env.reset(options={"target_ev": 1.0})
    envs = gym.make_vec("matgym/NanotubeChiralityGoal-v0", num_envs=2, model=cheap("Chirality"))
    wanted = np.array([(0.0, 0.6, 0.5), (1.2, 1.6, 8.0)])
    observation, _ = envs.reset(seed=0, options={"target": wanted})
    np.testing.assert_allclose(observation["desired_goal"], [[-1, -1, -1, 1], [1, 1, 1, 1]])
    goal = gym.make("matgym/NanotubeIsotopesGoal-v0", model=cheap("Isotopes"))
    assert goal.reset(options={"target_nw_k": 3.0})[1]["target_nw_k"] == 3.0
    with pytest.raises(ConfigurationError, match="there are none here"):
        gym.make("matgym/NanotubeIsotopes-v0", model=cheap("Isotopes")).reset(options={"target_nw_k": 3.0})


@pytest.mark.parametrize(("name", "has"), [("matgym/NanotubeThermoelectric-v0", True), (EASY, True), ("doping", False)])
def test_infos_hold_a_cost_where_there_is_a_constraint(name, has):
    identity, arguments = case(name)
    env, envs = scalar(identity, **arguments), gym.make_vec(identity, num_envs=2, **arguments)
    env.reset(seed=0)
    envs.reset(seed=0)
    rng, done, costs = np.random.default_rng(2), False, []
    while not done:
        action = int(rng.choice(np.flatnonzero(env.unwrapped.action_masks())))
        _, _, done, _, info = env.step(action)
        told = envs.step(np.full(2, action))[4]
        assert ("cost" in info) == ("cost" in told) == has
        costs.append(info.get("cost", 0.0))
    assert not any(costs[:-1])
    if has:
        task = env.unwrapped.task
        assert costs[-1] == pytest.approx(task.score(info["design"][None], np.zeros((1, 0))).cost[0], abs=SAME)
        assert costs[-1] == pytest.approx(told["final_info"]["cost"][0], abs=SAME)
        assert 0.0 <= costs[-1] <= 1.0


def test_what_falls_short_of_a_bound_costs_its_share_of_it_and_a_failure_all():
    worth = {0.0: 50.0, 1.0: 100.0}

    def hardness(tubes):
        return [np.nan if tube.species[0] else worth[float(tube.species[1] > 0)] for tube in tubes]

    bound = Constraint(Property("hardness"), FunctionModel(hardness), 80.0)
    task = decoration_task(
        lattice=tube_lattice(8, 0, 1), budget={"B": 1}, model=cheap_values, low=0.5, high=1.5, constraint=bound
    )
    rows = np.zeros((3, 32), dtype=np.uint8)
    rows[0, 0] = rows[1, 1] = rows[2, 2] = 3
    np.testing.assert_allclose(task.score(rows, np.full(3, 0.8)).cost, [1.0, 0.0, 30.0 / 80.0])


TABLE = re.compile(r"^\s*\| (\d+)(?:–(\d+))?\s*\|", re.MULTILINE)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if "Nanotube" in spec.id], ids=lambda spec: spec.id)
def test_tables_in_the_docs_have_the_sizes_of_the_spaces(spec):
    needs(TABLES.get(spec.id))
    env = gym.make(spec.id)
    text = getdoc(type(env.unwrapped))
    seen = text.split("## Observation Space")[1].split("## Rewards")[0]
    acted = text.split("## Action Space")[1].split("## Observation Space")[0]
    size = env.observation_space.shape[0]
    low = "-1" if env.observation_space.low.min() < 0 else "0"
    assert f"`Box({low}, 1, ({size},), float32)`" in seen
    rows = [(int(first), int(last or first)) for first, last in TABLE.findall(seen)]
    assert rows[0][0] == 0
    assert all(after[0] == before[1] + 1 for before, after in pairwise(rows))
    assert rows[-1][1] == size - 1
    assert f"`Discrete({env.action_space.n})`" in acted
    assert f"Truncation: after {spec.max_episode_steps} steps" in text.replace("\n", " ")


def test_the_docs_sizes_of_isotope_sites_are_the_spaces():
    env = gym.make("matgym/NanotubeIsotopes-v0", instance="isotope-sites", model=cheap("Isotopes"))
    text = getdoc(type(env.unwrapped))
    assert f"`Box(0, 1, ({env.observation_space.shape[0]},), float32)`" in text
    assert f"`Discrete({env.action_space.n})`" in text


# ---- any task, and all at once


@pytest.mark.parametrize("kind", ["tube", "furnace"])
def test_designs_made_at_once_pass_the_checks_and_earn_what_the_task_says(kind):
    made = {"budget": {"B": 2, "N": 2}, "model": cheap_values, "low": 0.5, "high": 1.5}
    task = decoration_task(**made) if kind == "tube" else furnace_task()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(DesignEnv(task=task, at_once=True))
    envs = DesignVectorEnv(5, task=task, at_once=True)
    envs.reset(seed=0)
    actions = draw(envs, np.random.default_rng(0))
    targets = envs.episodes.targets.copy()
    _, reward, done, _, info = envs.step(actions)
    assert done.all()
    designs = np.stack(list(info["final_info"]["design"]))
    assert task.space.valid(designs).all()
    np.testing.assert_allclose(task.score(designs, targets).reward, reward)
    with pytest.raises(AttributeError, match="no masks"):
        envs.action_masks()


def test_the_shipped_check_of_vector_environments_passes_ours_and_finds_a_wrong_one():
    identity = "matgym/NanotubeIsotopes-v0"
    envs = gym.make_vec(identity, num_envs=3, model=cheap(identity))
    check_vector_env(envs, lambda: gym.make(identity, model=cheap(identity)))
    wrong = gym.make_vec(identity, num_envs=3, model=FunctionModel(lambda tubes: [2.7] * len(tubes), KEYS["Isotopes"]))
    with pytest.raises(AssertionError, match="rewards differ"):
        check_vector_env(wrong, lambda: gym.make(identity, model=cheap(identity)))
    envs.episodes.builder.masks = lambda: np.ones((3, 2), dtype=bool)[:, ::-1] & np.array([True, False])
    with pytest.raises(AssertionError, match="masks differ at step 0"):
        check_vector_env(envs, lambda: gym.make(identity, model=cheap(identity)))
    lying = gym.make(identity, model=cheap(identity))
    lying.unwrapped._masks = lambda: np.array([True, False])
    with pytest.raises(AssertionError, match="is not what action_masks"):
        check_env(lying)
