"""Compare methods over seeds, every design verified by the oracle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.benchmark.methods import Method
from matgym.benchmark.search import Search, search
from matgym.physics import Oracle
from matgym.statistics import Estimate, estimate
from matgym.tasks import DesignTask, SeederLike, TargetProperty, as_seeder
from matgym.typing import FloatArray

UNSEEN_TARGETS_SEED: Final = 2026
"""Draws the targets of a comparison; no training and no tuning uses it."""

MET_EV: Final = 0.02
"""A target counts as met within this error."""


@dataclass(frozen=True)
class Verified:
    """A search whose designs went through the oracle.

    Attributes:
        search: what was found.
        truth: (T,) oracle's value of each design; NaN where it failed.
        seed: of the search.
        queries: evaluations a target.
    """

    search: Search
    truth: FloatArray
    seed: int
    queries: int

    @property
    def error(self) -> FloatArray:
        """(T,) true error; infinite where there is no valid design."""
        return np.nan_to_num(np.abs(self.truth - self.search.targets), nan=np.inf)


@dataclass(frozen=True)
class MethodFigures:
    """One method in a comparison.

    Attributes:
        method: its name.
        queries: evaluations of the reward model a target.
        seeds: runs.
        error_ev: mean over targets of the true error of valid designs, as the oracle has it.
        median_ev: median of the same, invalid designs counting as infinitely wrong.
        believed_ev: mean error that the reward model believes in.
        within_20_mev: share of targets met within 20 meV, as the oracle has it.
        invalid: share of targets for which there is no valid design.
    """

    method: str
    queries: int
    seeds: int
    error_ev: Estimate
    median_ev: Estimate
    believed_ev: Estimate
    within_20_mev: Estimate
    invalid: float

    def as_row(self) -> dict[str, str]:
        """For a table that people read: errors in meV with the half-width of their interval."""
        return {
            "method": self.method,
            "queries": f"{self.queries:,}",
            "seeds": str(self.seeds),
            "error, meV": self.error_ev.in_thousandths(),
            "median": self.median_ev.in_thousandths(),
            "believed": self.believed_ev.in_thousandths(),
            "met": f"{self.within_20_mev.mean:.0%}",
            "invalid": f"{self.invalid:.0%}",
        }


def verify(found: Search, task: DesignTask, seed: int, oracle: Oracle | None = None) -> Verified:
    """Put a search's designs through physics, counted in the task's ledger.

    Args:
        found: the search.
        task: its task.
        seed: of the search.
        oracle: in place of the task's own referee.
    """
    valid = task.space.valid(found.designs)
    truth = np.full(len(valid), np.nan)
    if oracle is None:
        truth[valid] = task.audit(found.designs[valid], found.targets[valid]).value
    else:
        with task.ledger.charge("oracle", int(valid.sum())):
            truth[valid] = oracle.evaluate(task.tubes(found.designs[valid]))[task.value_name]
    return Verified(found, truth, seed, len(found.progress))


def run(
    methods: Sequence[Method],
    task: TargetProperty | None = None,
    *,
    targets: int | FloatArray = 100,
    queries: int = 16,
    seeds: int = 5,
    oracle: Oracle | None = None,
    on_turn: Callable[[], None] = lambda: None,
    seeder: SeederLike = "random",
) -> "Comparison":
    """Let methods design for the same targets at equal counts, and verify what they found.

    Args:
        methods: names, `Optimizer` classes, trained `Policy` objects.
        task: `matgym/NanotubeDoping-v0`'s by default.
        targets: how many to draw (from `UNSEEN_TARGETS_SEED`), or the (T,) targets themselves.
        queries: evaluations of the reward model a target.
        seeds: runs of each method.
        oracle: that verifies, in place of the task's referee.
        on_turn: called after each evaluation of all targets.
        seeder: gives optimizers their initial structures: "random", "gan", or another of `matgym.tasks.SEEDERS`.
    """
    task, seeder = task or TargetProperty(), as_seeder(seeder)
    if isinstance(targets, int):
        rng = np.random.default_rng(UNSEEN_TARGETS_SEED)
        targets = np.array([task.draw_target(rng) for _ in range(targets)])
    runs = []
    for method in methods:
        for seed in range(seeds):
            found = search(method, task, targets, queries, seed, on_turn, seeder)
            runs.append(verify(found, task, seed, oracle))
    return Comparison(tuple(runs))


@dataclass(frozen=True)
class Comparison:
    """Verified searches of several methods over seeds."""

    runs: tuple[Verified, ...]

    @property
    def methods(self) -> list[str]:
        """Names, in order of first appearance."""
        return list(dict.fromkeys(run.search.method for run in self.runs))

    def of(self, method: str) -> list[Verified]:
        """The runs of one method."""
        return [run for run in self.runs if run.search.method == method]

    def errors(self, method: str) -> FloatArray:
        """(seeds, targets) true errors."""
        return np.stack([run.error for run in self.of(method)])

    def figures(self) -> list[MethodFigures]:
        """Figures of each method."""
        return [_figures(method, self.of(method)) for method in self.methods]


def _figures(method: str, runs: list[Verified]) -> MethodFigures:
    valid = [np.isfinite(run.error) for run in runs]
    believed = [np.abs(run.search.belief - run.search.targets) for run in runs]
    return MethodFigures(
        method,
        queries=runs[0].queries,
        seeds=len(runs),
        error_ev=estimate([_mean(run.error[ok]) for run, ok in zip(runs, valid, strict=True)]),
        median_ev=estimate([np.median(run.error) for run in runs]),
        believed_ev=estimate([_mean(error[ok]) for error, ok in zip(believed, valid, strict=True)]),
        within_20_mev=estimate([(run.error < MET_EV).mean() for run in runs]),
        invalid=float(np.mean([1.0 - ok.mean() for ok in valid])),
    )


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")
