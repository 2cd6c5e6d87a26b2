"""Run long jobs so that what is finished is never done again: here, in processes, or on a Dask cluster.

A job gives one table, and its file is the whole record that it is done. Whoever computes, only the calling process
writes: one writer needs one lock, workers need no file system, and a worker that is killed leaves nothing behind.
What a killed caller loses is the jobs in flight; the same call then runs what is missing.
"""

import os
import re
import signal
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any, Final, Protocol, TypeAlias, cast

import pyarrow as pa

from matgym.errors import ConfigurationError, ExecutionError, MissingExtraError, require_counts
from matgym.files import atomic_path

DEATHS: Final = 3
"""Worker processes that may die under one job before it is given up."""
_WINDOW: Final = 2  # jobs at a time that a cluster is given a thread: one to work on, one at hand
_CONNECT_S: Final = 10.0
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}")


class Job(Protocol):
    """Work that gives one table; picklable, as a frozen dataclass at the top of a module is."""

    @property
    def key(self) -> str:
        """Name of its file, and of its task on a cluster: two jobs share one only if their tables would be equal."""
        ...

    def run(self) -> pa.Table:
        """Do the work from what the job holds alone: in any process, on any machine, perhaps again."""
        ...


@dataclass(frozen=True)
class _Failure:
    """Why there is no table; as text, since not every exception survives the way from one process to another."""

    message: str
    trace: str = ""


_Outcomes: TypeAlias = Generator[tuple[Job, "pa.Table | _Failure"], None, None]
_Pipe: TypeAlias = "connection.Connection[Any, Any]"


def execute(
    jobs: Iterable[Job],
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    on_done: Callable[[Job, bool], None] = lambda _job, _before: None,
) -> list[Path]:
    """Run the jobs that have no file yet, each into `folder/KEY.parquet`; one that fails keeps no other from running.

    Args:
        jobs: with a key each, no two the same.
        folder: of the files; made if missing. One call at a time may work in it.
        workers: processes, each on one core; 1 runs the jobs in the calling process, in order. A script that asks
            for more must call under `if __name__ == "__main__":`.
        scheduler: address of a Dask scheduler, such as "tcp://127.0.0.1:8786", whose workers then run the jobs instead.
            They need matgym and the jobs' module, and one thread each (`dask worker --nthreads 1`); they may come and
            go, and while there are none the call waits.
        on_done: called in this process with a job whose file is there, and whether it was before: first for those that
            were, then as the others finish, in any order.

    Returns:
        The files, in the order of the jobs.

    Raises:
        ConfigurationError: if `workers` is below 1, or a key stands twice or is no file name.
        ExecutionError: when all others are done, if jobs raised or their workers died `DEATHS` times; at once, if
            another call works in the folder, workers do not start, or the scheduler cannot be reached.
        MissingExtraError: if a scheduler is named and `distributed` is not installed.
    """
    require_counts(workers=workers)
    jobs = list(jobs)
    _check_keys(job.key for job in jobs)
    paths = {job.key: folder / f"{job.key}.parquet" for job in jobs}
    failures: dict[str, _Failure] = {}
    with _alone_in(folder):
        before = {key for key, path in paths.items() if path.exists()}
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
        with closing(outcomes):  # at once when anything raises, Ctrl-C included, not whenever it is collected
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
            f"others are in {folder}, and the same call runs only what is missing"
        )
        error.add_note(failures[first].trace)
        raise error
    return list(paths.values())


def _check_keys(keys: Iterable[str]) -> None:
    for key, count in Counter(keys).items():
        if count > 1:
            raise ConfigurationError(f"{count} jobs have the key {key!r}; each needs its own")
        if not _KEY.fullmatch(key):
            raise ConfigurationError(
                f"the job key {key!r} is no file name: up to 200 of A-Z a-z 0-9 . _ = + -, a letter or digit first"
            )


def _alone_in(folder: Path) -> AbstractContextManager[object]:
    """Hold the folder's lock, which the system itself takes back from a process that dies."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise ExecutionError(f"another call works on the jobs in {folder}; wait until it ends, or stop it") from None


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    with atomic_path(path) as scratch:
        # In one chunk: the ways from a worker cut tables differently, and the file would show it.
        pq.write_table(table.combine_chunks(), scratch, compression="zstd")


def _attempt(job: Job) -> "pa.Table | _Failure":
    try:
        table = job.run()
    except Exception as error:  # noqa: BLE001  # whatever it is, the other jobs go on
        return _failure(error)
    return table if isinstance(table, pa.Table) else _Failure(f"run() gave a {type(table).__name__}, not a table")


def _failure(error: Exception) -> _Failure:
    return _Failure(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


# ---- processes


def _in_processes(jobs: Sequence[Job], workers: int) -> _Outcomes:
    """Run jobs on processes that hold one each, so that a death tells which job to blame and hurts no other.

    `concurrent.futures` loses all that is in flight when one process dies, and does not say which it was.
    """
    waiting, deaths = deque(jobs), Counter[str]()
    staff: dict[_Pipe, SpawnProcess] = {}
    busy: dict[_Pipe, Job | None] = {}  # None while a process starts
    try:
        for _ in range(min(workers, len(jobs))):
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
                        outcome = _Failure(f"{DEATHS} worker processes died under it, as when memory runs out")
                    _hire(staff, busy)
                elif waiting:
                    busy[pipe] = waiting.popleft()
                    with suppress(BrokenPipeError):  # dead by now, as the next reading will find
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
    context = get_context("spawn")  # a fork inherits torch's locks without the threads that would release them
    pipe, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="matgym-worker")
    with _single_threaded_children():
        process.start()
    theirs.close()  # the process holds the only other end: when it dies, ours reads the end of file
    staff[pipe], busy[pipe] = process, None


def _received(pipe: _Pipe) -> "pa.Table | _Failure | None":
    """What a process says, None if it died."""
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError):
        return None


def _blamed(job: Job | None) -> Job:
    if job is None:
        raise ExecutionError(
            "a worker process died as it started, and says why above; a script must call under "
            'if __name__ == "__main__":'
        )
    return job


def _serve(pipe: _Pipe) -> None:
    """Say that the process is there, then take jobs and give back what comes of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    Thread(target=_end_with_parent, daemon=True).start()
    outcome: object = "ready"
    while True:
        pipe.send(outcome)
        try:
            outcome = _attempt(pipe.recv())
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001  # a job that cannot be unpickled fails like one that cannot run
            outcome = _failure(error)


def _end_with_parent() -> None:
    """Leave no orphan that works on for nobody when the parent is killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Keep the linear algebra, torch's included, of processes that are started meanwhile to one core each."""
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
    try:
        with Client(scheduler, timeout=_CONNECT_S, set_as_default=False) as client:
            yield from _by_workers_of(client, jobs)
    except (OSError, ValueError) as error:  # of the connection, or an address that is none
        raise ExecutionError(
            f"no Dask scheduler answers at {scheduler!r} ({error}); start one with `dask scheduler`, and the same call "
            "runs what is missing"
        ) from error


def _by_workers_of(client: Any, jobs: Sequence[Job]) -> _Outcomes:
    """Run jobs on the workers of a scheduler, which gives those of a dead worker to another by itself."""
    from distributed import as_completed

    waiting, running = deque(jobs), dict[str, Job]()
    finished = as_completed(loop=client.loop)

    def top_up() -> None:
        """Hand over only so much that neither jobs nor tables pile up anywhere."""
        window = _WINDOW * max(1, sum(client.nthreads().values()))
        while waiting and len(running) < window:
            job = waiting.popleft()
            running[job.key] = job
            finished.add(client.submit(_attempt, job, key=job.key, pure=False))

    top_up()
    for future in finished:
        if future.status in {"cancelled", "lost"}:
            raise ConnectionError("it went away")
        job = running.pop(future.key)
        top_up()
        try:
            outcome = future.result()
        except Exception as error:  # noqa: BLE001  # `_attempt` raises nothing: this is Dask, of workers that died
            outcome = _failure(error)
        yield job, outcome
