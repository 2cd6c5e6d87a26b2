"""Figures of the discovery track: how many oracle calls until a brief is met, and how many fewer than random search.

A brief is met at the first design whose verified score is within a share of the best known one. The acceleration factor
is the number of calls of random search over that of the method, for the same score. The enhancement factor is the score
of the method over that of random search, for the same number of calls (Rohr et al., Chem. Sci. 11, 2696 (2020); Liang
et al., npj Comput. Mater. 7, 188 (2021)).
"""

from dataclasses import dataclass

import numpy as np

from matgym.benchmark.results import Results
from matgym.benchmark.table import NONE, Table
from matgym.frozen import ValueObject
from matgym.statistics import LEVELS, Estimate, middle_mean
from matgym.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Discovery(ValueObject):
    """Figures of one method on one task.

    Attributes:
        calls: (seeds,) oracle calls until the brief is met; infinite for a search that did not meet it.
        budget: oracle calls of a search.
        acceleration: acceleration factor of medians, with its 95 % interval over seeds. It is infinite if only the
            method meets the brief in the median, and NaN if the method does not.
        enhancement: enhancement factor by number of calls; without an entry where one of the two has no score.
    """

    calls: FloatArray
    budget: int
    acceleration: Estimate
    enhancement: dict[int, float]


def calls_until(results: Results, task: str, within: float) -> dict[str, FloatArray]:
    """Return the (seeds,) evaluations at the first checkpoint with a verified score of 1 - `within`, or infinity.

    Every improvement is a checkpoint if the oracle scores the designs.
    """

    def first(evaluations: IntArray, losses: FloatArray) -> float:
        there = np.flatnonzero(results.scored(task, losses) >= 1.0 - within)
        return float(evaluations[there[0]]) if len(there) else np.inf

    found: dict[str, list[float]] = {method: [] for method in results.methods_of(task)}
    for search in results.searches:
        if search.task == task:
            found[search.method].append(first(search.evaluations, search.verified))
    return {method: np.array(calls) for method, calls in found.items()}


def acceleration(own: FloatArray, random: FloatArray, reps: int = 2000) -> Estimate:
    """Return the ratio of the medians of random search and of a method, with its 95 % interval over seeds.

    Args:
        own: (seeds,) calls of the method, infinite where it failed.
        random: (seeds,) calls of random search.
        reps: number of resamples for the interval.
    """
    rng = np.random.default_rng(0)

    def ratio(method: FloatArray, reference: FloatArray) -> FloatArray:
        above, below = np.median(reference, axis=0), np.median(method, axis=0)
        with np.errstate(invalid="ignore"):  # NaN if neither meets the brief
            return np.asarray(np.where(np.isfinite(below), above / below, np.nan))

    value = float(ratio(own, random))
    if min(len(own), len(random)) < 2:
        return Estimate(value, np.nan, np.nan)
    drawn = ratio(*(calls[rng.integers(len(calls), size=(len(calls), reps))] for calls in (own, random)))
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(known, LEVELS, method="nearest")  # no mean of a number and infinity
    return Estimate(value, float(low), float(high))


def discoveries(results: Results, task: str, within: float, reps: int = 2000) -> dict[str, Discovery]:
    """Return the figures of every method on a task, the fewest median calls first.

    Args:
        results: records of a benchmark.
        task: name of a task that the oracle scores.
        within: see `DiscoveryTrack`.
        reps: number of resamples for the intervals.
    """
    calls, random = calls_until(results, task, within), results.random_method
    scores = {mark: results.scores(mark) for mark in results.checkpoints}
    found = {}
    for method, own in calls.items():
        factors = {}
        for mark, by_method in scores.items():
            if task in by_method.get(method, {}) and task in by_method.get(random or "", {}):
                reference = float(middle_mean(by_method[random or ""][task]))
                if reference > 0.0:
                    factors[mark] = float(middle_mean(by_method[method][task])) / reference
        budget = max(search.spent for search in results.searches if (search.task, search.method) == (task, method))
        factor = acceleration(own, calls[random], reps) if random in calls else Estimate(np.nan, np.nan, np.nan)
        found[method] = Discovery(own, budget, factor, factors)
    return dict(sorted(found.items(), key=lambda pair: (np.median(pair[1].calls), pair[0])))


def discovery_tables(results: Results, reps: int = 2000) -> list[Table]:
    """Return a table for each task of a discovery track; empty for other suites."""
    within = results.facts.within
    if not within:
        return []
    notes = (
        (
            f"Oracle calls until the verified score is {1.0 - within:g}: a loss within {within:.0%} of the best known "
            "one, as a share of its distance from the median random design. The median and the quartiles are over "
            "seeds. Models that a method has of its own are free."
        ),
        (
            "The acceleration factor is the median number of calls of random search over that of the method; brackets "
            "hold its 95 % interval over seeds. With > random search did not meet the brief in the median, and its "
            "budget gives a bound. The enhancement factor is the score over that of random search after "
            "equal numbers of calls (interquartile means)."
        ),
    )
    return [_table(results, task, within, notes, reps) for task in results.tasks]


def _table(results: Results, task: str, within: float, notes: tuple[str, ...], reps: int) -> Table:
    columns = ("method", "met", "oracle calls", "acceleration factor",
               *(f"enhancement, {mark}" for mark in results.checkpoints))  # fmt: skip
    found = discoveries(results, task, within, reps)
    rows = tuple(
        (
            method, f"{np.isfinite(own.calls).sum()}/{len(own.calls)}", _calls(own),
            NONE if method == results.random_method else _factor(own, found.get(results.random_method or "")),
            *(f"{own.enhancement[mark]:.2f}" if mark in own.enhancement else NONE for mark in results.checkpoints),
        )
        for method, own in found.items()
    )  # fmt: skip
    return Table(f"Discovery: {task}", notes, columns, rows)


def _calls(own: Discovery) -> str:
    low, high = np.quantile(own.calls, [0.25, 0.75], method="inverted_cdf")  # no mean of a number and infinity
    told = [f"{each:g}" if np.isfinite(each) else f"> {own.budget}" for each in (np.median(own.calls), low, high)]
    return f"{told[0]} [{told[1]}, {told[2]}]"


def _factor(own: Discovery, random: Discovery | None) -> str:
    """Return the acceleration factor as text; it is a bound where random search met the brief too seldom."""
    factor = own.acceleration
    if random is None or np.isnan(factor.mean):
        return NONE
    if np.isinf(factor.mean):
        return f"> {random.budget / np.median(own.calls):.1f}"
    told = ["∞" if np.isinf(value) else f"{value:.1f}" for value in (factor.mean, factor.low, factor.high)]
    return told[0] if np.isnan(factor.low) else f"{told[0]} [{told[1]}, {told[2]}]"
