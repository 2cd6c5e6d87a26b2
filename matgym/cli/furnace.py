"""`matgym furnace`: simulate recipes, and train time-series networks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matgym.cli.console import Force, Json, Log, Weights, print_result, progress
from matgym.errors import ConfigurationError
from matgym.files import parsed_number

if TYPE_CHECKING:
    from matgym.processes.growth.recipe import Stage

app = typer.Typer(no_args_is_help=True, help="Simulate growth, and train networks for growth and annealing.")


@app.command()
def grow(
    stages: Annotated[
        list[str],
        typer.Argument(help="Stages MINUTES:CELSIUS:C2H2[:H2[:H2O]], pressures in Pa, such as 20:705:150 5:690:300"),
    ],
    json: Json = False,
) -> None:
    """Run a recipe in the standard reactor and print the outcome."""
    from matgym.processes.growth import runs
    from matgym.processes.growth.recipe import recipe_of

    found = runs.grow(recipe_of(*map(_stage, stages)))
    rows = [{"property": name, "value": found[name], "meaning": what} for name, what in runs.GROWN.items()]
    print_result(found, ("grown", rows), json=json)


def _stage(text: str) -> "Stage":
    from matgym.processes.growth.recipe import Stage

    numbers = [value for part in text.split(":") if (value := parsed_number(part)) is not None]
    if len(numbers) != text.count(":") + 1 or not 3 <= len(numbers) <= 5 or numbers[0] != int(numbers[0]):
        raise ConfigurationError(f"stage {text!r} must be MINUTES:CELSIUS:C2H2[:H2[:H2O]], such as 20:705:150")
    return Stage(int(numbers[0]), *numbers[1:])


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="cvd-growth, annealing, or a YAML file.")],
    output: Weights,
    log: Log = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Simulate runs, train a time-series network on them, and test it on other runs."""
    from matgym.learning.config import read_config
    from matgym.learning.trainer import Epoch
    from matgym.processes.sequences.fitting import CONFIGS, ProcessConfig, train_process

    found = read_config(ProcessConfig, config, shipped=CONFIGS)
    with progress() as show:
        total = found.fit.members * found.fit.epochs
        show("training", 0, total, "simulating runs")

        def on_epoch(epoch: Epoch) -> None:
            note = f"network {epoch.member + 1}, validation error {epoch.error:.4f} standard deviations"
            show("training", epoch.member * found.fit.epochs + epoch.number, total, note)

        command = f"matgym furnace train {config} OUTPUT.safetensors"
        card = train_process(
            found, output, log=log, command=command, force=force, inputs=[Path(config)], on_epoch=on_epoch
        )
    shown = {"n", "r2", "mae", "rmse"}
    rows = [{"outcome": row.property} | row.model_dump(include=shown) for row in card.metrics]
    print_result({"weights": str(output), "metrics": rows}, (f"{output}, at the last step", rows), json=json)
