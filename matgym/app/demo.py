"""The demo: where learning wins, and where it does not: train policies, compare methods, verify designs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any, Final

import numpy as np

from matgym.agents.look_up import LookUp
from matgym.agents.policy import Policy
from matgym.agents.sb3 import make_agent, train_agent
from matgym.app.briefs import BriefResult, BriefSettings, run_briefs
from matgym.benchmark import Comparison, run
from matgym.benchmark.runs import Outcome
from matgym.envs.initial_designs import InitialDesigns
from matgym.frozen import ValueObject, returns_read_only
from matgym.physics.registry import judge_of
from matgym.structures import TubeBatch
from matgym.surrogates import Verification, as_model, verify
from matgym.tasks import Decorations, DesignTask, as_design_generator, decoration_task
from matgym.typing import FloatArray

SURROGATE: Final = "nanotube-doping"


@dataclass(frozen=True)
class DemoSettings:
    """Settings of the demo.

    Attributes:
        algorithm: algorithm of the policy.
        training_designs: number of designs that are scored during the training of the policy.
        targets: number of target gaps that are not used in training.
        queries: number of designs that are scored for each method and target.
        seeds: number of runs of each method on the targets.
        verified: number of visited designs that the oracle verifies in addition to the best ones.
        initial_designs: initial designs of every method; see `matgym.tasks.DESIGN_GENERATORS`.
        removed: number of atoms of an initial design that the policy places again.
        seed: random seed of the training. The targets are drawn from another generator.
        table: number of random designs of the look-up opponent, scored once for all targets.
        briefs: settings of the case of briefs on unseen tubes.
    """

    algorithm: str = "MaskablePPO"
    training_designs: int = 12_000
    targets: int = 15
    queries: int = 16
    seeds: int = 3
    verified: int = 100
    initial_designs: str = "gan"
    removed: int = 4
    seed: int = 0
    table: int = 256
    briefs: BriefSettings = field(default_factory=BriefSettings)


@dataclass(frozen=True)
class DemoResult(ValueObject):
    """Results of the demo.

    Attributes:
        settings: settings of the demo.
        task: the design task.
        policy: the trained policy.
        training: number of designs that were scored during the training.
        curve: (updates, 2) number of designs scored so far, and mean reward of recent designs.
        comparison: all methods at equal queries per target.
        whole_budget: a search whose queries also include the training designs of the policy.
        initial_ev: (T,) gaps by the oracle of one initial design for each target, as drawn.
        winners: verification of the valid designs of the policy (first seed).
        winners_gap_ev: exploitation gap of these designs.
        visited: verification of a sample of the designs that the methods scored.
        ledger: evaluations and seconds by kind.
        briefs: results of the case of briefs on unseen tubes.
        seconds: wall time by stage.
    """

    settings: DemoSettings
    task: DesignTask
    policy: Policy
    training: int
    curve: FloatArray
    comparison: Comparison
    whole_budget: Comparison
    initial_ev: FloatArray
    winners: Verification
    winners_gap_ev: float
    visited: Verification
    ledger: dict[str, dict[str, float]]
    briefs: BriefResult
    seconds: dict[str, float]

    @property
    @returns_read_only
    def initial_errors(self) -> FloatArray:
        """Return the (T,) distances of the initial designs from their targets, by the oracle, in eV."""
        return np.abs(self.initial_ev - self.comparison.outcomes[0].search.targets)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        return {
            "equal_queries": [asdict(row) for row in self.comparison.figures()],
            "whole_budget": [asdict(row) for row in self.whole_budget.figures()],
            "initial_designs": {
                "generator": self.settings.initial_designs,
                "error_ev": float(np.median(self.initial_errors)),
            },
            "winners": self.winners.as_dict() | {"exploitation_gap_ev": self.winners_gap_ev},
            "visited": self.visited.as_dict(),
            "ledger": self.ledger,
            "briefs": self.briefs.as_dict(),
            "seconds": self.seconds,
        }


def run_demo(
    settings: DemoSettings,
    on_progress: Callable[[str, int, int, str], None] = lambda _stage, _completed, _total, _note: None,
) -> DemoResult:
    """Train a policy, design tubes for unseen targets, compare with searches, and verify the designs.

    Args:
        settings: settings of the demo.
        on_progress: function that is called with the stage, the finished amount, the total amount, and a note.

    Returns:
        The results.
    """
    briefs = run_briefs(settings.briefs, on_progress)
    surrogate = as_model(SURROGATE, "gap_ev")
    oracle = judge_of("gap_ev")
    task = decoration_task(model=surrogate, oracle=oracle)
    generator = as_design_generator(settings.initial_designs)
    seconds: dict[str, float] = {"briefs": briefs.seconds}

    # 1. Train: the surrogate scores every design that the policy completes, and the ledger counts it.
    start = time.perf_counter()
    curve: list[tuple[int, float]] = []

    def on_rollout(designs: int, reward: float) -> None:
        curve.append((designs, reward))
        on_progress("training a policy", designs, settings.training_designs, f"mean reward {reward:.2f}")

    on_progress("training a policy", 0, settings.training_designs, "")
    agent = make_agent(settings.algorithm, task, settings.seed, initial_designs=generator, removed=settings.removed)
    train_agent(agent, task.ledger, settings.training_designs, on_rollout)
    spent = task.ledger.counts["surrogate"]
    masked = settings.algorithm == "MaskablePPO"
    policy = Policy(agent, settings.algorithm, masked, InitialDesigns.of(task, generator, settings.removed))
    table = LookUp.of(task, settings.table, np.random.default_rng([settings.seed, 1]))
    seconds["training"] = time.perf_counter() - start

    # 2. Design for unseen targets. Each method has the same number of queries per target.
    start = time.perf_counter()

    def counted(stage: str, total: int) -> Callable[[], None]:
        turns = count(1)
        return lambda: on_progress(stage, next(turns), total, "")

    comparison = run(
        [policy, table, "random", "annealing"], task, targets=settings.targets, queries=settings.queries,
        seeds=settings.seeds, initial_designs=generator,
        on_turn=counted("designing at equal queries", 4 * settings.seeds * settings.queries),
    )  # fmt: skip
    # Repeat the search with the training designs of the policy added to its queries.
    share = settings.queries + spent // settings.targets
    whole_budget = run(
        ["annealing"], task, targets=settings.targets, queries=share, seeds=1,
        on_turn=counted("searching at equal totals", share), initial_designs=generator,
    )  # fmt: skip
    seconds["designing"] = time.perf_counter() - start

    # 3. Verify the initial designs, the designs of the policy (whose true gaps are known here), and visited designs.
    start = time.perf_counter()
    on_progress("verifying by the oracle", 0, 1, "")
    mine = comparison.of(policy.name)[0]
    assert isinstance(task.space, Decorations)  # noqa: S101  # for mypy: it is the default task's
    initial = generator.sample(task.space, mine.search.targets, np.random.default_rng(settings.seed))
    with task.ledger.charge("oracle", len(initial)):
        initial_ev = oracle.predict(initial)[task.value_name]
    valid = np.isfinite(mine.verified)
    far_out = surrogate.predict(task.tubes(mine.search.designs[valid])).known_distance > 1.0
    winners = Verification(mine.search.predicted[valid], mine.verified[valid], far_out, 0, oracle.level)
    on_the_way = _visited([*comparison.outcomes, *whole_budget.outcomes], task, settings.verified)
    with task.ledger.charge("oracle", len(on_the_way)), task.ledger.charge("surrogate", len(on_the_way)):
        visited = verify(surrogate, oracle, on_the_way)
    on_progress("verifying by the oracle", 1, 1, "")
    seconds["verification"] = time.perf_counter() - start

    return DemoResult(
        settings, task, policy, spent, np.array(curve, dtype=np.float64).reshape(-1, 2), comparison, whole_budget,
        initial_ev, winners, winners.exploitation_gap(mine.search.targets[valid]), visited, task.ledger.as_dict(),
        briefs, seconds,
    )  # fmt: skip


def _visited(outcomes: Sequence[Outcome], task: DesignTask, count: int) -> TubeBatch:
    """Return a sample of the scored designs, with equal numbers for each method."""
    rng = np.random.default_rng(0)
    methods = list(dict.fromkeys(outcome.search.method for outcome in outcomes))
    chosen = []
    for method in methods:
        pool = np.concatenate([outcome.search.visited for outcome in outcomes if outcome.search.method == method])
        chosen.append(pool[rng.permutation(len(pool))[: count // len(methods)]])
    return task.tubes(np.concatenate(chosen))
