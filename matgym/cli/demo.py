"""`matgym demo`: the main job."""

from pathlib import Path
from typing import Annotated

import typer

from matgym.cli.console import print_result, progress
from matgym.cli.options import Json


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the report, the table and the structures.")] = Path("demo"),
    training_designs: Annotated[int, typer.Option(min=1, help="Designs scored while the policy learns.")] = 40_000,
    targets: Annotated[int, typer.Option(min=1, help="Target gaps the policy has not seen.")] = 40,
    queries: Annotated[int, typer.Option(min=1, help="Designs scored a target, by each method.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    json: Json = False,
) -> None:
    """The main job: train a policy, design tubes, compare, verify by the oracle, write a report."""
    from matgym.app.demo import DemoSettings, run_demo
    from matgym.app.report import in_plain_words, write_results

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
