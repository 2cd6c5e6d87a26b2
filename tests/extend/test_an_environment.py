"""How little a new environment takes: one class of episodes, two of two lines, one call that registers them."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from matgym.envs.batch import ALL, BatchedEnv, Episodes, ScalarEnv
from matgym.physics import PiElectrons
from matgym.structures import Nanotube
from matgym.testing import check_env, check_vector_env


class StrainGauge(Episodes):
    """Strain a (10, 0) tube in steps of one per cent until its gap is what is wanted."""

    masked, steps = True, 6

    def __init__(self, size, *, farthest=5):
        self.size, self.task = size, PiElectrons()
        self.action_space, self.observation_space = spaces.Discrete(3), spaces.Box(-1.0, 1.0, (3,), np.float32)
        tubes = [Nanotube(10, 0, strain=0.01 * percent) for percent in range(-farthest, farthest + 1)]
        self.gaps_ev = self.task.predict(tubes)["gap_ev"]
        self.farthest, self.targets = farthest, np.zeros(size)
        self.percent, self.left = np.zeros(size, dtype=int), np.zeros(size, dtype=int)

    def restart(self, rows, generators, options):  # noqa: ARG002  # none is known
        self.percent[rows], self.left[rows] = 0, self.steps
        self.targets[rows] = [rng.choice(self.gaps_ev) for rng in generators]

    def info(self):
        return {"target_ev": self.targets.copy()}

    def step(self, actions, rows=ALL):
        self.percent[rows] = np.clip(self.percent[rows] + actions - 1, -self.farthest, self.farthest)
        self.left[rows] -= 1
        errors_ev = self.gaps_ev[self.percent[rows] + self.farthest] - self.targets[rows]
        return np.exp(-10.0 * np.abs(errors_ev)), self.left[rows] == 0

    def observe(self, rows=ALL):
        seen = np.stack([self.percent / self.farthest, self.targets - 0.5, self.left / self.steps], axis=1)
        return seen.astype(np.float32)[rows]

    def masks(self):
        return np.abs(self.percent[:, None] + np.array([-1, 0, 1])) <= self.farthest


class StrainGaugeEnv(ScalarEnv):
    episodes_class = StrainGauge


class StrainGaugeVectorEnv(BatchedEnv):
    episodes_class = StrainGauge


def test_it_registers_and_conforms():
    gym.register(name := "test/StrainGauge-v0", StrainGaugeEnv, vector_entry_point=StrainGaugeVectorEnv)
    check_env(gym.make(name))
    for mode in ("SAME_STEP", "NEXT_STEP", "DISABLED"):
        check_vector_env(gym.make_vec(name, num_envs=4, autoreset_mode=mode), lambda: gym.make(name))
    assert len(gym.make(name, farthest=3).unwrapped.episodes.gaps_ev) == 7
