"""Six algorithms of sb3-contrib train, MaskablePPO through Gymnasium's wrappers, too."""

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FlattenObservation, RecordEpisodeStatistics
from sb3_contrib import ARS, QRDQN, TQC, TRPO, MaskablePPO, RecurrentPPO
from sb3_contrib.common.maskable.callbacks import MaskableEvalCallback
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from sb3_contrib.common.wrappers import ActionMasker
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from matgym.agents import SB3VecEnv
from scripts.compat.common import ARGUMENTS, make

DISCRETE, CONTINUOUS = "matgym/NanotubeChirality-v0", "matgym/CVDGrowth-v0"
OFF_POLICY = {"learning_starts": 20, "buffer_size": 500, "batch_size": 16}
ALGORITHMS = {
    TRPO: (DISCRETE, "MlpPolicy", {"n_steps": 16, "batch_size": 16}),
    ARS: (CONTINUOUS, "LinearPolicy", {"n_delta": 2}),
    QRDQN: (DISCRETE, "MlpPolicy", OFF_POLICY),
    RecurrentPPO: (CONTINUOUS, "MlpLstmPolicy", {"n_steps": 16, "batch_size": 16}),
    TQC: (CONTINUOUS, "MlpPolicy", OFF_POLICY),
}
STEPS = 100


def wrapped():
    """Return a masked environment under several wrappers."""
    return Monitor(RecordEpisodeStatistics(FlattenObservation(make(DISCRETE))))


def relabelled():
    """Return an environment whose masks sb3-contrib's own wrapper hands on."""
    return ActionMasker(make(DISCRETE), lambda env: env.get_wrapper_attr("action_masks")())


def train_masked(envs):
    """Train MaskablePPO and assert that it takes allowed actions alone."""
    assert is_masking_supported(envs), f"masks are lost in {envs}"
    assert get_action_masks(envs).shape[0] == envs.num_envs
    evaluated = MaskableEvalCallback(
        SB3VecEnv(gym.make_vec(DISCRETE, num_envs=2), seed=9), eval_freq=16, n_eval_episodes=2, verbose=0
    )
    agent = MaskablePPO("MlpPolicy", envs, n_steps=16, batch_size=16, seed=0).learn(64, callback=evaluated)
    mean, _ = evaluate_policy(agent, envs, n_eval_episodes=4)
    assert np.isfinite(mean)
    observation = envs.reset()
    for _ in range(8):
        masks = get_action_masks(envs)
        actions, _ = agent.predict(observation, action_masks=masks)
        assert masks[np.arange(envs.num_envs), actions].all(), "MaskablePPO took a forbidden action"
        observation, *_ = envs.step(actions)


def main():
    for algorithm, (name, policy, settings) in ALGORITHMS.items():
        envs = SB3VecEnv(gym.make_vec(name, num_envs=2, **ARGUMENTS[name]), seed=0)
        algorithm(policy, envs, seed=0, **settings).learn(STEPS)
    train_masked(SB3VecEnv(gym.make_vec(DISCRETE, num_envs=2), seed=0))
    train_masked(DummyVecEnv([wrapped] * 2))
    train_masked(DummyVecEnv([relabelled] * 2))
    train_masked(SubprocVecEnv([wrapped] * 2, start_method="spawn"))


if __name__ == "__main__":
    main()
