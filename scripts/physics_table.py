"""The table of published values and ours: printed, and with `--write` put into docs/physics.md.

All of it is computed anew, in about a minute. `--check` compares the page with it, and lets the last digit printed of
ours be off by one, as other processors round otherwise.
"""

import argparse
import math
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "physics"))  # where the rows and what computes them stand

from computed import DISAGREEMENTS, ours, settings
from published import PUBLISHED

from matgym.cli.console import print_table, progress_bar
from matgym.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "physics.md"
HEAD = ("quantity", "published", "tolerance", "ours", "unit", "holds", "flag", "source", "how ours was computed")
MISSES_HEAD = ("quantity", "published", "ours", "why")
SIGNS = {"gamma0": "γ₀", "pi^2": "π²", "^-1": "⁻¹", "^2": "²", "uV": "µV", "d^-2": "d⁻²"}


def decimals(tolerance):
    """Digits behind the point that show a fiftieth of the tolerance or less."""
    return max(0, math.ceil(-math.log10(tolerance)) + 1) if tolerance else 0


def printed(text):
    """Signs of the field in place of ASCII, and no bar that would end a cell."""
    for plain, sign in SIGNS.items():
        text = text.replace(plain, sign)
    return text.replace("|", "\\|")


def computed_rows():
    """Key, and cells of the table, of every row."""
    rows = []
    with progress_bar() as bar:
        progress = bar.add_task("ours", total=len(PUBLISHED), note="")
        for row in PUBLISHED:
            bar.update(progress, note=row.key)
            found, places = ours(row.key), decimals(row.tolerance)
            cells = (
                printed(row.quantity),
                f"{row.value:g}",
                f"{row.tolerance:g}",
                f"{found + 0.0:.{places}f}",
                "" if row.unit == "1" else printed(row.unit),
                "yes" if abs(found - row.value) <= row.tolerance else "**no**",
                row.flag,
                printed(row.source),
                settings(row.key),
            )
            rows.append((row.key, cells))
            bar.advance(progress)
    return rows


def table_text(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells) + " |" for _, cells in rows]
    held = sum(cells[HEAD.index("holds")] == "yes" for _, cells in rows)
    return "\n".join([f"{held} of {len(rows)} rows hold.", "", *lines, ""])


def misses_text(rows):
    cells = dict(rows)
    lines = ["| " + " | ".join(MISSES_HEAD) + " |", "|" + "---|" * len(MISSES_HEAD)]
    for known in DISAGREEMENTS:
        quantity, value, tolerance, found, unit, *_ = cells[known.key]
        lines.append(f"| {quantity} | {value} ± {tolerance} {unit} | {found} | {known.why} |")
    return "\n".join([*lines, ""])


def between(page, name):
    """What stands between the marks of a section, and where."""
    start, stop = f"<!-- {name}: made by scripts/physics_table.py -->", f"<!-- end of {name} -->"
    found = re.search(f"{re.escape(start)}\n(.*?){re.escape(stop)}", page, re.DOTALL)
    if not found:
        sys.exit(f"{PAGE} has no lines {start} and {stop}")
    return found


def same(old, new, column):
    """Whether two tables are the same, but for the last digit of the numbers of one column."""
    one, other = ([line.split(" | ") for line in text.splitlines()] for text in (old, new))
    if [len(cells) for cells in one] != [len(cells) for cells in other]:
        return False
    return all(
        a == b or (i == column and is_near(a, b))
        for line, line_now in zip(one, other, strict=True)
        for i, (a, b) in enumerate(zip(line, line_now, strict=True))
    )


def is_near(old, new):
    """Whether two printed numbers differ by one in the last digit at most."""
    try:
        away = abs(float(old) - float(new))
    except ValueError:
        return False
    return away <= 1.5 * 10.0 ** -len(new.partition(".")[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--check", action="store_true", help=f"fail if {PAGE.name} does not hold it")
    arguments = parser.parse_args()
    rows = computed_rows()
    shown = ("published", "tolerance", "ours", "unit", "holds", "flag")
    print_table(
        "published values and ours",
        [{"key": key} | {name: cells[HEAD.index(name)].strip("*") for name in shown}
         | {"source": cells[HEAD.index("source")].partition(";")[0]} for key, cells in rows],
    )  # fmt: skip
    page = PAGE.read_text(encoding="utf-8")
    for name, text, head in (("table", table_text(rows), HEAD), ("misses", misses_text(rows), MISSES_HEAD)):
        found = between(page, name)
        if arguments.check and not same(found[1], text, head.index("ours")):
            sys.exit(f"{PAGE} does not hold what was computed: run scripts/physics_table.py --write")
        page = page[: found.start(1)] + text + page[found.end(1) :]
    if arguments.write:
        write_text(PAGE, page)
        print(PAGE)


if __name__ == "__main__":
    main()
