"""The tasks of reading by name."""

from typing import Final

from matgym.characterization.reading.films import FilmMicrograph
from matgym.characterization.reading.forests import ForestCurves
from matgym.characterization.reading.tasks import ReadingTask
from matgym.errors import ConfigurationError

READINGS: Final[dict[str, ReadingTask]] = {task.name: task for task in (FilmMicrograph(), ForestCurves())}


def reading_of(name: str) -> ReadingTask:
    """Return a task by its name.

    Raises:
        ConfigurationError: if there is none.
    """
    if name not in READINGS:
        raise ConfigurationError(f"there is no task {name!r}; there are {', '.join(READINGS)}")
    return READINGS[name]
