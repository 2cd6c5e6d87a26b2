"""NanotubeImprovement on unseen tubes: random actions, blind policy, look-up, hill climbing, greedy, trained policy.

`python -m scripts.studies.improvement` (about an hour on two cores) plays briefs on tubes of chiralities that training
did not see, and writes docs/results/improvement.json: the share of briefs that the last tube meets, and its mean worth.
After an interruption the same command continues.

Each policy begins with the same random design on the same tube with the same brief. Blind is the best of five sequences
that look at nothing: stop, or another strain and stop. Look-up scores N random designs on the tube of the episode, and
takes the best of them for the brief; it does not use the initial design. Hill climbing mutates the initial design by
the moves of the space, and scores as many designs as an episode has changes. Greedy is the scripted expert,
`matgym.agents.greedy`. Trained is MaskablePPO with HoneycombPolicy, whose actions are the most likely ones.
"""

import time
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pyarrow as pa
import torch
from sb3_contrib import MaskablePPO

import matgym  # noqa: F401  # registers the environments
from matgym.agents import SB3VecEnv
from matgym.agents.greedy import Greedy
from matgym.tasks.any_tube import STRAINS, lattices_of
from matgym.tasks.brief import LEVELS
from scripts.studies.common import Study, StudyJob, interval, print_markdown

UNSEEN = ((7, 4), (8, 5), (9, 6), (10, 2), (11, 2), (12, 6), (14, 2))
"""Chiralities that training does not see. Chosen before all runs."""

LOOK_UPS = (64, 1024, 4096)
POLICIES = ("random", "blind", *(f"look-up {n}" for n in LOOK_UPS), "hill climbing", "greedy")
TRAINED = "trained"
PART = 1024  # designs that are scored at once
ENVIRONMENT = "matgym/NanotubeImprovement-v0"
FIRST = 1_000_000  # seed of the first episode that is played; training draws from small seeds


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    levels: tuple[str, ...] = ("easy", "medium")
    episodes: int = 128
    seeds: int = 2
    steps: int = 12_288
    num_envs: int = 64
    rollout: int = 48
    batch: int = 512
    epochs: int = 4
    rate: float = 1e-3
    gamma: float = 0.99
    entropy: float = 1e-3


QUICK = Settings(levels=("easy",), episodes=4, seeds=1, steps=64, num_envs=4, rollout=16, batch=32, epochs=1)


def tubes_of(level, *, seen):
    """Return the tubes of a level whose chirality training sees, or does not see."""
    lattices = lattices_of(LEVELS[level].sites)
    return [(each.n, each.m, each.cells) for each in lattices if ((each.n, each.m) not in UNSEEN) == seen]


def made(level, *, seen, count):
    """Return environments on tubes that training sees, or on others with other briefs."""
    tubes, briefs = tubes_of(level, seen=seen), 0 if seen else 1
    return gym.make_vec(
        ENVIRONMENT, num_envs=count, level=level, tubes=tubes, briefs=briefs, observation="honeycomb"
    )  # fmt: skip


def played(episodes, act):
    """Play the episodes of a batch that was just reset, with a function from observations to actions."""
    running = np.ones(episodes.size, dtype=bool)
    while running.any():
        rows = np.flatnonzero(running)
        _, ended = episodes.step(act(episodes.observe())[rows], rows)
        running[rows] = ~ended
    return np.array(episodes.info()["met"]), np.array(episodes.worth)


def scored(episodes, designs):
    """Return whether designs meet the briefs of the episodes, and their worths."""
    scores = episodes.task.score(designs, episodes.targets)
    return episodes.task.met(scores, episodes.targets), np.array(scores.reward)


def random_policy(episodes, rng):
    """Play random actions that are allowed."""

    def act(_):
        masks = episodes.masks()
        return np.where(masks, rng.random(masks.shape), -1.0).argmax(axis=1)

    return played(episodes, act)


def greedy_policy(episodes, rng):
    """Play the scripted expert."""
    expert = Greedy()
    expert.begin(episodes, rng)
    return played(episodes, expert.act)


def climbed(episodes, rng):
    """Mutate the initial designs, and keep what is not worse; as many evaluations as an episode has changes."""
    space, best = episodes.task.space, np.array(episodes.builder.designs)
    met, worth = scored(episodes, best)
    for _ in range(episodes.builder.horizon):
        other = space.mutate(best, rng)
        while (moved := np.flatnonzero(other[:, 0] != best[:, 0])).size:  # the tube is given
            other[moved] = space.mutate(best[moved], rng)
        now, found = scored(episodes, other)
        better = found >= worth
        best[better], met[better], worth[better] = other[better], now[better], found[better]
    return met, worth


def blind(episodes):
    """Return the results of each sequence that looks at nothing: stop, or a strain first."""
    results = [scored(episodes, episodes.builder.designs)]
    for strain in range(len(STRAINS)):
        designs = np.array(episodes.builder.designs)
        designs[:, 1] = strain
        results.append(scored(episodes, designs))
    return max(results, key=lambda each: each[1].mean())


def looked_up(episodes, rng, count):
    """Return the results of the best of random designs on the tube of each episode."""
    task, lattices = episodes.task, episodes.builder.designs[:, 0].astype(np.int64)
    met, worth = np.zeros(len(lattices), dtype=bool), np.zeros(len(lattices))
    none = np.tile([-np.inf, np.inf], len(task.objectives))
    for lattice in np.unique(lattices):
        values = []
        for _ in range(0, count, PART):
            designs = task.space.sample_on(np.full(min(PART, count), lattice), rng)
            scores = task.score(designs, np.tile(none, (len(designs), 1)))
            values.append(task.achieved(scores)[:, ::2])
        table = np.concatenate(values)
        for row in np.flatnonzero(lattices == lattice):
            targets = np.tile(episodes.targets[row], (len(table), 1))
            rewards = task.rewards_at(table, targets)
            best = int(rewards.argmax())
            worth[row], met[row] = rewards[best], not task.outside(table[best : best + 1], targets[:1]).any()
    return met, worth


@dataclass(frozen=True)
class Score(StudyJob):
    """What a policy reaches at one level."""

    settings: Settings
    level: str
    policy: str
    seed: int

    def run(self):
        """Return a table with one row for each episode."""
        settings, began = self.settings, time.perf_counter()
        torch.set_num_threads(1)
        rng = np.random.default_rng([self.seed, (*POLICIES, TRAINED).index(self.policy)])
        agent = None if self.policy != TRAINED else self.trained()
        seconds = time.perf_counter() - began
        envs = made(self.level, seen=False, count=settings.episodes)
        envs.reset(seed=FIRST)
        episodes = envs.episodes
        if agent is not None:
            met, worth = played(
                episodes,
                lambda seen: agent.predict(seen, action_masks=episodes.masks(), deterministic=True)[0],
            )
        elif self.policy.startswith("look-up"):
            met, worth = looked_up(episodes, rng, int(self.policy.split()[-1]))
        elif self.policy == "blind":
            met, worth = blind(episodes)
        else:
            ways = {"random": random_policy, "hill climbing": climbed, "greedy": greedy_policy}
            met, worth = ways[self.policy](episodes, rng)
        row = {"level": self.level, "policy": self.policy, "seed": self.seed, "training_seconds": seconds}
        return pa.Table.from_pylist(
            [row | {"met": bool(m), "worth": float(w)} for m, w in zip(met, worth, strict=True)]
        )

    def trained(self):
        """Return an agent, trained on other tubes."""
        settings = self.settings
        envs = SB3VecEnv(made(self.level, seen=True, count=settings.num_envs), seed=10_000 * self.seed)
        agent = MaskablePPO(
            "HoneycombPolicy", envs, seed=self.seed, n_steps=settings.rollout, batch_size=settings.batch,
            n_epochs=settings.epochs, learning_rate=settings.rate, gamma=settings.gamma, ent_coef=settings.entropy,
        )  # fmt: skip
        agent.learn(settings.steps)
        return agent


def jobs_of(settings):
    """Return all jobs."""
    return [
        Score(settings, level, policy, seed)
        for level in settings.levels
        for policy in (*POLICIES, TRAINED)
        for seed in range(settings.seeds if policy == TRAINED else 1)
    ]


def bootstrapped(values):
    """Return mean and 95 % interval of (seeds, episodes) values by the bootstrap over episodes."""
    rng, mean = np.random.default_rng(0), values.mean(axis=0)
    drawn = mean[rng.integers(len(mean), size=(2000, len(mean)))].mean(axis=1)
    return [float(mean.mean()), *np.quantile(drawn, (0.025, 0.975)).tolist()]


def main():
    study = Study.from_command_line("improvement", __doc__, Settings(), QUICK)
    jobs = jobs_of(study.settings)
    rows, table = study.rows(jobs), []
    for level in study.settings.levels:
        for policy in (*POLICIES, TRAINED):
            mine = [row for row in rows if (row["level"], row["policy"]) == (level, policy)]
            shape = (-1, study.settings.episodes)
            met, worth = (
                np.array([row[name] for row in mine], dtype=float).reshape(shape) for name in ("met", "worth")
            )
            entry = {"level": level, "policy": policy, "seeds": len(met), "met": bootstrapped(met)}
            entry |= {"met_by_seed": met.mean(axis=1).tolist(), "worth": bootstrapped(worth)}
            table.append(entry | {"training_seconds": float(np.mean([row["training_seconds"] for row in mine]))})
    study.write({"policies": table})
    print_markdown(
        ("level", "policy", "briefs met", "mean worth"),
        ((each["level"], each["policy"], interval(*each["met"]), interval(*each["worth"], ".4f")) for each in table),
    )


if __name__ == "__main__":
    main()
