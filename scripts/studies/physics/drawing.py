"""Code that the figures of physics share: published values and their style, designs, panels.

Computed values are drawn as coloured full lines. Published values are drawn in ink: open diamonds with error bars,
dashed lines and grey bands.
"""

import numpy as np
from matplotlib.lines import Line2D
from PIL import Image

from matgym.physics import PiParameters
from matgym.physics.phonons.force_constants import pristine_force_constants
from matgym.physics.phonons.vibrations import Vibrations
from matgym.physics.validation import PUBLISHED
from matgym.structures import Nanotube, Species
from matgym.units import CARBON_BOND_ANGSTROM
from matgym.viz.palette import INK, METHOD_STYLES, MUTED, SPECIES_COLOURS, new_figure, tidy

BLUE, RED, GREEN, PURPLE, OLIVE, _, GREY = (style.colour for style in METHOD_STYLES)
PARAMETERS = PiParameters()
BOND_NM = CARBON_BOND_ANGSTROM / 10
SEED = 1
ROWS = {row.key: row for row in PUBLISHED}

BAND = "#d9dde2"
"""The fill colour of tolerances and error bars of published values."""

DESIGN_COLOURS = {
    "pristine": MUTED,
    "nitrogen": SPECIES_COLOURS[Species.N],
    "boron": SPECIES_COLOURS[Species.B],
    "vacancy": METHOD_STYLES[3].colour,
    "Stone–Wales": METHOD_STYLES[2].colour,
    "isotopes": METHOD_STYLES[4].colour,
}
"""The colours of tubes by their modification."""

TEXT_SIZE = 9.5


def note(axes, x, y, text, colour=INK, *, ha="left", va="center"):
    """Write a label at a place of the data, on a white ground so that curves do not cross it."""
    ground = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    look = {"fontsize": TEXT_SIZE, "linespacing": 1.25, "zorder": 6, "bbox": ground}
    axes.text(x, y, text, color=colour, ha=ha, va=va, **look)


def panel_title(axes, text):
    """Write the title of a panel above it at the left."""
    axes.set_title(text, loc="left", fontsize=11, color=INK)


def published_point(axes, x, y, *, x_error=None, y_error=None):
    """Draw a published value with its error bars as an open diamond."""
    axes.errorbar(
        x, y, xerr=x_error, yerr=y_error, fmt="D", markersize=6, markerfacecolor="white", markeredgecolor=INK,
        markeredgewidth=1.3, ecolor=INK, elinewidth=1.2, capsize=3, zorder=5,
    )  # fmt: skip


def published_line(axes, x, y, error=0.0):
    """Draw a published law as a dashed line, with the band of its error."""
    if np.any(error):
        axes.fill_between(x, y - error, y + error, color=BAND, alpha=0.7, linewidth=0, zorder=0.5)
    axes.plot(x, y, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=3.5)


def published_level(axes, value, error=0.0, *, upright=False):
    """Draw a published value that applies along the whole axis as a dashed line, with the band of its error."""
    line, span = (axes.axvline, axes.axvspan) if upright else (axes.axhline, axes.axhspan)
    if error:
        span(value - error, value + error, color=BAND, alpha=0.7, linewidth=0, zorder=0.5)
    line(value, color=INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=3.5)


def bands(axes, x, lines, colour, *, strong=False):
    """Draw the branches of a dispersion relation."""
    axes.plot(x, lines, color=colour, linewidth=1.8 if strong else 0.6, zorder=3 if strong else 2)


def published(key):
    """Return value and tolerance of a published quantity."""
    row = ROWS[key]
    return row.value, row.tolerance


def flag(key):
    return f"({ROWS[key].flag})"


def panels(width_in, height_in, columns, ratios=None):
    figure = new_figure(width_in, height_in, 160)
    figure.get_layout_engine().set(wspace=0.05)
    axes = figure.subplots(1, columns, width_ratios=ratios)
    for each in axes:
        tidy(each)
    return figure, axes


def middle_site(tube):
    """Return an A site in the middle of the tube."""
    heights = tube.lattice.site_fractions[: tube.lattice.n_cells, 1]
    return int(np.abs(heights - 0.5).argmin())


def designs(n, m, cells):
    """Return the tube pristine, with one nitrogen, with one vacancy, and with its most axial bond turned."""
    tube = Nanotube(n, m, cells)
    site = middle_site(tube)
    axial = int(np.abs(tube.lattice.bond_vectors[:, 1]).argmax())
    return {
        "pristine": tube,
        "nitrogen": tube.decorated({site: "N"}),
        "vacancy": tube.decorated({site: "vacancy"}),
        "Stone–Wales": tube.turned((site, int(tube.lattice.neighbours[site][axial]))),
    }


def mixed_isotopes(tube):
    """Replace half of the atoms by 13C, at random."""
    sites = np.random.default_rng(SEED).permutation(tube.n_sites)[: tube.n_sites // 2]
    return tube.decorated(dict.fromkeys(sites.tolist(), Species.C13))


def computed(values_and_failures):
    """Return the values, and exit if there are failures."""
    values, failures = values_and_failures
    if failures:
        raise SystemExit(f"these values could not be computed: {failures}")
    return values


def helical_lines(n, m, thetas):
    """Return (lines, K, 6) frequencies in rad/ps at phases kT from cell to cell, by wave vector around the tube."""
    constants = pristine_force_constants(n, m)
    tube, folds = Nanotube(n, m), constants.slabs.folds
    rings, around = (int(count) for count in constants.slabs.ring(np.array(tube.lattice.translation)))
    gained = 2 * np.pi * np.arange(folds)[:, None, None] * around / folds
    turns = (thetas + 2 * np.pi * np.arange(rings)[:, None] - gained) / rings  # (folds, rings, K)
    frequencies = Vibrations.helical_bands(constants, turns.reshape(folds, -1))
    return frequencies.reshape(folds * rings, len(thetas), 6)


def name_below(figure, names):
    """Write a row of names of lines under all the panels."""
    handles = [Line2D([], [], color=colour, linewidth=2.2, label=name) for name, colour in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)


def count_modes(n, m, omega):
    """Return the (W,) number of branches with positive slope at each frequency, from all lines over half the zone."""
    lines = helical_lines(n, m, np.linspace(-np.pi, np.pi, 2001))
    below = lines[:, :-1, :, None] < omega
    crossed = below != (lines[:, 1:, :, None] < omega)
    return crossed.sum(axis=(0, 1, 2)) / 2


def save(figure, path):
    """Save a PNG of at most 256 colours, which has a third of the size and looks the same."""
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True, dpi=(160, 160))
