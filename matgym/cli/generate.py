"""`matgym generate`: train, evaluate and sample generators."""

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from matgym.cli.console import MAX_COUNT, MAX_DRAWN, Force, Json, Log, Weights, print_result, progress
from matgym.cli.structures import reads_files
from matgym.errors import ConfigurationError
from matgym.files import atomic_path, check_output
from matgym.work import work_folder

if TYPE_CHECKING:
    from matgym.structures.io import Reading

app = typer.Typer(no_args_is_help=True, help="Train, evaluate and sample generators of tubes.")


@app.command()
def train(
    output: Weights,
    model: Annotated[str, typer.Option(help="gan, vae or diffusion.")] = "gan",
    settings: Annotated[Path | None, typer.Option(help="YAML file of settings that replace the defaults.")] = None,
    dataset: Annotated[str, typer.Option(help="Parquet file or shipped data set.")] = "nanotube-doping",
    epochs: Annotated[int | None, typer.Option(min=1, max=MAX_DRAWN, help="Number of training epochs.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = None,
    log: Log = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a generator. An interrupted training resumes."""
    from matgym.data import Dataset
    from matgym.generative.store import STORE, read_generator_config, save_generator, train_generator
    from matgym.learning.trainer import Epoch

    STORE.check_path(output)
    changes = {name: value for name, value in (("epochs", epochs), ("seed", seed)) if value is not None}
    how = read_generator_config(model, settings, changes)
    data = Dataset.load(dataset)
    began = perf_counter()
    inputs = [Path(dataset), *([settings] if settings else [])]
    with STORE.training(output, force=force, inputs=inputs) as work, progress() as show:
        show("training", 0, how.epochs)

        def on_epoch(epoch: Epoch) -> None:
            show(epoch.stage, epoch.number, getattr(how, f"{epoch.stage}_epochs", how.epochs), epoch.note)

        trained = train_generator(how, data, checkpoints=work.folder / "checkpoints", log=log, on_epoch=on_epoch)
        work.begin_output()
        card = save_generator(
            trained.generator,
            output,
            data={"name": dataset, "digest": data.digest},
            fit=asdict(how),
            command=f"matgym generate train OUTPUT.safetensors --model {model}",
            validation=trained.validation,
            seconds=perf_counter() - began,
        )
    rows = [{name: f"{value:.4g}" for name, value in card.validation.items()}]
    print_result(
        {"weights": str(output), "card": card.model_dump()}, (f"{output}, on the validation split", rows), json=json
    )


@app.command()
def evaluate(
    generator: Annotated[str, typer.Option(help="gan, diffusion, vae, nearest, swap, random, or a .safetensors file.")],
    samples: Annotated[int, typer.Option(min=1, max=MAX_DRAWN, help="Number of tubes.")] = 400,
    split: Annotated[str, typer.Option(help="Split that targets and compositions are taken from.")] = "test",
    ranked: Annotated[
        int, typer.Option(min=1, max=10_000, help="Candidates per tube. The surrogate selects the best.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = 0,
    json: Json = False,
) -> None:
    """Evaluate a generator. The oracle verifies its tubes."""
    import numpy as np

    from matgym.generative.evaluate import evaluate as measure
    from matgym.generative.refine import RankedDesigns
    from matgym.surrogates import load
    from matgym.tasks import as_design_generator

    drawn_by = as_design_generator(generator)
    if ranked > 1:
        drawn_by = RankedDesigns(drawn_by, load("nanotube-doping"), candidates=ranked)
    with progress() as show:
        show("drawing and verifying", 0, samples)
        found = measure(drawn_by, np.random.default_rng(seed), samples=samples, split=split, name=generator)
        show("drawing and verifying", samples, samples)
    title = f"{generator}: {samples} tubes for conditions of the {split} split"
    print_result(asdict(found), (title, found.as_rows()), json=json)


@app.command()
@reads_files
def sample(
    output: Annotated[Path, typer.Argument(help="Output folder for the structures, a table and a picture.")],
    target: Annotated[float, typer.Option(min=-100.0, max=100.0, help="Target gap, eV.")] = 0.3,
    tube: Annotated[str, typer.Option(help="Chirality and cells, or a structure file of such a tube.")] = "(11,0)x3",
    boron: Annotated[int, typer.Option(min=0, max=MAX_DRAWN, help="Number of boron atoms.")] = 8,
    nitrogen: Annotated[int, typer.Option(min=0, max=MAX_DRAWN, help="Number of nitrogen atoms.")] = 8,
    samples: Annotated[int, typer.Option(min=1, max=10_000, help="Number of tubes.")] = 12,
    generator: Annotated[
        str, typer.Option(help="gan, diffusion, vae, nearest, swap, random, or a .safetensors file.")
    ] = "gan",
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = 0,
    *,
    reading: "Reading",
    force: Force = False,
    json: Json = False,
) -> None:
    """Generate tubes, verify them by physics, and write them to files."""
    import numpy as np

    from matgym.data import Dataset
    from matgym.data.cards import CardFacts, card_path, write_card
    from matgym.physics import GAP_EV
    from matgym.physics.registry import judge_of
    from matgym.structures import lattice_edits
    from matgym.structures.io import parse_structure, write
    from matgym.tasks import Decorations, as_design_generator
    from matgym.viz.raster import grid

    check_output(output, folder=True)
    files, picture = [output / f"tube-{index:02d}.xyz" for index in range(samples)], output / "tubes.png"
    table = output / "tubes.parquet"
    lattice = parse_structure(tube, reading).periodic(tube).lattice
    budget = {name: count for name, count in (("B", boron), ("N", nitrogen)) if count}
    if not budget:
        raise ConfigurationError(
            "--boron 0 and --nitrogen 0 leave nothing to place: give a positive --boron or --nitrogen"
        )
    space, rng = Decorations(lattice, lattice_edits(lattice, budget)), np.random.default_rng(seed)
    drawn_by = as_design_generator(generator)
    with work_folder(output / "tubes", outputs=[*files, picture, table, card_path(table)], force=force) as work:
        with progress() as show:
            show("drawing and verifying", 0, samples)
            tubes = drawn_by.sample(space, np.full(samples, target), rng)
            judge = judge_of(GAP_EV.key)
            verified = judge.predict(tubes)
            gaps = verified[GAP_EV]
            show("drawing and verifying", samples, samples)
        work.begin_output()
        for path, structure in zip(files, tubes, strict=True):
            write(path, structure)
        with atomic_path(picture) as scratch:
            grid(tubes, [f"{gap:.3f} eV" for gap in gaps]).savefig(scratch, dpi=150)
        command = f"matgym generate sample --target {target:g} --generator {generator} --seed {seed}"
        made = Dataset.of(list(tubes), verified.only([GAP_EV.key]), {GAP_EV.key: judge}, command=command)
        made.save(table)
        write_card(table, CardFacts("tubes", f"Carbon nanotubes that a generator drew for a gap of {target:g} eV."))
    rows = [
        {"file": path.name, "gap, eV": f"{gap:.4f}", "error, meV": f"{1000 * (gap - target):+.0f}"}
        for path, gap in zip(files, gaps, strict=True)
    ]
    print_result(rows, (f"{output}: tubes for {target:g} eV", rows), json=json)
