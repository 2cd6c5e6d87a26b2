"""Speed of the inference engines: engine x batch x threads, with the largest difference from torch eager.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python scripts/inference_speed.py [WEIGHTS]

Networks: the surrogate of the given weights (file or shipped name), or else a resnet fitted here for a few epochs,
and a lenet fitted likewise; tubes: (8,0)x4 of the data set's validation split. Speed does not depend on how well a
network is fitted; whether 8 bit is refused does. Times hold everything from species' codes to eV. Writes
`docs/results/inference-speed.json`.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from matgym.cli.console import progress_bar
from matgym.data import Dataset
from matgym.errors import MatgymError
from matgym.files import write_json
from matgym.structures import tube_lattice
from matgym.surrogates import FitConfig, fit, load
from matgym.surrogates.engines import ENGINES, INT8_ENGINES, quantised

OUTPUT = Path(__file__).parents[1] / "docs/results/inference-speed.json"
LATTICE = tube_lattice(8, 0, 4)
KEY = "gap_ev"
BATCHES = (1, 64, 1024)
THREADS = (1, 2)
REPEATS = 5
SECONDS = 0.5  # a measurement; longer ones are not repeated
FITTED_ROWS, JUDGED_ROWS, EPOCHS = 2000, 512, 6
BATCH_SIZE = 32  # as many steps as it takes to be no constant, whose errors would say nothing


def rows(data, split):
    """Tubes of the lattice."""
    part = data.split(split).labelled([KEY, "pi_formation_ev"])
    found = [group.rows for group in part.by_lattice() if group.lattice == LATTICE]
    return part.take(found[0])


def fitted(data, network):
    """A few epochs."""
    train, validation = (rows(data, name) for name in ("train", "validation"))
    few = train.take(np.arange(min(FITTED_ROWS, len(train))))
    both = few.with_rows(validation.take(np.arange(min(FITTED_ROWS // 4, len(validation)))))
    return fit(both, FitConfig(properties=(KEY,), network=network, epochs=EPOCHS, batch_size=BATCH_SIZE))


def samples_per_second(surrogate, species):
    """Median of short repeats, after one that is not counted."""
    surrogate.run(LATTICE, species)
    took = []
    while not took or (len(took) < REPEATS and sum(took) < SECONDS):
        start = time.perf_counter()
        calls = max(1, 16 // len(species))
        for _ in range(calls):
            surrogate.run(LATTICE, species)
        took.append(time.perf_counter() - start)
    return calls * len(species) / float(np.median(took))


def with_engine(surrogate, judged, name, threads):
    """One engine, exported and checked."""
    if name in INT8_ENGINES:
        return quantised(surrogate, judged, name, threads)
    return surrogate.with_engine(name, threads)


def measured(surrogate, judged, bar):
    """A row an engine and number of threads."""
    species = np.resize(judged.batch.species, (max(BATCHES), LATTICE.n_sites))
    column = surrogate.column(KEY)
    found = []
    task = bar.add_task(surrogate.network, total=len(THREADS) * len(ENGINES + INT8_ENGINES), note="")
    for threads in THREADS:
        torch.set_num_threads(threads)
        eager = replace(surrogate, engine=None).mean(LATTICE, species)[:, column]
        for name in ENGINES + INT8_ENGINES:
            bar.update(task, note=f"{name}, {threads} threads")
            row = {"network": surrogate.network, "engine": name, "threads": threads}
            try:
                engine = with_engine(surrogate, judged, name, threads)
                start = time.perf_counter()
                values = engine.mean(LATTICE, species)[:, column]
                row["first_pass_s"] = time.perf_counter() - start
                row["largest_error_ev"] = float(np.abs(values - eager).max())
                row["samples_per_s"] = {str(b): samples_per_second(engine, species[:b]) for b in BATCHES}
            except MatgymError as error:
                row["refused"] = str(error)
            found.append(row)
            bar.update(task, advance=1)
    return found


def markdown(found):
    """The table, as in the documentation."""
    lines = [
        f"| network | engine | threads | {' | '.join(f'batch {b}' for b in BATCHES)} | largest error, eV |",
        f"|---|---|---|{'---|' * (len(BATCHES) + 1)}",
    ]
    for row in found:
        start = f"| {row['network']} | {row['engine']} | {row['threads']} |"
        if "refused" in row:
            lines.append(f"{start} {' | '.join('-' for _ in BATCHES)} | {row['refused'].split(': use')[0]} |")
        else:
            speeds = " | ".join(f"{row['samples_per_s'][str(b)]:,.0f}" for b in BATCHES)
            lines.append(f"{start} {speeds} | {row['largest_error_ev']:.1e} |")
    return "\n".join(lines)


def main():
    data = Dataset.load("nanotube-doping")
    judged = rows(data, "validation")
    judged = judged.take(np.arange(min(JUDGED_ROWS, len(judged))))
    surrogates = [load(sys.argv[1]) if len(sys.argv) > 1 else fitted(data, "resnet"), fitted(data, "lenet")]
    with progress_bar() as bar:
        found = [row for surrogate in surrogates for row in measured(surrogate, judged, bar)]
    weights = sys.argv[1] if len(sys.argv) > 1 else f"fitted for {EPOCHS} epochs"
    write_json(OUTPUT, {"tube": "(8,0)x4", "weights": weights, "unit": "samples/s", "rows": found})
    print(markdown(found))


if __name__ == "__main__":
    main()
