"""How many tubes a second does the GAN draw, in one process and in two at once? 8 B and 8 N on 128 sites.

`python -m scripts.studies.speed.generator` (a minute, where nothing else runs) writes
docs/results/generator-speed.json.
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
    """What is measured."""

    drawn: int = 8192


@dataclass(frozen=True)
class Draw(StudyJob):
    """Draw tubes in one process."""

    settings: Settings
    seed: int

    def run(self):
        """Tubes a second, drawn once and twice, the better one kept, as shipped."""
        lattice, rng, drawn = tube_lattice(8, 0, 4), np.random.default_rng(self.seed), self.settings.drawn
        budget, targets = np.tile([8, 8], (drawn, 1)), rng.uniform(0.6, 1.15, drawn)
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
        found = study.rows([Draw(study.settings, seed) for seed in range(count)], folder=cores.replace(" ", "-"))
        rows.append({"cores": cores} | {name: sum(row[name] for row in found) for name in ("once", "twice")})
    study.write({"rows": rows})
    print_markdown(
        ("", "tubes/s, drawn once", "as shipped"),
        ((r["cores"], *(f"{r[n]:,.0f}" for n in ("once", "twice"))) for r in rows),
    )


if __name__ == "__main__":
    main()
