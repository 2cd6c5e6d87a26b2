"""Compare policies on the honeycomb with flat ones, on their own tube and on tubes that they have not seen.

MaskablePPO with README's settings trains on `NanotubeDoping`: with `MlpPolicy`, with `HoneycombPolicy`, and with one
that starts from the trunk of `nanotube-gap`. All get the same number of steps; agents are played on targets that no
training drew. Policies on the honeycomb that were trained on two cells of (11, 0) are asked, as they are, for designs
of three and four cells, at the same share of atoms.

`python -m scripts.studies.agents.honeycomb` (half an hour on two free cores, most of it for the trunk, which is three
times as wide) writes docs/results/honeycomb.json and prints the table of docs/results.md.
"""

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from matgym.agents.honeycomb import on_spaces
from matgym.agents.training import first_returns, learn, learner
from matgym.statistics import estimate
from scripts.studies.common import Study, StudyJob, interval, print_markdown

DOPING = "matgym/NanotubeDoping-v0"
README = {"n_envs": 64, "n_steps": 16, "batch_size": 512, "n_epochs": 4, "learning_rate": 2e-3, "gamma": 1.0}
TUBES = {2: {"B": 5, "N": 5}, 3: {"B": 8, "N": 8}, 4: {"B": 11, "N": 11}}
"""The budget of tubes of two, three and four cells of (11, 0); that of three cells is the environment's default."""

POLICIES = {
    "MlpPolicy": {"policy": "MlpPolicy"},
    "HoneycombPolicy": {"policy": "HoneycombPolicy"},
    "HoneycombPolicy, trunk": {"policy": "HoneycombPolicy", "policy_kwargs": {"trunk": "nanotube-gap"}},
}
UNSEEN = 1_000_000


@dataclass(frozen=True)
class Settings:
    """How much is trained and played."""

    steps: int = 102_400
    seeds: int = 3
    warm_seeds: int = 1
    episodes: int = 256
    cells: tuple[int, ...] = (2, 3)


QUICK = Settings(steps=1024, seeds=1, warm_seeds=0, episodes=4, cells=(2,))


def arguments_of(cells, policy):
    given = {"cells": cells, "budget": TUBES[cells]}
    return given if policy == "MlpPolicy" else given | {"observation": "honeycomb"}


def played(agent, policy, cells, settings, seed):
    """Return the mean return of an agent on some tube, which may not be that of its training."""
    arguments, first = arguments_of(cells, policy), UNSEEN + settings.episodes * seed
    if cells != agent.trained_on:
        other, _ = learner(DOPING, "MaskablePPO", seed=0, arguments=arguments, settings={"policy": "HoneycombPolicy"})
        agent = on_spaces(agent, other.observation_space, other.action_space)
    return float(first_returns(DOPING, arguments, agent, settings.episodes, first).mean())


@dataclass(frozen=True)
class Training(StudyJob):
    """One agent, trained on a tube of some cells and played on others."""

    settings: Settings
    policy: str
    cells: int
    seed: int

    def run(self):
        """Return a table of one row for each tube on which the agent is played."""
        settings = self.settings
        agent, _ = learner(
            DOPING, "MaskablePPO", seed=self.seed, arguments=arguments_of(self.cells, self.policy),
            settings=README | POLICIES[self.policy],
        )  # fmt: skip
        agent.trained_on = self.cells
        began, wall = time.process_time(), time.perf_counter()
        learn(agent, settings.steps, lambda _done, _mean: None)
        row = {"policy": self.policy, "trained_on": self.cells, "seed": self.seed, "steps": agent.num_timesteps}
        row |= {"cpu_seconds": time.process_time() - began, "seconds": time.perf_counter() - wall}
        others = [self.cells] if self.policy == "MlpPolicy" else [self.cells, *(c for c in TUBES if c > self.cells)]
        returns = [played(agent, self.policy, cells, settings, self.seed) for cells in others]
        return pa.Table.from_pylist([row | {"cells": c, "return": r} for c, r in zip(others, returns, strict=True)])


def shown(row):
    """Return the text of a mean return, with its interval if there are several seeds."""
    return interval(*row["return"], form=".3f") if row["seeds"] > 1 else f"{row['return'][0]:.3f}"


def main():
    study = Study.from_command_line("honeycomb", __doc__, Settings(), QUICK)
    settings = study.settings
    cold, warm = list(POLICIES)[:2], list(POLICIES)[2]  # the trunk comes last: it takes the longest
    runs = [(policy, seed) for seed in range(settings.seeds) for policy in cold]
    runs += [(warm, seed) for seed in range(settings.warm_seeds)]
    jobs = [Training(settings, policy, cells, seed) for policy, seed in runs for cells in settings.cells]
    rows, table = study.rows(jobs), []
    for policy, trained, cells in dict.fromkeys((row["policy"], row["trained_on"], row["cells"]) for row in rows):
        mine = [row for row in rows if (row["policy"], row["trained_on"], row["cells"]) == (policy, trained, cells)]
        figures = estimate([row["return"] for row in mine])
        table.append({
            "policy": policy, "trained_on": trained, "cells": cells, "seeds": len(mine), "steps": mine[0]["steps"],
            "frames_per_cpu_second": float(np.mean([row["steps"] / row["cpu_seconds"] for row in mine])),
            "return": [figures.mean, figures.low, figures.high],
        })  # fmt: skip
    study.write({"rows": rows, "table": table})
    print_markdown(
        ("policy", "trained on", "played on", "seeds", "mean return", "frames per CPU second, with learning"),
        (
            (
                r["policy"], f"(11,0)x{r['trained_on']}", f"(11,0)x{r['cells']}", r["seeds"],
                shown(r), f"{r['frames_per_cpu_second']:,.0f}",
            )
            for r in table
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
