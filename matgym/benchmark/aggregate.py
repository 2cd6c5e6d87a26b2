"""Figures over tasks and seeds with their doubt, as Agarwal et al. (NeurIPS 2021) recommend, by their library rliable.

Intervals are 95 % percentiles of a stratified bootstrap: seeds are resampled within each task. They say what other
seeds would give on these tasks, not what other tasks would give.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from matgym.benchmark.results import Results
from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Interval:
    """A figure of all seeds, and its 95 % interval by bootstrap: NaN bounds for one seed."""

    value: float
    low: float
    high: float

    def text(self, digits: int = 3) -> str:
        """Such as "0.812 [0.790, 0.833]"."""
        if not np.isfinite(self.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def significant(self) -> str:
        """The same to three significant digits."""
        if not np.isfinite(self.low):
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Overall:
    """One method over all compared tasks: of scores, 0 a typical random design, 1 the optimum.

    Attributes:
        iqm: mean of the middle half of all runs.
        median: of the tasks' means.
        mean: of all runs.
        optimality_gap: mean shortfall from 1.
        better: probability that a run of it beats one of random search on the same task; None without random search.
    """

    iqm: Interval
    median: Interval
    mean: Interval
    optimality_gap: Interval
    better: Interval | None


@dataclass(frozen=True)
class Band:
    """(points,) a curve and its 95 % interval."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Summary:
    """All figures of a run.

    Attributes:
        overall: by method, the best first.
        taus: scores at which profiles are taken: from the worst runs to the optimum.
        profiles: by method: share of runs above each of these.
        improvement: (methods, methods), ordered as `overall`: probability that a run of the row's beats one of the
            column's.
        evaluations: of `anytime`.
        anytime: by method: interquartile mean of the scores at these evaluations.
        regrets: by task and method: interquartile mean of the true regret.
        met: by amortised task: queries, and by method the share of targets met.
    """

    overall: Mapping[str, Overall]
    taus: FloatArray
    profiles: Mapping[str, Band]
    improvement: FloatArray
    evaluations: IntArray
    anytime: Mapping[str, Band]
    regrets: Mapping[str, Mapping[str, Interval]]
    met: Mapping[str, tuple[IntArray, Mapping[str, Band]]]


@lru_cache(maxsize=4)
def summary(results: Results, reps: int = 2000, seed: int = 0) -> Summary:
    """All figures of a run; asked again for the same folder, nothing is computed anew.

    Args:
        results: of the run.
        reps: resamples of each bootstrap.
        seed: of the bootstraps.
    """
    scores = results.scores()
    overall = overall_figures(scores, results.random_method, reps, seed)
    marks, cubes = results.anytime_scores()
    least = min((float(np.quantile(own, 0.01)) for own in scores.values()), default=0.0)
    taus = np.linspace(max(-0.25, least - 0.02), 1.0, 61)
    met = {}
    for task in results.run.amortised:
        queries, shares = results.share_met(task)
        if shares:
            met[task] = (queries, bootstrap(shares, lambda x: x.mean(axis=0), reps, seed))
    return Summary(
        overall=overall,
        taus=taus,
        profiles=bootstrap(scores, lambda x: profile(x, taus), reps, seed),
        improvement=np.array([[probability_of_improvement(scores[a], scores[b]) for b in overall] for a in overall]),
        evaluations=marks,
        anytime=bootstrap(cubes, run_means, reps, seed),
        regrets=_regrets(results, reps, seed),
        met=met,
    )


def overall_figures(
    scores: Mapping[str, FloatArray], reference: str | None, reps: int = 2000, seed: int = 0
) -> dict[str, Overall]:
    """Figures of every method, the best interquartile mean first; of equal ones the best mean.

    Args:
        scores: (seeds, tasks) by method.
        reference: method that the others are compared with.
        reps: resamples of each bootstrap.
        seed: of the bootstraps.
    """
    metrics = _rliable_metrics()

    def figures(x: FloatArray) -> FloatArray:
        return np.array(
            [
                metrics.aggregate_iqm(x),
                metrics.aggregate_median(x),
                metrics.aggregate_mean(x),
                metrics.aggregate_optimality_gap(x),
            ]
        )

    found = bootstrap(scores, figures, reps, seed)
    better: dict[str, Interval] = {}
    if reference is not None and reference in scores:
        pairs = {method: [own, scores[reference]] for method, own in scores.items()}
        bands = bootstrap(pairs, lambda x, y: np.array([probability_of_improvement(x, y)]), reps, seed)
        better = {method: interval(band, 0) for method, band in bands.items()}
    order = sorted(found, key=lambda m: (-round(found[m].value[0], 9), -round(found[m].value[2], 9), m))
    overall = {}
    for method in order:
        iqm, median, mean, gap = (interval(found[method], i) for i in range(4))
        overall[method] = Overall(iqm, median, mean, gap, better.get(method))
    return overall


def _regrets(results: Results, reps: int, seed: int) -> dict[str, dict[str, Interval]]:
    """By task and method. Tasks with as many runs of a method are resampled at once."""
    regrets: dict[str, dict[str, Interval]] = {task: {} for task in results.tasks}
    own = {task: results.regrets(task) for task in results.tasks}
    for method in results.methods:
        for runs in sorted({len(of[method]) for of in own.values() if method in of}):
            tasks = [task for task, of in own.items() if method in of and len(of[method]) == runs]
            stacked = np.stack([own[task][method] for task in tasks], axis=1)
            band = bootstrap({method: stacked}, task_means, reps, seed)[method]
            regrets |= {task: regrets[task] | {method: interval(band, i)} for i, task in enumerate(tasks)}
    return regrets


def bootstrap(
    scores: Mapping[str, Any], figures: Callable[..., FloatArray], reps: int = 2000, seed: int = 0
) -> dict[str, Band]:
    """Figures of every method with intervals, by rliable's stratified bootstrap.

    Args:
        scores: (seeds, tasks, …) by method, or lists of such arrays that are resampled apart.
        figures: (n,) of the array, or of the arrays.
        reps: resamples.
        seed: of the resampling.
    """
    library = _rliable_library()
    bands = {}
    for method, own in scores.items():
        with _global_seed(seed):
            points, intervals = library.get_interval_estimates({method: own}, figures, reps=reps)
        value, (low, high) = np.asarray(points[method], dtype=np.float64), np.asarray(intervals[method])
        runs = len(own) if isinstance(own, np.ndarray) else min(map(len, own))
        unknown = np.full(len(value), np.nan)
        bands[method] = Band(value, *((low, high) if runs > 1 else (unknown, unknown)))
    return bands


def interval(band: Band, place: int) -> Interval:
    """One of a band's figures."""
    return Interval(float(band.value[place]), float(band.low[place]), float(band.high[place]))


def profile(scores: FloatArray, taus: FloatArray) -> FloatArray:
    """(taus,) share of runs above each: rliable's performance profile, which loops where this does not."""
    ordered = np.sort(scores, axis=None)
    return 1.0 - np.searchsorted(ordered, taus, side="right") / len(ordered)


def probability_of_improvement(x: FloatArray, y: FloatArray) -> float:
    """P(x > y), ties counted half, mean over tasks: rliable's figure, a hundred times sooner.

    Args:
        x: (seeds, tasks) scores.
        y: (seeds, tasks) scores of the other.
    """
    difference = x[:, None] - y[None]
    return float(((difference > 0).mean() + (difference >= 0).mean()) / 2)


def task_means(scores: FloatArray) -> FloatArray:
    """(tasks,) interquartile mean over seeds of each; scipy's `trim_mean` gives the same, ten times slower."""
    cut = len(scores) // 4
    means: FloatArray = np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0)
    return means


def run_means(scores: FloatArray) -> FloatArray:
    """(checkpoints,) interquartile mean over seeds and tasks at each, of (seeds, tasks, checkpoints)."""
    return task_means(scores.reshape(-1, scores.shape[-1]))


# ---- rliable, and what it needs to run here


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seeds NumPy's global generator and puts it back: rliable 1.2 draws from it, whatever its `random_state`."""
    before = np.random.get_state()  # noqa: NPY002  # rliable's generator
    np.random.seed(seed)  # noqa: NPY002  # likewise
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002  # likewise


@lru_cache
def _rliable_library() -> Any:
    """`rliable.library`, with or without the whole of arch.

    rliable 1.2 wants arch below 8, and arch 7.2 does not import with pandas 3. rliable needs only `arch.bootstrap`,
    which does: so arch's own front page is left out where it fails.
    """
    try:
        import arch  # noqa: F401  # to see whether it imports
    except TypeError:
        where = find_spec("arch")
        front = ModuleType("arch")
        front.__path__ = list(where.submodule_search_locations or []) if where else []
        sys.modules["arch"] = front
        try:
            import rliable.library
        finally:
            del sys.modules["arch"]
    else:
        import rliable.library
    return rliable.library


def _rliable_metrics() -> Any:
    import rliable.metrics

    return rliable.metrics
