"""What `matgym surrogate train` does: settings from files and options, cross-validation, fit, card."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matgym.data import SPECIFICATIONS, Dataset
from matgym.errors import ConfigurationError
from matgym.learning.config import read_config
from matgym.learning.trainer import Epoch
from matgym.physics.registry import parse_properties
from matgym.surrogates.config import FitConfig, shipped_config
from matgym.surrogates.store import STORE, SurrogateCard
from matgym.surrogates.training import train

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True)
class TrainingOptions:
    """What was asked for on the command line; empty or None stands for the configuration's value.

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

    def resolve(self) -> tuple[str, FitConfig]:
        """Name or file of the data, and the configuration, with what was asked for in place of its own.

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
        file = self.settings or shipped_config(self.keys, self.dataset)
        if file is None:
            source = self.dataset or self._holder()
            return source, FitConfig(**{"properties": self.keys or Dataset.load(source).keys} | changes)
        config = read_config(FitConfig, file)
        if self.network and self.network != config.network:
            changes["size"] = {}  # the configuration's is another network's
        if self.keys and self.keys != config.properties:
            changes |= {"properties": self.keys, "weights": ()}
        return self.dataset or config.dataset or self._holder(), read_config(FitConfig, file, changes=changes)

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
    card: SurrogateCard
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

    from matgym.learning.cross_validation import summary
    from matgym.surrogates.cross_validation import cross_validate
    from matgym.surrogates.store import load

    source, settings = options.resolve()
    data = Dataset.load(source)
    if output is None:
        names = [prop.name for prop in parse_properties(settings.properties)]
        output = Path(f"{'-'.join(names)}-{settings.network}.safetensors")
    STORE.check_path(output)
    rows: list[dict[str, float | str]] = []
    folder = output.with_name(f"{output.name}.cv")
    if cv:
        task = bar.add_task("cross-validation", total=cv * settings.members * settings.epochs, note="")

        def on_fold(fold: int, epoch: Epoch) -> None:
            bar.update(task, advance=1, note=f"fold {fold + 1}, validation error {epoch.error:.3f} sd")

        rows = summary(cross_validate(data, settings, cv, folder=folder, on_epoch=on_fold))
    fitting = bar.add_task("training", total=settings.members * settings.epochs, note="")

    def on_epoch(epoch: Epoch) -> None:
        note = f"network {epoch.member + 1} of {settings.members}, validation error {epoch.error:.3f} sd"
        bar.update(fitting, completed=epoch.member * settings.epochs + epoch.number, note=note)

    start = load(options.start) if options.start else None
    command = options.command(cv)
    card = train(
        data, output, settings, start=start, log=log, on_epoch=on_epoch, command=command, cross_validation=rows,
        source=source,
    )  # fmt: skip
    rmtree(folder, ignore_errors=True)
    bar.update(fitting, completed=settings.members * settings.epochs)
    return TrainingResult(output, card, rows)
