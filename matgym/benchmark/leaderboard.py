"""Tables of a benchmark, as Markdown and as rows for others to show."""

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


@dataclass(frozen=True)
class Table:
    """A table with its words.

    Attributes:
        title: heading.
        notes: sentences.
        columns: names of them; the first `words` hold words, the others numbers.
        rows: of cells.
        words: how many columns are set flush left.
    """

    title: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self, level: int = 2) -> str:
        """Heading, notes and rows."""
        lines = ["#" * level + " " + self.title, ""]
        lines += [note + "\n" for note in self.notes]
        if self.rows:
            rule = ["---" if i < self.words else "---:" for i in range(len(self.columns))]
            for cells in (self.columns, rule, *self.rows):
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
            lines.append("")
        return "\n".join(lines)


def markdown(results: Results, reps: int = 2000) -> str:
    """All tables of a benchmark: the same records give the same text."""
    figures = summary(results, reps)
    parts = [f"# Leaderboard: {results.facts.suite}", "", *(sentence + "\n" for sentence in opening(results))]
    parts += [overall_table(results, figures).markdown()]
    if results.tasks:
        parts += ["## Tasks", "", *(task_table(results, figures, task).markdown(3) for task in results.tasks)]
    parts += [amortised_table(results, figures, task).markdown() for task in figures.met]
    parts += [costs_table(results).markdown()]
    return "\n".join(parts).rstrip() + "\n"


def opening(results: Results) -> list[str]:
    """What was run, and what is missing from it."""
    seeds = sorted({len(results.seeds(f.task, f.method)) for f in results.searches})
    span = "" if not seeds else f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    said, tasks = [], "task" if len(results.tasks) == 1 else "tasks"
    if results.tasks:
        said.append(
            f"{len(results.methods)} methods on {len(results.tasks)} {tasks}, {span} seeds each. "
            "Every figure is the oracle's, for the design that the task's model predicts to be a method's best."
        )
    if results.missing:
        shown = "; ".join(results.missing[:6]) + ("; …" if len(results.missing) > 6 else "")
        said.append(f"The benchmark is incomplete: {len(results.missing)} runs are missing ({shown}).")
    return said + list(results.left_out)


def leaderboard_rows(results: Results, reps: int = 2000) -> list[dict[str, Any]]:
    """The overall table as rows of plain values, for the command line."""
    table = overall_table(results, summary(results, reps))
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def overall_table(results: Results, figures: Summary) -> Table:
    """Methods over all compared tasks, the best first."""
    methods, tasks = results.compared
    reference = results.random_method
    notes = (
        f"Over {', '.join(tasks)}." if tasks else "No method has been on a task that others have been on.",
        (
            "Score: 0 is a typical random design, 1 the optimum. IQM is the mean of the middle half of all runs, and "
            "median that of the tasks' means; in brackets is the 95 % interval by stratified bootstrap over seeds."
        ),
        "A failed design counts as a random one, or as the worst final design of that task if that is worse.",
        "Seconds are of a whole search, without verification; other work on the machine adds to them.",
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
    """Methods on one task, the least regret first."""
    about = results.facts.tasks[task]
    found, first = results.found(task), results.evaluations_to_optimum(task)
    by_random = first.get(results.random_method or "")
    unit = f", {about.unit}" if about.unit else ""
    beaten = min((float(regret.min()) for regret in results.regrets(task).values()), default=0.0)
    notes = [*task_facts(results, task)]
    if beaten < -about.tolerance:
        notes.append(
            f"The known optimum was beaten by {-beaten:.3g}{unit.replace(', ', ' ')}: regrets below 0 are real."
        )
    if not about.is_oracle:
        notes.append(
            "A learned model rewards here. Exploitation is the median of verified less predicted loss: by how much the "
            "model overrates the designs."
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
    """Sentences on a task: what it is, how sure its optimum is, which model rewards and which verifies."""
    about = results.facts.tasks[task]
    unit = f" {about.unit}" if about.unit else ""
    aims = {"target": f"to meet {', '.join(f'{t:g}' for t in about.target)}"}
    aims |= {"minimize": "to be minimized", "maximize": "to be maximized"}
    designs = f"{about.designs:,} designs" if about.designs else "designs not countable"
    sure = "proven" if about.proven else "the best known"
    return (
        f"{about.title[:1].upper()}{about.title[1:].rstrip('.')} ({aims[about.direction]}); {designs}.",
        (
            f"Optimum: loss {about.optimum_loss:.6g}{unit}, {sure}, by {about.found_by or 'an unnamed method'}; "
            f"{'found' if about.proven else 'reached the best known'} means within {about.tolerance:.3g}{unit}. "
            f"A typical random design: {about.random_loss:.6g}{unit}."
        ),
        _models(about),
    )


def amortised_table(results: Results, figures: Summary, task: str) -> Table:
    """Share of targets met against queries, the most at the last first."""
    about = results.facts.amortised[task]
    queries, bands = figures.met[task]
    training = {row["method"]: row["training_seconds"] for row in results.costs() if row["track"] == "amortised"}
    unit = f" {about.unit}" if about.unit else ""
    notes = (
        (
            f"{about.title[:1].upper()}{about.title[1:].rstrip('.')}. {about.targets} targets, unseen in "
            f"training; share met within {about.met:g}{unit} by the oracle, with the 95 % interval over seeds."
        ),
        f"{_models(about)} {about.training}".strip(),
        (
            "Policies were trained before the first query: the designs and seconds of their training are on the right, "
            "and are not counted as queries."
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
    """Evaluations by kind, and seconds."""
    facts = results.facts
    tasks = [*facts.tasks.items(), *facts.amortised.items()]
    trained = tuple(f"{name}: {about.training}" for name, about in tasks if about.training and not about.is_oracle)
    notes = (
        (
            f"All runs together took {_seconds(facts.seconds)} s, {_seconds(facts.wall_seconds)} s by the clock with "
            f"{facts.workers} workers, on {facts.machine or 'an unnamed machine'}."
        ),
        "Verifications are the oracle's evaluations of the best designs. They are counted apart; no method sees them.",
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
    return f"Rewarded by {about.model or 'an unnamed model'}; verified by {about.oracle or 'an unnamed oracle'}."


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"


def _median_evaluations(first: FloatArray, budget: int) -> str:
    # The lower of two middle ones would flatter: a median of an even number is their mean, infinite if one is.
    median = float(np.median(first))
    return f"{median:g}" if np.isfinite(median) else f"> {budget}"


def _times_fewer(first: FloatArray, by_random: FloatArray | None) -> str:
    if by_random is None:
        return NONE
    own, random = float(np.median(first)), float(np.median(by_random))
    if not np.isfinite(own):
        return NONE
    return f"{random / own:.2g}" if np.isfinite(random) else "not found by it"


def _median_gap(gap: FloatArray) -> str:
    known = gap[np.isfinite(gap)]
    return f"{np.median(known):+.3g}" if len(known) else NONE


def _share(met: Estimate) -> str:
    if not np.isfinite(met.low):
        return f"{met.mean:.0%}"
    return f"{met.mean:.0%} [{100 * met.low:.0f}, {100 * met.high:.0f}]"
