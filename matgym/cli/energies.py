"""`matgym data energies`: reference energies and formation energies of a fetched table."""

from pathlib import Path
from typing import Annotated, cast

import typer

from matgym.cli.console import Json, print_result


def energies(
    table: Annotated[Path, typer.Argument(help="Table of `matgym data fetch` with total energies.")],
    energy: Annotated[str, typer.Option(help="Column of total energies, eV per atom.")] = "energy",
    condition: Annotated[
        str, typer.Option(help="What fixes the chemical potentials of B and N: elements, N-rich, B-rich or balanced.")
    ] = "elements",
    method: Annotated[str, typer.Option(help="Method of the energies, if the table names none.")] = "",
    json: Json = False,
) -> None:
    """Print reference energies, formation energies and energies above the hull of the rows, each within one method."""
    import numpy as np

    from matgym.data.phases import read_energies
    from matgym.errors import MissingExtraError
    from matgym.physics.mechanics.references import Condition

    held = read_energies(table, energy, method=method)
    references = held.references(cast("Condition", condition))  # checked there
    phases = [
        {"method": by, "of": element, "phase": phase.name, "energy_ev": phase.energy_ev}
        for by, found in references.phases.items()
        for element, phase in found.items()
    ]
    formation, lines = held.formation_ev(references).tolist(), []
    try:
        hull = held.above_hull_ev.tolist()
    except MissingExtraError as error:
        hull, lines = [float("nan")] * len(formation), [f"No energies above the hull: {error}"]
    apart = np.abs(np.array(formation) - held.source_formation_ev)
    if both := int((~np.isnan(apart)).sum()):
        lines.append(
            f"From the source's own formation energies, {both:,} of these differ by {np.nanmedian(apart):.3g} eV/atom "
            f"in the median, and by {np.nanmax(apart):.3g} at most."
        )
    given = held.source_formation_ev.tolist()
    columns = (held.ids, held.formulas, held.methods, held.energies_ev.tolist(), formation, hull, given)
    names = ("id", "formula", "method", "energy_ev", "formation_ev", "above_hull_ev", "source_formation_ev")
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    print_result(
        {"references": phases, "rows": rows},
        ("references, eV per atom; BN per formula unit", phases),
        (f"{table}, eV per atom", rows),
        lines=lines,
        json=json,
    )
