"""Emulators: what an experiment would give, learned from a table of those that were made.

A Gaussian process with a length for each input (Matérn 5/2), or extremely randomised trees (Geurts, Ernst and
Wehenkel, Mach. Learn. 63, 3 (2006)); Liang et al., npj Comput. Mater. 7, 188 (2021) found such processes and forests
about as good as each other on campaigns of this size. Which one stands in is decided by cross-validation, whose folds
never part replicates. Large tables are learned from random parts of them: see `matgym.processes.campaigns.regressors`.
"""

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError
from matgym.files import cache_folder, read_json, write_json
from matgym.processes.campaigns.experiments import Experiments
from matgym.processes.campaigns.regressors import MOST_NUMBERS, REGRESSORS, SETTINGS, has_room
from matgym.typing import FloatArray

Model: TypeAlias = Literal["best", "gp", "trees"]

FOLDS: Final = 5
REPEATS: Final = 3
"""Partitions into folds, over which R² is averaged; one where there are more than `MANY` different experiments."""

MANY: Final = 300

EMULATOR_VERSION: Final = 1
"""To be counted up when what is learned from a table changes though its settings do not."""


@dataclass(frozen=True, eq=False)
class Emulator:
    """A table of experiments and a model of it.

    Attributes:
        model: "gp" or "trees".
        log: whether it learned the logarithm.
        r2: model to its cross-validated R², on what was learned.
        r2_interval: model to the half-width of its 95 % interval over partitions and folds.
        noise: standard deviation of a measurement on what was learned: of replicates, or else of the model's own
            cross-validated error, which is an upper bound.
        regressor: fitted to all of the table.
    """

    data: Experiments
    model: str
    log: bool
    r2: dict[str, float]
    r2_interval: dict[str, float]
    noise: float
    replicated: bool
    regressor: Any

    def predict(self, inputs: FloatArray) -> FloatArray:
        """(B,) expected measurements for (B, d) inputs, in the table's unit."""
        return self.measure(inputs, 0.0)[0]

    def measure(self, inputs: FloatArray, deviates: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """(B,) expected measurements, and (B,) with noise of (B,) standard normal deviates."""
        shape = (len(self.data.columns),)
        if inputs.shape[1:] != shape or not np.isfinite(inputs).all():
            raise ConfigurationError(f"inputs={inputs!r:.80} must be finite numbers of shape (B, {shape[0]})")
        found = self.regressor.predict(_features(self.data, inputs))
        noisy = found + self.noise * deviates
        return (np.exp(found), np.exp(noisy)) if self.log else (found, noisy)


def emulate(data: Experiments, model: Model = "best", *, log: bool = False, seed: int = 0) -> Emulator:
    """Learn a table.

    Args:
        data: the table.
        model: "gp", "trees", or the one that validates better.
        log: learn the logarithm of what was measured: for values over several decades.
        seed: of folds and trees.

    Raises:
        ConfigurationError: if there is no such model, values of a logarithm are not positive, or a table is too large.
    """
    if model not in {"best", *REGRESSORS}:
        raise ConfigurationError(f"model={model!r} is unknown; there are best, {', '.join(REGRESSORS)}")
    if log and (data.values <= 0.0).any():
        raise ConfigurationError(f"log=True needs positive values; {data.target!r} goes down to {data.values.min():g}")
    learned = replace(data, values=np.log(data.values)) if log else data
    inputs, values, _ = learned.averaged
    names = tuple(REGRESSORS) if model == "best" else (model,)
    _check_room(learned, len(inputs), "gp" in names)
    scores, best, regressor = _learned(names, _features(data, inputs), values, seed)
    replicated = bool(np.isfinite(learned.noise))
    noise = learned.noise if replicated else scores[best][2]
    return Emulator(
        data, best, log, {name: score[0] for name, score in scores.items()},
        {name: score[1] for name, score in scores.items()}, noise, replicated, regressor,
    )  # fmt: skip


def _check_room(data: Experiments, rows: int, with_process: bool) -> None:
    """Check that the matrices of a fit have room, before one is made.

    Raises:
        ConfigurationError: if a table has too many different experiments, or words, for a model.
    """
    features = sum(len(column.choices) or 1 for column in data.columns)
    if rows * features > MOST_NUMBERS:
        raise ConfigurationError(
            f"{data.name}: {rows:,} different experiments with {features:,} numbers and words are more than the "
            f"{MOST_NUMBERS:,} entries that a model takes: leave out columns of words, or rows"
        )
    if with_process and not has_room(rows, features):
        raise ConfigurationError(
            f"{data.name}: {rows:,} different experiments with {features:,} numbers and words are too many for a "
            "Gaussian process: give model='trees', or leave out columns of words"
        )


_LEARNED: Final[dict[str, Any]] = {}
"""What this process has learned, by the content of the table."""


def _learned(
    names: tuple[str, ...], x: FloatArray, y: FloatArray, seed: int
) -> tuple[dict[str, tuple[float, ...]], str, Any]:
    """Scores of models, the best one's name, and it fitted: from this process, from disk, or anew.

    On disk lie the scores and what the best model has learned, as JSON, which holds floats to the bit: what takes most
    of a minute is read in milliseconds.
    """
    key = _key(names, x, y, seed)
    if key in _LEARNED:
        return _LEARNED[key]  # type: ignore[no-any-return]  # as below
    path = cache_folder("emulators") / f"{key}.json"
    entry = _read(path, names)
    if entry is None:
        scores = {name: _cross_validated(name, x, y, seed) for name in names}
        best = max(names, key=lambda name: scores[name][0])
        regressor = _fitted(best, x, y, seed)
        with suppress(OSError):  # where nothing can be written, it is learned again the next time
            write_json(path, {"scores": scores, "state": regressor.state()}, durable=False)
    else:
        scores = {name: tuple(entry["scores"][name]) for name in names}
        best = max(names, key=lambda name: scores[name][0])
        regressor = REGRESSORS[best](seed, x.shape[1])
        regressor.restore(entry["state"], x, y)
    _LEARNED[key] = scores, best, regressor
    return scores, best, regressor


def _key(names: tuple[str, ...], x: FloatArray, y: FloatArray, seed: int) -> str:
    """Name of what is learned: a hash of the table, and of all that decides what is learned from it."""
    import sklearn

    settings = f"{names} {seed} {x.shape} {FOLDS} {REPEATS} {MANY} {SETTINGS} {EMULATOR_VERSION} {sklearn.__version__}"
    content = settings.encode() + np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(y).tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _read(path: Path, names: tuple[str, ...]) -> dict[str, Any] | None:
    """An entry on disk, or None if there is none, or none that is whole."""
    try:
        entry = read_json(path)
        whole = all(len(entry["scores"][name]) == 3 for name in names) and isinstance(entry["state"], dict)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry if whole else None


def _cross_validated(model: str, x: FloatArray, y: FloatArray, seed: int) -> tuple[float, ...]:
    """R², the half-width of its interval, and the root mean square error."""
    from sklearn.model_selection import KFold

    from matgym.statistics import estimate

    scores, errors = [], []
    for repeat in range(REPEATS if len(y) <= MANY else 1):
        folds = KFold(FOLDS, shuffle=True, random_state=seed + repeat)
        found = np.empty_like(y)
        for train, test in folds.split(x):
            found[test] = _fitted(model, x[train], y[train], seed).predict(x[test])
            errors.append(float(np.mean((found[test] - y[test]) ** 2)))
        scores.append(1.0 - float(np.mean((found - y) ** 2) / y.var()))
    spread = estimate([1.0 - error / float(y.var()) for error in errors])
    return float(np.mean(scores)), spread.half_width, float(np.sqrt(np.mean(errors)))


def _fitted(model: str, x: FloatArray, y: FloatArray, seed: int) -> Any:
    """A model fitted to all of a table."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():  # a length goes to the end of its range where an input does not matter
        warnings.simplefilter("ignore", ConvergenceWarning)
        return REGRESSORS[model](seed, x.shape[1]).fit(x, y)


def _features(data: Experiments, inputs: FloatArray) -> FloatArray:
    """(B, features): numbers scaled to the data's range, one column a word."""
    columns = []
    for k, column in enumerate(data.columns):
        if column.choices:
            columns += [(inputs[:, k] == choice).astype(np.float64) for choice in range(len(column.choices))]
        else:
            columns.append((inputs[:, k] - column.low) / (column.high - column.low))
    return np.column_stack(columns)
