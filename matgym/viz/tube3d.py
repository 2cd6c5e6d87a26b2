"""Pictures of rolled tubes: a 3-D view for web pages, which needs no network, and a still picture.

The bonds are those of `tube.bonds`, including turned ones. Bonds through the periodic boundary, vacancies and their
bonds are omitted. 3Dmol.js (Rego and Koes, Bioinformatics 31, 1322 (2015)), a copy of which is in `vendor/`, draws the
view.
"""

import base64
import html
import io
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from matgym.errors import ConfigurationError
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import SPECIES_DATA, Species
from matgym.typing import FloatArray, IntArray
from matgym.viz.palette import SPECIES_COLOURS, VACANCY_EDGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ATOM_RADIUS_ANGSTROM: Final = 0.36
BOND_RADIUS_ANGSTROM: Final = 0.13
YAW, PITCH = np.deg2rad([-32.0, 14.0])
"""The angles of the view, rad: the axis points to the right, the open end towards the viewer."""

DISC_LAYERS: Final = 6
"""The number of discs of a shaded ball: an outline, and discs that are brighter towards the light."""

STRIP_LAYERS: Final = 3
"""The number of strips of a shaded half of a bond."""


def script_tag() -> str:
    """Return the 3Dmol library and the style of the views; a page needs them once, before the first `tube_html`."""
    library, view = (
        resources.files("matgym.viz").joinpath(name).read_text(encoding="utf-8")
        for name in ("vendor/3Dmol-min.js", "tube3d.html")
    )
    return f"<script>{library}</script>\n{view}"


def tube_html(tube: Nanotube, element_id: str) -> str:
    """Return HTML with a 3-D view of a tube, which the mouse turns, above a legend.

    Without JavaScript or WebGL, and on paper, the picture of `draw_tube` replaces the view.

    Args:
        tube: the tube. Browsers support about a dozen such views per page.
        element_id: the id of the element, unique in the page.

    Raises:
        ConfigurationError: if `element_id` is not letters, digits, "-" and "_".
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", element_id, re.ASCII):
        raise ConfigurationError(f"element id {element_id!r} must be a letter, then letters, digits, '-' and '_'")
    scene = {
        "atoms": _atoms(tube),
        "atomRadius": ATOM_RADIUS_ANGSTROM,
        "bondRadius": BOND_RADIUS_ANGSTROM,
        "yaw": round(float(np.rad2deg(YAW)), 1),
        "pitch": round(float(np.rad2deg(PITCH)), 1),
    }
    return (
        f'<div class="tube3d" id="{element_id}">'
        f'<img alt="{html.escape(str(tube))}" src="data:image/png;base64,{_still(tube)}"></div>\n'
        f'<div class="tube-legend">{_legend(tube)}</div>\n'
        f'<script>matgymTube("{element_id}", {json.dumps(scene, separators=(",", ":"))})</script>'
    )


def visible(tube: Nanotube) -> tuple[IntArray, IntArray]:
    """Return (atoms,) sites with an atom, and (bonds, 2) pairs of such sites that are bonded within the cell."""
    occupied = tube.species != Species.VACANCY
    bonds = tube.bonds
    kept = (bonds[:, 2] == 0) & occupied[bonds[:, 0]] & occupied[bonds[:, 1]]
    return np.flatnonzero(occupied), bonds[kept, :2]


def seen(tube: Nanotube) -> FloatArray:
    """Return (n_sites, 3) positions in the coordinates of the view: right, up, towards the viewer, Å."""
    x, y, z = (tube.positions_angstrom - [0.0, 0.0, tube.length_angstrom / 2.0]).T
    right, towards = z * np.cos(YAW) + x * np.sin(YAW), x * np.cos(YAW) - z * np.sin(YAW)
    up, towards = y * np.cos(PITCH) - towards * np.sin(PITCH), towards * np.cos(PITCH) + y * np.sin(PITCH)
    return np.stack([right, up, towards], axis=1)


def draw_tube(
    axes: "Axes", tube: Nanotube, colours: FloatArray | None = None, radii_angstrom: FloatArray | None = None
) -> None:
    """Draw the rolled tube in perspective: shaded balls and sticks, paler at larger distance.

    The default of the (n_sites, 3) colours, from 0 to 1, is by species; that of the (n_sites,) radii is one radius for
    all.
    """
    from matplotlib.collections import PolyCollection

    sites, bonds = visible(tube)
    points = seen(tube)  # (n_sites, 3): right, up, towards us, Å
    colours = _colours(tube) if colours is None else colours
    radii = np.full(tube.n_sites, ATOM_RADIUS_ANGSTROM) if radii_angstrom is None else radii_angstrom
    camera = 4.0 * np.abs(points).max(initial=1.0)
    near, far = points[:, 2].max(), points[:, 2].min()
    shapes: list[tuple[float, FloatArray, FloatArray]] = []  # depth, polygon, colour

    def add(depth: float, polygon: FloatArray, colour: FloatArray) -> None:
        haze = 0.62 * ((near - depth) / max(near - far, 1e-9)) ** 1.2
        shapes.append((depth, polygon, np.clip(colour + haze * (1.0 - colour), 0.0, 1.0)))

    for site in sites:
        depth, scale = points[site, 2], camera / (camera - points[site, 2])
        for polygon, light in _ball(points[site, :2] * scale, radii[site] * scale):
            add(depth, polygon, _lit(colours[site], light))
    for pair in bonds:
        middle = points[pair].mean(axis=0)
        for site in pair:
            start = points[site] + 0.9 * radii[site] * _unit(middle - points[site])
            ends = np.stack([start, middle])
            scale = camera / (camera - ends[:, 2:])
            for polygon, light in _stick(ends[:, :2] * scale, BOND_RADIUS_ANGSTROM * scale):
                add(ends[:, 2].mean(), polygon, _lit(colours[site], light))

    shapes.sort(key=lambda shape: shape[0])
    axes.add_collection(
        PolyCollection(
            [polygon for _, polygon, _ in shapes], facecolors=np.array([colour for *_, colour in shapes]), linewidths=0
        )
    )
    corners = np.concatenate([polygon for _, polygon, _ in shapes]) if shapes else points[:, :2]
    axes.set_xlim(corners[:, 0].min() - 0.3, corners[:, 0].max() + 0.3)
    axes.set_ylim(corners[:, 1].min() - 0.3, corners[:, 1].max() + 0.3)
    axes.set_aspect("equal")
    axes.set_axis_off()


# ---- the still picture


def _ball(centre: FloatArray, radius: float) -> list[tuple[FloatArray, float]]:
    """Return `DISC_LAYERS` discs with their light, from the dark outline to the highlight."""
    angles = np.linspace(0.0, 2.0 * np.pi, 28, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    discs = [(centre + radius * circle, -0.35)]
    for share in np.linspace(0.0, 1.0, DISC_LAYERS - 1):
        offset = radius * share * np.array([-0.3, 0.34])
        discs.append((centre + offset + radius * (0.93 - 0.75 * share) * circle, -0.08 + 0.5 * share**1.5))
    return discs


def _stick(ends: FloatArray, radius: FloatArray) -> list[tuple[FloatArray, float]]:
    """Return `STRIP_LAYERS` quadrilaterals along a line with their light."""
    along = _unit(ends[1] - ends[0])
    across = np.array([-along[1], along[0]])
    across = across if across @ [-0.3, 0.34] > 0 else -across  # the light comes from the upper left
    strips = []
    for upper, lower, light in ((1.0, 1.0, -0.3), (0.75, 0.6, -0.02), (0.6, -0.05, 0.22)):
        strips.append((np.concatenate([ends + upper * radius * across, (ends - lower * radius * across)[::-1]]), light))
    return strips


def _lit(colour: FloatArray, light: float) -> FloatArray:
    """Return a colour mixed with white (light > 0) or black (light < 0)."""
    return colour + light * (1.0 - colour) if light > 0 else colour * (1.0 + light)


def _unit(vector: FloatArray) -> FloatArray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _colours(tube: Nanotube) -> FloatArray:
    """Return (n_sites, 3) colours: red, green and blue, 0 to 1."""
    from matplotlib.colors import to_rgb

    table = np.array([to_rgb(SPECIES_COLOURS[species]) for species in Species])
    return np.asarray(table[tube.species])


def _still(tube: Nanotube) -> str:
    """Return the still picture as PNG in base64."""
    figure = new_figure(6.0, 4.0, dpi=160)
    draw_tube(figure.add_subplot(), tube)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


# ---- the page


def _atoms(tube: Nanotube) -> list[dict[str, object]]:
    """Return the atoms in the format of 3Dmol, with x along the axis of the tube."""
    sites, bonds = visible(tube)
    place = {int(site): i for i, site in enumerate(sites)}
    bonded: list[list[int]] = [[] for _ in sites]
    for first, second in bonds.tolist():
        bonded[place[first]].append(place[second])
        bonded[place[second]].append(place[first])
    atoms: list[dict[str, object]] = []
    positions = tube.positions_angstrom.round(3).tolist()
    for site, others in zip(sites, bonded, strict=True):
        x, y, z = positions[site]
        species = Species(tube.species[site])
        atoms.append(
            {
                "elem": SPECIES_DATA[species].symbol,
                "color": SPECIES_COLOURS[species],
                "x": z,
                "y": y,
                "z": x,
                "bonds": others,
                "bondOrder": [1] * len(others),
            }
        )
    return atoms


def _legend(tube: Nanotube) -> str:
    return "".join(
        f'<span><i style="background:{SPECIES_COLOURS[species]}'
        f'{f";border:1px dashed {VACANCY_EDGE}" if species is Species.VACANCY else ""}"></i>'
        f"{SPECIES_DATA[species].label} {count}</span>"
        for species, count in tube.counts.items()
        if count
    )
