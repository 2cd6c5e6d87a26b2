"""What `matgym surrogate train` does: settings from files and options, cross-validation, fit, card."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matgym.data import SPECIFICATIONS, Dataset
from matgym.errors import ConfigurationError
from matgym.physics.registry import parse_properties
from matgym.surrogates.recipe import read_recipe, shipped_recipe, train
from matgym.surrogates.settings import FitSettings
from matgym.surrogates.store import Card, check_suffix

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True)
class TrainingOptions:
    """What was asked for on the command line; empty or None stands for the recipe's value.

    Attributes:
        properties: names, separated by commas.
        network: name.
        dataset: file or shipped name.
        settings: YAML file.
        epochs: passes.
        members: of the ensemble.
        seed: of the fit.
        start: weights to start from.
    """

    properties: str = ""
    network: str = ""
    dataset: str = ""
    settings: Path | None = None
    epochs: int | None = None
    members: int | None = None
    seed: int | None = None
    start: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Properties asked for."""
        names = [name.strip() for name in self.properties.split(",") if name.strip()]
        return tuple(prop.key for prop in parse_properties(names)) if names else ()

    def resolve(self) -> tuple[str, FitSettings]:
        """Name or file of the data, and settings: the recipe's, with what was asked for in place of its own.

        Raises:
            ConfigurationError: if no shipped data set has these properties and none is named.
        """
        changes: dict[str, Any] = {
            name: value
            for name, value in (("epochs", self.epochs), ("members", self.members), ("seed", self.seed))
            if value is not None
        }
        if self.network:
            changes["network"] = self.network
        file = self.settings or shipped_recipe(self.keys, self.dataset)
        if file is None:
            source = self.dataset or self._holder()
            return source, FitSettings(**{"properties": self.keys or Dataset.load(source).keys} | changes)
        recipe = read_recipe(file)
        if self.network and self.network != recipe.settings.network:
            changes["size"] = {}  # the recipe's is another network's
        if self.keys and self.keys != recipe.settings.properties:
            changes |= {"properties": self.keys, "weights": ()}
        return self.dataset or recipe.dataset or self._holder(), read_recipe(file, **changes).settings

    def _holder(self) -> str:
        """The first shipped data set with these properties."""
        for name, spec in SPECIFICATIONS.items():
            if set(self.keys) <= set(spec.keys):
                return name
        raise ConfigurationError(f"no shipped data set has {', '.join(self.keys)} together: give --dataset")

    def command(self, cv: int) -> str:
        """The command that does the same again."""
        options = {
            "--property": self.properties, "--network": self.network, "--dataset": self.dataset,
            "--settings": self.settings, "--epochs": self.epochs, "--members": self.members, "--seed": self.seed,
            "--start": self.start, "--cv": cv or None,
        }  # fmt: skip
        given = [f"{name} {value}" for name, value in options.items() if value not in ("", None)]
        return " ".join(["matgym surrogate train OUTPUT.safetensors", *given])


@dataclass(frozen=True)
class TrainingResult:
    """What came of it.

    Attributes:
        output: the weights.
        card: theirs.
        cross_validation: a row a property; empty if there was none.
    """

    output: Path
    card: Card
    cross_validation: list[dict[str, float | str]]


def run_training(
    options: TrainingOptions, output: Path | None, cv: int, log: Path | None, bar: "Progress"
) -> TrainingResult:
    """Cross-validate if asked for, then fit, measure and store; an interrupted run goes on where it was.

    Args:
        options: what to fit.
        output: weights to write; PROPERTY-NETWORK.safetensors by default.
        cv: folds; 0 for none.
        log: folder for TensorBoard.
        bar: shows progress.
    """
    from shutil import rmtree

    from matgym.surrogates.cross_validation import cross_validate, summary
    from matgym.surrogates.store import load

    source, settings = options.resolve()
    data = Dataset.load(source)
    if output is None:
        names = [prop.name for prop in parse_properties(settings.properties)]
        output = Path(f"{'-'.join(names)}-{settings.network}.safetensors")
    check_suffix(output)
    rows: list[dict[str, float | str]] = []
    folder = output.with_name(f"{output.name}.cv")
    if cv:
        task = bar.add_task("cross-validation", total=cv * settings.members * settings.epochs, note="")

        def on_fold(fold: int, _member: int, _epoch: int, error: float) -> None:
            bar.update(task, advance=1, note=f"fold {fold + 1}, validation error {error:.3f} sd")

        rows = summary(cross_validate(data, settings, cv, folder=folder, on_epoch=on_fold))
    fitting = bar.add_task("training", total=settings.members * settings.epochs, note="")

    def on_epoch(member: int, epoch: int, _loss: float, error: float) -> None:
        note = f"network {member + 1} of {settings.members}, validation error {error:.3f} sd"
        bar.update(fitting, completed=member * settings.epochs + epoch, note=note)

    start = load(options.start) if options.start else None
    command = options.command(cv)
    card = train(
        data, output, settings, start=start, log=log, on_epoch=on_epoch, command=command, cross_validation=rows,
        source=source,
    )  # fmt: skip
    rmtree(folder, ignore_errors=True)
    bar.update(fitting, completed=settings.members * settings.epochs)
    return TrainingResult(output, card, rows)
