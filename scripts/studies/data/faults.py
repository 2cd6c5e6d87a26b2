"""What happens to a fetch if the database fails: what the user reads, what is kept, whether it is whole afterwards.

    python -m scripts.studies.data.faults [--quick]

Real clients of matgym speak to servers on this machine: the OPTIMADE server of optimade-python-tools with a server
before it that has faults, and stubs of the others. A fault concerns the second page of 10 rows. It lasts until the
fetch ends, or passes after one request. Then the server is well again and the same command is repeated; an answer that
was complete in spite of the fault is fetched again with `--refresh`. In the last trial the process is killed (SIGKILL)
while it waits for the second page. Writes docs/results/data-faults.json.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.studies.common import Study, print_markdown
from scripts.studies.loopback.trials import KINDS, killed, subjects, trial


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        sources: names of the sources; empty for all.
        kinds: the faults.
    """

    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS


QUICK = Settings(("nomad",), ("403", "500", "paging loop"))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    reads = re.sub(r" at 127[0-9.:]+", "", row["lasting_reads"]) or "nothing"
    passed = "whole" if row["passing_equals"] else f"{row['passing_kept']} of {row['rows']}"
    if row["passing_fails"]:
        passed += ", after a second call"
    kept, whole = f"{row['lasting_kept']} of {row['rows']}", "yes" if row["repeated_equals"] else "no"
    return row["fault"], row["source"], reads, kept, whole, passed


def main() -> None:
    """Run the study."""
    study = Study.from_command_line("data-faults", __doc__, Settings(), QUICK)
    rows, deaths = [], []
    with subjects() as known, TemporaryDirectory() as scratch:
        for name in study.settings.sources or known:
            for kind in study.settings.kinds:
                rows.append(trial(known[name], kind, Path(scratch) / name / kind))
                print(f"{name}, {kind}: {rows[-1]['lasting_reads'] or 'no message'}", flush=True)
            deaths.append(killed(known[name], Path(scratch) / name / "killed"))
    rows.sort(key=lambda row: study.settings.kinds.index(row["fault"]))
    head = ("fault", "source", "if it lasts, the user reads", "rows kept", "then whole", "if it passes")
    print_markdown(head, map(_cells, rows))
    study.write({"faults": rows, "killed": deaths})


if __name__ == "__main__":
    main()
