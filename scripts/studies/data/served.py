"""Are served designs valid OPTIMADE, and do the clients of others read every field of them back?

    python -m scripts.studies.data.served [--quick]

It serves rows of a data set of tubes by `matgym data serve` on loopback, in a process that cannot open connections, and

- runs optimade-validator on it, if it is not --quick;
- reads all structures by optimade's `OptimadeClient` and by pymatgen's `OptimadeRester`, and compares each field with
  the table.

Writes docs/results/data-served.json. It needs the extra `serve`, optimade[http-client] and pymatgen.
"""

import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from matgym.data import Dataset
from matgym.data.publishing import Published, published
from matgym.data.publishing.optimade import optimade_fields
from scripts.studies.common import Study

ALONE = """
import socket, sys

def connect(self, address):
    print(f"connects to {address}", file=sys.stderr)
    raise OSError("this process opens no connections")

socket.socket.connect = socket.socket.connect_ex = connect
from matgym.cli import main
main()
"""
"""A matgym that cannot open connections."""

FILTER = 'elements HAS "C"'  # all tubes

NOT_IN_PYMATGEN = {"species"}  # it has the elements on the sites

FLOAT = 1e-12  # JSON holds 17 digits


@dataclass(frozen=True)
class Settings:
    """Settings of the study.

    Attributes:
        dataset: name of the data set; it has strain, defects and isotopes.
        rows: number of rows that are served, evenly spread over the data set.
        validate: whether optimade-validator runs.
    """

    dataset: str = "nanotubes"
    rows: int = 60
    validate: bool = True


@contextmanager
def server(table: Path) -> Iterator[str]:
    """Serve a table in a process that cannot open connections; yield the base URL."""
    command = [sys.executable, "-c", ALONE, "data", "serve", str(table), "--port", "0", "--licence", "CC-BY-4.0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
        try:
            line = process.stdout.readline() if process.stdout else ""
            url = re.search(r"http://\S+", line)
            if url is None:
                process.kill()
                raise RuntimeError(f"the server did not start: {process.communicate()[1][-2000:]}")
            yield url[0]
        finally:
            process.terminate()
            said = process.communicate()[1]
            if "connects to" in said:
                raise RuntimeError(f"the server opened connections: {said[-2000:]}")


def by_optimade_client(url: str) -> dict[str, dict[str, Any]]:
    """Return the attributes of all structures by id, as optimade's own client reads them."""
    from optimade.client import OptimadeClient

    client = OptimadeClient(base_urls=[url], silent=True, use_async=False, max_results_per_provider=0)
    pages = client.get(FILTER)["structures"][FILTER][url]
    return {entry["id"]: entry["attributes"] for entry in pages["data"]}


def by_optimade_rester(url: str, fields: list[str]) -> dict[str, dict[str, Any]]:
    """Return the fields of all structures by id, as pymatgen reads them: cell, elements and sites from its structures.

    pymatgen keeps no `species`, only their elements on the sites.
    """
    from pymatgen.ext.optimade import OptimadeRester

    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said), OptimadeRester(url, timeout=600) as rester:
        found = rester.get_snls_with_filter(FILTER, additional_response_fields=fields)
    structures = next(iter(found.values()), {})
    return {
        name: dict(each.data["_optimade"])
        | {
            "cartesian_site_positions": each.structure.cart_coords.tolist(),
            "elements": sorted(element.symbol for element in each.structure.elements),
            "species_at_sites": [site.specie.symbol for site in each.structure],
            "lattice_vectors": each.structure.lattice.matrix.tolist(),
        }
        for name, each in structures.items()
    }


def differences(
    table: Published, read: Mapping[str, Mapping[str, Any]], without: Collection[str] = ()
) -> dict[str, Any]:
    """Return how what was read differs from the table: structures that are missing, and fields that differ, counted.

    Args:
        table: what is served.
        read: fields of structures by id.
        without: fields that the client does not keep.
    """
    missing, different, compared = [], dict[str, int](), set[str]()
    for entry in table.entries:
        if entry.id not in read:
            missing.append(entry.id)
            continue
        held = {name: value for name, value in optimade_fields(entry).items() if name not in {"id", *without}}
        for name in set(held) & set(read[entry.id]):
            compared.add(name)
            if not same(held[name], read[entry.id][name]):
                different[name] = different.get(name, 0) + 1
        for name in set(held) - set(read[entry.id]):
            different[f"{name} is missing"] = different.get(f"{name} is missing", 0) + 1
    isotopic = {entry.id for entry in table.entries if entry.is_isotopic.any()}
    return {
        "structures": len(read),
        "fields": len(compared),
        "different": different,
        "missing": len(missing),
        "missing_with_isotopes": len(isotopic & set(missing)),
    }


def same(held: Any, read: Any) -> bool:
    """Return whether a value that was read is that of the table; floats to rounding."""
    if hasattr(held, "isoformat"):
        return held.isoformat()[:19] == str(read)[:19]
    if isinstance(held, float) and read is not None:
        return math.isclose(held, read, rel_tol=FLOAT, abs_tol=FLOAT)
    if isinstance(held, list) and isinstance(read, list) and len(held) == len(read):
        return all(map(same, held, read))
    if isinstance(held, dict) and isinstance(read, dict):
        return all(same(value, read.get(name)) for name, value in held.items())
    return bool(held == read)


def validated(url: str) -> dict[str, Any]:
    """Return the report of optimade-validator."""
    code = "from optimade.validator import validate; validate()"
    command = [sys.executable, "-c", code, f"{url}/v1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)  # noqa: S603  # ours
    return dict(json.loads(done.stdout))


def main() -> None:
    """Serve, validate, read back, compare and write."""
    study = Study.from_command_line("data-served", __doc__, Settings(), Settings(rows=6, validate=False))
    settings = study.settings
    whole = Dataset.load(settings.dataset)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "designs.parquet"
        whole.take(np.linspace(0, len(whole) - 1, settings.rows).astype(np.int64)).save(path)
        table = published(path)
        fields = sorted(set(optimade_fields(table.entries[0])) - {"id"})
        began = time.perf_counter()
        with server(path) as url:
            seconds = {"start": time.perf_counter() - began}
            read = {}
            began = time.perf_counter()
            read["OptimadeClient"] = differences(table, by_optimade_client(url))
            seconds["OptimadeClient"] = time.perf_counter() - began
            began = time.perf_counter()
            read["OptimadeRester"] = differences(table, by_optimade_rester(url, fields), NOT_IN_PYMATGEN)
            seconds["OptimadeRester"] = time.perf_counter() - began
            began = time.perf_counter()
            report = validated(url) if settings.validate else {}
            seconds["validator"] = time.perf_counter() - began
    from optimade import __version__ as optimade_version

    study.write(
        {
            "optimade": optimade_version, "served": len(table.entries), "rejected": len(table.rejected),
            "fields": len(fields), "read_back": read, "validator": report, "seconds": seconds,
        }
    )  # fmt: skip
    print(json.dumps({"read_back": read, "validator": report}, indent=1))


if __name__ == "__main__":
    main()
