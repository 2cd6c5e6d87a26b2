"""Trials of a source on loopback: what a user reads at each fault, what is kept, whether a repeated fetch is whole."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from matgym.data.sources import Fetched, Query, Source, source_of
from matgym.errors import FetchError, FetchWarning
from scripts.studies.loopback.nomad import Nomad, archives
from scripts.studies.loopback.optimade import BeforeOptimade, optimade_server
from scripts.studies.loopback.server import Answer, Fault, Loopback, Request

KINDS: Final = (
    "401", "403", "404", "429", "500", "truncated", "silence", "not JSON", "field less", "field more", "paging loop",
    "duplicate page",
)  # fmt: skip
"""The faults. Each concerns the second page and, if it lasts, those that follow."""

RETRY_AFTER_S: Final = 1
"""What the status 429 asks to wait."""

SILENCE_S: Final = 2.0
"""Longest silence that the client accepts in the trials of that fault."""

LONGEST_S: Final = 120.0
"""Longest time until a process has stored its first page."""


@dataclass(frozen=True)
class Subject:
    """A source with the server that answers it.

    Attributes:
        name: name of the source.
        answer: function that answers.
        path: path of the requests for pages.
        query: what is fetched.
        options: arguments of the source, besides its address.
    """

    name: str
    answer: Callable[[Request], Answer]
    path: str
    query: Query
    options: Mapping[str, Any] = field(default_factory=dict)

    def source(self, url: str, timeout_s: float = 30.0) -> Source:
        """Return the source, which asks the server at an address, without much patience."""
        patience = {"retries": 2, "backoff_s": 0.02, "timeout_s": timeout_s}
        return source_of(self.name, url=url, **patience, **self.options)


@contextmanager
def subjects() -> Iterator[dict[str, Subject]]:
    """Yield the sources, by name, while the real OPTIMADE server runs."""
    with ExitStack() as stack:
        optimade = BeforeOptimade(stack.enter_context(optimade_server()))
        own, gap = Query(properties=("_exmpl_band_gap",)), Query(properties=("band_gap",))
        found = (
            Subject("optimade", optimade, "/structures", own, {"page_rows": 10}),
            Subject("nomad", Nomad(archives()), "/entries/archive/query", gap, {"page_rows": 10}),
        )
        yield {each.name: each for each in found}


@dataclass(frozen=True)
class Outcome:
    """What came of a fetch.

    Attributes:
        reads: what the user reads: an error, or warnings; empty for neither.
        failed: whether it was an error.
        fetched: what was fetched; None after an error.
    """

    reads: str
    failed: bool
    fetched: Fetched | None


def tried(source: Source, query: Query, folder: Path, *, refresh: bool = False) -> Outcome:
    """Fetch, and return what came of it."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", FetchWarning)
        try:
            fetched = source.fetch(query, folder, refresh=refresh)
        except FetchError as error:
            return Outcome(str(error), failed=True, fetched=None)
    words = "; ".join(str(each.message) for each in said if issubclass(each.category, FetchWarning))
    return Outcome(words, failed=False, fetched=fetched)


def same(one: Fetched | None, other: Fetched | None) -> bool:
    """Return whether two fetches have the same rows and the same rejected ones."""
    return one is not None and other is not None and same_rows(one, other) and one.rejected == other.rejected


def same_rows(one: Fetched | None, other: Fetched | None) -> bool:
    """Return whether two fetches have the same rows, whatever was rejected, such as rows that came twice."""
    return one is not None and other is not None and bool(one.table.equals(other.table, check_metadata=True))


def trial(subject: Subject, kind: str, folder: Path) -> dict[str, Any]:
    """Return what a user reads at a fault that lasts and at one that passes, what is kept, and what comes after it.

    Args:
        subject: the source.
        kind: the fault.
        folder: an empty folder.
    """
    with Loopback(subject.answer) as loopback:
        source, query = subject.source(loopback.url, SILENCE_S if kind == "silence" else 30.0), subject.query
        whole = tried(source, query, folder / "whole").fetched

        def disturbed(name: str, last: int | None) -> Outcome:
            loopback.requests.clear()
            loopback.faults = [Fault(kind, subject.path, first=2, last=last, retry_after=str(RETRY_AFTER_S))]
            outcome = tried(source, query, folder / name)
            loopback.faults = []
            return outcome

        lasting = disturbed("lasting", None)
        kept = len(lasting.fetched) if lasting.fetched is not None else rows_in(folder / "lasting")
        repeated = tried(source, query, folder / "lasting", refresh=not lasting.failed).fetched
        passing = disturbed("passing", 2)
        again = tried(source, query, folder / "passing").fetched if passing.failed else passing.fetched
        return {
            "source": subject.name,
            "fault": kind,
            "rows": len(whole or ()),
            "lasting_reads": lasting.reads,
            "lasting_fails": lasting.failed,
            "lasting_kept": kept,
            "repeated_equals": same(repeated, whole),
            "passing_reads": passing.reads,
            "passing_fails": passing.failed,
            "passing_kept": len(again or ()),
            "passing_equals": same_rows(again, whole),
        }


def killed(subject: Subject, folder: Path) -> dict[str, Any]:
    """Return what is kept of a fetch whose process is killed in the second page, and what the next call makes of it."""
    with Loopback(subject.answer) as loopback:
        source, query = subject.source(loopback.url), subject.query
        whole = tried(source, query, folder / "whole").fetched
        loopback.requests.clear()
        loopback.faults = [Fault("silence", subject.path, first=2)]
        patient = {**subject.options, "url": loopback.url, "timeout_s": 60.0}
        code = (
            "from pathlib import Path; from matgym.data.sources import Query, source_of\n"
            f"source_of({subject.name!r}, **{patient!r}).fetch({query!r}, Path({str(folder / 'killed')!r}))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)  # noqa: S603  # this Python
        end = time.monotonic() + LONGEST_S
        while sum(subject.path in each.path for each in list(loopback.requests)) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = rows_in(folder / "killed")
        loopback.faults = []
        loopback.requests.clear()
        resumed = tried(source, query, folder / "killed").fetched
        pages = sum(subject.path in each.path for each in loopback.requests)
        return {
            "source": subject.name, "rows": len(whole or ()), "kept": kept, "resumed_equals": same(resumed, whole),
            "pages_after": pages,
        }  # fmt: skip


def rows_in(folder: Path) -> int:
    """Return the number of rows that the files of a cache hold."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in folder.glob("*/page-*.parquet"))
