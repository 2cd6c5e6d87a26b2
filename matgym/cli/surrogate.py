"""`matgym surrogate`: train, distil, improve and evaluate surrogates."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matgym.cli.console import (
    MAX_COUNT,
    MAX_DRAWN,
    Force,
    Json,
    Log,
    Workers,
    command_line,
    print_result,
    progress,
    split_names,
)
from matgym.cli.metrics import metric_rows, with_intervals
from matgym.cli.structures import reads_files
from matgym.errors import ConfigurationError

if TYPE_CHECKING:
    from matgym.data.sources import Fetched
    from matgym.structures.io import Reading
    from matgym.surrogates.training import AnyFit

app = typer.Typer(no_args_is_help=True, help="Train and evaluate surrogates.")


@app.command()
@reads_files
def train(
    output: Annotated[
        Path | None, typer.Argument(help="Output .safetensors file. Default: PROPERTY-NETWORK.safetensors.")
    ] = None,
    properties: Annotated[str, typer.Option("--property", help="Properties, separated by commas.")] = "",
    also: Annotated[str, typer.Option("--properties", hidden=True)] = "",  # the name of the option in `matgym oracle`
    network: Annotated[
        str,
        typer.Option(
            help="Architecture: lenet, alexnet, vgg, plain, resnet, graph or honeycomb. Of crystals: auto, mean, ridge "
            "or graph."
        ),
    ] = "",
    cv: Annotated[int, typer.Option(min=0, max=1000, help="Cross-validation folds. 0: none.")] = 0,
    dataset: Annotated[
        str, typer.Option(help="Parquet file or shipped data set. Default: one with the properties.")
    ] = "",
    settings: Annotated[
        Path | None, typer.Option(help="YAML file of all settings. Default: the shipped settings.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, max=MAX_DRAWN, help="Number of training epochs.")] = None,
    members: Annotated[int | None, typer.Option(min=1, max=1000, help="Number of networks in the ensemble.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = None,
    start: Annotated[str, typer.Option(help="Initial weights, of the same architecture (transfer learning).")] = "",
    data: Annotated[
        Path | None,
        typer.Option(
            help="Structures with labels of your own: a CSV file, a file of frames (.extxyz), a folder, or a table of "
            "`matgym data fetch` (.parquet), of tubes or of crystals. The options below are for these."
        ),
    ] = None,
    column: Annotated[str, typer.Option(help="Name of the labels in the data. Default: that of the property.")] = "",
    unit: Annotated[str, typer.Option(help="Unit of the labels, such as eV. Default: a pure number.")] = "",
    description: Annotated[str, typer.Option(help="What the property is.")] = "",
    level: Annotated[
        str,
        typer.Option(
            help="What the labels were computed or measured by. Of crystals: the method whose values are taken. "
            "Default: that of the most."
        ),
    ] = "",
    groups: Annotated[
        str, typer.Option(help="Crystals: what cross-validation leaves out together, composition or anonymous.")
    ] = "",
    between_leads: Annotated[
        bool, typer.Option("--between-leads", help="The property is that of a tube between two leads.")
    ] = False,
    trunk: Annotated[
        str,
        typer.Option(
            help="What shipped surrogates give: none, mechanics, network, gap. Cross-validation chooses from several "
            "with commas, or auto for all."
        ),
    ] = "auto",
    form: Annotated[
        str, typer.Option(help="What is learned: value, per-site or resistance. auto: by cross-validation.")
    ] = "auto",
    report: Annotated[Path | None, typer.Option(help="Folder for pictures and tables of the labels.")] = None,
    log: Log = None,
    *,
    reading: "Reading",
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a surrogate and test it on held-out tubes. An interrupted training resumes.

    With --data, learn a property of your own from a few hundred structures, and say whether they are enough.
    """
    general = {
        "--network": network, "--cv": cv, "--dataset": dataset, "--settings": settings, "--epochs": epochs,
        "--members": members, "--start": start, "--log": log,
    }  # fmt: skip
    if data is not None and (fetched := fetched_crystals(data, asked=bool(network or groups))) is not None:
        from matgym.cli.crystal_labels import train_crystals

        for_tubes = {
            "--cv": cv, "--dataset": dataset, "--start": start, "--description": description,
            "--between-leads": between_leads, "--trunk": trunk if trunk != "auto" else "",
            "--form": form if form != "auto" else "", "--report": report,
        }  # fmt: skip
        _check_unused(for_tubes, "with --data of crystals")
        _check_reading(reading)
        train_crystals(
            fetched, data, output, ",".join(filter(None, [properties, also])), column=column, unit=unit, method=level,
            groups=groups or "composition", settings=settings, log=log, force=force, json=json,
            changes={"network": network or None, "epochs": epochs, "members": members, "seed": seed},
        )  # fmt: skip
        return
    if data is not None:
        from matgym.cli.own_labels import train_own

        general |= {"--groups": groups}
        _check_unused(general, "with --data, which fits a ridge regression")
        name = ",".join(filter(None, [properties, also]))
        train_own(
            data, output, name, column=column, unit=unit, description=description, level=level,
            between_leads=between_leads, trunk=trunk, form=form, seed=seed or 0, report=report, reading=reading,
            force=force, json=json,
        )  # fmt: skip
        return
    own = {
        "--column": column, "--unit": unit, "--description": description, "--level": level,
        "--between-leads": between_leads, "--trunk": trunk if trunk != "auto" else "",
        "--form": form if form != "auto" else "", "--report": report, "--groups": groups,
    }  # fmt: skip
    _check_unused(own, "without --data")
    _check_reading(reading)
    from matgym.data import Dataset
    from matgym.learning.trainer import Epoch
    from matgym.physics.registry import parse_properties
    from matgym.surrogates import load, training
    from matgym.surrogates.store import STORE

    properties = ",".join(filter(None, [properties, also]))
    asked = {"network": network or None, "epochs": epochs, "members": members, "seed": seed}
    changes = {name: value for name, value in asked.items() if value is not None}
    source, how = _resolve(split_names(properties), dataset, settings, changes)
    labelled = Dataset.load(source)
    if output is None:
        names = [prop.name for prop in parse_properties(how.properties)]
        output = Path(f"{'-'.join(names)}-{how.network}.safetensors")
    STORE.check_path(output)
    epochs_in_all = how.members * how.epochs
    with progress() as show:
        show("cross-validation" if cv else "training", 0)

        def on_fold(fold: int, epoch: Epoch) -> None:
            done = (fold * how.members + epoch.member) * how.epochs + epoch.number
            note = f"fold {fold + 1}, validation error {epoch.error:.3f} sd"
            show("cross-validation", done, cv * epochs_in_all, note)

        def on_epoch(epoch: Epoch) -> None:
            note = f"network {epoch.member + 1} of {how.members}, validation error {epoch.error:.3f} sd"
            show("training", epoch.member * how.epochs + epoch.number, epochs_in_all, note)

        options = {
            "--property": properties, "--network": network, "--dataset": dataset, "--settings": settings,
            "--epochs": epochs, "--members": members, "--seed": seed, "--start": start, "--cv": cv or None,
        }  # fmt: skip
        card = training.train(
            labelled, output, how, start=load(start) if start else None, log=log, on_epoch=on_epoch,
            command=command_line("matgym surrogate train OUTPUT.safetensors", options), folds=cv, on_fold=on_fold,
            source=source, force=force, inputs=[Path(each) for each in (source, start, settings) if each],
        )  # fmt: skip
        show("training", epochs_in_all, epochs_in_all)
    rows, validated = metric_rows(card.metrics), list(card.cross_validation)
    tables = [(f"cross-validation, {cv} folds", validated)] if validated else []
    print_result(
        {"weights": str(output), "metrics": rows, "cross_validation": validated},
        *tables,
        (f"{output}", with_intervals(rows)),
        json=json,
    )


def fetched_crystals(data: Path, *, asked: bool) -> "Fetched | None":
    """Return the fetched table of crystals that a file holds; None if its structures are tubes, or it is another file.

    Args:
        data: the file or folder.
        asked: whether an option is given that only crystals have: tubes are taken as crystals, too.
    """
    from matgym.data.columns import PARQUET

    if data.suffix.lower() != PARQUET:
        return None
    from matgym.data.fetched_labels import holds_tubes
    from matgym.data.sources import Fetched

    table = Fetched.load(data)
    return table if asked or not holds_tubes(table) else None


def _check_unused(options: Mapping[str, object], when: str) -> None:
    """Check that no option is given that has no effect.

    Raises:
        ConfigurationError: if one is.
    """
    for name, value in options.items():
        if value:
            raise ConfigurationError(f"{name} {value if value is not True else ''}".rstrip() + f" has no effect {when}")


def _check_reading(reading: "Reading") -> None:
    """Check that no option on structure files is given, where none are read.

    Raises:
        ConfigurationError: if one is.
    """
    from matgym.structures.io import Reading

    if reading != Reading():
        raise ConfigurationError("options on structure files, such as --format, have no effect without --data")


def _resolve(names: list[str], dataset: str, file: Path | None, changes: dict[str, Any]) -> tuple[str, "AnyFit"]:
    """Return the name or file of the training data, and the training settings.

    Args:
        names: names of the properties; empty for the properties of the settings file or of the data set.
        dataset: Parquet file or name of a shipped data set; empty for the default.
        file: YAML file of settings; None for the shipped settings.
        changes: settings that replace those of the file.

    Raises:
        ConfigurationError: if no data set is given and no shipped data set has these properties.
    """
    from matgym.data import SPECIFICATIONS, Dataset
    from matgym.data.dataset import shipped_data
    from matgym.physics.registry import parse_properties
    from matgym.surrogates.honeycomb.kinds import KINDS
    from matgym.surrogates.training import read_fit, shipped_config

    keys = tuple(prop.key for prop in parse_properties(names)) if names else ()
    named = changes.get("network", "")
    file = file or (None if named in KINDS else shipped_config(keys, dataset))
    own = read_fit(file) if file else None
    source = dataset or (own.dataset if own else "")
    if not source:
        holders = [
            name for name in SPECIFICATIONS if name in shipped_data() and set(keys) <= set(SPECIFICATIONS[name].keys)
        ]
        if not holders:
            raise ConfigurationError(f"no shipped data set has {', '.join(keys)} together: give --dataset")
        source = holders[-1 if named in KINDS else 0]  # the later ones are of many chiralities
    if own is None:
        return source, read_fit(None, **{"properties": keys or Dataset.load(source).keys} | changes)
    if changes.get("network", own.network) != own.network:
        changes = changes | {"size": {}}  # the size in the file is that of another architecture
    if keys and keys != own.properties:
        changes = changes | {"properties": keys} | ({} if (named or own.network) in KINDS else {"weights": ()})
    return source, read_fit(file, **changes)


@app.command()
def distil(
    teacher: Annotated[str, typer.Argument(help="Surrogate to imitate: a .safetensors file or a shipped name.")],
    output: Annotated[Path, typer.Argument(help="Output .safetensors file.")],
    settings: Annotated[Path, typer.Option(help="YAML file of the settings of the small network's training.")],
    designs: Annotated[int, typer.Option(min=1, max=MAX_DRAWN, help="Designs that the teacher labels.")] = 50_000,
    dataset: Annotated[
        str, typer.Option(help="Training data: Parquet file or shipped data set. Default: as named by the settings.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = 0,
    workers: Workers = 2,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a small and fast network on the labels, and on the answers of a larger one. Resumes if interrupted."""
    from dataclasses import replace

    from matgym.data import Dataset
    from matgym.learning.trainer import Epoch
    from matgym.surrogates import load, training
    from matgym.surrogates.distilling import answers
    from matgym.surrogates.store import STORE

    STORE.check_path(output)
    how = replace(training.read_fit(settings), seed=seed)
    source = dataset or how.dataset
    if not source:
        raise ConfigurationError(f"{settings} names no data set: give --dataset")
    master, data = load(teacher), Dataset.load(source)
    with progress() as show:

        def asked(folder: Path) -> Dataset:
            return answers(
                teacher, source, designs, seed, folder, workers=workers,
                on_done=lambda done, total: show("asking the teacher", done, total),
            )  # fmt: skip

        def on_epoch(epoch: Epoch) -> None:
            note = f"network {epoch.member + 1} of {how.members}, validation error {epoch.error:.3f} sd"
            show("training", epoch.member * how.epochs + epoch.number, how.members * how.epochs, note)

        given = f"{teacher} OUTPUT.safetensors --settings {settings.name} --designs {designs} --seed {seed}"
        card = training.train(
            data, output, how, imitated=asked, command=f"matgym surrogate distil {given}", source=source,
            force=force, inputs=[Path(each) for each in (teacher, source, settings)], on_epoch=on_epoch,
        )  # fmt: skip
    before, after = (
        [{"surrogate": name} | row for row in metric_rows(found)]
        for name, found in ((teacher, training.measure(master, data)), (str(output), card.metrics))
    )
    rows = [*before, *after]
    print_result({"weights": str(output), "metrics": rows}, (f"{output}", with_intervals(rows)), json=json)


@app.command()
def improve(
    weights: Annotated[str, typer.Argument(help="Initial weights: a .safetensors file or a shipped name.")],
    output: Annotated[Path, typer.Argument(help="Output .safetensors file; the data go to OUTPUT.parquet.")],
    tube: Annotated[str, typer.Option(help="Chirality and cells of the tube.")] = "(11,0)x3",
    budget: Annotated[str, typer.Option(help="Atoms to place.")] = "B=8,N=8",
    dataset: Annotated[
        str, typer.Option(help="Training data: Parquet file or shipped data set. Default: as named by the model card.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Number of rounds.")] = 3,
    designs: Annotated[int, typer.Option(min=4, max=MAX_DRAWN, help="Designs labelled by physics per round.")] = 64,
    queries: Annotated[
        int, typer.Option(min=1, max=MAX_DRAWN, help="Surrogate evaluations per labelled design.")
    ] = 500,
    method: Annotated[str, typer.Option(help="Search method: random, annealing or genetic.")] = "annealing",
    epochs: Annotated[int, typer.Option(min=1, max=MAX_DRAWN, help="Training epochs after each round.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=MAX_COUNT, help="Random seed.")] = 0,
    force: Force = False,
    json: Json = False,
) -> None:
    """Improve a surrogate by active learning: search, label by physics, retrain, repeat."""
    from dataclasses import asdict

    from matgym.benchmark.improve import ImproveSettings, Round
    from matgym.benchmark.improve import improve as run_rounds
    from matgym.data import Dataset
    from matgym.learning.trainer import CHECKPOINTS
    from matgym.structures.io import parse_design
    from matgym.surrogates import load, load_card
    from matgym.surrogates.store import STORE, located, save
    from matgym.surrogates.training import config_of, measure

    settings = ImproveSettings(rounds, designs, queries, method, epochs=epochs, seed=seed)
    STORE.check_path(output)
    atoms = _budget(budget)
    card, file = load_card(weights), located(weights)
    dataset, table = dataset or card.data["name"], output.with_suffix(".parquet")
    inputs = [file, file.with_suffix(".json"), Path(dataset)]
    work_of = STORE.training(
        output, force=force, inputs=inputs, more_outputs=[table],
        pieces=["rounds/round-*.parquet", f"rounds/fit-*/{CHECKPOINTS}"],
        identity={"weights": card.sha256, "data": dataset, "tube": tube, "budget": atoms, **asdict(settings)},
    )  # fmt: skip
    with work_of as work, progress() as show:

        def on_round(found: Round) -> None:
            show(
                "improving",
                found.number,
                rounds,
                f"round {found.number}: mean error {found.mae:.4g} on found designs",
            )

        show("improving", 0, rounds)
        surrogate, data, done = run_rounds(
            load(weights), Dataset.load(dataset), config_of(card), parse_design(tube).lattice,
            atoms, settings, folder=work.folder / "rounds", on_round=on_round,
        )  # fmt: skip
        metrics = measure(surrogate, data)
        work.begin_output()
        data.save(table)
        save(
            surrogate,
            output,
            data={"name": str(table), "digest": data.digest},
            fit=card.fit,
            command=f"matgym surrogate improve {weights} OUTPUT --tube '{tube}' --budget {budget}",
            metrics=metrics,
        )
    before = [asdict(found) for found in done]
    columns = ("split", "property", "n", "r2", "mae", "rmse")
    after = [{name: row[name] for name in columns} for row in metric_rows(metrics)]
    print_result(
        {"rounds": before, "metrics": after},
        ("errors on the designs found, before each training", before),
        ("afterwards", after),
        json=json,
    )


def _budget(text: str) -> dict[str, int]:
    """Return a budget from text such as "B=8,N=8".

    Raises:
        ConfigurationError: if the text has another form.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(re.fullmatch(r" *[0-9]{1,7} *", count) for _, _, count in pairs):
        raise ConfigurationError(f"{text!r} is not a budget: give species and counts, such as B=8,N=8")
    return {name.strip(): int(count) for name, _, count in pairs}


@app.command()
def evaluate(
    weights: Annotated[
        str, typer.Argument(help=".safetensors file or shipped name. Default: all shipped surrogates.")
    ] = "",
    dataset: Annotated[str, typer.Option(help="Parquet file or shipped data set. Default: the training data.")] = "",
    held: Annotated[bool, typer.Option(help="Also evaluate on tubes of families that no training sees.")] = False,
    json: Json = False,
) -> None:
    """Recompute the errors of surrogates on held-out splits."""
    from matgym.data import Dataset
    from matgym.surrogates import crystals, load, load_card, shipped
    from matgym.surrogates.store import OwnCard, located
    from matgym.surrogates.training import measure

    if weights and crystals.holds_crystals(weights):
        raise ConfigurationError(
            f"{weights} learned all crystals of its table: its cross-validated metrics are in its card, "
            f"{Path(weights).with_suffix('.json')}"
        )

    rows, names = [], [weights] if weights else shipped()
    with progress() as show:
        for done, name in enumerate(names):
            surrogate, card = load(name), load_card(name)
            if isinstance(card, OwnCard):
                raise ConfigurationError(
                    f"{name} learned labels of your own, all of them: its cross-validated metrics are in its card, "
                    f"{located(name).with_suffix('.json')}"
                )
            data = Dataset.load(dataset or card.data["name"])
            show("surrogates", done, len(names), name)
            found = measure(surrogate, data)
            rows += [{"surrogate": name} | row for row in metric_rows(found) if held or row["split"] == "test"]
        show("surrogates", len(names), len(names))
    print_result(rows, (weights or "shipped surrogates", with_intervals(rows)), json=json)
