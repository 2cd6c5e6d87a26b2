"""Files of a result: a page with pictures, and structure files of each design."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from matgym.data import Dataset
from matgym.data.cards import SUFFIX, CardFacts, write_card
from matgym.designer.predicting import KEYS, verifier_of
from matgym.designer.result import DesignResult, interval
from matgym.errors import ConfigurationError
from matgym.files import write_json, write_text
from matgym.models import Predictions
from matgym.structures import Species
from matgym.structures.io import export, write
from matgym.version import __version__
from matgym.viz.figures import render

PROGRAMS: Final = ("lammps", "vasp", "ovito", "vesta")
"""Programs for which inputs can be written."""

SHOWN: Final = 8
"""Largest number of designs that the page shows in 3-D: browsers support about a dozen views."""


def write_result(result: DesignResult, folder: Path, programs: Sequence[str] = ()) -> dict[str, Path]:
    """Write the page, the result as JSON and as a table, and the structures; return the paths by name.

    Args:
        result: the result.
        folder: folder of the files.
        programs: programs for which inputs are written as well: "lammps", "vasp", "ovito", "vesta".

    Raises:
        ConfigurationError: if a program is none of these.
    """
    if others := set(programs) - set(PROGRAMS):
        raise ConfigurationError(f"there are no inputs for {min(others)!r}: give {', '.join(PROGRAMS)}")
    files = {
        "page": folder / "design.html", "result": folder / "design.json", "table": folder / "designs.parquet",
        "card": folder / f"designs{SUFFIX}",
    }  # fmt: skip
    for rank, design in enumerate(result.designs, start=1):
        isotopes = any(design.tube.counts[kind] for kind in (Species.C13, Species.C14))
        for suffix in (".extxyz",) if isotopes else (".extxyz", ".cif"):  # CIF cannot store isotopes
            files[f"design {rank}{suffix}"] = folder / f"design-{rank}{suffix}"
            write(files[f"design {rank}{suffix}"], design.tube)
        for program in programs:
            export(design.tube, program, folder / f"design-{rank}-{program}")
    write_json(files["result"], result.as_dict())
    dataset_of(result).save(files["table"])
    write_card(files["table"], CardFacts("designs", f"Carbon nanotubes that matgym designed for: {result.brief}."))
    write_text(files["page"], page(result))
    return files


def dataset_of(result: DesignResult) -> Dataset:
    """Return the designs as a table: verified values, and predictions in columns of their own.

    Formation energies are those of all atoms, as in other data sets; a brief asks for them by atom.
    """
    tubes = [design.tube for design in result.designs]
    atoms = np.array([int((tube.species != Species.VACANCY).sum()) for tube in tubes])
    values, failures, predicted, models = {}, {}, {}, {}
    for name in result.brief.names:
        key, scale = KEYS[name], atoms if name == "formation" else 1.0
        values[key] = scale * np.array([design.verified.get(name, np.nan) for design in result.designs])
        failures[key] = {
            row: design.failures[name] for row, design in enumerate(result.designs) if name in design.failures
        }
        predicted[f"{key}.predicted"] = scale * np.array([design.predicted[name] for design in result.designs])
        predicted[f"{key}.half_width"] = scale * np.array([design.half_width[name] for design in result.designs])
        models[key] = verifier_of(name)
    labels = Predictions(values, failures)
    return Dataset.of(tubes, labels, models, command=f"matgym design, {result.brief}", more=predicted)


def page(result: DesignResult) -> str:
    """Return the page of a result, which loads nothing from elsewhere."""
    from markupsafe import Markup

    from matgym.viz.tube3d import script_tag, tube_html

    names, count = result.brief.names, len(result.designs)
    columns = ("quantity", "asked", "predicted", "verified")
    designs = []
    for rank, design in enumerate(result.designs, start=1):
        rows = [
            (
                f"{ask.quantity.name}{'' if ask.quantity.unit == '1' else ', ' + ask.quantity.unit}",
                str(ask).removeprefix(f"{ask.quantity.name} "),
                interval(design.predicted[name], design.half_width[name]),
                f"{design.verified[name]:.4g}" if name in design.verified else "not verified",
            )
            for name, ask in zip(names, result.brief.asks, strict=True)
        ]
        missed = design.missed(result.brief)
        caption = "Meets the brief." if not missed else f"Misses the brief: {'; '.join(missed)}."
        caption += "".join(f" {name}: {reason}." for name, reason in design.failures.items())
        view = Markup(tube_html(design.tube, f"tube-{rank}")) if rank <= SHOWN else ""  # noqa: S704  # ours
        designs.append((f"{rank}. {design.tube}", caption, view, columns, rows))
    shapes = len({(each.tube.n, each.tube.m) for each in result.designs})
    compared = [
        (each.method, f"{each.evaluations:,}", "yes" if each.met else f"no, by {each.excess:.2g} scales")
        for each in result.compared
    ]
    return render(
        "matgym.designer",
        "design.html",
        title="Carbon nanotubes for a brief",
        summary=result.sentences,
        numbers=(
            ("designs that meet the brief", f"{sum(result.met)} of {count}", "by verified values"),
            ("chiralities", str(shapes), "among the designs"),
            ("scored by surrogates", f"{result.scored:,}", "designs"),
            ("computed by physics", f"{result.physics:,}", "values"),
        ),
        designs=designs,
        compared=(("method", "designs", "meets the brief"), compared) if compared else None,
        provenance={
            "matgym": __version__,
            "brief": str(result.brief),
            "verified by": "; ".join(f"{name}: {level}" for name, level in result.levels.items()),
            "±": "half the width of the interval that holds 90 % of true values; predictions without it are exact, or "
            "by a model without uncertainty",
            "wall seconds": ", ".join(f"{stage} {spent:.0f}" for stage, spent in result.seconds.items()),
        },
        script=Markup(script_tag()),  # noqa: S704  # ours
    )
