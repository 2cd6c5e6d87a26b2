"""Train the agents that come with matgym: `matgym agents list` shows them, `matgym evaluate NAME` plays them.

`python -m scripts.studies.agents.zoo` (ten minutes on one free core) trains one agent after the other with the stored
hyper-parameters, plays it and random actions on episodes that its training did not see, verifies its designs with
physics, and writes weights and card of each to agents/zoo/. The cards hold the figures.
"""

import time
from dataclasses import dataclass

from matgym.agents.acting import Acts
from matgym.agents.cards import Scores
from matgym.agents.storage import save_agent
from matgym.agents.training import evaluated, learn, learner
from matgym.envs.design import DesignEpisodes
from scripts.studies.common import Study, print_markdown

SMALL = {"n": 11, "cells": 2, "budget": {"B": 5, "N": 5}, "observation": "honeycomb"}

AGENTS = {
    "doping": ("matgym/NanotubeDoping-v0", {}, "MaskablePPO", 200_000),
    "isotopes": ("matgym/NanotubeIsotopes-v0", {}, "MaskablePPO", 100_000),
    "growth": ("matgym/CVDGrowth-v0", {}, "PPO", 1_000_000),
    "doping-honeycomb": ("matgym/NanotubeDoping-v0", SMALL, "MaskablePPO", 100_000),
}
"""Name, environment and its arguments, algorithm, and steps: about two minutes each, by our choice. The agents of
NanotubeImprovement are those of `python -m scripts.studies.amortised`, which writes them itself."""

UNSEEN = 1_000_000  # random seed of the first episode that agents are played on; training draws from small seeds


@dataclass(frozen=True)
class Settings:
    """How much is trained and played."""

    agents: tuple[str, ...] = tuple(AGENTS)
    episodes: int = 64
    share: float = 1.0  # of the training steps
    seed: int = 0


QUICK = Settings(agents=("isotopes",), episodes=2, share=0.0)


def interval(estimate):
    return None if estimate is None else (estimate.mean, estimate.low, estimate.high)


def scores_of(agent, environment, arguments, episodes, *, deterministic=True):
    """Return the scores of an agent and of random actions on the same unseen episodes, and what physics says."""
    acts = Acts(agent, deterministic=deterministic)
    played, blind = (evaluated(environment, arguments, policy, episodes, UNSEEN) for policy in (acts, None))
    return Scores(
        episodes=episodes, seed=UNSEEN, returns=interval(played.returns), random=interval(blind.returns),
        verified=interval(played.verified),
    )  # fmt: skip


def made(name, settings, folder):
    """Train, play and store an agent, and return a row of figures."""
    environment, arguments, algorithm, steps = AGENTS[name]
    agent, _ = learner(environment, algorithm, seed=settings.seed, arguments=arguments)
    envs, began = agent.get_env().envs, time.perf_counter()
    learn(agent, max(1, round(steps * settings.share)), lambda _done, _mean: None)
    seconds = time.perf_counter() - began
    designs = sum(envs.task.ledger.counts.values())
    if not isinstance(envs.episodes, DesignEpisodes):  # a process counts minutes: an episode is a run
        designs = agent.num_timesteps // envs.episodes.steps
    scores = scores_of(agent, environment, arguments, settings.episodes)
    folder.mkdir(parents=True, exist_ok=True)
    save_agent(
        agent, folder / f"{name}.safetensors", environment=environment, arguments=arguments,
        command="python -m scripts.studies.agents.zoo", seconds=round(seconds, 1), designs=designs, scores=scores,
    )  # fmt: skip
    return {"name": name, "environment": environment, "designs": designs, "seconds": seconds} | scores.model_dump()


def main():
    study = Study.from_command_line("zoo", __doc__, Settings(), QUICK)
    folder = study.docs / "zoo" if study.quick else study.docs.parent / "agents" / "zoo"
    rows = [made(name, study.settings, folder) for name in study.settings.agents]
    print_markdown(
        ("agent", "designs", "seconds", "random", "return", "verified by physics"),
        (
            (
                row["name"], f"{row['designs']:,}", f"{row['seconds']:.0f}", row["random"][0], row["returns"][0],
                None if row["verified"] is None else row["verified"][0],
            )
            for row in rows
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
