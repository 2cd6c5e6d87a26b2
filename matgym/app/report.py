"""Files of the demo: a page, a table of all designs, structure files of the best designs, and the policy."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.agents.look_up import LOOK_UP
from matgym.agents.storage import save_agent
from matgym.app.briefs import SHIPPED, BriefResult
from matgym.app.demo import SURROGATE, DemoResult
from matgym.benchmark.runs import Outcome
from matgym.benchmark.tasks import AMORTISED
from matgym.files import atomic_path, write_text
from matgym.physics import PiParameters
from matgym.structures.io import write
from matgym.surrogates import load_card
from matgym.typing import FloatArray
from matgym.version import __version__
from matgym.viz.figures import (
    error_by_method,
    learning_curve,
    lessons,
    render,
    share_by_designs,
    surrogate_against_oracle,
    target_against_achieved,
    to_svg,
)
from matgym.viz.palette import new_axes

MET_EV: Final = AMORTISED["doping-targets"].met
"""Error within which a target counts as met, in eV."""

BEST: Final = 5
"""Number of designs whose structures are written."""

STRUCTURES: Final = (".extxyz", ".cif")
"""Suffixes of the files of a structure."""

_FILES: Final = {
    "designs": "designs.parquet", "structures": "structures", "policy": "policy.safetensors", "report": "report.html",
}  # fmt: skip

SHOWN_TUBES: Final = 4
"""Number of designs that the page shows in 3-D."""


def result_files(folder: Path) -> list[Path]:
    """Return all files that `write_results` writes to a folder."""
    names = [f"structures/best-{rank}{suffix}" for rank in range(1, BEST + 1) for suffix in STRUCTURES]
    return [folder / name for name in (*_FILES.values(), "policy.json", *names) if name != _FILES["structures"]]


def write_results(folder: Path, result: DemoResult) -> dict[str, Path]:
    """Write the page, the table of designs, the best structures of the policy, and the policy; return files by name."""
    files = {what: folder / name for what, name in _FILES.items()}
    with atomic_path(files["designs"]) as scratch:
        pq.write_table(_designs(result), scratch, compression="zstd")
    best = result.comparison.of(result.policy.name)[0]
    tubes = best.search.tubes(result.task)
    for rank, row in enumerate(np.argsort(_errors(best))[:BEST], start=1):
        for suffix in STRUCTURES:
            write(files["structures"] / f"best-{rank}{suffix}", tubes[row])
    arguments = {"initial_designs": result.settings.initial_designs, "removed": result.settings.removed}
    save_agent(result.policy.agent, files["policy"], environment="matgym/NanotubeDoping-v0", arguments=arguments)
    write_text(files["report"], _page(result))
    return files


def _designs(result: DemoResult) -> pa.Table:
    """Return a table with one row per design of all methods."""
    outcomes = [*result.comparison.outcomes, *result.whole_budget.outcomes]
    tubes = [tube for each in outcomes for tube in each.search.tubes(result.task)]
    count = len(outcomes[0].search.targets)
    return pa.table(
        {
            "method": [each.search.method for each in outcomes for _ in range(count)],
            "seed": [each.run.seed for each in outcomes for _ in range(count)],
            "queries": [each.run.budget for each in outcomes for _ in range(count)],
            "target_ev": np.concatenate([each.search.targets for each in outcomes]),
            "surrogate_ev": np.concatenate([each.search.predicted for each in outcomes]),
            "oracle_ev": np.concatenate([each.verified for each in outcomes]),
            "key": [tube.key for tube in tubes],
            "n": [tube.n for tube in tubes],
            "m": [tube.m for tube in tubes],
            "cells": [tube.cells for tube in tubes],
            "species": [tube.species.tobytes() for tube in tubes],
        },
        metadata={"matgym": json.dumps({"version": __version__, "ledger": result.ledger})},
    )


def in_plain_words(result: DemoResult) -> list[str]:
    """Return the results of the demo in sentences."""
    rows = {row.method: row for row in result.comparison.figures()}
    whole = {row.method: row for row in result.whole_budget.figures()}
    settings = result.settings
    name = settings.algorithm
    errors = {method: 1000 * row.error.mean for method, row in rows.items()}
    best = min(errors, key=lambda method: errors[method])
    rivals = [method for method in rows if method != best and rows[method].error.low <= rows[best].error.high]
    totals = ", ".join(f"{method} {1000 * row.error.mean:.0f} meV" for method, row in whole.items())
    verdict = f"{best} has the least"
    if rivals:
        verdict += f", and the interval of {' and of '.join(rivals)} overlaps with its interval"
    given = next(iter(whole.values())).queries
    return [
        *result.briefs.in_words(),
        (
            f"The other case is one tube. The {name} policy designed tubes for {settings.targets} target gaps that "
            "were not used in training. With "
            f"{settings.queries} designs per target, their mean error by the oracle is {errors[name]:.0f} meV."
        ),
        (
            f"Every method started from designs of the generator ({settings.initial_designs}), whose median error is "
            f"{1000 * np.nanmedian(result.initial_errors):.0f} meV. The policy placed {settings.removed} of their "
            f"atoms again. Its designs have a median error of {1000 * rows[name].median.mean:.0f} meV."
        ),
        (
            f"With as many designs, the mean error is {errors['random']:.0f} meV for random search and "
            f"{errors['annealing']:.0f} meV for simulated annealing; for look-up, the nearest of {settings.table} "
            f"random designs that were scored once for all targets, it is {errors[LOOK_UP]:.0f} meV: {verdict}."
        ),
        (
            f"The training used {result.training:,} scored designs. If a search has these designs as well "
            f"({given} per target), its mean error is: {totals}."
        ),
        (
            f"The mean absolute error of the surrogate is {1000 * result.winners.mae:.0f} meV on the policy's designs "
            f"and {1000 * result.visited.mae:.0f} meV on all visited designs. The policy's designs are "
            f"{1000 * result.winners_gap_ev:.0f} meV worse than predicted."
        ),
    ]


def _page(result: DemoResult) -> str:
    from markupsafe import Markup

    from matgym.viz.tube3d import script_tag, tube_html

    name = result.settings.algorithm
    best = result.comparison.of(name)[0]
    order = np.argsort(_errors(best))[:SHOWN_TUBES]
    tubes = best.search.tubes(result.task)
    own = next(row for row in result.comparison.figures() if row.method == name)
    calls = {kind: f"{int(counted['evaluations']):,}" for kind, counted in result.ledger.items()}
    return render(
        "matgym.app",
        "report.html",
        title="Carbon nanotubes by design: where learning wins",
        summary=in_plain_words(result),
        numbers=(
            ("briefs met", f"{result.briefs.of(SHIPPED)[-1].met:.0%}", _briefly(result.briefs)),
            ("verified error", f"{1000 * own.error.mean:.0f} meV", f"{name}, mean over unseen targets"),
            ("targets met", f"{own.met.mean:.0%}", "within 20 meV, verified"),
            ("oracle calls", calls["oracle"], "to verify designs"),
        ),
        figures=[(heading, caption, Markup(svg)) for heading, caption, svg in _figures(result)],  # noqa: S704  # ours
        tubes=[
            (
                f"Target {best.search.targets[row]:.3f} eV",
                f"Oracle: {best.verified[row]:.3f} eV; the surrogate predicted {best.search.predicted[row]:.3f} eV.",
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


def _errors(outcome: Outcome) -> FloatArray:
    """Return (T,) verified errors in eV; they are infinite without a valid design."""
    return np.nan_to_num(np.abs(outcome.verified - outcome.search.targets), nan=np.inf)


def _figures(result: DemoResult) -> list[tuple[str, str, str]]:
    """Return heading, caption and inline SVG of each figure."""
    name, settings, comparison = result.settings.algorithm, result.settings, result.comparison
    targets, methods = comparison.outcomes[0].search.targets, list(comparison.facts.methods)
    achieved = {method: comparison.of(method)[0].verified for method in methods}
    # The infinite error of an invalid design cannot be drawn. The table counts invalid designs.
    errors = {method: np.stack([_errors(outcome) for outcome in comparison.of(method)]) for method in methods}
    finite = {method: np.where(np.isfinite(found), found, np.nan) for method, found in errors.items()}
    visited = result.visited
    captions = {
        "briefs": (
            "Briefs on unseen tubes",
            (
                f"Share of {result.briefs.settings.briefs} briefs of level {result.briefs.settings.level} that are "
                "met, by the surrogates, against the number of designs that are scored for each. Look-up and hill "
                "climbing know nothing of other tubes. Training is not counted."
            ),
        ),
        "lessons": (
            "Learning to improve a tube",
            "Share of these briefs that the agent of this demo meets with its first design, after more lessons.",
        ),
        "learning": ("Training", f"Mean reward of recent designs of {name} during the training."),
        "targets": (
            "Unseen targets",
            f"Gap by the oracle of the best of {settings.queries} designs, by target and method (first seed).",
        ),
        "initial": (
            "Initial designs and final designs",
            (
                f"Gap by the oracle of the initial design that {settings.initial_designs} drew for each target, and of "
                f"the design of {name} that started from such a design."
            ),
        ),
        "errors": (
            "Equal queries",
            (
                f"Verified error with {settings.queries} designs per target, {settings.seeds} seeds. The training is "
                f"not counted. Targets: {result.task.objective.low} to {result.task.objective.high} eV."
            ),
        ),
        "parity": (
            "Surrogate and oracle",
            f"Gaps by the surrogate and by the oracle of {len(visited.predicted)} designs that the methods visited.",
        ),
    }
    axes = {figure: new_axes() for figure in captions}
    briefs = result.briefs
    share_by_designs(axes["briefs"], {name: _points(briefs, name) for name in briefs.methods})
    lessons(axes["lessons"], *briefs.curve.T)
    learning_curve(axes["learning"], result.curve[:, 0], result.curve[:, 1])
    target_against_achieved(axes["targets"], targets, achieved, MET_EV)
    target_against_achieved(
        axes["initial"], targets, {"initial design": result.initial_ev, name: achieved[name]}, MET_EV
    )
    error_by_method(axes["errors"], finite)
    surrogate_against_oracle(axes["parity"], visited.predicted, visited.truth, visited.out_of_distribution)
    return [(*words, to_svg(axes[figure].figure, figure)) for figure, words in captions.items()]


def _points(briefs: BriefResult, method: str) -> FloatArray:
    """Return (k, 2) numbers of designs and shares of the briefs that a method meets with them."""
    return np.array([(each.designs, each.met) for each in briefs.of(method)])


def _briefly(briefs: BriefResult) -> str:
    """Return in a few words what the share of briefs is that stands on top of the page."""
    return f"on unseen tubes, {briefs.of(SHIPPED)[-1].designs:.0f} designs each, by surrogates"


def _tables(result: DemoResult) -> list[tuple[str, str, list[dict[str, str]]]]:
    """Return heading, caption and rows of each table."""
    methods = [row.as_row() for row in (*result.comparison.figures(), *result.whole_budget.figures())]
    verified = [
        {
            "designs": label,
            "verified by": str(found.level),
            "number": f"{len(found.predicted)}",
            "MAE, meV": f"{1000 * found.mae:.1f}",
            "RMSE, meV": f"{1000 * found.rmse:.1f}",
            "bias, meV": f"{1000 * found.bias:+.1f}",
            "Spearman": f"{found.spearman:.3f}",
            "out of distribution": f"{found.share_out_of_distribution:.1%}",
        }
        for label, found in (("the policy's best", result.winners), ("visited by any method", result.visited))
    ]
    spent = (
        "Verified, median and predicted error in eV, with the 95 % interval over seeds of the search. The policy is "
        f"trained once. In the last rows the searches also have the {result.training:,} training designs of the "
        "policy, divided among the targets. Met: within 20 meV by the oracle. Invalid: no valid design."
    )
    exploited = (
        "The same designs by the surrogate and by the oracle. The exploitation gap of the policy's designs is "
        f"{1000 * result.winners_gap_ev:+.1f} meV (verified error minus predicted error)."
    )
    briefs = [
        {"method": each.method, "designs a brief": f"{each.designs:,.0f}", "briefs met": f"{each.met:.0%}"}
        for name in result.briefs.methods
        for each in result.briefs.of(name)
    ]
    told = (
        "Briefs that are met by the surrogates, by method and number of designs. "
        f"The trained agent comes with matgym: {result.briefs.training:,} designs of other tubes trained it."
    )
    return [
        ("Briefs on unseen tubes", told, briefs),
        ("One tube: methods", spent, methods),
        ("Verification", exploited, verified),
    ]


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
