"""Active learning: search on the surrogate, label the designs with the oracle, train on the labels, repeat.

An optimizer searches for extreme values and therefore finds the designs with the largest errors of a surrogate. Each
round runs such a search, labels its designs with the oracle, and trains the surrogate again with these labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.benchmark.search import search
from matgym.data import Dataset
from matgym.errors import DatasetError
from matgym.files import atomic_path, set_aside
from matgym.learning.config import check_counts
from matgym.physics import oracle_of, predict
from matgym.structures import TubeLattice
from matgym.surrogates import FitConfig, NetworkSurrogate, fit
from matgym.tasks import DesignTask, decoration_task
from matgym.typing import FloatArray


@dataclass(frozen=True)
class ImproveSettings:
    """Settings of active learning.

    Attributes:
        rounds: number of rounds of search, labelling and training.
        designs: number of designs that are labelled per round.
        queries: number of evaluations of the surrogate for each of these designs.
        method: optimizer; see `matgym.benchmark.search`.
        epochs: number of epochs of the training after each round. It starts from the previous weights.
        seed: random seed of searches and trainings.

    Raises:
        ConfigurationError: if a number is below 1.
    """

    rounds: int = 3
    designs: int = 64
    queries: int = 500
    method: str = "annealing"
    epochs: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "rounds", "designs", "queries", "epochs")


@dataclass(frozen=True)
class Round:
    """Figures of one round.

    Attributes:
        number: number of the round, from 1.
        labels: number of oracle evaluations so far, without those of the data set.
        predicted: mean prediction of the surrogate for the designs of the round.
        true: mean of their values by the oracle.
        mae: mean absolute error of the predictions.
        coverage: share of the designs whose true value is within the 90 % interval.
        failures: number of designs that the oracle could not compute.
    """

    number: int
    labels: int
    predicted: float
    true: float
    mae: float
    coverage: float
    failures: int


def improve(
    surrogate: NetworkSurrogate,
    data: Dataset,
    fit_config: FitConfig,
    lattice: TubeLattice,
    budget: dict[str, int],
    settings: ImproveSettings,
    *,
    folder: Path | None = None,
    on_round: Callable[[Round], None] = lambda _round: None,
) -> tuple[NetworkSurrogate, Dataset, tuple[Round, ...]]:
    """Improve a surrogate with labels of designs on which an optimizer exploits its first property.

    Half of the designs of a round have targets within the range of the data. A quarter of the targets lies beyond
    each end of the range.

    Args:
        surrogate: the initial surrogate.
        data: its training data.
        fit_config: settings of the training. The search uses `properties[0]`.
        lattice: lattice of the tubes.
        budget: number of atoms of each species.
        settings: settings of the rounds.
        folder: folder of finished rounds and checkpoints. An interrupted run resumes from it.
        on_round: function that is called after each search and its labelling.

    Returns:
        The surrogate after the last training, the data with the new labels, and the figures of the rounds.

    Raises:
        DatasetError: if the folder belongs to another run.
    """
    rounds: list[Round] = []
    key = fit_config.properties[0]
    for number in range(1, settings.rounds + 1):
        file = folder / f"round-{number}.parquet" if folder else None
        extra = _stored(file, data, settings.designs)
        if extra is None:
            low, high = np.quantile(data.labelled([key]).values(key), [0.01, 0.99])
            task, targets = _task(surrogate, key, low, high, lattice, budget, settings, number)
            tubes = search(settings.method, task, targets, settings.queries, settings.seed + number).tubes(task)
            known = {name: level for name in fit_config.properties if (level := data.level(name))}
            labels = predict(tubes, fit_config.properties, level=known)
            levels = {name: oracle_of(name, level=known.get(name)).level for name in fit_config.properties}
            extra = data.labelled_rows(tubes, labels, levels, split="train", first=-number * settings.designs)
            if file:
                with atomic_path(file) as scratch:
                    pq.write_table(extra.table, scratch, write_page_checksum=True)
        rounds.append(_round(number, settings.designs * number, surrogate, extra, key))
        on_round(rounds[-1])
        data = data.with_rows(extra)
        again = replace(
            fit_config, epochs=settings.epochs, learning_rate=fit_config.learning_rate / 4, seed=settings.seed
        )
        surrogate = fit(data, again, start=surrogate, checkpoints=folder / f"fit-{number}" if folder else None)
    return surrogate, data, tuple(rounds)


def _stored(file: Path | None, data: Dataset, designs: int) -> Dataset | None:
    """Return the labelled designs of a finished round, or None if there is no undamaged file.

    Raises:
        DatasetError: if the file belongs to another run.
    """
    if file is None or not file.exists():
        return None
    try:
        found = Dataset(pq.ParquetFile(file, page_checksum_verification=True).read())
    except (pa.ArrowException, OSError, ValueError) as error:
        set_aside(file, str(error))
        return None
    if found.table.schema.metadata != data.table.schema.metadata or len(found) != designs:
        raise DatasetError(f"{file} belongs to another run; remove its folder")
    return found


def _task(
    surrogate: NetworkSurrogate, key: str, low: float, high: float, lattice: TubeLattice, budget: dict[str, int],
    settings: ImproveSettings, number: int,
) -> tuple[DesignTask, FloatArray]:  # fmt: skip
    """Return the task of a round and its (designs,) targets; the data lie between `low` and `high`."""
    span = high - low
    inside = settings.designs - 2 * (settings.designs // 4)
    rng = np.random.default_rng([settings.seed, number])
    ends = np.repeat([low - span, high + span], settings.designs // 4)  # not reachable: the search goes to the extreme
    return decoration_task(
        lattice=lattice, budget=budget, property=key, model=surrogate, low=low - span, high=high + span,
        margin=span / 4,
    ), np.concatenate([rng.uniform(low, high, inside), ends])  # fmt: skip


def _round(number: int, labels: int, surrogate: NetworkSurrogate, extra: Dataset, key: str) -> Round:
    found, truth = surrogate.predict(extra.batch), extra.values(key)
    good = np.isfinite(truth)
    error = np.abs(found[key] - truth)[good]
    return Round(
        number, labels,
        predicted=float(found[key][good].mean()),
        true=float(truth[good].mean()),
        mae=float(error.mean()),
        coverage=float((error <= found.half_width[key][good]).mean()),
        failures=int((~good).sum()),
    )  # fmt: skip
