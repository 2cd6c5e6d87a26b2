"""Compare the learned searches with annealing and the pair model, with the same seeds.

Questions: does `neural-annealing` need fewer evaluations than `annealing`, how much of that does an untrained network
have (equal logits, which is annealing of another code), and does a surrogate help as the prior mean of the pair model?
`python -m scripts.studies.search.learned` (an hour on one core) writes docs/results/learned-searches.json. A score is 0
at the median loss of random designs and 1 at the best known design.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from matgym.agents.optimizers.neural_annealing import NeuralAnnealing
from matgym.agents.optimizers.residual_model import ResidualModel
from matgym.agents.proposals.network import ProposalNetwork
from matgym.agents.proposals.store import STORE
from matgym.benchmark.methods import optimizer_class
from matgym.benchmark.search import search
from matgym.errors import ConfigurationError
from matgym.tasks.instances import instance
from scripts.studies.common import Study, StudyJob, print_markdown

INSTANCES = ("doping-easy", "doping", "isotope-rings", "isotope-sites", "growth-recipe", "chirality")


class Untrained(NeuralAnnealing):
    """Neural annealing with equal logits."""

    def __init__(self, problem, budget, rng):
        super().__init__(problem, budget, rng, ProposalNetwork())


METHODS = {
    "annealing": partial(optimizer_class, "annealing"),
    "untrained": lambda: Untrained,
    "neural-annealing": lambda: NeuralAnnealing,
    "pair-model": partial(optimizer_class, "pair-model"),
    "surrogate-gp": lambda: ResidualModel,
}


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    budgets: tuple[int, ...] = (64, 256)
    seeds: int = 10
    instances: tuple[str, ...] = INSTANCES
    methods: tuple[str, ...] = tuple(METHODS)


QUICK = Settings(budgets=(20,), seeds=1, instances=("isotope-rings",), methods=("annealing", "neural-annealing"))


@dataclass(frozen=True)
class Run(StudyJob):
    """The job that runs one method on one instance with one seed and budget."""

    method: str
    instance: str
    budget: int
    seed: int

    def run(self):
        """Return one row; its score is None if the method cannot search the instance."""
        one = instance(self.instance)
        row = {"method": self.method, "instance": self.instance, "budget": self.budget, "seed": self.seed}
        try:
            found = search(METHODS[self.method](), one.task(), one.targets(1), self.budget, self.seed)
        except ConfigurationError:  # no surrogate, or the surrogate is the model of the rewards
            return pa.Table.from_pylist([row | {"score": np.nan}])
        loss, known = float(found.progress[-1, 0]), one.optimum
        return pa.Table.from_pylist([row | {"score": (known.random_loss - loss) / (known.random_loss - known.loss)}])


def main():
    study = Study.from_command_line("learned-searches", __doc__, Settings(), QUICK)
    chosen = study.settings
    jobs = [
        Run(method, name, budget, seed)
        for budget in chosen.budgets
        for name in chosen.instances
        for method in chosen.methods
        for seed in range(chosen.seeds)
    ]
    rows = study.rows(jobs)
    table = []
    for budget in chosen.budgets:
        for name in chosen.instances:
            cells = []
            for method in chosen.methods:
                scores = [
                    row["score"]
                    for row in rows
                    if (row["method"], row["instance"], row["budget"]) == (method, name, budget)
                ]
                cells.append(float(np.mean(scores)))
            table.append((budget, name, *(cell if np.isfinite(cell) else None for cell in cells)))
    study.write({"training_evaluations": STORE.load_card("annealing").evaluations, "rows": rows})
    print_markdown(("evaluations", "instance", *chosen.methods), table)


if __name__ == "__main__":
    main()
