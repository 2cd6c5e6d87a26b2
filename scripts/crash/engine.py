"""How a job is run, killed and judged: each run is a fork of a process that has loaded the libraries already."""

import ctypes
import os
import resource
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from scripts.crash.jobs import Job, contents

WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES: Final = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate"})
"""Audit events, beside opening a file for writing, that change a file system."""

BYSTANDERS: Final = {
    "notes.txt": "mine", "out.safetensors.bak": "mine", ".matgym-notes": "mine", "thesis/chapter.txt": "mine",
    "out.parquet.shards/thesis.txt": "mine", "out.safetensors.checkpoints/thesis.txt": "mine",
    "out.safetensors.cv/fold-0.json": "mine", "out.safetensors.rounds/round-1.parquet": "mine",
    ".crash-doping.solving/thesis.txt": "mine",
}  # fmt: skip
"""Files of the user in the folder of a job. The folders of the last five are those that 0.1 removed."""

SECONDS: Final = 120.0
"""Longest time of a run."""

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2  # linux/prctl.h, linux/capability.h


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        status: exit status; negative for a signal.
        said: text on stderr.
        seconds: duration.
        changes: number of changes of the file system that were counted.
    """

    status: int
    said: str
    seconds: float
    changes: int


@dataclass
class Running:
    """A run in progress."""

    pid: int
    reader: threading.Thread
    parts: list[bytes]
    count: int
    began: float = field(default_factory=time.perf_counter)

    def kill(self) -> None:
        """Kill the process, but not those that it started, which must notice."""
        os.kill(self.pid, signal.SIGKILL)

    def stop_in_lock(self, folder: Path) -> bool:
        """Stop the process at a moment when it holds the lock of a folder below, and return whether there was one."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            os.kill(self.pid, signal.SIGSTOP)
            locks = {path.stat().st_ino for path in folder.rglob(".lock")}
            held = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
            if any(
                int(each[4]) == self.pid and int(each[5].split(":")[2]) in locks for each in held if each[1] != "->"
            ):
                return True
            self.go_on()
            time.sleep(0.001)
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return False
        return False

    def go_on(self) -> None:
        """Let the process go on that `stop_in_lock` stopped."""
        os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> Ended:
        """Wait until the process and all that it started have ended."""
        alarm = threading.Timer(SECONDS, self.kill)
        alarm.start()
        _, status = os.waitpid(self.pid, 0)
        alarm.cancel()
        seconds = time.perf_counter() - self.began
        self.reader.join(SECONDS)
        if self.reader.is_alive():
            raise TimeoutError(f"processes of {self.pid} live on")
        changes = int.from_bytes(os.pread(self.count, 8, 0), "little")
        os.close(self.count)
        return Ended(
            os.waitstatus_to_exitcode(status), b"".join(self.parts).decode("utf-8", "replace"), seconds, changes
        )


def start(
    job: Job, case: Path, *, kill_at: int = 0, largest_file: int | None = None, powerless: bool = False
) -> Running:
    """Start a job in `case/here`.

    Args:
        job: the job.
        case: folder of the case; the cache of physics is in it, too.
        kill_at: number of the change of the file system before which the process kills itself; 0 for none.
        largest_file: size in bytes beyond which no file can grow, as on a full disk.
        powerless: whether root obeys the permissions of files.
    """
    reader, writer = os.pipe()
    count = os.memfd_create("changes")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _become(job, case, writer, count, kill_at, largest_file, powerless)
    os.close(writer)
    parts: list[bytes] = []

    def read() -> None:
        with os.fdopen(reader, "rb") as stream:
            parts.extend(iter(lambda: stream.read(4096), b""))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return Running(pid, thread, parts, count)


def run(job: Job, case: Path, **how: Any) -> Ended:
    """Run a job to its end; see `start`."""
    return start(job, case, **how).wait()


def _become(
    job: Job, case: Path, writer: int, count: int, kill_at: int, largest_file: int | None, powerless: bool
) -> None:
    """Be the process of the job, and end."""
    status = 70
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream, target in ((0, null), (1, null), (2, writer)):
            os.dup2(target, stream)
        sys.stdout, sys.stderr = (open(stream, "w", encoding="utf-8", closefd=False) for stream in (1, 2))  # noqa: SIM115
        os.chdir(case / "here")
        os.environ["MATGYM_CACHE"] = str(case / "cache")
        job.before()
        if powerless:
            libc = ctypes.CDLL(None, use_errno=True)
            _drop_capabilities(libc)
        _count_changes(str(case), count, kill_at)
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        sys.argv = ["matgym", *job.line.split()]
        from matgym.cli import main

        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  # what the command line would show
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _drop_capabilities(libc: Any) -> None:
    """Give up the power of root over permissions, in this process: effective, permitted and inheritable sets."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = (ctypes.c_uint32 * 6)()
    if libc.capget(header, data):
        raise OSError(ctypes.get_errno(), "capget")
    gone = ~((1 << _CAP_DAC_OVERRIDE) | (1 << _CAP_DAC_READ_SEARCH)) & 0xFFFFFFFF
    for index in range(3):
        data[index] &= gone
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")


def _count_changes(folder: str, count: int, kill_at: int) -> None:
    """Count the changes below a folder in a file that outlives the process, and kill the process before one of them."""
    done = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & WRITES:
                return
        elif event not in CHANGES:
            return
        try:
            path = os.fspath(arguments[0])
        except TypeError:  # a descriptor
            return
        if not os.path.abspath(os.fsdecode(path)).startswith(folder):  # noqa: PTH100  # quick
            return
        done += 1
        os.pwrite(count, done.to_bytes(8, "little"), 0)
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@dataclass(frozen=True)
class Reference:
    """What a job gives without disturbance.

    Attributes:
        contents: contents of its folder afterwards; see `contents`.
        seconds: duration.
        changes: number of changes of the file system.
        largest: size of the largest file that it writes, in bytes.
    """

    contents: dict[str, Any]
    seconds: float
    changes: int
    largest: int


def new_case(folder: Path, inputs: Path) -> Path:
    """Return a fresh folder with the inputs and the files of the user."""
    here = folder / "here"
    shutil.copytree(inputs, here)
    for name, text in BYSTANDERS.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text, encoding="utf-8")
    return folder


def reference(job: Job, folder: Path, inputs: Path) -> Reference:
    """Run a job without disturbance.

    Raises:
        RuntimeError: if it fails.
    """
    case = new_case(folder, inputs)
    ended = run(job, case)
    if ended.status:
        raise RuntimeError(f"{job.name} fails without disturbance: {ended.said}")
    written = [path for path in (case / "here").rglob("out*") if path.is_file()] + [
        path for path in (case / "here" / "out").rglob("*") if path.is_file()
    ]
    found = contents(case / "here")
    largest = max(path.stat().st_size for path in written if path.name not in BYSTANDERS)
    shutil.rmtree(case)
    return Reference(found, ended.seconds, ended.changes, largest)


def check_sentence(ended: Ended, *wanted: str) -> list[str]:
    """Return what is wrong with a run that had to end in an error of one sentence."""
    said = " ".join(ended.said.split())
    if ended.status != 2 or "Traceback" in said or "Error:" not in said:
        return [f"ended with {ended.status} and said {said[-300:]!r}"]
    return [] if not wanted or any(word in said for word in wanted) else [f"said {said[-300:]!r}"]


def check_result(case: Path, expected: Reference, kept: dict[str, str]) -> list[str]:
    """Return how a folder differs from that of an undisturbed run.

    Args:
        case: folder of the case.
        expected: undisturbed run.
        kept: further files of the user, which must still be there, with their text.
    """
    found = contents(case / "here")
    wanted = expected.contents | {name: text.encode() for name, text in kept.items()}
    wrong = [f"{name} is missing" for name in wanted if name not in found]
    wrong += [f"{name} is left behind" for name in found if name not in wanted]
    return wrong + [f"{name} differs" for name in wanted if name in found and found[name] != wanted[name]]


def unfinished(case: Path) -> list[Path]:
    """Return the files that a killed job left, the newest first, without locks and scratch files."""
    here, known = case / "here", set(BYSTANDERS)
    files = [
        path
        for place in (*here.glob("*.work"), *here.glob("out"), *here.glob("out/*.work"))
        for path in place.rglob("*")
        if path.is_file()
        and not path.name.startswith((".lock", ".matgym-"))
        and str(path.relative_to(here)) not in known
    ]
    return sorted(set(files), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def cut(path: Path, rng: np.random.Generator) -> int:
    """Cut a file off at a random place, or empty it, and return its new size."""
    size = 0 if rng.random() < 0.3 else int(rng.integers(max(1, path.stat().st_size)))
    with path.open("r+b") as file:
        file.truncate(size)
    return size
