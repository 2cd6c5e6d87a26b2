"""Compute the table of published values and computed values in docs/physics.md.

`python -m scripts.studies.physics.table` (a minute; rows that take longer are stored, see
`scripts.studies.physics.stored`) prints the table and writes it into docs/physics.md, with the tables of optical
transitions, breathing modes and heat, which it takes from docs/results/optics.json and docs/results/conductivity.json.
Other processors may round the last digit differently.
"""

import json
import math
import re
from dataclasses import dataclass

from matgym.cli.console import print_table, progress_bar
from matgym.files import write_text
from matgym.physics.validation import COMPUTED, PUBLISHED, ours
from scripts.studies.common import ROOT, Study

PAGE = ROOT / "docs" / "physics.md"
HEAD = (
    "quantity",
    "published",
    "tolerance",
    "matgym",
    "unit",
    "holds",
    "level",
    "flag",
    "source",
    "how it was computed",
)
MISSES_HEAD = ("quantity", "level", "published", "matgym", "cause")
SIGNS = {"gamma0": "γ₀", "pi^2": "π²", "^-1": "⁻¹", "^2": "²", "uV": "µV", "d^-2": "d⁻²", "|": "\\|"}


OPTICS = ROOT / "docs" / "results" / "optics.json"
CONDUCTIVITY = ROOT / "docs" / "results" / "conductivity.json"
PUBLISHED_TABLES = ("SDS", "Kataura, calculated")
SMALLEST_FAMILY = 3  # tubes of a family whose rms is given
SAMPLED_ANGSTROM = 120.0
CAO_QU = (300.0, 1.0, 0.21)  # length, nm, and exponents below and above it: row exponent_conductivity_long
REFERENCE = (10, 10)


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
        COMPUTED[row.key].level.value,
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


def transitions(optics):
    """Return the table of rms differences of E11 and E22 from the published tables, with the extreme families."""
    rows = []
    for row in optics["transitions"]:
        if row["table"] not in PUBLISHED_TABLES:
            continue
        one = {key: row[key] for key in ("table", "model", "transition")}
        families = [
            each for each in optics["families"] if one.items() <= each.items() and each["tubes"] >= SMALLEST_FAMILY
        ]
        by_rms = sorted(families, key=lambda each: each["rms_mev"])
        extremes = (f"{each['rms_mev']:.3g} ({each['family']})" for each in (by_rms[0], by_rms[-1]))
        rows.append((
            row["table"], row["model"], row["transition"].upper(), str(row["tubes"]), f"{row['mean_mev']:+.3g}",
            f"{row['rms_mev']:.3g}", str(len(families)), *extremes,
        ))  # fmt: skip
    head = ("table", "model", "transition", "tubes", "mean, meV", "rms, meV", "families", "best rms", "worst rms")
    return markdown(head, rows)


def modes(optics):
    """Return the table of differences of the breathing mode from the relations of other authors."""
    return markdown(
        ("relation", "tubes", "mean, cm⁻¹", "rms, cm⁻¹", "rms, %", "source"),
        [
            (
                row["relation"], str(row["tubes"]), f"{row['mean_cm']:+.1f}", f"{row['rms_cm']:.1f}",
                f"{row['rms_percent']:.1f}", row["source"],
            )
            for row in optics["breathing_modes"]
        ],
    )  # fmt: skip


def heat(optics):
    """Return the table of the conductivity of (10,10) by length beside published curves, and what checks it."""
    curve = [
        row
        for row in optics["conductivity"]
        if tuple(row["tube"]) == REFERENCE and row["sampled_angstrom"] == SAMPLED_ANGSTROM
    ]
    rows, before = [], None
    for row in curve:
        exponents = ("", "", "")
        if before:
            stretch = math.log(row["length_nm"] / before["length_nm"])
            ours, fit = (math.log(row[key] / before[key]) / stretch for key in ("conductivity_w_mk", "pop_fit_w_mk"))
            turn, below, above = CAO_QU
            exponents = (f"{ours:.2f}", f"{fit:.2f}", f"{below if row['length_nm'] <= turn else above:g}")
        rows.append((
            f"{row['length_nm']:g}", f"{row['conductance_nw_k']:.3g}", f"{row['conductivity_w_mk']:.0f}",
            f"{row['pop_fit_w_mk']:.0f}", *exponents,
        ))  # fmt: skip
        before = row
    head = (
        "L, nm", "G, nW/K", "κ, W/(m K)", "κ, fit of Pop et al. (M)", "exponent", "exponent, Pop et al.",
        "exponent, Cao and Qu (A)",
    )  # fmt: skip
    limits = [
        f"({row['tube'][0]},{row['tube'][1]}) {row['difference_percent']:+.2f} %"
        for row in optics["ballistic_limits"]
        if row["sampled_angstrom"] == SAMPLED_ANGSTROM
    ]
    checks = [
        f"({row['tube'][0]},{row['tube'][1]}) at {row['sigma_thz']:g} THz "
        + "; ".join(
            f"{100.0 * (row[key] / row[f'{key}_phono3py'] - 1.0):+.2f} % ({name})"
            for key, name in (("relaxation_time", "relaxation time"), ("full", "direct"))
            if row[f"{key}_phono3py"]
        )
        for row in optics["phono3py"]
    ]
    return (
        f"{markdown(head, rows)}\n\nThe limit of length 0 differs from the Green's functions by: {', '.join(limits)}. "
        f"Conductivities on the waves of phono3py differ from it by: {', '.join(checks)}."
    )


def dynamics(found):
    """Return the tables of conductivities beside molecular dynamics by others, by points and by a law."""
    points = [
        (
            " in ".join(f"({n},{m})" for n, m in row["walls"]) or "single wall",
            row["source"].replace("this work", "Nie et al. (2020)"), f"{row['kelvin']:g}" if row["walls"] else "",
            f"{row['length_nm']:g}", f"{row['published_w_mk']:.0f}",
            f"{row['inside_w_mk']:.0f}", f"{100.0 * (row['inside_over_published'] - 1.0):+.0f}",
            f"{row['between_w_mk']:.0f}", f"{row['ballistic_w_mk']:.0f}",
        )
        for row in found["points"]
    ]  # fmt: skip
    ratios = [
        (
            f"{row['length_nm']:g}", f"{row['law']:.2f}", f"{row['classical']:.2f}", f"{row['quantum']:.2f}",
            f"{row['classical_w_mk']:.0f}", f"{row['quantum_w_mk']:.0f}", f"{row['wide_over_thin_law']:.2f}",
            f"{row['wide_over_thin']:.2f}",
        )
        for row in found["law"]
    ]  # fmt: skip
    heads = (
        (
            "tube", "group", "K", "L, nm", "κ, published", "κ inside", "difference, %", "κ between contacts",
            "κ, ballistic",
        ),
        (
            "L, nm", "κ/κ(300 nm), Cao and Qu (A)", "classical", "quantum", "κ, classical", "κ, quantum",
            "κ(10,10)/κ(5,5), Cao and Qu (A)", "classical",
        ),
    )  # fmt: skip
    return "\n\n".join(markdown(head, rows) for head, rows in zip(heads, (points, ratios), strict=True))


def main():
    study = Study.from_command_line("physics", __doc__, Settings(), Settings(rows=3))
    cells = {}
    with progress_bar() as bar:
        task = bar.add_task("rows", total=study.settings.rows, note="")
        for row in PUBLISHED[: study.settings.rows]:
            bar.update(task, note=row.key)
            cells[row.key] = cells_of(row)
            bar.advance(task)
    shown = ("published", "tolerance", "matgym", "unit", "holds", "level", "flag", "source")
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
            level = COMPUTED[row.key].level.value
            misses.append((quantity, level, f"{value} ± {tolerance} {unit}".rstrip(), found, row.disagreement.why))
    page = PAGE.read_text(encoding="utf-8")
    page = replaced(page, "table", f"{held} of {len(cells)} rows hold.\n\n{markdown(HEAD, cells.values())}")
    page = replaced(page, "misses", markdown(MISSES_HEAD, misses))
    optics = json.loads(OPTICS.read_text(encoding="utf-8"))
    for name, table in (("transitions", transitions), ("modes", modes), ("heat", heat)):
        page = replaced(page, name, table(optics))
    page = replaced(page, "dynamics", dynamics(json.loads(CONDUCTIVITY.read_text(encoding="utf-8"))))
    write_text(PAGE, page)
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main()
