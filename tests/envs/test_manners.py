"""What libraries expect of every environment: infos, ends, autoreset, precision, pickling, bounds; 0.1 broke each."""

import pickle
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from stable_baselines3 import A2C
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.errors import ConfigurationError
from matgym.registration import SPECS, variant_id
from matgym.tasks.annealing import AnnealingTask
from matgym.testing import check_vector_env
from matgym.viz.canvas import FRAME_SHAPE

SMALL = {
    "matgym/NanotubeImprovement-v0": {"steps": 4, "tubes": [(6, 4, 1), (5, 5, 4)]},
    "matgym/NanotubeDoping-v0": {"instance": "doping-easy"},
    "matgym/NanotubeThermoelectric-v0": {"instance": "thermoelectric-easy"},
    "matgym/CVDGrowth-v0": {"minutes": 5},
    "matgym/CVDRecipe-v0": {"minutes": 5, "experiments": 3},
    "matgym/FilmAnnealing-v0": {"task": AnnealingTask(size=16, steps=4, grains=(120, 121))},
}
SAME = 1e-5  # networks of a batch and of one
NO_GOAL = ("Doping", "Thermoelectric")  # their instances want extremes
IDS = {
    variant_id(spec.id, variant): {} if variant and "Doping" in spec.id else SMALL.get(spec.id, {})
    for spec in SPECS
    for variant in ("", *spec.variants)
    if "Experiments" not in spec.id  # which needs data, and is a campaign like CVDRecipe
    if not (variant == "goal" and any(name in spec.id for name in NO_GOAL))
}


def made(identity):
    return gym.make(identity, disable_env_checker=True, **IDS[identity])


def played(env):
    """An ended episode."""
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    done = False
    while not done:
        action = info["action_mask"].argmax() if "action_mask" in info else env.action_space.sample()
        _, _, done, _, info = env.step(action)
    return env


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("identity", [name for name in IDS if "MO-" not in name])
def test_batches_do_what_gymnasiums_own_do_in_every_autoreset_mode(identity, mode):
    envs = gym.make_vec(identity, num_envs=3, autoreset_mode=mode, **IDS[identity])
    assert envs.autoreset_mode is envs.metadata["autoreset_mode"] is mode
    check_vector_env(envs, lambda: made(identity), steps=20)


@pytest.mark.parametrize("identity", IDS)
def test_steps_of_chosen_rows_are_those_of_the_whole_batch(identity):
    """Of all rows by name, right after the first reset; growth once gave other rewards."""
    batches = [gym.make_vec(identity, num_envs=3, autoreset_mode="DISABLED", **IDS[identity]) for _ in range(2)]
    for envs in batches:
        envs.reset(seed=0)
    whole, parts = (envs.episodes for envs in batches)
    rng = np.random.default_rng(0)
    for _ in range(2):
        if whole.masked:
            actions = whole.masks().argmax(axis=1)
        else:
            box = whole.action_space
            actions = rng.uniform(box.low, box.high, (3, *box.shape)).astype(np.float32)
        rewards, ended = whole.step(actions)
        found = [parts.step(actions[rows], rows) for rows in (np.array([0, 2]), np.array([1]))]
        np.testing.assert_allclose(np.concatenate([each[0] for each in found]), rewards[[0, 2, 1]], atol=SAME)
        if ended.any():
            break


def test_what_is_over_waits_to_be_reset():
    envs = gym.make_vec("matgym/CVDRecipe-v0", num_envs=2, autoreset_mode="DISABLED", minutes=5, experiments=2)
    envs.reset(seed=0)
    actions = np.zeros(envs.action_space.shape)
    envs.step(actions)
    envs.reset(options={"reset_mask": np.array([True, False])})
    assert envs.step(actions)[2].tolist() == [False, True]
    with pytest.raises(gym.error.ResetNeeded, match=r"episodes \[1\] are over"):
        envs.step(actions)
    envs.reset(options={"reset_mask": np.array([False, True])})
    assert envs.step(actions)[2].tolist() == [True, False]
    with pytest.raises(ConfigurationError, match="must be 2 booleans"):
        envs.reset(options={"reset_mask": np.array([False, False])})
    with pytest.raises(ConfigurationError, match="autoreset_mode='never' is none of NEXT_STEP, SAME_STEP, DISABLED"):
        gym.make_vec("matgym/CVDRecipe-v0", num_envs=2, autoreset_mode="never")


@pytest.mark.parametrize("identity", IDS)
def test_nothing_is_paid_or_counted_after_the_end(identity):
    """In 0.1, 16 of 19 environments paid again."""
    env = played(made(identity)).unwrapped
    ledger = env.task.ledger
    before = dict(ledger.counts)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    assert dict(ledger.counts) == before


@pytest.mark.parametrize("identity", IDS)
def test_environments_can_be_pickled_and_go_on_alike(identity):
    env = made(identity).unwrapped
    env.reset(seed=4)
    copy = pickle.loads(pickle.dumps(env))  # noqa: S301  # our own bytes
    action = int(env.action_masks().argmax()) if env.episodes.masked else np.zeros(env.action_space.shape)
    for ours, theirs in zip(env.step(action)[:2], copy.step(action)[:2], strict=True):
        np.testing.assert_equal(ours, theirs)


def test_actions_in_double_precision_are_those_in_single():
    """In 0.1 scalar environments refused them, and batched ones did not."""
    env = gym.make("matgym/CVDGrowth-v0", minutes=5)
    seen = []
    for kind in (np.float32, np.float64):
        env.reset(seed=0)
        seen.append([env.step(np.full(4, 0.25, dtype=kind))[:2] for _ in range(5)])
    for (one, reward), (other, same) in zip(*seen, strict=True):
        np.testing.assert_array_equal(one, other)
        assert reward == same


# ---- growth: what rewards and costs are


def spoilt(identity):
    """An hour of soot, on the seed on which 0.1 returned -3,774."""
    env = gym.make(identity, disable_env_checker=True)
    env.reset(seed=3)
    steps = [env.step(np.array([1.0, 1.0, -1.0, -1.0], dtype=np.float32)) for _ in range(30)]
    return np.array([step[1] for step in steps]), np.array([step[4]["cost"] for step in steps])


def test_the_worst_run_of_a_furnace_costs_about_what_a_good_one_earns():
    rewards, costs = spoilt("matgym/CVDGrowth-v0")
    assert -1.1 < rewards.sum() < -0.5
    assert (np.abs(rewards) <= 1.0).all()
    assert costs.max() == 1.0
    assert costs.min() >= 0.0


def test_components_of_growth_sum_to_the_plain_reward():
    """In 0.1 they summed to -28.6 where the plain one was -3,774."""
    plain, parts = spoilt("matgym/CVDGrowth-v0")[0], spoilt("matgym/MO-CVDGrowth-v0")[0]
    np.testing.assert_allclose(parts.sum(axis=1), plain, atol=1e-6)


# ---- Stable-Baselines3


def test_the_adapter_tells_every_info_that_dummy_vec_env_tells():
    """In 0.1 it told them at an episode's end alone: costs summed to 6,256 in place of 165,993."""
    ours = SB3VecEnv(gym.make_vec("matgym/CVDGrowth-v0", num_envs=3, minutes=5), seed=0)
    theirs = DummyVecEnv([lambda: gym.make("matgym/CVDGrowth-v0", minutes=5)] * 3)
    theirs.seed(0)
    np.testing.assert_allclose(ours.reset(), theirs.reset(), atol=1e-6)
    action = np.tile(np.array([1.0, 1.0, -1.0, -1.0], dtype=np.float32), (3, 1))
    for _ in range(7):
        told = [venv.step(action)[3] for venv in (ours, theirs)]
        for one, other in zip(*told, strict=True):
            assert one.keys() - {"episode"} == other.keys() - {"TimeLimit.truncated"} | (
                one.keys() & {"TimeLimit.truncated"}
            )
            assert one["cost"] == pytest.approx(other["cost"], abs=1e-6)
            assert one["objectives"] == pytest.approx(other["objectives"], rel=1e-6, abs=1e-6)


def test_statistics_of_gymnasiums_wrapper_reach_sb3():
    envs = RecordEpisodeStatistics(gym.make_vec("matgym/NanotubeChirality-v0", num_envs=2))
    adapter = SB3VecEnv(envs, seed=0)
    adapter.reset()
    for _ in range(4):
        _, rewards, _, infos = adapter.step(adapter.envs.unwrapped.action_masks().argmax(axis=1))
    assert [info["episode"]["r"] for info in infos] == pytest.approx(rewards.tolist(), abs=1e-6)
    assert [info["episode"]["l"] for info in infos] == [4, 4]


def test_options_may_be_given_to_some_environments_alone():
    """In 0.1 `[{}, {…}, {}]` was ignored, and `[{…}, {}, {}]` a KeyError."""
    free = SB3VecEnv(gym.make_vec("matgym/NanotubeChirality-v0", num_envs=3), seed=0)
    free.reset()
    drawn = [info["target"].tolist() for info in free.reset_infos]
    for given in (0, 1):
        adapter = SB3VecEnv(gym.make_vec("matgym/NanotubeChirality-v0", num_envs=3), seed=0)
        adapter.set_options([{"target": [0.8, 1.1, 4.0]} if i == given else {} for i in range(3)])
        adapter.reset()
        for i, info in enumerate(adapter.reset_infos):
            assert info["target"].tolist() == pytest.approx([0.8, 1.1, 4.0] if i == given else drawn[i])


def test_evaluation_neither_warns_nor_needs_a_monitor():
    adapter = SB3VecEnv(gym.make_vec("matgym/CVDRecipe-v0", num_envs=2, minutes=5, experiments=3), seed=0)
    agent = A2C("MlpPolicy", adapter, n_steps=3, device="cpu")
    agent.learn(12)
    assert agent.ep_info_buffer, "returns of training were not told"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        returns, lengths = evaluate_policy(agent, adapter, n_eval_episodes=4, return_episode_rewards=True)
    assert lengths == [3] * 4
    assert all(-1.0 <= each <= 3.0 for each in returns)


def test_batches_draw_each_episode_for_sb3_too():
    envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=2, render_mode="rgb_array")
    adapter = SB3VecEnv(envs, seed=0)
    adapter.reset()
    assert [frame.shape for frame in envs.render()] == [FRAME_SHAPE] * 2
    assert adapter.render().ndim == 3


@pytest.mark.parametrize("identity", [name for name in IDS if "Thermoelectric" not in name])
@pytest.mark.parametrize("options", [5, "a", [1]], ids=str)
def test_options_of_another_type_are_one_sentence(identity, options):
    env = made(identity).unwrapped
    with pytest.raises(ConfigurationError, match="must be a dictionary"):
        env.reset(options=options)
