"""Emulators: what an experiment would give, learned from a table of those that were made.

A Gaussian process with a length for each input (Matérn 5/2), or extremely randomised trees (Geurts, Ernst and
Wehenkel, Mach. Learn. 63, 3 (2006)); Liang et al., npj Comput. Mater. 7, 188 (2021) found such processes and forests
about as good as each other on campaigns of this size. Which one stands in is decided by cross-validation, whose folds
never part replicates.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from matgym.errors import ConfigurationError
from matgym.processes.campaigns.experiments import Experiments
from matgym.typing import FloatArray

Model: TypeAlias = Literal["best", "gp", "trees"]

FOLDS: Final = 5
REPEATS: Final = 3
"""Partitions into folds, over which R² is averaged; one where there are more than `MANY` different experiments."""

MANY: Final = 300


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

    def predict(self, inputs: FloatArray, deviates: FloatArray | float = 0.0) -> FloatArray:
        """(B,) measurements for (B, d) inputs, in the table's unit: expected ones, or with (B,) standard deviates."""
        found = self.regressor.predict(_features(self.data, inputs)) + self.noise * deviates
        return np.asarray(np.exp(found) if self.log else found)


def emulate(data: Experiments, model: Model = "best", *, log: bool = False, seed: int = 0) -> Emulator:
    """Learn a table.

    Args:
        data: the table.
        model: "gp", "trees", or the one that validates better.
        log: learn the logarithm of what was measured: for values over several decades.
        seed: of folds and trees.

    Raises:
        ConfigurationError: if there is no such model, or values of a logarithm are not positive.
    """
    if model not in {"best", *_REGRESSORS}:
        raise ConfigurationError(f"model={model!r} is unknown; there are best, {', '.join(_REGRESSORS)}")
    if log and (data.values <= 0.0).any():
        raise ConfigurationError(f"log=True needs positive values; {data.target!r} goes down to {data.values.min():g}")
    learned = replace(data, values=np.log(data.values)) if log else data
    inputs, values, _ = learned.averaged
    features = _features(data, inputs)
    names = list(_REGRESSORS) if model == "best" else [model]
    scores = {name: _cross_validated(name, features, values, seed) for name in names}
    best = max(names, key=lambda name: scores[name][0])
    replicated = bool(np.isfinite(learned.noise))
    noise = learned.noise if replicated else scores[best][2]
    return Emulator(
        data, best, log, {name: score[0] for name, score in scores.items()},
        {name: score[1] for name, score in scores.items()}, noise, replicated, _fitted(best, features, values, seed),
    )  # fmt: skip


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


def _gaussian_process(seed: int, features: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.full(features, 0.5), (5e-2, 5e1), nu=2.5)
    noise = WhiteKernel(1e-2, (1e-6, 1.0))
    return GaussianProcessRegressor(kernel + noise, normalize_y=True, random_state=seed)


def _trees(seed: int, _features: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(300, random_state=seed)


_REGRESSORS: Final[dict[str, Callable[[int, int], Any]]] = {"gp": _gaussian_process, "trees": _trees}
