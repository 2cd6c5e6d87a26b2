"""Compare the design generators, verified by the oracle: within the data, in a band left out, and on larger tubes.

`python -m scripts.studies.generator.comparison` (an hour on two cores) compares the shipped generators, and a second
one of each kind, which is trained here without the band. It writes docs/results/generator.json and
docs/images/generator/, and prints the table of docs/generator.md.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from matgym.data import Dataset
from matgym.generative.evaluate import FIGURES, Evaluation, evaluate, table
from matgym.generative.geometry import geometry
from matgym.generative.nearest import NearestDesigns
from matgym.generative.networks import Noise, draw_noise, scores
from matgym.generative.placement import place
from matgym.generative.refine import RankedDesigns
from matgym.generative.store import load_generator, read_generator_config, save_generator, train_generator
from matgym.physics import GAP_EV
from matgym.physics.registry import judge_of
from matgym.structures import TubeBatch
from matgym.surrogates import load
from matgym.tasks import as_design_generator, decoration_task
from matgym.viz.figures import target_against_achieved
from matgym.viz.palette import new_axes
from matgym.viz.raster import grid
from scripts.studies.common import Study, StudyJob

DATA = "nanotube-doping"


@dataclass(frozen=True)
class Settings:
    """The settings of the comparison."""

    samples: int = 300  # tubes of a job within the data
    others: int = 150  # tubes of a job on larger tubes, and in the band
    seeds: int = 3
    band: tuple[float, float] = (0.20, 0.25)  # eV, left out of the training: a sixteenth of the structures
    generators: tuple[str, ...] = (
        "random", "nearest", "swap", "vae", "diffusion", "diffusion, ranked", "gan, once", "gan",
    )  # fmt: skip
    trained: tuple[str, ...] = ("gan", "diffusion", "vae")
    drawn: int = 60  # targets in the picture


QUICK = Settings(samples=20, others=10, seeds=1, generators=("nearest", "gan, once"), trained=(), drawn=6)


def train_without_band(name, band, folder):
    """Train a generator on data without the band; a stored one is not trained again."""
    file = folder / f"{name}-without-band.safetensors"
    if not file.exists():
        config = read_generator_config(name, None, {"left_out": band})
        trained = train_generator(config, Dataset.load(DATA), checkpoints=folder / f"{name}.checkpoints")
        save_generator(trained.generator, file, fit=asdict(config))


def generator_of(name, band, folder):
    """Return a generator; with a band, one that was trained without it.

    "gan, once" returns the first draw, without the guide's check. "diffusion, ranked" draws twice and returns the
    design that the shipped surrogate predicts to be nearer, a more accurate check than that of the GAN's guide.
    """
    name, _, how = name.partition(", ")
    if how == "once":
        return replace(generator_of(name, band, folder), draws=1)
    if how == "ranked":
        return RankedDesigns(generator_of(name, band, folder), load(DATA), candidates=2)
    stored = folder / f"{name}-without-band.safetensors"
    if band is None or name == "random" or (name not in {"nearest", "swap"} and not stored.exists()):
        return as_design_generator(name)
    if name in {"nearest", "swap"}:
        return NearestDesigns(Dataset.load(DATA), swaps=int(name == "swap"), left_out=band)
    return as_design_generator(stored)


@dataclass(frozen=True)
class Evaluate(StudyJob):
    """The job that evaluates one generator on one split with one seed."""

    settings: Settings
    folder: Path = field(repr=False)
    generator: str
    split: str
    seed: int

    def run(self):
        """Return one row."""
        data, low, high = Dataset.load(DATA), *self.settings.band
        if self.split == "band":  # the conditions are those of held-out structures in the band
            values, splits = data.values("gap_ev"), np.array(data.table.column("split").to_pylist())
            data = data.take(np.flatnonzero((splits != "test") | ((values >= low) & (values <= high))))
        evaluation = evaluate(
            generator_of(self.generator, self.settings.band if self.split == "band" else None, self.folder),
            np.random.default_rng(self.seed),
            samples=self.settings.samples if self.split == "test" else self.settings.others,
            split="test" if self.split == "band" else self.split,
            name=self.generator,
            data=data,
        )
        return pa.Table.from_pylist([asdict(evaluation) | {"split": self.split, "seed": self.seed}])


def draw(study):
    """Draw a grid of tubes, targets against verified gaps, and a walk through the latent space."""
    task, oracle, rng = decoration_task(), judge_of(GAP_EV.key), np.random.default_rng(0)
    gan = as_design_generator("gan")

    def captioned(targets, tubes):
        captions = [
            f"target {t:.2f}, is {g:.2f} eV" for t, g in zip(targets, oracle.predict(tubes)[GAP_EV], strict=True)
        ]
        return grid(tubes, captions)

    targets = np.linspace(0.1, 0.45, 8)
    figure = captioned(targets, gan.sample(task.space, targets, rng))
    study.picture("generator/tubes.png", lambda path: figure.savefig(path, dpi=110))

    targets, axes = np.linspace(0.05, 0.5, study.settings.drawn), new_axes()
    gaps = {
        name: oracle.predict(as_design_generator(name).sample(task.space, targets, rng))[GAP_EV]
        for name in ("gan", "random")
    }
    target_against_achieved(axes, targets, gaps, 0.05)
    study.picture("generator/targets.png", lambda path: axes.figure.savefig(path, dpi=150))

    # A walk: the target rises while all noise stays the same.
    lattice, generator = task.space.lattice, load_generator("gan")
    shape = geometry(lattice)
    noise = draw_noise(generator.network.size, shape, 1, 2, rng)
    walk = Noise(*(x.repeat(8, *([1] * (x.dim() - 1))) for x in (noise.gumbel, noise.waves, noise.latent)))
    budget, targets = np.tile([8, 8], (8, 1)), np.linspace(0.05, 0.45, 8)
    with torch.inference_mode():
        condition = generator.condition(lattice, targets, budget)
        scored = scores(generator.network, shape, condition, torch.from_numpy(budget), walk)
        species = shape.species(place(scored, torch.from_numpy(budget), shape.neighbours), generator.kinds)
    figure = captioned(targets, TubeBatch.uniform(lattice, species))
    study.picture("generator/walk.png", lambda path: figure.savefig(path, dpi=110))


def main():
    study = Study.from_command_line("generator", __doc__, Settings(), QUICK)
    settings = study.settings
    for name in settings.trained:
        train_without_band(name, settings.band, study.folder)
    rows = study.rows(
        Evaluate(settings, study.folder, name, split, seed)
        for split in ("test", "band", "held")
        for name in settings.generators
        for seed in range(settings.seeds)
    )
    study.write({"rows": rows})
    names = ("generator", "split", "samples", *FIGURES)
    print(table([Evaluation(**{name: row[name] for name in names}) for row in rows]))
    draw(study)


if __name__ == "__main__":
    main()
