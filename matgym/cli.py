"""The command line: `matgym`, whose subcommands all take `--json`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from matgym.app.benchmarks import benchmark
from matgym.app.console import print_json, print_table, progress_bar, stderr
from matgym.errors import MatgymError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
data = typer.Typer(no_args_is_help=True, help="Build data sets and look into them.")
oracle = typer.Typer(no_args_is_help=True, help="Ask physics.")
surrogate = typer.Typer(no_args_is_help=True, help="Train surrogates and measure them.")
app.add_typer(data, name="data")
app.add_typer(oracle, name="oracle")
furnace = typer.Typer(no_args_is_help=True, help="Grow tubes, and train what predicts growth and annealing.")
app.add_typer(surrogate, name="surrogate")
app.add_typer(furnace, name="furnace")
generate = typer.Typer(no_args_is_help=True, help="Train generators of tubes, judge them, and draw from them.")
app.add_typer(generate, name="generate")
app.add_typer(benchmark, name="benchmark")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each on one core.")]


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the report, the table and the structures.")] = Path("demo"),
    training_designs: Annotated[int, typer.Option(min=1, help="Designs scored while the policy learns.")] = 40_000,
    targets: Annotated[int, typer.Option(min=1, help="Target gaps the policy has not seen.")] = 40,
    queries: Annotated[int, typer.Option(min=1, help="Designs scored a target, by each method.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    json: Json = False,
) -> None:
    """The main job: train a policy, design tubes, compare, audit by physics, write a report."""
    from matgym.app.demo import DemoSettings, in_plain_words, run_demo

    settings = DemoSettings(output, training_designs=training_designs, targets=targets, queries=queries, seed=seed)
    result = run_demo(settings)
    if json:
        print_json(result.as_dict())
        return
    rows = [row.as_row() for row in (*result.comparison.figures(), *result.whole_budget.figures())]
    print_table("Designs for unseen targets, verified by the oracle", rows)
    for sentence in in_plain_words(result):
        print(f"• {sentence}")  # noqa: T201  # the result, on stdout
    for name, path in result.files.items():
        print(f"  {name}: {path.resolve()}")  # noqa: T201  # likewise


@app.command("export")
def export_design(
    design: Annotated[str, typer.Argument(help="A structure file, or a chirality and cells, such as '(8,0)x4'.")],
    to: Annotated[str, typer.Option(help="The program to write for: lammps, vasp, ovito or vesta.")],
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("export"),
    json: Json = False,
) -> None:
    """Write a tube as input that another program runs or opens."""
    from matgym.app.export import export, parse_design

    tube = parse_design(design)
    written = export(tube, to, output)
    if json:
        print_json({"tube": str(tube), "to": to} | asdict(written))
        return
    print(f"{tube} for {to}: {written.use}")  # noqa: T201  # the result, on stdout
    for path in written.files:
        print(f"  {path}")  # noqa: T201  # likewise
    for note in written.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)


@app.command("experiments")
def experiments_describe(
    table: Annotated[str, typer.Argument(help="A CSV file with a header, or a campaign of the package olymp.")],
    target: Annotated[str, typer.Option(help="Column that was measured; the last by default.")] = "",
    goal: Annotated[str, typer.Option(help="max or min.")] = "max",
    model: Annotated[str, typer.Option(help="gp, trees, or best: the one that validates better.")] = "best",
    log: Annotated[bool, typer.Option(help="Learn the logarithm.")] = False,
    json: Json = False,
) -> None:
    """Learn a table of experiments and say how well: what `matgym/Experiments-v0` would stand on."""
    from matgym.app.processes import describe_experiments

    result = describe_experiments(table, target or None, goal, model, log)
    if json:
        print_json(result)
        return
    print_table(f"{result['table']}: inputs", result["inputs"])
    print_table(f"{result['table']}: {result['target']}, cross-validated", result["models"])
    for sentence in result["remarks"]:
        print(f"• {sentence}")  # noqa: T201  # the result, on stdout


@furnace.command("grow")
def furnace_grow(
    stages: Annotated[
        list[str],
        typer.Argument(help="MINUTES:CELSIUS:C2H2[:H2[:H2O]] in Pa, one after the other: 20:705:150 5:690:300"),
    ],
    json: Json = False,
) -> None:
    """Run a recipe in the standard reactor and say what has grown."""
    from matgym.app.processes import grow

    rows = grow(stages)
    if json:
        print_json({row["property"]: row["value"] for row in rows})
        return
    print_table("grown", rows)


@furnace.command("train")
def furnace_train(
    config: Annotated[str, typer.Argument(help="cvd-growth or annealing, or a YAML file.")],
    output: Annotated[Path, typer.Argument(help="Weights to write, ending in .safetensors.")],
    log: Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")] = None,
    json: Json = False,
) -> None:
    """Simulate runs, train a network over time on them, and measure it on runs that it never saw."""
    from matgym.app.processes import train

    with progress_bar() as bar:
        rows = train(config, output, log, bar)
    if json:
        print_json({"weights": str(output), "metrics": rows})
        return
    print_table(f"{output}, at the last step", rows)


@generate.command("train")
def generate_train(
    output: Annotated[Path, typer.Argument(help="Weights to write, ending in .safetensors.")],
    model: Annotated[str, typer.Option(help="gan, vae or diffusion.")] = "gan",
    settings: Annotated[Path | None, typer.Option(help="YAML file of settings other than the defaults.")] = None,
    dataset: Annotated[str, typer.Option(help="Parquet file or shipped name.")] = "nanotube-doping",
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the structures.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights, order and noise.")] = None,
    log: Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")] = None,
    json: Json = False,
) -> None:
    """Train a generator; a killed training goes on where it was."""
    from matgym.app.generation import train

    with progress_bar() as bar:
        card = train(model, output, settings, dataset, {"epochs": epochs, "seed": seed}, log, bar)
    if json:
        print_json({"weights": str(output), "card": card.model_dump()})
        return
    print_table(f"{output}, on the validation split", [{k: f"{v:.4g}" for k, v in card.validation.items()}])


@generate.command("evaluate")
def generate_evaluate(
    seeder: Annotated[str, typer.Option(help="gan, diffusion, vae, nearest, swap, random, or a stored generator.")],
    samples: Annotated[int, typer.Option(min=1, help="Tubes to draw.")] = 1000,
    split: Annotated[str, typer.Option(help="Split whose structures lend targets and compositions.")] = "test",
    ranked: Annotated[int, typer.Option(min=1, help="Draw so many for each and keep the surrogate's best.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    json: Json = False,
) -> None:
    """How good a seeder's tubes are, verified by the oracle."""
    from matgym.app.generation import evaluate_seeder

    found = evaluate_seeder(seeder, samples, split, ranked, seed)
    if json:
        print_json(found.as_dict())
        return
    print_table(f"{seeder}: {samples} tubes for conditions of the {split} split", found.as_rows())


@generate.command("sample")
def generate_sample(
    output: Annotated[Path, typer.Argument(help="Folder for the structures and a picture.")],
    target: Annotated[float, typer.Option(help="Wanted gap, eV.")] = 0.9,
    tube: Annotated[str, typer.Option(help="Chirality and cells.")] = "(8,0)x4",
    boron: Annotated[int, typer.Option(min=0, help="Atoms of boron.")] = 8,
    nitrogen: Annotated[int, typer.Option(min=0, help="Atoms of nitrogen.")] = 8,
    samples: Annotated[int, typer.Option(min=1, help="Tubes to draw.")] = 12,
    seeder: Annotated[str, typer.Option(help="As in evaluate.")] = "gan",
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    json: Json = False,
) -> None:
    """Draw tubes, let physics say what they are, and write them down."""
    from matgym.app.generation import sample

    rows = sample(output, target, tube, {"B": boron, "N": nitrogen}, samples, seeder, seed)
    if json:
        print_json(rows)
        return
    print_table(f"{output}: tubes for {target:g} eV", rows)


@data.command("build")
def data_build(
    output: Annotated[Path, typer.Argument(help="The Parquet file to write.")] = Path("nanotube-doping.parquet"),
    specification: Annotated[
        str, typer.Option(help="Name of a shipped data set, or a JSON file of a DatasetSpec.")
    ] = "nanotube-doping",
    workers: Workers = 2,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers do it, tcp://HOST:PORT.")
    ] = None,
    json: Json = False,
) -> None:
    """Build a data set, or go on with one that was interrupted."""
    from pydantic import ValidationError

    from matgym.data import SPECIFICATIONS, Dataset, DatasetSpec, build
    from matgym.errors import ConfigurationError

    spec = SPECIFICATIONS.get(specification)
    if spec is None:
        try:
            spec = DatasetSpec.model_validate_json(Path(specification).read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise ConfigurationError(
                f"{specification} is neither one of {', '.join(SPECIFICATIONS)} nor a file of a specification: {error}"
            ) from None
    with progress_bar() as bar:
        task = bar.add_task(spec.name, total=None, note="")

        def on_shard(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, note=f"{done} of {total} shards")

        build(spec, output, workers=workers, scheduler=scheduler, on_shard=on_shard)
    _show_dataset(Dataset.load(output), output, json=json)


@data.command("info")
def data_info(
    path: Annotated[str, typer.Argument(help="A Parquet file, or the name of a shipped data set.")] = "nanotube-doping",
    json: Json = False,
) -> None:
    """Rows a split, labels, and where a data set came from."""
    from matgym.data import Dataset

    _show_dataset(Dataset.load(path), path, json=json)


def _show_dataset(dataset: "Dataset", path: object, *, json: bool) -> None:  # type: ignore[name-defined]  # noqa: F821
    from matgym.data.splits import SPLITS

    rows: list[dict[str, Any]] = []
    for name in SPLITS:
        part = dataset.split(name)
        for key in dataset.keys:
            values = part.labelled([key]).values(key)
            low, high = (float(values.min()), float(values.max())) if len(values) else (float("nan"), float("nan"))
            failures = len(part) - len(values)
            rows.append(
                {"split": name, "property": key, "rows": len(part), "failures": failures, "min": low, "max": high}
            )
    if json:
        print_json({"path": str(path), "digest": dataset.digest, "splits": rows, "provenance": dataset.provenance})
    else:
        print_table(f"{path}, {len(dataset):,} tubes, {dataset.digest}", rows)


@oracle.command("evaluate")
def oracle_evaluate(
    files: Annotated[list[Path], typer.Argument(help="Structure files of nanotubes, of any format that ASE reads.")],
    properties: Annotated[
        str, typer.Option("--properties", help="Names, separated by commas; `matgym oracle list` has them all.")
    ] = "gap,fermi,pi_formation",
    temperature: Annotated[float, typer.Option(help="K.")] = 300.0,
    mu: Annotated[
        float | None, typer.Option(help="Chemical potential, eV; otherwise neutrality, and for ZT the best one.")
    ] = None,
    cache: Annotated[bool, typer.Option(help="Keep results in the user's cache folder, or in MATGYM_CACHE.")] = True,
    json: Json = False,
) -> None:
    """Properties of tubes in structure files, by physics."""
    from matgym.physics import Conditions, evaluate
    from matgym.physics.cache import default_cache
    from matgym.physics.registry import parse_properties
    from matgym.structures.io.files import read

    names = [name.strip() for name in properties.split(",") if name.strip()]
    parse_properties(names)  # a typing error is told before files are read
    tubes = [read(file) for file in files]
    with progress_bar() as bar:
        task = bar.add_task("physics", total=None, note="")

        def on_oracle(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, note=name)

        conditions = Conditions(temperature, mu)
        found, reasons = evaluate(
            tubes, names, conditions, cache=default_cache() if cache else None, on_oracle=on_oracle
        )
        bar.update(task, completed=1, total=1, note="")
    rows = [
        {"file": str(file), "tube": str(tube)}
        | {key: float(values[i]) for key, values in found.values.items()}
        | {"failures": {key: failed[i] for key, failed in reasons.items() if i in failed}}
        for i, (file, tube) in enumerate(zip(files, tubes, strict=True))
    ]
    if json:
        print_json(rows)
        return
    print_table(
        f"physics at {temperature:g} K", [row | {"failures": found.failures.get(i, "")} for i, row in enumerate(rows)]
    )


@oracle.command("list")
def oracle_list(json: Json = False) -> None:
    """All properties, with their keys and units."""
    from matgym.physics import properties

    rows = [
        {"name": name, "key": prop.key, "unit": prop.unit, "description": prop.description}
        for name, prop in properties().items()
    ]
    print_json(rows) if json else print_table("properties", rows)


@surrogate.command("train")
def surrogate_train(
    output: Annotated[
        Path | None, typer.Argument(help="Weights to write, ending in .safetensors; PROPERTY-NETWORK by default.")
    ] = None,
    properties: Annotated[
        str, typer.Option("--property", "--properties", help="Names, separated by commas: one head each.")
    ] = "",
    network: Annotated[str, typer.Option(help="lenet, alexnet, vgg, plain, resnet or graph.")] = "",
    cv: Annotated[int, typer.Option(min=0, help="Folds of a cross-validation before the fit; 0 for none.")] = 0,
    dataset: Annotated[
        str, typer.Option(help="A Parquet file, or the name of a shipped data set; by default one with the property.")
    ] = "",
    settings: Annotated[
        Path | None, typer.Option(help="YAML of all settings; by default the shipped ones for the data set.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    members: Annotated[int | None, typer.Option(min=1, help="Networks of the ensemble.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    start: Annotated[str, typer.Option(help="Transfer learning: weights of the same network to start from.")] = "",
    log: Annotated[Path | None, typer.Option(help="Folder for TensorBoard.")] = None,
    json: Json = False,
) -> None:
    """Train networks, go on with an interrupted training, and measure on tubes that training does not see."""
    from matgym.app.training import TrainingOptions, run_training

    options = TrainingOptions(properties, network, dataset, settings, epochs, members, seed, start)
    with progress_bar() as bar:
        result = run_training(options, output, cv, log, bar)
    rows: list[dict[str, Any]] = [
        {"split": split} | figures.model_dump() for split, group in result.card.metrics.items() for figures in group
    ]
    if json:
        print_json({"weights": str(result.output), "metrics": rows, "cross_validation": result.cross_validation})
        return
    if result.cross_validation:
        print_table(f"cross-validation, {cv} folds", result.cross_validation)
    _print_metrics(rows, f"{result.output}")


@surrogate.command("improve")
def surrogate_improve(
    weights: Annotated[str, typer.Argument(help="Weights to begin with: a .safetensors file or a shipped name.")],
    output: Annotated[Path, typer.Argument(help="Weights to write; OUTPUT.parquet beside them holds the data.")],
    tube: Annotated[str, typer.Option(help="Chirality and cells of the tube that is decorated.")] = "(8,0)x4",
    budget: Annotated[str, typer.Option(help="What is placed on it.")] = "B=8,N=8",
    dataset: Annotated[
        str, typer.Option(help="Of the training: a Parquet file or a shipped name; by default what the card names.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    designs: Annotated[int, typer.Option(min=4, help="Labelled by physics a round.")] = 64,
    queries: Annotated[int, typer.Option(min=1, help="Designs searched through for each of them.")] = 500,
    method: Annotated[str, typer.Option(help="random, annealing or genetic.")] = "annealing",
    epochs: Annotated[int, typer.Option(min=1, help="Of the training after each round.")] = 10,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: Json = False,
) -> None:
    """Active learning: search, audit by the oracle, add the disagreements to the data, retrain, repeat."""
    from matgym.app.improvement import run_improvement
    from matgym.benchmark.improve import ImproveSettings

    settings = ImproveSettings(rounds, designs, queries, method, epochs=epochs, seed=seed)
    with progress_bar() as bar:
        result = run_improvement(weights, output, tube, budget, dataset, settings, bar)
    if json:
        print_json(result)
        return
    print_table("what the searches found, before each training", result["rounds"])
    print_table("afterwards", result["metrics"])


@surrogate.command("evaluate")
def surrogate_evaluate(
    weights: Annotated[
        str, typer.Argument(help="A .safetensors file, or a shipped name; all shipped ones by default.")
    ] = "",
    dataset: Annotated[
        str, typer.Option(help="A Parquet file, or the name of a shipped data set; by default that of the training.")
    ] = "",
    larger: Annotated[bool, typer.Option(help="Also the tubes of sizes that training did not see.")] = False,
    json: Json = False,
) -> None:
    """Recompute surrogates' figures on the splits that their training did not see."""
    from matgym.data import Dataset
    from matgym.surrogates import load, load_card, shipped
    from matgym.surrogates.training import measure

    rows: list[dict[str, Any]] = []
    for name in [weights] if weights else shipped():
        found = measure(load(name), Dataset.load(dataset or load_card(name).data["name"]))
        rows += [
            {"surrogate": name, "split": split} | figures.model_dump()
            for split, group in found.items()
            for figures in group
            if larger or split == "test"
        ]
    print_json(rows) if json else _print_metrics(rows, weights or "shipped surrogates")


def _print_metrics(rows: "list[dict[str, Any]]", title: str) -> None:
    """Figures for people: the intervals beside the numbers."""
    table = []
    for row in rows:
        shown: dict[str, Any] = {key: row[key] for key in ("surrogate", "split", "property", "n") if key in row}
        for name in ("r2", "mae", "rmse"):
            interval = row[f"{name}_interval"]
            shown[name] = f"{row[name]:.4g}" + (f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else "")
        covered = row["coverage"]
        table.append(shown | {"coverage": "" if covered is None else f"{100 * covered:.1f}%"})
    print_table(title, table)


def main() -> None:
    """Entry point: errors that matgym raises on purpose are shown as one sentence."""
    try:
        app()
    except (MatgymError, OSError) as error:
        stderr.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
