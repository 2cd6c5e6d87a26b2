"""Parts of physics figures that mark published values: one look for all that is literature, unlike what is ours.

What was computed is drawn in colours and full lines; what was published is drawn in ink, as open diamonds with error
bars, dashed lines and grey bands. Everything takes axes and plain arrays or numbers.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.structures.species import Species
from matgym.typing import FloatArray
from matgym.viz.palette import INK, METHOD_STYLES, MUTED, SPECIES_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND: Final = "#d9dde2"
"""Fill of tolerances and error bars of literature values."""

DESIGN_COLOURS: Final[dict[str, str]] = {
    "pristine": MUTED,
    "nitrogen": SPECIES_COLOURS[Species.N],
    "boron": SPECIES_COLOURS[Species.B],
    "vacancy": METHOD_STYLES[3].colour,
    "Stone–Wales": METHOD_STYLES[2].colour,
    "isotopes": METHOD_STYLES[4].colour,
}
"""What is done to a tube, always in the same colour."""

TEXT_SIZE: Final = 9.5


def note(
    axes: "Axes", x: float, y: float, text: str, colour: str = INK, *, across: str = "left", up: str = "center"
) -> None:
    """A label at a place of the data, on a white ground so that curves do not run through it.

    `across` and `up` say which side of the text stands at (x, y).
    """
    ground = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    axes.text(
        x, y, text, color=colour, fontsize=TEXT_SIZE, ha=across, va=up, linespacing=1.25, zorder=6, bbox=ground
    )  # fmt: skip


def panel_title(axes: "Axes", text: str) -> None:
    """What a panel shows, above it at the left."""
    axes.set_title(text, loc="left", fontsize=11, color=INK)


def published_point(
    axes: "Axes", x: float, y: float, *, x_error: float | None = None, y_error: float | None = None
) -> None:
    """A published value with its error bars, an open diamond."""
    axes.errorbar(
        x, y, xerr=x_error, yerr=y_error, fmt="D", markersize=6, markerfacecolor="white", markeredgecolor=INK,
        markeredgewidth=1.3, ecolor=INK, elinewidth=1.2, capsize=3, zorder=5,
    )  # fmt: skip


def published_line(axes: "Axes", x: FloatArray, y: FloatArray, error: FloatArray | float = 0.0) -> None:
    """A published law, (P,) values at (P,) places, as a dashed line with the band of its error."""
    if np.any(error):
        axes.fill_between(x, y - error, y + error, color=BAND, alpha=0.7, linewidth=0, zorder=0.5)
    axes.plot(x, y, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=3.5)


def published_level(axes: "Axes", value: float, error: float = 0.0, *, upright: bool = False) -> None:
    """A published value that holds all along the abscissa, or upright: a dashed line with the band of its error."""
    line, span = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
    if error:
        span(value - error, value + error, color=BAND, alpha=0.7, linewidth=0, zorder=0.5)
    line(value, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=3.5)


def bands(axes: "Axes", x: FloatArray, lines: FloatArray, colour: str, *, strong: bool = False) -> None:
    """(K, M) branches of a dispersion relation over (K,) wave numbers; strong ones are what the figure is about."""
    axes.plot(x, lines, color=colour, linewidth=1.8 if strong else 0.6, zorder=3 if strong else 2)
