"""Run long jobs in this process, in several processes, or on a Dask cluster; a finished job is not run again.

A job returns one table. Its file is the record that the job is finished. Only the calling process writes files. One
lock is therefore sufficient, workers need no file system, and a killed worker leaves no files. If the caller is killed,
the jobs in progress are lost. The same call then runs the missing jobs. A damaged file is set aside, and its job is run
again.
"""

import itertools
import os
import re
import signal
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

import pyarrow as pa

from matgym.errors import (
    ConfigurationError,
    ExecutionError,
    MissingExtraError,
    OpenSchedulerWarning,
    require_counts,
)
from matgym.files import atomic_path, remove_scratch, set_aside
from matgym.work import alone_in

DEATHS: Final = 3
"""Number of worker processes that may die during one job before the job fails."""
_WINDOW: Final = 2  # jobs per thread of a cluster at a time: one in progress and one waiting
_CONNECT_S: Final = 10.0

PER_CORE: Final = 4
"""Most processes that are started for each core of the machine, whatever is asked for. A choice of ours."""

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")


class Job(Protocol):
    """A job that returns one table; it must be picklable, for example a frozen dataclass at the top of a module."""

    @property
    def key(self) -> str:
        """Return the name of the file and of the cluster task; jobs with equal keys must give equal tables."""
        ...

    def run(self) -> pa.Table:
        """Compute the table from the fields of the job only; the call can be in any process and can be repeated."""
        ...


@dataclass(frozen=True)
class _Failure:
    """The reason for a missing table, as text, because not every exception can be pickled."""

    message: str
    trace: str = ""


_Outcomes: TypeAlias = Generator[tuple[Job, "pa.Table | _Failure"], None, None]
_Pipe: TypeAlias = "connection.Connection[Any, Any]"


def counted(told: Callable[[int, int], None], total: int) -> Callable[[Job, bool], None]:
    """Return an `on_done` of `execute` that tells the number of finished jobs, and of all."""
    finished = itertools.count(1)
    return lambda _job, _before: told(next(finished), total)


def execute(
    jobs: Iterable[Job],
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    on_done: Callable[[Job, bool], None] = lambda _job, _before: None,
) -> list[Path]:
    """Run the jobs that have no file yet, each into `folder/KEY.parquet`; a failed job does not stop the others.

    Args:
        jobs: jobs with different keys.
        folder: folder of the files. It is created if it is missing. Only one call at a time can use it.
        workers: number of processes, each on one core; at most `PER_CORE` for each core are started.
            1 runs the jobs in the calling process, in order. A script with
            more than one worker must call this function under `if __name__ == "__main__":`.
        scheduler: address of a Dask scheduler, such as "tcp://127.0.0.1:8786". Its workers then run the jobs. They need
            matgym, the module of the jobs, and one thread each (`dask worker --nthreads 1`). Workers can join and
            leave. Without workers the call waits. Dask exchanges pickles: who reaches a "tcp://" address can run any
            program as the users of the scheduler, its workers and this process. A warning says so for addresses of
            other machines. "tls://" addresses need certificates, which Dask's own configuration names.
        on_done: function that is called in this process with a job whose file exists, and with whether the file
            existed, undamaged, before the call. The calls for old files come first. The others follow in the order of
            completion.

    Returns:
        The files, in the order of the jobs.

    Raises:
        ConfigurationError: if `workers` is below 1, a key occurs twice, or a key is not a valid file name.
        ExecutionError: after all other jobs are finished, if jobs raised an error or their workers died `DEATHS` times;
            immediately, if another call uses the folder, workers do not start, or the scheduler does not answer.
        MissingExtraError: if a scheduler is given and `distributed` is not installed.
    """
    require_counts(workers=workers)
    jobs = list(jobs)
    _check_keys(job.key for job in jobs)
    paths = {job.key: folder / f"{job.key}.parquet" for job in jobs}
    failures: dict[str, _Failure] = {}
    with alone_in(folder, f"another call works on the jobs in {folder}"):
        remove_scratch(folder)
        before = {key for key, path in paths.items() if _is_whole(path)}
        missing = [job for job in jobs if job.key not in before]
        for job in jobs:
            if job.key in before:
                on_done(job, job.key in before)
        if not missing:
            return list(paths.values())
        if scheduler is not None:
            outcomes = _on_cluster(missing, scheduler)
        else:
            outcomes = _in_processes(missing, workers) if workers > 1 else ((job, _attempt(job)) for job in missing)
        with closing(outcomes):  # ends the workers immediately after any error or Ctrl-C
            for job, outcome in outcomes:
                if isinstance(outcome, _Failure):
                    failures[job.key] = outcome
                else:
                    _write(outcome, paths[job.key])
                    on_done(job, job.key in before)
    if failures:
        first = next(key for key in paths if key in failures)
        error = ExecutionError(
            f"{len(failures)} of {len(jobs)} jobs failed, the first of them {first}: {failures[first].message}; the "
            f"files of the other jobs are in {folder}, and the same call runs only the missing jobs"
        )
        error.add_note(failures[first].trace)
        raise error
    return list(paths.values())


def _check_keys(keys: Iterable[str]) -> None:
    for key, count in Counter(keys).items():
        if count > 1:
            raise ConfigurationError(f"{count} jobs have the key {key!r}; give each job a different key")
        if not _KEY.fullmatch(key):
            raise ConfigurationError(
                f"the job key {key!r} is not a valid file name; use up to 200 of A-Z a-z 0-9 . _ = + -, and start with "
                "a letter or digit"
            )


def _is_whole(path: Path) -> bool:
    """Return whether a table is there and can be read; a damaged one is set aside."""
    import pyarrow.parquet as pq

    if not path.exists():
        return False
    try:
        pq.ParquetFile(path, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        set_aside(path, str(error))
        return False
    return True


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    with atomic_path(path) as scratch:
        # In one chunk: tables arrive in different chunks, and equal tables must give equal files.
        pq.write_table(table.combine_chunks(), scratch, compression="zstd", write_page_checksum=True)


def _attempt(job: Job) -> "pa.Table | _Failure":
    try:
        table = job.run()
    except Exception as error:  # noqa: BLE001  # the other jobs continue after any error
        return _failure(error)
    if not isinstance(table, pa.Table):
        return _Failure(f"run() returned a {type(table).__name__}; return a pyarrow.Table")
    return table


def _failure(error: Exception) -> _Failure:
    return _Failure(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


# ---- processes


def _in_processes(jobs: Sequence[Job], workers: int) -> _Outcomes:
    """Run jobs on processes with one job each, so that the death of a process fails only its own job.

    If one process dies, `concurrent.futures` loses all jobs in progress and does not tell which job was the cause.
    """
    waiting, deaths = deque(jobs), Counter[str]()
    staff: dict[_Pipe, SpawnProcess] = {}
    busy: dict[_Pipe, Job | None] = {}  # None while a process starts
    try:
        for _ in range(min(workers, len(jobs), PER_CORE * (os.cpu_count() or 1))):
            _hire(staff, busy)
        while busy:
            for pipe in cast("list[_Pipe]", connection.wait(list(busy))):
                job, outcome = busy.pop(pipe), _received(pipe)
                if outcome is None:
                    job = _blamed(job)
                    deaths[job.key] += 1
                    if deaths[job.key] < DEATHS:
                        waiting.appendleft(job)
                    else:
                        outcome = _Failure(f"{DEATHS} worker processes died during this job; check its use of memory")
                    _hire(staff, busy)
                elif waiting:
                    busy[pipe] = waiting.popleft()
                    with suppress(BrokenPipeError):  # a dead process is detected by the next read
                        pipe.send(busy[pipe])
                if job is not None and outcome is not None:
                    yield job, outcome
    finally:
        for process in staff.values():
            process.terminate()
        for pipe, process in staff.items():
            process.join()
            pipe.close()


def _hire(staff: dict[_Pipe, SpawnProcess], busy: dict[_Pipe, Job | None]) -> None:
    context = get_context("spawn")  # a fork inherits torch's locks without the threads that release them
    pipe, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="matgym-worker")
    with _single_threaded_children():
        process.start()
    theirs.close()  # the process then holds the only other end, and its death gives an end of file here
    staff[pipe], busy[pipe] = process, None


def _received(pipe: _Pipe) -> "pa.Table | _Failure | None":
    """Return the message of a process, or None if it died."""
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError):
        return None


def _blamed(job: Job | None) -> Job:
    if job is None:
        raise ExecutionError(
            "a worker process died at its start, and its error is printed above; call this function under "
            'if __name__ == "__main__": in a script'
        )
    return job


def _serve(pipe: _Pipe) -> None:
    """Send "ready", then receive jobs and send back their outcomes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    Thread(target=_end_with_parent, daemon=True).start()
    outcome: object = "ready"
    while True:
        pipe.send(outcome)
        try:
            outcome = _attempt(pipe.recv())
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001  # a job that cannot be unpickled is a failed job
            outcome = _failure(error)


def _end_with_parent() -> None:
    """End this process when the parent process is killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Limit the linear algebra (also of torch) of processes that start in this context to one core each."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---- Dask


def _on_cluster(jobs: Sequence[Job], scheduler: str) -> _Outcomes:
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("distributed", "cluster") from None
    if not _is_guarded(scheduler):
        warnings.warn(
            f"{scheduler} is neither encrypted nor authenticated, and Dask exchanges pickles: whoever reaches this "
            "address can run programs as you, here and on the workers; use tls:// or a network that only you reach",
            OpenSchedulerWarning,
            stacklevel=4,
        )
    try:
        with Client(scheduler, timeout=_CONNECT_S, set_as_default=False) as client:
            yield from _by_workers_of(client, jobs)
    except (OSError, ValueError, TypeError) as error:  # no connection, no such address, or TLS without certificates
        raise ExecutionError(
            f"no Dask scheduler answers at {scheduler!r} ({error}); start one with `dask scheduler` and repeat the call"
        ) from error


def _is_guarded(scheduler: str) -> bool:
    """Return whether an address of Dask is of this machine, or asks for certificates."""
    protocol, _, place = scheduler.rpartition("://")
    try:
        host = urlsplit(f"//{place}").hostname or ""
        return protocol in {"tls", "inproc"} or host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # the name of another machine
        return False


def _by_workers_of(client: Any, jobs: Sequence[Job]) -> _Outcomes:
    """Run jobs on the workers of a scheduler; Dask gives the jobs of a dead worker to another worker."""
    from distributed import as_completed

    waiting, running = deque(jobs), dict[str, Job]()
    finished = as_completed(loop=client.loop)

    def top_up() -> None:
        """Submit a limited number of jobs, so that neither jobs nor tables accumulate in memory."""
        window = _WINDOW * max(1, sum(client.nthreads().values()))
        while waiting and len(running) < window:
            job = waiting.popleft()
            running[job.key] = job
            finished.add(client.submit(_attempt, job, key=job.key, pure=False))

    top_up()
    for future in finished:
        if future.status in {"cancelled", "lost"}:
            raise ConnectionError("it closed the connection")
        job = running.pop(future.key)
        top_up()
        try:
            outcome = future.result()
        except Exception as error:  # noqa: BLE001  # `_attempt` raises nothing; Dask raises if workers died
            outcome = _failure(error)
        yield job, outcome
