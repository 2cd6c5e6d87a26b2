"""Stable-Baselines3's six algorithms train with its callbacks, and the adapter gives what DummyVecEnv gives."""

import tempfile

import gymnasium as gym
import numpy as np
from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import (
    CallbackList,
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from matgym.agents import SB3VecEnv
from scripts.compat.common import ARGUMENTS, make

DISCRETE, CONTINUOUS = "matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0"
OFF_POLICY = {"learning_starts": 20, "buffer_size": 500, "batch_size": 16}
ALGORITHMS = {
    PPO: (DISCRETE, {"n_steps": 16, "batch_size": 16}),
    A2C: (DISCRETE, {}),
    DQN: (DISCRETE, OFF_POLICY),
    SAC: (CONTINUOUS, OFF_POLICY),
    TD3: (CONTINUOUS, OFF_POLICY),
    DDPG: (CONTINUOUS, OFF_POLICY),
}
STEPS = 100


def train(algorithm, name, settings):
    """Train on both kinds of environments, with callbacks, and evaluate."""
    adapted = SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=0)
    for envs in (adapted, DummyVecEnv([lambda: Monitor(make(name))])):
        agent = algorithm("MlpPolicy", envs, seed=0, **settings)
        with tempfile.TemporaryDirectory() as folder:
            evaluation = EvalCallback(
                SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=9),
                eval_freq=25, n_eval_episodes=2, log_path=folder, best_model_save_path=folder, verbose=0,
            )  # fmt: skip
            checkpoint = CheckpointCallback(save_freq=25, save_path=folder)
            episodes = StopTrainingOnMaxEpisodes(max_episodes=1000)
            agent.learn(STEPS, callback=CallbackList([evaluation, checkpoint, episodes]))
            assert evaluation.n_calls, f"{algorithm.__name__}: EvalCallback was not called"
            agent.save(f"{folder}/agent.zip")
            loaded = algorithm.load(f"{folder}/agent.zip", env=envs)
        assert len(agent.ep_info_buffer) > 0, f"{algorithm.__name__}: no episode was monitored"
        mean, _ = evaluate_policy(loaded, envs, n_eval_episodes=2)
        assert np.isfinite(mean)


def same_infos(name):
    """Assert that the adapter's summed costs, returns and lengths are DummyVecEnv's."""
    totals = []
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (12, 2, 4)).astype(np.float32)
    for envs in (
        SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name])),
        DummyVecEnv([lambda: Monitor(make(name))] * 2),
    ):
        envs.seed(3)
        envs.reset()
        cost, episodes = 0.0, []
        for action in actions:
            _, _, dones, infos = envs.step(action)
            cost += sum(info["cost"] for info in infos)
            episodes += [(info["episode"]["r"], info["episode"]["l"]) for info in infos if "episode" in info]
            assert all("terminal_observation" in info for info, done in zip(infos, dones, strict=True) if done)
        totals.append((cost, *np.array(episodes[:2]).ravel()))
    assert np.allclose(*totals, atol=1e-5), f"{name}: {totals}"


def main():
    for algorithm, (name, settings) in ALGORITHMS.items():
        train(algorithm, name, settings)
    same_infos(CONTINUOUS)
    for wrapped in (
        VecNormalize(SB3VecEnv(gym.make_vec(CONTINUOUS, num_envs=2, **ARGUMENTS[CONTINUOUS]), seed=0)),
        VecFrameStack(SB3VecEnv(gym.make_vec(CONTINUOUS, num_envs=2, **ARGUMENTS[CONTINUOUS]), seed=0), 2),
    ):
        PPO("MlpPolicy", wrapped, n_steps=8, batch_size=8, seed=0).learn(32)


if __name__ == "__main__":
    main()
