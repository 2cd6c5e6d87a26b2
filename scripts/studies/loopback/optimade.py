"""The real server of optimade-python-tools on loopback, and a server before it that has faults.

python -m scripts.studies.loopback.optimade
matgym data fetch optimade --url http://127.0.0.1:PORT --formula C,BN --properties _exmpl_band_gap
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from scripts.studies.loopback.server import Answer, Loopback, Request, free_port, run
from scripts.studies.loopback.structures import GapOf, Held, attributes_of, with_gaps

START_S: Final = 120.0
"""Longest time that the server takes to start."""

FIELDS: Final = ({"name": "band_gap", "type": "float", "unit": "eV", "description": "Band gap, made up."},)
"""Fields of the provider, which get its prefix, _exmpl_."""


def rows(held: Held | None = None, gap_of: GapOf | None = None) -> list[dict[str, Any]]:
    """Return the entries of the server, with made-up values; the third has no band gap. See `with_gaps`."""
    return [
        {
            "id": f"x-{number:02d}",
            "type": "structures",
            "attributes": attributes_of(structure, periodic) | {"band_gap": None if number == 3 else gap},
        }
        for number, structure, periodic, gap in with_gaps(held, gap_of)
    ]


@contextmanager
def optimade_server(held: Sequence[dict[str, Any]] | None = None) -> Iterator[str]:
    """Yield the address of the real server, which runs as a process of its own with its database in memory.

    Args:
        held: its entries; None for `rows`.
    """
    with TemporaryDirectory(prefix="matgym-optimade-") as scratch:
        data, settings, port = Path(scratch) / "data.jsonl", Path(scratch) / "settings.json", free_port()
        header = {"x-optimade": {"meta": {"api_version": "1.2.0"}}}
        data.write_text("\n".join(json.dumps(each) for each in (header, *(rows() if held is None else held))))
        content = {  # no licence, because the server would ask for its page on the internet
            "database_backend": "mongomock",
            "insert_test_data": False,
            "insert_from_jsonl": str(data),
            "provider_fields": {"structures": list(FIELDS)},
            "log_dir": scratch,
        }
        settings.write_text(json.dumps(content))
        command = [sys.executable, "-m", "uvicorn", "optimade.server.main:app", "--port", str(port)]
        environment = os.environ | {"OPTIMADE_CONFIG_FILE": str(settings), "OPTIMADE_LOG_DIR": scratch}
        with (Path(scratch) / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # this Python
                [*command, "--log-level", "warning"], env=environment, stdout=log, stderr=log
            )
            try:
                _wait(process, f"http://127.0.0.1:{port}/v1/structures?page_limit=1", Path(scratch) / "log")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(10.0)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until a server answers; the first page of structures takes longer than the others."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if urllib3.request("GET", url, retries=False, timeout=START_S).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the OPTIMADE server does not start: {log.read_text(errors='replace')[-1000:]}")


class BeforeOptimade:
    """The function that answers with what the real server answers; see `Loopback`.

    It adds the faults "field less", "field more", "paging loop", "duplicate page" and "other schema".
    """

    def __init__(self, url: str) -> None:
        """Begin with the address of the real server."""
        self.url = url
        self.last: Any = None  # the last page without a fault

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        host = request.headers["host"]  # the real server makes the addresses of next pages of it
        asked = f"{self.url}{request.path}?{urlencode(request.parameters)}"
        found = urllib3.request("GET", asked, headers={"Host": host}, retries=False, timeout=30.0)
        if found.status != 200 or not request.path.endswith("/structures"):
            return Answer(found.data, found.status)
        content = json.loads(found.data)
        if request.fault == "duplicate page":
            return Answer(self.last)
        if request.fault == "paging loop":
            content["links"]["next"] = f"http://{host}{request.path}?{urlencode(request.parameters)}"
        elif request.fault == "field less":
            for row in content["data"]:
                del row["attributes"]["lattice_vectors"]
        elif request.fault == "field more":
            content["new_in_2027"] = {"nested": [1, None]}
            for row in content["data"]:
                row["attributes"]["_exmpl_colour"] = {"name": "blue"}
        elif request.fault == "other schema":
            content["items"] = content.pop("data")
        else:
            self.last = content
        return Answer(content)


if __name__ == "__main__":
    with optimade_server() as address:
        run(Loopback(BeforeOptimade(address)), "OPTIMADE server")
