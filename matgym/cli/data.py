"""`matgym data`: build and fetch data sets, describe them, and serve them."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import Force, Json, Scheduler, Workers, print_left_out, print_result, progress
from matgym.cli.energies import energies
from matgym.cli.fetch import fetch

app = typer.Typer(no_args_is_help=True, help="Build, fetch, inspect and serve data sets.")
app.command()(fetch)
app.command()(energies)


@app.command()
def build(
    output: Annotated[Path, typer.Argument(help="Output Parquet file.")] = Path("nanotube-doping.parquet"),
    specification: Annotated[
        str, typer.Option(help="Shipped data set, or JSON file of a DatasetSpec.")
    ] = "nanotube-doping",
    workers: Workers = 2,
    scheduler: Scheduler = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Build a data set. An interrupted build resumes."""
    from matgym import data

    spec = data.read_specification(specification)
    with progress() as show:

        def on_shard(done: int, total: int) -> None:
            show(spec.name, done, total, f"{done} of {total} shards")

        data.build(
            spec, output, workers=workers, scheduler=scheduler or None, force=force, inputs=[Path(specification)],
            on_shard=on_shard,
        )  # fmt: skip
    info(str(output), json=json)


@app.command()
def info(
    path: Annotated[str, typer.Argument(help="Parquet file or shipped data set.")] = "nanotube-doping",
    json: Json = False,
) -> None:
    """Print the rows of each split, the labels, and the provenance of a data set."""
    from matgym.data import Dataset
    from matgym.data.table import SPLITS

    dataset = Dataset.load(path)
    rows = []
    for split in SPLITS:
        part = dataset.split(split)
        for key in dataset.keys:
            values = part.labelled([key]).values(key)
            low, high = (float(values.min()), float(values.max())) if len(values) else (float("nan"), float("nan"))
            levels = ", ".join(sorted({level for level in part.levels(key) if level}))
            counts = {"rows": len(part), "failures": len(part.failures(key))}
            rows.append({"split": split, "property": key, "level": levels} | counts | {"min": low, "max": high})
    print_result(
        {"path": path, "digest": dataset.digest, "splits": rows, "provenance": dataset.provenance},
        (f"{path}, {len(dataset):,} tubes, {dataset.digest}", rows),
        json=json,
    )


@app.command()
def card(
    table: Annotated[str, typer.Argument(help="Parquet file, or shipped data set.")] = "nanotube-doping",
    output: Annotated[Path | None, typer.Option(help="JSON file. Default: TABLE.card.json.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the table, such as CC-BY-4.0, or its URL.")] = "",
    creator: Annotated[str, typer.Option(help="Who made the table.")] = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the data card of a table: columns with units, rows, licence and provenance, as Croissant JSON."""
    from matgym.data.cards import CardFacts, card_of, card_path
    from matgym.data.columns import columns_of, provenance_of, rejected_of
    from matgym.data.dataset import read_table
    from matgym.data.publishing import SHIPPED_LICENCE, table_file
    from matgym.files import check_output, write_json

    file, shipped = table_file(table)
    target = output or card_path(Path(file.name) if shipped else file)
    check_output(target, force=force, inputs=[file])
    content = read_table(file)
    facts = CardFacts.of(file.stem, provenance_of(content.schema), rejected_of(content.schema))
    licence = licence or facts.licence or (SHIPPED_LICENCE if shipped else "")
    written = card_of(content, replace(facts, licence=licence, creator=creator or facts.creator), file)
    write_json(target, written)
    rows = [{"column": c.name, "unit": c.unit, "description": c.description} for c in columns_of(content.schema)]
    print_result({"card": str(target), "content": written}, (f"{target}, {content.num_rows:,} rows", rows), json=json)


@app.command()
def serve(
    table: Annotated[str, typer.Argument(help="Parquet file of tubes or crystals, or shipped data set.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 5000,
    host: Annotated[
        str, typer.Option(help="Address. Others than 127.0.0.1 let other machines read the table, without a password.")
    ] = "127.0.0.1",
    licence: Annotated[str, typer.Option(help="Licence of the table, such as CC-BY-4.0, or its URL.")] = "",
    json: Json = False,
) -> None:
    """Serve a table by OPTIMADE, until Ctrl+C. Only programs on this machine can read it."""
    from matgym.data.publishing import Served, bound_socket, published, serve

    with bound_socket(host, port) as bound:
        with progress() as show:
            show("reading the table", 0, 1)
            content = published(table)
            show("reading the table", 1, 1)
        if not json:
            print_left_out("Not served", content.rejected)

        def on_start(served: Served) -> None:
            lost = f" {len(served.rejected)} rows are not served." if served.rejected else ""
            reach = "Only this machine can read them." if served.is_local else "Everyone who reaches it can read them."
            said = (
                f"{served.entries:,} structures of {table} are at {served.url} by OPTIMADE.{lost} {reach} Ctrl+C ends."
            )
            rejected = {str(row): reason for row, reason in served.rejected.items()}
            print_result(
                {"url": served.url, "structures": served.entries, "rejected": rejected}, lines=[said], json=json
            )
            sys.stdout.flush()  # programs wait for it

        serve(content, bound, licence=licence, on_start=on_start)
