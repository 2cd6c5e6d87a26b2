"""How good the controllers of `matgym/CVDGrowth-v0` are on reactors that none has seen, as a share of the best known.

`python scripts/furnace_scores.py` (an hour and a half on two cores, after `scripts/furnace_optimum.py`); one file a
method and seed under runs/scores, so that a killed run goes on; `--report` only prints, draws and writes
docs/results/furnace-scores.json. A score is (J - J_random) / (J_best - J_random), reactor by reactor.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "scores"
OPTIMA = ROOT / "docs" / "results" / "furnace-optimum.json"
REPORT = ROOT / "docs" / "results" / "furnace-scores.json"
PICTURE = ROOT / "docs" / "images" / "furnace" / "scores.png"


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    seeds: int = 10
    constant_reactors: int = 64  # for which the best constant recipe is sought, drawn anew by each seed
    open_reactors: int = 16  # likewise the best schedule
    open_generations: int = 80
    population: int = 128


SETTINGS = Settings()
METHODS = ("random", "constant", "cross-entropy", "predictive", "PPO", "RecurrentPPO", "SAC")


def tests():
    """(R, 5) reactors, J of the best known, J of random actions."""
    found = json.loads(OPTIMA.read_text())["reactors"][1:]
    return (np.array([row[name] for row in found]) for name in ("reactor", "best", "random"))


def run_cell(method, seed):
    """J of one method and seed on every test reactor."""
    import torch

    torch.set_num_threads(1)
    from matgym.files import write_json
    from matgym.tasks.growth import GrowthTask

    file = RUNS / f"{method}-{seed}.json"
    if file.exists():
        return
    began, task = time.perf_counter(), GrowthTask()
    found, budget = CELLS.get(method, by_agent)(method, seed, task)
    write_json(
        file, {"method": method, "seed": seed, "J": list(found), "seconds": time.perf_counter() - began} | budget
    )


def at_random(_method, seed, task):
    from matgym.processes.growth.recipe import scaled_controls

    reactors, _, _ = tests()
    rng = np.random.default_rng([seed, 1])
    return task.run(scaled_controls(rng.uniform(-1.0, 1.0, (len(reactors), task.minutes, 4))), reactors), {}


def constant_recipe(seed, task):
    """(4,) the best constant recipe for reactors of this seed."""
    from matgym.agents.controllers.cross_entropy import cross_entropy
    from matgym.processes.growth.recipe import scaled_controls

    rng = np.random.default_rng([seed, 2])
    drawn = np.array([task.draw(rng) for _ in range(SETTINGS.constant_reactors)])

    def score(points):
        controls = np.repeat(scaled_controls(points)[:, None], task.minutes, axis=1)
        return mean_over(task, controls, drawn)

    return cross_entropy(score, np.zeros(4), rng, population=64, elite=8, generations=30)


def mean_over(task, schedules, reactors):
    """(P,) mean J of (P, minutes, 4) schedules over reactors."""
    wide = np.repeat(schedules, len(reactors), axis=0)
    return task.run(wide, np.tile(reactors, (len(schedules), 1))).reshape(len(schedules), -1).mean(axis=1)


def constant(_method, seed, task):
    from matgym.processes.growth.recipe import scaled_controls

    found, (reactors, _, _) = constant_recipe(seed, task), tests()
    controls = np.tile(scaled_controls(found.point), (len(reactors), task.minutes, 1))
    minutes = found.evaluations * SETTINGS.constant_reactors * task.minutes
    return task.run(controls, reactors), {"minutes_of_training": minutes}


def open_loop(seed, task):
    """(minutes, 4) the best schedule for reactors of this seed, kept; and what it cost, in minutes of furnace time."""
    from matgym.agents.controllers.cross_entropy import cross_entropy
    from matgym.files import write_json
    from matgym.processes.growth.recipe import scaled_controls

    file = RUNS / f"plan-{seed}.json"
    if file.exists():
        kept = json.loads(file.read_text())
        return np.array(kept["plan"]), kept["minutes"]
    start = np.tile(constant_recipe(seed, task).point, (task.minutes, 1))
    rng = np.random.default_rng([seed, 3])
    drawn = np.array([task.draw(rng) for _ in range(SETTINGS.open_reactors)])
    size = {"population": SETTINGS.population, "elite": SETTINGS.population // 8}
    found = cross_entropy(
        lambda points: mean_over(task, scaled_controls(points), drawn), start, rng,
        spread=0.3, generations=SETTINGS.open_generations, **size,
    )  # fmt: skip
    minutes = found.evaluations * SETTINGS.open_reactors * task.minutes
    write_json(file, {"plan": found.point.tolist(), "minutes": minutes})
    return found.point, minutes


def by_cross_entropy(_method, seed, task):
    from matgym.processes.growth.recipe import scaled_controls

    (plan, minutes), (reactors, _, _) = open_loop(seed, task), tests()
    controls = np.tile(scaled_controls(plan), (len(reactors), 1, 1))
    return task.run(controls, reactors), {"minutes_of_training": minutes}


def predictive(_method, seed, task):
    import gymnasium as gym

    import matgym  # noqa: F401  # registers the environments
    from matgym.agents.controllers.predictive import PredictiveController

    (plan, minutes), (reactors, _, _) = open_loop(seed, task), tests()
    env, found = gym.make("matgym/CVDGrowth-v0", task=task), []
    for index, reactor in enumerate(reactors):
        controller = PredictiveController(task, plan, np.random.default_rng([seed, 4, index]))
        observation, _ = env.reset(seed=1000 * seed + index, options={"reactor": reactor})
        done = False
        while not done:
            observation, _, done, _, info = env.step(controller.act(observation))
        found.append(info["objectives"]["objective"])
    return found, {"minutes_of_training": minutes}


def by_agent(method, seed, task):
    import gymnasium as gym

    from matgym.agents.sb3 import hyperparameters, make_agent

    reactors, _, _ = tests()
    agent = make_agent(method, task, seed, environment="matgym/CVDGrowth-v0")
    steps = hyperparameters("cvd-growth", method)["n_timesteps"]
    agent.learn(steps)
    envs = gym.make_vec("matgym/CVDGrowth-v0", num_envs=len(reactors), task=task)
    observation, _ = envs.reset(seed=1000 * seed, options={"reactor": reactors})
    state, start = None, np.ones(len(reactors), dtype=bool)
    for _ in range(task.minutes):
        action, state = agent.predict(observation, state=state, episode_start=start, deterministic=True)
        observation, _, _, _, info = envs.step(action)
        start[:] = False
    return info["final_info"]["objectives"]["objective"].tolist(), {"minutes_of_training": steps}


CELLS = {
    "random": at_random,
    "constant": constant,
    "cross-entropy": by_cross_entropy,
    "predictive": predictive,
}


def report():
    from matgym.files import write_json
    from matgym.statistics import interquartile_mean

    _, best, random = tests()
    rows, table = [], {}
    for method in METHODS:
        runs = [json.loads(file.read_text()) for file in sorted(RUNS.glob(f"{method}-[0-9]*.json"))]
        if not runs:
            continue
        scores = (np.array([run["J"] for run in runs]) - random) / (best - random)
        found = interquartile_mean(scores, np.random.default_rng(0))
        table[method] = scores
        rows.append(
            {
                "method": method,
                "seeds": len(runs),
                "iqm": found.mean,
                "low": found.low,
                "high": found.high,
                "mean_J": float(np.mean([run["J"] for run in runs])),
                "minutes_of_training": runs[0].get("minutes_of_training", 0),
                "seconds": float(np.mean([run["seconds"] for run in runs])),
            }
        )
    write_json(REPORT, {"settings": SETTINGS.__dict__, "reactors": len(best), "rows": rows})
    print("| method | score, IQM [95 %] | mean J | furnace minutes in training | seconds a seed |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['method']} | {row['iqm']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | {row['mean_J']:.1f} "
            f"| {row['minutes_of_training']:,} | {row['seconds']:.0f} |"
        )
    draw(rows)


def draw(rows):
    from matplotlib.figure import Figure

    from matgym.viz.palette import METHOD_STYLES

    figure = Figure(figsize=(6.4, 0.45 * len(rows) + 1.0), layout="constrained")
    axes = figure.subplots()
    for place, (row, style) in enumerate(zip(reversed(rows), METHOD_STYLES, strict=False)):
        error = [[row["iqm"] - row["low"]], [row["high"] - row["iqm"]]]
        axes.errorbar(row["iqm"], place, xerr=error, color=style.colour, marker=style.marker, capsize=3)
    axes.set_yticks(range(len(rows)), [row["method"] for row in reversed(rows)])
    axes.axvline(1.0, color="0.5", lw=1.0, ls="--")
    axes.set_xlabel("share of the best known, unseen reactors (IQM, 95 %)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(PICTURE, dpi=150)
    print(PICTURE)


def main():
    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            jobs = [(method, seed) for seed in range(SETTINGS.seeds) for method in METHODS]
            futures = [pool.submit(run_cell, *job) for job in jobs]
            for future in track(futures, "methods and seeds"):
                future.result()
    report()


if __name__ == "__main__":
    main()
