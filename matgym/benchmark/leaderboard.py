"""Tables of a benchmark, as Markdown and as rows for other modules."""

from typing import Any, Final

import numpy as np

from matgym.benchmark.aggregate import Summary, interval, summary
from matgym.benchmark.break_even import break_even
from matgym.benchmark.discovery import discovery_tables
from matgym.benchmark.facts import Rewarded
from matgym.benchmark.qualities import quality_tables
from matgym.benchmark.results import Results
from matgym.benchmark.table import NONE, Table, in_markdown
from matgym.statistics import Estimate, middle_mean
from matgym.typing import FloatArray

KIND_TITLES: Final = {
    "surrogate": "surrogate", "oracle": "oracle", "simulation": "simulated minutes", "experiment": "experiments",
}  # fmt: skip
"""Kinds of evaluations, as columns of a table name them."""

KIND: Final = (
    "This reference page compares methods at equal numbers of evaluations. `matgym benchmark report` writes it. The "
    "documentation of matgym (`docs/benchmark.md`) explains tasks, methods and statistics."
)
"""First sentences of the Markdown page."""


def markdown(results: Results, reps: int = 2000) -> str:
    """Return all tables of a benchmark as Markdown; the same records give the same text."""
    figures = summary(results, reps)
    parts = [f"# Leaderboard: {in_markdown(results.facts.suite)}", "", KIND + "\n"]
    parts += [in_markdown(sentence) + "\n" for sentence in opening(results)]
    parts += [table.markdown() for table in overall_tables(results, figures)]
    if results.tasks:
        parts += ["## Tasks", "", *(task_table(results, figures, task).markdown(3) for task in results.tasks)]
    parts += [amortised_table(results, figures, task).markdown() for task in figures.met]
    parts += [costs_table(results).markdown()]
    return "\n".join(parts).rstrip() + "\n"


def opening(results: Results) -> list[str]:
    """Return sentences on what was run and which runs are missing."""
    seeds = sorted({len(results.seeds(f.task, f.method)) for f in results.searches})
    span = "" if not seeds else f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    said, tasks = [results.stale] if results.stale else [], "task" if len(results.tasks) == 1 else "tasks"
    if results.tasks:
        said.append(
            f"The benchmark compares {len(results.methods)} methods on {len(results.tasks)} {tasks} with {span} seeds "
            "each. A method returns the design that the task's model predicts to be best. Every figure is computed "
            "from the oracle's value of this design."
        )
    if results.missing:
        shown = "; ".join(results.missing[:6]) + ("; …" if len(results.missing) > 6 else "")
        said.append(f"The benchmark is incomplete: {len(results.missing)} runs are missing ({shown}).")
    return said


def leaderboard_rows(results: Results, reps: int = 2000) -> list[dict[str, Any]]:
    """Return the overall table as rows of strings, for the command line."""
    table = overall_table(results, summary(results, reps))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def overall_tables(results: Results, figures: Summary) -> list[Table]:
    """Return the tables over all tasks: overview, scores, what the tasks can tell, discovery, and the best designs."""
    if not results.tasks:
        return [Table("All tasks", ("There is no search.",), ("method",), ())]
    return [
        overall_table(results, figures),
        *(_scores_table(results, figures, mark) for mark in figures.overall),
        _separation_table(figures),
        *discovery_tables(results),
        *quality_tables(results),
    ]


def overall_table(results: Results, figures: Summary) -> Table:
    """Return the table of methods over all their tasks with columns for each budget, the best method first."""
    marks, reference = list(figures.overall), results.random_method
    notes = (
        f"Tasks: {', '.join(results.tasks)}.",
        (
            "A score of 0 is the median random design, and a score of 1 is the optimum. IQM is the interquartile mean "
            "of the seeds of a task, averaged over the tasks that a method has searched; the column tasks gives their "
            "number. Brackets hold the 95 % interval by stratified bootstrap over seeds. A method that did not spend a "
            f"budget has {NONE} in its columns."
        ),
        (
            "The mean rank is the mean over tasks of a method's place among the methods of the task, by the IQM; 1 is "
            "the best. P and the optima are those after the most evaluations of each method."
        ),
        "A failed design counts as a random design, or as the method's worst seed on the task if that is worse.",
        "The seconds are those of a whole search without verification. Other work on the machine increases them.",
    )
    columns = (
        "method", "kind", "tasks", *(f"IQM score, {mark}" for mark in marks), *(f"mean rank, {mark}" for mark in marks),
        f"P(better than {reference})", "optima found", "seconds",
    )  # fmt: skip
    rows = []
    # Methods with the largest budgets come first. Each method has its place by its figures at its largest one.
    for method in dict.fromkeys(method for mark in reversed(marks) for method in figures.overall[mark]):
        at = {mark: figures.overall[mark][method] for mark in marks if method in figures.overall[mark]}
        last = max(at)
        found = [results.found(task, last)[method] for task in results.tasks if method in results.found(task, last)]
        seconds = [each.seconds for each in results.searches if each.method == method]
        better = at[last].better
        rows.append(
            (
                method, results.facts.methods[method].kind, f"{at[last].tasks}/{len(results.tasks)}",
                *(f"{at[mark].iqm:.3f}" if mark in at else NONE for mark in marks),
                *(f"{at[mark].rank:.1f}" if mark in at else NONE for mark in marks),
                NONE if better is None or method == reference else f"{better:.2f}",
                f"{np.concatenate(found).mean():.0%}", f"{np.mean(seconds):.3g}",
            )
        )  # fmt: skip
    return Table("All tasks", notes, columns, tuple(rows), words=2)


def _scores_table(results: Results, figures: Summary, mark: int) -> Table:
    """Return the table of scores by method and task after a number of evaluations."""
    scores, overall = results.scores(mark), figures.overall[mark]
    rows = tuple(
        (
            method, f"{whole.iqm.mean:.3f}", f"{whole.rank:.1f}",
            *(f"{middle_mean(scores[method][task]):.3f}" if task in scores[method] else NONE for task in results.tasks),
        )
        for method, whole in overall.items()
    )  # fmt: skip
    note = (
        f"Interquartile means of the scores after {mark} evaluations, of the methods that spent them. Without a search "
        f"of a task, a method has {NONE} there."
    )
    return Table(
        f"Scores after {mark} evaluations", (note,), ("method", "IQM score", "mean rank", *results.tasks), rows
    )


def _separation_table(figures: Summary) -> Table:
    """Return the table of Friedman's test and of Kendall's rank correlation between halves of the seeds."""
    notes = (
        (
            "Friedman's test asks whether the methods have equal ranks on all tasks. A small p says that they differ. "
            "It is approximate for few tasks. Kendall's tau compares the mean ranks of two halves of the seeds: 1 is "
            "the same order, 0 is no relation. Methods with scores on every task take part."
        ),
    )
    columns = ("evaluations", "methods", "tasks", "Friedman χ²", "p", "Kendall's tau")
    rows = tuple(
        (f"{each.evaluations:,}", str(each.methods), str(each.tasks), *map(_number, (each.chi2, each.p, each.tau)))
        for each in figures.separations
    )
    return Table("Do these tasks separate methods?", notes, columns, rows, words=0)


def _number(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else NONE


def task_table(results: Results, figures: Summary, task: str) -> Table:
    """Return the table of methods on one task with columns for each budget, the lowest regret first."""
    about, marks = results.facts.tasks[task], list(results.checkpoints)
    found = {mark: results.found(task, mark) for mark in marks}
    first = results.evaluations_to_optimum(task)
    by_random = first.get(results.random_method or "")
    unit = f", {about.unit}" if about.unit else ""
    beaten = min((float(own.min()) for mark in marks for own in results.regrets(task, mark).values()), default=0.0)
    notes = [*task_facts(results, task)]
    if beaten < -about.tolerance:
        notes.append(
            f"The best design is better than the known optimum by {-beaten:.3g}{unit.replace(', ', ' ')}. Its regret "
            "is therefore negative."
        )
    if not about.is_oracle:
        notes.append(
            "A learned model gives the reward. Exploitation is the median of verified loss minus predicted loss. If it "
            "is positive, the model overrates the designs."
        )
    columns: tuple[str, ...] = (
        "method", *(f"regret{unit}, {mark}" for mark in marks), *(f"found, {mark}" for mark in marks),
        "evaluations to the optimum", f"times fewer than {results.random_method}",
    )  # fmt: skip
    gaps = results.exploitation(task)
    rows: list[tuple[str, ...]] = []
    for method, regrets in figures.regrets[task].items():
        budget = max(found.spent for found in results.searches if (found.task, found.method) == (task, method))
        hits = (found[mark].get(method) for mark in marks)
        row: tuple[str, ...] = (
            method, *(f"{regrets[mark]:.3g}" if mark in regrets else NONE for mark in marks),
            *(NONE if own is None else f"{int(own.sum())}/{len(own)}" for own in hits),
            _median_evaluations(first[method], budget), _times_fewer(first[method], by_random),
        )  # fmt: skip
        if not about.is_oracle:
            row = (*row, _median_gap(gaps[method]))
        rows.append(row)
    columns = columns if about.is_oracle else (*columns, f"exploitation{unit}")
    return Table(task, tuple(notes), columns, tuple(rows))


def task_facts(results: Results, task: str) -> tuple[str, ...]:
    """Return sentences on the task, its optimum, the model of its reward and the oracle of its verification."""
    about = results.facts.tasks[task]
    unit = f" {about.unit}" if about.unit else ""
    aims = {"target": f"to meet {', '.join(f'{t:g}' for t in about.target)}"}
    aims |= {"minimize": "minimized", "maximize": "maximized"}
    designs = f"There are {about.designs:,} designs." if about.designs else "The designs are not countable."
    sure = "proven optimum" if about.proven else "best known design"
    return (
        f"{about.title[:1].upper()}{about.title[1:].rstrip('.')} ({aims[about.direction]}). {designs}",
        (
            f"The {sure} has a loss of {about.optimum:.6g}{unit} (by {about.found_by or 'an unnamed method'}). A "
            f"run has {'found' if about.proven else 'reached'} it if its loss is within {about.tolerance:.3g}{unit} of "
            f"this value. The median random design has a loss of {about.random_loss:.6g}{unit}."
        ),
        _models(about),
    )


def amortised_table(results: Results, figures: Summary, task: str) -> Table:
    """Return the share of targets met by number of queries, the highest final share first."""
    about = results.facts.amortised[task]
    queries, bands = figures.met[task]
    training = {row["method"]: row["training_seconds"] for row in results.costs() if row["track"] == "amortised"}
    unit = f" {about.unit}" if about.unit else ""
    notes = (
        (
            f"{about.title[:1].upper()}{about.title[1:].rstrip('.')}. The {about.targets} targets were not used in "
            f"training. The table gives the share of targets that are met within {about.met:g}{unit} by the oracle. "
            "Brackets hold the 95 % interval over seeds."
        ),
        f"{_models(about)} {about.training}".strip(),
        (
            "Policies and look-up tables were made before the first query. The column training gives their designs and "
            "seconds, which are not counted as queries. Training pays after as many targets as the last column gives: "
            "then the training and its queries are fewer evaluations than those of the best search without training "
            "that meets as many targets. With < no search did so within its budget."
        ),
    )
    columns = ("method", *(f"{query} queries" if query > 1 else "1 query" for query in queries), "training designs",
               "training, s", "pays after targets")  # fmt: skip
    searches = [band.value for method, band in bands.items() if not training.get(method)]
    rows = []
    for method, band in sorted(bands.items(), key=lambda pair: (-np.nan_to_num(pair[1].value[-1], nan=-1.0), pair[0])):
        shares = [_share(interval(band, i)) for i in range(len(queries))]
        seconds = training.get(method) or 0.0
        designs = f"{results.facts.methods[method].budget:,}" if seconds > 0 else NONE
        pays = break_even(results.facts.methods[method].budget, queries, band.value, searches) if seconds > 0 else None
        told = NONE if pays is None else str(pays)
        rows.append((method, *shares, designs, f"{seconds:.3g}" if seconds > 0 else NONE, told))
    return Table(f"Targets met: {task}", notes, columns, tuple(rows))


def costs_table(results: Results) -> Table:
    """Return the table of evaluations by kind and of seconds."""
    facts = results.facts
    tasks = [*facts.tasks.items(), *facts.amortised.items()]
    trained = tuple(f"{name}: {about.training}" for name, about in tasks if about.training and not about.is_oracle)
    notes = (
        (
            f"All runs together took {_seconds(facts.seconds)} s. The wall time was {_seconds(facts.wall_seconds)} s "
            f"with {facts.workers} {'worker' if facts.workers == 1 else 'workers'} on "
            f"{facts.machine or 'an unnamed machine'}."
        ),
        (
            "Evaluations are counted by kind, and kinds are not added. Verifications are the different designs that "
            "the oracle verifies. They are counted separately. No method receives their values."
        ),
        *trained,
    )
    columns = (
        "track", "method", "runs", "designs", *KIND_TITLES.values(), "verifications", "seconds a run", "training, s",
    )  # fmt: skip
    counts = ("evaluations", *KIND_TITLES, "verifications")
    rows = tuple(
        (
            row["track"], row["method"], str(row["runs"]), *(f"{row[name]:,}" for name in counts),
            f"{row['seconds']:.3g}", f"{row['training_seconds']:.3g}" if row["training_seconds"] else NONE,
        )
        for row in results.costs()
    )  # fmt: skip
    return Table("Costs", notes, columns, rows, words=2)


def _models(about: Rewarded) -> str:
    reward, verification = about.model or "an unnamed model", about.oracle or "an unnamed oracle"
    return f"The reward comes from {reward}. The verification uses {verification}."


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _median_evaluations(first: FloatArray, budget: int) -> str:
    # The median of an even number of runs is the mean of the two middle ones. It is infinite if one of them is
    # infinite. The lower one of them would be too optimistic.
    median = float(np.median(first))
    return f"{median:g}" if np.isfinite(median) else f"> {budget}"


def _times_fewer(first: FloatArray, by_random: FloatArray | None) -> str:
    if by_random is None:
        return NONE
    own, random = float(np.median(first)), float(np.median(by_random))
    if not np.isfinite(own):
        return NONE
    return f"{random / own:.2g}" if np.isfinite(random) else "random: not found"


def _median_gap(gap: FloatArray) -> str:
    known = gap[np.isfinite(gap)]
    return f"{np.median(known):+.3g}" if len(known) else NONE


def _share(met: Estimate) -> str:
    if not np.isfinite(met.mean):
        return NONE
    if not np.isfinite(met.low):
        return f"{met.mean:.0%}"
    return f"{met.mean:.0%} [{100 * met.low:.0f}, {100 * met.high:.0f}]"
