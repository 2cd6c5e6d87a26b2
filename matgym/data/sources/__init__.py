"""Data from outside: structures and values of databases and files, as one table with units and provenance."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from matgym.data.sources.base import Page, Source
from matgym.data.sources.entries import Entry
from matgym.data.sources.fetching import cache_folder
from matgym.data.sources.properties import PROPERTIES, Field, OutsideProperty
from matgym.data.sources.query import Query
from matgym.data.sources.table import Fetched, Rejected
from matgym.errors import ConfigurationError

__all__ = [
    "PROPERTIES",
    "SOURCES",
    "Entry",
    "Fetched",
    "Field",
    "OutsideProperty",
    "Page",
    "Query",
    "Rejected",
    "Source",
    "cache_folder",
    "source_of",
]


def _optimade() -> type[Source]:
    from matgym.data.sources.optimade import Optimade

    return Optimade


def _nomad() -> type[Source]:
    from matgym.data.sources.nomad import Nomad

    return Nomad


def _files() -> type[Source]:
    from matgym.data.sources.files import Files

    return Files


def _materials_project() -> type[Source]:
    from matgym.data.sources.materials_project import MaterialsProject

    return MaterialsProject


def _jarvis() -> type[Source]:
    from matgym.data.sources.jarvis import Jarvis

    return Jarvis


SOURCES: Final[Mapping[str, Callable[[], type[Source]]]] = {
    "optimade": _optimade,
    "mp": _materials_project,
    "nomad": _nomad,
    "jarvis": _jarvis,
    "files": _files,
}
"""Functions that return the classes of the sources, by name; their modules are imported when they are chosen."""


def source_of(name: str, **options: Any) -> Source:
    """Return a source by its name.

    Args:
        name: a name of `SOURCES`.
        **options: arguments of its class, such as `provider` or `url`.

    Raises:
        ConfigurationError: if there is no such source, or it does not have such an argument.
    """
    if name not in SOURCES:
        raise ConfigurationError(f"there is no source {name!r}: choose from {', '.join(SOURCES)}")
    kind = SOURCES[name]()
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]  # sources are dataclasses
    for option in options:
        if option not in known:
            raise ConfigurationError(f"{name} takes no {option}: it takes {', '.join(known)}")
    return kind(**options)
