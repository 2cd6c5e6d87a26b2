"""The colours and the manner of every picture: one place, so that boron looks the same everywhere.

Nothing here touches Matplotlib's global state: figures are made and styled as objects, and pyplot is not used.
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
"""What deserves a second look, such as designs out of distribution."""

VALUE: Final = "#4477aa"
"""What was reached."""

TARGET: Final = "#aa3377"
"""What is to be reached. Blue and purple differ by their marks as well: a disc, a triangle."""

SPECIES_COLOURS: Final[dict[Species, str]] = {
    Species.C12: "#474d57",
    Species.C13: "#7f8793",
    Species.C14: "#b0b7c1",
    Species.B: "#e8883a",
    Species.N: "#2f74c0",
    Species.VACANCY: "#ffffff",
}
"""Orange and blue differ for every common kind of colour blindness, and in grey; isotopes are tints of carbon."""

VACANCY_EDGE: Final = "#a9b0ba"
"""Outline of an empty site."""


class MethodStyle(NamedTuple):
    """How one method is drawn: the marker says again what the colour says."""

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
    """A style for each method, by its place among `names`: give the same order to have the same colours."""
    return {name: METHOD_STYLES[i % len(METHOD_STYLES)] for i, name in enumerate(names)}


def new_figure(width_in: float = 6.4, height_in: float = 4.0, dpi: float = 100.0) -> "Figure":
    """An empty white figure with an Agg canvas, known to nothing else: it goes when its last reference goes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes() -> "Axes":
    """The only axes of a new figure, tidied; the figure is `axes.figure`."""
    axes = new_figure().add_subplot()
    tidy(axes)
    return axes


def tidy(axes: "Axes", grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Clean axes in place: no top and right spine, quiet ticks, readable sizes, and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=VACANCY_EDGE, linewidth=0.8)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=10, length=3.5, width=0.8)
    axes.xaxis.label.set(color=INK, fontsize=11)
    axes.yaxis.label.set(color=INK, fontsize=11)
    axes.set_axisbelow(True)
    axes.grid(visible=False)
    if grid:
        axes.grid(visible=True, axis=grid, color=RULE, linewidth=0.8)
