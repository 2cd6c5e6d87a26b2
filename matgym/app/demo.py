"""The main job, read from top to bottom: train, design, compare, audit, report."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.agents.policy import Policy
from matgym.agents.sb3 import make_agent, train_agent
from matgym.agents.storage import save_agent
from matgym.app.console import progress_bar
from matgym.app.demo_report import write_demo_report
from matgym.app.designs import write_designs
from matgym.benchmark import Comparison, Verified, run
from matgym.envs.seeding import Seeding
from matgym.physics import PiElectrons
from matgym.structures import Nanotube, tubes_on
from matgym.surrogates import Audit, audit, load
from matgym.tasks import TargetProperty, as_seeder
from matgym.typing import FloatArray

SURROGATE: Final = "nanotube-doping"


@dataclass(frozen=True)
class DemoSettings:
    """Settings of the main job.

    Attributes:
        output: folder for the report, the table, and the structures.
        algorithm: that learns to design.
        training_designs: designs the policy may have scored while it learns.
        targets: target gaps that it has not seen.
        queries: designs that each method may have scored for each target.
        seeds: runs of each method on the targets.
        audited: visited designs that go through the oracle besides the winners.
        seeder: of the designs that every method starts from; see `matgym.tasks.SEEDERS`.
        lifted: atoms of a seed that the policy places anew.
        seed: of training; targets are drawn from another generator.
    """

    output: Path = Path("demo")
    algorithm: str = "MaskablePPO"
    training_designs: int = 40_000
    targets: int = 40
    queries: int = 16
    seeds: int = 3
    audited: int = 200
    seeder: str = "gan"
    lifted: int = 4
    seed: int = 0


@dataclass(frozen=True)
class DemoResult:
    """What the main job found.

    Attributes:
        settings: it ran with.
        training: designs scored while the policy learned.
        curve: (updates, 2) designs scored so far, and mean reward of recent ones.
        comparison: all methods at equal queries a target.
        whole_budget: searches that also get the policy's training spent on them, as queries.
        seeds: one for each target, as drawn.
        seeds_ev: (T,) gaps of the seeds by the oracle.
        winners: audit of the policy's valid designs (first seed).
        winners_gap_ev: exploitation gap of the same.
        visited: audit of a sample of the designs that the methods had scored on the way.
        ledger: evaluations and seconds by kind.
        seconds: wall time by stage.
        files: what was written, by name.
    """

    settings: DemoSettings
    training: int
    curve: FloatArray
    comparison: Comparison
    whole_budget: Comparison
    seeds: list[Nanotube]
    seeds_ev: FloatArray
    winners: Audit
    winners_gap_ev: float
    visited: Audit
    ledger: dict[str, dict[str, float]]
    seconds: dict[str, float]
    files: dict[str, Path]

    @property
    def seed_errors(self) -> FloatArray:
        """(T,) distance of the seeds from their targets, by the oracle, eV."""
        return np.abs(self.seeds_ev - self.comparison.runs[0].search.targets)

    def as_dict(self) -> dict[str, Any]:
        """Plain form for `--json`."""
        return {
            "equal_queries": [asdict(row) for row in self.comparison.figures()],
            "whole_budget": [asdict(row) for row in self.whole_budget.figures()],
            "seeds": {"seeder": self.settings.seeder, "error_ev": float(np.median(self.seed_errors))},
            "winners": self.winners.as_dict() | {"exploitation_gap_ev": self.winners_gap_ev},
            "visited": self.visited.as_dict(),
            "ledger": self.ledger,
            "seconds": self.seconds,
            "files": {name: str(path) for name, path in self.files.items()},
        }


def run_demo(settings: DemoSettings) -> DemoResult:
    """Train a policy, let it design tubes for targets it has not seen, compare, audit, and report."""
    surrogate = load(SURROGATE)
    oracle = PiElectrons()
    task = TargetProperty(source=surrogate)
    seeder = as_seeder(settings.seeder)
    seconds: dict[str, float] = {}

    with progress_bar() as bar:
        # 1. Train: every design that the policy completes is scored by the surrogate, and counted.
        start = time.perf_counter()
        learning = bar.add_task("training a policy", total=settings.training_designs, note="")
        curve: list[tuple[int, float]] = []

        def on_rollout(designs: int, reward: float) -> None:
            curve.append((designs, reward))
            bar.update(learning, completed=designs, note=f"mean reward {reward:.2f}")

        agent = make_agent(settings.algorithm, task, settings.seed, seeder=seeder, lifted=settings.lifted)
        train_agent(agent, task.ledger, settings.training_designs, on_rollout)
        spent = task.ledger.counts["surrogate"]
        masked = settings.algorithm == "MaskablePPO"
        policy = Policy(agent, settings.algorithm, masked, Seeding.of(task, seeder, settings.lifted))
        seconds["training"] = time.perf_counter() - start

        # 2. Design for unseen targets, each method with the same number of queries a target.
        start = time.perf_counter()
        turns = 3 * settings.seeds * settings.queries
        designing = bar.add_task("designing at equal queries", total=turns, note="")
        comparison = run(
            [policy, "random", "annealing"], task, targets=settings.targets, queries=settings.queries,
            seeds=settings.seeds, oracle=oracle, on_turn=lambda: bar.advance(designing), seeder=seeder,
        )  # fmt: skip
        # ... and once more with the policy's training added to what the searches may spend.
        share = settings.queries + spent // settings.targets
        repeating = bar.add_task("searching at equal totals", total=2 * share, note="")
        whole_budget = run(
            ["random", "annealing"], task, targets=settings.targets, queries=share, seeds=1, oracle=oracle,
            on_turn=lambda: bar.advance(repeating), seeder=seeder,
        )  # fmt: skip
        seconds["designing"] = time.perf_counter() - start

        # 3. Audit: seeds as drawn, the policy's designs, whose true gaps are known by now, and designs visited.
        start = time.perf_counter()
        auditing = bar.add_task("auditing by the oracle", total=1, note="")
        mine = comparison.of(policy.name)[0]
        drawn = seeder.seed(task.lattice, task.edits, mine.search.targets, np.random.default_rng(settings.seed))
        seeds = tubes_on(task.lattice, drawn)
        with task.ledger.charge("oracle", len(seeds)):
            seeds_ev = oracle.evaluate(seeds)[task.key]
        valid = np.isfinite(mine.truth)
        designs = [tube for tube, ok in zip(mine.search.tubes(task), valid, strict=True) if ok]
        winners = Audit(mine.search.belief[valid], mine.truth[valid], surrogate.out_of_distribution(designs), 0)
        on_the_way = _visited([*comparison.runs, *whole_budget.runs], task, settings.audited)
        with task.ledger.charge("oracle", len(on_the_way)), task.ledger.charge("surrogate", len(on_the_way)):
            visited = audit(surrogate, oracle, on_the_way)
        bar.advance(auditing)
        seconds["audit"] = time.perf_counter() - start

    gap = winners.exploitation_gap(mine.search.targets[valid])
    ledger = task.ledger.as_dict()
    files = write_designs(settings.output, [*comparison.runs, *whole_budget.runs], task, best_of=policy.name)
    files["policy"] = settings.output / "policy.safetensors"
    arguments = {"seeder": settings.seeder, "lifted": settings.lifted}
    save_agent(agent, files["policy"], environment="matgym/NanotubeDoping-v0", arguments=arguments)
    result = DemoResult(
        settings,
        spent,
        np.array(curve, dtype=np.float64).reshape(-1, 2),
        comparison,
        whole_budget,
        seeds,
        seeds_ev,
        winners,
        gap,
        visited,
        ledger,
        seconds,
        files,
    )
    files["report"] = write_demo_report(settings.output / "report.html", result, task, in_plain_words(result))
    return result


def in_plain_words(result: DemoResult) -> list[str]:
    """What was found and where it lies."""
    rows = {row.method: row for row in result.comparison.figures()}
    whole = {row.method: row for row in result.whole_budget.figures()}
    settings = result.settings
    name = settings.algorithm
    errors = {method: 1000 * row.error_ev.mean for method, row in rows.items()}
    # By the median, in which a target without a valid design counts as missed by any distance.
    best = min(rows, key=lambda method: rows[method].median_ev.mean)
    totals = ", ".join(f"{method} {1000 * row.error_ev.mean:.0f} meV" for method, row in whole.items())
    verdict = f"{name} is the best of the three" if best == name else f"{best} is the best of the three, not {name}"
    given = next(iter(whole.values())).queries
    return [
        (
            f"For {settings.targets} target gaps it had not seen, the {name} policy designed tubes that miss by "
            f"{errors[name]:.0f} meV on average, as physics has it, from {settings.queries} designs a target."
        ),
        (
            f"Every method began on seeds of the generator ({settings.seeder}), which miss by "
            f"{1000 * np.nanmedian(result.seed_errors):.0f} meV as drawn (median); the policy placed the last "
            f"{settings.lifted} of their atoms anew, and what it chose misses by "
            f"{1000 * rows[name].median_ev.mean:.0f} meV (median)."
        ),
        (
            f"With as many designs, random search misses by {errors['random']:.0f} meV and simulated annealing "
            f"by {errors['annealing']:.0f} meV: {verdict}."
        ),
        (
            f"Learning took {result.training:,} scored designs. Given to the searches instead ({given} a "
            f"target), they miss by: {totals}."
        ),
        (
            f"The surrogate was wrong by {1000 * result.winners.mae:.0f} meV on the policy's designs and by "
            f"{1000 * result.visited.mae:.0f} meV on designs visited on the way; the policy's are "
            f"{1000 * result.winners_gap_ev:.0f} meV worse than it believed."
        ),
    ]


def _visited(runs: Sequence[Verified], task: TargetProperty, count: int) -> list[Nanotube]:
    """Designs that were scored on the way, as many of each method, each from any of its turns."""
    rng = np.random.default_rng(0)
    methods = list(dict.fromkeys(run.search.method for run in runs))
    tubes: list[Nanotube] = []
    for method in methods:
        pool = np.concatenate([run.search.visited for run in runs if run.search.method == method])
        chosen = pool[rng.permutation(len(pool))[: count // len(methods)]]
        tubes += tubes_on(task.lattice, chosen)
    return tubes
