"""What `matgym surrogate improve` does."""

from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from matgym.app.export import parse_design
from matgym.benchmark.improve import ImproveSettings, Round, improve
from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.files import atomic_path
from matgym.surrogates import load, load_card
from matgym.surrogates.store import STORE, save
from matgym.surrogates.training import config_of, measure

if TYPE_CHECKING:
    from rich.progress import Progress


def run_improvement(
    weights: str, output: Path, tube: str, budget: str, dataset: str, settings: ImproveSettings, bar: "Progress"
) -> dict[str, Any]:
    """Improve stored weights, and store them with the data that they were improved on.

    Args:
        weights: to begin with.
        output: of the improved ones; `OUTPUT.rounds/` beside it lets an interrupted run go on.
        tube: chirality and cells.
        budget: such as "B=8,N=8".
        dataset: file or shipped name; what the card names if empty.
        settings: how much of it.
        bar: shows progress.

    Returns:
        Rounds, and metrics on the untouched split, as rows.
    """
    STORE.check_path(output)
    atoms = parse_budget(budget)
    card = load_card(weights)
    data = Dataset.load(dataset or card.data["name"])
    fit_config = config_of(card)
    folder = output.with_name(output.name + ".rounds")
    task = bar.add_task("improving", total=settings.rounds, note="")

    def on_round(found: Round) -> None:
        bar.update(task, advance=1, note=f"round {found.number}: wrong by {found.mae:.4g} where it searched")

    surrogate, data, rounds = improve(
        load(weights), data, fit_config, parse_design(tube).lattice, atoms, settings,
        folder=folder, on_round=on_round,
    )  # fmt: skip
    with atomic_path(output.with_suffix(".parquet")) as scratch:
        pq.write_table(data.table, scratch, compression="zstd")
    metrics = measure(surrogate, data)
    save(
        surrogate,
        output,
        data={"name": str(output.with_suffix(".parquet")), "digest": data.digest},
        fit=card.fit,
        command=f"matgym surrogate improve {weights} OUTPUT --tube '{tube}' --budget {budget}",
        metrics=metrics,
    )
    rmtree(folder, ignore_errors=True)
    rows = [{"split": split} | figures.model_dump() for split, group in metrics.items() for figures in group]
    shown = [{key: row[key] for key in ("split", "property", "n", "r2", "mae", "rmse")} for row in rows]
    return {"rounds": [found.as_dict() for found in rounds], "metrics": shown}


def parse_budget(text: str) -> dict[str, int]:
    """A budget such as "B=8,N=8".

    Raises:
        ConfigurationError: if it is none.
    """
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): int(count) for name, count in pairs}
    except ValueError:
        raise ConfigurationError(f"{text!r} is no budget: give species and counts, such as B=8,N=8") from None
