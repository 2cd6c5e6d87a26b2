"""What `matgym generate` does."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from matgym.data import Dataset
from matgym.errors import ConfigurationError
from matgym.generative.evaluate import Evaluation, evaluate
from matgym.generative.refine import RankedSeeder
from matgym.generative.store import STORE, GeneratorCard, save_generator
from matgym.learning.trainer import Epoch
from matgym.structures import SubstitutionEdits, tubes_on
from matgym.surrogates import load
from matgym.tasks import Seeder, as_seeder

if TYPE_CHECKING:
    from rich.progress import Progress

SURROGATE: Final = "nanotube-doping"


def train(
    model: str, output: Path, settings: Path | None, dataset: str, changes: dict[str, Any], log: Path | None,
    bar: "Progress",
) -> GeneratorCard:  # fmt: skip
    """Train a generator and store it; an interrupted training goes on where it was.

    Raises:
        ConfigurationError: if there is no such model or setting.
    """
    from matgym.generative.training import read_generator_config, train_generator

    STORE.check_path(output)
    how = read_generator_config(model, settings, {name: value for name, value in changes.items() if value is not None})
    data = Dataset.load(dataset)
    tasks = {model: bar.add_task(model, total=how.epochs, note="")}

    def on_epoch(epoch: Epoch) -> None:
        stage = epoch.stage
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=getattr(how, f"{stage}_epochs", how.epochs), note="")
        bar.update(tasks[stage], completed=epoch.number, note=epoch.note)

    began = perf_counter()
    with STORE.checkpoints(output) as checkpoints:
        trained = train_generator(how, data, checkpoints=checkpoints, log=log, on_epoch=on_epoch)
        return save_generator(
            trained.generator,
            output,
            data={"name": dataset, "digest": data.digest},
            fit=how.as_dict(),
            command=f"matgym generate train OUTPUT.safetensors --model {model}",
            validation=trained.validation,
            seconds=perf_counter() - began,
        )


def ranked(seeder: str, candidates: int) -> Seeder:
    """A seeder by name, its draws ranked by the shipped surrogate if there are several."""
    found = as_seeder(seeder)
    return RankedSeeder(found, load(SURROGATE), candidates=candidates) if candidates > 1 else found


def evaluate_seeder(seeder: str, samples: int, split: str, candidates: int, seed: int) -> Evaluation:
    """The table of one seeder."""
    return evaluate(ranked(seeder, candidates), np.random.default_rng(seed), samples=samples, split=split, name=seeder)


def sample(
    output: Path, target: float, tube: str, budget: dict[str, int], count: int, seeder: str, seed: int
) -> list[dict[str, Any]]:
    """Draw, verify, write; a row a tube."""
    from matgym.app.export import parse_design
    from matgym.physics import GAP_EV, PiElectrons
    from matgym.structures.io.files import write
    from matgym.viz.generated import grid

    lattice = parse_design(tube).lattice
    if not any(budget.values()):
        raise ConfigurationError("a tube with neither boron nor nitrogen is not drawn: give --boron and --nitrogen")
    edits = SubstitutionEdits(lattice.n_sites, {name: number for name, number in budget.items() if number})
    drawn = as_seeder(seeder).seed(lattice, edits, np.full(count, target), np.random.default_rng(seed))
    tubes = tubes_on(lattice, drawn)
    gaps = PiElectrons().evaluate(tubes)[GAP_EV.key]
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (structure, gap) in enumerate(zip(tubes, gaps, strict=True)):
        path = output / f"tube-{index:02d}.xyz"
        write(path, structure)
        rows.append({"file": path.name, "gap, eV": f"{gap:.4f}", "error, meV": f"{1000 * (gap - target):+.0f}"})
    grid(tubes, [f"{gap:.3f} eV" for gap in gaps]).savefig(output / "tubes.png", dpi=150)
    return rows
