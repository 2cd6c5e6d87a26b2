"""Compare random, nearest and GAN initial designs for searches by optimizers and a policy, at equal evaluations.

Regret is the distance from the target, by the oracle, of the design that is best so far by the surrogate. Tube and
composition are those of `matgym/NanotubeDoping-v0`, with held-out targets. Evaluations are those of the surrogate. A
policy is trained on an equal number of designs for each kind of initial designs; the evaluations of that training, and
of the generator's training, are stated beside the curves and not included in them.
`python -m scripts.studies.generator.search` (half an hour on two cores) writes docs/results/generator-search.json and
docs/images/generator/search.png, and prints the table of docs/generator.md.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from matgym.agents.policy import Policy
from matgym.agents.sb3 import make_agent, train_agent
from matgym.benchmark import search
from matgym.envs.initial_designs import InitialDesigns
from matgym.statistics import interquartile_mean
from matgym.tasks import decoration_task
from matgym.viz.palette import method_styles, new_figure, tidy
from scripts.studies.common import Study, StudyJob, print_markdown

GENERATORS = ("random", "nearest", "gan")
TARGETS_SEED = 2026  # as in `matgym benchmark compare`: not used for training or tuning


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    seeds: int = 5
    targets: int = 24
    queries: tuple[int, ...] = (1, 4, 16, 64)  # numbers of evaluations at which the best design is verified
    methods: tuple[str, ...] = ("random", "annealing", "genetic", "MaskablePPO")
    training_designs: int = 20_000  # designs of the policy's training, for each kind of initial designs


QUICK = Settings(seeds=1, targets=2, queries=(1, 2), training_designs=64)


@dataclass(frozen=True)
class Searches(StudyJob):
    """The job of one method with one kind of initial designs."""

    settings: Settings
    method: str
    generator: str
    seed: int

    def run(self):
        """Return a row of verified errors by target for each number of evaluations."""
        settings, task, rng = self.settings, decoration_task(), np.random.default_rng(TARGETS_SEED)
        targets = task.draw_targets([rng] * settings.targets)
        how, own = (self.policy(task), None) if self.method == "MaskablePPO" else (self.method, self.generator)
        rows = []
        for queries in settings.queries:  # some methods depend on their budget
            result = search(how, task, targets, queries, self.seed, initial_designs=own)
            valid, errors = task.space.valid(result.designs), np.full(len(targets), np.inf)
            errors[valid] = np.nan_to_num(task.verify(result.designs[valid], targets[valid]).loss, nan=np.inf)
            about = {"method": self.method, "generator": self.generator, "seed": self.seed, "queries": queries}
            rows.append(about | {"errors": errors.tolist()})
        return pa.Table.from_pylist(rows)

    def policy(self, task):
        """Return a policy that places the last atoms of initial designs."""
        agent = make_agent("MaskablePPO", task, self.seed, initial_designs=self.generator)
        train_agent(agent, task.ledger, self.settings.training_designs, lambda _designs, _reward: None)
        return Policy(agent, "MaskablePPO", masked=True, initial=InitialDesigns.of(task, self.generator, None))


def draw(found, settings):
    figure = new_figure(11.0, 3.2)
    panels, styles = figure.subplots(1, len(settings.methods), sharey=True), method_styles(GENERATORS)
    for panel, method in zip(panels, settings.methods, strict=True):
        for generator in GENERATORS:
            cells = [1e3 * np.array(list(found[method, generator, q].values())) for q in settings.queries]
            middle, low, high = np.transpose(cells)
            colour = styles[generator].colour
            panel.plot(settings.queries, middle, color=colour, marker=styles[generator].marker, label=generator)
            panel.fill_between(settings.queries, low, high, color=colour, alpha=0.2, linewidth=0)
        panel.set(title=method, xlabel="evaluations a target", xscale="log", yscale="log")
        tidy(panel, "both")
    panels[0].set_ylabel("regret by the oracle, meV")
    panels[0].legend(frameon=False, title="initial designs")
    return figure


def main():
    study = Study.from_command_line("generator-search", __doc__, Settings(), QUICK)
    settings = study.settings
    cases = [(method, generator) for method in settings.methods for generator in GENERATORS]
    runs = study.rows(Searches(settings, *case, seed) for seed in range(settings.seeds) for case in cases)
    errors = {}
    for run in runs:
        errors.setdefault((run["method"], run["generator"], run["queries"]), []).append(run["errors"])
    regrets = {
        key: asdict(interquartile_mean(np.array(each), np.random.default_rng(0))) for key, each in errors.items()
    }  # means over seeds and targets
    study.write(
        {
            "rows": [
                dict(zip(("method", "generator", "queries"), key, strict=True)) | row for key, row in regrets.items()
            ]
        }
    )

    def cell(case, queries):
        middle, low, high = (1e3 * regrets[*case, queries][name] for name in ("mean", "low", "high"))
        return f"{middle:.1f} [{low:.1f}, {high:.1f}]"

    head = ("method", "initial designs", *(f"{queries} evaluations, meV" for queries in settings.queries))
    print_markdown(head, ((*case, *(cell(case, queries) for queries in settings.queries)) for case in cases))
    study.picture("generator/search.png", lambda path: draw(regrets, settings).savefig(path, dpi=150))


if __name__ == "__main__":
    main()
