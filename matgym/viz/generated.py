"""Pictures of generated tubes: a grid of them, and what a walk through the latent space passes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from matgym.structures import Nanotube
from matgym.viz.palette import INK, new_figure
from matgym.viz.raster import draw_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS: Final = 4


def grid(tubes: Sequence[Nanotube], captions: Sequence[str], columns: int = COLUMNS) -> "Figure":
    """The tubes, cut open and laid flat, each under its caption."""
    rows = math.ceil(len(tubes) / columns)
    figure = new_figure(3.2 * columns, 3.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, tube, caption in zip(panels, tubes, captions, strict=False):
        draw_sheet(panel, tube)
        panel.set_title(caption, fontsize=10, color=INK)
    for panel in panels[len(tubes) :]:
        panel.set_axis_off()
    return figure
