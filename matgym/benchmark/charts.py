"""Interactive figures of a benchmark as plain data for Plotly; the page draws them.

The page sets the colours of text, axes and paper, so that they follow its light or dark theme.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from matgym.benchmark.aggregate import Band, Summary
from matgym.benchmark.results import Results
from matgym.typing import FloatArray, IntArray
from matgym.viz.palette import METHOD_STYLES

Figure: TypeAlias = dict[str, Any]
"""`data` and `layout` of Plotly."""

SHOWN: Final = 6
"""Number of methods whose curves are visible at first. A click on the legend shows the others."""

POINTS: Final = 48
"""Largest number of points of a curve. A curve with every evaluation looks the same and has ten times the size."""

_SYMBOLS: Final = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
}  # fmt: skip
_DASHES: Final = ("solid", "dash", "dot")


class Style(NamedTuple):
    """Style of a method in all figures."""

    colour: str
    symbol: str
    dash: str


def styles(results: Results) -> dict[str, Style]:
    """Return the style of each method: random search is grey, the others have six colours with dashes and markers."""
    *coloured, grey = METHOD_STYLES
    drawn, count = {}, 0
    for method in results.facts.methods:
        if method == results.random_method:
            drawn[method] = Style(grey.colour, _SYMBOLS[grey.marker], "solid")
            continue
        style = coloured[count % len(coloured)]
        again = count // len(coloured)
        symbol = _SYMBOLS[coloured[(count + again) % len(coloured)].marker]
        drawn[method] = Style(style.colour, symbol, _DASHES[again % len(_DASHES)])
        count += 1
    return drawn


def forest(results: Results, figures: Summary, evaluations: int) -> Figure:
    """Return the figure of interquartile means after some evaluations with intervals, the best method at the top."""
    overall = figures.overall[evaluations]
    drawn, methods = styles(results), list(overall)
    traces = []
    for method, whole in overall.items():
        iqm = whole.iqm
        known = bool(np.isfinite(iqm.low))
        better = "" if whole.better is None else f"<br>P(better than {results.random_method}) {whole.better:.2f}"
        label = f"<b>{method}</b><br>IQM {iqm:.3f}<br>mean {whole.mean:.3f}<br>mean rank {whole.rank:.1f}<br>"
        label += f"optimality gap {whole.optimality_gap:.3f}{better}<extra></extra>"
        error = {
            "type": "data", "symmetric": False, "thickness": 2.5, "width": 0, "color": drawn[method].colour,
            "array": _plain([iqm.high - iqm.mean] if known else [0.0]),
            "arrayminus": _plain([iqm.mean - iqm.low] if known else [0.0]),
        }  # fmt: skip
        traces.append(_points(method, drawn[method], _plain([iqm.mean]), [method], label, size=11) | {"error_x": error})
    return _figure(
        traces, x={"title": f"IQM of scores after {evaluations:,} evaluations (0: random design, 1: optimum)"},
        y={"categoryorder": "array", "categoryarray": methods[::-1], "showgrid": False},
        height=110 + 27 * len(methods), legend=False,
    )  # fmt: skip


def profiles(results: Results, figures: Summary) -> Figure:
    """Return the figure of the share of runs above every score."""
    shown = _first(results, figures)
    traces: list[Figure] = []
    for method in figures.last:
        label = method + ": %{y:.0%} of runs above %{x:.2f}<extra></extra>"
        traces += _curve(method, styles(results)[method], figures.taus, figures.profiles[method], shown, label)
    return _figure(
        traces, x={"title": "score"},
        y={"title": "share of runs above it", "tickformat": ".0%", "range": [-0.02, 1.02]}, height=470,
    )  # fmt: skip


def improvement(figures: Summary) -> Figure:
    """Return the figure of the probability that the row's method has a higher score than the column's."""
    methods, chances = list(figures.last), figures.improvement
    text = [[f"{100 * value:.0f}" if np.isfinite(value) else "" for value in row] for row in chances]
    trace = {
        "type": "heatmap", "x": methods, "y": methods, "z": [_plain(row) for row in chances], "zmin": 0, "zmax": 1,
        "colorscale": [[0, "#c8703a"], [0.5, "#f4f2ee"], [1, "#2f74c0"]], "xgap": 1, "ygap": 1, "text": text,
        "texttemplate": "%{text}", "textfont": {"size": 10, "color": "#23272e"}, "showscale": False,
        "hovertemplate": "%{y} beats %{x}: %{z:.2f}<extra></extra>",
    }  # fmt: skip
    return _figure(
        [trace], x={"tickangle": -60, "showgrid": False}, y={"autorange": "reversed", "showgrid": False},
        height=180 + 24 * len(methods), legend=False,
    )  # fmt: skip


def anytime_scores(results: Results, figures: Summary) -> Figure:
    """Return the figure of the interquartile mean of scores by evaluations, over the tasks of each method."""
    shown, traces = _first(results, figures), []
    top = np.ones(1, dtype=np.int64)
    for method, (marks, band) in figures.anytime.items():
        top = max(top, marks, key=lambda each: each[-1])
        label = method + ": %{y:.3f} after %{x}<extra></extra>"
        traces += _curve(method, styles(results)[method], marks, band, shown, label)
    return _figure(traces, x=_evaluations(top), y={"title": "IQM of scores"}, height=470)


def anytime(results: Results, figures: Summary, task: str) -> Figure:
    """Return the figure of the median verified regret by evaluations, with the middle half of the seeds."""
    curves = results.anytime(task)
    about, drawn = results.facts.tasks[task], styles(results)
    best = list(figures.regrets[task])[:SHOWN]
    positive = [curve[curve > about.tolerance] for _, curve in curves.values()]
    least = min((float(values.min()) for values in positive if len(values)), default=1.0)
    floor = max(about.tolerance, least / 3) if about.tolerance < least / 3 else least / 1.5
    traces: list[Figure] = []
    for method, (marks, curve) in curves.items():
        kept = _thinned(marks)
        raised = np.where(curve <= about.tolerance, floor, np.maximum(curve, floor))[:, np.searchsorted(marks, kept)]
        low, middle, high = np.quantile(raised, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf")
        label = method + ": %{y:.3g} after %{x}<extra></extra>"
        shown = {*best, results.random_method or ""}
        traces += _curve(method, drawn[method], kept, Band(middle, low, high), shown, label, step=True)
    figure = _figure(
        traces, x=_evaluations(max((marks for marks, _ in curves.values()), key=lambda each: each[-1])),
        y={"title": f"verified regret{_unit(about.unit)}", "type": "log"}, height=440,
    )  # fmt: skip
    name = "optimum" if about.proven else "best known"
    across = {"xref": "paper", "x0": 0, "x1": 1, "y0": floor, "y1": floor}
    figure["layout"]["shapes"] = [{"type": "line", "line": {"dash": "dot", "width": 1}} | across]
    place = {"xref": "paper", "x": 0.0, "xanchor": "left", "y": float(np.log10(floor)), "yanchor": "bottom"}
    figure["layout"]["annotations"] = [{"text": name, "showarrow": False} | place]
    return figure


def first_hits(results: Results, task: str) -> Figure:
    """Return the figure of the evaluations to the optimum for every seed; hollow marks did not find it."""
    first, drawn = results.evaluations_to_optimum(task), styles(results)
    top = max(found.spent for found in results.searches if found.task == task)
    never = 2.0 * top
    order = sorted(first, key=lambda m: (float(np.mean(np.where(np.isinf(first[m]), never, first[m]))), m))
    traces = []
    for method in order:
        found = np.isfinite(first[method])
        symbol = [drawn[method].symbol + ("" if there else "-open") for there in found]
        text = [f"{method}, seed {seed}: {f'{n:g} evaluations' if np.isfinite(n) else 'not found'}"
                for seed, n in zip(results.seeds(task, method), first[method], strict=True)]  # fmt: skip
        x, label = _plain(np.where(found, first[method], never)), "%{text}<extra></extra>"
        trace = _points(method, drawn[method], x, [method] * len(found), label, size=9, symbol=symbol, opacity=0.75)
        traces.append(trace | {"text": text})
    ticks = [2**i for i in range(int(np.log2(top)) + 1)]
    axis = {
        "title": "evaluations to the optimum", "type": "log", "tickvals": [*ticks, never],
        "ticktext": [*map(str, ticks), "never"], "tickangle": 0, "range": [-0.1, float(np.log10(never)) + 0.2],
    }  # fmt: skip
    return _figure(
        traces, x=axis, y={"categoryorder": "array", "categoryarray": order[::-1]}, height=100 + 23 * len(order),
        legend=False,
    )  # fmt: skip


def predicted_and_verified(results: Results, task: str) -> Figure:
    """Return the figure of verified against predicted loss of the final designs."""
    drawn, traces, ends = styles(results), [], []
    for method in results.methods_of(task):
        runs = [f for f in results.searches if (f.task, f.method) == (task, method)]
        own = [f for f in runs if np.isfinite([f.predicted[-1], f.verified[-1]]).all()]
        predicted, verified = [float(f.predicted[-1]) for f in own], [float(f.verified[-1]) for f in own]
        ends += [*predicted, *verified]
        label = method + ": predicted %{x:.4g}, verified %{y:.4g}<extra></extra>"
        traces.append(_points(method, drawn[method], _plain(predicted), _plain(verified), label, size=8, opacity=0.8))
    span = [min(ends, default=0.0), max(ends, default=1.0)]
    line = {"type": "scatter", "mode": "lines", "name": "as predicted", "x": span, "y": span, "hoverinfo": "skip",
            "line": {"color": "#8a9099", "width": 1, "dash": "dash"}}  # fmt: skip
    unit = _unit(results.facts.tasks[task].unit)
    return _figure(
        [line, *traces], x={"title": f"predicted loss{unit}"}, y={"title": f"verified loss{unit}"}, height=440
    )  # fmt: skip


def targets_met(results: Results, figures: Summary, task: str) -> Figure:
    """Return the figure of the share of unseen targets met by queries."""
    queries, bands = figures.met[task]
    traces: list[Figure] = []
    for method, band in bands.items():
        label = method + ": %{y:.0%} after %{x}<extra></extra>"
        traces += _curve(method, styles(results)[method], queries, band, set(bands), label, markers=True)
    return _figure(
        traces, x={"title": "queries per target", "type": "log", "tickvals": queries.tolist()},
        y={"title": "targets met", "tickformat": ".0%", "range": [-0.02, 1.02]}, height=470,
    )  # fmt: skip


def costs(results: Results) -> Figure:
    """Return the figure of the mean seconds of a search by method."""
    methods = results.methods
    seconds = {m: [f.seconds for f in results.searches if f.method == m] for m in methods}
    order = sorted(methods, key=lambda method: float(np.mean(seconds[method])))
    trace = {
        "type": "bar", "orientation": "h", "y": order, "x": _plain([float(np.mean(seconds[m])) for m in order]),
        "marker": {"color": [styles(results)[m].colour for m in order]},
        "hovertemplate": "%{y}: %{x:.3g} s<extra></extra>",
    }  # fmt: skip
    return _figure(
        [trace], x={"title": "seconds per search with evaluations", "type": "log"},
        y={"autorange": "reversed", "showgrid": False}, height=110 + 23 * len(order), legend=False,
    )  # fmt: skip


# ---- parts


def _figure(traces: Sequence[Figure], x: Figure, y: Figure, height: int, *, legend: bool = True) -> Figure:
    axes = {
        name: {"automargin": True, "zeroline": False, **axis, "title": {"text": axis.get("title", "")}}
        for name, axis in (("xaxis", x), ("yaxis", y))
    }
    layout = {
        **axes, "height": height + (90 if legend else 0), "showlegend": legend, "hovermode": "closest",
        "margin": {"l": 8, "r": 20, "t": 12, "b": 8},
        "legend": {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"},
    }  # fmt: skip
    return {"data": list(traces), "layout": layout}


def _evaluations(marks: IntArray) -> Figure:
    """Return a logarithmic axis with ticks at powers of two."""
    ticks = [2**i for i in range(int(np.log2(marks[-1])) + 1)]
    return {"title": "evaluations", "type": "log", "tickvals": ticks}


def _points(method: str, style: Style, x: Sequence[Any], y: Sequence[Any], label: str, **marker: Any) -> Figure:
    """Return the marks of a method."""
    look = {"color": style.colour, "symbol": style.symbol} | marker
    trace = {"type": "scatter", "mode": "markers", "name": method, "x": x, "y": y}
    return trace | {"marker": look, "hovertemplate": label}


def _curve(
    method: str, style: Style, x: FloatArray | IntArray, band: Band, shown: set[str], label: str, *,
    step: bool = False, markers: bool = False,
) -> list[Figure]:  # fmt: skip
    """Return a line and its band, which the legend shows or hides together."""
    shape = {"shape": "hv"} if step else {}
    visible = True if method in shown else "legendonly"
    line = {
        "type": "scatter", "mode": "lines+markers" if markers else "lines", "name": method, "legendgroup": method,
        "x": _plain(x), "y": _plain(band.value), "visible": visible, "hovertemplate": label,
        "line": {"color": style.colour, "dash": style.dash, "width": 2.2, **shape},
        "marker": {"symbol": style.symbol, "size": 7},
    }  # fmt: skip
    if not np.isfinite(band.low).all():
        return [line]
    edge = {"type": "scatter", "mode": "lines", "legendgroup": method, "showlegend": False, "hoverinfo": "skip",
            "x": _plain(x), "visible": visible, "line": {"width": 0, "color": style.colour, **shape}}  # fmt: skip
    red, green, blue = (int(style.colour[i : i + 2], 16) for i in (1, 3, 5))
    filled = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.14)"}
    return [edge | {"y": _plain(band.low)}, edge | {"y": _plain(band.high)} | filled, line]


def _first(results: Results, figures: Summary) -> set[str]:
    """Return the methods that are visible at first: the best ones and random search."""
    return {*list(figures.last)[:SHOWN], results.random_method or ""}


def _thinned(marks: IntArray) -> IntArray:
    """Return at most `POINTS` places, evenly spaced in the logarithm, with the first and the last."""
    if len(marks) <= POINTS:
        return marks
    wanted = np.geomspace(marks[0], marks[-1], POINTS)
    return np.unique(marks[np.searchsorted(marks, wanted - 1e-9).clip(max=len(marks) - 1)])


def _unit(unit: str) -> str:
    return f", {unit}" if unit else ""


def _plain(values: Iterable[Any]) -> list[float | None]:
    """Return values with five significant digits; values that are not finite are None."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in map(float, values)]
