"""How well, how fast and how differently does `matgym design` answer twelve briefs, two of which no tube can meet?

`python -m scripts.studies.search.design` (half an hour on two cores) writes docs/results/design.json, and prints the
table of docs/design.md. `--quick` takes two briefs that need no search. A design is verified by the
oracle of each quantity; the errors are those of the predictions of the five proposed designs. CPU seconds depend less
on what else the machine does than wall seconds.
"""

import json
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

import matgym
from matgym.cli.console import finite
from matgym.designer.brief import Brief
from matgym.files import parse_json
from scripts.studies.common import Study, StudyJob, print_markdown

BRIEFS: dict[str, dict[str, Any]] = {
    "issue": {"gap": 0.9, "diameter": (0.8, 1.2), "minimize": "thermal_conductance", "max_formation": 0.3},
    "gap": {"gap": 0.3},
    "narrow-gap": {"gap": 0.3, "diameter": (0.8, 0.9)},
    "large-gap": {"maximize": "gap", "diameter": (1.0, 1.3)},
    "insulating": {"minimize": "thermal_conductance", "max_formation": 0.05},
    "isotopes": {"minimize": "thermal_conductance", "min_young": 950.0, "diameter": (0.9, 1.1)},
    "metal": {"min_conductance": 150.0, "diameter": (0.65, 1.0), "minimize": "thermal_conductance"},
    "soft": {"max_young": 750.0, "max_formation": 0.15},
    "heat-and-stiffness": {"thermal_conductance": 1.5, "maximize": "young"},
    "thermoelectric": {"maximize": "zt", "diameter": (0.75, 0.95)},
    "too-wide": {"diameter": 5.0, "gap": (0.2, 0.4)},
    "too-much": {"min_gap": 1.0, "max_thermal_conductance": 0.3, "min_young": 1000.0},
}
"""The briefs: the issue's own; two of which tubes no tube can meet stand last."""


@dataclass(frozen=True)
class Settings:
    """The settings of the study."""

    briefs: tuple[str, ...] = tuple(BRIEFS)
    count: int = 5
    seed: int = 0
    compare: bool = True


QUICK = Settings(briefs=("gap", "too-wide"), count=2, compare=False)


@dataclass(frozen=True)
class Answered(StudyJob):
    """The answer to one brief."""

    brief: str
    settings: Settings = field(repr=False)

    def run(self):
        """Return a table with one row, the result as JSON."""
        settings = self.settings
        result = matgym.design(**BRIEFS[self.brief], count=settings.count, seed=settings.seed, compare=settings.compare)
        content = result.as_dict() | {"load": os.getloadavg()[0]}
        return pa.table({"brief": [self.brief], "result": [json.dumps(finite(content))]})


def errors(result):
    """Return the mean absolute error of the predictions of each quantity, and the number of verified designs."""
    found = {}
    for name in result["designs"][0]["quantities"]:
        pairs = [
            (each["quantities"][name]["predicted"], each["quantities"][name]["verified"])
            for each in result["designs"]
            if each["quantities"][name]["verified"] is not None
        ]
        found[name] = {
            "verified": len(pairs),
            "mae": float(np.mean([abs(a - b) for a, b in pairs])) if pairs else None,
            "inside": sum(
                abs(each["quantities"][name]["predicted"] - each["quantities"][name]["verified"])
                <= (each["quantities"][name]["half_width"] or 0.0) + 1e-3 * abs(each["quantities"][name]["verified"])
                for each in result["designs"]
                if each["quantities"][name]["verified"] is not None
            ),
        }
    return found


def row(name, result):
    """Return the row of a brief in the table of the page."""
    first, designs = result["designs"][0], result["designs"]
    values = "; ".join(
        f"{quantity} {of['verified'] if of['verified'] is not None else of['predicted']:.3g}"
        for quantity, of in first["quantities"].items()
    )
    mistakes = "; ".join(
        f"{quantity} {of['mae']:.2g} ({of['inside']} of {of['verified']})"
        for quantity, of in errors(result).items()
        if of["mae"] is not None and quantity not in {"diameter", "length"}
    )
    told = {each["method"].split()[1]: each for each in result["compared"]}
    rivals = [_verdict(told.get(method), name) for method in ("search", "best", "nearest")]
    shapes = len({(each["n"], each["m"]) for each in designs})
    wall = result["seconds"]["search"] + result["seconds"]["verification"]
    return (
        str(Brief.of(**BRIEFS[name])), f"{sum(result['met'])} of {len(designs)}", shapes, first["tube"], values,
        mistakes, f"{result['cpu_seconds']:.0f}", f"{wall:.0f}", *rivals,
    )  # fmt: skip


def _verdict(method, name):
    """Return how far a method's best design is from the brief, by predictions, and the extreme that it reaches."""
    if method is None:
        return None
    extremes = [ask.quantity.name for ask in Brief.of(**BRIEFS[name]).asks if ask.extreme]
    reached = "".join(f", {quantity} {method['values'][quantity]:.3g}" for quantity in extremes)
    excess = "none" if method["excess"] is None else f"{method['excess']:.2g}"
    return f"{'met' if method['met'] else 'off by ' + excess}{reached}"


def main() -> None:
    """Answer all briefs."""
    study = Study.from_command_line("design", __doc__, Settings(), QUICK)
    # one job at a time, in this process: `matgym.design` has processes of its own
    rows = Study(study.name, study.settings, study.quick, 1).rows(
        Answered(name, study.settings) for name in study.settings.briefs
    )
    results = {each["brief"]: parse_json(each["result"], each["brief"]) for each in rows}
    study.write({"briefs": {name: each | {"errors": errors(each)} for name, each in results.items()}})
    print_markdown(
        (
            "brief", "met", "chiralities", "first design", "its values", "error of predictions (within ±)", "CPU s",
            "wall s", "search", "random", "look-up",
        ),
        [row(name, each) for name, each in results.items()],
    )  # fmt: skip


if __name__ == "__main__":
    main()
