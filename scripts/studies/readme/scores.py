"""Mean returns of random and of trained agents in every environment, which the environments' pages show.

`python -m scripts.studies.readme.scores` (about half an hour on two cores) trains one agent a seed in each environment,
with the stored hyper-parameters, and plays it and a random agent on the same episodes, which training did not see. It
writes docs/results/scores.json; `python scripts/docs.py` puts the figures on the pages.
"""

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pyarrow as pa

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.training import learner
from matgym.registration import SPECS
from matgym.statistics import estimate
from scripts.studies.common import ARGUMENTS, Study, StudyJob, interval, print_markdown

ALGORITHMS = {
    "matgym/NanotubeDoping-v0": ("MaskablePPO", 200_000),
    "matgym/NanotubeChirality-v0": ("MaskablePPO", 200_000),
    "matgym/NanotubeIsotopes-v0": ("MaskablePPO", 100_000),
    "matgym/NanotubeThermoelectric-v0": ("MaskablePPO", 8_000),  # a thousand designs of half a second
    "matgym/CVDGrowth-v0": ("PPO", 300_000),
    "matgym/CVDRecipe-v0": ("PPO", 40_000),
    "matgym/Experiments-v0": ("PPO", 100_000),
    "matgym/FilmAnnealing-v0": ("PPO", 80_000),
}
"""What is trained in each environment, and for how many steps: about a minute, by our choice."""

UNSEEN = 1_000_000  # seed of the first episode that agents are played on; training draws from small seeds


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    seeds: int = 3
    episodes: int = 256
    share: float = 1.0  # of the training steps


QUICK = Settings(seeds=1, episodes=4, share=0.0)


def mean_return(envs, act):
    """Return the mean return of the first episode of each environment."""
    observation = envs.reset()
    returns, running = np.zeros(envs.num_envs), np.ones(envs.num_envs, dtype=bool)
    while running.any():
        observation, rewards, dones, _ = envs.step(act(observation))
        returns += np.where(running, rewards, 0.0)
        running &= ~dones
    return float(returns.mean())


def play(identity, settings, policy, seed):
    """Return the mean return of a policy, or of a random agent if it is None, on episodes that training did not see."""
    made = gym.make_vec(identity, num_envs=settings.episodes, **ARGUMENTS.get(identity, {}))
    envs, rng = SB3VecEnv(made, seed=UNSEEN + settings.episodes * seed), np.random.default_rng(seed)
    box = made.single_action_space

    def act(observation):
        masks = np.stack(envs.env_method("action_masks")) if envs.has_attr("action_masks") else None
        if policy is None and masks is None:
            return rng.uniform(box.low, box.high, (settings.episodes, *box.shape)).astype(np.float32)
        if policy is None:
            return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)
        return policy.predict(observation, deterministic=True, **({} if masks is None else {"action_masks": masks}))[0]

    return mean_return(envs, act)


@dataclass(frozen=True)
class Training(StudyJob):
    """One agent, trained and played."""

    settings: Settings
    environment: str
    seed: int

    def run(self):
        """Return a table of one row."""
        algorithm, steps = ALGORITHMS[self.environment]
        agent, _ = learner(self.environment, algorithm, seed=self.seed, arguments=ARGUMENTS.get(self.environment))
        began = time.perf_counter()
        agent.learn(max(1, round(steps * self.settings.share)))
        row = {"environment": self.environment, "seed": self.seed, "algorithm": algorithm, "steps": agent.num_timesteps}
        row |= {"seconds": time.perf_counter() - began}
        row |= {"random": play(self.environment, self.settings, None, self.seed)}
        row |= {"trained": play(self.environment, self.settings, agent, self.seed)}
        return pa.Table.from_pylist([row])


def main():
    study = Study.from_command_line("scores", __doc__, Settings(), QUICK)
    seeds = range(study.settings.seeds)
    rows = study.rows([Training(study.settings, spec.id, seed) for spec in SPECS for seed in seeds])
    table = []
    for spec in SPECS:
        mine = [row for row in rows if row["environment"] == spec.id]
        figures = {name: estimate([row[name] for row in mine]) for name in ("random", "trained")}
        table.append(
            {
                "environment": spec.id,
                "algorithm": mine[0]["algorithm"],
                "steps": mine[0]["steps"],
                "seconds": float(np.mean([row["seconds"] for row in mine])),
                **{name: [each.mean, each.low, each.high] for name, each in figures.items()},
            }
        )
    study.write({"rows": rows, "environments": table})
    print_markdown(
        ("environment", "algorithm", "steps", "seconds", "random", "trained"),
        (
            (
                r["environment"],
                r["algorithm"],
                r["steps"],
                r["seconds"],
                interval(*r["random"]),
                interval(*r["trained"]),
            )
            for r in table
        ),
    )


if __name__ == "__main__":
    main()
