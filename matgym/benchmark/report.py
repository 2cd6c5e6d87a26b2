"""A self-contained HTML page of a benchmark with interactive figures, tables, and the best designs in 3-D."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from matgym.benchmark import charts
from matgym.benchmark.aggregate import Summary, summary
from matgym.benchmark.leaderboard import (
    KIND_TITLES,
    amortised_table,
    costs_table,
    opening,
    overall_tables,
    task_table,
)
from matgym.benchmark.results import Results, Searched
from matgym.benchmark.table import Table
from matgym.errors import MatgymError
from matgym.structures import Nanotube


@dataclass(frozen=True)
class Winner:
    """The best design of a task: its caption, and its view as HTML (empty without a structure)."""

    caption: str
    view: str


@dataclass(frozen=True)
class Part:
    """A section of the page; the part of a chart's name before "-" selects its caption in the template."""

    heading: str
    notes: tuple[str, ...]
    charts: Mapping[str, charts.Figure]
    table: Table
    winner: Winner | None = None


def page(results: Results, reps: int = 2000) -> str:
    """Return the page as text; its intervals use `reps` resamples."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    from matgym.viz.figures import render
    from matgym.viz.tube3d import script_tag

    figures = summary(results, reps)
    parts = _all_tasks(results, figures) if results.tasks else []
    parts += [_task(results, figures, task) for task in results.tasks]
    for task in figures.met:
        table = amortised_table(results, figures, task)
        parts.append(Part(table.title, table.notes, {f"met-{task}": charts.targets_met(results, figures, task)}, table))
    costs = {"costs": charts.costs(results)} if results.methods else {}
    parts.append(Part("Costs", (), costs, costs_table(results)))
    drawn = {name: figure for part in parts for name, figure in part.charts.items()}
    with_views = any(part.winner and part.winner.view for part in parts)
    return render(
        "matgym.benchmark",
        "benchmark.html",
        title=f"Benchmark: {results.facts.suite}",
        summary=[*_verdict(results, figures), *opening(results)],
        numbers=_numbers(results),
        parts=parts,
        safe=Markup,
        # "<" is escaped, so that the JSON cannot end the script element.
        data=Markup(json.dumps(drawn, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")),  # noqa: S704
        plotly=Markup(get_plotlyjs()),  # noqa: S704  # the library
        views=Markup(script_tag() if with_views else ""),  # noqa: S704  # ours
        provenance=_provenance(results),
    )


def _verdict(results: Results, figures: Summary) -> list[str]:
    """Return sentences on the best method and on the methods whose intervals overlap its interval."""
    if not figures.last:
        return []
    (leader, first), *others = figures.last.items()
    level = [method for method, own in others if not own.iqm.high < first.iqm.low]
    names = ", ".join(level) if len(level) <= 4 else f"{len(level)} others"
    said = f"{leader} has the highest interquartile mean score after {max(figures.overall):,} evaluations, "
    said += f"{first.iqm:.3f}"
    said += (
        f". The intervals of {names} overlap its interval." if level else ". No other interval overlaps its interval."
    )
    reference = figures.last.get(results.random_method or "")
    if reference is not None and leader != results.random_method:
        said += f" The method {results.random_method} has {reference.iqm:.3f}."
    return [said]


def _numbers(results: Results) -> list[tuple[str, str, str]]:
    rows = results.costs()
    designs, verified = (sum(row[name] for row in rows) for name in ("evaluations", "verifications"))
    by_kind = {title: sum(row[kind] for row in rows) for kind, title in KIND_TITLES.items()}
    spent = [f"{count:,} {title}" for title, count in by_kind.items() if count]
    proven = sum(results.facts.tasks[task].proven for task in results.tasks)
    kinds = dict.fromkeys(results.facts.methods[method].kind for method in results.methods)
    last = results.checkpoints[-1] if results.checkpoints else 0
    found = [share for task in results.tasks for share in results.found(task, last).values()]
    return [
        ("methods", str(len(results.methods)), ", ".join(kinds)),
        ("tasks", str(len(results.tasks)), f"{proven} with a proven optimum"),
        (
            "searches",
            f"{len(results.searches):,}",
            f"{np.mean(np.concatenate(found)):.0%} found the optimum after {last:,} evaluations" if found else "",
        ),
        ("designs", f"{designs:,}", ", ".join([*spent, f"{verified:,} verified"])),
    ]


def _all_tasks(results: Results, figures: Summary) -> list[Part]:
    """Return the parts over all tasks: the overview with its figures, and the further tables."""
    first, *others = overall_tables(results, figures)
    shown = {f"forest-{mark}": charts.forest(results, figures, mark) for mark in figures.overall}
    shown["scores"] = charts.anytime_scores(results, figures)
    if figures.last:
        shown |= {"profiles": charts.profiles(results, figures), "improvement": charts.improvement(figures)}
    return [
        Part(first.title, first.notes, shown, first),
        *(Part(table.title, table.notes, {}, table) for table in others),
    ]


def _task(results: Results, figures: Summary, task: str) -> Part:
    table = task_table(results, figures, task)
    shown = {
        f"anytime-{task}": charts.anytime(results, figures, task),
        f"first-{task}": charts.first_hits(results, task),
    }
    if not results.facts.tasks[task].is_oracle:
        shown[f"predicted-{task}"] = charts.predicted_and_verified(results, task)
    best = results.best(task)
    return Part(f"Task: {task}", table.notes, shown, table, _winner(results, best) if best else None)


def _winner(results: Results, best: Searched) -> Winner:
    from matgym.viz.tube3d import tube_html

    about = results.facts.tasks[best.task]
    regret = float(best.verified[-1]) - about.optimum
    unit = f" {about.unit}" if about.unit else ""
    standing = f"regret {regret:.3g}{unit}"
    if regret <= about.tolerance:
        standing = "the optimum" if about.proven else "the best known"
        standing += f", within the tolerance ({regret:.2g}{unit})" if regret > 1e-9 else ""
    if regret < -about.tolerance:
        standing = "better than the best known"
    caption = f"Found by {best.method}, seed {best.seed}: verified loss {best.verified[-1]:.6g}{unit}, {standing}."
    tube = _tube(best.xyz) if best.xyz else None
    if best.xyz and tube is None:
        caption += " The record holds no structure that can be shown."
    return Winner(
        f"{caption} {best.described}", tube_html(tube, f"best-{results.tasks.index(best.task)}") if tube else ""
    )


def _tube(xyz: str) -> Nanotube | None:
    """Return the tube of a record, or None if its text is not that of a tube."""
    from matgym.structures.io import read

    with TemporaryDirectory() as folder:
        path = Path(folder) / "design.extxyz"
        path.write_text(xyz, encoding="utf-8")
        try:
            return read(path)
        except MatgymError:
            return None


def _provenance(results: Results) -> dict[str, str]:
    run = results.facts
    kinds = {name: facts for name, facts in run.methods.items() if facts.settings}
    return {
        "suite": f"{run.suite}, {run.created}",
        "machine": f"{run.machine}; {run.workers} workers, wall time {run.wall_seconds:,.0f} s",
        "versions": ", ".join(f"{name} {number}" for name, number in sorted(run.versions.items())),
        "settings": "; ".join(f"{name}: {json.dumps(dict(f.settings), sort_keys=True)}" for name, f in kinds.items())
        or "defaults",
        "records": f"{len(results.searches)} searches and {len(run.amortised)} amortised tasks, read by DuckDB "
        f"{version('duckdb')}",
        "statistics": "after Agarwal et al., NeurIPS 2021",
        "drawn by": f"Plotly {version('plotly')} (MIT licence) and 3Dmol.js (BSD licence), which are part of this page",
    }
