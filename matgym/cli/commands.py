"""Commands without a group: `matgym demo`, `matgym export`, `matgym experiments`."""

import csv
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import MAX_COUNT, Force, Json, print_note, print_result, progress, split_names
from matgym.cli.structures import reads_files
from matgym.errors import ConfigurationError
from matgym.files import check_output
from matgym.work import work_folder

if TYPE_CHECKING:
    from matgym.processes.campaigns.emulator import Emulator
    from matgym.processes.campaigns.experiments import Column, Experiments
    from matgym.structures.io import Reading


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the report, the table and the structures.")] = Path("demo"),
    training_designs: Annotated[
        int, typer.Option(min=1, max=MAX_COUNT, help="Designs evaluated in training.")
    ] = 12_000,
    targets: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of target gaps that are not in the training.")
    ] = 15,
    queries: Annotated[int, typer.Option(min=1, max=10_000, help="Designs evaluated per target and method.")] = 16,
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed of the training.")] = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a policy, design tubes, compare methods, verify by the oracle, and write a report."""
    from matgym.app.demo import DemoSettings, run_demo
    from matgym.app.report import in_plain_words, result_files, write_results

    check_output(output, folder=True)
    settings = DemoSettings(training_designs=training_designs, targets=targets, queries=queries, seed=seed)
    with work_folder(output / "demo", outputs=result_files(output), force=force) as work:
        with progress() as on_progress:
            result = run_demo(settings, on_progress)
        work.begin_output()
        files = write_results(output, result)
    figures = (*result.comparison.figures(), *result.whole_budget.figures())
    print_result(
        result.as_dict() | {"files": {name: str(path) for name, path in files.items()}},
        (f"Designs for unseen targets, verified by {result.visited.level}", [row.as_row() for row in figures]),
        lines=[
            *(f"• {sentence}" for sentence in in_plain_words(result)),
            *(f"  {name}: {path.resolve()}" for name, path in files.items()),
        ],
        json=json,
    )


@reads_files
def export(
    design: Annotated[
        str,
        typer.Argument(help="Structure file, chirality and cells such as '(11,0)x3', or for nomad a Parquet file."),
    ],
    to: Annotated[str, typer.Option(help="Program: lammps, vasp, ovito or vesta; or nomad, an archive to upload.")],
    output: Annotated[Path, typer.Option(help="Output folder.")] = Path("export"),
    properties: Annotated[str, typer.Option(help="For nomad: properties of a tube to compute, with commas.")] = "",
    licence: Annotated[str, typer.Option(help="For nomad: licence, such as CC-BY-4.0.")] = "",
    comment: Annotated[str, typer.Option(help="For nomad: comment on the upload.")] = "",
    references: Annotated[str, typer.Option(help="For nomad: URLs, with commas.")] = "",
    *,
    reading: "Reading",
    force: Force = False,
    json: Json = False,
) -> None:
    """Write input files of a tube for another program, or an archive for NOMAD, with the coordinates of the file."""
    if to == "nomad":
        from matgym.cli.nomad import export_to_nomad

        export_to_nomad(
            design, output, reading, properties, licence, comment, split_names(references), force=force, json=json
        )
        return
    for name, given in {
        "properties": properties,
        "licence": licence,
        "comment": comment,
        "references": references,
    }.items():
        if given:
            raise ConfigurationError(f"--{name} {given} has no effect with --to {to}: it belongs to --to nomad")
    from matgym.structures import io

    check_output(output, folder=True)
    read = io.parse_structure(design, reading)
    tube = read.periodic(design)
    written = io.export(tube, to, output, force=force, atoms=None if read.is_ideal else read.upright())
    lines = [f"{tube} for {to}: {written.use}", *(f"  {path}" for path in written.files)]
    written = replace(written, notes=(*read.notes, *written.notes))
    print_result({"tube": str(tube), "to": to} | asdict(written), lines=lines, json=json)
    for note in () if json else written.notes:
        print_note("Note", "yellow", note)


def experiments(
    table: Annotated[str, typer.Argument(help="CSV or .xlsx file with a header, or name of an olymp data set.")],
    target: Annotated[str, typer.Option(help="Measured column of a file. Default: the last column.")] = "",
    direction: Annotated[str, typer.Option(help="For a file: maximize (default) or minimize.")] = "",
    inputs: Annotated[
        str | None, typer.Option(help="Input columns of a file, with commas. Default: all but the target.")
    ] = None,
    ignore: Annotated[str | None, typer.Option(help="Columns of a file that are not read, with commas.")] = None,
    categorical: Annotated[
        str | None, typer.Option(help="Input columns of a file whose cells are names, with commas.")
    ] = None,
    na: Annotated[
        str | None,
        typer.Option(help="Cells of a file that mean a missing value, with commas. Their rows are left out."),
    ] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark of a CSV file. Default: a point.")] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Character between cells of a CSV file. Default: comma, semicolon or tab.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a CSV file, such as latin-1. Default: UTF-8.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="gp, trees, or best (the model with the better cross-validation).")
    ] = "best",
    log: Annotated[bool, typer.Option(help="Fit the logarithm of the target.")] = False,
    json: Json = False,
) -> None:
    """Fit the emulator of `matgym/Experiments-v0` to a table of experiments, and print its accuracy."""
    from matgym.tasks.experiments import ExperimentTask

    words: dict[str, Any] = {
        "direction": direction or None, "model": model, "inputs": _names(inputs), "ignore": _names(ignore),
        "categorical": _names(categorical), "na": _names(na), "decimal": decimal, "delimiter": delimiter,
        "encoding": encoding,
    }  # fmt: skip  # checked there
    with progress() as show:
        show(table, 0, 1, "learning the table")
        emulator = ExperimentTask.of(table, target=target or None, log=log, **words).emulator
        show(table, 1, 1, "")
    data = emulator.data
    learned = f"log({data.target})" if log else data.target
    ranges = [{"input": c.name, "from": _shown(c, c.low), "to": _shown(c, c.high)} for c in data.columns]
    models = [
        {"model": name, "r2": r2, "±": emulator.r2_interval[name], "taken": name == emulator.model}
        for name, r2 in emulator.r2.items()
    ]
    remarks = _remarks(data, emulator, learned)
    content = {
        "table": data.name, "target": learned, "inputs": ranges, "models": models, "noise": emulator.noise,
        "replicated": emulator.replicated, "remarks": remarks,
    }  # fmt: skip
    print_result(
        content,
        (f"{data.name}: inputs", ranges),
        (f"{data.name}: {learned}, cross-validated", models),
        lines=[f"• {sentence}" for sentence in remarks],
        json=json,
    )


def _names(text: str | None) -> list[str] | None:
    """Return names with commas between them; a name that has a comma stands in quotation marks, as in CSV files."""
    if text is None:
        return None
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), None) or [""]]


def _remarks(data: "Experiments", emulator: "Emulator", learned: str) -> list[str]:
    inputs, means, _ = data.averaged
    best = int((data.sign * means).argmax())
    extreme = "maximum" if data.direction == "maximize" else "minimum"
    where = ", ".join(f"{c.name} = {_shown(c, v)}" for c, v in zip(data.columns, inputs[best], strict=True))
    found = f"the {extreme} of {data.target} is {means[best]:.6g}, at {where}"
    unsure = "from replicates" if emulator.replicated else "at most: the model's own error, as there are no replicates"
    remarks = [
        f"{len(data)} experiments, {len(means)} different ones; {found}",
        f"measurements of {learned} vary by {emulator.noise:.3g} (one standard deviation, {unsure})",
    ]
    return remarks if data.sum is None else [*remarks, f"inputs are shares of {data.sum:.4g}"]


def _shown(column: "Column", value: float) -> str:
    return str(column.choices[round(value)]) if column.choices else f"{value:.6g}"
