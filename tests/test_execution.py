"""Long jobs give the same tables here, in processes and on Dask; after a kill only unfinished jobs run again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym import execution
from matgym.errors import ConfigurationError, ExecutionError, MissingExtraError
from matgym.execution import DEATHS, execute

HERE = Path(__file__).parent
WAIT_S = 60


@dataclass(frozen=True)
class Draw:
    """A job of random numbers that records each run, and may sleep, raise or kill its own process."""

    number: int
    marks: Path
    nap: float = 0.0
    fatal: int = 0  # number of its runs that kill their process
    wrong: bool = False
    salt: str = ""  # keeps tests apart that share a scheduler

    @property
    def key(self):
        return f"draw-{self.number:03d}{self.salt}"

    def run(self):
        before = len(list(self.marks.glob(f"{self.number}-*")))
        (self.marks / f"{self.number}-{os.getpid()}-{uuid4().hex}").touch()
        time.sleep(self.nap)
        if before < self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.wrong:
            raise MissingExtraError("nothing", "none")  # cannot be unpickled: its arguments differ from its message
        values = np.random.default_rng(self.number).random(50)
        return pa.table({"number": [self.number] * 50, "value": values}).replace_schema_metadata({"by": "draw"})


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def draws(marks, count, **settings):
    return [Draw(number, marks, **settings) for number in range(count)]


def runs(marks):
    """Return the number of runs of each job."""
    return Counter(int(mark.name.split("-")[0]) for mark in marks.iterdir())


def contents(paths):
    return [path.read_bytes() for path in paths]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the files of twelve jobs without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return contents(execute(draws(folder, 12), folder / "out"))


def wait_until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


# ---- here and in processes


def test_processes_give_the_same_files_in_the_order_of_the_jobs(marks, tmp_path, undisturbed):
    finished = []
    paths = execute(
        draws(marks, 12), tmp_path / "out", workers=2, on_done=lambda job, before: finished.append((job.key, before))
    )
    assert contents(paths) == undisturbed
    assert [path.stem for path in paths] == [f"draw-{number:03d}" for number in range(12)]
    assert sorted(finished) == [(path.stem, False) for path in paths]
    assert pq.read_table(paths[3])["number"].to_pylist() == [3] * 50


def test_only_missing_jobs_are_run(marks, tmp_path, undisturbed):
    execute(draws(marks, 5), tmp_path / "out")
    seen = {}
    paths = execute(draws(marks, 12), tmp_path / "out", on_done=lambda job, before: seen.update({job.number: before}))
    assert runs(marks) == dict.fromkeys(range(12), 1)
    assert seen == {number: number < 5 for number in range(12)}
    assert contents(paths) == undisturbed


def test_failing_jobs_do_not_stop_the_others(marks, tmp_path):
    jobs = [replace(job, wrong=job.number in {2, 4}) for job in draws(marks, 6)]
    for workers in (1, 2):
        folder = tmp_path / f"out{workers}"
        with pytest.raises(
            ExecutionError, match=r"2 of 6 jobs failed, the first of them draw-002: Missing.*nothing"
        ) as e:
            execute(jobs, folder, workers=workers)
        assert "in run" in e.value.__notes__[0]  # where it was raised
        assert sorted(path.stem for path in folder.glob("draw-*")) == [f"draw-00{n}" for n in (0, 1, 3, 5)]
    assert execute(draws(marks, 6), folder)  # mended
    assert runs(marks) == {0: 2, 1: 2, 3: 2, 5: 2, 2: 3, 4: 3}


def test_only_the_job_of_a_killed_worker_process_is_run_again(marks, tmp_path, undisturbed):
    jobs = [replace(job, fatal=int(job.number == 3), nap=0.05) for job in draws(marks, 12)]
    assert contents(execute(jobs, tmp_path / "out", workers=2)) == undisturbed
    assert runs(marks) == dict.fromkeys(range(12), 1) | {3: 2}


def test_a_job_that_kills_several_workers_fails(marks, tmp_path):
    jobs = [replace(job, fatal=99 * (job.number == 1)) for job in draws(marks, 4)]
    with pytest.raises(ExecutionError, match=f"1 of 4 jobs failed.* draw-001: {DEATHS} worker processes died"):
        execute(jobs, tmp_path / "out", workers=2)
    assert runs(marks) == {0: 1, 1: DEATHS, 2: 1, 3: 1}


@contextmanager
def caller(marks, folder, count, **arguments):
    """Start a process that executes slow jobs."""
    code = (
        "if __name__ == '__main__':\n"
        "    import sys, json, signal; from pathlib import Path; from matgym.execution import execute\n"
        # Processes that a shell runs in the background ignore this signal.
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    from test_execution import draws\n"
        "    marks, folder, count, salt, arguments = sys.argv[1:]\n"
        "    execute(draws(Path(marks), int(count), nap=0.2, salt=salt), Path(folder), **json.loads(arguments))\n"
    )
    script = marks.parent / "caller.py"
    script.write_text(code)
    salt = arguments.pop("salt", "")
    process = subprocess.Popen(
        [sys.executable, str(script), str(marks), str(folder), str(count), salt, json.dumps(arguments)],
        env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def check_the_caller_killed_and_called_again(marks, folder, undisturbed, **arguments):
    salt = arguments.get("salt", "")
    with caller(marks, folder, 12, **arguments) as process:
        wait_until(lambda: len(list(folder.glob("draw-*.parquet"))) >= 3)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("draw-*.parquet")}
    assert 3 <= len(kept) < 12
    arguments.pop("salt", None)
    paths = execute(draws(marks, 12, nap=0.2, salt=salt), folder, **arguments)
    assert contents(paths) == undisturbed
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    counted = runs(marks)
    assert all(counted[int(path.stem[5:8])] == 1 for path in kept)  # finished jobs did not run again
    assert counted.total() <= 12 + 4  # and only running jobs did


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_caller_resumes(marks, tmp_path, undisturbed, workers):
    check_the_caller_killed_and_called_again(marks, tmp_path / "out", undisturbed, workers=workers)


def test_workers_end_with_a_killed_caller(marks, tmp_path):
    with caller(marks, tmp_path / "out", 400, workers=2) as process:
        wait_until(lambda: len(runs(marks)) >= 2)
        workers = {int(mark.name.split("-")[1]) for mark in marks.iterdir()}
        process.kill()
        process.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_ctrl_c_stops_at_once_and_leaves_complete_files(marks, tmp_path):
    folder = tmp_path / "out"
    with caller(marks, folder, 400, workers=2) as process:
        wait_until(lambda: len(list(folder.glob("draw-*.parquet"))) >= 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) != 0
        assert "KeyboardInterrupt" in process.stderr.read()
    assert not list(folder.glob(".*.parquet"))  # no scratch file
    assert all(len(pq.read_table(path)) == 50 for path in folder.glob("draw-*.parquet"))


def test_a_second_caller_in_the_same_folder_raises_and_changes_nothing(marks, tmp_path):
    folder = tmp_path / "out"
    with caller(marks, folder, 8, workers=1) as process:
        wait_until(lambda: runs(marks))
        with pytest.raises(ExecutionError, match=f"another call works on the jobs in {re.escape(str(folder))}"):
            execute(draws(marks, 8), folder)
        assert process.wait(WAIT_S) == 0
    execute(draws(marks, 8), folder)  # the lock was released when its holder died
    assert runs(marks) == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize(
    ("salt", "complaint"), [("/../x", "is not a valid file name"), ("", "2 jobs have the key 'draw-000'")]
)
def test_keys_that_cannot_be_file_names_raise(marks, tmp_path, salt, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        execute([Draw(0, marks, salt=salt), Draw(0, marks, salt=salt)][bool(salt) :], tmp_path / "out")
    assert not runs(marks)


def test_a_worker_that_cannot_start_is_one_clear_error(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from pathlib import Path\nfrom matgym.execution import execute\nfrom test_execution import draws\n"
        f"execute(draws(Path({str(tmp_path)!r}), 2), Path({str(tmp_path / 'out')!r}), workers=2)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "ExecutionError: a worker process died at its start" in done.stderr


# ---- Dask


@contextmanager
def started(*arguments):
    """Start a Dask process on the loopback interface only."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"],
        env=os.environ | {"PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def new_scheduler(folder):
    pytest.importorskip("distributed")
    note = folder / "scheduler.json"
    with started("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(note)) as process:
        # Dask opens the file before it writes the address, so its existence is not enough.
        wait_until(lambda: note.exists() and note.read_text().rstrip().endswith("}"))
        assert process.poll() is None
        yield json.loads(note.read_text())["address"], process


def worker(scheduler, folder):
    """Start a worker process that is not restarted when it dies."""
    return started(
        "worker", scheduler, "--nthreads", "1", "--nworkers", "1", "--no-nanny", "--no-dashboard", "--death-timeout",
        "30", "--local-directory", str(folder),
    )  # fmt: skip


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dask")
    with new_scheduler(folder) as (address, _), worker(address, folder), worker(address, folder):
        yield address


def test_dask_gives_the_same_files(cluster, marks, tmp_path, undisturbed):
    paths = execute(draws(marks, 12, salt="-same"), tmp_path / "out", scheduler=cluster)
    assert contents(paths) == undisturbed
    assert str(os.getpid()) not in {mark.name.split("-")[1] for mark in marks.iterdir()}
    assert (
        execute(draws(marks, 12, salt="-same"), tmp_path / "out", scheduler="tcp://127.0.0.1:1") == paths
    )  # not asked
    assert runs(marks) == dict.fromkeys(range(12), 1)


def test_failing_jobs_on_dask_do_not_stop_the_others(cluster, marks, tmp_path):
    jobs = [replace(job, wrong=job.number == 2) for job in draws(marks, 6, salt="-fail")]
    with pytest.raises(ExecutionError, match="1 of 6 jobs failed, the first of them draw-002-fail: MissingExtraError"):
        execute(jobs, tmp_path / "out", scheduler=cluster)
    assert len(list((tmp_path / "out").glob("draw-*"))) == 5


def test_a_killed_client_resumes(cluster, marks, tmp_path, undisturbed):
    check_the_caller_killed_and_called_again(marks, tmp_path / "out", undisturbed, scheduler=cluster, salt="-client")


def test_a_data_set_and_a_verification_are_the_same_on_dask(cluster, tmp_path):
    from matgym.data import DatasetSpec, Family, build

    spec = DatasetSpec(name="small", families=(Family(n=8, m=0, cells=1, samples=350),))
    here = build(spec, tmp_path / "here.parquet", workers=1)
    there = build(spec, tmp_path / "there.parquet", scheduler=cluster)
    assert there.read_bytes() == here.read_bytes()
    check_a_verification(tmp_path, scheduler=cluster)


def test_the_job_of_a_killed_dask_worker_runs_on_another(cluster, marks, tmp_path, undisturbed):
    """The last of the tests that share the workers, because it kills one."""
    jobs = [replace(job, fatal=int(job.number == 3), nap=0.05) for job in draws(marks, 12, salt="-worker")]
    assert contents(execute(jobs, tmp_path / "out", scheduler=cluster)) == undisturbed
    assert runs(marks)[3] == 2
    assert runs(marks).total() <= 12 + 4  # only the running jobs


@pytest.mark.long
def test_a_job_that_kills_several_dask_workers_fails(marks, tmp_path):
    with new_scheduler(tmp_path) as (address, _), ExitStack() as workers:
        for _ in range(5):  # Dask gives up after four
            workers.enter_context(worker(address, tmp_path))
        jobs = [replace(job, fatal=99 * (job.number == 1)) for job in draws(marks, 6)]
        with pytest.raises(ExecutionError, match=r"1 of 6 jobs failed, the first of them draw-001: KilledWorker"):
            execute(jobs, tmp_path / "out", scheduler=address)
    assert runs(marks)[1] == 4
    assert len(list((tmp_path / "out").glob("draw-*"))) == 5


def test_a_missing_scheduler_is_one_clear_error(marks, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("matgym.execution._CONNECT_S", 1.0)
    with pytest.raises(ExecutionError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        execute(draws(marks, 1), tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ExecutionError, match=r"no Dask scheduler answers at 'carrier://pigeon'"):
        execute(draws(marks, 1), tmp_path / "out", scheduler="carrier://pigeon")


def test_a_scheduler_that_stops_is_one_clear_error_and_loses_no_results(marks, tmp_path, undisturbed):
    folder = tmp_path / "out"
    with new_scheduler(tmp_path) as (address, process), worker(address, tmp_path):

        def end(_job, _before):
            process.kill()

        with pytest.raises(ExecutionError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:\d+' \(.+\)"):
            execute(draws(marks, 12, salt="-away", nap=0.1), folder, scheduler=address, on_done=end)
    kept = {int(path.stem[5:8]) for path in folder.glob("draw-*.parquet")}
    assert kept
    assert contents(execute(draws(marks, 12, salt="-away"), folder)) == undisturbed
    assert all(runs(marks)[number] == 1 for number in kept)


def test_a_missing_distributed_names_its_extra(marks, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"matgym\[cluster\]"):
        execute(draws(marks, 1), tmp_path / "out", scheduler="tcp://127.0.0.1:1")


# ---- a verification by the oracles


def check_a_verification(tmp_path, **arguments):
    from matgym.physics import predict, predict_in_parallel
    from matgym.structures import Nanotube

    rng = np.random.default_rng(0)
    tubes = [Nanotube(8, 0, 1).decorated({int(site): "N"}) for site in rng.integers(0, 32, 10)]
    tubes += [Nanotube(5, 0, 2)] * 3  # too thin for π electrons
    found = predict_in_parallel(tubes, ["gap", "fermi"], tmp_path / "verification", piece=3, **arguments)
    expected = predict(tubes, ["gap", "fermi"])
    for key in ("gap_ev", "fermi_ev"):
        np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=1e-10)
    assert list(found.values) == list(expected.values)
    assert found.reasons == expected.reasons
    assert set(found.reasons) == {10, 11, 12}
    assert found.failures == expected.failures
    assert len(list((tmp_path / "verification").glob("*.parquet"))) == 5


def test_a_verification_in_parts_equals_that_of_the_oracle(tmp_path):
    check_a_verification(tmp_path, workers=2)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "verification").glob("*.parquet")}
    check_a_verification(tmp_path, workers=1)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "verification").glob("*.parquet")}


def test_no_more_processes_start_than_the_cores_can_use(tmp_path, monkeypatch):
    started = []
    hire = execution._hire
    monkeypatch.setattr(execution, "PER_CORE", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(execution, "_hire", lambda *rest: started.append(1) or hire(*rest))
    (tmp_path / "marks").mkdir()
    execute([Draw(number, tmp_path / "marks") for number in range(4)], tmp_path / "out", workers=500)
    assert len(started) == 2
