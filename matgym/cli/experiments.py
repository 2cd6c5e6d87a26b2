"""`matgym experiments`: how well a table of experiments can be learned."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import print_result
from matgym.cli.options import Json

if TYPE_CHECKING:
    from matgym.processes.campaigns.emulator import Emulator
    from matgym.processes.campaigns.experiments import Column, Experiments


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
    emulator = ExperimentTask.of(table, target=target or None, log=log, **words).emulator
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
