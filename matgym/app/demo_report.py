"""What the main job found, as one page."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matgym import __version__
from matgym.app.report import Report, write_report
from matgym.benchmark.compare import MET_EV
from matgym.physics import PiParameters
from matgym.surrogates import Audit, load_card
from matgym.tasks import TargetProperty
from matgym.typing import FloatArray
from matgym.viz.figures import (
    error_by_method,
    learning_curve,
    surrogate_against_oracle,
    target_against_achieved,
    to_svg,
)
from matgym.viz.palette import new_axes

if TYPE_CHECKING:
    from matgym.app.demo import DemoResult

SHOWN_TUBES = 4


def write_demo_report(path: Path, result: "DemoResult", task: TargetProperty, sentences: list[str]) -> Path:
    """Write the page; returns its path.

    Args:
        path: of the HTML file.
        result: of `run_demo`.
        task: it was for.
        sentences: the result in plain words.
    """
    name = result.settings.algorithm
    best = result.comparison.of(name)[0]
    order = np.argsort(best.error)[:SHOWN_TUBES]
    tubes = best.search.tubes(task)
    rows = {row.method: row for row in result.comparison.figures()}
    report = Report(
        title="Nanotubes designed to a band gap, and what physics says of them",
        summary=tuple(sentences),
        numbers=(
            (
                "error by physics",
                f"{1000 * rows[name].error_ev.mean:.0f} meV",
                f"{name}, mean over unseen targets",
            ),
            ("targets met", f"{rows[name].within_20_mev.mean:.0%}", "within 20 meV, verified"),
            (
                "surrogate calls",
                f"{int(result.ledger['surrogate']['evaluations']):,}",
                "all methods together",
            ),
            ("oracle calls", f"{int(result.ledger['oracle']['evaluations']):,}", "to verify designs"),
        ),
        figures=_figures(result, task),
        tables=(_methods_table(result), _audit_table(result)),
        tubes=tuple(
            (
                f"Target {best.search.targets[i]:.3f} eV",
                f"Physics: {best.truth[i]:.3f} eV; the surrogate believed {best.search.belief[i]:.3f} eV.",
                tubes[i],
            )
            for i in order
        ),
        provenance=_provenance(result),
    )
    write_report(path, report)
    return path


def _figures(result: "DemoResult", task: TargetProperty) -> tuple[tuple[str, str, str], ...]:
    name = result.settings.algorithm
    achieved = {m: result.comparison.of(m)[0].truth for m in result.comparison.methods}
    targets = result.comparison.runs[0].search.targets
    curve = new_axes()
    learning_curve(curve, result.curve[:, 0], result.curve[:, 1])
    scatter = new_axes()
    target_against_achieved(scatter, targets, achieved, MET_EV)
    grown = new_axes()
    target_against_achieved(grown, targets, {"seed": result.seeds_ev, name: achieved[name]}, MET_EV)
    errors = new_axes()
    # An invalid design is infinitely wrong and would leave the figure; the table counts them.
    error_by_method(errors, {m: _finite(result.comparison.errors(m)) for m in result.comparison.methods})
    parity = new_axes()
    surrogate_against_oracle(parity, result.visited.belief, result.visited.truth, result.visited.out_of_distribution)
    return (
        (
            "Learning",
            f"Mean reward of {name}'s recent designs while it learns.",
            to_svg(curve.figure, "learning"),
        ),
        (
            "Targets it had not seen",
            f"Gap by the oracle of the best of {result.settings.queries} designs, by target and method (first seed).",
            to_svg(scatter.figure, "targets"),
        ),
        (
            "Seeds, and what became of them",
            (
                f"Gap by the oracle of the seed that {result.settings.seeder} drew for each target, and of {name}'s "
                "design that began on such a seed."
            ),
            to_svg(grown.figure, "seeds"),
        ),
        (
            "Equal queries",
            (
                f"Verified error of {result.settings.queries} designs a target, {result.settings.seeds} seeds; "
                f"learning not counted. Targets: {task.low} to {task.high} eV."
            ),
            to_svg(errors.figure, "errors"),
        ),
        (
            "What the surrogate believed",
            f"A sample of {len(result.visited.belief)} designs that some method visited, through both.",
            to_svg(parity.figure, "parity"),
        ),
    )


def _finite(errors: FloatArray) -> FloatArray:
    return np.where(np.isfinite(errors), errors, np.nan)


def _methods_table(result: "DemoResult") -> tuple[str, str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    table = [row.as_row() for row in (*result.comparison.figures(), *result.whole_budget.figures())]
    columns, rows = tuple(table[0]), tuple(tuple(row.values()) for row in table)
    caption = (
        "Verified, median and believed error, meV, with the 95 % interval over seeds of the search (the policy is "
        "trained once). The last rows give the "
        f"searches the policy's {result.training:,} training designs as well, shared out over the targets. "
        "Met: within 20 meV, by the oracle. Invalid: no design that spends the budget."
    )
    return "Methods", caption, columns, rows


def _audit_table(result: "DemoResult") -> tuple[str, str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    columns = ("designs", "number", "MAE, meV", "RMSE, meV", "bias, meV", "Spearman", "out of distribution")

    def row(label: str, found: Audit) -> tuple[str, ...]:
        return (
            label,
            f"{len(found.belief)}",
            f"{1000 * found.mae:.1f}",
            f"{1000 * found.rmse:.1f}",
            f"{1000 * found.bias:+.1f}",
            f"{found.spearman:.3f}",
            f"{found.share_out_of_distribution:.1%}",
        )

    rows = (row("the policy's best", result.winners), row("visited by any method", result.visited))
    caption = (
        "The same designs through surrogate and oracle. Exploitation gap of the policy's designs: "
        f"{1000 * result.winners_gap_ev:+.1f} meV (true error less believed error)."
    )
    return "Audit", caption, columns, rows


def _provenance(result: "DemoResult") -> dict[str, str]:
    from matgym.app.demo import SURROGATE

    card = load_card(SURROGATE)
    gap = next(figures for figures in card.metrics["test"] if figures.property == "gap_ev")
    parameters = PiParameters().as_dict()
    return {
        "matgym": __version__,
        "settings": str(result.settings),
        "surrogate": f"{SURROGATE}: R² {gap.r2:.4f}, MAE {1000 * gap.mae:.1f} meV on {gap.n} tubes held out",
        "surrogate's data": f"{card.data['name']}, {card.data['digest']}",
        "oracle": "π tight binding, " + ", ".join(f"{name} {value:g}" for name, value in parameters.items()),
        "seconds": ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in result.seconds.items()),
    }
