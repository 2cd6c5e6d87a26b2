"""From a process to stored weights with a card: what `matgym furnace train` does."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from matgym.errors import ConfigurationError
from matgym.processes.annealing.runs import annealing_runs
from matgym.processes.growth.runs import growth_runs
from matgym.processes.sequences.fitting import SequenceSettings, figures, fit_sequences
from matgym.processes.sequences.runs import Runs
from matgym.processes.sequences.store import SequenceCard, save_sequences
from matgym.surrogates.store import check_suffix

RECIPES: Final = Path(__file__).parent / "configs"

PROCESSES: Final[dict[str, Callable[[int, np.random.Generator], Runs]]] = {
    "growth": growth_runs,
    "annealing": annealing_runs,
}
"""Name to what makes runs of it."""


@dataclass(frozen=True)
class ProcessRecipe:
    """What a surrogate over time is made of.

    Attributes:
        process: one of `PROCESSES`.
        runs: to learn from.
        validation: runs to stop by.
        test: runs that neither sees.
        seed: of all of them.
        fit: how.
    """

    process: str
    runs: int
    validation: int
    test: int
    seed: int
    fit: SequenceSettings

    def __post_init__(self) -> None:
        if self.process not in PROCESSES:
            raise ConfigurationError(f"process={self.process!r} is unknown; there are {', '.join(PROCESSES)}")
        for name in ("runs", "validation", "test"):
            if getattr(self, name) < 2:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be 2 or more")


def read_process_recipe(name: Path | str) -> ProcessRecipe:
    """A recipe by the name of a shipped one, or from a YAML file.

    Raises:
        ConfigurationError: if there is none, or it has an unknown field or a value out of range.
    """
    file = Path(name)
    if not file.suffix:
        file = RECIPES / f"{name}.yml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(ProcessRecipe).validate_python(content)
    except FileNotFoundError:
        there = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yml")))
        raise ConfigurationError(f"there is no recipe {str(name)!r}; there are {there}, or a YAML file") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as a recipe: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{file}: {place}{': ' if place else ''}{first['msg']}") from None


def runs_of(recipe: ProcessRecipe) -> tuple[Runs, Runs, Runs]:
    """Training, validation and test runs, each from a generator of its own."""
    make = PROCESSES[recipe.process]
    counts = (recipe.runs, recipe.validation, recipe.test)
    generators = np.random.default_rng(recipe.seed).spawn(len(counts))
    first, second, third = (make(count, rng) for count, rng in zip(counts, generators, strict=True))
    return first, second, third


def train_process(
    recipe: ProcessRecipe,
    output: Path,
    *,
    log: Path | None = None,
    command: str = "",
    on_epoch: Callable[[int, int, float, float], None] = lambda _member, _epoch, _loss, _error: None,
) -> SequenceCard:
    """Simulate runs, fit, measure on the test runs, and store.

    Args:
        recipe: what of.
        output: path of the weights; `OUTPUT.checkpoints/` beside it lets an interrupted fit go on.
        log: folder for TensorBoard.
        command: that reproduces it, for the card.
        on_epoch: see `fit_sequences`.
    """
    check_suffix(output)
    checkpoints = output.with_name(output.name + ".checkpoints")
    train, validation, test = runs_of(recipe)
    surrogate = fit_sequences(train, validation, recipe.fit, checkpoints=checkpoints, log=log, on_epoch=on_epoch)
    data: dict[str, Any] = {name: value for name, value in asdict(recipe).items() if name != "fit"}
    card = save_sequences(
        surrogate,
        output,
        data=data,
        fit=asdict(recipe.fit),
        command=command,
        metrics=tuple(figures(surrogate, test)),
    )
    rmtree(checkpoints, ignore_errors=True)
    return card
