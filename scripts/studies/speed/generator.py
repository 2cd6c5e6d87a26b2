"""Measure the number of tubes per second that the GAN draws, in one process and in two: 8 B and 8 N on 128 sites.

`python -m scripts.studies.speed.generator` (a minute on an idle machine) writes docs/results/generator-speed.json.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from matgym.generative.store import load_generator
from matgym.structures import tube_lattice
from scripts.studies.common import Study, StudyJob, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement."""

    drawn: int = 8192


@dataclass(frozen=True)
class Draw(StudyJob):
    """The job that draws tubes in one process."""

    settings: Settings
    seed: int

    def run(self):
        """Return tubes per second, with one draw for each tube and with the shipped two."""
        lattice, rng, drawn = tube_lattice(11, 0, 3), np.random.default_rng(self.seed), self.settings.drawn
        budget, targets = np.tile([8, 8], (drawn, 1)), rng.uniform(0.1, 0.5, drawn)
        row = {}
        for name, draws in (("once", 1), ("twice", 2)):
            generator = replace(load_generator("gan"), draws=draws)
            generator.draw(lattice, targets[:512], budget[:512], rng)
            began = time.perf_counter()
            generator.draw(lattice, targets, budget, rng)
            row[name] = drawn / (time.perf_counter() - began)
        return pa.Table.from_pylist([row])


def main():
    study = Study.from_command_line("generator-speed", __doc__, Settings(), Settings(drawn=64))
    rows = []
    for count, cores in ((1, "one core"), (2, "two cores")):
        rates = study.rows([Draw(study.settings, seed) for seed in range(count)], folder=cores.replace(" ", "-"))
        rows.append({"cores": cores} | {name: sum(row[name] for row in rates) for name in ("once", "twice")})
    study.write({"rows": rows})
    print_markdown(
        ("", "tubes/s, drawn once", "as shipped"),
        ((r["cores"], *(f"{r[n]:,.0f}" for n in ("once", "twice"))) for r in rows),
    )


if __name__ == "__main__":
    main()
