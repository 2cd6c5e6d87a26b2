"""Attributions on the tube: every atom in the colour of its value, rolled in 3-D and unrolled beside it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.structures.nanotube import Nanotube
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.typing import BoolArray, FloatArray
from matgym.viz.palette import INK, MUTED, VACANCY_EDGE, new_figure
from matgym.viz.raster import _frame_axes, _half_bonds, _sheet
from matgym.viz.tube3d import ATOM_RADIUS_ANGSTROM, draw_tube

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

DIVERGING: Final = ("#5b1a6b", "#9a63a8", "#e4e6ea", "#4f9e62", "#0f5c2e")
"""From below zero to above: purple and green, safe for colour-blind readers, and unlike the colours of B and N."""

DECORATED_RADIUS_ANGSTROM: Final = 0.60
"""What is not carbon stands out by size, since colour speaks of the value."""


def attribution_figure(tube: Nanotube, values: Mapping[str, FloatArray], unit: str, caption: str = "") -> "Figure":
    """One row a method: the rolled tube, the unrolled one, and the colours' meaning.

    Args:
        tube: whose sites are coloured.
        values: label of the colour bar to (n_sites,) values in `unit`, in raster order.
        unit: of all values.
        caption: a line of text above.
    """
    figure = new_figure(10.0, 0.5 + 3.9 * len(values), 130)
    grid = figure.add_gridspec(len(values), 3, width_ratios=(1.75, 1.0, 0.05), wspace=0.03)
    for row, (label, of_sites) in enumerate(values.items()):
        colours = diverging(of_sites)
        rolled = figure.add_subplot(grid[row, 0])
        draw_tube(rolled, tube, np.asarray(colours.to_rgba(of_sites))[:, :3], _radii(tube))
        draw_attributed_sheet(figure.add_subplot(grid[row, 1]), tube, of_sites, colours)
        bar = figure.colorbar(colours, cax=figure.add_subplot(grid[row, 2]))
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=10, length=3.5, width=0.8)
        bar.set_label(f"{label}, {unit}", color=INK, fontsize=11)
    figure.suptitle(caption, fontsize=11, color=INK)
    return figure


def diverging(values: FloatArray) -> "ScalarMappable":
    """Colours for values of either sign: grey at zero, equally strong on both sides, strongest at the largest."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    limit = float(np.abs(values).max(initial=0.0)) or 1.0
    return ScalarMappable(Normalize(-limit, limit), LinearSegmentedColormap.from_list("attribution", DIVERGING))


def draw_attributed_sheet(axes: "Axes", tube: Nanotube, values: FloatArray, colours: "ScalarMappable") -> None:
    """Draw the tube cut open and laid flat, its discs in the colours of their (n_sites,) values.

    The axis points to the right and what faces the viewer stands in the middle, as in the 3-D view; letters name what
    is not carbon.
    """
    from matplotlib.collections import EllipseCollection, LineCollection

    positions, vectors = (pair[:, ::-1] for pair in _sheet(tube))  # (n_sites, 2), (3, 2): along, around, Å
    around = np.pi * tube.diameter_nm * 10.0
    positions = np.stack([positions[:, 0], (positions[:, 1] + around / 2) % around - around / 2], axis=1)
    stubs = _half_bonds(tube, positions, vectors)
    axes.add_collection(LineCollection(list(stubs), colors=VACANCY_EDGE, linewidths=1.4, capstyle="round", zorder=1))
    size = 2.0 * _radii(tube)
    fills = colours.to_rgba(values)
    axes.add_collection(
        EllipseCollection(
            size, size, np.zeros(len(size)), units="xy", offsets=positions, offset_transform=axes.transData, zorder=2,
            facecolors=fills, edgecolors=MUTED, linewidths=np.where(_decorated(tube), 0.9, 0.4),
        )
    )  # fmt: skip
    for site in np.flatnonzero(_decorated(tube)):
        letter = SPECIES_DATA[Species(int(tube.species[site]))].letter
        dark = np.asarray(fills)[site, :3].mean() < 0.55
        x, y = positions[site]
        axes.text(
            x, y, letter, ha="center", va="center_baseline", fontsize=8, color="white" if dark else INK, zorder=3,
        )  # fmt: skip
    _frame_axes(axes, positions, ["along the axis", "around the tube"], margin=1.0, fontsize=9)


def _decorated(tube: Nanotube) -> BoolArray:
    return ~np.isin(tube.species, CARBONS)


def _radii(tube: Nanotube) -> FloatArray:
    """(n_sites,) Å."""
    return np.where(_decorated(tube), DECORATED_RADIUS_ANGSTROM, ATOM_RADIUS_ANGSTROM)
