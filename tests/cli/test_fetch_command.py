"""`matgym data fetch`: from a server on loopback to a Parquet file, by the command line."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data.sources import Fetched
from matgym.errors import ConfigurationError, FetchError, FormatError
from scripts.studies.loopback.nomad import Nomad, archives
from scripts.studies.loopback.server import Fault, Loopback


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MATGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with Loopback(Nomad(archives())) as loopback:
        yield loopback


def run(*arguments):
    done = CliRunner().invoke(app, ["data", "fetch", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_is_fetched_is_written_and_printed(server, tmp_path):
    text = run(
        "nomad", "--url", server.url, "--formula", "C,BN", "--properties", "band_gap", "--max-atoms", "2",
        "--output", "my.parquet", "--json",
    )  # fmt: skip
    facts = json.loads(text)
    fetched = Fetched.load(tmp_path / "my.parquet")
    assert (facts["rows"], facts["counts"]["rejected"]) == (len(fetched), 0)
    assert facts["query"] == {"formulas": ["C", "BN"], "properties": ["band_gap"], "atoms": [1, 2]}
    assert {entry.formula for entry in fetched.entries()} == {"C2", "BN"}
    assert fetched.properties[0].unit == "eV"


def test_a_dry_run_counts_and_writes_nothing(server, tmp_path):
    assert json.loads(run("nomad", "--url", server.url, "--elements", "Al", "--dry-run", "--json")) == {
        "source": "nomad",
        "rows": sum("Al" in each["results"]["material"]["elements"] for each in archives()),
    }
    assert list(tmp_path.iterdir()) == []


def test_the_second_call_reads_the_cache_and_says_so(server, tmp_path):
    first = run("nomad", "--url", server.url)
    assert "Read from the cache" not in first
    asked = len(server.requests)
    with pytest.raises(FormatError, match=r"nomad\.parquet exists"):
        run("nomad", "--url", server.url)
    again = run("nomad", "--url", server.url, "--force")
    assert "; --refresh fetches again." in again
    assert len(server.requests) == asked
    run("nomad", "--url", server.url, "--force", "--refresh")
    assert len(server.requests) > asked
    assert (tmp_path / "nomad.parquet").exists()


def test_rejected_rows_are_listed(server):
    server.faults = [Fault("field less", "/archive")]
    server.answer = Nomad([*archives()[:2]])
    with pytest.raises(FetchError, match="no row of NOMAD can be read, for example entry-001: its cell is None"):
        run("nomad", "--url", server.url)
    held = archives()[:3]
    del held[0]["metadata"]["optimade"]
    server.answer, server.faults = Nomad([held[1], held[2]]), []
    del held[1]["metadata"]["optimade"]["species_at_sites"]
    with pytest.warns(UserWarning, match="1 of 2 rows of NOMAD are kept out"):
        text = run("nomad", "--url", server.url)
    assert "rejected rows (1 of 1)" in text
    assert "it has no species_at_sites" in text


def test_options_of_other_sources_and_unknown_properties_are_errors(server):
    with pytest.raises(ConfigurationError, match="nomad takes no provider: it takes url, retries"):
        run("nomad", "--provider", "mp")
    with pytest.raises(ConfigurationError, match="NOMAD has no 'energy': it has band_gap"):
        run("nomad", "--url", server.url, "--properties", "energy")
    assert not server.requests


def test_an_error_is_one_sentence_on_stderr(server):
    server.faults = [Fault("404")]
    done = subprocess.run(
        [sys.executable, "-m", "matgym.cli", "data", "fetch", "nomad", "--url", server.url],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "has no /api/v1/info (status 404): check the address, or it has moved" in said
    assert "Traceback" not in done.stderr


def test_keys_are_no_options():
    text = CliRunner().invoke(app, ["data", "fetch", "--help"]).stdout.lower()
    assert "--key" not in text
    assert "--api" not in text
