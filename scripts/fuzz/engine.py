"""How cases are run and judged: in a child process, under a limit of memory and of time."""

import contextlib
import io
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import typer

from matgym.errors import MatgymError

MEMORY_BYTES: Final = 1 << 30
"""What one case may allocate beyond what the process holds already. RLIMIT_DATA counts private writable memory,
whether it is touched or not, and neither the libraries nor the files that torch maps."""

SECONDS: Final = 5.0
"""Of the processor, within which a case must end; a case that waits gets four times as long."""

PHYSICS: Final = ("/matgym/physics/", "/matgym/processes/growth/furnace.py")
"""A case that is still at its physics, or in the furnace, when its time is up has passed every check, and is no
failure."""

_USAGE: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

EXPECTED: Final = (MatgymError, OSError, _USAGE, typer.Exit, typer.Abort)
"""Errors that the command line shows as one sentence."""


class TooLong(BaseException):
    """Raised by the alarm; no library catches it."""


class WorkBegan(BaseException):
    """Raised where a long command begins its work: its checks have passed."""


@dataclass(frozen=True)
class Failure:
    """A case that ended as it must not.

    Attributes:
        case: its number.
        what: the case in words.
        kind: name of the error, "memory", "time", "crash" or "left files".
        where: innermost line of matgym's code.
        message: of the error.
    """

    case: int
    what: str
    kind: str
    where: str
    message: str


Make = Callable[[int], tuple[str, Callable[[], object]]]
"""From the number of a case to what it is, in words, and to what runs it; negative numbers are those of the corpus."""


def judge(case: int, what: str, call: Callable[[], object]) -> Failure | None:
    """Run one case and return how it failed, if it did."""

    def ring(_signal: int, _frame: object) -> None:
        raise TooLong

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    signal.signal(signal.SIGPROF, ring)
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 4.0 * SECONDS)  # what waits uses no processor
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MEMORY_BYTES, hard))
    try:
        sink = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except BaseException as error:  # noqa: BLE001  # what is looked for
        kind, said = _verdict(error)
        return Failure(case, what, kind, _where(error), said[:300]) if kind else None
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
            signal.setitimer(timer, 0.0)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    return None


def _verdict(error: BaseException) -> tuple[str, str]:
    """Kind of the failure that an error is, empty if it is none, and its words."""
    said = str(error)
    if isinstance(error, WorkBegan):
        return "", ""
    if isinstance(error, TooLong):
        frames = traceback.extract_tb(error.__traceback__)
        if any(place in frame.filename for frame in frames for place in PHYSICS):
            return "", ""
        return "time", f"over {SECONDS} s"
    if isinstance(error, MemoryError) or (isinstance(error, EXPECTED) and "allocate" in said):
        return "memory", said
    if isinstance(error, MatgymError | OSError) and not said:
        return "no words", type(error).__name__
    return ("", "") if isinstance(error, EXPECTED) else (type(error).__name__, said)


def run(make: Make, count: int, progress: Callable[[int], None] = lambda _done: None, kept: int = 0) -> list[Failure]:
    """Run `kept` cases of the corpus, then cases 0 to `count` - 1, in child processes.

    One that crashes or hangs costs its case only.
    """
    failures: list[Failure] = []
    first = -kept
    while first < count:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _serve(make, first, count, writer)
        os.close(writer)
        last, what = first - 1, ""
        with os.fdopen(reader, encoding="utf-8") as stream:
            while True:
                ready, _, _ = select.select([stream], [], [], 8.0 * SECONDS)
                line = stream.readline() if ready else ""
                if not line:
                    break
                found = json.loads(line)
                if "begins" in found:
                    last, what = found["case"], found["begins"]
                    progress(last)
                elif "done" in found:
                    last = count
                else:
                    failures.append(Failure(**found))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if last < count:
            failures.append(Failure(last, what, "crash", "", "the process died, or hung in a call of C code"))
        first = last + 1
    return failures


def _serve(make: Make, first: int, count: int, writer: int) -> None:
    """Run cases in a child, and end it."""

    def tell(content: dict[str, Any]) -> None:
        os.write(writer, (json.dumps(content) + "\n").encode())

    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    try:
        for case in range(first, count):
            tell({"case": case, "begins": "what makes the case"})
            try:
                what, call = make(case)
            except Exception as error:  # noqa: BLE001  # a fault of the fuzzer's own
                tell(asdict(Failure(case, "what makes the case", "maker", _where(error), str(error)[:300])))
                continue
            tell({"case": case, "begins": what[:300]})
            failure = judge(case, what[:300], call)
            if failure is not None:
                tell(asdict(failure))
        tell({"done": True})
    finally:
        os._exit(0)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise OSError("the kernel does not tell VmData")


def _where(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/scripts/" not in frame.filename]
    own = [frame for frame in frames if "matgym" in frame.filename or "/agents/" in frame.filename]
    place = (own or frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{'/'.join(Path(place.filename).parts[-2:])}:{place.lineno}"


def report(name: str, count: int, failures: list[Failure], seconds: float) -> None:
    """Print counts by kind and place, and an example of each."""
    print(f"{name}: {len(failures)} of {count} cases failed, {seconds:.0f} s")
    places = Counter((failure.kind, failure.where) for failure in failures)
    for (kind, where), times in places.most_common():
        example = next(failure for failure in failures if (failure.kind, failure.where) == (kind, where))
        print(
            f"  {times:4d} × {kind} at {where}: {example.message[:160]!r}\n         case {example.case}: {example.what}"
        )
    sys.stdout.flush()


def timed(make: Make, name: str, count: int, progress: Callable[[int], None], kept: int = 0) -> dict[str, Any]:
    """Run, report, and return the counts, the seconds and the failures."""
    began = time.perf_counter()
    failures = run(make, count, progress, kept)
    count += kept
    seconds = time.perf_counter() - began
    report(name, count, failures, seconds)
    found = [asdict(failure) for failure in failures]
    return {"kind": name, "cases": count, "seconds": round(seconds), "failed": len(found), "failures": found}
