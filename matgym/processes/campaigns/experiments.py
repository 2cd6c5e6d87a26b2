"""Measured experiments: tables of what was done and what came of it, from the user's file or from a pip package."""

import csv
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, get_args

import numpy as np

from matgym.errors import ConfigurationError, DatasetError, MissingExtraError, TableWarning
from matgym.files import MAX_NUMBER, read_json
from matgym.frozen import ValueObject, returns_read_only
from matgym.processes.campaigns.columns import Decimal, TextColumn, complete
from matgym.processes.campaigns.tables import check_texts, read_table
from matgym.processes.controls import from_actions
from matgym.typing import FloatArray, IntArray

Direction: TypeAlias = Literal["maximize", "minimize"]

FEWEST: Final = 10
"""Different experiments below which nothing can be learned or validated."""

SMALLEST_RANGE: Final = 1e-12
"""Relative range below which a column counts as constant: rounding alone makes numbers differ by 1e-16."""

SMALLEST_SPREAD: Final = 1e-100
"""Range below which a target counts as constant: squares of smaller numbers are zero."""

SECOND_TARGET: Final = 0.99
"""Absolute rank correlation (Spearman) with the target from which an input may be a second target. A choice of ours."""

MOST_CHOICES: Final = 0.5
"""Different words per row from which a column of words may be none of choices. A choice of ours."""

SIMPLEX_TOLERANCE: Final = 0.025
"""By how much rows may differ in their sum, as a share of it, and still count as compositions: tables are rounded."""


@dataclass(frozen=True)
class Column:
    """One input of an experiment.

    Attributes:
        name: as in the table.
        low: least value in the data; 0 of a choice.
        high: largest value; the number of choices less one of a choice.
        choices: what can be chosen where the column holds words; empty for numbers.
    """

    name: str
    low: float
    high: float
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not -MAX_NUMBER <= self.low < self.high <= MAX_NUMBER:
            raise DatasetError(f"{self.name} from {self.low} to {self.high} is no range of finite numbers")


@dataclass(frozen=True, eq=False)
class Experiments(ValueObject, copies=True):
    """A table of experiments; rows with equal inputs are replicates.

    Attributes:
        target: name of what was measured.
        direction: whether it is to be large or small.
        inputs: (N, d); words as their number among the choices.
        values: (N,) measured.
    """

    name: str
    columns: tuple[Column, ...]
    target: str
    direction: Direction
    inputs: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.direction not in get_args(Direction):
            raise DatasetError(f"direction={self.direction!r} must be 'maximize' or 'minimize'")
        if np.shape(self.values) != self.inputs.shape[:1] or self.inputs.shape[1:] != (len(self.columns),):
            raise DatasetError(
                f"{self.name}: inputs of shape {self.inputs.shape} and values of shape {np.shape(self.values)} must be "
                f"(N, {len(self.columns)}), a number for each column, and (N,)"
            )
        if not (np.isfinite(self.inputs).all() and np.isfinite(self.values).all()):
            raise DatasetError(f"{self.name} holds numbers that are not finite")
        if (found := int(self._groups.max(initial=-1)) + 1) < FEWEST:
            raise DatasetError(_too_few(self.name, found))
        means = self.averaged[1]
        if np.ptp(means) <= max(SMALLEST_RANGE * np.abs(means).max(), SMALLEST_SPREAD):
            raise DatasetError(
                f"{self.name}: {self.target!r} is {means[0]:g} in every experiment: a constant teaches nothing; name "
                "another target"
            )

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        target: str | None = None,
        direction: Direction = "maximize",
        inputs: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        na: Sequence[str] | None = None,
        decimal: Decimal | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
    ) -> Self:
        """Return the table of a CSV file or workbook with a header.

        A column of numbers is a range, a column of words is a choice, and a column that never varies is left out.

        Args:
            path: path of the file: text, or .xlsx (extra `xlsx`).
            target: column that was measured; by default the last one that is neither an input nor ignored.
            direction: whether it is to be large ("maximize") or small ("minimize").
            inputs: columns that were set; by default all columns but the target and the ignored ones.
            ignore: columns that are not read.
            categorical: inputs whose cells are names, also those that look like numbers.
            na: cells that stand for a missing value, such as "NA" or "". Rows with such an input or target are left
                out with a warning.
            decimal: decimal mark of a CSV file: "." or ","; "." by default.
            delimiter: character between the cells of a CSV file; by default comma, semicolon or tab.
            encoding: encoding of a CSV file; by default UTF-8, or UTF-16 with its byte order mark.

        Raises:
            ConfigurationError: if an argument is not right, or has no effect.
            DatasetError: if the file is missing or no table, lacks a column, or has a cell that cannot be used.
            MissingExtraError: if a workbook is read without openpyxl.

        Warns:
            TableWarning: if rows are left out, or a column may be a second target or hold no choices.
        """
        lists = {"inputs": inputs, "ignore": ignore, "categorical": categorical, "na": na}
        for option, names in lists.items():
            check_texts(option, names)
        table = read_table(Path(path), decimal=decimal, delimiter=delimiter, encoding=encoding)
        target, chosen = table.roles(target, inputs, ignore)
        words = frozenset(categorical or ())
        if idle := sorted(words.difference(chosen)):
            raise ConfigurationError(f"categorical={idle!r} has no effect: there is no such input of {table.name}")
        columns = complete([table.column(name) for name in (*chosen, target)], frozenset(na or ()))
        found = cls._of(Path(path).stem, columns[:-1], columns[-1], direction, words)
        _warn_of_columns(found, table.name, words, named=inputs is not None or ignore is not None)
        return found

    @classmethod
    def _of(
        cls,
        name: str,
        inputs: Sequence[TextColumn],
        target: TextColumn,
        direction: Direction,
        categorical: Collection[str] = (),
    ) -> Self:
        """Return the table of columns of text."""
        columns, arrays = [], []
        for column in (*inputs, target):
            column.check_filled()
        for column in inputs:
            numbers = None if column.name in categorical else column.numbers()
            choices = () if numbers is not None else tuple(sorted(set(column.cells)))
            places = {choice: float(place) for place, choice in enumerate(choices)}
            array = np.array([places[cell] for cell in column.cells]) if numbers is None else numbers
            if np.ptp(array) > SMALLEST_RANGE * np.abs(array).max():  # what never varied cannot be set
                columns.append(Column(column.name, float(array.min()), float(array.max()), choices))
                arrays.append(array)
        values = target.measurements()
        if not columns:
            raise DatasetError(f"{name} has no input that varies")
        return cls(name, tuple(columns), target.name, direction, np.column_stack(arrays), values)

    @cached_property
    @returns_read_only
    def _groups(self) -> IntArray:
        """(N,) which of the different inputs a row has."""
        return np.asarray(np.unique(self.inputs, axis=0, return_inverse=True)[1]).ravel()

    @cached_property
    @returns_read_only
    def averaged(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """(M, d) different inputs, (M,) means of their replicates, (M,) how many those were."""
        counts = np.bincount(self._groups)
        first = np.unique(self._groups, return_index=True)[1]
        return self.inputs[first], np.bincount(self._groups, self.values) / counts, counts

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a measurement, pooled over replicates; NaN where there are none."""
        _, means, counts = self.averaged
        freedom = int((counts - 1).sum())
        return float(np.sqrt(((self.values - means[self._groups]) ** 2).sum() / freedom)) if freedom else float("nan")

    @cached_property
    def sum(self) -> float | None:
        """What the inputs of every row add up to, where they are shares of a whole; None where they are not."""
        totals = self.inputs.sum(axis=1)
        same = np.ptp(totals) <= SIMPLEX_TOLERANCE * abs(totals.mean())
        numbers = not any(column.choices for column in self.columns)
        return float(totals.mean()) if len(self.columns) > 1 and numbers and same and (self.inputs >= 0).all() else None

    @property
    def sign(self) -> float:
        """1 where the target is to be large, -1 where it is to be small."""
        return 1.0 if self.direction == "maximize" else -1.0

    def at(self, actions: FloatArray) -> FloatArray:
        """(B, d) inputs for (B, d) actions in [-1, 1].

        Actions span the data's ranges. Shares of a whole are scaled to its sum: the direction counts, and a row of -1
        means equal shares. A choice is cut from its range in equal parts.
        """
        low, high = np.array([(column.low, column.high) for column in self.columns]).T
        if self.sum is not None:
            shares = from_actions(actions, 0.0, high)
            shares[shares.sum(axis=1) <= 0.0] = 1.0
            return np.asarray(shares * (self.sum / shares.sum(axis=1, keepdims=True)))
        inputs = from_actions(actions, low, high)
        for k, column in enumerate(self.columns):
            if column.choices:
                count = len(column.choices)
                inputs[:, k] = np.minimum(np.floor(from_actions(actions[:, k], 0.0, count)), count - 1)
        return inputs


def measured(name: str) -> Experiments:
    """A campaign that the package `olymp` carries (Häse et al., Mach. Learn.: Sci. Technol. 2, 035021 (2021); MIT).

    Its tables are read by path: nothing of it is imported.

    Raises:
        DatasetError: if it has no campaign of that name.
        MissingExtraError: if it is not installed.
    """
    folder = _olympus()
    place = folder / f"dataset_{name}"
    if not (place / "config.json").is_file():
        raise DatasetError(f"there are no experiments {name!r}; there are {', '.join(measured_names())}, or a CSV file")
    config = read_json(place / "config.json")
    goal = str(config.get("default_goal", "maximize"))
    direction: Direction = "minimize" if goal.startswith("min") else "maximize"
    labels = [str(parameter["name"]) for parameter in config["parameters"]]
    target = str(config["measurements"][0]["name"])
    with (place / "data.csv").open(encoding="utf-8", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    *inputs, result = [
        TextColumn(name, label, tuple(row[k] for row in rows)) for k, label in enumerate((*labels, target))
    ]
    return Experiments._of(name, inputs, result, direction)  # noqa: SLF001  # same module


def measured_names() -> list[str]:
    """Campaigns that `measured` knows."""
    return sorted(path.parent.name.removeprefix("dataset_") for path in _olympus().glob("dataset_*/config.json"))


def _olympus() -> Path:
    found = find_spec("olympus")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("olymp", "experiments")
    return Path(next(iter(found.submodule_search_locations))) / "datasets"


def _too_few(name: str, found: int) -> str:
    return f"{name} holds {found} different experiments; {FEWEST} are the least that can teach"


def _warn_of_columns(data: Experiments, source: str, categorical: Collection[str], *, named: bool) -> None:
    """Warn of columns that may be something else than inputs.

    Args:
        data: the table.
        source: name of its file.
        categorical: inputs that the user calls choices.
        named: whether the user has named the inputs, or what is none.
    """
    from scipy.stats import spearmanr

    for column, values in zip(data.columns, data.inputs.T, strict=True):
        if column.choices:
            if column.name not in categorical and len(column.choices) > MOST_CHOICES * len(data):
                warnings.warn(
                    f"{source}: {column.name!r} has {len(column.choices)} different words in {len(data)} rows, "
                    f"each of them a choice: give ignore=[{column.name!r}] to leave it out, or "
                    f"categorical=[{column.name!r}] to keep it",
                    TableWarning,
                    stacklevel=3,
                )
        elif not named and len(data.columns) > 1:
            correlation = float(spearmanr(values, data.values).statistic)
            if abs(correlation) > SECOND_TARGET:
                warnings.warn(
                    f"{source}: {column.name!r} may be a second target, as its rank correlation with "
                    f"{data.target!r} is {correlation:.4f}: give ignore=[{column.name!r}] to leave it out, or "
                    "inputs=[...] to name the inputs",
                    TableWarning,
                    stacklevel=3,
                )
