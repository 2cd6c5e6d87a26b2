"""The face of every source: count, pages, entries; `fetch` turns them into a table."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

from matgym.data.sources.entries import Entry
from matgym.data.sources.properties import PROPERTIES, Field, OutsideProperty, chosen_fields
from matgym.data.sources.query import Query
from matgym.data.sources.table import Fetched

Row: TypeAlias = Any
"""A row as the source gives it."""


class OnPage(Protocol):
    """A function that is called after each page."""

    def __call__(self, rows: int, total: int | None, /) -> None:
        """Show progress.

        Args:
            rows: number of rows that are there.
            total: number of rows in all, as the source says; None if it does not say.
        """


@dataclass(frozen=True)
class Page:
    """A page of a source's answer.

    Attributes:
        rows: its rows.
        cursor: what the source needs to give the next page; None after the last one.
        total: number of rows in all, as the source says; None if it does not say.
    """

    rows: Sequence[Row]
    cursor: str | None = None
    total: int | None = None


class Source(ABC):
    """A source of structures and values.

    A subclass is a dataclass of its settings. It says how many rows there are, gives pages, and makes an entry of a
    row. `fetch` does the rest: it stores
    pages as they come, continues after an interruption, keeps invalid rows out, and reads a finished fetch from the
    cache.

    Attributes:
        name: name of the source on the command line.
        cached: whether fetched rows are kept; False for what is on this machine anyway.
    """

    name: ClassVar[str]
    cached: ClassVar[bool] = True

    @property
    def fields(self) -> Mapping[str, Field]:
        """Where the source holds properties, by name of `PROPERTIES`."""
        return {}

    @property
    def title(self) -> str:
        """Name of the source in messages."""
        return self.name

    @property
    def delay(self) -> str:
        """What takes long before the first row, for the line of progress; empty for nothing."""
        return ""

    @property
    @abstractmethod
    def identity(self) -> dict[str, str]:
        """What an answer depends on besides the query, such as provider and address; without keys."""

    @abstractmethod
    def about(self) -> dict[str, str]:
        """Return what the source says of itself: at least "version" and "licence" of its data; it may be asked.

        Raises:
            FetchError: if the source cannot be asked.
        """

    @abstractmethod
    def count(self, query: Query) -> int | None:
        """Return the number of rows that meet a query; None if the source does not say.

        Raises:
            FetchError: if the source cannot be asked.
        """

    @abstractmethod
    def pages(self, query: Query, cursor: str | None) -> Iterator[Page]:
        """Yield the pages of an answer.

        Args:
            query: the query.
            cursor: `Page.cursor` of the page before the first one to yield; None to begin at the beginning.

        Raises:
            FetchError: if the source cannot be asked, or answers something else than a page.
        """

    @abstractmethod
    def entry(self, row: Row, query: Query) -> Entry:
        """Return the entry of a row, with the values of the properties that the query names.

        Raises:
            RowError: if the row holds no structure, or an impossible value.
        """

    def label(self, row: Row) -> str:
        """Return the identifier of a row, whether or not it is valid; empty if it has none."""
        found = row.get("id") if isinstance(row, Mapping) else None
        return found if isinstance(found, str) else ""

    def chosen(self, query: Query) -> dict[str, Field]:
        """Return where the source holds the properties of a query, by name.

        Raises:
            ConfigurationError: if it does not have one of them.
        """
        return chosen_fields(query.properties, self.fields, self.title)

    def read_values(self, row: Row, query: Query, atoms: int) -> tuple[dict[str, float], dict[str, str]]:
        """Return the values of a row by property of the query, and how they were obtained; those it has not are absent.

        Args:
            row: the row, or the part of it in which the paths of `fields` lie.
            query: the query.
            atoms: number of atoms in the cell.

        Raises:
            RowError: if a field holds no number.
        """
        chosen = self.chosen(query)
        found = {name: each.read(row, atoms) for name, each in chosen.items()}
        values = {name: value for name, value in found.items() if value is not None}
        return values, {name: chosen[name].method for name in values if chosen[name].method}

    def columns(self, query: Query) -> tuple[OutsideProperty, ...]:
        """Return the properties of a query, with units and descriptions."""
        own = f"Field of {self.title}, with the unit that it has there."
        return tuple(PROPERTIES.get(name) or OutsideProperty(name, "", own) for name in self.chosen(query))

    def fetch(
        self,
        query: Query,
        folder: Path | None = None,
        *,
        refresh: bool = False,
        on_page: OnPage | Callable[[int, int | None], None] | None = None,
    ) -> Fetched:
        """Return the structures that meet a query.

        Pages are stored as they come. After an interruption the same call continues with the next page, and returns
        what an undisturbed call returns. A finished fetch is read from the cache.

        Args:
            query: the query.
            folder: folder of the cache; by default that of the user (`cache_folder`).
            refresh: whether to fetch again what is in the cache.
            on_page: function that is called after each page.

        Raises:
            FetchError: if the source cannot be asked. The pages that came before are kept.
            ConfigurationError: if the source does not have a property of the query.
            ExecutionError: if another call fetches the same.
        """
        from matgym.data.sources.fetching import fetch

        return fetch(self, query, folder, refresh=refresh, on_page=on_page)
