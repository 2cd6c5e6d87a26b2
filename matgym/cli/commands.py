"""Commands without a group: `matgym demo`, `matgym export`, `matgym experiments`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import MAX_COUNT, Json, print_note, print_result, progress
from matgym.files import check_output

if TYPE_CHECKING:
    from matgym.processes.campaigns.emulator import Emulator
    from matgym.processes.campaigns.experiments import Column, Experiments


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the report, the table and the structures.")] = Path("demo"),
    training_designs: Annotated[
        int, typer.Option(min=1, max=MAX_COUNT, help="Designs scored while the policy learns.")
    ] = 40_000,
    targets: Annotated[int, typer.Option(min=1, max=10_000, help="Target gaps the policy has not seen.")] = 40,
    queries: Annotated[int, typer.Option(min=1, max=10_000, help="Designs scored a target, by each method.")] = 16,
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Of the training.")] = 0,
    json: Json = False,
) -> None:
    """The main job: train a policy, design tubes, compare, verify by the oracle, write a report."""
    from matgym.app.demo import DemoSettings, run_demo
    from matgym.app.report import in_plain_words, write_results

    check_output(output, folder=True)
    settings = DemoSettings(training_designs=training_designs, targets=targets, queries=queries, seed=seed)
    with progress() as on_progress:
        result = run_demo(settings, on_progress)
    files = write_results(output, result)
    figures = (*result.comparison.figures(), *result.whole_budget.figures())
    print_result(
        result.as_dict() | {"files": {name: str(path) for name, path in files.items()}},
        ("Designs for unseen targets, verified by the oracle", [row.as_row() for row in figures]),
        lines=[
            *(f"• {sentence}" for sentence in in_plain_words(result)),
            *(f"  {name}: {path.resolve()}" for name, path in files.items()),
        ],
        json=json,
    )


def export(
    design: Annotated[str, typer.Argument(help="A structure file, or a chirality and cells, such as '(8,0)x4'.")],
    to: Annotated[str, typer.Option(help="The program to write for: lammps, vasp, ovito or vesta.")],
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    json: Json = False,
) -> None:
    """Write a tube as input that another program runs or opens."""
    from matgym.structures import io

    check_output(output, folder=True)
    tube = io.parse_design(design)
    written = io.export(tube, to, output)
    lines = [f"{tube} for {to}: {written.use}", *(f"  {path}" for path in written.files)]
    print_result({"tube": str(tube), "to": to} | asdict(written), lines=lines, json=json)
    for note in () if json else written.notes:
        print_note("Note", "yellow", note)


def experiments(
    table: Annotated[str, typer.Argument(help="A CSV file with a header, or a campaign of the package olymp.")],
    target: Annotated[str, typer.Option(help="Column of a CSV file that was measured; the last by default.")] = "",
    direction: Annotated[str, typer.Option(help="maximize, the default, or minimize; of a CSV file.")] = "",
    model: Annotated[str, typer.Option(help="gp, trees, or best: the one that validates better.")] = "best",
    log: Annotated[bool, typer.Option(help="Learn the logarithm.")] = False,
    json: Json = False,
) -> None:
    """Learn a table of experiments and say how well: what `matgym/Experiments-v0` would stand on."""
    from matgym.tasks.experiments import ExperimentTask

    words: dict[str, Any] = {"direction": direction or None, "model": model}  # checked there
    with progress() as show:
        show(table, 0, 1, "learning the table")
        emulator = ExperimentTask.of(table, target=target or None, log=log, **words).emulator
        show(table, 1, 1, "")
    data = emulator.data
    learned = f"log({data.target})" if log else data.target
    inputs = [{"input": c.name, "from": _shown(c, c.low), "to": _shown(c, c.high)} for c in data.columns]
    models = [
        {"model": name, "r2": r2, "±": emulator.r2_interval[name], "taken": name == emulator.model}
        for name, r2 in emulator.r2.items()
    ]
    remarks = _remarks(data, emulator, learned)
    content = {
        "table": data.name, "target": learned, "inputs": inputs, "models": models, "noise": emulator.noise,
        "replicated": emulator.replicated, "remarks": remarks,
    }  # fmt: skip
    print_result(
        content,
        (f"{data.name}: inputs", inputs),
        (f"{data.name}: {learned}, cross-validated", models),
        lines=[f"• {sentence}" for sentence in remarks],
        json=json,
    )


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
