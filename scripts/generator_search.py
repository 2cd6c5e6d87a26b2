"""Do seeds help a search? Every optimizer and a policy, from random, nearest and GAN seeds, at equal evaluations.

`python scripts/generator_search.py` (half an hour on two cores); one file a cell under runs/generator-search, so that a
killed run goes on; `--report` only prints, draws and writes docs/results/generator-search.json.

Regret is the distance from the target, as the oracle has it, of the design that is best so far as the surrogate has it;
the tube and composition of `matgym/NanotubeDoping-v0`, unseen targets. Evaluations are the surrogate's. A policy is
trained for each kind of seed on as many designs; that training, and the generator's, stand beside the curves and are
not in them.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "generator-search"
REPORT = ROOT / "docs" / "results" / "generator-search.json"
PICTURE = ROOT / "docs" / "images" / "generator" / "search.png"


@dataclass(frozen=True)
class Settings:
    """What is compared."""

    seeds: int = 5
    targets: int = 24
    queries: tuple[int, ...] = (1, 4, 16, 64)  # where the best design is verified
    training_designs: int = 20_000  # of the policy, for each kind of seed


SETTINGS = Settings()
DESIGN_GENERATORS = ("random", "nearest", "gan")
METHODS = ("random", "annealing", "genetic", "MaskablePPO")


def policy(generator, seed, task):
    """A policy that places the last atoms of seeds."""
    from matgym.envs.seeding import Seeding

    from matgym.agents.policy import Policy
    from matgym.agents.sb3 import make_agent, train_agent
    from matgym.envs.doping import LIFTED

    agent = make_agent("MaskablePPO", task, seed, generator=generator)
    train_agent(agent, task.ledger, SETTINGS.training_designs, lambda _designs, _reward: None)
    return Policy(agent, "MaskablePPO", masked=True, seeding=Seeding.of(task, generator, LIFTED))


def run_cell(method, generator, seed):
    """Verified errors of one method from one kind of seed."""
    import torch

    torch.set_num_threads(1)
    from matgym.benchmark import search, verify
    from matgym.benchmark.compare import UNSEEN_TARGETS_SEED
    from matgym.files import write_json
    from matgym.physics import PiElectrons
    from matgym.tasks import TargetProperty

    file = RUNS / f"{method}-{generator}-{seed}.json"
    if file.exists():
        return
    task, rng = TargetProperty(), np.random.default_rng(UNSEEN_TARGETS_SEED)
    targets = np.array([task.draw_target(rng) for _ in range(SETTINGS.targets)])
    how = policy(generator, seed, task) if method == "MaskablePPO" else method
    errors = []
    for queries in SETTINGS.queries:  # a search plans for its budget, so that each budget is a search of its own
        found = search(how, task, targets, queries, seed, generator=generator)
        errors.append(verify(found, task, seed, PiElectrons()).error.tolist())
    write_json(file, {"method": method, "generator": generator, "seed": seed, "errors": errors})


def report():
    from matgym.files import write_json
    from matgym.statistics import interquartile_mean

    rows = []
    for method in METHODS:
        for generator in DESIGN_GENERATORS:
            runs = [json.loads(file.read_text()) for file in sorted(RUNS.glob(f"{method}-{generator}-[0-9].json"))]
            if not runs:
                continue
            errors = np.array([run["errors"] for run in runs])  # (seeds, budgets, targets)
            for place, queries in enumerate(SETTINGS.queries):
                found = interquartile_mean(errors[:, place], np.random.default_rng(0))
                rows.append({"method": method, "generator": generator, "queries": queries} | asdict(found))
    write_json(REPORT, {"settings": asdict(SETTINGS), "rows": rows})
    print("| method | seeds from | " + " | ".join(f"{q} queries, meV" for q in SETTINGS.queries) + " |")
    print("|---" * (2 + len(SETTINGS.queries)) + "|")
    for method in METHODS:
        for generator in DESIGN_GENERATORS:
            cells = [row for row in rows if (row["method"], row["generator"]) == (method, generator)]
            shown = [f"{1e3 * c['mean']:.1f} [{1e3 * c['low']:.1f}, {1e3 * c['high']:.1f}]" for c in cells]
            print(f"| {method} | {generator} | " + " | ".join(shown) + " |")
    draw(rows)


def draw(rows):
    from matgym.viz.palette import method_styles, new_figure, tidy

    figure = new_figure(11.0, 3.2)
    panels = figure.subplots(1, len(METHODS), sharey=True)
    styles = method_styles(DESIGN_GENERATORS)
    for panel, method in zip(panels, METHODS, strict=True):
        for generator in DESIGN_GENERATORS:
            cells = [row for row in rows if (row["method"], row["generator"]) == (method, generator)]
            if not cells:
                continue
            x = [cell["queries"] for cell in cells]
            low, middle, high = ([1e3 * cell[name] for cell in cells] for name in ("low", "mean", "high"))
            colour = styles[generator].colour
            panel.plot(x, middle, color=colour, marker=styles[generator].marker, label=f"{generator} seeds")
            panel.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        panel.set(title=method, xlabel="evaluations a target", xscale="log", yscale="log")
        tidy(panel, "both")
    panels[0].set_ylabel("regret by the oracle, meV")
    panels[0].legend(frameon=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(PICTURE)


def main():
    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            jobs = [(m, s, seed) for seed in range(SETTINGS.seeds) for s in DESIGN_GENERATORS for m in METHODS]
            futures = [pool.submit(run_cell, *job) for job in jobs]
            for future in track(futures, "methods, seeds and runs"):
                future.result()
    report()


if __name__ == "__main__":
    main()
