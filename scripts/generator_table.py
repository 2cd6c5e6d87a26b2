"""Every generator on one table, verified by the oracle: inside the data, in a band left out of training, on larger tubes.

`python scripts/generator_table.py` (an hour on two cores; needs the shipped generators, and trains a second one of each
without the band); one file a cell under runs/generator, so that a killed run goes on; `--report` only prints, draws and
writes docs/results/generator.json; `--speed` only measures how fast the GAN draws, where nothing else runs.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "generator"
REPORT = ROOT / "docs" / "results" / "generator.json"
SPEED = ROOT / "docs" / "results" / "generator-speed.json"
PICTURES = ROOT / "docs" / "images" / "generator"


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    samples: int = 1000  # a cell inside the data
    others: int = 400  # a cell of the larger tubes and of the band
    seeds: int = 5
    drawn: int = 8192  # in a measurement of speed
    band: tuple[float, float] = (0.75, 0.90)  # eV, left out of training: a twelfth of the structures


SETTINGS = Settings()
DESIGN_GENERATORS = ("random", "nearest", "swap", "vae", "diffusion", "diffusion, ranked", "gan, once", "gan")
TRAINED = ("vae", "diffusion", "gan")


def stored(name):
    """Weights of a generator that never saw the band."""
    return RUNS / f"{name}-without-band.safetensors"


def train_without_band(name):
    """Fit and store it."""
    from matgym.data import Dataset
    from matgym.generative.store import save_generator
    from matgym.generative.training import read_generator_config, train_generator

    if stored(name).exists():
        return
    how = read_generator_config(name, None, {"left_out": SETTINGS.band})
    trained = train_generator(how, Dataset.load("nanotube-doping"), checkpoints=RUNS / f"{name}.checkpoints")
    save_generator(trained.generator, stored(name), fit=how.as_dict())


def seeder_of(name, split):
    """A generator; for the band, one that never saw it.

    "gan, once" keeps what is drawn first, and so costs no second look. "diffusion, ranked" draws twice and keeps what
    the shipped surrogate believes nearer, which is more than the GAN's own guide gives the GAN.
    """
    from matgym.data import Dataset
    from matgym.generative.nearest import NearestDesigns
    from matgym.generative.refine import RankedDesigns
    from matgym.surrogates import load
    from matgym.tasks import as_design_generator

    name, _, how = name.partition(", ")
    if how == "once":
        return replace(seeder_of(name, split), draws=1)
    if how == "ranked":
        return RankedDesigns(seeder_of(name, split), load("nanotube-doping"), candidates=2)
    if split != "band" or name == "random":
        return as_design_generator(name)
    if name in TRAINED:
        return as_design_generator(stored(name))
    data = Dataset.load("nanotube-doping")
    return NearestDesigns(data, swaps=int(name == "swap"), left_out=SETTINGS.band)


def run_cell(name, split, seed):
    """Figures of one generator on one split, for one seed."""
    import torch

    torch.set_num_threads(1)
    from matgym.data import Dataset
    from matgym.files import write_json
    from matgym.generative.evaluate import evaluate

    file = RUNS / f"{name.replace(', ', '_')}-{split}-{seed}.json"
    if file.exists():
        return
    data = Dataset.load("nanotube-doping")
    rows, source = SETTINGS.samples, split
    if split == "band":  # held-out structures of the band lend conditions
        values, splits = data.values("gap_ev"), np.array(data.table.column("split").to_pylist())
        inside = (values >= SETTINGS.band[0]) & (values <= SETTINGS.band[1])
        data, source = data.take(np.flatnonzero((splits != "test") | inside)), "test"
    if split != "test":
        rows = SETTINGS.others
    found = evaluate(
        seeder_of(name, split), np.random.default_rng(seed), samples=rows, split=source, name=name, data=data
    )
    write_json(file, asdict(found) | {"split": split, "seed": seed})


def sampled(seed):
    """Tubes a second of the GAN in one process, drawn once and as it is: 8 B and 8 N on 128 sites."""
    import torch

    torch.set_num_threads(1)
    from matgym.generative.store import load_generator
    from matgym.structures import tube_lattice

    lattice, rng = tube_lattice(8, 0, 4), np.random.default_rng(seed)
    budget, targets = np.tile([8, 8], (SETTINGS.drawn, 1)), rng.uniform(0.6, 1.15, SETTINGS.drawn)
    rates = []
    for draws in (1, 2):
        generator = replace(load_generator("gan"), draws=draws)
        generator.draw(lattice, targets[:512], budget[:512], rng)
        began = time.perf_counter()
        generator.draw(lattice, targets, budget, rng)
        rates.append(SETTINGS.drawn / (time.perf_counter() - began))
    return rates


def speed():
    """Sampling on one core, and on two at once."""
    from matgym.files import write_json

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        alone = pool.submit(sampled, 0).result()
        together = np.sum(list(pool.map(sampled, range(2))), axis=0).tolist()
    found = {"one core": alone, "two cores": together}
    write_json(SPEED, found)
    for cores, (once, twice) in found.items():
        print(f"{cores}: {once:,.0f} tubes/s drawn once, {twice:,.0f} as it is")


def report():
    from matgym.files import write_json
    from matgym.generative.evaluate import Evaluation, table

    rows = [json.loads(file.read_text()) for file in sorted(RUNS.glob("*-*-[0-9].json"))]
    rows.sort(
        key=lambda row: (("test", "band", "larger").index(row["split"]), DESIGN_GENERATORS.index(row["generator"]))
    )
    write_json(REPORT, {"settings": asdict(SETTINGS), "rows": rows})
    print(table([Evaluation(**{k: v for k, v in row.items() if k != "seed"}) for row in rows]))
    draw()


def draw():
    """A grid of tubes, target against verified property, and a walk through the latent space."""
    from matgym.generative.geometry import geometry
    from matgym.generative.model import Noise, draw_noise, scores
    from matgym.generative.placement import place
    from matgym.generative.store import load_generator
    from matgym.physics import GAP_EV, PiElectrons
    from matgym.structures import SubstitutionEdits, tube_lattice, tubes_on
    from matgym.tasks import as_design_generator
    from matgym.viz.figures import target_against_achieved
    from matgym.viz.generated import grid
    from matgym.viz.palette import new_axes

    PICTURES.mkdir(parents=True, exist_ok=True)
    lattice, oracle, rng = tube_lattice(8, 0, 4), PiElectrons(), np.random.default_rng(0)
    edits = SubstitutionEdits(lattice.n_sites, {"B": 8, "N": 8})

    def gaps(species):
        return oracle.evaluate(tubes_on(lattice, species))[GAP_EV.key]

    targets = np.linspace(0.7, 1.1, 8)
    drawn = as_design_generator("gan").seed(lattice, edits, targets, rng)
    captions = [f"asked {t:.2f}, is {g:.2f} eV" for t, g in zip(targets, gaps(drawn), strict=True)]
    grid(tubes_on(lattice, drawn), captions).savefig(PICTURES / "tubes.png", dpi=110)

    targets, axes = np.linspace(0.6, 1.15, 60), new_axes()
    target_against_achieved(
        axes, targets, {name: gaps(as_design_generator(name).seed(lattice, edits, targets, rng)) for name in ("gan", "random")},
        0.05,
    )  # fmt: skip
    axes.figure.savefig(PICTURES / "targets.png", dpi=150)

    # A walk: the target rises, all noise stays.
    import torch

    generator, shape = load_generator("gan"), geometry(lattice)
    noise = draw_noise(generator.network.size, shape, 1, 2, rng)
    walk = Noise(*(x.repeat(8, *([1] * (x.dim() - 1))) for x in (noise.gumbel, noise.waves, noise.latent)))
    budget, targets = np.tile([8, 8], (8, 1)), np.linspace(0.65, 1.1, 8)
    with torch.inference_mode():
        condition = generator.condition(lattice, targets, budget)
        scored = scores(generator.network, shape, condition, torch.from_numpy(budget), walk)
        species = shape.species(place(scored, torch.from_numpy(budget), shape.neighbours), generator.kinds)
    captions = [f"asked {t:.2f}, is {g:.2f} eV" for t, g in zip(targets, gaps(species), strict=True)]
    grid(tubes_on(lattice, species), captions).savefig(PICTURES / "walk.png", dpi=110)
    print(PICTURES)


def main():
    if "--speed" in sys.argv:
        speed()
        return
    if "--report" not in sys.argv:
        from rich.progress import track

        RUNS.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            for future in track([pool.submit(train_without_band, name) for name in TRAINED[::-1]], "without the band"):
                future.result()
            jobs = [
                (name, split, seed)
                for seed in range(SETTINGS.seeds)
                for split in ("test", "band", "larger")
                for name in DESIGN_GENERATORS
            ]
            for future in track([pool.submit(run_cell, *job) for job in jobs], "cells"):
                future.result()
    report()


if __name__ == "__main__":
    main()
