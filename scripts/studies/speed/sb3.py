"""Measure the frames per second of SB3's PPO with matgym's adapter, and with SB3's DummyVecEnv of scalar environments.

All have the same task, hyper-parameters and frames per update. They are measured by turns, so that other work on the
machine disturbs all of them alike. Times are CPU seconds of one thread, which other work disturbs less than wall time.
Environments are made as users make them: with `gym.make_vec`, `SB3VecEnv` and `VecMonitor`, or with SB3's
`make_vec_env`, that is `gym.make`, `Monitor` and `DummyVecEnv`. With eight environments an update has more steps, so
that it has the same number of frames.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.speed.sb3

takes ten minutes, writes docs/results/sb3-throughput.json and prints the table of docs/benchmark.md.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.sb3 import hyperparameters
from matgym.structures import Species
from matgym.tasks import decoration_task
from matgym.tasks.brief import brief_task
from matgym.tasks.growth import GrowthTask
from scripts.studies.common import Study, print_markdown

CONFIG = {"n_steps": 2, "batch_size": 256, "n_epochs": 10}  # CVDRecipe: 1024 runs of the furnace per update


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    many: int = 512
    few: int = 8
    seconds: float = 12.0  # the shortest duration of a setup, training included
    turns: int = 3
    cases: int = 8


QUICK = Settings(many=4, few=2, seconds=0.1, turns=1, cases=3)


def boron_nitrogen_bonds(tubes):
    """Return the number of bonds between boron and nitrogen, a property that takes very little time."""
    pairs = [tube.species[tube.lattice.bonds[:, :2]] for tube in tubes]
    return [float((np.sort(pair, axis=1) == (Species.B, Species.N)).all(axis=1).sum()) for pair in pairs]


@dataclass
class Setup:
    """One way to give environments to SB3, and the seconds that it takes.

    Attributes:
        name: the name of the setup.
        agent: the agent that is trained.
        ledger: the ledger of its task.
        frames: the number of steps of single environments.
        spent: CPU seconds by part ("collect" includes "environment"); also the wall seconds within the environment as
            "wall", and those of computing rewards as "scoring".
    """

    name: str
    agent: PPO
    ledger: Any
    frames: int = 0
    spent: Counter = field(default_factory=Counter)

    def __post_init__(self):
        for owner, method, part in (
            (self.agent, "collect_rollouts", "collect"),
            (self.agent.env, "step", "environment"),
            (self.agent, "train", "learn"),
        ):
            setattr(owner, method, self.timed(getattr(owner, method), part))

    def timed(self, call, part):
        """Return a call that also adds up its duration."""

        def clocked(*args, **kwargs):
            wall, start = time.perf_counter(), time.process_time()
            result = call(*args, **kwargs)
            self.spent[part] += time.process_time() - start
            self.spent["wall"] += (time.perf_counter() - wall) * (part == "environment")
            return result

        return clocked

    def update(self):
        """Collect frames and train once."""
        frames, scored = self.agent.n_steps * self.agent.n_envs, sum(self.ledger.seconds.values())
        self.agent.learn(frames, reset_num_timesteps=False)
        self.frames += frames
        self.spent["scoring"] += sum(self.ledger.seconds.values()) - scored

    @property
    def seconds(self):
        return self.spent["collect"] + self.spent["learn"]

    def row(self):
        parts = ("collect", "environment", "learn")
        return {
            "setup": self.name,
            "n_envs": self.agent.n_envs,
            "frames": self.frames,
            "frames_per_s": self.frames / self.seconds,
            "collect_frames_per_s": self.frames / self.spent["collect"],
            "environment_frames_per_s": self.frames / self.spent["environment"],
            "microseconds_a_frame": {part: 1e6 * self.spent[part] / self.frames for part in parts},
            "share_of_environment": self.spent["environment"] / self.seconds,  # the rest is PPO's own
            "share_of_environment_in_scoring": self.spent["scoring"] / self.spent["wall"],
        }


def cases():
    """Return name, environment, task, further arguments of the environment, and hyper-parameters of each case."""
    doping, growth = (hyperparameters(name, "PPO") for name in ("matgym/NanotubeDoping-v0", "matgym/CVDGrowth-v0"))
    wide = {"batch_size": 4096, "n_epochs": 4}  # a usual choice for thousands of frames per update
    ids = {name: f"matgym/{name}-v0" for name in ("CVDGrowth", "CVDRecipe", "NanotubeDesign", "NanotubeDoping")}
    cheap = decoration_task(property="boron_nitrogen_bonds", model=boron_nitrogen_bonds, low=0.0, high=12.0)
    tubes, design = ids["NanotubeDoping"], "NanotubeDoping, shipped surrogate"
    on_honeycomb = {name: value for name, value in doping.items() if name != "policy_kwargs"}
    return (
        ("CVDRecipe", ids["CVDRecipe"], GrowthTask(), {}, CONFIG),
        ("CVDGrowth, batches of 4,096", ids["CVDGrowth"], GrowthTask(), {}, growth | wide),
        ("NanotubeDoping, a function", tubes, cheap, {}, doping),
        ("CVDGrowth", ids["CVDGrowth"], GrowthTask(), {}, growth),
        (f"{design}, batches of 4,096", tubes, decoration_task(), {}, doping | wide),
        (design, tubes, decoration_task(), {}, doping),
        (
            "NanotubeDesign, level medium", ids["NanotubeDesign"], brief_task("medium"), {},
            hyperparameters(ids["NanotubeDesign"], "PPO"),
        ),
        (
            f"{design}, HoneycombPolicy", tubes, decoration_task(), {"observation": "honeycomb"},
            on_honeycomb | {"policy": "HoneycombPolicy"},
        ),
    )  # fmt: skip


def setups(environment, task, arguments, config, settings):
    policy = config.get("policy", "MlpPolicy")
    config = {name: value for name, value in config.items() if name not in {"n_envs", "n_timesteps", "policy"}}
    config["learning_rate"] = 3e-4  # schedules depend on the end of the training

    def agent(envs, n_steps):
        return PPO(policy, envs, seed=0, device="cpu", **config | {"n_steps": n_steps})

    def dummy(n_envs):
        # A function is given, because SB3 passes render_mode="rgb_array" to an id, which CVDRecipe does not have.
        return make_vec_env(
            lambda: gym.make(environment, task=task, **arguments), n_envs, seed=0, vec_env_cls=DummyVecEnv
        )

    many, few, steps = settings.many, settings.few, config["n_steps"]
    ours = VecMonitor(SB3VecEnv(gym.make_vec(environment, num_envs=many, task=task, **arguments), seed=0))
    return [
        Setup("SB3VecEnv", agent(ours, steps), task.ledger),
        Setup("DummyVecEnv", agent(dummy(many), steps), task.ledger),
        Setup("DummyVecEnv", agent(dummy(few), steps * many // few), task.ledger),
    ]


def measure(name, environment, task, arguments, config, settings):
    ways = setups(environment, task, arguments, config, settings)
    for way in ways:
        way.update()
        way.frames = 0  # the first update fills caches and is not counted
        way.spent.clear()
    for turn in range(1, settings.turns + 1):
        for way in ways:
            while way.seconds < settings.seconds * turn / settings.turns:
                way.update()
    rows = [way.row() for way in ways]
    rates = ("frames_per_s", "collect_frames_per_s", "environment_frames_per_s")
    ratios = {rate: [rows[0][rate] / row[rate] for row in rows[1:]] for rate in rates}
    return {"case": name, "settings": config, "rows": rows, "over_dummy_many_and_few": ratios}


def main():
    study = Study.from_command_line("sb3-throughput", __doc__, Settings(), QUICK)
    torch.set_num_threads(1)
    results = [measure(*case, study.settings) for case in cases()[: study.settings.cases]]
    study.write({"threads": 1, "cases": results})
    rates = ("frames_per_s", "collect_frames_per_s", "environment_frames_per_s")
    print_markdown(
        (
            "", "setup", "environments", "frames/s", "collecting only", "environment only", "learning, µs a frame",
            "PPO's own share",
        ),
        (
            (
                case["case"], row["setup"], row["n_envs"], *(f"{row[rate]:,.0f}" for rate in rates),
                f"{row['microseconds_a_frame']['learn']:.0f}", f"{1.0 - row['share_of_environment']:.0%}",
            )
            for case in results for row in case["rows"]
        ),
    )  # fmt: skip
    for case in results:
        print(case["case"], case["over_dummy_many_and_few"])


if __name__ == "__main__":
    main()
