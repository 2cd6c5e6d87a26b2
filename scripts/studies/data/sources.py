"""One command for each source: a server on this machine, the real client, a table, and what a designer makes of it.

    python -m scripts.studies.data.sources SOURCE

SOURCE is optimade (the real server of optimade-python-tools), nomad, mp (the real mp-api speaks to a stub), jarvis or
files. The script starts the server, runs the commands of matgym in processes of their own, and writes them with what
they print to docs/results/data-log-SOURCE.txt. A command that fails ends the script.

Gaps of the servers are made up of electronegativities and volumes, so that there is something to learn; they are no
gaps of these crystals. Energies of `files` are those of strained fcc metals by ASE's effective medium theory.
"""

import os
import re
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from matgym.files import write_text
from scripts.studies.common import ROOT
from scripts.studies.loopback.server import Answer, Loopback, Request
from scripts.studies.loopback.structures import made_up_gap, several

TRAIN: Final = "surrogate train mine.safetensors --data table.parquet --property {column} --members 1 --epochs {epochs}"
PREDICT: Final = "predict rocksalt.cif --model mine.safetensors"
ROLL: Final = "structures roll sheet.parquet --chirality 8,4 --output tube.extxyz"
TUBE: Final = "predict tube.extxyz --no-physics"

PROGRESS: Final = "━━━"
"""What lines of progress contain."""

SHEET: Final = "--formula C --periodic 2 --limit 1 --output sheet.parquet"


@dataclass(frozen=True)
class Case:
    """A source, and what is done with it.

    Attributes:
        commands: arguments of `matgym`, in which URL stands for the address of the server.
        environment: variables that the commands need.
    """

    commands: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def cases() -> dict[str, Case]:
    """Return what is done with each source, by its name."""
    from scripts.studies.loopback.materials_project import KEY

    return {
        "optimade": Case(
            (
                "data fetch optimade --url URL --properties _exmpl_band_gap --output table.parquet",
                TRAIN.format(column="gap --column _exmpl_band_gap --unit eV", epochs=15),
                PREDICT,
                f"data fetch optimade --url URL {SHEET}",
                ROLL,
                TUBE,
            )
        ),
        "nomad": Case(
            (
                "data fetch nomad --url URL --properties band_gap --output table.parquet",
                TRAIN.format(column="band_gap", epochs=15),
                PREDICT,
                f"data fetch nomad --url URL {SHEET}",
                ROLL,
                TUBE,
            )
        ),
        "mp": Case(
            (
                "data fetch mp --url URL --properties band_gap,formation_energy --output table.parquet",
                TRAIN.format(column="band_gap", epochs=15),
                PREDICT,
            ),
            {"MP_API_KEY": KEY},
        ),
        "jarvis": Case(
            (
                "data fetch jarvis --url URL --dataset dft_2d --properties exfoliation_energy --output table.parquet",
                f"data fetch jarvis --url URL --dataset dft_2d {SHEET}",
                ROLL,
                TUBE,
            )
        ),
        "files": Case(
            (
                "data fetch files --path metals.extxyz --properties energy --output table.parquet",
                TRAIN.format(column="energy", epochs=30),
                "predict copper.cif --model mine.safetensors",
                "predict rocksalt.cif --model mine.safetensors",
                "data fetch files --path graphene.vasp --output sheet.parquet",
                ROLL,
                TUBE,
            )
        ),
    }


@contextmanager
def server(source: str) -> Iterator[str]:
    """Yield the address of the server of a source; files have none."""
    if source == "files":
        yield ""
        return
    if source == "optimade":
        from scripts.studies.loopback.optimade import optimade_server, rows

        with optimade_server(rows(several(), made_up_gap)) as url:
            yield url
        return
    with Loopback(_answers(source)) as loopback:
        yield loopback.url


def _answers(source: str) -> Callable[[Request], Answer]:
    if source == "nomad":
        from scripts.studies.loopback.nomad import Nomad, archives

        return Nomad(archives(several(), made_up_gap))
    if source == "mp":
        from scripts.studies.loopback.materials_project import MaterialsProject, documents

        held = [structure for structure, periodic in several() if sum(periodic) == 3 and structure.is_ordered]
        rows = documents(held)
        for row, structure in zip(rows, held, strict=True):
            row["band_gap"] = made_up_gap(structure)
        return MaterialsProject(rows)
    from scripts.studies.loopback.figshare import figshare

    return figshare()


def write_structures(folder: Path) -> None:
    """Write the structures that commands read."""
    from ase.build import bulk, graphene
    from ase.calculators.emt import EMT
    from ase.io import write

    rng, metals = np.random.default_rng(0), []
    for symbol, a in (("Cu", 3.61), ("Ag", 4.09), ("Au", 4.08), ("Ni", 3.52), ("Pd", 3.89), ("Pt", 3.92), ("Al", 4.05)):
        for other in 3 * ("Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Al"):
            atoms = bulk(symbol, "fcc", a=a * rng.uniform(0.96, 1.06), cubic=True)
            atoms.symbols[0] = other
            atoms.calc = EMT()
            energy = float(atoms.get_potential_energy()) / len(atoms)
            atoms.calc = None
            atoms.info["energy"] = energy  # eV/atom
            metals.append(atoms)
    write(folder / "metals.extxyz", metals)
    write(folder / "copper.cif", bulk("Cu", "fcc", a=3.7))
    write(folder / "rocksalt.cif", bulk("MgO", "rocksalt", a=4.3))
    write(folder / "graphene.vasp", graphene("C2", a=2.46, vacuum=8.0))


def logged(source: str, folder: Path) -> str:
    """Return the log of all commands of a source.

    Raises:
        RuntimeError: if a command fails.
    """
    case, log = cases()[source], [f"# python -m scripts.studies.data.sources {source}"]
    write_structures(folder)
    environment = os.environ | case.environment
    environment |= {"MATGYM_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT), "COLUMNS": "110"}
    with server(source) as url:
        for command in case.commands:
            arguments = command.replace("URL", url).split()
            done = subprocess.run(  # noqa: S603  # ours
                [sys.executable, "-m", "matgym.cli", *arguments],
                cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=1200,
            )  # fmt: skip
            said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stdout + done.stderr)
            lines = [line.rstrip() for line in said.splitlines() if PROGRESS not in line]
            log.append("\n".join([f"$ matgym {command}", *lines, ""]))
            print(log[-1], flush=True)
            if done.returncode:
                raise RuntimeError(f"matgym {' '.join(arguments)} ended with {done.returncode}: {said[-2000:]}")
    return "\n".join(log).replace(url or "\0", "URL").replace(str(folder), "FOLDER")


def main() -> None:
    """Run the commands of one source."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("source", choices=list(cases()))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results", help="folder of the log")
    chosen = parser.parse_args()
    with TemporaryDirectory(prefix="matgym-sources-") as scratch:
        text = logged(chosen.source, Path(scratch))
    write_text(chosen.output / f"data-log-{chosen.source}.txt", text)


if __name__ == "__main__":
    main()
