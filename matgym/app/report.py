"""What the main job writes: a page, a table of all designs, structure files of the best, and the policy."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.agents.storage import save_agent
from matgym.app.demo import SURROGATE, DemoResult
from matgym.benchmark.compare import MET_EV
from matgym.files import atomic_path, write_text
from matgym.physics import PiParameters
from matgym.structures.io import write
from matgym.surrogates import load_card
from matgym.version import __version__
from matgym.viz.figures import (
    error_by_method,
    learning_curve,
    surrogate_against_oracle,
    target_against_achieved,
    to_svg,
)
from matgym.viz.page import render
from matgym.viz.palette import new_axes

BEST = 5
"""Designs whose structures are written."""

SHOWN_TUBES = 4
"""Designs that the page shows in 3-D."""


def write_results(folder: Path, result: DemoResult) -> dict[str, Path]:
    """Write the page, the table of designs, the best structures of the policy, and the policy.

    Args:
        folder: made if missing.
        result: of `run_demo`.

    Returns:
        What was written, by name.
    """
    files = {
        "designs": folder / "designs.parquet",
        "structures": folder / "structures",
        "policy": folder / "policy.safetensors",
        "report": folder / "report.html",
    }
    with atomic_path(files["designs"]) as scratch:
        pq.write_table(_designs(result), scratch, compression="zstd")
    best = result.comparison.of(result.policy.name)[0]
    tubes = best.search.tubes(result.task)
    for rank, row in enumerate(np.argsort(best.error)[:BEST], start=1):
        for suffix in (".extxyz", ".cif"):
            write(files["structures"] / f"best-{rank}{suffix}", tubes[row])
    arguments = {"seeder": result.settings.seeder, "lifted": result.settings.lifted}
    save_agent(result.policy.agent, files["policy"], environment="matgym/NanotubeDoping-v0", arguments=arguments)
    write_text(files["report"], _page(result))
    return files


def _designs(result: DemoResult) -> pa.Table:
    """A row a design, of all methods."""
    runs = [*result.comparison.runs, *result.whole_budget.runs]
    tubes = [tube for run in runs for tube in run.search.tubes(result.task)]
    count = len(runs[0].search.targets)
    return pa.table(
        {
            "method": [run.search.method for run in runs for _ in range(count)],
            "seed": [run.seed for run in runs for _ in range(count)],
            "queries": [run.queries for run in runs for _ in range(count)],
            "target_ev": np.concatenate([run.search.targets for run in runs]),
            "surrogate_ev": np.concatenate([run.search.belief for run in runs]),
            "oracle_ev": np.concatenate([run.truth for run in runs]),
            "key": [tube.key for tube in tubes],
            "n": [tube.n for tube in tubes],
            "m": [tube.m for tube in tubes],
            "cells": [tube.cells for tube in tubes],
            "species": [tube.species.tobytes() for tube in tubes],
        },
        metadata={"matgym": json.dumps({"version": __version__, "ledger": result.ledger})},
    )


def in_plain_words(result: DemoResult) -> list[str]:
    """What was found, in sentences."""
    rows = {row.method: row for row in result.comparison.figures()}
    whole = {row.method: row for row in result.whole_budget.figures()}
    settings = result.settings
    name = settings.algorithm
    errors = {method: 1000 * row.error_ev.mean for method, row in rows.items()}
    # By the median, in which a target without a valid design counts as missed by any distance.
    best = min(rows, key=lambda method: rows[method].median_ev.mean)
    totals = ", ".join(f"{method} {1000 * row.error_ev.mean:.0f} meV" for method, row in whole.items())
    verdict = f"{name} is the best of the three" if best == name else f"{best} is the best of the three, not {name}"
    given = next(iter(whole.values())).queries
    return [
        (
            f"For {settings.targets} target gaps it had not seen, the {name} policy designed tubes that miss by "
            f"{errors[name]:.0f} meV on average, as physics has it, from {settings.queries} designs a target."
        ),
        (
            f"Every method began on seeds of the generator ({settings.seeder}), which miss by "
            f"{1000 * np.nanmedian(result.seed_errors):.0f} meV as drawn (median); the policy placed the last "
            f"{settings.lifted} of their atoms anew, and what it chose misses by "
            f"{1000 * rows[name].median_ev.mean:.0f} meV (median)."
        ),
        (
            f"With as many designs, random search misses by {errors['random']:.0f} meV and simulated annealing "
            f"by {errors['annealing']:.0f} meV: {verdict}."
        ),
        (
            f"Learning took {result.training:,} scored designs. Given to the searches instead ({given} a "
            f"target), they miss by: {totals}."
        ),
        (
            f"The surrogate was wrong by {1000 * result.winners.mae:.0f} meV on the policy's designs and by "
            f"{1000 * result.visited.mae:.0f} meV on designs visited on the way; the policy's are "
            f"{1000 * result.winners_gap_ev:.0f} meV worse than it believed."
        ),
    ]


def _page(result: DemoResult) -> str:
    from markupsafe import Markup

    from matgym.viz.tube3d import script_tag, tube_html

    name = result.settings.algorithm
    best = result.comparison.of(name)[0]
    order = np.argsort(best.error)[:SHOWN_TUBES]
    tubes = best.search.tubes(result.task)
    own = next(row for row in result.comparison.figures() if row.method == name)
    calls = {kind: f"{int(counted['evaluations']):,}" for kind, counted in result.ledger.items()}
    return render(
        "matgym.app",
        "report.html",
        title="Nanotubes designed to a band gap, and what physics says of them",
        summary=in_plain_words(result),
        numbers=(
            ("error by physics", f"{1000 * own.error_ev.mean:.0f} meV", f"{name}, mean over unseen targets"),
            ("targets met", f"{own.within_20_mev.mean:.0%}", "within 20 meV, verified"),
            ("surrogate calls", calls["surrogate"], "all methods together"),
            ("oracle calls", calls["oracle"], "to verify designs"),
        ),
        figures=[(heading, caption, Markup(svg)) for heading, caption, svg in _figures(result)],  # noqa: S704  # ours
        tubes=[
            (
                f"Target {best.search.targets[row]:.3f} eV",
                f"Physics: {best.truth[row]:.3f} eV; the surrogate believed {best.search.belief[row]:.3f} eV.",
                Markup(tube_html(tubes[row], f"tube-{place}")),  # noqa: S704  # ours
            )
            for place, row in enumerate(order)
        ],
        tables=[
            (heading, caption, tuple(rows[0]), [tuple(row.values()) for row in rows])
            for heading, caption, rows in _tables(result)
        ],
        provenance=_provenance(result),
        script=Markup(script_tag()),  # noqa: S704  # ours
    )


def _figures(result: DemoResult) -> list[tuple[str, str, str]]:
    """(heading, caption, inline SVG) of each figure."""
    name, settings, comparison = result.settings.algorithm, result.settings, result.comparison
    targets = comparison.runs[0].search.targets
    achieved = {method: comparison.of(method)[0].truth for method in comparison.methods}
    # An invalid design is infinitely wrong and would leave the figure; the table counts them.
    finite = {m: np.where(np.isfinite(e := comparison.errors(m)), e, np.nan) for m in comparison.methods}
    visited = result.visited
    captions = {
        "learning": ("Learning", f"Mean reward of {name}'s recent designs while it learns."),
        "targets": (
            "Targets it had not seen",
            f"Gap by the oracle of the best of {settings.queries} designs, by target and method (first seed).",
        ),
        "seeds": (
            "Seeds, and what became of them",
            (
                f"Gap by the oracle of the seed that {settings.seeder} drew for each target, and of {name}'s "
                "design that began on such a seed."
            ),
        ),
        "errors": (
            "Equal queries",
            (
                f"Verified error of {settings.queries} designs a target, {settings.seeds} seeds; "
                f"learning not counted. Targets: {result.task.low} to {result.task.high} eV."
            ),
        ),
        "parity": (
            "What the surrogate believed",
            f"A sample of {len(visited.belief)} designs that some method visited, through both.",
        ),
    }
    axes = {figure: new_axes() for figure in captions}
    learning_curve(axes["learning"], result.curve[:, 0], result.curve[:, 1])
    target_against_achieved(axes["targets"], targets, achieved, MET_EV)
    target_against_achieved(axes["seeds"], targets, {"seed": result.seeds_ev, name: achieved[name]}, MET_EV)
    error_by_method(axes["errors"], finite)
    surrogate_against_oracle(axes["parity"], visited.belief, visited.truth, visited.out_of_distribution)
    return [(*words, to_svg(axes[figure].figure, figure)) for figure, words in captions.items()]


def _tables(result: DemoResult) -> list[tuple[str, str, list[dict[str, str]]]]:
    """(heading, caption, rows) of each table."""
    methods = [row.as_row() for row in (*result.comparison.figures(), *result.whole_budget.figures())]
    audits = [
        {
            "designs": label,
            "number": f"{len(found.belief)}",
            "MAE, meV": f"{1000 * found.mae:.1f}",
            "RMSE, meV": f"{1000 * found.rmse:.1f}",
            "bias, meV": f"{1000 * found.bias:+.1f}",
            "Spearman": f"{found.spearman:.3f}",
            "out of distribution": f"{found.share_out_of_distribution:.1%}",
        }
        for label, found in (("the policy's best", result.winners), ("visited by any method", result.visited))
    ]
    spent = (
        "Verified, median and believed error, meV, with the 95 % interval over seeds of the search (the policy is "
        f"trained once). The last rows give the searches the policy's {result.training:,} training designs as well, "
        "shared out over the targets. Met: within 20 meV, by the oracle. Invalid: no design that spends the budget."
    )
    exploited = (
        "The same designs through surrogate and oracle. Exploitation gap of the policy's designs: "
        f"{1000 * result.winners_gap_ev:+.1f} meV (true error less believed error)."
    )
    return [("Methods", spent, methods), ("Audit", exploited, audits)]


def _provenance(result: DemoResult) -> dict[str, str]:
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
