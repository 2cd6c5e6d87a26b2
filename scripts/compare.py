"""The trained policies against random search and annealing on 100 unseen targets, 5 seeds, verified.

Every seed trains its own policy. Then each method designs for the same targets at equal surrogate calls:
first a few queries a target, then with the training added to what the searches may spend. Prints tables and
writes `docs/results/nanotube-doping.json`.
"""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from matgym.benchmark.compare import UNSEEN_TARGETS_SEED

from matgym.agents.policy import Policy
from matgym.agents.sb3 import make_agent, train_agent
from matgym.benchmark import Comparison, search, verify
from matgym.cli.console import finite, print_table, progress_bar
from matgym.files import write_json
from matgym.physics import PiElectrons
from matgym.surrogates import audit, load, load_card
from matgym.tasks import TargetProperty

TRAINING_DESIGNS = 40_000  # as in the demo
TARGETS = 100
QUERIES = (1, 4, 16, 64)
SEEDS = 5
RESULTS = Path("docs/results/nanotube-doping.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", default=["MaskablePPO"], choices=["MaskablePPO", "PPO", "DQN"])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    oracle = PiElectrons()
    surrogate = load("nanotube-doping")
    rng = np.random.default_rng(UNSEEN_TARGETS_SEED)
    targets = np.array([TargetProperty(source=surrogate).draw_target(rng) for _ in range(TARGETS)])
    runs = {queries: [] for queries in QUERIES}
    whole, audits, training = [], [], []
    with progress_bar() as bar:
        for seed in range(arguments.seeds):
            policies = []
            for name in arguments.algorithms:
                task = TargetProperty(source=surrogate)
                progress = bar.add_task(f"training {name}, seed {seed}", total=TRAINING_DESIGNS, note="")

                def on_rollout(designs, reward, progress=progress):
                    bar.update(progress, completed=designs, note=f"reward {reward:.2f}")

                start = time.perf_counter()
                agent = make_agent(name, task, seed)
                train_agent(agent, task.ledger, TRAINING_DESIGNS, on_rollout)
                seconds = time.perf_counter() - start
                spent = task.ledger.counts["surrogate"]
                training.append({"algorithm": name, "seed": seed, "seconds": seconds, "designs": spent})
                policies.append(Policy(agent, name, name == "MaskablePPO"))
            for queries in QUERIES:
                for method in (*policies, "random", "annealing"):
                    task = TargetProperty(source=surrogate)
                    found = verify(search(method, task, targets, queries, seed), task, seed, oracle)
                    runs[queries].append(found)
                    if queries == max(QUERIES):
                        audited = audit(surrogate, oracle, found.search.tubes(task))
                        gap = audited.exploitation_gap(targets)
                        audits.append(
                            {"method": found.search.method, "seed": seed}
                            | audited.as_dict()
                            | {"exploitation_gap_ev": gap}
                        )
            share = max(QUERIES) + TRAINING_DESIGNS // TARGETS
            for method in ("random", "annealing"):
                task = TargetProperty(source=surrogate)
                whole.append(verify(search(method, task, targets, share, seed), task, seed, oracle))
    tables = {f"{queries} queries a target": Comparison(tuple(found)) for queries, found in runs.items()}
    tables["the training's designs shared out among the searches"] = Comparison(tuple(whole))
    for title, comparison in tables.items():
        print_table(title, [row.as_row() for row in comparison.figures()])
    print_table("audit of the best designs at the most queries", audits)
    result = {
        "tables": {title: [asdict(row) for row in c.figures()] for title, c in tables.items()},
        "audit": audits,
        "training": training,
        "surrogate_data": load_card("nanotube-doping").data,
    }
    write_json(arguments.output, finite(result))
    print(arguments.output)


if __name__ == "__main__":
    main()
