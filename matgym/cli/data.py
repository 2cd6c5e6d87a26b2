"""`matgym data`: build and fetch data sets, and describe them."""

from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import Force, Json, Scheduler, Workers, print_result, progress
from matgym.cli.fetch import fetch

app = typer.Typer(no_args_is_help=True, help="Build, fetch and inspect data sets.")
app.command()(fetch)


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
