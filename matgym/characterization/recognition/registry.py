"""The tasks of recognition by name, and pools of samples drawn in several processes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matgym.characterization.recognition.defects import DefectsFromImages
from matgym.characterization.recognition.mixtures import SpeciesFromAbsorption
from matgym.characterization.recognition.powders import CrystalSystemFromPowder, SpaceGroupFromPowder
from matgym.characterization.recognition.spectra import SpeciesFromRaman
from matgym.characterization.recognition.structures import CrystalSystemFromStructure
from matgym.characterization.recognition.tasks import DrawnTask, RecognitionTask, Samples, Situation
from matgym.characterization.recognition.tubes import ChiralityFromDiffraction, ChiralityFromImages
from matgym.errors import ConfigurationError
from matgym.execution import Job, execute

TASKS: Final[dict[str, RecognitionTask]] = {
    task.name: task
    for task in (
        ChiralityFromDiffraction(),
        ChiralityFromImages(),
        CrystalSystemFromPowder(),
        SpaceGroupFromPowder(),
        CrystalSystemFromStructure(),
        SpeciesFromRaman(),
        SpeciesFromAbsorption(),
    )
}
"""Tasks whose answer is a class."""

PLACE_TASKS: Final = {task.name: task for task in (DefectsFromImages(),)}
"""Tasks whose answer is a list of places."""

CHUNK: Final = 512
"""Samples of a job; a choice of ours: some ten seconds."""


def task_of(name: str) -> RecognitionTask:
    """Return a task by its name.

    Raises:
        ConfigurationError: if there is none.
    """
    if name not in TASKS:
        raise ConfigurationError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[name]


@dataclass(frozen=True)
class Chunk:
    """The job of drawing some samples.

    Attributes:
        task: name of the task.
        situation: "training" or "unseen".
        number: number of the chunk.
        count: number of samples.
        seed: random seed of the pool.
    """

    task: str
    situation: Situation
    number: int
    count: int
    seed: int

    @property
    def key(self) -> str:
        """The name of the file."""
        return f"{self.task}-{self.situation}-{self.seed}-{self.count}-{self.number:04d}"

    def run(self) -> pa.Table:
        """Return inputs as bytes in the precision of the task, labels and levels."""
        rng = np.random.default_rng([self.seed, self.number])
        tasks: dict[str, DrawnTask] = {**TASKS, **PLACE_TASKS}
        samples = tasks[self.task].draw(self.count, rng, self.situation)
        rows = [row.tobytes() for row in samples.inputs]
        labels = pa.array(samples.labels.tolist(), _column_type(samples.labels))
        return pa.table({"inputs": pa.array(rows, pa.large_binary()), "label": labels, "level": samples.levels})


def draw_pool(
    task: DrawnTask,
    count: int,
    seed: int,
    folder: Path,
    *,
    situation: Situation = "training",
    workers: int = 1,
    on_done: Callable[[Job, bool], None] = lambda _job, _before: None,
) -> Samples:
    """Draw many samples in several processes; chunks that are in the folder already are read.

    Args:
        task: one of `TASKS` or `PLACE_TASKS`.
        count: number of samples.
        seed: random seed.
        folder: folder of the chunks, which one call at a time can use.
        situation: conditions under which samples are measured.
        workers: number of processes.
        on_done: function that is called for every finished chunk; see `matgym.execution.execute`.
    """
    execute(_chunks(task, count, seed, situation), folder, workers=workers, on_done=on_done)
    return read_pool(task, count, seed, folder, situation=situation)


def read_pool(task: DrawnTask, count: int, seed: int, folder: Path, *, situation: Situation = "training") -> Samples:
    """Return samples that `draw_pool` drew, from any number of processes.

    Raises:
        OSError: if they were not drawn.
    """
    parts = []
    for chunk in _chunks(task, count, seed, situation):
        table = pq.read_table(folder / f"{chunk.key}.parquet")
        flat: NDArray[Any] = np.frombuffer(b"".join(table["inputs"].to_pylist()), dtype=task.precision)
        labels = np.array(table["label"].to_pylist(), dtype=_value_type(table.schema.field("label").type))
        levels = table["level"].to_numpy().astype(np.float64)
        parts.append(Samples(flat.reshape(-1, *task.pipeline.shape), labels, levels))
    return Samples.joined(parts)


def _chunks(task: DrawnTask, count: int, seed: int, situation: Situation) -> list[Chunk]:
    counts = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    return [Chunk(task.name, situation, number, each, seed) for number, each in enumerate(counts)]


def _column_type(labels: NDArray[Any]) -> pa.DataType:
    """Return the type of a column with an entry of (B, …) labels in each row: numbers, or lists of them."""
    found = pa.from_numpy_dtype(labels.dtype)
    for _ in labels.shape[1:]:
        found = pa.list_(found)
    return found


def _value_type(column: pa.DataType) -> Any:
    """Return the type of the numbers of such a column for NumPy."""
    while pa.types.is_list(column):
        column = column.value_type
    return column.to_pandas_dtype()
