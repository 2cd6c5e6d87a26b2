"""`matgym data fetch`: structures and values from databases and files, as one Parquet file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from matgym.cli.console import MAX_COUNT, MAX_DRAWN, Force, Json, print_result, progress, split_names

if TYPE_CHECKING:
    from matgym.data.sources import Fetched

SHOWN: Final = 10
"""Rejected rows that are printed; the file has them all."""


def fetch(
    source: Annotated[str, typer.Argument(help="Source: optimade, mp, nomad, jarvis or files.")],
    output: Annotated[Path | None, typer.Option(help="Output Parquet file. Default: SOURCE.parquet.")] = None,
    formula: Annotated[str, typer.Option(help="Compositions, of which a structure has one, such as C,BN.")] = "",
    elements: Annotated[str, typer.Option(help="Elements, all of which a structure contains, such as B,N.")] = "",
    ids: Annotated[str, typer.Option("--id", help="Identifiers of the source.")] = "",
    properties: Annotated[str, typer.Option(help="Properties, such as band_gap, or fields of the source.")] = "",
    min_atoms: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Fewest atoms in the cell.")] = None,
    max_atoms: Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Most atoms in the cell.")] = None,
    periodic: Annotated[int | None, typer.Option(min=1, max=3, help="Number of periodic directions.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=MAX_DRAWN, help="Most rows.")] = None,
    provider: Annotated[
        str, typer.Option(help="OPTIMADE: mp, nomad, alexandria, alexandria-pbesol, oqmd, cod, jarvis or aflow.")
    ] = "",
    url: Annotated[
        str, typer.Option(help="Address of the interface, for another provider, a mirror or an Oasis.")
    ] = "",
    dataset: Annotated[str, typer.Option(help="jarvis: the data set. Default: dft_2d.")] = "",
    thermo_type: Annotated[str, typer.Option(help="mp: mixing scheme of energies. Default: GGA_GGA+U_R2SCAN.")] = "",
    path: Annotated[Path | None, typer.Option(help="files: a file or folder.")] = None,
    column: Annotated[str, typer.Option(help="files: column of the structures.")] = "",
    method: Annotated[
        str, typer.Option(help="files: how the values were obtained, such as PBE. References need it.")
    ] = "",
    timeout: Annotated[float | None, typer.Option(min=0.01, max=3600.0, help="Longest silence, s.")] = None,
    retries: Annotated[int | None, typer.Option(min=0, max=20, help="Repetitions of a failed request.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Fetch again what is in the cache.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Fetch structures and values. An interrupted fetch continues; a finished one is read from the cache.

    Keys are read from the environment only.
    """
    from matgym.data.cards import card_path
    from matgym.data.sources import Query, source_of
    from matgym.data.sources.query import MOST_ATOMS
    from matgym.files import check_output

    given: dict[str, Any] = {
        "provider": provider, "url": url, "path": path, "column": column, "timeout_s": timeout, "retries": retries,
        "dataset": dataset, "thermo_type": thermo_type, "method": method,
    }  # fmt: skip
    asked = source_of(source, **{name: value for name, value in given.items() if value not in {None, ""}})
    atoms = (min_atoms or 1, max_atoms or MOST_ATOMS) if min_atoms or max_atoms else None
    query = Query(
        tuple(split_names(formula)), tuple(split_names(elements)), tuple(split_names(ids)),
        tuple(split_names(properties)), atoms, periodic, limit,
    )  # fmt: skip
    asked.chosen(query)  # an unknown property is an error before anything is asked
    if dry_run:
        count = asked.count(query)
        row = {"source": source, "rows": count}
        print_result(row, ("dry run", [row | {"rows": "unknown" if count is None else count}]), json=json)
        return
    target = output or Path(f"{source}.parquet")
    for file in (target, card_path(target)):
        check_output(file, force=force, inputs=[path] if path else [])
    with progress() as show:
        show(source, 0, limit, asked.delay)

        def on_page(rows: int, total: int | None) -> None:
            show(source, rows, min(limit or total, total) if total is not None else limit, f"{rows:,} rows")

        fetched = asked.fetch(query, refresh=refresh, on_page=on_page)
        show(source, len(fetched), len(fetched), f"{len(fetched):,} rows")
    fetched.save(target, force=force)
    _print(fetched, target, json=json)


def _print(fetched: "Fetched", target: Path, *, json: bool) -> None:
    facts = fetched.facts()
    row = {
        "file": str(target),
        "rows": len(fetched),
        "rejected": facts["counts"]["rejected"],
        "duplicates": facts["counts"]["duplicates"],
        "version": facts["version"],
        "fetched": facts["fetched"],
        "licence": facts["licence"],
    }
    rejected = facts["rejected"]
    tables = [(facts["source"], [row])]
    if rejected:
        tables.append((f"rejected rows ({min(len(rejected), SHOWN)} of {len(rejected):,})", rejected[:SHOWN]))
    lines = [f"Read from the cache of {facts['fetched']}; --refresh fetches again."] if facts["from_cache"] else []
    print_result(facts | {"file": str(target)}, *tables, lines=lines, json=json)
