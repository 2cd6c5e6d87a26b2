"""The regressors of emulators: a Gaussian process and trees, which learn large tables from random parts of them.

A Gaussian process of n rows takes n² numbers and n³ operations, and 300 trees of 100,000 rows fill gigabytes. On a
smooth function of five inputs, a process with the hyper-parameters of 500 rows and the weights of 4,000 has a root mean
square error of 0.0065, and one with the hyper-parameters of 1,500 rows has 0.0062 and takes five times as long.
"""

from typing import Any, Final

import numpy as np

from matgym.typing import FloatArray, IntArray

TREES: Final = 300
"""Trees of a forest."""

TREE_ROWS: Final = 10_000
"""Rows that each tree draws at random from a table of more rows. A choice of ours, as are the next three."""

EXACT_ROWS: Final = 1_500
"""Most rows of a table all of which a Gaussian process learns. The published campaigns have up to 1,386."""

KERNEL_ROWS: Final = 500
"""Random rows of a larger table that tell the hyper-parameters of a Gaussian process."""

PROCESS_ROWS: Final = 4_000
"""Random rows of a larger table from which a Gaussian process predicts with these hyper-parameters."""

MOST_NUMBERS: Final = 1 << 25
"""Most numbers of a matrix that a fit makes: 256 MiB, of which it holds a few."""

SETTINGS: Final = (TREES, TREE_ROWS, EXACT_ROWS, KERNEL_ROWS, PROCESS_ROWS, MOST_NUMBERS)
"""All that decides how a table is learned."""


def _is_exact(rows: int, features: int) -> bool:
    """Return whether a Gaussian process learns all rows of a table with all its hyper-parameters."""
    return rows <= EXACT_ROWS and _gradient_numbers(rows, features) <= MOST_NUMBERS


def _gradient_numbers(rows: int, features: int) -> int:
    """Return how many numbers the derivatives of a kernel's matrix by each of its parameters have."""
    return rows * rows * (features + 2)


def has_room(rows: int, features: int) -> bool:
    """Return whether the matrices of a Gaussian process, or of one on random rows, hold at most `MOST_NUMBERS`."""
    return _is_exact(rows, features) or _gradient_numbers(min(rows, KERNEL_ROWS), features) <= MOST_NUMBERS


class Process:
    """A Gaussian process whose mean is taken here, so that hyper-parameters and weights of the rows restore it."""

    def __init__(self, seed: int, features: int) -> None:
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        smooth = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.full(features, 0.5), (5e-2, 5e1), nu=2.5)
        self.kernel = smooth + WhiteKernel(1e-2, (1e-6, 1.0))
        self.seed = seed

    def fit(self, x: FloatArray, y: FloatArray) -> "Process":
        """Learn (N, features) inputs and (N,) values, or random rows of a large table."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        settings: dict[str, Any] = {"normalize_y": True, "random_state": self.seed}
        rows = self._rows(*x.shape)
        if not _is_exact(*x.shape):
            few = rows[:KERNEL_ROWS]
            self.kernel = GaussianProcessRegressor(self.kernel, **settings).fit(x[few], y[few]).kernel_
            settings["optimizer"] = None
        process = GaussianProcessRegressor(self.kernel, **settings).fit(x[rows], y[rows])
        self.kernel, self.weights = process.kernel_, process.alpha_
        self._hold(x, y)
        return self

    def _rows(self, rows: int, features: int) -> IntArray:
        """Return the rows that are learned: all, or random ones, of which the first tell the hyper-parameters."""
        if _is_exact(rows, features):
            return np.arange(rows)
        return np.random.default_rng(self.seed).permutation(rows)[:PROCESS_ROWS]

    def _hold(self, x: FloatArray, y: FloatArray) -> None:
        rows = self._rows(*x.shape)
        self.inputs, self.mean, self.spread = x[rows], y[rows].mean(), y[rows].std()

    def state(self) -> dict[str, list[float]]:
        """Return what restores the process, with the table."""
        return {"theta": self.kernel.theta.tolist(), "weights": self.weights.tolist()}

    def restore(self, state: dict[str, list[float]], x: FloatArray, y: FloatArray) -> None:
        """Take the state of a process that learned the same table."""
        self.kernel = self.kernel.clone_with_theta(np.array(state["theta"]))
        self.weights = np.array(state["weights"])
        self._hold(x, y)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return (B,) values of (B, features) inputs."""
        at_once = max(1, MOST_NUMBERS // (8 * len(self.inputs)))
        parts = [self.kernel(x[at : at + at_once], self.inputs) @ self.weights for at in range(0, len(x), at_once)]
        return np.asarray(self.mean + self.spread * np.concatenate([np.zeros(0), *parts]))


class Trees:
    """Trees whose mean is taken here: for a few rows, scikit-learn's own `predict` takes ten times as long."""

    def __init__(self, seed: int, _features: int) -> None:
        self.seed = seed

    def fit(self, x: FloatArray, y: FloatArray) -> "Trees":
        """Learn (N, features) inputs and (N,) values."""
        from sklearn.ensemble import ExtraTreesRegressor

        drawn: dict[str, Any] = {"bootstrap": True, "max_samples": TREE_ROWS} if len(x) > TREE_ROWS else {}
        self.forest = ExtraTreesRegressor(TREES, random_state=self.seed, **drawn).fit(x, y)
        return self

    def state(self) -> dict[str, list[float]]:
        """Return nothing: trees grow again from their seed in less time than it takes to read them."""
        return {}

    def restore(self, _state: dict[str, list[float]], x: FloatArray, y: FloatArray) -> None:
        """Learn the same table again."""
        self.fit(x, y)

    def predict(self, x: FloatArray) -> FloatArray:
        """Return (B,) values of (B, features) inputs."""
        rows, total = np.ascontiguousarray(x, dtype=np.float32), np.zeros(len(x))
        for tree in self.forest.estimators_:
            total += tree.tree_.predict(rows)[:, 0]
        return total / len(self.forest.estimators_)


REGRESSORS: Final[dict[str, type[Any]]] = {"gp": Process, "trees": Trees}
"""Models by name."""
