"""The OPTIMADE server over a table: read back by the clients of others, without a connection of its own."""

import json
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from published_tables import TUBES, crystal_table, tube_table
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data.publishing import published
from matgym.data.publishing.optimade import optimade_fields
from matgym.errors import MissingExtraError
from scripts.studies.data.served import (
    NOT_IN_PYMATGEN,
    by_optimade_client,
    by_optimade_rester,
    differences,
    server,
)

pytest.importorskip("optimade.server.create_app")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "tubes.parquet"
    tube_table(path)
    return path


@pytest.fixture(scope="module")
def url(table):
    with server(table) as address:  # in a process that cannot open connections
        yield address


def get(address, **headers):
    with urlopen(Request(address, headers=headers), timeout=60) as answer:  # noqa: S310  # ours
        return answer.headers, json.loads(answer.read())


def test_structures_are_found_by_fields_of_the_provider(url):
    _, answer = get(f"{url}/v1/structures?filter=_matgym_gap_ev%3E0.6%20AND%20_matgym_m=5&response_fields=nsites")
    assert [entry["attributes"]["nsites"] for entry in answer["data"]] == [TUBES[3].n_sites]


def test_fields_are_declared_with_units(url):
    _, answer = get(f"{url}/v1/info/structures")
    gap = answer["data"]["properties"]["_matgym_gap_ev"]
    assert (gap["unit"], gap["type"]) == ("eV", "float")
    assert "band gap" in gap["description"]


def test_the_licence_is_told(url):
    _, answer = get(f"{url}/v1/info")
    assert answer["data"]["attributes"]["available_licenses"] == ["CC-BY-4.0"]


def test_pages_of_other_sites_cannot_read_the_answers(url):
    headers, _ = get(f"{url}/v1/info", Origin="http://example.org")
    assert "access-control-allow-origin" not in headers
    with pytest.raises(HTTPError, match="400"):  # a name that another site makes point to this machine
        get(f"{url}/v1/info", Host="example.org")


def test_the_page_loads_nothing_from_elsewhere(url):
    with urlopen(f"{url}/", timeout=60) as answer:  # noqa: S310  # ours
        text = answer.read().decode()
    assert "<h1>matgym</h1>" in text
    assert "src=" not in text
    for name in ("docs", "redoc"):  # whose scripts are elsewhere
        with pytest.raises(HTTPError, match="404"):
            get(f"{url}/v1/extensions/{name}")


def test_optimade_client_reads_every_field_back(url, table):
    pytest.importorskip("httpx2")  # of optimade[http-client]
    content = published(table)
    found = differences(content, by_optimade_client(url))
    assert found["structures"] == 5
    assert found["fields"] == len(optimade_fields(content.entries[0])) - 1  # all but the id
    assert not found["different"]
    assert not found["missing"]


def test_pymatgen_reads_every_field_back_but_no_isotopes(url, table):
    """pymatgen takes names of species for elements, so it cannot read 13C."""
    pytest.importorskip("pymatgen.ext.optimade")
    content = published(table)
    fields = sorted(set(optimade_fields(content.entries[0])) - {"id"})
    found = differences(content, by_optimade_rester(url, fields), NOT_IN_PYMATGEN)
    assert found["structures"] == 4
    assert not found["different"]
    assert found["missing"] == found["missing_with_isotopes"] == 1


def test_crystals_are_served(tmp_path):
    crystal_table(tmp_path / "crystals.parquet")
    with server(tmp_path / "crystals.parquet") as address:
        _, answer = get(f"{address}/v1/structures?filter=structure_features%20HAS%20%22disorder%22")
    (entry,) = answer["data"]
    assert entry["id"] == "a-2"
    assert entry["attributes"]["_matgym_band_gap_method"] == "PBE"


def test_a_port_that_is_taken_is_said(url, table):
    port = url.rpartition(":")[2]
    error = CliRunner().invoke(app, ["data", "serve", str(table), "--port", port]).exception
    assert f"cannot listen at 127.0.0.1:{port}" in str(error)
    assert f"such as {int(port) + 1}" in str(error)


def test_a_missing_extra_is_said(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "optimade.server.create_app", None)
    from matgym.data.publishing.server import application

    with pytest.raises(MissingExtraError, match=r"matgym\[serve\]"):
        application(published(table))
