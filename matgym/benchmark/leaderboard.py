"""Tables of a benchmark, as Markdown and as rows for other modules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matgym.benchmark.aggregate import Overall, Summary, interval, summary
from matgym.benchmark.results import Results
from matgym.benchmark.suite import Rewarded
from matgym.statistics import Estimate
from matgym.typing import FloatArray

NONE: Final = "–"

KIND: Final = (
    "This reference page compares methods at equal numbers of evaluations. `matgym benchmark report` writes it. The "
    "documentation of matgym (`docs/benchmark.md`) explains tasks, methods and statistics."
)
"""First sentences of the Markdown page."""


@dataclass(frozen=True)
class Table:
    """A table with its heading and notes.

    Attributes:
        title: heading.
        notes: sentences above the table.
        columns: names of the columns; the first `words` columns hold text, the others hold numbers.
        rows: cells of each row.
        words: number of columns that are aligned left.
    """

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self, level: int = 2) -> str:
        """Return heading, notes and rows as Markdown."""
        lines = ["#" * level + " " + in_markdown(self.title), ""]
        lines += [in_markdown(note) + "\n" for note in self.notes]
        if self.rows:
            rule = ["---" if i < self.words else "---:" for i in range(len(self.columns))]
            header, *rows = (map(in_markdown, cells) for cells in (self.columns, *self.rows))
            lines += [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
            lines.append("")
        return "\n".join(lines)


def in_markdown(text: str) -> str:
    """Return text on one line that Markdown shows as it is: without HTML, links, pictures, emphasis, code or cells."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\`*_~|$]|\](?=[(\[:])|^#", r"\\\g<0>", line)


def markdown(results: Results, reps: int = 2000) -> str:
    """Return all tables of a benchmark as Markdown; the same records give the same text."""
    figures = summary(results, reps)
    parts = [f"# Leaderboard: {in_markdown(results.facts.suite)}", "", KIND + "\n"]
    parts += [in_markdown(sentence) + "\n" for sentence in opening(results)]
    parts += [overall_table(results, figures).markdown()]
    if results.tasks:
        parts += ["## Tasks", "", *(task_table(results, figures, task).markdown(3) for task in results.tasks)]
    parts += [amortised_table(results, figures, task).markdown() for task in figures.met]
    parts += [costs_table(results).markdown()]
    return "\n".join(parts).rstrip() + "\n"


def opening(results: Results) -> list[str]:
    """Return sentences on what was run and which runs are missing."""
    seeds = sorted({len(results.seeds(f.task, f.method)) for f in results.searches})
    span = "" if not seeds else f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    said, tasks = [], "task" if len(results.tasks) == 1 else "tasks"
    if results.tasks:
        said.append(
            f"The benchmark compares {len(results.methods)} methods on {len(results.tasks)} {tasks} with {span} seeds "
            "each. A method returns the design that the task's model predicts to be best. Every figure is computed "
            "from the oracle's value of this design."
        )
    if results.missing:
        shown = "; ".join(results.missing[:6]) + ("; …" if len(results.missing) > 6 else "")
        said.append(f"The benchmark is incomplete: {len(results.missing)} runs are missing ({shown}).")
    return said + list(results.left_out)


def leaderboard_rows(results: Results, reps: int = 2000) -> list[dict[str, Any]]:
    """Return the overall table as rows of strings, for the command line."""
    table = overall_table(results, summary(results, reps))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def overall_table(results: Results, figures: Summary) -> Table:
    """Return the table of methods over all compared tasks, the best method first."""
    methods, tasks = results.compared
    reference = results.random_method
    notes = (
        f"Tasks: {', '.join(tasks)}." if tasks else "No task has runs of two methods.",
        (
            "A score of 0 is a typical random design, and a score of 1 is the optimum. IQM is the interquartile mean "
            "over all runs. The median is taken over the means of the tasks. Brackets hold the 95 % interval by "
            "stratified bootstrap over seeds."
        ),
        "A failed design counts as a random design, or as the worst final design of its task if that is worse.",
        "The seconds are those of a whole search without verification. Other work on the machine increases them.",
    )
    columns = (
        "method", "kind", "IQM score", "median", f"P(better than {reference})", "optima found", "seconds",
        "evaluations",
    )  # fmt: skip
    rows = []
    for method in figures.overall:
        found = np.concatenate([results.found(task)[method] for task in tasks])
        searches = [f for f in results.searches if f.method == method and f.task in tasks]
        whole: Overall = figures.overall[method]
        better = NONE if whole.better is None or method == reference else f"{whole.better:.2f}"
        rows.append(
            (
                method, results.facts.methods[method].kind, f"{whole.iqm:.3f}", f"{whole.median.mean:.3f}", better,
                f"{found.mean():.0%}", f"{np.mean([f.seconds for f in searches]):.3g}",
                _span([int(f.evaluations[-1]) for f in searches]),
            )
        )  # fmt: skip
    return Table("All tasks", notes if methods else notes[:1], columns, tuple(rows), words=2)


def task_table(results: Results, figures: Summary, task: str) -> Table:
    """Return the table of methods on one task, the lowest regret first."""
    about = results.facts.tasks[task]
    found, first = results.found(task), results.evaluations_to_optimum(task)
    by_random = first.get(results.random_method or "")
    unit = f", {about.unit}" if about.unit else ""
    beaten = min((float(regret.min()) for regret in results.regrets(task).values()), default=0.0)
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
        "method", f"regret{unit}", "score", "found", "evaluations to the optimum",
        f"times fewer than {results.random_method}",
    )  # fmt: skip
    gaps = results.exploitation(task)
    rows: list[tuple[str, ...]] = []
    for method, regret in sorted(figures.regrets[task].items(), key=lambda pair: (pair[1].mean, pair[0])):
        score = float(results.scored(task, np.array([regret.mean + about.optimum_loss]))[0])
        budget = max(int(f.evaluations[-1]) for f in results.searches if (f.task, f.method) == (task, method))
        row: tuple[str, ...] = (
            method, f"{regret:.3g}", f"{score:.3f}", f"{int(found[method].sum())}/{len(found[method])}",
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
            f"The {sure} has a loss of {about.optimum_loss:.6g}{unit} (by {about.found_by or 'an unnamed method'}). A "
            f"run has {'found' if about.proven else 'reached'} it if its loss is within {about.tolerance:.3g}{unit} of "
            f"this value. A typical random design has a loss of {about.random_loss:.6g}{unit}."
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
            "Policies were trained before the first query. The last two columns give the designs and the seconds of "
            "this training. They are not counted as queries."
        ),
    )
    columns = ("method", *(f"{query} queries" if query > 1 else "1 query" for query in queries), "training designs",
               "training, s")  # fmt: skip
    rows = []
    for method, band in sorted(bands.items(), key=lambda pair: (-pair[1].value[-1], pair[0])):
        shares = [_share(interval(band, i)) for i in range(len(queries))]
        seconds = training.get(method) or 0.0
        designs = f"{results.facts.methods[method].budget:,}" if seconds > 0 else NONE
        rows.append((method, *shares, designs, f"{seconds:.3g}" if seconds > 0 else NONE))
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
            "Verifications are the oracle's evaluations of the best designs. They are counted separately. No method "
            "receives their values."
        ),
        *trained,
    )
    columns = (
        "track", "method", "runs", "surrogate", "oracle", "simulation", "verifications", "seconds a run", "training, s",
    )  # fmt: skip
    rows = tuple(
        (
            row["track"], row["method"], str(row["runs"]), *(f"{row[k]:,}" for k in columns[3:7]),
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


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"


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
    if not np.isfinite(met.low):
        return f"{met.mean:.0%}"
    return f"{met.mean:.0%} [{100 * met.low:.0f}, {100 * met.high:.0f}]"
