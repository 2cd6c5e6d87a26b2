"""Measure the speed of the inference engines by batch and threads, with the largest difference from torch eager.

The networks are those of the shipped gap surrogate, and a lenet that is fitted here for a few epochs. The tubes are
(11,0)x3 of the data set's validation split. The speed does not depend on the quality of the fit, but it decides whether
8 bit raises an error. Times include all steps from species codes to eV.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m scripts.studies.speed.engines

takes ten minutes, needs the extra `engines`, writes docs/results/inference-speed.json and prints the table of
docs/surrogates.md.
"""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from matgym.data import Dataset
from matgym.errors import MatgymError
from matgym.structures import tube_lattice
from matgym.surrogates import FitConfig, fit, load
from matgym.surrogates.engines import ENGINES, INT8_ENGINES
from matgym.surrogates.training import quantised
from scripts.studies.common import Study, print_markdown

LATTICE, KEY = tube_lattice(11, 0, 3), "gap_ev"


@dataclass(frozen=True)
class Settings:
    """The settings of the measurements."""

    networks: tuple[str, ...] = ("shipped", "lenet")  # all but "shipped" are fitted here
    batches: tuple[int, ...] = (1, 64, 1024)
    threads: tuple[int, ...] = (1, 2)
    repeats: int = 5
    seconds: float = 0.5  # duration of a measurement; a longer call is not repeated
    fitted_rows: int = 2000
    judged_rows: int = 512
    epochs: int = 6  # enough epochs for outputs that vary, so that errors are meaningful


QUICK = Settings(("lenet",), (1, 8), (1,), repeats=1, seconds=0.0, fitted_rows=200, judged_rows=64, epochs=1)


def rows_of(data, split, count):
    """Return the first tubes of the lattice."""
    part = data.split(split).labelled([KEY, "pi_formation_ev"])
    groups = part.batch.by_lattice()
    return part.take(next(group.rows for group in groups if group.lattice == LATTICE)[:count])


def fitted(data, network, settings):
    few = rows_of(data, "train", settings.fitted_rows)
    both = few.with_rows(rows_of(data, "validation", settings.fitted_rows // 4))
    return fit(both, FitConfig(properties=(KEY,), network=network, epochs=settings.epochs, batch_size=32))


def samples_per_second(surrogate, species, settings):
    """Return the median speed of short repeats, after one that is not counted."""
    surrogate.run(LATTICE, species)
    seconds, calls = [], max(1, 16 // len(species))
    while not seconds or (len(seconds) < settings.repeats and sum(seconds) < settings.seconds):
        start = time.perf_counter()
        for _ in range(calls):
            surrogate.run(LATTICE, species)
        seconds.append(time.perf_counter() - start)
    return calls * len(species) / float(np.median(seconds))


def measured(surrogate, judged, settings):
    """Return a row for each engine and number of threads."""
    codes = np.stack([tube.species for tube in judged.batch])
    species = np.resize(codes, (max(settings.batches), LATTICE.n_sites))
    column = surrogate.column(KEY)
    for threads in settings.threads:
        torch.set_num_threads(threads)
        eager = replace(surrogate, engine=None).mean(LATTICE, species)[:, column]
        for name in ENGINES + INT8_ENGINES:
            row = {"network": surrogate.network, "engine": name, "threads": threads}
            try:
                if name in INT8_ENGINES:
                    engine = quantised(surrogate, judged, name, threads)
                else:
                    engine = surrogate.with_engine(name, threads)
                start = time.perf_counter()
                values = engine.mean(LATTICE, species)[:, column]
                row["first_pass_s"] = time.perf_counter() - start
                row["largest_error_ev"] = float(np.abs(values - eager).max())
                row["samples_per_s"] = {
                    str(batch): samples_per_second(engine, species[:batch], settings) for batch in settings.batches
                }
            except MatgymError as error:
                row["error"] = str(error)
            yield row


def cells(row, batches):
    head = (row["network"], row["engine"], row["threads"])
    if "error" in row:
        return (*head, *("-" for _ in batches), row["error"].split(": use")[0])
    speeds = (f"{row['samples_per_s'][str(batch)]:,.0f}" for batch in batches)
    return (*head, *speeds, f"{row['largest_error_ev']:.1e}")


def main():
    study = Study.from_command_line("inference-speed", __doc__, Settings(), QUICK)
    settings, data = study.settings, Dataset.load("nanotube-doping")
    judged = rows_of(data, "validation", settings.judged_rows)
    surrogates = [
        load("nanotube-doping") if name == "shipped" else fitted(data, name, settings) for name in settings.networks
    ]
    rows = [row for surrogate in surrogates for row in measured(surrogate, judged, settings)]
    study.write({"tube": "(11,0)x3", "unit": "samples/s", "rows": rows})
    print_markdown(
        ("network", "engine", "threads", *(f"batch {batch}" for batch in settings.batches), "largest difference, eV"),
        (cells(row, settings.batches) for row in rows),
    )


if __name__ == "__main__":
    main()
