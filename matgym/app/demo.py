"""The main job, read from top to bottom: train, design, compare, audit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Final

import numpy as np

from matgym.agents.policy import Policy
from matgym.agents.sb3 import make_agent, train_agent
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
        task: what was designed for.
        policy: that was trained.
        training: designs scored while the policy learned.
        curve: (updates, 2) designs scored so far, and mean reward of recent ones.
        comparison: all methods at equal queries a target.
        whole_budget: searches that also get the policy's training spent on them, as queries.
        seeds_ev: (T,) gaps by the oracle of one seed for each target, as drawn.
        winners: audit of the policy's valid designs (first seed).
        winners_gap_ev: exploitation gap of the same.
        visited: audit of a sample of the designs that the methods had scored on the way.
        ledger: evaluations and seconds by kind.
        seconds: wall time by stage.
    """

    settings: DemoSettings
    task: TargetProperty
    policy: Policy
    training: int
    curve: FloatArray
    comparison: Comparison
    whole_budget: Comparison
    seeds_ev: FloatArray
    winners: Audit
    winners_gap_ev: float
    visited: Audit
    ledger: dict[str, dict[str, float]]
    seconds: dict[str, float]

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
        }


def run_demo(
    settings: DemoSettings,
    on_progress: Callable[[str, int, int, str], None] = lambda _stage, _completed, _total, _note: None,
) -> DemoResult:
    """Train a policy, let it design tubes for targets it has not seen, compare, and audit.

    Args:
        settings: how much of it.
        on_progress: called with the stage, how much of it is done, how much it is in all, and a note.
    """
    surrogate = load(SURROGATE)
    oracle = PiElectrons()
    task = TargetProperty(source=surrogate)
    seeder = as_seeder(settings.seeder)
    seconds: dict[str, float] = {}

    # 1. Train: every design that the policy completes is scored by the surrogate, and counted.
    start = time.perf_counter()
    curve: list[tuple[int, float]] = []

    def on_rollout(designs: int, reward: float) -> None:
        curve.append((designs, reward))
        on_progress("training a policy", designs, settings.training_designs, f"mean reward {reward:.2f}")

    on_progress("training a policy", 0, settings.training_designs, "")
    agent = make_agent(settings.algorithm, task, settings.seed, seeder=seeder, lifted=settings.lifted)
    train_agent(agent, task.ledger, settings.training_designs, on_rollout)
    spent = task.ledger.counts["surrogate"]
    masked = settings.algorithm == "MaskablePPO"
    policy = Policy(agent, settings.algorithm, masked, Seeding.of(task, seeder, settings.lifted))
    seconds["training"] = time.perf_counter() - start

    # 2. Design for unseen targets, each method with the same number of queries a target.
    start = time.perf_counter()

    def counted(stage: str, total: int) -> Callable[[], None]:
        turns = count(1)
        return lambda: on_progress(stage, next(turns), total, "")

    comparison = run(
        [policy, "random", "annealing"], task, targets=settings.targets, queries=settings.queries,
        seeds=settings.seeds, oracle=oracle, seeder=seeder,
        on_turn=counted("designing at equal queries", 3 * settings.seeds * settings.queries),
    )  # fmt: skip
    # ... and once more with the policy's training added to what the searches may spend.
    share = settings.queries + spent // settings.targets
    whole_budget = run(
        ["random", "annealing"], task, targets=settings.targets, queries=share, seeds=1, oracle=oracle,
        on_turn=counted("searching at equal totals", 2 * share), seeder=seeder,
    )  # fmt: skip
    seconds["designing"] = time.perf_counter() - start

    # 3. Audit: seeds as drawn, the policy's designs, whose true gaps are known by now, and designs visited.
    start = time.perf_counter()
    on_progress("auditing by the oracle", 0, 1, "")
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
    on_progress("auditing by the oracle", 1, 1, "")
    seconds["audit"] = time.perf_counter() - start

    return DemoResult(
        settings=settings,
        task=task,
        policy=policy,
        training=spent,
        curve=np.array(curve, dtype=np.float64).reshape(-1, 2),
        comparison=comparison,
        whole_budget=whole_budget,
        seeds_ev=seeds_ev,
        winners=winners,
        winners_gap_ev=winners.exploitation_gap(mine.search.targets[valid]),
        visited=visited,
        ledger=task.ledger.as_dict(),
        seconds=seconds,
    )


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
