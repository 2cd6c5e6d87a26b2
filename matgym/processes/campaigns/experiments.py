"""Measured experiments: tables of what was done and what came of it, from the user's CSV or from a pip package."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, get_args

import numpy as np

from matgym.errors import DatasetError, FormatError, MissingExtraError
from matgym.files import MAX_NUMBER, parsed_number, read_json, read_text
from matgym.frozen import ValueObject, returns_read_only
from matgym.processes.controls import from_actions
from matgym.typing import FloatArray, IntArray

Direction: TypeAlias = Literal["maximize", "minimize"]

FEWEST: Final = 10
"""Different experiments below which nothing can be learned or validated."""

SMALLEST_RANGE: Final = 1e-12
"""Relative range below which a column counts as constant: rounding alone makes numbers differ by 1e-16."""

SMALLEST_SPREAD: Final = 1e-100
"""Range below which a target counts as constant: squares of smaller numbers are zero."""

MAX_TABLE_BYTES: Final = 1 << 24
"""Largest file that is read: half a million rows. A choice of ours; published campaigns have thousands."""

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
    ) -> Self:
        """A table from a CSV file with a header; comma, semicolon or tab between columns.

        Args:
            path: of the file.
            target: column that was measured; the last one by default.
            direction: whether it is to be large ("maximize") or small ("minimize").
            inputs: columns that were set; all others by default.

        Raises:
            DatasetError: if the file is missing or no table, lacks a column, or has an empty or unreadable cell.
        """
        path = Path(path)
        try:
            text = read_text(path, MAX_TABLE_BYTES)
        except FormatError as error:
            raise DatasetError(f"{path} cannot be read as a table: {error}") from None
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        try:
            header, *rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(row)] or [[]]
        except csv.Error as error:
            raise DatasetError(f"{path} cannot be read as a table: {error}") from None
        header = [name.strip() for name in header]
        target = target or (header[-1] if header else "")
        chosen = [name for name in header if name != target] if inputs is None else list(inputs)
        for name in (target, *chosen):
            if name not in header:
                raise DatasetError(f"{path.name} has no column {name!r}; it has {', '.join(header) or 'none'}")
            if header.count(name) > 1:
                raise DatasetError(
                    f"{path.name} has {header.count(name)} columns {name!r}: give each a name of its own"
                )
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                raise DatasetError(f"{path.name}, row {number}: {len(row)} cells under {len(header)} column names")
        cells = {name: [row[header.index(name)].strip() for row in rows] for name in (target, *chosen)}
        for name, column in cells.items():
            if "" in column:
                raise DatasetError(
                    f"{path.name}, row {column.index('') + 2}: {name!r} is empty; fill it in or remove the row"
                )
        return cls._of(path.stem, {name: cells[name] for name in chosen}, target, cells[target], direction)

    @classmethod
    def _of(
        cls, name: str, inputs: dict[str, list[str]], target: str, measured: list[str], direction: Direction
    ) -> Self:
        if not measured:
            raise DatasetError(_too_few(name, 0))
        values = _numbers(measured)
        if values is None:
            raise DatasetError(f"{name}: {target!r} must hold finite numbers; there is {_first_word(measured)!r}")
        columns, arrays = [], []
        for label, cells in inputs.items():
            numbers = _numbers(cells)
            choices = () if numbers is not None else tuple(sorted(set(cells)))
            array = np.array([float(choices.index(cell)) for cell in cells]) if numbers is None else numbers
            if np.ptp(array) > SMALLEST_RANGE * np.abs(array).max():  # what never varied cannot be set
                columns.append(Column(label, float(array.min()), float(array.max()), choices))
                arrays.append(array)
        if not columns:
            raise DatasetError(f"{name} has no input that varies")
        return cls(name, tuple(columns), target, direction, np.column_stack(arrays), values)

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
    inputs = {label: [row[k] for row in rows] for k, label in enumerate(labels)}
    return Experiments._of(name, inputs, target, [row[len(labels)] for row in rows], direction)  # noqa: SLF001  # same module


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


def _numbers(cells: Sequence[str]) -> FloatArray | None:
    values = [parsed_number(cell) for cell in cells]
    return None if None in values else np.array(values, dtype=np.float64)


def _first_word(cells: Sequence[str]) -> str:
    return next((cell for cell in cells if _numbers([cell]) is None), "")
