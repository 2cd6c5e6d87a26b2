"""The part of `matgym surrogate train` that learns a property of crystals from a fetched table."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from matgym.cli.console import command_line, print_result, progress
from matgym.cli.metrics import with_intervals
from matgym.errors import ConfigurationError

if TYPE_CHECKING:
    from matgym.data.sources import Fetched
    from matgym.surrogates.crystals import CrystalResult
    from matgym.surrogates.crystals.table import Grouping


def train_crystals(
    fetched: "Fetched",
    data: Path,
    output: Path | None,
    name: str,
    *,
    column: str,
    unit: str,
    method: str,
    groups: str,
    settings: Path | None,
    changes: Mapping[str, object],
    log: Path | None,
    force: bool,
    json: bool,
) -> None:
    """Learn, store and print; `fetched` is the table in `data`. See the options of `matgym surrogate train`.

    Raises:
        ConfigurationError: if no single property is named, or a setting is out of range.
    """
    from matgym.learning.config import read_config
    from matgym.surrogates.crystals import CrystalFit, CrystalTable, fit_crystals
    from matgym.surrogates.crystals.store import STORE

    if not name or "," in name:
        raise ConfigurationError(f"--property {name!r} must name one property: give a column of {data}")
    given = {key: value for key, value in changes.items() if value is not None}
    fit = read_config(CrystalFit, settings, changes=given)
    output = output or Path(f"{name}.safetensors")
    inputs = [data, *([settings] if settings else [])]
    with STORE.training(output, force=force, inputs=inputs) as work, progress() as show:
        table = CrystalTable.of(fetched, column or name, name=name, unit=unit, method=method)
        found = fit_crystals(
            table, fit, cast("Grouping", groups), on_stage=show, checkpoints=work.folder / "checkpoints", log=log
        )
        options = {
            "--data": data, "--property": name, "--column": column, "--unit": unit, "--level": method,
            "--groups": groups if groups != "composition" else "", "--settings": settings,
            **{f"--{key}": value for key, value in given.items()},
        }  # fmt: skip
        work.begin_output()
        command = command_line("matgym surrogate train OUTPUT.safetensors", options)
        card = found.save(output, source=str(data), command=command)
    _print(found, output, card.model_dump(mode="json"), json=json)


def _print(found: "CrystalResult", output: Path, card: Mapping[str, Any], *, json: bool) -> None:
    """Print what was learned."""
    from matgym.surrogates.crystals.fitting import GROUPED

    table, surrogate, rows = found.table, found.surrogate, found.metrics()
    source = table.provenance.get("provider") or table.provenance.get("source") or "the table"
    licence = table.provenance.get("licence") or "unknown licence"
    left = f"whole groups: {found.grouping}" if GROUPED in found.validated else "single crystals only"
    lines = [
        "",
        f"{len(table)} crystals of {source} ({licence})"
        + (f", {table.prop.name} by {table.method}." if table.method else "."),
        *(f"Not used: {count:,} rows {reason}." for reason, count in table.left_out.items()),
        *(
            f"Split {split!r}: {count} crystals are not counted, because no other fold has all of their elements."
            for split, count in found.not_predicted.items()
            if count
        ),
        *(f"Note: {note}." for note in found.notes),
        f"Cross-validation leaves out {left}. Chosen: {surrogate.network}.",
        f"Written: {output}",
    ]
    content = {
        "weights": str(output), "property": surrogate.prop.name, "unit": surrogate.prop.unit, "crystals": len(table),
        "not_used": dict(table.left_out), "method": table.method, "chosen": surrogate.network, "metrics": rows,
        "not_predicted": dict(found.not_predicted), "notes": list(found.notes), "data": card["data"],
    }  # fmt: skip
    unit = "" if surrogate.prop.unit == "1" else f", {surrogate.prop.unit}"
    print_result(content, (f"{output}{unit}", with_intervals(rows)), lines=lines, json=json)
