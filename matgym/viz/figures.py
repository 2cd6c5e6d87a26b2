"""Figures of results, drawn on given axes from plain arrays, and the HTML pages with these figures."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.statistics import estimate
from matgym.typing import BoolArray, FloatArray
from matgym.viz.palette import ALARM, INK, METHOD_STYLES, MUTED, RULE, method_styles, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SMOOTHING: Final = 9
"""The number of updates in the running mean of the learning curve."""


def learning_curve(axes: "Axes", evaluations: FloatArray, reward: FloatArray) -> None:
    """Draw (U,) mean rewards of recent designs against (U,) numbers of scored designs, with a running mean."""
    style = METHOD_STYLES[0]
    axes.plot(evaluations, reward, color=style.colour, alpha=0.3, linewidth=1.0)
    window = min(SMOOTHING, len(reward))
    if window:
        smooth = np.convolve(reward, np.ones(window) / window, mode="valid")
        axes.plot(evaluations[window - 1 :], smooth, color=style.colour, linewidth=2.2)
    axes.set(xlabel="designs scored by the surrogate", ylabel="mean reward", ylim=(0.0, 1.0))
    axes.set_xlim(left=0.0)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def target_against_achieved(
    axes: "Axes", targets_ev: FloatArray, achieved_ev: Mapping[str, FloatArray], tolerance_ev: float
) -> None:
    """Draw the (T,) gaps by the oracle of each method against (T,) target gaps, with the band of the tolerance."""
    ends = np.array([targets_ev.min() - 0.04, targets_ev.max() + 0.04])
    axes.fill_between(ends, ends - tolerance_ev, ends + tolerance_ev, color=RULE, linewidth=0)
    axes.plot(ends, ends, color=MUTED, linewidth=0.9)
    for name, style in reversed(method_styles(achieved_ev).items()):
        axes.scatter(
            targets_ev, achieved_ev[name], s=24, color=style.colour, marker=style.marker, alpha=0.8, label=name,
            linewidth=0,
        )  # fmt: skip
    axes.set(xlabel="target gap, eV", ylabel="gap of the design by the oracle, eV", xlim=tuple(ends))
    tidy(axes, "both")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, loc="upper left", fontsize=10)


def surrogate_against_oracle(
    axes: "Axes", surrogate_ev: FloatArray, oracle_ev: FloatArray, out_of_distribution: BoolArray
) -> None:
    """Draw (B,) gaps by the surrogate against those by the oracle, and write the errors; NaN is omitted."""
    good = np.isfinite(oracle_ev)
    predicted, oracle = surrogate_ev[good], oracle_ev[good]
    far = out_of_distribution[good]
    low, high = min(predicted.min(), oracle.min()) - 0.03, max(predicted.max(), oracle.max()) + 0.03
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.9)
    axes.scatter(oracle[~far], predicted[~far], s=16, color=METHOD_STYLES[0].colour, alpha=0.6, linewidth=0)
    if far.any():
        axes.scatter(
            oracle[far], predicted[far], s=24, color=ALARM, marker="x", linewidth=1.2, label="out of distribution"
        )
        axes.legend(frameon=False, loc="lower right", fontsize=10)
    error = 1000 * np.abs(predicted - oracle)
    rmse = float(np.sqrt((error**2).mean()))
    axes.text(
        0.03, 0.96, f"MAE {error.mean():.0f} meV\nRMSE {rmse:.0f} meV\nn = {len(error)}",
        transform=axes.transAxes, va="top", color=INK, fontsize=10,
    )  # fmt: skip
    axes.set(xlabel="gap by the oracle, eV", ylabel="gap by the surrogate, eV", xlim=(low, high), ylim=(low, high))
    tidy(axes, "both")


def error_by_method(axes: "Axes", errors_ev: Mapping[str, FloatArray]) -> None:
    """Draw the mean of the (seeds, targets) errors of each method, the 95 % interval over seeds, and each seed."""
    names: Sequence[str] = list(errors_ev)
    for row, (name, style) in enumerate(method_styles(names).items()):
        per_seed = 1000 * np.nanmean(errors_ev[name], axis=1)
        axes.scatter(per_seed, np.full(len(per_seed), row), s=18, color=style.colour, alpha=0.35, linewidth=0)
        interval = estimate(per_seed.tolist())
        axes.errorbar(
            interval.mean, row, xerr=np.nan_to_num(interval.half_width),
            fmt=style.marker, color=style.colour, markersize=8, capsize=4,
            elinewidth=1.6,
        )  # fmt: skip
    axes.set(xlabel="mean error by the oracle, meV", yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticklabels(names)
    axes.set_xlim(left=0.0)
    tidy(axes, "x")


def share_by_designs(axes: "Axes", reached: Mapping[str, FloatArray]) -> None:
    """Draw the share of briefs that are met against the number of designs for each, of (k, 2) both by method."""
    for name, style in method_styles(reached).items():
        designs, share = reached[name].T
        axes.plot(
            designs,
            share,
            color=style.colour,
            marker=style.marker,
            markersize=7,
            linewidth=1.6,
            label=name,
            clip_on=False,
        )
    axes.set(xlabel="designs scored for a brief", ylabel="share of the briefs that are met", ylim=(0.0, 1.0))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    tidy(axes, "both")
    axes.legend(frameon=False, loc="lower right", fontsize=10)


def lessons(axes: "Axes", designs: FloatArray, share: FloatArray) -> None:
    """Draw the (U,) share of unseen briefs that an agent meets at once, against the (U,) designs of its training."""
    style = METHOD_STYLES[0]
    axes.plot(designs, share, color=style.colour, marker=style.marker, markersize=7, linewidth=2.2, clip_on=False)
    axes.set(xlabel="designs scored in the training", ylabel="share of unseen briefs met at once", ylim=(0.0, 1.0))
    axes.set_xlim(left=0.0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    tidy(axes, "both")


def to_svg(figure: "Figure | SubFigure", name: str) -> str:
    """Return a figure as reproducible SVG for an HTML page; `name` makes its ids unique on the page."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', svg)
    return re.sub(r"url\(#", f"url(#{name}-", svg)


def render(package: str, template: str, **values: Any) -> str:
    """Return a self-contained HTML page, with escaped values and without external files.

    Args:
        package: the package with the template, such as "matgym.app".
        template: the file name of the template; it extends `page.html`, which needs the values `title`, `summary`
            (sentences), `numbers` (label, value, note) and `provenance` (a mapping).
        **values: the values of the template's variables. Text is escaped, `markupsafe.Markup` is not.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    loader = ChoiceLoader([PackageLoader(package, "."), PackageLoader("matgym.viz", ".")])
    return Environment(loader=loader, autoescape=True).get_template(template).render(**values)
