"""Emulators: what an experiment would give, learned from a table of those that were made.

A Gaussian process with a length for each input (Matérn 5/2), or extremely randomised trees (Geurts, Ernst and
Wehenkel, Mach. Learn. 63, 3 (2006)); Liang et al., npj Comput. Mater. 7, 188 (2021) found such processes and forests
about as good as each other on campaigns of this size. Which one stands in is decided by cross-validation, whose folds
never part replicates.
"""

import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError
from matgym.files import read_json, write_json
from matgym.physics.cache import default_cache
from matgym.processes.campaigns.experiments import Experiments
from matgym.typing import FloatArray

Model: TypeAlias = Literal["best", "gp", "trees"]

FOLDS: Final = 5
REPEATS: Final = 3
"""Partitions into folds, over which R² is averaged; one where there are more than `MANY` different experiments."""

MANY: Final = 300

TREES: Final = 300
"""Trees of a forest."""

MOST_NUMBERS: Final = 1 << 25
"""Most numbers of a matrix that a fit makes: 256 MiB, of which it holds a few. A choice of ours."""

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
    if model not in {"best", *_REGRESSORS}:
        raise ConfigurationError(f"model={model!r} is unknown; there are best, {', '.join(_REGRESSORS)}")
    if log and (data.values <= 0.0).any():
        raise ConfigurationError(f"log=True needs positive values; {data.target!r} goes down to {data.values.min():g}")
    learned = replace(data, values=np.log(data.values)) if log else data
    inputs, values, _ = learned.averaged
    names = tuple(_REGRESSORS) if model == "best" else (model,)
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
    if with_process and rows * rows * (features + 2) > MOST_NUMBERS:  # derivatives by each parameter of the kernel
        raise ConfigurationError(
            f"{data.name}: {rows:,} different experiments with {features:,} numbers and words are too many for a "
            "Gaussian process: give model='trees', or fewer rows"
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
    path = default_cache() / "emulators" / f"{key}.json"
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
        regressor = _REGRESSORS[best](seed, x.shape[1])
        regressor.restore(entry["state"], x, y)
    _LEARNED[key] = scores, best, regressor
    return scores, best, regressor


def _key(names: tuple[str, ...], x: FloatArray, y: FloatArray, seed: int) -> str:
    """Name of what is learned: a hash of the table, and of all that decides what is learned from it."""
    import sklearn

    settings = f"{names} {seed} {x.shape} {FOLDS} {REPEATS} {MANY} {TREES} {EMULATOR_VERSION} {sklearn.__version__}"
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
        return _REGRESSORS[model](seed, x.shape[1]).fit(x, y)


def _features(data: Experiments, inputs: FloatArray) -> FloatArray:
    """(B, features): numbers scaled to the data's range, one column a word."""
    columns = []
    for k, column in enumerate(data.columns):
        if column.choices:
            columns += [(inputs[:, k] == choice).astype(np.float64) for choice in range(len(column.choices))]
        else:
            columns.append((inputs[:, k] - column.low) / (column.high - column.low))
    return np.column_stack(columns)


class _Process:
    """A Gaussian process whose mean is taken here, so that hyper-parameters and weights of the rows restore it."""

    def __init__(self, seed: int, features: int) -> None:
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        smooth = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.full(features, 0.5), (5e-2, 5e1), nu=2.5)
        self.kernel = smooth + WhiteKernel(1e-2, (1e-6, 1.0))
        self.seed = seed

    def fit(self, x: FloatArray, y: FloatArray) -> "_Process":
        from sklearn.gaussian_process import GaussianProcessRegressor

        process = GaussianProcessRegressor(self.kernel, normalize_y=True, random_state=self.seed).fit(x, y)
        self.kernel, self.weights = process.kernel_, process.alpha_
        self._hold(x, y)
        return self

    def _hold(self, x: FloatArray, y: FloatArray) -> None:
        self.inputs, self.mean, self.spread = x, y.mean(), y.std()

    def state(self) -> dict[str, list[float]]:
        return {"theta": self.kernel.theta.tolist(), "weights": self.weights.tolist()}

    def restore(self, state: dict[str, list[float]], x: FloatArray, y: FloatArray) -> None:
        self.kernel = self.kernel.clone_with_theta(np.array(state["theta"]))
        self.weights = np.array(state["weights"])
        self._hold(x, y)

    def predict(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.mean + self.spread * (self.kernel(x, self.inputs) @ self.weights))


class _Trees:
    """Trees whose mean is taken here: for a few rows, scikit-learn's own `predict` takes ten times as long."""

    def __init__(self, seed: int, _features: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self.forest = ExtraTreesRegressor(TREES, random_state=seed)

    def fit(self, x: FloatArray, y: FloatArray) -> "_Trees":
        self.forest.fit(x, y)
        return self

    def state(self) -> dict[str, list[float]]:
        return {}  # trees grow again from their seed in less time than it takes to read them

    def restore(self, _state: dict[str, list[float]], x: FloatArray, y: FloatArray) -> None:
        self.fit(x, y)

    def predict(self, x: FloatArray) -> FloatArray:
        rows, total = np.ascontiguousarray(x, dtype=np.float32), np.zeros(len(x))
        for tree in self.forest.estimators_:
            total += tree.tree_.predict(rows)[:, 0]
        return total / len(self.forest.estimators_)


_REGRESSORS: Final[dict[str, type[Any]]] = {"gp": _Process, "trees": _Trees}
