"""Figures over tasks and seeds with their intervals, by `matgym.statistics`.

A figure of a method is computed within each task over its seeds, and is then averaged over the tasks that the method
has searched. Every task therefore has the same weight, and no other method changes the figure. Intervals are 95 %
percentiles of a stratified bootstrap: seeds are resampled within each task. They describe other seeds on the same
tasks, and not other tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from matgym.benchmark.results import Results
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.statistics import (
    LEVELS,
    MOST_RESAMPLES,
    Estimate,
    middle_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from matgym.typing import FloatArray, IntArray

LEAST_METHODS: Final = 3
LEAST_TASKS: Final = 2
"""Fewest methods and tasks of Friedman's test; with two methods it would be a sign test."""


@dataclass(frozen=True)
class Overall:
    """Figures of one method over its tasks after some evaluations; 0 is the median random design, 1 the optimum.

    Attributes:
        iqm: mean over tasks of the interquartile mean of the scores of the seeds.
        mean: mean over tasks of the mean score of the seeds.
        optimality_gap: mean distance of scores below 1 from 1.
        better: probability that a run has a higher score than a run of random search on the same task; None without
            random search.
        rank: mean rank among the methods of each task; 1 is the best.
        tasks: number of tasks.
    """

    iqm: Estimate
    mean: Estimate
    optimality_gap: Estimate
    better: Estimate | None
    rank: float
    tasks: int


@dataclass(frozen=True)
class Separation:
    """Whether the tasks separate the methods after some evaluations.

    Attributes:
        evaluations: number of evaluations.
        methods: number of methods with scores on every task.
        tasks: number of tasks.
        chi2: statistic of Friedman's test with the tasks as blocks; NaN if there are too few methods or tasks.
        p: its p value by the χ² distribution, which is approximate for few tasks.
        tau: Kendall's rank correlation of the mean ranks by two halves of the seeds; NaN for one seed.
    """

    evaluations: int
    methods: int
    tasks: int
    chi2: float
    p: float
    tau: float


@dataclass(frozen=True)
class Band(ValueObject):
    """A (points,) curve and its 95 % interval."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Summary(ValueObject):
    """All figures of a benchmark.

    Attributes:
        overall: overall figures by number of evaluations and by method, the best method first.
        separations: whether the tasks separate the methods, for each number of evaluations.
        taus: scores of the performance profiles, from the worst runs to the optimum.
        profiles: share of runs above each of these scores after the most evaluations, by method.
        improvement: (methods, methods) probability that a run of the row's method has a higher score than a run of the
            column's method on the same task after the most evaluations; NaN if they share no task.
        anytime: evaluations, and mean over tasks of the interquartile mean of the scores, by method.
        regrets: interquartile mean of the verified regret, by task, method and number of evaluations, the best method
            first.
        met: queries, and share of targets met by method, by amortised task.
    """

    overall: Mapping[int, Mapping[str, Overall]]
    separations: tuple[Separation, ...]
    taus: FloatArray
    profiles: Mapping[str, Band]
    improvement: FloatArray
    anytime: Mapping[str, tuple[IntArray, Band]]
    regrets: Mapping[str, Mapping[str, Mapping[int, Estimate]]]
    met: Mapping[str, tuple[IntArray, Mapping[str, Band]]]

    @property
    def last(self) -> Mapping[str, Overall]:
        """Return the overall figures after the most evaluations, the best method first."""
        return self.overall[max(self.overall)] if self.overall else {}


@lru_cache(maxsize=4)
def summary(results: Results, reps: int = 2000) -> Summary:
    """Return all figures of a benchmark, with `reps` resamples for the intervals; the result is cached."""
    scores = {mark: results.scores(mark) for mark in results.checkpoints}
    overall = {mark: overall_figures(own, results.random_method, reps) for mark, own in scores.items()}
    last = scores[results.checkpoints[-1]] if scores else {}
    every = [own for by_task in last.values() for own in by_task.values()]
    taus = np.linspace(max(-0.25, min((float(np.quantile(x, 0.01)) for x in every), default=0.0) - 0.02), 1.0, 61)
    met = {}
    for task in results.facts.amortised:
        queries, shares = results.share_met(task)
        if shares:
            met[task] = queries, {m: task_means([[own]], lambda x: x.mean(axis=0), reps) for m, own in shares.items()}
    anytime = {}
    for method in results.methods:
        marks, curves = results.anytime_scores(method)
        anytime[method] = marks, task_means([[own] for own in curves.values()], middle_mean, reps)
    return Summary(
        overall=overall,
        separations=tuple(separation(own, mark) for mark, own in scores.items()),
        taus=taus,
        profiles={
            m: task_means([[x] for x in own.values()], lambda x: performance_profile(x, taus), reps)
            for m, own in last.items()
        },
        improvement=_chances(last, list(overall[results.checkpoints[-1]]) if overall else []),
        anytime=anytime,
        regrets={task: _regrets(results, task, reps) for task in results.tasks},
        met=met,
    )


def _chances(scores: Mapping[str, Mapping[str, FloatArray]], methods: Sequence[str]) -> FloatArray:
    chances = np.full((len(methods), len(methods)), np.nan)
    for i, first in enumerate(methods):
        for j, second in enumerate(methods):
            own, other = scores[first], scores[second]
            shared = [probability_of_improvement(own[task], other[task]) for task in own if task in other]
            if shared:
                chances[i, j] = np.mean(shared)
    return chances


def _regrets(results: Results, task: str, reps: int) -> dict[str, dict[int, Estimate]]:
    """Return the regrets of a task by method and number of evaluations.

    The order is by the regret after the method's most evaluations; methods with smaller budgets come last.
    """
    regrets: dict[str, dict[int, Estimate]] = {}
    for mark in results.checkpoints:
        for method, own in results.regrets(task, mark).items():
            band = task_means([[own]], lambda x: middle_mean(x)[..., None], reps)
            regrets.setdefault(method, {})[mark] = interval(band, 0)
    last = {method: max(own) for method, own in regrets.items()}
    order = sorted(regrets, key=lambda method: (-last[method], regrets[method][last[method]].mean, method))
    return {method: regrets[method] for method in order}


def overall_figures(
    scores: Mapping[str, Mapping[str, FloatArray]], reference: str | None, reps: int = 2000
) -> dict[str, Overall]:
    """Return the figures of every method from its (seeds,) scores by task, the highest interquartile mean first.

    The figures of a method depend on no other method, except for its mean rank and its probability of improvement over
    the reference method.
    """
    ranks, found = mean_ranks(scores), {}
    for method, own in scores.items():
        figures = task_means([[own[task]] for task in own], _three, reps)
        other = scores.get(reference or "", {})
        better = None
        if both := [[own[task], other[task]] for task in own if task in other]:
            better = interval(task_means(both, lambda x, y: probability_of_improvement(x, y)[..., None], reps), 0)
        iqm, mean, gap = (interval(figures, place) for place in range(3))
        found[method] = Overall(iqm, mean, gap, better, ranks[method], len(own))
    return dict(sorted(found.items(), key=lambda pair: (-round(pair[1].iqm.mean, 9), pair[1].rank, pair[0])))


def _three(scores: FloatArray) -> FloatArray:
    """Return (…, 3) interquartile mean, mean and optimality gap of (runs, …) scores."""
    return np.stack([middle_mean(scores), scores.mean(axis=0), optimality_gap(scores)], axis=-1)


def mean_ranks(scores: Mapping[str, Mapping[str, FloatArray]]) -> dict[str, float]:
    """Return the mean rank of every method over its tasks; 1 is the best.

    On each task the methods with scores are ranked by the interquartile mean over seeds. Ties have the mean of their
    ranks.
    """
    from scipy.stats import rankdata

    own: dict[str, list[float]] = {method: [] for method in scores}
    for task in dict.fromkeys(task for by_task in scores.values() for task in by_task):
        there = [method for method, by_task in scores.items() if task in by_task]
        ranks = rankdata([-round(float(middle_mean(scores[method][task])), 9) for method in there])
        for method, rank in zip(there, ranks, strict=True):
            own[method].append(float(rank))
    return {method: float(np.mean(ranks)) for method, ranks in own.items()}


def separation(scores: Mapping[str, Mapping[str, FloatArray]], evaluations: int) -> Separation:
    """Return whether the tasks separate the methods, from (seeds,) scores by method and task.

    Only methods with scores on every task take part, because the test needs complete blocks.
    """
    from scipy.stats import friedmanchisquare, kendalltau

    tasks = list(dict.fromkeys(task for by_task in scores.values() for task in by_task))
    whole = {method: by_task for method, by_task in scores.items() if len(by_task) == len(tasks)}
    chi2 = p = tau = float("nan")
    if len(whole) >= LEAST_METHODS and len(tasks) >= LEAST_TASKS:
        by_method = [[round(float(middle_mean(own[task])), 9) for task in tasks] for own in whole.values()]
        if any(len({*of_task}) > 1 for of_task in zip(*by_method, strict=True)):  # otherwise all methods are equal
            chi2, p = map(float, friedmanchisquare(*by_method))
    runs = min((len(own) for by_task in whole.values() for own in by_task.values()), default=0)
    if len(whole) >= LEAST_METHODS and runs > 1:
        halves = [
            mean_ranks({m: {task: own[half::2] for task, own in by_task.items()} for m, by_task in whole.items()})
            for half in (0, 1)
        ]
        tau = float(kendalltau(*(list(ranks.values()) for ranks in halves)).statistic)
    return Separation(evaluations, len(whole), len(tasks), chi2, p, tau)


def task_means(samples: Sequence[Sequence[FloatArray]], figures: Callable[..., FloatArray], reps: int = 2000) -> Band:
    """Return figures as means over tasks, with their intervals: runs are resampled within each task.

    All methods use the same random numbers.

    Args:
        samples: for each task one or several (runs, …) arrays, which are resampled independently.
        figures: function that returns (resamples, n) figures of (runs, resamples, …) arrays.
        reps: number of resamples.

    Raises:
        ConfigurationError: if there are none, or more than `MOST_RESAMPLES`.
    """
    if not 1 <= reps <= MOST_RESAMPLES:
        raise ConfigurationError(f"resamples={reps} must be from 1 to {MOST_RESAMPLES:,}")
    rng = np.random.default_rng(0)
    value = np.mean([figures(*(x[:, None] for x in own))[0] for own in samples], axis=0)
    if min(len(x) for own in samples for x in own) < 2:
        return Band(value, *np.full((2, len(value)), np.nan))
    drawn = [figures(*(x[rng.integers(len(x), size=(len(x), reps))] for x in own)) for own in samples]
    return Band(value, *np.quantile(np.mean(drawn, axis=0), LEVELS, axis=0))


def interval(band: Band, place: int) -> Estimate:
    """Return one point of a band."""
    return Estimate(float(band.value[place]), float(band.low[place]), float(band.high[place]))
