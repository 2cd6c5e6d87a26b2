"""Fetch page by page into a folder, so that a killed call continues, and a finished one is read again.

The folder of a query holds a Parquet file a page: valid rows as a table, rejected ones and the cursor of the next page
in the metadata of the schema. Each file is written in one step, so every file that exists is whole. A database changes:
the pages of an unfinished fetch are continued within `OLDEST` only.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from warnings import warn

import pyarrow as pa

from matgym import files
from matgym.data.sources.entries import Entry
from matgym.data.sources.query import Query
from matgym.data.sources.table import Fetched, Rejected, read_table, schema_of, table_of, write_table
from matgym.errors import DatasetError, FetchError, FetchWarning, RowError, one_line
from matgym.version import __version__
from matgym.work import alone_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matgym.data.sources.base import Page, Source

PAGE: Final = "page-{:06d}.parquet"

FORMAT: Final = 1
"""Version of the files of the cache: those of another one are not read."""

MOST_STALE_PAGES: Final = 2
"""Consecutive pages without a new row after which a source is taken to repeat itself. A choice of ours."""

MOST_INVALID: Final = 1000
"""Rows without a valid one among them after which no more are fetched. A choice of ours."""

OLDEST: Final = timedelta(days=7)
"""Age up to which an unfinished fetch is continued; a choice of ours."""

DUPLICATE: Final = "it is there already: the source gave it twice"


def cache_folder() -> Path:
    """Return the folder of fetched data; see `matgym.files.cache_folder`."""
    return files.cache_folder("sources")


def fetch(
    source: "Source",
    query: Query,
    folder: Path | None,
    *,
    refresh: bool,
    on_page: Callable[[int, int | None], None] | None,
) -> Fetched:
    """Return the structures of a source that meet a query; see `Source.fetch`."""
    source.chosen(query)  # an unknown property is an error before anything is asked
    digest = query.digest(source=source.name, matgym=FORMAT, **source.identity)
    with _place(source, (folder or cache_folder()) / f"{source.name}-{digest}", refresh) as place:
        work = _Pages(source, query, place)
        work.read()
        if work.is_outdated:
            begun = work.begun["fetched"]
            warn(
                f"the unfinished fetch from {source.title} of {begun} is older than {OLDEST.days} days, so all its "
                "rows are fetched anew",
                FetchWarning,
                stacklevel=3,
            )
            _remove_pages(place)
            work = _Pages(source, query, place)
        began = work.complete
        if not work.complete:
            work.fetch(on_page)
        return work.fetched(from_cache=began)


@contextmanager
def _place(source: "Source", folder: Path, refresh: bool) -> "Iterator[Path]":
    """Yield the folder of a fetch, held alone; a temporary one for a source that is not cached."""
    if not source.cached:
        with TemporaryDirectory(prefix="matgym-") as scratch:
            yield Path(scratch)
        return
    with alone_in(folder, f"another call fetches the same from {source.title}"):
        if refresh:
            _remove_pages(folder)
        yield folder


def _remove_pages(folder: Path) -> None:
    for file in folder.glob("page-*"):
        file.unlink()


@dataclass
class _Pages:
    """The pages of a fetch that are there.

    Attributes:
        source: the source.
        query: the query.
        folder: folder of the files.
        tables: valid rows, a table a page.
        rejected: rejected rows.
        ids: identifiers of all rows.
        cursor: cursor of the next page; None for the first one.
        begun: when the first page was fetched, and what the source said of itself then.
        total: number of rows in all, as the source says.
        complete: whether the last page, or the limit, is reached.
        repeated: whether the source repeated itself.
        stale: number of last pages without a new row.
        row: number of rows that the source gave.
    """

    source: "Source"
    query: Query
    folder: Path
    tables: list[pa.Table] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    cursor: str | None = None
    begun: dict[str, str] = field(default_factory=dict)
    total: int | None = None
    complete: bool = False
    repeated: bool = False
    stale: int = 0
    row: int = 0

    @property
    def kept(self) -> int:
        """Number of valid rows."""
        return sum(table.num_rows for table in self.tables)

    @property
    def is_outdated(self) -> bool:
        """Whether pages are there, not all of them, and the first was fetched longer ago than `OLDEST`."""
        if not self.tables or self.complete:
            return False
        return datetime.now(UTC) - datetime.fromisoformat(self.begun["fetched"]).astimezone(UTC) > OLDEST

    def read(self) -> None:
        """Read the pages of earlier calls; from a damaged one on they are set aside."""
        path = self.folder / PAGE.format(0)
        while path.is_file() and not self.complete:
            try:
                table, held = read_table(path)
                self._add(table, held)
            except (DatasetError, KeyError, TypeError, ValueError) as error:
                files.set_aside(path, one_line(error))
                break
            path = self.folder / PAGE.format(len(self.tables))

    def fetch(self, on_page: Callable[[int, int | None], None] | None) -> None:
        """Fetch the pages that are missing.

        Raises:
            FetchError: if the source cannot be asked, or no row of it is valid.
        """
        try:
            if not self.begun:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                self.begun = {"fetched": now, **self.source.about()}
            for page in self.source.pages(self.query, self.cursor):
                if self._repeats(page):
                    return
                self._store(page)
                if on_page is not None:
                    on_page(self.kept, self.total)
                if self.complete or (not self.kept and self.row >= MOST_INVALID):
                    break
        except FetchError as error:
            raise FetchError(f"{error}{self._kept_words()}") from None
        self._check_schema()

    def fetched(self, *, from_cache: bool) -> Fetched:
        """Return the table of all pages, with provenance and warnings."""
        columns = self.source.columns(self.query)
        table = pa.concat_tables(self.tables) if self.tables else schema_of(columns).empty_table()
        twice = sum(each.reason == DUPLICATE for each in self.rejected)
        provenance: dict[str, Any] = {
            "source": self.source.name,
            **self.source.identity,
            **self.begun,
            "matgym": __version__,
            "query": self.query.settings,
            "counts": {"kept": self.kept, "rejected": len(self.rejected) - twice, "duplicates": twice},
            "total": self.total,
            "complete": self.complete,
            "from_cache": from_cache,
        }
        for note in self._notes(table, twice):
            warn(note, FetchWarning, stacklevel=4)
        return Fetched(table, tuple(self.rejected), provenance)

    def _notes(self, table: pa.Table, twice: int) -> "Iterator[str]":
        """Yield what is missing of what was asked for.

        Args:
            table: the table.
            twice: number of rows that came twice.
        """
        title = self.source.title
        if self.repeated:
            yield f"{title} repeats its pages, so the answer ends here: {self.kept:,} rows are kept"
        if lost := len(self.rejected) - twice:
            first = next(each for each in self.rejected if each.reason != DUPLICATE)
            yield f"{lost:,} of {self.row:,} rows of {title} are kept out, for example {first.id}: {first.reason}"
        missing = (self.total or 0) - (self.row - twice)
        if self.complete and self.query.limit is None and missing > 0:
            yield f"{title} announced {self.total:,} rows, and gave {missing:,} fewer"
        for each in self.source.columns(self.query):
            if self.kept and table.column(each.name).null_count == self.kept:
                yield f"{title} gives no {each.name} for any of {self.kept:,} rows: it may have renamed it"

    # ---- one page

    def _store(self, page: "Page") -> None:
        """Write a page to its file, and add it."""
        entries, rejected = self._sorted(page)
        room = None if self.query.limit is None else self.query.limit - self.kept
        entries = entries[:room]
        full = room is not None and len(entries) >= room
        held = {
            "cursor": page.cursor or "",
            "complete": page.cursor is None or full,
            "rejected": [[each.id, each.reason] for each in rejected],
            "total": page.total,
            "rows": len(page.rows),
            "begun": self.begun,
        }
        table = table_of(entries, self.source.columns(self.query))
        write_table(self.folder / PAGE.format(len(self.tables)), table, held, durable=False)
        self._add(table, held)

    def _add(self, table: pa.Table, held: dict[str, Any]) -> None:
        """Add a page that is stored."""
        rejected = [Rejected(str(each), str(reason)) for each, reason in held["rejected"]]
        new = {*table.column("id").to_pylist(), *(each.id for each in rejected)} - self.ids
        begun = dict(held["begun"])
        datetime.fromisoformat(begun["fetched"])  # a damaged one is an error here
        self.begun, self.total, self.complete = begun, held["total"], bool(held["complete"])
        self.cursor = str(held["cursor"])
        self.row += int(held["rows"])
        self.stale = 0 if new else self.stale + 1
        self.ids |= new
        self.rejected += rejected
        self.tables.append(table.replace_schema_metadata(None))

    def _sorted(self, page: "Page") -> tuple[list[Entry], list[Rejected]]:
        """Return the entries and the rejected rows of a page."""
        entries: list[Entry] = []
        rejected: list[Rejected] = []
        known = set(self.ids)
        for place, row in enumerate(page.rows, self.row + 1):
            label = self.source.label(row)
            if not label:
                rejected.append(Rejected(f"row {place}", "it has no identifier"))
                continue
            if label in known:
                rejected.append(Rejected(label, DUPLICATE))
                continue
            known.add(label)
            try:
                entries.append(self.source.entry(row, self.query))
            except RowError as error:
                rejected.append(Rejected(label, one_line(error)))
            except (LookupError, TypeError, AttributeError, ValueError) as error:  # what an unexpected row provokes
                rejected.append(Rejected(label, f"it is not built as expected ({type(error).__name__})"))
        return entries, rejected

    def _repeats(self, page: "Page") -> bool:
        """Return whether a source repeats itself: its last pages have no new row, and yet it has more pages."""
        known = {self.source.label(row) for row in page.rows} <= self.ids
        self.repeated = known and page.cursor is not None and self.stale + 1 >= MOST_STALE_PAGES
        return self.repeated

    def _check_schema(self) -> None:
        """Check that there is a valid row, if there are rows.

        Raises:
            FetchError: if there is none. Its pages are removed, since the next version of matgym may read them.
        """
        if self.kept or not self.rejected:
            return
        first = self.rejected[0]
        _remove_pages(self.folder)
        raise FetchError(
            f"no row of {self.source.title} can be read, for example {first.id}: {first.reason}; it may have changed "
            "its schema, or the query selects what matgym cannot hold"
        )

    def _kept_words(self) -> str:
        if not self.tables:
            return ""
        return f"; {self.kept:,} rows are kept, and the same call continues after them"
