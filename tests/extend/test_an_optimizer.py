"""What it takes to add an optimizer: a class with `ask` and `tell`, here a (1 + λ) search with restarts."""

import numpy as np

from matgym.agents import Optimizer, Problem, check_optimizer
from matgym.benchmark import run
from matgym.tasks.instances import instance

CHILDREN = 4
PATIENCE = 5


class HillClimber(Optimizer):
    """Keeps the best of a design and its mutants; begins anew when it has not improved for a while."""

    design = None
    reward, stale = -np.inf, 0

    def ask(self):
        if self.design is None:
            return self.problem.start(1, self.rng)
        return self.space.mutate(np.repeat(self.design, CHILDREN, axis=0), self.rng)

    def tell(self, designs, scores):
        best = int(scores.reward.argmax())
        if scores.reward[best] > self.reward:
            self.design, self.reward, self.stale = designs[[best]].copy(), scores.reward[best], 0
            return
        self.stale += 1
        if self.stale >= PATIENCE:
            self.design, self.reward, self.stale = None, -np.inf, 0


def test_it_passes_the_conformance_kit_on_every_kind_of_space():
    for name in ("isotope-rings", "chirality", "growth-recipe", "doping-easy"):
        made = instance(name)
        check_optimizer(HillClimber, Problem(made.task(), np.array(made.target)))


def test_the_pipeline_compares_it_with_random_search():
    found = run([HillClimber, "random"], ["isotope-rings", "chirality-targets"], targets=10, queries=64, seeds=5)
    mine, random = (found.scores()[method]["isotope-rings"] for method in ("HillClimber", "random"))
    assert mine.shape == random.shape == (5,)
    assert np.median(mine) > np.median(random)  # rings that are neighbours have like values
    assert found.query("SELECT DISTINCT oracle FROM records WHERE track = 'search'")["oracle"].to_pylist() == [64]
    mine, random = found.figures()
    assert (mine.method, mine.queries, mine.seeds, random.invalid) == ("HillClimber", 64, 5, 0.0)
