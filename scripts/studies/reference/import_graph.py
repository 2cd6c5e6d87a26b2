"""Draw the import graph of matgym's packages, and fail if packages or modules import each other in a circle.

    python scripts/studies/reference/import_graph.py    # writes docs/images/import-graph.png

The graph shows the packages and modules directly in matgym, in the layers that pyproject.toml lists for import-linter.
An arrow points at the imported package; it is grey if a longer chain of arrows leads there, too. The lowest layer,
which every package may import, is drawn without arrows. Imports within functions and for types only are included. The
exit status is 1 if there is a circle.
"""

import sys
import tomllib
from graphlib import CycleError, TopologicalSorter

import grimp
import numpy as np
from checkout import ROOT, check_imports
from matplotlib.figure import Figure

PICTURE = ROOT / "docs" / "images" / "import-graph.png"
WIDTH, ROW = 9.0, 0.75  # inches: width of the picture, and height of a layer
ASIDE, HALF = 1.4, 0.13  # inches: the alternating offset of single packages, and half the height of a package


def layers():
    """Return the packages by layer, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [[room.strip() for room in layer.replace("|", ":").split(":")] for layer in contract["layers"]]


def circles(imports):
    """Return chains of names in which each imports the next and the last is the first, some for each set of circles."""
    left, found = {name: set(others) for name, others in imports.items()}, []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            chain = error.args[1][::-1]
            found.append(chain)
            left[chain[0]].discard(chain[1])
        else:
            return found


def reached(room, between, beyond):
    """Return whether a chain of two or more imports leads to a package; the graph has no circles."""
    return any(beyond in between[step] or reached(step, between, beyond) for step in between[room] if step != beyond)


def draw(between):
    """Draw the packages and their imports."""
    *rows, lowest = [[room for room in layer if room in between] for layer in layers()]
    place = {}
    for number, row in enumerate([*rows, lowest]):
        aside = 0.0 if len(row) > 1 else ASIDE * (-1) ** number
        place |= {
            room: (aside + (k + 1) * WIDTH / (len(row) + 1), (len(rows) + 1 - number) * ROW)
            for k, room in enumerate(row)
        }
    height = (len(rows) + 2) * ROW
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.axis("off")
    for room, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "0.6" if room in lowest else "black"}
        axes.text(x, y, room, ha="center", va="center", fontsize=10, bbox=box, zorder=3)
    arrows = [(room, other) for room, others in between.items() for other in others - set(lowest)]
    for room, other in () if circles(between) else arrows:
        (x, y), (to_x, to_y) = place[room], place[other]
        up = HALF if y > to_y else 0.0  # from below a box to above another, or beside one in the same layer
        end = (to_x, to_y + up) if up else (to_x + np.sign(x - to_x) * 2.5 * HALF, to_y)
        grey = reached(room, between, other)
        arrow = {"color": "0.85" if grey else "black", "linewidth": 0.8 if grey else 1.2, "arrowstyle": "-|>"}
        arrow |= {"shrinkA": 0, "shrinkB": 0, "connectionstyle": "arc3,rad=0.06"}
        axes.annotate("", end, (x, y - up), arrowprops=arrow, zorder=1 if grey else 2)
    figure.savefig(PICTURE, dpi=120)


def main():
    check_imports()
    graph = grimp.build_graph("matgym", cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    def room_of(module):
        return module.split(".")[1] if "." in module else ""

    between = {room_of(module): set() for module in modules if module != "matgym"}
    for module, imported in modules.items():
        if module != "matgym":
            between[room_of(module)] |= {room_of(other) for other in imported} - {room_of(module), ""}

    draw(between)
    print(f"{len(between)} rooms, {len(modules)} modules, {sum(map(len, modules.values()))} imports")
    found = {"rooms": circles(between), "modules": circles(modules)}
    for what, chains in found.items():
        print(f"circles between {what}: {len(chains) or 'none'}")
        for chain in chains:
            print("    " + " imports ".join(chain))
    print(PICTURE)
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
