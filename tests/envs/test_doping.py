"""`matgym/NanotubeDoping-v0`: one dynamics, scalar and batched."""

import warnings
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.env_checker import check_env as sb3_check

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError, PropertyError
from matgym.physics import PiElectrons, PiParameters
from matgym.structures import Species
from matgym.tasks import decoration_task
from matgym.testing import check_env

ID = "matgym/NanotubeDoping-v0"
FLAT = PiElectrons(PiParameters(curvature=False))  # which takes tubes as thin as the test's


@pytest.fixture(scope="module")
def task():
    return decoration_task()


def test_both_checkers_pass_without_a_warning(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in (None, "ansi", "rgb_array"):
            gymnasium_check(gym.make(ID, task=task, render_mode=mode).unwrapped)
            sb3_check(gym.make(ID, task=task, render_mode=mode).unwrapped)
    check_env(gym.make(ID, task=task))


@pytest.mark.parametrize("num_envs", [1, 7])
def test_vector_scalar_and_sync_environments_give_the_same_trajectories(task, num_envs):
    # A forbidden edit changes nothing, so that the time limit ends some of the episodes.
    native = gym.make_vec(ID, num_envs=num_envs, task=task, on_forbidden="penalty")
    sync = SyncVectorEnv(
        [partial(gym.make, ID, task=task, on_forbidden="penalty")] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP
    )
    first, first_info = native.reset(seed=11)
    second, second_info = sync.reset(seed=11)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first_info["target_ev"], second_info["target_ev"])
    rng = np.random.default_rng(0)
    ended = {"terminated": 0, "truncated": 0}
    for step in range(140):
        masks = native.action_masks()
        # Runs of allowed edits end by the budget, runs of any edits by the time limit.
        free = (step // 45) % 2 == 1
        actions = np.array([0 if free else rng.choice(np.flatnonzero(mask)) for mask in masks])
        ours, theirs = native.step(actions), sync.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
        np.testing.assert_array_equal(ours[0], theirs[0])
        ended["terminated"] += int(ours[2].sum())
        ended["truncated"] += int(ours[3].sum())
        done = ours[2] | ours[3]
        for i in np.flatnonzero(done):
            np.testing.assert_array_equal(ours[4]["final_obs"][i], theirs[4]["final_obs"][i])
            for name in ("gap_ev", "error_ev"):
                if ours[2][i]:
                    a, b = (info["final_info"]["objectives"][name][i] for info in (ours[4], theirs[4]))
                    assert a == pytest.approx(b, abs=1e-5)
    assert min(ended.values()) > 0


def test_same_seed_gives_the_same_bits(task):
    def trajectory():
        envs = gym.make_vec(ID, num_envs=16, task=task)
        observation, _ = envs.reset(seed=3)
        rng, trace = np.random.default_rng(1), [observation.tobytes()]
        for _ in range(40):
            observation, reward, *_ = envs.step(rng.integers(264, size=16))
            trace += [observation.tobytes(), reward.tobytes()]
        return trace

    assert trajectory() == trajectory()


def test_reset_without_a_seed_draws_a_new_episode(task):
    env = gym.make(ID, task=task)
    env.reset(seed=0)
    targets = {env.reset()[1]["target_ev"] for _ in range(5)}
    assert len(targets) == 5
    envs = gym.make_vec(ID, num_envs=3, task=task)
    assert len({*envs.reset()[1]["target_ev"], *envs.reset()[1]["target_ev"]}) == 6


def test_reset_does_not_touch_global_randomness(task):
    np.random.seed(0)  # noqa: NPY002  # the global state is what must not move
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    env = gym.make(ID, task=task)
    env.reset(seed=5)
    env.reset()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_episode_spends_the_budget_and_is_scored_once(task):
    env = gym.make(ID, task=task)
    env.reset(seed=0)
    spent = task.ledger.counts["surrogate"]
    rewards, done = [], False
    rng = np.random.default_rng(0)
    while not done:
        action = rng.choice(np.flatnonzero(env.unwrapped.action_masks()))
        _, reward, done, truncated, info = env.step(action)
        assert not truncated
        rewards.append(reward)
    assert len(rewards) == 16
    assert rewards[:-1] == [0.0] * 15
    assert task.ledger.counts["surrogate"] == spent + 1
    counts = env.unwrapped.tube.counts
    assert counts[Species.B] == counts[Species.N] == 8
    error = abs(info["objectives"]["gap_ev"] - info["target_ev"])
    assert rewards[-1] == pytest.approx(1 / (1 + 9 * (error / 0.15) ** 2))


def test_a_forbidden_edit_costs_and_the_time_limit_truncates(task):
    env = gym.make(ID, task=task, on_forbidden="penalty")
    env.reset(seed=0)
    first, *_ = env.step(5)
    for step in range(31):
        observation, reward, terminated, truncated, info = env.step(5)
        assert not info["allowed"]
        assert reward == -0.1
        assert not terminated
        assert truncated == (step == 30)
    np.testing.assert_array_equal(first, observation)


def test_targets_outside_the_observed_range_and_actions_outside_the_space_are_named(task):
    env = gym.make(ID, task=task)
    assert env.reset(seed=0, options={"target_ev": 0.3})[1]["target_ev"] == 0.3
    assert env.unwrapped.episodes.targets[0] == 0.3
    for wrong in (5.0, float("nan")):
        with pytest.raises(ConfigurationError, match=r"outside the task's range|must be finite"):
            env.reset(options={"target_ev": wrong})
        with pytest.raises(ConfigurationError, match=r"outside the task's range|must be finite"):
            gym.make_vec(ID, num_envs=2, task=task).reset(options={"target_ev": [0.3, wrong]})
    with pytest.raises(ConfigurationError, match="has no effect with task"):
        gym.make(ID, task=task, cells=2)
    with pytest.raises(gym.error.ResetNeeded):
        gym.make_vec(ID, num_envs=2, task=task).step(np.array([0, 1]))
    with pytest.raises(ConfigurationError, match="264"):
        env.unwrapped.step(264)
    envs = gym.make_vec(ID, num_envs=2, task=task)
    envs.reset(seed=0)
    for wrong in (np.array([0, 300]), np.array([0.0, 1.0]), np.array([1])):
        with pytest.raises(ConfigurationError, match=r"whole numbers|actions of shape \(1,\) must be \(2,\)"):
            envs.step(wrong)
    with pytest.raises(ConfigurationError, match="render_mode"):
        gym.make(ID, task=task, render_mode="ascii", disable_env_checker=True)
    with pytest.raises(ConfigurationError, match="does not fit"):
        gym.make(ID, n=3, cells=1, budget={"B": 20})
    with pytest.raises(ConfigurationError, match="max_episode_steps=80"):
        gym.make_vec(ID, num_envs=2, budget={"B": 20, "N": 20})
    gym.make_vec(ID, num_envs=2, budget={"B": 20, "N": 20}, max_episode_steps=80)
    with pytest.raises(PropertyError, match="does not predict"):
        decoration_task(property="hardness_gpa")


def test_the_oracle_can_reward_in_place_of_the_surrogate():
    env = gym.make(ID, n=5, cells=2, budget={"B": 2, "N": 2}, targets=(0.5, 1.5), model=FLAT)
    env.reset(seed=0)
    done = False
    while not done:
        *_, done, _, info = env.step(np.flatnonzero(env.unwrapped.action_masks())[3])
    tube = env.unwrapped.tube
    assert info["objectives"]["gap_ev"] == FLAT.predict([tube])["gap_ev"][0]
    assert env.unwrapped.task.ledger.counts == {"oracle": 1}


def test_rendering_shows_the_tube(task):
    env = gym.make(ID, task=task, render_mode="rgb_array")
    env.reset(seed=0)
    empty = env.render()
    env.step(3)
    assert empty.dtype == np.uint8
    assert empty.shape == env.render().shape
    assert (empty != env.render()).any()
    text = gym.make(ID, task=task, render_mode="ansi")
    text.reset(seed=0)
    assert text.render().count("B") == 0
    text.step(3)
    assert text.render().count("B") == 1


@pytest.mark.parametrize("estimate", ["mean", "lcb", "worst"])
def test_the_last_info_carries_the_uncertainty(estimate):
    env = gym.make(ID, budget={"B": 1, "N": 1}, estimate=estimate)
    env.reset(seed=0)
    env.step(np.int64(3))
    _, reward, terminated, _, info = env.step(np.int64(132 + 60))
    assert terminated
    assert 0.0 < reward <= 1.0
    assert info["uncertainty"]["sd_ev"] > 0.0
    assert info["uncertainty"]["distance"] > 0.0
