"""Tune the agents that search, under a declared budget, on instances that no benchmark reports.

Six settings an algorithm (the first are those of an ordinary PPO, A2C, DQN, SAC), drawn at random, 256 evaluations a
search, on each of three tasks: rings of a (8, 0) tube, a low π formation energy of (8, 0)x1, and growth in a reactor
of its own. The setting with the best mean score is to be written into `agents/hyperparams/search.yml`;
algorithms of one family (PPO, MaskablePPO and RecurrentPPO; DQN and QRDQN; SAC, TD3 and TQC) share theirs.

    python scripts/tune_search.py [--json docs/results/tune-search.json]
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from matgym.agents.base import Problem
from matgym.agents.optimizers.rl_search import CHOICES_ONLY, searcher
from matgym.benchmark.methods import optimizer_class
from matgym.files import write_json
from matgym.structures import tube_lattice
from matgym.tasks import Cube, DesignTask, TargetProperty
from matgym.tasks.furnace_design import FurnaceDesign
from matgym.tasks.rings import IsotopeRings
from matgym.tasks.solved import Solved

SETTINGS, BUDGET, SEEDS = 6, 256, 1

GRIDS: dict[str, dict[str, list[Any]]] = {
    "PPO": {
        "n_steps": [16, 32, 64], "batch_size": [32, 64, 128], "n_epochs": [4, 10, 20],
        "learning_rate": [3e-4, 1e-3, 3e-3], "ent_coef": [0.0, 0.01, 0.03], "gae_lambda": [0.9, 0.95, 1.0],
    },
    "A2C": {"n_steps": [8, 16, 32], "learning_rate": [7e-4, 2e-3, 5e-3], "ent_coef": [0.0, 0.01, 0.03]},
    "DQN": {
        "learning_rate": [3e-4, 1e-3, 3e-3], "gradient_steps": [1, 2, 4], "target_update_interval": [100, 400],
        "exploration_final_eps": [0.02, 0.1], "learning_starts": [100, 400],
    },
    "SAC": {
        "learning_rate": [3e-4, 1e-3, 3e-3], "gradient_steps": [2, 4, 8], "batch_size": [32, 64],
        "learning_starts": [16, 48],
    },
}  # fmt: skip
"""What settings are drawn from."""


@dataclass(frozen=True)
class Tuning:
    """A task of tuning, with the rewards of 500 random designs as its scale."""

    task: DesignTask
    scale: tuple[float, float]

    @classmethod
    def on(cls, task: DesignTask) -> "Tuning":
        """With its scale."""
        drawn = task.space.sample(500, np.random.default_rng(99))
        reward = task.score(drawn, np.zeros((500, 0))).reward
        return cls(task, (float(reward.mean()), float(reward.std())))

    def best(self, optimizer: Any) -> float:
        """Best reward within the budget, in standard deviations of random designs above their mean."""
        spent, best = 0, -np.inf
        while spent < BUDGET:
            designs = optimizer.ask()[: BUDGET - spent]
            reward = self.task.score(designs, np.zeros((len(designs), 0))).reward
            best, spent = max(best, float(reward.max())), spent + len(designs)
            if spent < BUDGET:
                optimizer.tell(designs, reward)
        return (best - self.scale[0]) / self.scale[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("docs/results/tune-search.json"))
    output = parser.parse_args().json
    torch.set_num_threads(1)
    rings = IsotopeRings(n=8, rings=12, source="oracle", frequencies=64, low=2.0, high=3.0)
    every = np.concatenate(list(rings.space.enumerate()))
    conductances = {rings.value_name: rings.audit(every, np.zeros((len(every), 0))).value}
    table = Solved("rings of (8, 0)", rings.space.key(every), conductances, {})
    tunings = [
        Tuning.on(replace(rings, source=table)),
        Tuning.on(
            TargetProperty(
                tube_lattice(8, 0, 1), {"B": 2, "N": 2}, "pi_formation_ev", "solved:doping-easy", goal="min",
                low=9.0, high=12.0,
            )
        ),
        Tuning.on(FurnaceDesign(reactor=(12.0, 1.3, 0.8, 2.0, 5.0))),
    ]  # fmt: skip
    rows = []
    random = optimizer_class("random")
    reference = [
        float(
            np.mean(
                [t.best(random(Problem(t.task, np.zeros(0)), BUDGET, np.random.default_rng(s))) for s in range(SEEDS)]
            )
        )
        for t in tunings
    ]
    print("random", np.round(reference, 2), flush=True)
    for algorithm, grid in GRIDS.items():
        rng = np.random.default_rng(0)
        for number in range(SETTINGS):
            drawn = {} if number == 0 else {name: values[rng.integers(len(values))] for name, values in grid.items()}
            began, scores = time.perf_counter(), []
            for tuning in tunings:
                if algorithm in CHOICES_ONLY and isinstance(tuning.task.space, Cube):
                    continue
                problem = Problem(tuning.task, np.zeros(0))
                found = [
                    tuning.best(searcher(algorithm)(problem, BUDGET, np.random.default_rng(500 + seed), drawn))
                    for seed in range(SEEDS)
                ]
                scores.append(float(np.mean(found)))
            rows.append({"algorithm": algorithm, "settings": drawn, "scores": scores, "mean": float(np.mean(scores)),
                         "seconds": time.perf_counter() - began})  # fmt: skip
            print(
                algorithm,
                drawn,
                np.round(scores, 2),
                f"{rows[-1]['mean']:.3f}",
                f"{rows[-1]['seconds']:.0f} s",
                flush=True,
            )
    write_json(output, {"budget": BUDGET, "seeds": SEEDS, "random": reference, "rows": rows})
    print(output)


if __name__ == "__main__":
    main()
