"""Code that all studies share: the command line, stored jobs, results with their provenance, tables.

A study is run from the repository's root as `python -m scripts.studies.FOLDER.NAME`. Its settings are a frozen
dataclass. With `--quick` it uses small settings and writes to runs/quick, as tests/test_studies.py does. Finished jobs
are stored under runs/STUDY, in a folder for each choice of settings. After an interruption the same command continues
with the remaining jobs; after the last job it only prints, draws and writes. Remove that folder after a change of the
code that is measured.
"""

import os
import platform
import re
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any, Generic, TypeVar

import pyarrow.parquet as pq

from matgym.cli.console import finite, progress_bar
from matgym.execution import Job, execute
from matgym.files import atomic_path, write_json
from matgym.version import __version__

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT  # the folder that studies write to; tests replace it

BOWL = ROOT / "scripts" / "studies" / "reference" / "bowl.csv"
"""A small table of experiments: heights of a bowl at 20 random places, with a little noise."""

ARGUMENTS = {"matgym/Experiments-v0": {"data": str(BOWL)}}
"""Arguments without which an environment cannot be made."""

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class Study(Generic[Settings]):
    """One call of a study.

    Attributes:
        name: the name of the results, docs/results/NAME.json.
        settings: the dataclass of settings.
        quick: whether the settings are the small ones.
        workers: the number of processes.
        parts: the chosen parts of a study of several.
    """

    name: str
    settings: Settings
    quick: bool
    workers: int
    parts: tuple[str, ...] = ()

    @classmethod
    def from_command_line(
        cls, name: str, doc: str | None, settings: Settings, quick: Settings, parts: Sequence[str] = ()
    ) -> "Study[Settings]":
        """Return the study that `--quick` and `--workers` choose; it computes on one thread per process.

        If the study has parts, their names can be given; without them all are chosen.
        """
        parser = ArgumentParser(description=doc, formatter_class=RawDescriptionHelpFormatter)
        if parts:
            parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(parts)}; all by default")
        parser.add_argument("--quick", action="store_true", help="small settings; results go to runs/quick")
        parser.add_argument("--workers", type=int, default=2, help="processes of the studies that have jobs")
        chosen = parser.parse_args()
        some = tuple(getattr(chosen, "parts", ())) or tuple(parts)
        if unknown := [each for each in some if each not in parts]:
            parser.error(f"there is no part {unknown[0]!r}")
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(1)
        study = cls(name, quick if chosen.quick else settings, chosen.quick, chosen.workers, some)
        if chosen.quick:  # finished jobs may come from an earlier version of the code
            rmtree(study.folder, ignore_errors=True)
        return study

    @property
    def folder(self) -> Path:
        """The folder of finished jobs."""
        return OUTPUT / "runs" / self.name / sha256(repr(self.settings).encode()).hexdigest()[:10]

    @property
    def docs(self) -> Path:
        """The folder of results and pictures."""
        return OUTPUT / "runs" / "quick" if self.quick else OUTPUT / "docs"

    def result(self, part: str = "") -> Path:
        """The JSON file of results, or of those of a part."""
        return self.docs / "results" / f"{self.name}{'-' if part else ''}{part}.json"

    def rows(self, jobs: Iterable[Job], folder: str = "jobs") -> list[dict[str, Any]]:
        """Run the jobs that are not finished, and return the rows of the tables of all jobs in their order."""
        jobs = list(jobs)
        with progress_bar() as bar:
            task = bar.add_task(self.name, total=len(jobs), note="")

            def on_done(job: Job, _before: bool) -> None:
                bar.update(task, advance=1, note=job.key)

            files = execute(jobs, self.folder / folder, workers=self.workers, on_done=on_done)
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def write(self, content: Mapping[str, Any], part: str = "") -> None:
        """Write results, or those of a part, with their provenance: command, version, machine and settings."""
        module = type(self.settings).__module__
        if module == "__main__":
            module = sys.modules[module].__spec__.name
        made = {
            "command": f"python -m {module}",
            "matgym": __version__,
            "machine": machine(),
            "settings": asdict(self.settings),
        }
        write_json(self.result(part), finite(made | dict(content)))
        print(self.result(part).relative_to(OUTPUT))

    def picture(self, name: str, save: Callable[[Path], Any]) -> None:
        """Write docs/images/NAME with a function that saves a figure to a path."""
        path = self.docs / "images" / name
        with atomic_path(path) as scratch:
            save(scratch)
        print(path.relative_to(OUTPUT))


class StudyJob:
    """A job whose key consists of its fields, without the settings and those that its `repr` leaves out."""

    @property
    def key(self) -> str:
        """The name of the job; see `matgym.execution.Job`."""
        shown = (str(getattr(self, each.name)) for each in fields(self) if each.repr and each.name != "settings")
        return re.sub(r"[^A-Za-z0-9._+-]+", "_", "-".join((type(self).__name__.lower(), *shown)))


def machine() -> str:
    """Return a description of the processor, the number of its cores, and the version of Python."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}, Python {platform.python_version()}"


def print_markdown(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a Markdown table with floats to three digits and empty cells for None."""

    def text(cell: Any) -> str:
        return "" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else str(cell)

    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(text, row))} |", flush=True)


def interval(middle: float, low: float, high: float, form: str = ".3g") -> str:
    """Return the text of a figure with its 95 % interval."""
    return f"{middle:{form}} [{low:{form}}, {high:{form}}]"
