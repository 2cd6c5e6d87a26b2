"""Compute the table of published values and computed values in docs/physics.md.

`python -m scripts.studies.physics.table` (a minute) prints the table and writes it into docs/physics.md. Other
processors may round the last digit differently.
"""

import math
import re
from dataclasses import dataclass

from matgym.cli.console import print_table, progress_bar
from matgym.files import write_text
from matgym.physics.validation import COMPUTED, PUBLISHED, ours
from scripts.studies.common import ROOT, Study

PAGE = ROOT / "docs" / "physics.md"
HEAD = ("quantity", "published", "tolerance", "matgym", "unit", "holds", "flag", "source", "how it was computed")
MISSES_HEAD = ("quantity", "published", "matgym", "cause")
SIGNS = {"gamma0": "γ₀", "pi^2": "π²", "^-1": "⁻¹", "^2": "²", "uV": "µV", "d^-2": "d⁻²", "|": "\\|"}


@dataclass(frozen=True)
class Settings:
    """The settings of the table."""

    rows: int = len(PUBLISHED)


def printed(text):
    """Return the text with the field's symbols in place of ASCII, and without bars, which would end a cell."""
    for plain, sign in SIGNS.items():
        text = text.replace(plain, sign)
    return text


def cells_of(row):
    """Return the cells of the table; matgym's values have the digits that show a fiftieth of the tolerance or less."""
    computed = ours(row.key)
    places = max(0, math.ceil(-math.log10(row.tolerance)) + 1) if row.tolerance else 0
    return (
        printed(row.quantity),
        f"{row.value:g}",
        f"{row.tolerance:g}",
        f"{computed + 0.0:.{places}f}",
        "" if row.unit == "1" else printed(row.unit),
        "yes" if abs(computed - row.value) <= row.tolerance else "**no**",
        row.flag,
        printed(row.source),
        COMPUTED[row.key].settings,
    )


def markdown(head, rows):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, *rows)).replace(
        "\n", f"\n|{'---|' * len(head)}\n", 1
    )


def replaced(page, name, text):
    """Return the page with another text between the marks of a section."""
    start, stop = f"<!-- {name}: made by scripts/studies/physics/table.py -->\n", f"<!-- end of {name} -->"
    if not re.search(f"{re.escape(start)}.*?{re.escape(stop)}", page, re.DOTALL):
        raise SystemExit(f"{PAGE} has no lines {start}and {stop}: add them where the table is to be")
    head, _, rest = page.partition(start)
    return f"{head}{start}{text}\n{stop}{rest.partition(stop)[2]}"


def main():
    study = Study.from_command_line("physics", __doc__, Settings(), Settings(rows=3))
    cells = {}
    with progress_bar() as bar:
        task = bar.add_task("rows", total=study.settings.rows, note="")
        for row in PUBLISHED[: study.settings.rows]:
            bar.update(task, note=row.key)
            cells[row.key] = cells_of(row)
            bar.advance(task)
    shown = ("published", "tolerance", "matgym", "unit", "holds", "flag", "source")
    print_table(
        "published values and computed values",
        [
            {"key": key} | {name: row[HEAD.index(name)].strip("*").partition(";")[0] for name in shown}
            for key, row in cells.items()
        ],
    )
    if study.quick:
        return
    held = sum(row[HEAD.index("holds")] == "yes" for row in cells.values())
    misses = []
    for row in PUBLISHED:
        if row.disagreement:
            quantity, value, tolerance, found, unit, *_ = cells[row.key]
            misses.append((quantity, f"{value} ± {tolerance} {unit}", found, row.disagreement.why))
    page = PAGE.read_text(encoding="utf-8")
    page = replaced(page, "table", f"{held} of {len(cells)} rows hold.\n\n{markdown(HEAD, cells.values())}")
    page = replaced(page, "misses", markdown(MISSES_HEAD, misses))
    write_text(PAGE, page)
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
