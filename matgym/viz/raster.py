"""Pictures of unrolled tubes: on axes, on a grid, coloured by attributions, and as text."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.structures.nanotube import Nanotube
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.typing import BoolArray, FloatArray
from matgym.units import POISSON_RATIO
from matgym.viz.palette import INK, MUTED, SPECIES_COLOURS, VACANCY_EDGE, new_figure
from matgym.viz.tube3d import ATOM_RADIUS_ANGSTROM, draw_tube

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

DIVERGING: Final = ("#5b1a6b", "#9a63a8", "#e4e6ea", "#4f9e62", "#0f5c2e")
"""Colours from negative to positive values: safe for colour-blind readers, and unlike the colours of B and N."""

DECORATED_RADIUS_ANGSTROM: Final = 0.60
"""The radius of atoms other than carbon in attributions. They are larger, because colours show the values."""

_COLUMNS: Final = 4

_CARBON_DIAMETER_ANGSTROM: Final = 0.62
_OTHER_DIAMETER_ANGSTROM: Final = 0.88
"""The diameters of drawn discs; atoms other than 12C are larger."""


def draw_sheet(axes: "Axes", tube: Nanotube) -> None:
    """Draw the unrolled tube: atoms coloured by species, bonds, and a legend with counts.

    Bonds across an edge are drawn as stubs on both sides. The longer side of the sheet is horizontal.
    """
    from matplotlib.collections import EllipseCollection, LineCollection

    positions, vectors = _sheet(tube)  # (n_sites, 2), (3, 2), Å
    names = ["around the tube", "along the axis"]
    if tube.length_angstrom > np.pi * tube.diameter_nm * 10.0:
        positions, vectors, names = positions[:, ::-1], vectors[:, ::-1], names[::-1]

    stubs = _half_bonds(tube, positions, vectors)
    axes.add_collection(LineCollection(list(stubs), colors=VACANCY_EDGE, linewidths=1.6, capstyle="round", zorder=1))
    for species, count in tube.counts.items():
        if not count:
            continue
        empty = species is Species.VACANCY
        look: dict[str, Any] = {
            "facecolors": SPECIES_COLOURS[species],
            "edgecolors": VACANCY_EDGE if empty else "white",
            "linewidths": 0.9 if empty else 0.6,
            "linestyles": "--" if empty else "-",
        }
        size = [_CARBON_DIAMETER_ANGSTROM if species is Species.C12 else _OTHER_DIAMETER_ANGSTROM]
        held = positions[tube.species == species]
        axes.add_collection(
            EllipseCollection(
                size, size, [0.0], units="xy", offsets=held, offset_transform=axes.transData, zorder=2, **look
            )
        )
        axes.scatter([], [], s=46, label=f"{SPECIES_DATA[species].label}  {count}", **look)  # for the legend
    _frame_axes(axes, positions, names)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(Species), frameon=False, fontsize=8, labelcolor=INK,
        handletextpad=0.1, columnspacing=0.9, borderaxespad=2.4,
    )  # fmt: skip


def grid(tubes: Sequence[Nanotube], captions: Sequence[str]) -> "Figure":
    """Return a figure with unrolled tubes on a grid, each below its caption."""
    columns, rows = _COLUMNS, math.ceil(len(tubes) / _COLUMNS)
    figure = new_figure(3.2 * columns, 3.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, tube, caption in zip(panels, tubes, captions, strict=False):
        draw_sheet(panel, tube)
        panel.set_title(caption, fontsize=10, color=INK)
    for panel in panels[len(tubes) :]:
        panel.set_axis_off()
    return figure


def ansi(tube: Nanotube, caption: str = "") -> str:
    """Return the tube as text, with one letter per site, as a brick wall: a honeycomb with right angles.

    Neighbouring letters are bonded. Every second letter, an A atom, is also bonded to the B atom above it, so that each
    row begins one atom further to the right. The rows are those of the raster.
    """
    letters = np.array([SPECIES_DATA[species].letter for species in Species])
    rows = letters[tube.image].transpose(1, 2, 0).reshape(tube.image.shape[1], -1)  # (H, 2 W): A B A B …
    lines = ["  " * i + " ".join(row) for i, row in enumerate(rows)]
    return "\n".join([caption, *lines] if caption else lines)


# ---- attributions: each atom has the colour of its value, on the rolled and the unrolled tube


def attribution_figure(tube: Nanotube, values: Mapping[str, FloatArray], unit: str, caption: str = "") -> "Figure":
    """Return a figure with one row per method: the rolled tube, the unrolled tube, and the colour bar.

    `values` maps the label of the colour bar to (n_sites,) values in `unit`, in raster order.
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
    """Return colours for values of either sign: grey at zero, symmetric, strongest at the largest absolute value."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    limit = float(np.abs(values).max(initial=0.0)) or 1.0
    return ScalarMappable(Normalize(-limit, limit), LinearSegmentedColormap.from_list("attribution", DIVERGING))


def draw_attributed_sheet(axes: "Axes", tube: Nanotube, values: FloatArray, colours: "ScalarMappable") -> None:
    """Draw the unrolled tube, with its discs in the colours of their (n_sites,) values.

    The axis points to the right, and the side that faces the viewer is in the middle, as in the 3-D view. Letters mark
    sites without carbon.
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
    """Return (n_sites,) radii of the drawn atoms, Å."""
    return np.where(_decorated(tube), DECORATED_RADIUS_ANGSTROM, ATOM_RADIUS_ANGSTROM)


# ---- geometry of the sheet


def _sheet(tube: Nanotube) -> tuple[FloatArray, FloatArray]:
    """Return (n_sites, 2) positions and the (3, 2) bonds of an A atom, around and along the strained tube, Å."""
    size = np.array([np.pi * tube.diameter_nm * 10.0, tube.length_angstrom])
    strain = np.array([1.0 - POISSON_RATIO * tube.strain, 1.0 + tube.strain])
    return tube.lattice.site_fractions * size, tube.lattice.bond_vectors * strain


def _half_bonds(tube: Nanotube, positions: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return (2 bonds, 2, 2) lines from each atom to the middle of each of its bonds, Å."""
    a_sites, b_sites, _ = tube.lattice.bonds.T
    half = np.repeat(vectors, tube.lattice.n_cells, axis=0) / 2.0
    kept = (tube.species[a_sites] != Species.VACANCY) & (tube.species[b_sites] != Species.VACANCY)
    from_a = np.stack([positions[a_sites], positions[a_sites] + half], axis=1)
    from_b = np.stack([positions[b_sites], positions[b_sites] - half], axis=1)
    return np.concatenate([from_a[kept], from_b[kept]])


def _frame_axes(axes: "Axes", positions: FloatArray, names: list[str], margin: float = 1.3, fontsize: int = 8) -> None:
    lowest, highest = positions.min(axis=0) - margin, positions.max(axis=0) + margin
    axes.set(xlim=(lowest[0], highest[0]), ylim=(lowest[1], highest[1]), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{names[0]} →", fontsize=fontsize, color=MUTED, loc="left", labelpad=3)
    axes.set_ylabel(f"{names[1]} →", fontsize=fontsize, color=MUTED, loc="bottom")
