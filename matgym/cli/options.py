"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each on one core.")]
Scheduler = Annotated[str, typer.Option(help="Dask scheduler, such as tcp://127.0.0.1:8786, whose workers run it.")]
Log = Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")]
Weights = Annotated[Path, typer.Argument(help="Weights to write, ending in .safetensors.")]


def split_names(text: str) -> list[str]:
    """Names that commas separate; none if the text is empty."""
    return [name.strip() for name in text.split(",") if name.strip()]
