"""Pictures of tubes for environments: rolled, unrolled, and as a sheet of graphene."""

from typing import Final

import numpy as np

from matgym.structures.nanotube import Nanotube
from matgym.structures.species import CARBONS, SPECIES_DATA, Species
from matgym.typing import BoolArray, FloatArray, IntArray
from matgym.viz.canvas import Balls, Box, Canvas, rgb
from matgym.viz.palette import INK, MUTED, RULE, SPECIES_COLOURS, TARGET, VACANCY_EDGE, VALUE
from matgym.viz.tube3d import PITCH, YAW, seen, visible

_RADII_ANGSTROM: Final = (0.40, 0.62)
"""The radii of 12C and of all other species."""

_OPEN_ANGSTROM: Final = 0.22
"""The radius of a site whose species is not chosen yet."""

_HAZE: Final = 0.75
"""The share of white in the colour of the farthest atom."""

_SHOWN_NM: Final = 7.5
"""The largest length of a tube that `at_scale` draws, nm."""

_NM: Final = 52.0
"""The scale of `at_scale`, pixels per nm."""

_SHEET_ANGSTROM: Final = 7.2
"""The scale of `sheet`, pixels per Å."""


def rolled(canvas: Canvas, box: Box, tube: Nanotube, pending: BoolArray | None = None) -> None:
    """Draw a tube in perspective, at the scale at which the pristine tube fills a box.

    Args:
        canvas: the canvas.
        box: the box of the picture.
        tube: the tube.
        pending: (n_sites,) sites whose species are not chosen yet; they are drawn pale.
    """
    bare = seen(Nanotube(tube.n, tube.m, tube.cells))
    low, high = bare.min(axis=0)[:2] - 1.0, bare.max(axis=0)[:2] + 1.0
    scale = min(box.width / (high[0] - low[0]), box.height / (high[1] - low[1]))
    undecided = _undecided(tube, pending)
    _balls(canvas, box, tube, scale, (low + high) / 2.0, undecided, np.ones(tube.n_sites, dtype=bool))


def at_scale(canvas: Canvas, box: Box, tube: Nanotube) -> None:
    """Draw a tube at the same scale as all others; of a long tube, draw the middle."""
    cells = min(tube.cells, max(1, round(10.0 * _SHOWN_NM / tube.length_angstrom * tube.cells)))
    shown = Nanotube(tube.n, tube.m, cells, strain=tube.strain)
    long = cells < tube.cells or tube.length_angstrom > 10.0 * _SHOWN_NM * 1.1
    axial = shown.positions_angstrom[:, 2] - shown.length_angstrom / 2.0
    decided = np.zeros(shown.n_sites, dtype=bool)
    _balls(canvas, box, shown, _NM / 10.0, np.zeros(2), decided, np.abs(axial) < 5.0 * _SHOWN_NM)
    if long:
        canvas.text(box.right, box.bottom - 6, f"the middle {_SHOWN_NM:g} nm are shown", 11, MUTED, "rm")


def _balls(
    canvas: Canvas,
    box: Box,
    tube: Nanotube,
    scale: float,
    centre: FloatArray,
    pending: BoolArray,
    within: BoolArray,
) -> None:
    """Draw balls and sticks, the nearest last; `scale` is in pixels per ångström."""
    points = seen(tube)  # (n_sites, 3): right, up, towards us, Å
    middle = np.array([box.x + box.width / 2, box.y + box.height / 2])
    flat = middle + (points[:, :2] - centre) * scale * [1.0, -1.0]
    along = tube.positions_angstrom[:, 2] - tube.length_angstrom / 2.0
    # The distance from the viewer, without the part along the axis.
    depth = points[:, 2] + along * np.sin(YAW) * np.cos(PITCH)
    haze = _HAZE * np.clip((depth.max() - depth) / max(float(np.ptp(depth)), 1e-9), 0.0, 1.0)[:, None]
    radii = _radii(tube, pending) * scale
    fills = _hazed(_colours(tube, pending), haze)
    edges = _hazed(0.65 * _colours(tube, pending), haze)
    sites, bonds = visible(tube)
    sites, bonds = sites[within[sites]], bonds[within[bonds].all(axis=1)]
    pale = _hazed(np.broadcast_to(rgb(MUTED), (len(bonds), 3)), haze[bonds].mean(axis=1))
    nearness = np.concatenate([points[sites, 2], points[bonds, 2].mean(axis=1) - 0.3])
    balls = Balls(flat[sites], radii[sites], fills[sites], edges[sites])
    canvas.solids(balls, flat[bonds].reshape(-1, 4), pale, 0.26 * scale, np.argsort(nearness, kind="stable"))


def _undecided(tube: Nanotube, pending: BoolArray | None) -> BoolArray:
    """Return (n_sites,) sites about which nothing is decided yet; none by default."""
    return np.zeros(tube.n_sites, dtype=bool) if pending is None else pending


def _radii(tube: Nanotube, pending: BoolArray) -> FloatArray:
    """Return (n_sites,) radii of the drawn atoms, Å."""
    return np.where(pending, _OPEN_ANGSTROM, np.array(_RADII_ANGSTROM)[(tube.species != Species.C12) * 1])


def _colours(tube: Nanotube, pending: BoolArray) -> FloatArray:
    """Return (n_sites, 3) colours, from 0 to 255."""
    table = np.array([rgb(SPECIES_COLOURS[species]) for species in Species], dtype=np.float64)
    return np.where(pending[:, None], rgb(VACANCY_EDGE), table[tube.species])


def _hazed(colours: FloatArray, haze: FloatArray) -> FloatArray:
    return np.asarray(colours + haze * (255.0 - colours))


def unrolled(canvas: Canvas, box: Box, tube: Nanotube, pending: BoolArray | None = None) -> None:
    """Draw an unrolled tube, as large as a box allows.

    The axis points to the right, and the side of the rolled tube that faces the viewer is in the middle. Bonds across
    an edge are drawn as stubs on both sides. Turned bonds are purple.
    """
    size = np.array([tube.length_angstrom, 10.0 * np.pi * tube.diameter_nm])
    scale = min(box.width / (size[0] + 2.0), box.height / (size[1] + 2.0))
    flat = _flat(tube)
    low = np.array([box.x + (box.width - scale * size[0]) / 2, box.y + (box.height + scale * size[1]) / 2])

    def at(places: FloatArray) -> FloatArray:
        return np.asarray(low + places * scale * [1.0, -1.0])

    first, second, _ = tube.bonds.T
    kept = (tube.species[first] != Species.VACANCY) & (tube.species[second] != Species.VACANCY)
    first, second = first[kept], second[kept]
    bond = flat[second] - flat[first]
    bond -= size * np.round(bond / size)
    pairs = _turned(tube)
    turned = np.array([pair in pairs for pair in zip(first.tolist(), second.tolist(), strict=True)], dtype=bool)
    colours = np.where(turned[:, None], rgb(TARGET), rgb(VACANCY_EDGE)).astype(np.float64)
    widths = np.where(turned, 0.34, 0.2) * scale
    for sites, half in ((first, bond / 2), (second, -bond / 2)):
        canvas.segments(np.concatenate([at(flat[sites]), at(flat[sites] + half)], axis=1), colours, widths)
    undecided = _undecided(tube, pending)
    radii = _radii(tube, undecided) * scale
    empty = (tube.species == Species.VACANCY) & ~undecided
    edges = np.where(empty[:, None], rgb(VACANCY_EDGE), 255.0)
    canvas.discs(at(flat), radii, _colours(tube, undecided), edges)
    for site in np.flatnonzero(~np.isin(tube.species, (*CARBONS, Species.VACANCY)) & (radii > 4.5)).tolist():
        x, y = at(flat[site])
        letter = SPECIES_DATA[Species(int(tube.species[site]))].letter
        canvas.text(x, y, letter, 1.5 * radii[site], "#ffffff", "mm", bold=True)


def _flat(tube: Nanotube) -> FloatArray:
    """Return (n_sites, 2) positions on the sheet, along and around the tube, Å."""
    x, y, along = tube.positions_angstrom.T
    angle = np.round(np.arctan2(y, x) + np.pi, 6) % (2.0 * np.pi - 1e-6)  # sites on the cut are at the lower edge
    return np.stack([along, angle * 5.0 * tube.diameter_nm], axis=1)


def _turned(tube: Nanotube) -> set[tuple[int, int]]:
    """Return the bonds between the two atoms of each Stone-Wales pair, in both orders."""
    return {pair for first, second in tube.stone_wales for pair in ((first, second), (second, first))}


def legend(canvas: Canvas, box: Box, tube: Nanotube, pending: BoolArray | None = None) -> None:
    """Draw the number of sites of each species in one line, with pending sites as an entry of their own."""
    undecided = _undecided(tube, pending)
    decided = np.bincount(tube.species[~undecided], minlength=len(Species)).tolist()
    x, y = box.x + 5.0, box.y + box.height / 2

    def entry(text: str, colour: str, edge: str | None = None, radius: float = 5.0) -> None:
        nonlocal x
        canvas.disc(x, y, radius, colour, edge)
        canvas.text(x + 9, y, text, 12)
        x += 30 + canvas.length(text, 12)

    for species, count in zip(Species, decided, strict=True):
        if count:
            edge = VACANCY_EDGE if species is Species.VACANCY else None
            entry(f"{SPECIES_DATA[species].label} {count}", SPECIES_COLOURS[species], edge)
    if tube.stone_wales:
        entry(f"turned bonds {len(tube.stone_wales)}", TARGET)
    if undecided.any():
        entry(f"open {int(undecided.sum())}", VACANCY_EDGE, radius=2.5)


# ---- before a tube is rolled


def sheet(canvas: Canvas, box: Box, n: int | None, candidates: IntArray | None = None) -> None:
    """Draw the sheet of graphene of a tube (n, m); rolling joins the origin and the cell n steps right and m up.

    Args:
        canvas: the canvas.
        box: the box of the picture.
        n: the chosen n; None before the choice.
        candidates: the allowed values of m.
    """
    scale = _SHEET_ANGSTROM
    first, second = np.array([2.46, 0.0]), np.array([1.23, 2.1304])  # lattice vectors, Å
    origin = np.array([box.x + 12, box.bottom - 14])
    reach = np.array([box.width - 24, box.height - 26]) / scale

    def at(points: FloatArray) -> FloatArray:
        return origin + points * scale * [1.0, -1.0]

    steps = np.arange(-40, 80)
    cells = (steps[:, None, None] * first + steps[None, :, None] * second).reshape(-1, 2)
    centre = (first + second) / 3.0
    for cell in cells[((cells > -0.1) & (cells <= reach - [2.5, 2.2])).all(axis=1)]:
        atom = cell + centre
        for end in (cell, cell + first, cell + second):
            canvas.line(at(np.stack([atom, end])), VACANCY_EDGE, 1.0)
    if n is None:
        canvas.disc(origin[0], origin[1], 5.0, VALUE)
        return
    for m in () if candidates is None else candidates.tolist():
        end = at(n * first + m * second)
        if box.x < end[0] < box.right and box.y < end[1] < box.bottom:
            canvas.disc(end[0], end[1], 3.5, "#ffffff", TARGET, 1.5)
    canvas.line(at(np.stack([np.zeros(2), n * first])), VALUE, 3.0)
    canvas.disc(origin[0], origin[1], 5.0, VALUE)
    corner = at(n * first)
    canvas.disc(corner[0], corner[1], 5.0, VALUE)


def choices(canvas: Canvas, box: Box, named: dict[str, str], at_hand: int) -> None:
    """Draw one field for each choice: the name above, the value or a dash below.

    Args:
        canvas: the canvas.
        box: the box of all fields.
        named: values by the names of the choices; "" for choices that were not made yet.
        at_hand: the index of the next choice.
    """
    width = box.width / len(named)
    for i, (name, value) in enumerate(named.items()):
        field = Box(box.x + i * width + 2, box.y, width - 4, box.height)
        canvas.box(field, "#ffffff", VALUE if i == at_hand else RULE, radius=5)
        middle = field.x + field.width / 2
        canvas.text(
            middle, field.y + 14, f"choosing {name}" if i == at_hand else name, 12, MUTED, "mm", width=width - 8
        )
        canvas.text(middle, field.y + 36, value or "–", 17, INK, "mm", bold=True, width=width - 8)
