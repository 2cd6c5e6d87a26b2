"""The colours and the style of all pictures, so that a species has the same colour everywhere.

Figures are made and styled as objects, without pyplot, so that the global state of Matplotlib does not change.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from matgym.structures.species import Species

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#2b3038"
"""Text and axes."""

MUTED: Final = "#7a828e"
"""Ticks, captions, reference lines."""

RULE: Final = "#e3e6ea"
"""Grid lines."""

ALARM: Final = "#b3412e"
"""Warnings, such as designs out of distribution."""

VALUE: Final = "#4477aa"
"""Achieved values."""

TARGET: Final = "#aa3377"
"""Targets. They also have another marker than achieved values: a triangle instead of a disc."""

SPECIES_COLOURS: Final[dict[Species, str]] = {
    Species.C12: "#474d57",
    Species.C13: "#7f8793",
    Species.C14: "#b0b7c1",
    Species.B: "#e8883a",
    Species.N: "#2f74c0",
    Species.VACANCY: "#ffffff",
}
"""Orange and blue differ with every common kind of colour blindness and in grey; isotopes are lighter than 12C."""

VACANCY_EDGE: Final = "#a9b0ba"
"""Outlines of vacancies."""


class MethodStyle(NamedTuple):
    """The style of a method: a colour and a marker, each of which identifies the method."""

    colour: str
    marker: str


METHOD_STYLES: Final = (
    MethodStyle("#4477aa", "o"),
    MethodStyle("#ee6677", "s"),
    MethodStyle("#228833", "^"),
    MethodStyle("#aa3377", "D"),
    MethodStyle("#ccbb44", "v"),
    MethodStyle("#66ccee", "P"),
    MethodStyle("#8a9099", "X"),
)
"""Paul Tol's "bright" qualitative scheme (SRON/EPS/TN/09-002), which is safe for colour-blind readers."""


def method_styles(names: Iterable[str]) -> dict[str, MethodStyle]:
    """Return a style for each method, by its position in `names`."""
    return {name: METHOD_STYLES[i % len(METHOD_STYLES)] for i, name in enumerate(names)}


def new_figure(width_in: float = 6.4, height_in: float = 4.0, dpi: float = 100.0) -> "Figure":
    """Return an empty white figure with an Agg canvas; pyplot keeps no reference to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes() -> "Axes":
    """Return the only axes of a new figure, in our style; the figure is `axes.figure`."""
    axes = new_figure().add_subplot()
    tidy(axes)
    return axes


def tidy(axes: "Axes", grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Apply our style to axes, in place: no top and right spine, grey ticks, readable sizes, and a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=VACANCY_EDGE, linewidth=0.8)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=10, length=3.5, width=0.8)
    axes.xaxis.label.set(color=INK, fontsize=11)
    axes.yaxis.label.set(color=INK, fontsize=11)
    axes.set_axisbelow(True)
    axes.grid(visible=False)
    if grid:
        axes.grid(visible=True, axis=grid, color=RULE, linewidth=0.8)
