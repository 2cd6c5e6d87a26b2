"""What `matgym furnace` and `matgym experiments` do."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matgym.errors import ConfigurationError
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Experiments, measured
from matgym.processes.growth.growth import CVDGrowth
from matgym.processes.growth.recipe import Recipe, Stage

if TYPE_CHECKING:
    from rich.progress import Progress

    from matgym.learning.trainer import Epoch


def describe_experiments(table: str, target: str | None, goal: str, model: str, log: bool) -> dict[str, Any]:
    """How well a table can be learned."""
    is_file = Path(table).suffix != "" or Path(table).is_file()
    if goal not in {"max", "min"}:
        raise ConfigurationError(f"goal={goal!r} must be max or min")
    data = Experiments.read(table, target=target, goal=goal) if is_file else measured(table)  # type: ignore[arg-type]  # checked
    emulator = emulate(data, model, log=log)  # type: ignore[arg-type]  # checked there
    means, best = data.averaged[1], data.averaged[0][int((data.sign * data.averaged[1]).argmax())]
    learned = f"log({data.target})" if log else data.target
    remarks = [
        f"{len(data)} experiments, {len(means)} different ones; the {data.goal}imum of {data.target} is "
        f"{(data.sign * means).max() * data.sign:.6g}, at "
        + ", ".join(f"{c.name} = {_shown(c, v)}" for c, v in zip(data.columns, best, strict=True)),
        f"measurements of {learned} vary by {emulator.noise:.3g} (one standard deviation, "
        + (
            "from replicates)" if emulator.replicated else "at most: the model's own error, as there are no replicates)"
        ),
    ]
    if data.sum is not None:
        remarks.append(f"inputs are shares of {data.sum:.4g}")
    return {
        "table": data.name,
        "target": learned,
        "inputs": [{"input": c.name, "from": _shown(c, c.low), "to": _shown(c, c.high)} for c in data.columns],
        "models": [
            {"model": name, "r2": r2, "±": emulator.r2_interval[name], "taken": name == emulator.model}
            for name, r2 in emulator.r2.items()
        ],
        "noise": emulator.noise,
        "replicated": emulator.replicated,
        "remarks": remarks,
    }


def _shown(column: Any, value: float) -> str:
    return str(column.choices[round(value)]) if column.choices else f"{value:.6g}"


def grow(stages: list[str]) -> list[dict[str, Any]]:
    """What a recipe grows: a row a property.

    Raises:
        ConfigurationError: if a stage cannot be read.
    """
    read = []
    for text in stages:
        parts = text.split(":")
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if not 3 <= len(numbers) <= 5 or numbers[0] != int(numbers[0]):
            raise ConfigurationError(f"stage {text!r} must be MINUTES:CELSIUS:C2H2[:H2[:H2O]], such as 20:705:150")
        read.append(Stage(int(numbers[0]), *numbers[1:]))
    oracle = CVDGrowth()
    found = oracle.evaluate([Recipe.of(*read)])
    return [
        {"property": str(prop), "value": float(found[prop][0]), "meaning": prop.description} for prop in oracle.provides
    ]


def train(config: str, output: Path, log: Path | None, bar: "Progress") -> list[dict[str, Any]]:
    """Train a network over time; rows of its figures."""
    from matgym.learning.config import read_config
    from matgym.processes.sequences.training import CONFIGS, ProcessConfig, train_process

    found = read_config(ProcessConfig, config, shipped=CONFIGS)
    task = bar.add_task("training", total=found.fit.members * found.fit.epochs, note="simulating runs")

    def on_epoch(epoch: "Epoch") -> None:
        note = f"network {epoch.member + 1}, validation error {epoch.error:.4f} standard deviations"
        bar.update(task, completed=epoch.member * found.fit.epochs + epoch.number, note=note)

    command = f"matgym furnace train {config} OUTPUT.safetensors"
    card = train_process(found, output, log=log, command=command, on_epoch=on_epoch)
    return [{"outcome": row.property} | row.model_dump(include={"n", "r2", "mae", "rmse"}) for row in card.metrics]
