"""Trials of a source on loopback: what a user reads at each fault, what is kept, whether a repeated fetch is whole."""

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from matgym.data.sources import Fetched, Query, Source, source_of
from matgym.errors import FetchError, FetchWarning
from scripts.studies.loopback.materials_project import KEY, MaterialsProject, documents, prototypes
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

ROOT: Final = Path(__file__).parents[3]

LONGEST_S: Final = 600.0
"""Longest time until a process has stored its first page: mp-api alone takes half a minute to import."""


@dataclass(frozen=True)
class Subject:
    """A source with the server that answers it.

    Attributes:
        name: name of the source.
        answer: function that answers.
        path: path of the requests that are counted.
        second: number of the first of these requests after the first page.
    """

    name: str
    answer: Callable[[Request], Answer]
    path: str
    second: int = 2


PROPERTIES: Final = {"optimade": ("_exmpl_band_gap",), "nomad": ("band_gap",), "mp": ("band_gap",)}
"""What is fetched, by source."""


def source_at(name: str, url: str, timeout_s: float = 30.0) -> Source:
    """Return a source whose server is at an address; it has pages of 10 rows, and not much patience."""
    lists = {"list_rows": 10} if name == "mp" else {}
    return source_of(name, url=url, retries=2, backoff_s=0.02, timeout_s=timeout_s, page_rows=10, **lists)


@contextmanager
def subjects() -> Iterator[dict[str, Subject]]:
    """Yield the sources, by name, while the real OPTIMADE server runs."""
    with ExitStack() as stack:
        behind = BeforeOptimade(stack.enter_context(optimade_server()))
        # mp-api counts, lists the identifiers of two pages, and gets a page, before it lists those of the third.
        summary = MaterialsProject(documents(prototypes()))
        found = (
            Subject("optimade", behind, "/structures"),
            Subject("nomad", Nomad(archives()), "/entries/archive/query"),
            Subject("mp", summary, "/materials/summary", 5),
        )
        stack.enter_context(patch.dict(os.environ, {"MP_API_KEY": KEY}))
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
        source = source_at(subject.name, loopback.url, SILENCE_S if kind == "silence" else 30.0)
        query = Query(properties=PROPERTIES[subject.name])
        whole = tried(source, query, folder / "whole").fetched

        def disturbed(name: str, last: int | None) -> Outcome:
            loopback.requests.clear()
            fault = Fault(kind, subject.path, first=subject.second, last=last, retry_after=str(RETRY_AFTER_S))
            loopback.faults = [fault]
            outcome = tried(source, query, folder / name)
            loopback.faults = []
            return outcome

        lasting = disturbed("lasting", None)
        kept = len(lasting.fetched) if lasting.fetched is not None else rows_in(folder / "lasting")
        repeated = tried(source, query, folder / "lasting", refresh=not lasting.failed).fetched
        passing = disturbed("passing", subject.second)
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
        source, query = source_at(subject.name, loopback.url), Query(properties=PROPERTIES[subject.name])
        whole = tried(source, query, folder / "whole").fetched
        loopback.requests.clear()
        loopback.faults = [Fault("silence", subject.path, first=subject.second)]
        arguments = (subject.name, loopback.url, 60.0)
        code = (
            "from pathlib import Path; from matgym.data.sources import Query\n"
            "from scripts.studies.loopback.trials import source_at\n"
            f"source_at(*{arguments!r}).fetch({query!r}, Path({str(folder / 'killed')!r}))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)  # noqa: S603  # this Python
        end = time.monotonic() + LONGEST_S
        while (
            sum(subject.path in each.path for each in list(loopback.requests)) < subject.second
            and time.monotonic() < end
        ):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = rows_in(folder / "killed")
        loopback.faults = []
        loopback.requests.clear()
        resumed = tried(source, query, folder / "killed").fetched
        return {
            "source": subject.name, "rows": len(whole or ()), "kept": kept, "resumed_equals": same(resumed, whole),
            "requests_after": sum(subject.path in each.path for each in loopback.requests),
        }  # fmt: skip


def rows_in(folder: Path) -> int:
    """Return the number of rows that the files of a cache hold."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in folder.glob("*/page-*.parquet"))
