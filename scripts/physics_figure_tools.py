"""What the figures of `scripts/physics_figures.py` share: published values, designs, panels."""

import sys
from pathlib import Path

import numpy as np

from matgym.physics import PiParameters
from matgym.physics.phonons.force_constants import pristine_force_constants
from matgym.physics.phonons.vibrations import Vibrations
from matgym.structures import Nanotube, Species
from matgym.units import CARBON_BOND_ANGSTROM
from matgym.viz.palette import METHOD_STYLES, new_figure, tidy

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images" / "physics"
sys.path.insert(0, str(ROOT / "tests" / "physics"))
from published import PUBLISHED  # noqa: E402  # data of the tests, which are no package

PUBLISHED_BY_KEY = {row.key: row for row in PUBLISHED}
BLUE, RED, GREEN, PURPLE, OLIVE, _, GREY = (style.colour for style in METHOD_STYLES)
PARAMETERS = PiParameters()
BOND_NM = CARBON_BOND_ANGSTROM / 10
SEED = 1


def published(key):
    """Value and tolerance of a published quantity."""
    row = PUBLISHED_BY_KEY[key]
    return row.value, row.tolerance


def flag(key):
    return f"({PUBLISHED_BY_KEY[key].flag})"


def panels(width_in, height_in, columns, ratios=None):
    figure = new_figure(width_in, height_in, 160)
    figure.get_layout_engine().set(wspace=0.05)
    axes = figure.subplots(1, columns, width_ratios=ratios)
    for each in axes:
        tidy(each)
    return figure, axes


def middle_site(tube):
    """An A site half-way up the tube."""
    heights = tube.lattice.site_fractions[: tube.lattice.n_cells, 1]
    return int(np.abs(heights - 0.5).argmin())


def designs(n, m, cells):
    """The pristine tube and what is done to it: one nitrogen, one vacancy, one turned bond, the most axial one."""
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
    """Half of the atoms 13C, at random."""
    sites = np.random.default_rng(SEED).permutation(tube.n_sites)[: tube.n_sites // 2]
    return tube.decorated(dict.fromkeys(sites.tolist(), Species.C13))


def computed(values_and_failures):
    """The values, where there are no failures."""
    values, failures = values_and_failures
    if failures:
        sys.exit(f"not computed: {failures}")
    return values


def helical_lines(n, m, thetas):
    """(lines, K, 6) frequencies in rad/ps at phases kT from cell to cell: one line a wave vector around the tube."""
    constants = pristine_force_constants(n, m)
    tube, folds = Nanotube(n, m), constants.slabs.folds
    rings, around = (int(count) for count in constants.slabs.ring(np.array(tube.lattice.translation)))
    gained = 2 * np.pi * np.arange(folds)[:, None, None] * around / folds
    turns = (thetas + 2 * np.pi * np.arange(rings)[:, None] - gained) / rings  # (folds, rings, K)
    found = Vibrations.helical_bands(constants, turns.reshape(folds, -1))
    return found.reshape(folds * rings, len(thetas), 6)


def name_below(figure, names):
    """One row of names of lines under all the panels."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, linewidth=2.2, label=name) for name, colour in names]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=10)


def count_modes(n, m, omega):
    """(W,) branches that run upwards through each frequency: crossings of all lines over half the zone."""
    lines = helical_lines(n, m, np.linspace(-np.pi, np.pi, 2001))
    below = lines[:, :-1, :, None] < omega
    crossed = below != (lines[:, 1:, :, None] < omega)
    return crossed.sum(axis=(0, 1, 2)) / 2


def save(figure, path):
    """A PNG of at most 256 colours: a third of the size, and no difference to the eye."""
    from PIL import Image

    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True, dpi=(160, 160))
