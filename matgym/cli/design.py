"""`matgym design`: tubes for a brief."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from matgym.cli.console import MAX_COUNT, Json, Workers, print_result, progress, split_names
from matgym.designer.brief import QUANTITIES, Brief
from matgym.errors import ConfigurationError
from matgym.files import check_output, parsed_number


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with three options for each quantity: `--NAME`, `--min-NAME` and `--max-NAME`.

    The command takes what is given as its keyword argument `asked`.
    """
    options = {}
    for name, quantity in QUANTITIES.items():
        unit = "" if quantity.unit == "1" else f", {quantity.unit}"
        words = (
            ("", str, f"Target, or range as 0.8:1.0: {quantity.description}{unit}."),
            ("min_", float, f"Least value{unit}."),
            ("max_", float, f"Largest value{unit}."),
        )
        for prefix, kind, text in words:
            flag = "--" + (prefix + name).replace("_", "-")
            option = typer.Option(flag, metavar="<value>", help=text, hidden=bool(prefix))  # their names fill the help
            options[prefix + name] = Annotated[kind | None, option]

    @wraps(command)
    def told(**given: Any) -> None:
        asked = {name: given.pop(name, None) for name in options}
        command(asked={name: _value(name, text) for name, text in asked.items() if text is not None}, **given)

    known = [each for each in signature(command).parameters.values() if each.name != "asked"]
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]
    parameters = [*more, *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in known)]
    told.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {each.name: each.annotation for each in parameters}
    return told


def _value(name: str, text: str | float) -> float | tuple[float, float]:
    """Return the target or the range of an option."""
    if isinstance(text, float):
        return text
    numbers = [parsed_number(part.strip()) for part in text.split(":")]
    values = [number for number in numbers if number is not None]
    if len(values) < len(numbers) or len(numbers) > 2:
        raise ConfigurationError(f"--{name.replace('_', '-')} {text} is neither a number nor a range such as 0.8:1.0")
    return values[0] if len(values) == 1 else (values[0], values[1])


@asks
def design(
    minimize: Annotated[str, typer.Option(help="Quantities to be as small as possible, with commas.")] = "",
    maximize: Annotated[str, typer.Option(help="Quantities to be as large as possible, with commas.")] = "",
    count: Annotated[int, typer.Option(min=1, max=50, help="Number of different tubes.")] = 5,
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=1e6, help="Estimated time of the verification by physics, s.")
    ] = 25.0,
    workers: Workers = 2,
    species: Annotated[str, typer.Option(help="Species that may be placed, with commas.")] = "B,N,V,14C",
    compare: Annotated[bool, typer.Option("--compare", help="Also score random designs and a look-up table.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder for a page with pictures and structure files.")] = None,
    export: Annotated[str, typer.Option(help="Also inputs for lammps, vasp, ovito or vesta, with commas.")] = "",
    *,
    asked: dict[str, Any],
    json: Json = False,
) -> None:
    """Design different tubes that meet a brief, and verify them by physics.

    Each quantity also has bounds, such as --min-gap and --max-gap.
    """
    brief = Brief.of(_names(minimize), _names(maximize), **asked)
    if export and output is None:
        raise ConfigurationError(f"--export {export} has no effect without --output")
    if output is not None:
        check_output(output, folder=True)
    from matgym.designer.files import write_result
    from matgym.designer.run import design as designed

    with progress() as show:
        result = designed(
            brief=brief, count=count, seed=seed, seconds=seconds, workers=workers, species=split_names(species),
            compare=compare, on_progress=show,
        )  # fmt: skip
    files = {} if output is None else write_result(result, output, split_names(export) if export else ())
    print_result(
        result.as_dict() | {"files": {name: str(path) for name, path in files.items()}},
        ("Designs", result.rows()),
        lines=[
            *(f"• {sentence}" for sentence in result.sentences),
            *(f"  {name}: {path}" for name, path in files.items()),
        ],
        json=json,
    )


def _names(text: str) -> list[str]:
    return [name.replace("-", "_") for name in split_names(text)] if text else []
