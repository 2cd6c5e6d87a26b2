"""Frames a second of SB3's PPO through our adapter, against SB3's own DummyVecEnv of scalar environments.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/sb3_throughput.py

Same task, hyper-parameters and frames an update for all; turns alternate, so that the machine's mood falls on all
alike. Seconds are those of the processor, one thread, which others on the machine disturb less than the clock's.
Environments are made as users make them: `gym.make_vec`, `SB3VecEnv` and `VecMonitor` here; `make_vec_env`, that is
`gym.make`, `Monitor` and `DummyVecEnv`, there. Eight environments take more steps an update, so that it has as many
frames. Writes docs/results/sb3-throughput.json.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

import gymnasium as gym
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.sb3 import hyperparameters
from matgym.files import write_json
from matgym.tasks import TargetProperty
from matgym.tasks.growth import GrowthTask

REPORT = Path(__file__).parents[1] / "docs" / "results" / "sb3-throughput.json"
MANY, FEW = 512, 8
SECONDS = 12.0  # a setup, at least, learning included
TURNS = 3
RECIPE = {"policy": "MlpPolicy", "n_steps": 2, "batch_size": 256, "n_epochs": 10}  # 1024 runs of the furnace an update


def boron_nitrogen_bonds(tubes):
    """A reward that costs next to nothing: bonds between boron and nitrogen."""
    pairs = [tube.species[tube.lattice.bonds[:, :2]] for tube in tubes]
    return [float(((pair == (3, 4)) | (pair == (4, 3))).all(axis=1).sum()) for pair in pairs]


@dataclass
class Setup:
    """One way to hand environments to SB3, and the seconds that it spent.

    Attributes:
        name: of the way.
        agent: that learns on it.
        ledger: of its task.
        frames: steps of single environments.
        seconds: by what they were spent on; "collect" holds "environment".
        wall: seconds by the clock within "environment".
        scoring: seconds by the clock that rewards took, as the ledger has them.
    """

    name: str
    agent: PPO
    ledger: object
    frames: int = 0
    seconds: dict = field(default_factory=lambda: dict.fromkeys(("collect", "environment", "learn"), 0.0))
    wall: float = 0.0
    scoring: float = 0.0

    def __post_init__(self):
        for owner, method, part in (
            (self.agent, "collect_rollouts", "collect"),
            (self.agent.env, "step", "environment"),
            (self.agent, "train", "learn"),
        ):
            setattr(owner, method, self.timed(getattr(owner, method), part))

    def timed(self, call, part):
        """The same call, by the clock."""

        def clocked(*args, **kwargs):
            wall, start = time.perf_counter(), time.process_time()
            result = call(*args, **kwargs)
            self.seconds[part] += time.process_time() - start
            self.wall += (time.perf_counter() - wall) * (part == "environment")
            return result

        return clocked

    def update(self):
        """Collect and learn once."""
        frames, scored = self.agent.n_steps * self.agent.n_envs, self.scored()
        self.agent.learn(frames, reset_num_timesteps=False)
        self.frames += frames
        self.scoring += self.scored() - scored

    def scored(self):
        """Seconds that went into rewards."""
        return sum(self.ledger.seconds.values())

    def forget(self):
        """The first update warms caches up and is not counted."""
        self.frames, self.wall, self.scoring = 0, 0.0, 0.0
        self.seconds.update(dict.fromkeys(self.seconds, 0.0))

    def spent(self):
        """Seconds in all."""
        return self.seconds["collect"] + self.seconds["learn"]

    def row(self):
        """What came out."""
        return {
            "setup": self.name,
            "n_envs": self.agent.n_envs,
            "frames": self.frames,
            "frames_per_s": self.frames / self.spent(),
            "collect_frames_per_s": self.frames / self.seconds["collect"],
            "environment_frames_per_s": self.frames / self.seconds["environment"],
            "microseconds_a_frame": {part: 1e6 * x / self.frames for part, x in self.seconds.items()},
            "share_of_environment_in_scoring": self.scoring / self.wall,
        }


@dataclass(frozen=True)
class Case:
    """What is learned."""

    name: str
    environment: str
    task: object
    settings: dict


def cases():
    doping = hyperparameters("nanotube-doping", "PPO")
    cheap = TargetProperty(source=boron_nitrogen_bonds, low=0.0, high=12.0)
    growth = hyperparameters("cvd-growth", "PPO")
    wide = {"batch_size": 4096, "n_epochs": 4}  # as one would choose for thousands of frames an update
    return [
        Case("CVDGrowth, batches of 4,096", "matgym/CVDGrowth-v0", GrowthTask(), growth | wide),
        Case(
            "NanotubeDoping, shipped surrogate, batches of 4,096",
            "matgym/NanotubeDoping-v0",
            TargetProperty(),
            doping | wide,
        ),
        Case("NanotubeDoping, shipped surrogate", "matgym/NanotubeDoping-v0", TargetProperty(), doping),
        Case("NanotubeDoping, a function", "matgym/NanotubeDoping-v0", cheap, doping),
        Case("CVDGrowth", "matgym/CVDGrowth-v0", GrowthTask(), growth),
        Case("CVDRecipe", "matgym/CVDRecipe-v0", GrowthTask(), RECIPE),
    ]


def setups(case):
    settings = {name: value for name, value in case.settings.items() if name not in {"n_envs", "n_timesteps", "policy"}}
    settings["learning_rate"] = 3e-4  # schedules need to know where a training ends

    def agent(envs, n_steps):
        return PPO("MlpPolicy", envs, seed=0, device="cpu", **settings | {"n_steps": n_steps})

    def dummy(n_envs):
        # By a function: given an id, SB3 asks for render_mode="rgb_array", which CVDRecipe does not have.
        return make_vec_env(lambda: gym.make(case.environment, task=case.task), n_envs, seed=0, vec_env_cls=DummyVecEnv)

    ours = VecMonitor(SB3VecEnv(gym.make_vec(case.environment, num_envs=MANY, task=case.task), seed=0))
    steps = settings["n_steps"]
    return [
        Setup("SB3VecEnv", agent(ours, steps), case.task.ledger),
        Setup("DummyVecEnv", agent(dummy(MANY), steps), case.task.ledger),
        Setup("DummyVecEnv", agent(dummy(FEW), steps * MANY // FEW), case.task.ledger),
    ]


def measure(case):
    ways = setups(case)
    for way in ways:
        way.update()
        way.forget()
    for turn in range(1, TURNS + 1):
        for way in ways:
            while way.spent() < SECONDS * turn / TURNS:
                way.update()
    rows = [way.row() for way in ways]
    ratios = {
        name: [rows[0][name] / row[name] for row in rows[1:]]
        for name in ("frames_per_s", "collect_frames_per_s", "environment_frames_per_s")
    }
    return {"case": case.name, "settings": case.settings, "rows": rows, "over_dummy_512_and_8": ratios}


def main():
    torch.set_num_threads(1)
    found = []
    print("| | setup | environments | frames/s | collecting only | environment only | learning, µs a frame |")
    print("|---|---|---|---|---|---|---|")
    for case in cases():
        result = measure(case)
        found.append(result)
        for row in result["rows"]:
            speeds = [row["frames_per_s"], row["collect_frames_per_s"], row["environment_frames_per_s"]]
            cells = [case.name, row["setup"], str(row["n_envs"]), *(f"{x:,.0f}" for x in speeds)]
            print("| " + " | ".join([*cells, f"{row['microseconds_a_frame']['learn']:.0f}"]) + " |", flush=True)
        for name, values in result["over_dummy_512_and_8"].items():
            print(f"{case.name}: {name} over DummyVecEnv of 512 and of 8: {values[0]:.1f}, {values[1]:.1f}", flush=True)
    write_json(REPORT, {"threads": 1, "seconds": SECONDS, "turns": TURNS, "cases": found})


if __name__ == "__main__":
    main()
