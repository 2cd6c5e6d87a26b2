"""Ask for tubes that version 0.1 answered wrongly or not at all: its answer, that of today, and that of physics.

The answers of 0.1 are in said_by_0_1.json: its surrogates knew (8,0) and (6,6), undeformed and with as many B as N.
`python -m scripts.studies.surrogates.questions` (a minute) writes docs/results/questions.json and prints the table of
docs/surrogates.md.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from matgym.files import read_json
from matgym.models import Level
from matgym.physics.registry import PROPERTIES_BY_KEY, oracle_of
from matgym.structures import Nanotube
from matgym.surrogates import load, shipped
from scripts.studies.common import Study, print_markdown

SAID = Path(__file__).parent / "said_by_0_1.json"
TUBES = {
    "(7,5)": Nanotube(7, 5),
    "(10,0)x3, strained 2 %": Nanotube(10, 0, 3, strain=0.02),
    "(6,6)x5 with a vacancy": Nanotube(6, 6, 5).decorated({31: "vacancy"}),
    "(8,0)x4 with one N": Nanotube(8, 0, 4).decorated({5: "N"}),
    "(8,0)x4 with BN": Nanotube(8, 0, 4).decorated({0: "B", 64: "N"}),
    "(8,0)x4": Nanotube(8, 0, 4),
}
LEVELS = {"gap_ev": Level.SCC_PI}  # by which today's surrogate was trained; the others: the first of the property


@dataclass(frozen=True)
class Settings:
    """The settings of the study: keys of the properties."""

    properties: tuple[str, ...] = ("gap_ev", "conductance_us", "thermal_conductance_nw_k", "young_gpa")


QUICK = Settings(properties=("young_gpa",))


def answers(key):
    """Return (value, half-width, note) of today for each tube: by the shipped surrogate, or by physics without one."""
    names = [name for name, keys in shipped().items() if key in keys and name != "nanotube-doping"]
    model = load(names[0]) if names else oracle_of(key)
    found = model.predict(list(TUBES.values()))
    for row in range(len(TUBES)):
        said = found.failures.get(key, {}).get(row, "") or found.notes.get(key, {}).get(row, "")
        width = float(found.half_width[key][row]) if key in found.half_width else 0.0
        yield names[0] if names else f"physics ({model.level})", float(found[key][row]), width, said


def main():
    study = Study.from_command_line("questions", __doc__, Settings(), QUICK)
    before, rows = read_json(SAID)["answers"], []
    for key in study.settings.properties:
        physics = oracle_of(key, level=LEVELS.get(key))
        truth = physics.predict(list(TUBES.values()))[key]
        for (tube, true), (by, value, width, said) in zip(
            zip(TUBES, truth.tolist(), strict=True), answers(key), strict=True
        ):
            old_value, old_width, old_said = before[tube][key]
            rows.append(
                {
                    "tube": tube, "property": key,
                    "before": old_value, "before_half_width": old_width, "before_said": old_said,
                    "by": by, "now": value, "half_width": width, "said": said,
                    "physics": true, "level": str(physics.level),
                }
            )  # fmt: skip
    study.write({"rows": rows})
    print_markdown(
        ("tube", "property", "0.1 said", "now", "by", "physics"),
        (
            (
                row["tube"], PROPERTIES_BY_KEY[row["property"]].name,
                answer(row["before"], row["before_half_width"], row["before_said"]),
                answer(row["now"], row["half_width"], row["said"]), row["by"], row["physics"],
            )
            for row in rows
        ),
    )  # fmt: skip


def answer(value, width, said):
    """Return the text of an answer: its value with the half-width of its interval, or what was said instead."""
    if value is None or not np.isfinite(value):
        return f"none: {said}"
    if width is None or not np.isfinite(width):
        return f"{value:.3g}, without bound: {said}"
    return (f"{value:.3g} ± {width:.2g}" if width else f"{value:.3g}") + (f" ({said})" if said else "")


if __name__ == "__main__":
    main()
