"""Tubes on frames: rolled, unrolled, and not rolled yet."""

from typing import Final

import numpy as np

from matgym.structures.lattice import tube_lattice
from matgym.structures.nanotube import Nanotube
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.viz.canvas import Box, Canvas, blended
from matgym.viz.palette import INK, MUTED, RULE, SPECIES_COLOURS, TARGET, VACANCY_EDGE, VALUE
from matgym.viz.tube3d import PITCH, YAW, seen, visible

_RADII_ANGSTROM: Final = (0.40, 0.62)
"""Of a carbon atom, and of what stands out."""

_HAZE: Final = 0.75
"""How much of the colour of the farthest atom is white."""

_SHOWN_NM: Final = 7.5
"""Length of a tube that a frame of tubes of many sizes has room for."""

_NM: Final = 52.0
"""Pixels of a nanometre there."""

_SHEET_ANGSTROM: Final = 20.0
"""Pixels of an ångström on a sheet that is to be rolled."""


def rolled(canvas: Canvas, box: Box, tube: Nanotube, pending: BoolArray | None = None) -> None:
    """Draw a tube in perspective, as large as a box allows an undecorated tube of its lattice to be.

    Args:
        canvas: to draw on.
        box: where.
        tube: what.
        pending: (n_sites,) sites about which nothing is decided yet, drawn pale.
    """
    bare = seen(Nanotube(tube.n, tube.m, tube.cells))
    low, high = bare.min(axis=0)[:2] - 1.0, bare.max(axis=0)[:2] + 1.0
    scale = min(box.width / (high[0] - low[0]), box.height / (high[1] - low[1]))
    _balls(canvas, box, tube, scale, (low + high) / 2.0, pending)


def at_scale(canvas: Canvas, box: Box, tube: Nanotube) -> None:
    """Draw a tube at a scale that is the same for all: of a longer one, the middle."""
    cells = min(tube.cells, max(1, round(10.0 * _SHOWN_NM / tube.length_angstrom * tube.cells)))
    shown = Nanotube(tube.n, tube.m, cells, strain=tube.strain)
    long = cells < tube.cells or tube.length_angstrom > 10.0 * _SHOWN_NM * 1.1
    axial = shown.positions_angstrom[:, 2] - shown.length_angstrom / 2.0
    _balls(canvas, box, shown, _NM / 10.0, np.zeros(2), None, np.abs(axial) < 5.0 * _SHOWN_NM)
    if long:
        canvas.text(box.right, box.bottom - 6, f"the middle {_SHOWN_NM:g} nm are shown", 11, MUTED, "rm")


def _balls(
    canvas: Canvas,
    box: Box,
    tube: Nanotube,
    scale: float,
    centre: FloatArray,
    pending: BoolArray | None,
    within: BoolArray | None = None,
) -> None:
    """Balls and sticks, the nearest last; `scale` is in pixels an ångström."""
    points = seen(tube)  # (n_sites, 3): right, up, towards us, Å
    middle = np.array([box.x + box.width / 2, box.y + box.height / 2])
    flat = middle + (points[:, :2] - centre) * scale * [1.0, -1.0]
    depth = points[:, 2] - (tube.positions_angstrom[:, 2] - tube.length_angstrom / 2.0) * -np.sin(YAW) * np.cos(PITCH)
    haze = _HAZE * np.clip((depth.max() - depth) / max(float(np.ptp(depth)), 1e-9), 0.0, 1.0)  # of the far wall
    sites, bonds = visible(tube)
    if within is not None:
        sites, bonds = sites[within[sites]], bonds[within[bonds].all(axis=1)]
    undecided = np.zeros(tube.n_sites, dtype=bool) if pending is None else pending
    special = ~np.isin(tube.species, (Species.C12,)) & ~undecided
    radii = np.where(special, _RADII_ANGSTROM[1], _RADII_ANGSTROM[0]) * scale
    shapes: list[tuple[float, int, int]] = [(float(points[site, 2]), int(site), -1) for site in sites]
    shapes += [(float(points[pair, 2].mean()) - 0.3, int(pair[0]), int(pair[1])) for pair in bonds]
    shapes.sort()
    for _, site, other in shapes:
        if other >= 0:
            pale = blended(MUTED, "#ffffff", min((haze[site] + haze[other]) / 2, 0.9))
            canvas.line([flat[site], flat[other]], pale, 0.26 * scale)
            continue
        x, y = flat[site]
        colour = RULE if undecided[site] else SPECIES_COLOURS[Species(int(tube.species[site]))]
        fill = blended(colour, "#ffffff", haze[site])
        edge = VACANCY_EDGE if undecided[site] else blended(fill, "#000000", 0.35)
        canvas.disc(x, y, radii[site], fill, blended(edge, "#ffffff", haze[site]), 0.8)
        if radii[site] > 3.0:  # a highlight, from the upper left
            light = blended(fill, "#ffffff", 0.45)
            canvas.disc(x - 0.3 * radii[site], y - 0.3 * radii[site], 0.32 * radii[site], light)


def unrolled(canvas: Canvas, box: Box, tube: Nanotube, pending: BoolArray | None = None) -> None:
    """Draw a tube cut open and laid flat, as large as a box allows.

    The axis points to the right, and what faces us on the rolled tube stands in the middle. Bonds across an edge are
    drawn as stubs on both sides; turned ones in purple.
    """
    size = np.array([tube.length_angstrom, 10.0 * np.pi * tube.diameter_nm])
    scale = min(box.width / (size[0] + 2.0), box.height / (size[1] + 2.0))
    flat = _flat(tube)
    low = np.array([box.x + (box.width - scale * size[0]) / 2, box.y + (box.height + scale * size[1]) / 2])

    def at(places: FloatArray) -> FloatArray:
        return low + places * scale * [1.0, -1.0]

    first, second, _ = tube.bonds.T
    kept = (tube.species[first] != Species.VACANCY) & (tube.species[second] != Species.VACANCY)
    turned = _turned(tube)
    for a, b, drawn in zip(first.tolist(), second.tolist(), kept.tolist(), strict=True):
        if not drawn:
            continue
        bond = flat[b] - flat[a]
        bond -= size * np.round(bond / size)
        colour, width = (TARGET, 0.34) if (a, b) in turned else (VACANCY_EDGE, 0.2)
        canvas.line(at(np.stack([flat[a], flat[a] + bond / 2])), colour, width * scale)
        canvas.line(at(np.stack([flat[b], flat[b] - bond / 2])), colour, width * scale)
    undecided = np.zeros(tube.n_sites, dtype=bool) if pending is None else pending
    for site, (x, y) in enumerate(at(flat).tolist()):
        species = Species(int(tube.species[site]))
        special = species is not Species.C12 and not undecided[site]
        radius = _RADII_ANGSTROM[special] * scale
        if undecided[site] or species is Species.VACANCY:
            canvas.disc(x, y, radius, RULE if undecided[site] else "#ffffff", VACANCY_EDGE)
        else:
            canvas.disc(x, y, radius, SPECIES_COLOURS[species], "#ffffff", 0.8)
        if special and species not in CARBONS and radius > 5.0 and species is not Species.VACANCY:
            canvas.text(x, y, SPECIES_DATA[species].letter, 1.5 * radius, "#ffffff", "mm", bold=True)


def _flat(tube: Nanotube) -> FloatArray:
    """(n_sites, 2) places on the sheet, along and around the tube, Å."""
    x, y, along = tube.positions_angstrom.T
    radius = 5.0 * tube.diameter_nm
    around = (np.arctan2(y, x) + np.pi) * radius
    return np.stack([along, around], axis=1)


def _turned(tube: Nanotube) -> set[tuple[int, int]]:
    """Bonds between the two atoms of a Stone-Wales pair, in both orders."""
    return {pair for first, second in tube.stone_wales for pair in ((first, second), (second, first))}


def legend(canvas: Canvas, box: Box, tube: Nanotube, pending: int = 0) -> None:
    """Draw how many sites hold what, in one line.

    Args:
        canvas: to draw on.
        box: of the line.
        tube: whose sites.
        pending: sites about which nothing is decided yet.
    """
    entries = [(f"{SPECIES_DATA[species].label} {count}", species) for species, count in tube.counts.items() if count]
    x, y = box.x + 5.0, box.y + box.height / 2
    for text, species in entries:
        empty = species is Species.VACANCY
        canvas.disc(x, y, 5.0, SPECIES_COLOURS[species], VACANCY_EDGE if empty else None)
        canvas.text(x + 9, y, text, 12)
        x += 30 + canvas.length(text, 12)
    if tube.stone_wales:
        canvas.line([(x - 5, y), (x + 5, y)], TARGET, 3)
        canvas.text(x + 9, y, f"turned bonds {len(tube.stone_wales)}", 12)
    if pending:
        canvas.disc(x, y, 5.0, RULE, VACANCY_EDGE)
        canvas.text(x + 9, y, f"open {pending}", 12)


# ---- before a tube is rolled


def sheet(canvas: Canvas, box: Box, n: int | None, candidates: IntArray | None = None) -> None:
    """Draw the sheet of graphene that a tube (n, m) is rolled from: so that a honeycomb n steps right, m up, meet.

    Args:
        canvas: to draw on.
        box: where.
        n: that was chosen; None where nothing was.
        candidates: values that m may take then.
    """
    scale = _SHEET_ANGSTROM * 0.5
    first, second = np.array([2.46, 0.0]), np.array([1.23, 2.1304])  # lattice vectors, Å
    origin = np.array([box.x + 12, box.bottom - 14])
    reach = np.array([box.width - 24, box.height - 26]) / scale

    def at(points: FloatArray) -> FloatArray:
        return origin + points * scale * [1.0, -1.0]

    steps = np.arange(-40, 80)
    cells = (steps[:, None, None] * first + steps[None, :, None] * second).reshape(-1, 2)
    centre = (first + second) / 3.0
    for cell in cells[((cells > -0.1) & (cells <= reach)).all(axis=1)]:
        atom = cell + centre
        for end in (cell, cell + first, cell + second):
            canvas.line(at(np.stack([atom, end])), VACANCY_EDGE, 1.2)
    if n is None:
        canvas.disc(*origin, 5.0, VALUE)
        return
    for m in () if candidates is None else candidates.tolist():
        end = at(n * first + m * second)
        if box.x < end[0] < box.right and box.y < end[1] < box.bottom:
            canvas.disc(*end, 4.0, "#ffffff", TARGET, 1.5)
    canvas.line(at(np.stack([np.zeros(2), n * first])), VALUE, 3.0)
    canvas.disc(*origin, 5.0, VALUE)
    canvas.disc(*at(n * first), 5.0, VALUE)


def choices(canvas: Canvas, box: Box, named: dict[str, str], at_hand: int) -> None:
    """Draw what was chosen, one field a choice: the name above, the value or a dash below.

    Args:
        canvas: to draw on.
        box: of all fields.
        named: values by the name of their choice; "" where none was made.
        at_hand: which choice is next.
    """
    width = box.width / len(named)
    for i, (name, value) in enumerate(named.items()):
        field = Box(box.x + i * width + 2, box.y, width - 4, box.height)
        canvas.box(field, "#ffffff", VALUE if i == at_hand else RULE, radius=5)
        middle = field.x + field.width / 2
        canvas.text(middle, field.y + 14, f"choosing {name}" if i == at_hand else name, 12, MUTED, "mm", width=width - 8)
        canvas.text(middle, field.y + 36, value or "–", 17, INK, "mm", bold=True, width=width - 8)


def ends_of(n: int, m: int) -> str:
    """Return the diameter of a tube that is not strained, in words."""
    return f"{tube_lattice(n, m, 1).diameter_nm:.2f} nm across"
