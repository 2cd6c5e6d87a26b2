"""Scores of agents that see the hidden state, instruments, or what was read from instruments: the loop closed.

`python -m scripts.studies.characterization.loop` trains one agent for each observation of CVDGrowth-v0 and of
FilmAnnealing-v0, as `scripts.studies.environments` does: stored hyper-parameters, and imitation first. It scores them
on episodes that training did not see, with random actions and the best fixed schedule beside, and writes
docs/results/characterization-loop.json and a picture after each seed. After an interruption the same command continues.

- "state" is the hidden truth, and "instruments" and "statistics" are the default observations. The statistics of a
  film are true values, of radius and defects.
- "spectrum", "diffraction" and "image" are what instruments show; an agent that sees images has a convolutional
  network.
- "characterized" is what the trained network reads from them, with its uncertainty (left out with a note if there is
  none: `python -m scripts.studies.characterization.train`), and "fitted" what the estimator without learning reads.

All agents of an environment imitate the same teacher, which for films knows the true radius (Chen et al., Conference on
Robot Learning, 2019, taught agents that see by one that knows).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from matgym.agents.controllers.rules import ENOUGH, HOT_C
from matgym.agents.scripted import Scripted
from matgym.characterization.reading.learned import STORE
from matgym.characterization.reading.registry import READINGS
from matgym.envs.film_annealing import FilmAnnealing
from matgym.processes.annealing.film import COLDEST_C, scaled_celsius
from matgym.registration import SPECS
from matgym.statistics import interquartile_mean
from scripts.studies.characterization.accuracy_picture import loop_figure
from scripts.studies.characterization.weights import trained_weights
from scripts.studies.common import Study, interval, print_markdown
from scripts.studies.environments import Score
from scripts.studies.environments import Settings as ScoreSettings

OBSERVATIONS = {
    "matgym/CVDGrowth-v0": ("state", "instruments", "spectrum", "diffraction", "characterized", "fitted"),
    "matgym/FilmAnnealing-v0": ("state", "statistics", "image", "characterized", "fitted"),
}
READERS = {"matgym/CVDGrowth-v0": "forest-curves", "matgym/FilmAnnealing-v0": "film-micrograph"}
"""The task whose network reads the measurements of each environment."""

BESIDE = ("random", "blind")
"""Policies that do not look."""


@dataclass(frozen=True)
class Settings(ScoreSettings):
    """How much is measured."""

    levels: tuple[str, ...] = ("hard",)  # at the other levels there is little to gain from looking at growth


QUICK = Settings(seeds=1, episodes=2, expert_episodes=1, share=0.0, quick=True)


class Informed(Scripted):
    """Heat films until their true mean radius is near the target, then cool them, whatever is observed."""

    def begin(self, episodes, rng):
        del rng
        self._episodes = episodes

    def act(self, observation):
        del observation
        hot = self._episodes.films.measures[:, 0] < ENOUGH * self._episodes.targets
        return scaled_celsius(np.where(hot, HOT_C, COLDEST_C))[:, None].astype(np.float32)


@dataclass(frozen=True)
class Closed(Score):
    """The return of an agent with one observation, or of a policy that does not look."""

    observation: str = ""
    weights: str = ""  # start of the SHA-256 of the network that reads

    @property
    def arguments(self):
        """The arguments of the environment."""
        levels = next(spec.levels for spec in SPECS if spec.id == self.environment)
        given = dict(levels[self.level])
        if self.observation == "fitted":
            reader = READINGS[READERS[self.environment]].baseline()
            return given | {"observation": "characterized", "characterizer": reader}
        return given | ({"observation": self.observation} if self.observation else {})

    def hyperparameters(self, algorithm, arguments):
        """Return the stored hyper-parameters; a convolutional network for images."""
        found = super().hyperparameters(algorithm, arguments)
        return found | ({"policy": "CnnPolicy"} if self.observation == "image" else {})

    def teacher(self, episodes):
        """Return the teacher, which does not depend on the observation."""
        return Informed() if isinstance(episodes, FilmAnnealing) else super().teacher(episodes)


def jobs_of(settings, environment, level, seed, weights):
    """Return the jobs of one seed of a level, and what each of them sees."""
    make = partial(Closed, settings, environment, level, seed)
    jobs = {policy: make(policy) for policy in BESIDE}
    for observation in OBSERVATIONS[environment]:
        read = observation == "characterized"
        if not read or environment in weights:
            jobs[observation] = make("trained", observation, weights[environment] if read else "")
    return jobs


def trained_readers():
    """Return the start of the SHA-256 of the shipped network of each environment that has one."""
    found = trained_weights(STORE, READERS.values())
    return {environment: found[task][:8] for environment, task in READERS.items() if task in found}


def summary(rows):
    """Return one entry for each environment, level and observation: the interquartile mean over seeds."""
    table = []
    for place in dict.fromkeys((row["environment"], row["level"], row["sees"]) for row in rows):
        mine = [row for row in rows if (row["environment"], row["level"], row["sees"]) == place]
        found = interquartile_mean(np.array([[row["return"]] for row in mine]), np.random.default_rng(0))
        entry = dict(zip(("environment", "level", "sees"), place, strict=True))
        entry |= {"seeds": len(mine), "return": [found.mean, found.low, found.high], "steps": mine[0]["steps"]}
        table.append(entry | {"seconds": float(np.mean([row["seconds"] for row in mine]))})
    return table


def main():
    study = Study.from_command_line("characterization-loop", __doc__, Settings(), QUICK)
    settings, weights, rows = study.settings, trained_readers(), []
    for seed in range(settings.seeds):
        for environment in OBSERVATIONS:
            for level in settings.levels:
                jobs = jobs_of(settings, environment, level, seed, weights)
                found = study.rows(jobs.values())
                rows += [row | {"sees": sees} for sees, row in zip(jobs, found, strict=True)]
        study.write({"weights": weights, "rows": rows, "scores": summary(rows)})
        study.picture("characterization-loop.png", partial(loop_figure(summary(rows)).savefig, format="png"))
    print_markdown(
        ("environment", "level", "sees", "return, IQM [95 %]", "seeds", "seconds a seed"),
        (
            (
                entry["environment"],
                entry["level"],
                entry["sees"],
                interval(*entry["return"]),
                entry["seeds"],
                entry["seconds"],
            )
            for entry in summary(rows)
        ),
    )


if __name__ == "__main__":
    main()
