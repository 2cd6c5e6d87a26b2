"""Is a rolled sheet the sheet? Ten sheets are rolled into ten tubes each, and ASE measures the atoms.

`python -m scripts.studies.sheets` writes docs/results/sheets.json and docs/images/sheets.png. Each tube is compared
with its sheet in three ways:

- atoms: their number is the area |C × T| over that of the sheet's cell, times its atoms;
- bonds: lengths by ASE's neighbour list in the tube, against those of the sheet's bonds (by the same list) as exact
  chords of the cylinder, sorted; a bond that is lost or doubled at the seam makes the numbers differ;
- neighbours: the elements beside each atom of the tube are those in the sheet.

For honeycombs of C, B and N the tube of `Nanotube.from_sheet` is compared with that which `matgym.structures.io`
recognises from the rolled atoms, up to symmetry.

Structures, from memory, not verified against the papers (flag M):
- graphene: a = 2.461 Å (graphite: Baskin and Meyer, Phys. Rev. 100, 544 (1955));
- h-BN: a = 2.504 Å (Paszkowicz et al., Appl. Phys. A 75, 431 (2002));
- BC2N: structure II of Liu, Wentzcovitch and Cohen, Phys. Rev. B 39, 1760 (1989): zigzag chains of C and of BN, on
  even sites with the mean bond of graphene and h-BN, 1.433 Å;
- BC3: a = 5.17 Å, C-C 1.42 Å (Tománek et al., Phys. Rev. B 37, 3134 (1988));
- C3N: a = 4.86 Å, C-C 1.403 Å (Mahmood et al., PNAS 113, 7414 (2016));
- silicene: a = 3.83 Å, buckling 0.44 Å (Cahangirov et al., Phys. Rev. Lett. 102, 236804 (2009));
- phosphorene: a layer of black phosphorus (Brown and Rundqvist, Acta Cryst. 19, 684 (1965));
- MoS2: a = 3.160 Å, distance of the sulphur planes 3.17 Å (Bronsema et al., Z. anorg. allg. Chem. 540, 15 (1986));
- octagraphene: a = 3.44 Å, bonds in the squares 1.48 Å (Sheng et al., J. Appl. Phys. 112, 074315 (2012));
- C3N4 of triazines: a = 4.742 Å (Teter and Hemley, Science 271, 53 (1996)), C-N in the rings 1.33 Å.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from ase import Atoms
from ase.build import graphene, mx2
from ase.neighborlist import natural_cutoffs, neighbor_list

from matgym.errors import StructureError
from matgym.structures import Crystal, Nanotube, Sheet
from matgym.structures.io import from_atoms
from scripts.studies.common import Study, StudyJob, print_markdown

THICK: Final = 3
"""Factor of (n, m) for thick sheets, whose inner atoms would otherwise be bonded to further ones."""

CUTOFF: Final = 1.25
"""Largest length of a bond relative to the sum of covalent radii."""


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        chiralities: (n, m) of the tubes; of thick sheets, times `THICK`.
    """

    chiralities: tuple[tuple[int, int], ...] = (
        (8, 0), (10, 0), (0, 9), (6, 6), (8, 8), (10, 4), (8, 3), (7, 5), (12, 6), (5, 10),
    )  # fmt: skip


def _flat(
    symbols: str, cell: list[list[float]], places: list[list[float]], heights: list[float] | None = None
) -> Atoms:
    """Return a layer with 10 Å of vacuum on both sides; places are Cartesian, Å."""
    positions = np.column_stack([places, heights or [0.0] * len(places)])
    atoms = Atoms(symbols, positions, cell=[[*cell[0], 0.0], [*cell[1], 0.0], [0.0, 0.0, 20.0]], pbc=True)
    atoms.positions[:, 2] += 10.0
    return atoms


def _bc2n() -> Atoms:
    bond = (2.461 + 2.504) / 2.0 / math.sqrt(3.0)
    a = math.sqrt(3.0) * bond
    places = [[0.0, 0.0], [a / 2.0, bond / 2.0], [a / 2.0, 1.5 * bond], [0.0, 2.0 * bond]]
    return _flat("CCBN", [[a, 0.0], [0.0, 3.0 * bond]], places)


def _rings(symbol: str, a: float, bond: float) -> Atoms:
    """Return hexagons of carbon with a bond length, Å, whose corners are bonded to six atoms of another element."""
    cell = a * np.array([[1.0, 0.0], [-0.5, math.sqrt(0.75)]])
    angles = math.pi / 6.0 + np.arange(6) * math.pi / 3.0
    ring = bond * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    others = np.array([[1.0, 2.0], [2.0, 1.0]]) / 3.0 @ cell
    return _flat(f"C6{symbol}2", cell.tolist(), [*ring.tolist(), *others.tolist()])


def _phosphorene() -> Atoms:
    a, b, c, y, z = 3.3136, 10.478, 4.3763, 0.10168, 0.08056
    places = [[0.0, z * c], [a / 2.0, (0.5 - z) * c], [0.0, -z * c], [a / 2.0, (0.5 + z) * c]]
    return _flat("P4", [[a, 0.0], [0.0, c]], places, [y * b, y * b, -y * b, -y * b])


def _octagraphene() -> Atoms:
    corner = 1.48 / math.sqrt(2.0)
    return _flat("C4", [[3.44, 0.0], [0.0, 3.44]], [[corner, 0.0], [-corner, 0.0], [0.0, corner], [0.0, -corner]])


def _triazine() -> Atoms:
    """Rings N3C3 around (1/3, 2/3), whose carbon atoms point to the nitrogen atom at the corner of the cell."""
    a, ring, bridge = 4.742, 1.33, 1.46
    cell = a * np.array([[1.0, 0.0], [-0.5, math.sqrt(0.75)]])
    carbon = a / math.sqrt(3.0) - bridge
    nitrogen = carbon / 2.0 + math.sqrt(ring**2 - 0.75 * carbon**2)
    angles = -math.pi / 2.0 + np.arange(3) * 2.0 * math.pi / 3.0
    out = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    middle = np.array([1.0, 2.0]) / 3.0 @ cell
    return _flat("NC3N3", cell.tolist(), [[0.0, 0.0], *(middle + carbon * out), *(middle - nitrogen * out)])


SHEETS: Final[dict[str, tuple[Callable[[], Atoms], int]]] = {
    "graphene": (lambda: graphene(a=2.461, vacuum=10.0), 1),
    "h-BN": (lambda: graphene("BN", a=2.504, vacuum=10.0), 1),
    "BC2N": (_bc2n, 1),
    "BC3": (lambda: _rings("B", 5.17, 1.42), 1),
    "C3N": (lambda: _rings("N", 4.86, 1.403), 1),
    "silicene": (lambda: graphene("Si2", a=3.83, thickness=0.44, vacuum=10.0), 1),
    "phosphorene": (_phosphorene, THICK),
    "MoS2": (lambda: mx2("MoS2", a=3.160, thickness=3.17, vacuum=10.0), THICK),
    "octagraphene": (_octagraphene, 1),
    "C3N4": (_triazine, 1),
}
"""Sheets by name, with the factor of (n, m)."""


def chords(sheet: Sheet, n: int, m: int, torsion: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of the sheet's bonds in the flat sheet, and as chords of the (n, m) cylinder, Å.

    Bonds are those of ASE's neighbour list in the flat sheet.
    """
    cell = np.diag([0.0, 0.0, 100.0])
    cell[:2, :2] = sheet.cell
    positions = np.column_stack([sheet.fractional @ sheet.cell, sheet.heights_angstrom])
    flat = Atoms(sheet.numbers, positions, cell=cell, pbc=(True, True, False))
    i, j, vectors = neighbor_list("ijD", flat, natural_cutoffs(flat, mult=CUTOFF))
    around = np.array([n, m]) @ sheet.cell
    radius = np.linalg.norm(around) / (2.0 * np.pi)
    around /= np.linalg.norm(around)
    along = vectors[:, :2] @ [-around[1], around[0]]
    turn = (vectors[:, :2] @ around - torsion * along) / radius
    first, second = radius + sheet.heights_angstrom[i], radius + sheet.heights_angstrom[j]
    squares = first**2 + second**2 - 2.0 * first * second * np.cos(turn) + along**2
    return np.linalg.norm(vectors, axis=1), np.sqrt(squares)


def beside(atoms: Atoms) -> Counter[tuple[str, str]]:
    """Return how often an element is beside which others, as in ("C", "BCN"), by ASE's neighbour list."""
    i, j = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=CUTOFF))
    around: list[list[str]] = [[] for _ in range(len(atoms))]
    for first, second in zip(i.tolist(), j.tolist(), strict=True):
        around[first].append(atoms.symbols[second])
    return Counter((symbol, "".join(sorted(near))) for symbol, near in zip(atoms.symbols, around, strict=True))


@dataclass(frozen=True)
class Rolled(StudyJob):
    """The job of one tube."""

    sheet: str
    n: int
    m: int

    def run(self) -> pa.Table:
        """Return a table of one row: what was measured of the tube."""
        n, m = self.n, self.m
        atoms = SHEETS[self.sheet][0]()
        sheet = Sheet.of(atoms)
        period = sheet.translation(n, m)
        tube = sheet.rolled(n, m)
        area = abs(float(np.linalg.det(np.array([[n, m], [period.p, period.q]]) @ sheet.cell)))
        cells = round(area / sheet.area_angstrom2)
        rolled = tube.to_atoms()
        lengths = np.sort(neighbor_list("d", rolled, natural_cutoffs(rolled, mult=CUTOFF)))
        flat, bent = chords(sheet, n, m, period.torsion)
        exact = np.sort(np.repeat(bent, cells))
        same = len(lengths) == len(exact)
        expected = Counter({key: count * cells for key, count in beside(atoms).items()})
        row = {
            "sheet": self.sheet,
            "n": n,
            "m": m,
            "radius_angstrom": sheet.radius_angstrom(n, m),
            "period_angstrom": period.length_angstrom,
            "torsion": period.torsion,
            "atoms": len(rolled),
            "atoms_lost": cells * len(atoms) - len(rolled),
            "bonds_lost": (len(exact) - len(lengths)) // 2,
            "largest_error_angstrom": float(np.abs(lengths - exact).max()) if same else None,
            "largest_change": float(np.abs(bent / flat - 1.0).max()),
            "same_neighbours": beside(rolled) == expected,
            "nanotube": _nanotube(sheet, n, m, tube),
        }
        return pa.Table.from_pylist([row])


def _nanotube(sheet: Sheet, n: int, m: int, tube: Crystal) -> str | None:
    """Return the Nanotube and whether the rolled atoms are recognised as it; None if the sheet is no honeycomb."""
    try:
        made = Nanotube.from_sheet(sheet, n, m)
    except StructureError:
        return None
    try:
        same = from_atoms(tube.to_atoms()).key == made.key
    except StructureError as error:
        return f"{made}: not recognised ({error})"
    return f"{made}: {'recognised' if same else 'recognised as another'}"


def save_picture(path: Path) -> None:
    """Draw the bonds of one tube of each sheet, seen at a slant; bonds at the back are pale."""
    from ase.data.colors import jmol_colors
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 5.6), layout="constrained")
    for axes, (name, (build, factor)) in zip(figure.subplots(2, 5).flat, SHEETS.items(), strict=True):
        sheet = Sheet.of(build())
        n, m = 10 * factor, 4 * factor
        width = 2.0 * sheet.radius_angstrom(n, m)
        cells = max(1, round(1.2 * width / sheet.translation(n, m).length_angstrom))
        atoms = sheet.rolled(n, m, cells=cells).to_atoms()
        i, vectors = neighbor_list("iD", atoms, natural_cutoffs(atoms, mult=CUTOFF))
        tilt = math.radians(20.0)
        turn = np.array(
            [[1.0, 0.0, 0.0], [0.0, math.sin(tilt), math.cos(tilt)], [0.0, -math.cos(tilt), math.sin(tilt)]]
        )
        start = atoms.positions @ turn.T  # the third coordinate is the depth
        halves = np.stack([start[i], start[i] + vectors @ turn.T / 2.0], axis=1)
        order = np.argsort(halves[:, :, 2].mean(axis=1))
        depth = halves[order, 0, 2]
        near = 0.15 + 0.85 * (depth - depth.min()) / np.ptp(depth)
        colours = np.column_stack([0.8 * jmol_colors[atoms.numbers[i[order]]], near])
        axes.add_collection(LineCollection(list(halves[order, :, :2]), colors=colours, linewidths=1.5))
        axes.autoscale()
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(f"{name} ({n}, {m})")
    figure.savefig(path, format="png", dpi=80)


def main() -> None:
    """Run the study."""
    study = Study.from_command_line("sheets", __doc__, Settings(), Settings(chiralities=((8, 0),)))
    rows = study.rows(
        Rolled(name, n * factor, m * factor)
        for name, (_, factor) in SHEETS.items()
        for n, m in study.settings.chiralities
    )
    table = []
    for name in SHEETS:
        own = [row for row in rows if row["sheet"] == name]
        tubes = [row["nanotube"] for row in own if row["nanotube"]]
        table.append(
            {
                "sheet": name,
                "tubes": len(own),
                "atoms": sum(row["atoms"] for row in own),
                "atoms_lost": sum(abs(row["atoms_lost"]) for row in own),
                "bonds_lost": sum(abs(row["bonds_lost"]) for row in own),
                "same_neighbours": sum(row["same_neighbours"] for row in own),
                "largest_error_angstrom": max(row["largest_error_angstrom"] or 0.0 for row in own),
                "largest_change": max(row["largest_change"] for row in own),
                "largest_torsion": max(abs(row["torsion"]) for row in own),
                "recognised": sum(text.endswith(": recognised") for text in tubes) if tubes else None,
            }
        )
    print_markdown(list(table[0]), [list(row.values()) for row in table])
    study.picture("sheets.png", save_picture)
    study.write({"table": table, "tubes": rows})


if __name__ == "__main__":
    main()
