"""Pictures of curves and levels as plain data: drawn as a figure, or written as a table."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from matgym.errors import FormatError
from matgym.files import atomic_path, write_text
from matgym.frozen import ValueObject
from matgym.typing import FloatArray
from matgym.viz.palette import ALARM, INK, METHOD_STYLES, MUTED, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".svg", ".pdf", ".csv")
"""Ends of the names of files that `write_picture` writes."""

DPI: Final = 160
"""Resolution of pixel pictures."""

_TITLE_WIDTH: Final = 62  # letters in a line of the title
_MANY: Final = 150  # series above which lines are thin
_LABEL_GAP: Final = 0.035  # least distance of two labels, as a share of the height of the axes

_SIZES: Final = {"points": (22, 0.9, 4), "faint": (9, 0.5, 2), "chosen": (70, 1.0, 5)}  # area, opacity, order

Style = Literal["line", "reference", "levels", "points", "faint", "chosen"]


@dataclass(frozen=True, eq=False)
class Series(ValueObject):
    """One set of points.

    Attributes:
        name: name in the legend and in the table; several series may share one, which is drawn once in the legend.
        x: (P,) positions.
        y: (P,) values.
        style: "line"; "reference", a grey line; "levels", thin lines of one of many bands; "points"; "faint", small
            grey points; or "chosen", large points.
    """

    name: str
    x: FloatArray
    y: FloatArray
    style: Style = "line"


@dataclass(frozen=True, eq=False)
class Picture(ValueObject):
    """A picture of curves.

    Attributes:
        title: what it shows, of which tube.
        x_label: quantity and unit of x.
        y_label: quantity and unit of y.
        series: what is drawn, the last on top.
        x_range: lowest and highest x that is shown.
        y_range: lowest and highest y that is shown; None to fit the values.
        marks: names of values of y, written at the right end with a thin line.
        note: what must be known with the values: the model, and its limits.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float] | None = None
    marks: tuple[tuple[str, float], ...] = ()
    note: str = ""


def check_picture_name(path: Path) -> None:
    """Check that a name has an end that `write_picture` knows.

    Raises:
        FormatError: if it has not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise FormatError(
            f"the output {path} ends in none of {', '.join(SUFFIXES)}: name a file such as x.png or x.csv"
        )


def write_picture(picture: Picture, path: Path) -> None:
    """Write a picture, or the table of its values, by the end of the file's name.

    Raises:
        FormatError: if the end of the name is not known.
        OutputError: if the file cannot be written.
    """
    check_picture_name(path)
    if path.suffix.lower() == ".csv":
        write_text(path, as_csv(picture))
        return
    with atomic_path(path) as scratch:
        draw(picture).savefig(scratch, dpi=DPI)


def as_csv(picture: Picture) -> str:
    """Return the table of a picture: a row a point, with the name of its series, and the marks at the end."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["series", picture.x_label, picture.y_label])
    for series in picture.series:
        rows.writerows([series.name, f"{x:.8g}", f"{y:.8g}"] for x, y in zip(series.x, series.y, strict=True))
    rows.writerows([name, "", f"{value:.8g}"] for name, value in picture.marks)
    return text.getvalue()


def draw(picture: Picture) -> "Figure":
    """Return the figure of a picture."""
    figure = new_figure(6.8, 4.6)
    axes = figure.add_subplot()
    tidy(axes, "both")
    colours: dict[str, str] = {}
    for series in picture.series:
        known = series.name in colours
        if not known:
            coloured = sum(colour not in {MUTED, ALARM} for colour in colours.values())
            own = METHOD_STYLES[coloured % len(METHOD_STYLES)].colour
            colours[series.name] = {"reference": MUTED, "faint": MUTED, "chosen": ALARM}.get(series.style, own)
        colour = colours[series.name]
        label = None if known else series.name
        if series.style in _SIZES:
            size, alpha, order = _SIZES[series.style]
            axes.scatter(series.x, series.y, s=size, color=colour, alpha=alpha, label=label, linewidth=0, zorder=order)
        else:
            levels = 1.0 if len(picture.series) < _MANY else 0.35
            width = {"line": 1.8, "reference": 1.2, "levels": levels}[series.style]
            axes.plot(series.x, series.y, color=colour, linewidth=width, label=label)
    axes.set(xlabel=picture.x_label, ylabel=picture.y_label, xlim=picture.x_range)
    if picture.y_range:
        axes.set_ylim(picture.y_range)
    axes.set_title("\n".join(wrap(picture.title, _TITLE_WIDTH)), color=INK, fontsize=12, loc="left", pad=10)
    _mark(axes, picture.marks)
    if len(colours) > 1:
        axes.legend(frameon=True, framealpha=0.9, edgecolor="none", fontsize=9.5, loc="best", labelcolor=INK)
    if picture.note:
        figure.supxlabel(picture.note, fontsize=8.5, color=MUTED, x=0.01, ha="left", wrap=True)
    return figure


def _mark(axes: "Axes", marks: tuple[tuple[str, float], ...]) -> None:
    """Write names beside the right end of the axes at their values, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    shown = sorted((value, name) for name, value in marks if low <= value <= high)
    heights = np.array([(value - low) / (high - low) for value, _ in shown])
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + _LABEL_GAP)
    for (value, name), height in zip(shown, heights, strict=True):
        axes.axhline(value, color=ALARM, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            name, xy=(1.0, height), xycoords="axes fraction", xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=9, color=ALARM, annotation_clip=False,
        )  # fmt: skip
