"""Imitation: what the expert shows, what the agent keeps of it, and on tubes that neither saw."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from typer.testing import CliRunner

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.experts import expert_of
from matgym.agents.greedy import Greedy
from matgym.agents.imitation import demonstrate, fit, imitate
from matgym.agents.scripted import Scripted
from matgym.agents.storage import STORE
from matgym.cli import app
from matgym.errors import ConfigurationError

ID = "matgym/NanotubeImprovement-v0"
SEEN, UNSEEN = [(6, 4, 1), (5, 5, 4)], [(9, 0, 3)]


def made(count, tubes=SEEN, **arguments):
    return gym.make_vec(ID, num_envs=count, tubes=tubes, observation="honeycomb", vacancies=False, **arguments)


def learner(seed=0, count=8, **settings):
    envs = SB3VecEnv(made(count), seed=seed)
    return MaskablePPO("HoneycombPolicy", envs, seed=seed, n_steps=8, batch_size=16, device="cpu", **settings)


def test_the_expert_plays_whole_episodes_and_returns_are_the_changes_of_the_worth():
    agent = learner(gamma=1.0)
    episodes = agent.get_env().envs.episodes
    before = sum(episodes.task.ledger.counts.values())
    shown = demonstrate(agent, Greedy(), 8, np.random.default_rng(0))
    assert shown.designs == sum(episodes.task.ledger.counts.values()) - before > 0
    first = shown.returns[:8]  # the first step of each episode
    np.testing.assert_allclose(first, episodes.worth - episodes._initial, atol=1e-9)
    assert shown.reward == pytest.approx(first.mean())
    rows = np.arange(len(shown.actions))
    assert shown.masks[rows, shown.actions].all()
    stops = shown.actions == episodes.builder.stop
    assert stops.sum() == 8
    np.testing.assert_allclose(shown.returns[stops], 0.0, atol=1e-12)


def test_more_episodes_than_environments_are_counted_exactly():
    shown = demonstrate(learner(), Greedy(), 11, np.random.default_rng(0))
    stop = 5 * 160
    assert (shown.actions == stop).sum() == 11


def test_returns_are_discounted_as_the_agent_discounts():
    plain, short = (demonstrate(learner(gamma=g), Greedy(), 8, np.random.default_rng(0)) for g in (1.0, 0.0))
    steps = len(plain.returns)
    np.testing.assert_array_equal(plain.actions, short.actions)
    assert steps == len(short.returns)
    assert short.returns.sum() == pytest.approx(8 * plain.reward, abs=1e-9)  # with gamma 0 these are the rewards


def test_an_agent_that_imitated_acts_on_unseen_tubes_much_better_than_at_random_and_knows_values():
    agent = learner(count=32)
    done = []
    found = imitate(
        agent, Greedy(), 96, np.random.default_rng(0), epochs=6, batch=64, on_progress=lambda *each: done.append(each)
    )
    assert found.losses[-1][0] < 0.7 * found.losses[0][0]
    assert found.losses[-1][1] < found.losses[0][1]
    assert done[-1] == ("epochs of imitation", 6, 6)
    assert found.episodes == 96
    worths = {}
    for policy in ("random", "imitated"):
        envs, rng = made(32, UNSEEN, briefs=1), np.random.default_rng(1)
        envs.reset(seed=1000)
        episodes, running = envs.episodes, np.ones(32, dtype=bool)
        torch.manual_seed(0)
        while (rows := np.flatnonzero(running)).size:
            masks = episodes.masks()
            if policy == "random":
                actions = np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
            else:
                actions, _ = agent.predict(episodes.observe(), action_masks=masks)
            running[rows] = ~episodes.step(actions[rows], rows)[1]
        worths[policy] = episodes.worth.mean()
    assert worths["imitated"] > worths["random"] + 0.2
    agent.learn(64)  # and goes on


def test_the_same_seed_gives_the_same_bits():
    weights = []
    for _ in range(2):
        agent = learner(seed=3)
        imitate(agent, Greedy(), 8, np.random.default_rng(5), epochs=2)
        weights.append(torch.nn.utils.parameters_to_vector(agent.policy.parameters()).detach().numpy())
    np.testing.assert_array_equal(*weights)


class Halfway(Scripted):
    """An expert of boxes: always the same action."""

    def begin(self, episodes, rng):
        del rng
        self.size, self.shape = episodes.size, episodes.action_space.shape

    def act(self, observation):
        del observation
        return np.full((self.size, *self.shape), 0.5, dtype=np.float32)


def test_actions_that_are_numbers_are_imitated():
    envs = SB3VecEnv(gym.make_vec("matgym/FilmAnnealing-v0", num_envs=4), seed=0)
    agent = PPO("MlpPolicy", envs, seed=0, n_steps=8, batch_size=16, device="cpu")
    before, _ = agent.predict(envs.reset(), deterministic=True)
    shown = demonstrate(agent, Halfway(), 4, np.random.default_rng(0))
    assert shown.masks is None
    fit(agent, shown, np.random.default_rng(0), epochs=60, batch=16, rate=1e-2)
    after, _ = agent.predict(envs.reset(), deterministic=True)
    assert np.abs(after - 0.5).max() < 0.1 < np.abs(before - 0.5).max()


def of_numbers(identity="matgym/FilmAnnealing-v0", **settings):
    envs = SB3VecEnv(gym.make_vec(identity, num_envs=4), seed=0)
    return PPO("MlpPolicy", envs, seed=0, n_steps=8, batch_size=16, device="cpu", **settings)


def test_disturbed_actions_are_carried_out_and_the_experts_own_are_shown():
    plain, noisy = (
        demonstrate(of_numbers(), Halfway(), 4, np.random.default_rng(0), disturbance=size) for size in (0.0, 0.3)
    )
    np.testing.assert_array_equal(noisy.actions, plain.actions)
    assert not np.array_equal(noisy.observations, plain.observations)
    first = np.arange(4)  # no action was carried out yet
    np.testing.assert_array_equal(noisy.observations[first], plain.observations[first])


def test_the_spread_is_what_the_agent_explores_with():
    agent = of_numbers()
    imitate(agent, Halfway(), 4, np.random.default_rng(0), epochs=1, spread=0.05)
    np.testing.assert_allclose(agent.policy.log_std.exp().detach().numpy(), 0.05, rtol=1e-6)
    with pytest.raises(ConfigurationError, match=r"spread=0.05 has no meaning for actions that are no numbers"):
        imitate(learner(), Greedy(), 2, np.random.default_rng(0), spread=0.05)
    with pytest.raises(ConfigurationError, match=r"disturbance=-0.1 has no meaning for a negative one"):
        imitate(agent, Halfway(), 2, np.random.default_rng(0), disturbance=-0.1)


def test_what_cannot_imitate_raises_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigurationError, match="DQN cannot imitate an expert; PPO, A2C, MaskablePPO can"):
        imitate(DQN("HoneycombPolicy", SB3VecEnv(made(2), seed=0), buffer_size=4, device="cpu"), Greedy(), 2, rng)
    with pytest.raises(ConfigurationError, match="DummyVecEnv is none"):
        imitate(PPO("MlpPolicy", make_vec_env("CartPole-v1", 2), device="cpu"), Greedy(), 2, rng)
    with pytest.raises(ConfigurationError, match="episodes=0"):
        imitate(learner(), Greedy(), 0, rng)
    films = PPO("MlpPolicy", SB3VecEnv(gym.make_vec("matgym/FilmAnnealing-v0", num_envs=2), seed=0), device="cpu")
    with pytest.raises(ConfigurationError, match="shows no changes"):
        imitate(films, expert_of(ID).make(), 2, rng)


def test_the_command_imitates_and_the_card_says_so(tmp_path):
    file = tmp_path / "agent.safetensors"
    command = ["train", ID, "--algo", "MaskablePPO", "--imitate", "4", "--steps", "16", "--num-envs", "4"]
    arguments = ["--arg", "observation=honeycomb", "--arg", "tubes=[[6, 4, 1]]", "--output", str(file), "--json"]
    result = CliRunner().invoke(app, command + arguments)
    assert result.exit_code == 0, result.output
    assert STORE.load_card(file).imitated == 4
