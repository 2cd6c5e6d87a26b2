"""Measure the shipped surrogates of any tube beside the physics that labelled them, in the same run and batch.

The tubes are (11,0)x3 with B and N, 132 sites, on one thread. `python -m scripts.studies.speed.surrogates` (some
minutes) writes docs/results/surrogate-speed.json and prints the table of docs/surrogates.md.
"""

import time
from dataclasses import dataclass

import numpy as np

from matgym.data.builder import random_codoped
from matgym.models import Level
from matgym.physics.oracles import one_thread
from matgym.physics.registry import oracle_of
from matgym.structures import TubeBatch
from matgym.surrogates import load, load_card, shipped
from scripts.studies.common import Study, print_markdown


@dataclass(frozen=True)
class Settings:
    """The settings of the measurement.

    Attributes:
        batch: tubes in a batch.
        repeats: batches of which the median is taken; the first one, which fills caches, is left out.
        names: surrogates; empty for all of any tube.
    """

    batch: int = 32
    repeats: int = 3
    names: tuple[str, ...] = ()


QUICK = Settings(batch=2, repeats=1, names=("nanotube-young",))


def seconds(model, batches):
    """Return the median seconds of a batch."""
    found = []
    for batch in batches:
        start = time.perf_counter()
        with one_thread():
            model.predict(batch)
        found.append(time.perf_counter() - start)
    return float(np.median(found[1:]))


def main():
    study = Study.from_command_line("surrogate-speed", __doc__, Settings(), QUICK)
    settings, rng, rows = study.settings, np.random.default_rng(0), []
    batches = [
        TubeBatch.of(random_codoped(11, 0, 3, 0.15, rng) for _ in range(settings.batch))
        for _ in range(settings.repeats + 1)
    ]
    for name in shipped():
        card = load_card(name)
        if Level.XTB in card.levels.values():  # whose oracle takes hours for a batch
            continue
        if name in settings.names or (not settings.names and card.levels):
            for key, level in card.levels.items():
                learned, physics = (seconds(model, batches) for model in (load(name), oracle_of(key, level=level)))
                rows.append(
                    {
                        "surrogate": name,
                        "property": key,
                        "tubes_per_second": settings.batch / learned,
                        "physics_tubes_per_second": settings.batch / physics,
                        "ratio": physics / learned,
                        "level": str(level),
                    }
                )
    study.write({"rows": rows})
    print_markdown(
        ("surrogate", "tubes/s", "physics, tubes/s", "ratio", "physics"),
        (
            (row["surrogate"], *(f"{row[k]:,.3g}" for k in ("tubes_per_second", "physics_tubes_per_second", "ratio")),
             row["level"])
            for row in rows
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
