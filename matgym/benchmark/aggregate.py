"""Figures over tasks and seeds with their intervals, by `matgym.statistics`.

Intervals are 95 % percentiles of a stratified bootstrap: seeds are resampled within each task. They describe other
seeds on the same tasks, and not other tasks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from matgym.benchmark.results import Results
from matgym.frozen import ValueObject
from matgym.statistics import (
    Estimate,
    middle_mean,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)
from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Overall:
    """Figures of one method over all compared tasks; a score of 0 is a typical random design, 1 the optimum.

    Attributes:
        iqm: interquartile mean of the scores of all runs.
        median: median of the means of the tasks.
        mean: mean of all runs.
        optimality_gap: mean distance of scores below 1 from 1.
        better: probability that a run has a higher score than a run of random search on the same task; None without
            random search.
    """

    iqm: Estimate
    median: Estimate
    mean: Estimate
    optimality_gap: Estimate
    better: Estimate | None


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
        overall: overall figures by method, the best method first.
        taus: scores of the performance profiles, from the worst runs to the optimum.
        profiles: share of runs above each of these scores, by method.
        improvement: (methods, methods) probability that a run of the row's method has a higher score than a run of the
            column's method, in the order of `overall`.
        evaluations: evaluations of `anytime`.
        anytime: interquartile mean of the scores at these evaluations, by method.
        regrets: interquartile mean of the verified regret, by task and method.
        met: queries, and share of targets met by method, by amortised task.
    """

    overall: Mapping[str, Overall]
    taus: FloatArray
    profiles: Mapping[str, Band]
    improvement: FloatArray
    evaluations: IntArray
    anytime: Mapping[str, Band]
    regrets: Mapping[str, Mapping[str, Estimate]]
    met: Mapping[str, tuple[IntArray, Mapping[str, Band]]]


@lru_cache(maxsize=4)
def summary(results: Results, reps: int = 2000) -> Summary:
    """Return all figures of a benchmark, with `reps` resamples for the intervals; the result is cached."""
    scores = results.scores()
    overall = overall_figures(scores, results.random_method, reps)
    marks, cubes = results.anytime_scores()
    least = min((float(np.quantile(own, 0.01)) for own in scores.values()), default=0.0)
    taus = np.linspace(max(-0.25, least - 0.02), 1.0, 61)
    met = {}
    for task in results.facts.amortised:
        queries, shares = results.share_met(task)
        if shares:
            met[task] = (queries, bootstrap(shares, lambda x: x.mean(axis=0), reps))
    return Summary(
        overall=overall,
        taus=taus,
        profiles=bootstrap(scores, lambda x: performance_profile(x, taus), reps),
        improvement=np.array([[probability_of_improvement(scores[a], scores[b]) for b in overall] for a in overall]),
        evaluations=marks,
        anytime=bootstrap(cubes, run_means, reps),
        regrets=_regrets(results, reps),
        met=met,
    )


def overall_figures(scores: Mapping[str, FloatArray], reference: str | None, reps: int = 2000) -> dict[str, Overall]:
    """Return the figures of every method from its (seeds, tasks) scores.

    The order is by the interquartile mean and then by the mean, the best method first. If the reference method is among
    the methods, the figures include the probability of improvement over it.
    """

    def figures(x: FloatArray) -> FloatArray:
        return np.array([middle_mean(x.reshape(-1)), np.median(x.mean(axis=0)), x.mean(), optimality_gap(x)])

    found = bootstrap(scores, figures, reps)
    better: dict[str, Estimate] = {}
    if reference is not None and reference in scores:
        pairs = {method: [own, scores[reference]] for method, own in scores.items()}
        bands = bootstrap(pairs, lambda x, y: np.array([probability_of_improvement(x, y)]), reps)
        better = {method: interval(band, 0) for method, band in bands.items()}
    order = sorted(found, key=lambda m: (-round(found[m].value[0], 9), -round(found[m].value[2], 9), m))
    overall = {}
    for method in order:
        iqm, median, mean, gap = (interval(found[method], i) for i in range(4))
        overall[method] = Overall(iqm, median, mean, gap, better.get(method))
    return overall


def _regrets(results: Results, reps: int) -> dict[str, dict[str, Estimate]]:
    """Return regrets by task and method; tasks with equal numbers of runs are resampled together."""
    regrets: dict[str, dict[str, Estimate]] = {task: {} for task in results.tasks}
    own = {task: results.regrets(task) for task in results.tasks}
    for method in results.methods:
        for runs in sorted({len(of[method]) for of in own.values() if method in of}):
            tasks = [task for task, of in own.items() if method in of and len(of[method]) == runs]
            stacked = np.stack([own[task][method] for task in tasks], axis=1)
            band = bootstrap({method: stacked}, middle_mean, reps)[method]
            regrets |= {task: regrets[task] | {method: interval(band, i)} for i, task in enumerate(tasks)}
    return regrets


def bootstrap(
    scores: Mapping[str, FloatArray | Sequence[FloatArray]], figures: Callable[..., FloatArray], reps: int = 2000
) -> dict[str, Band]:
    """Return the figures of every method with their intervals; all methods use the same random numbers.

    Args:
        scores: (seeds, tasks, …) arrays by method, or lists of such arrays that are resampled independently.
        figures: function that returns (n,) figures of the array or of the arrays.
        reps: number of resamples.
    """
    bands = {}
    for method, own in scores.items():
        samples = [own] if isinstance(own, np.ndarray) else list(own)
        value = np.asarray(figures(*samples), dtype=np.float64)
        low = high = np.full(len(value), np.nan)
        if min(map(len, samples)) > 1:
            low, high = stratified_bootstrap(figures, samples, np.random.default_rng(0), reps)
        bands[method] = Band(value, low, high)
    return bands


def interval(band: Band, place: int) -> Estimate:
    """Return one point of a band."""
    return Estimate(float(band.value[place]), float(band.low[place]), float(band.high[place]))


def run_means(scores: FloatArray) -> FloatArray:
    """Return (checkpoints,) interquartile means over seeds and tasks of (seeds, tasks, checkpoints) scores."""
    return middle_mean(scores.reshape(-1, scores.shape[-1]))
