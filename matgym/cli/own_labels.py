"""The part of `matgym surrogate train` that learns a property of the user's own from structures with labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from matgym.cli.console import command_line, print_note, print_result, progress
from matgym.errors import ConfigurationError

if TYPE_CHECKING:
    from matgym.data.labels import Labels
    from matgym.structures.io import Reading
    from matgym.surrogates.own.result import OwnFit

MOST_LINES: Final = 20
"""Most structures that are named for a reason; all of them are in the table of `--report`, and in `--json`."""


def train_own(
    data: Path,
    output: Path | None,
    name: str,
    *,
    column: str,
    unit: str,
    description: str,
    level: str,
    between_leads: bool,
    trunk: str,
    form: str,
    seed: int,
    report: Path | None,
    reading: "Reading",
    force: bool,
    json: bool,
) -> None:
    """Learn a property of the user's own; the arguments are the options of the command.

    Raises:
        ConfigurationError: if no property is named.
    """
    from matgym.data.labels import read_labels
    from matgym.files import check_output
    from matgym.surrogates.own.fitting import fit_own
    from matgym.surrogates.own.naming import own_property
    from matgym.surrogates.store import STORE

    if not name or "," in name:
        raise ConfigurationError(
            f"--property {name!r} must name one property: give the name of the labels of {data}, such as mine"
        )
    prop, known = own_property(name, unit, level, description=description, between_leads=between_leads)
    output = output or Path(f"{prop.name}.safetensors")
    if report is not None:
        check_output(report, folder=True)
    with STORE.training(output, force=force, inputs=[data]) as work, progress() as show:
        labels = read_labels(data, column or name, reading)
        if not json:
            _print_unread(labels)
        found = fit_own(labels, prop=prop, trunk=trunk, form=form, seed=seed, on_stage=show)
        options = {
            "--data": data, "--property": name, "--column": column, "--unit": unit, "--level": level, "--trunk": trunk,
            "--form": form, "--seed": seed or None, "--between-leads": between_leads,
        }  # fmt: skip
        work.begin_output()
        command = command_line("matgym surrogate train OUTPUT.safetensors", options)
        found.save(output, level=known, labels_by=level, source=str(data), command=command)
        files = [] if report is None else found.report(report)
    _print(found, output, files, json=json)


def _print_unread(labels: "Labels") -> None:
    """Print notes on structures that are not used as they stand."""
    for number, (name, reason) in enumerate(labels.unread.items()):
        if number == MOST_LINES:
            print_note("Not used", "yellow", f"{len(labels.unread) - MOST_LINES} more: see --report or --json")
            break
        print_note("Not used", "yellow", f"{name}: {reason}")
    for name, (low, high) in labels.conflicts.items():
        print_note(
            "Note", "yellow", f"{name}: the same tube up to symmetry has labels from {low:g} to {high:g}; mean taken"
        )


def _print(found: "OwnFit", output: Path, files: list[Path], *, json: bool) -> None:
    """Print what was learned."""
    labels, curve = found.labels, found.curve
    copies = labels.structures - len(labels)
    candidates = [
        {"trunk": each.trunk, "form": each.form, "rmse": error, "chosen": "yes" if each == found.chosen else ""}
        for each, error in found.errors.items()
    ]
    metrics = [{"tubes of": name} | _shown(row.model_dump()) for name, row in found.metrics.items()]
    sizes = [
        {"labels": size, "rmse": each.value, "low": each.low, "high": each.high}
        for size, each in zip(curve.sizes, curve.errors, strict=True)
    ]
    read = f"{labels.structures} structures read, {len(labels.unread)} not used"
    lines = [
        "",
        f"{read}; {len(labels)} different tubes" + (f" ({copies} symmetric copies)" if copies else "") + ".",
        f"Chosen by cross-validation: {found.chosen}.",
        *(f"The trunk {name} is left out: {reason}." for name, reason in found.left_out.items()),
        *([f"{len(labels.notes)} structures have notes on what was assumed: see --report."] if labels.notes else []),
        found.verdict,
        *(f"Written: {file}" for file in (output, *files)),
    ]
    content = {
        "weights": str(output), "files": [str(file) for file in files], "property": found.surrogate.own.key,
        "unit": found.surrogate.own.unit, "structures": labels.structures, "tubes": len(labels),
        "not_used": dict(labels.unread), "conflicts": dict(labels.conflicts), "notes": dict(labels.notes),
        "chosen": {"trunk": found.chosen.trunk, "form": found.chosen.form}, "candidates": candidates,
        "left_out": dict(found.left_out), "metrics": {k: row.model_dump() for k, row in found.metrics.items()},
        "curve": curve.as_dict(), "verdict": found.verdict,
    }  # fmt: skip
    unit = f", {curve.unit}" if curve.unit else ""
    print_result(
        content,
        (f"cross-validated RMSE{unit}", candidates),
        ("accuracy on tubes that were left out", metrics),
        (f"RMSE by the number of labels{unit}", sizes),
        lines=lines,
        json=json,
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a table for people."""
    shown = {"n": row["n"]}
    for name in ("r2", "r2_within", "mae", "rmse"):
        value, interval = row[name], row[f"{name}_interval"]
        shown[name] = "" if value is None else f"{value:.3g} [{interval[0]:.3g}, {interval[1]:.3g}]"
    return shown | {"coverage": f"{100 * row['coverage']:.0f} %"}
