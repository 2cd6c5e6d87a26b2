"""Score the controllers of `matgym/CVDGrowth-v0` on held-out reactors, relative to the best known schedule.

A score is (J - J_random) / (J_best - J_random), computed for each reactor. `python -m scripts.studies.furnace.scores`
(an hour and a half on two cores, after `scripts.studies.furnace.optimum`) writes docs/results/furnace-scores.json and
docs/images/furnace/scores.png, and prints the table of docs/furnace.md.
"""

import time
from dataclasses import dataclass, field

import gymnasium as gym
import numpy as np
import pyarrow as pa

import matgym  # noqa: F401  # registers the environments
from matgym.agents.controllers.cross_entropy import cross_entropy
from matgym.agents.controllers.predictive import PredictiveController
from matgym.agents.sb3 import hyperparameters, make_agent
from matgym.processes.growth.recipe import scaled_controls
from matgym.statistics import interquartile_mean
from matgym.tasks.growth import GrowthTask
from matgym.viz.palette import METHOD_STYLES, new_figure
from scripts.studies.common import Study, StudyJob, interval, print_markdown
from scripts.studies.furnace.optimum import known_optima


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    seeds: int = 10
    constant_reactors: int = 64  # reactors for the best constant recipe, which each seed draws
    constant_generations: int = 30
    open_reactors: int = 16  # reactors for the best schedule, which each seed draws
    open_generations: int = 80
    population: int = 128
    methods: tuple[str, ...] = ("random", "constant", "cross-entropy", "predictive", "PPO", "RecurrentPPO", "SAC")
    training_minutes: int | None = None  # None: the tuned number


QUICK = Settings(
    seeds=2, constant_reactors=2, constant_generations=1, open_reactors=2, open_generations=1, population=16,
    methods=("random", "constant", "cross-entropy", "PPO"), training_minutes=64,
)  # fmt: skip


@dataclass(frozen=True)
class Plan(StudyJob):
    """The job that searches the best constant recipe, and from there the best schedule, for the reactors of a seed."""

    settings: Settings
    seed: int

    def run(self):
        """Return one row: scaled recipe and schedule, and the minutes of furnace time that each search took."""
        settings, task = self.settings, GrowthTask()
        rng = np.random.default_rng([self.seed, 2])
        drawn = np.array([task.draw(rng) for _ in range(settings.constant_reactors)])

        def constant(points):
            return mean_over(task, np.repeat(scaled_controls(points)[:, None], task.minutes, axis=1), drawn)

        flat = cross_entropy(
            constant, np.zeros(4), rng, population=64, elite=8, generations=settings.constant_generations
        )
        rng = np.random.default_rng([self.seed, 3])
        few = np.array([task.draw(rng) for _ in range(settings.open_reactors)])
        schedule_search = cross_entropy(
            lambda points: mean_over(task, scaled_controls(points), few),
            np.tile(flat.point, (task.minutes, 1)), rng, spread=0.3, generations=settings.open_generations,
            population=settings.population, elite=settings.population // 8,
        )  # fmt: skip
        row = {
            "constant": flat.point.tolist(),
            "constant_minutes": flat.evaluations * settings.constant_reactors * task.minutes,
            "schedule": schedule_search.point.tolist(),
            "schedule_minutes": schedule_search.evaluations * settings.open_reactors * task.minutes,
        }
        return pa.Table.from_pylist([row])


def mean_over(task, schedules, reactors):
    """Return the (P,) mean J over reactors of (P, minutes, 4) schedules."""
    wide = np.repeat(schedules, len(reactors), axis=0)
    return task.run(wide, np.tile(reactors, (len(schedules), 1))).reshape(len(schedules), -1).mean(axis=1)


@dataclass(frozen=True)
class Control(StudyJob):
    """The job that computes the J of one method and seed on every test reactor.

    Attributes:
        settings: the settings of the study.
        method: the method that controls the furnace.
        seed: the random seed of the method.
        reactors: (R, 5) test reactors.
        plan: the row of `Plan` of the same seed.
    """

    settings: Settings
    method: str
    seed: int
    reactors: np.ndarray = field(repr=False)
    plan: dict = field(repr=False)

    def run(self):
        """Return one row."""
        began, task = time.perf_counter(), GrowthTask()
        known = {
            "random": self.at_random, "constant": self.constant, "cross-entropy": self.schedule,
            "predictive": self.predictive,
        }  # fmt: skip
        values, minutes = known.get(self.method, self.agent)(task)
        row = {"method": self.method, "seed": self.seed, "J": list(map(float, values)), "minutes_of_training": minutes}
        return pa.Table.from_pylist([row | {"seconds": time.perf_counter() - began}])

    def at_random(self, task):
        rng = np.random.default_rng([self.seed, 1])
        actions = rng.uniform(-1.0, 1.0, (len(self.reactors), task.minutes, 4))
        return task.run(scaled_controls(actions), self.reactors), 0

    def constant(self, task):
        controls = np.tile(scaled_controls(np.array(self.plan["constant"])), (len(self.reactors), task.minutes, 1))
        return task.run(controls, self.reactors), self.plan["constant_minutes"]

    def schedule(self, task):
        controls = np.tile(scaled_controls(np.array(self.plan["schedule"])), (len(self.reactors), 1, 1))
        return task.run(controls, self.reactors), self.plan["schedule_minutes"]

    def predictive(self, task):
        env, values = gym.make("matgym/CVDGrowth-v0", task=task), []
        for index, reactor in enumerate(self.reactors):
            rng = np.random.default_rng([self.seed, 4, index])
            controller = PredictiveController(task, np.array(self.plan["schedule"]), rng)
            observation, _ = env.reset(seed=1000 * self.seed + index, options={"reactor": reactor})
            done = False
            while not done:
                observation, _, done, _, info = env.step(controller.act(observation))
            values.append(info["objectives"]["objective"])
        return values, self.plan["schedule_minutes"]

    def agent(self, task):
        agent = make_agent(self.method, task, self.seed, environment="matgym/CVDGrowth-v0")
        minutes = self.settings.training_minutes or hyperparameters("matgym/CVDGrowth-v0", self.method)["n_timesteps"]
        agent.learn(minutes)
        envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=len(self.reactors), task=task)
        observation, _ = envs.reset(seed=1000 * self.seed, options={"reactor": self.reactors})
        state, start = None, np.ones(len(self.reactors), dtype=bool)
        for _ in range(task.minutes):
            action, state = agent.predict(observation, state=state, episode_start=start, deterministic=True)
            observation, _, _, _, info = envs.step(action)
            start[:] = False
        return info["final_info"]["objectives"]["objective"], minutes


def draw(rows):
    figure = new_figure(6.4, 0.45 * len(rows) + 1.0)
    axes = figure.subplots()
    for place, (row, style) in enumerate(zip(reversed(rows), METHOD_STYLES, strict=False)):
        error = [[row["iqm"] - row["low"]], [row["high"] - row["iqm"]]]
        axes.errorbar(row["iqm"], place, xerr=error, color=style.colour, marker=style.marker, capsize=3)
    axes.set_yticks(range(len(rows)), [row["method"] for row in reversed(rows)])
    axes.axvline(1.0, color="0.5", lw=1.0, ls="--")
    axes.set_xlabel("share of the best known, unseen reactors (IQM, 95 %)")
    axes.grid(axis="x", alpha=0.3)
    return figure


def main():
    study = Study.from_command_line("furnace-scores", __doc__, Settings(), QUICK)
    settings, (reactors, best, random) = study.settings, known_optima(study)
    plans = study.rows([Plan(settings, seed) for seed in range(settings.seeds)], folder="plans")
    runs = study.rows(
        Control(settings, method, seed, reactors, plan)
        for seed, plan in enumerate(plans)
        for method in settings.methods
    )
    rows = []
    for method in settings.methods:
        mine = [run for run in runs if run["method"] == method]
        values = np.array([run["J"] for run in mine])
        estimate = interquartile_mean((values - random) / (best - random), np.random.default_rng(0))
        rows.append(
            {
                "method": method,
                "seeds": len(mine),
                "iqm": estimate.mean,
                "low": estimate.low,
                "high": estimate.high,
                "mean_J": float(values.mean()),
                "minutes_of_training": mine[0]["minutes_of_training"],
                "seconds": float(np.mean([run["seconds"] for run in mine])),
            }
        )
    study.write({"reactors": len(best), "rows": rows})
    print_markdown(
        ("method", "score, IQM [95 %]", "mean J", "furnace minutes in training", "seconds per seed"),
        (
            (
                row["method"], interval(row["iqm"], row["low"], row["high"], ".3f"), f"{row['mean_J']:.1f}",
                f"{row['minutes_of_training']:,}", f"{row['seconds']:.0f}",
            )
            for row in rows
        ),
    )  # fmt: skip
    study.picture("furnace/scores.png", lambda path: draw(rows).savefig(path, dpi=150))


if __name__ == "__main__":
    main()
