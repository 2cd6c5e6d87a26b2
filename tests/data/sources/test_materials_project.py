"""Materials Project: the real mp-api speaks to a stub of its server, which fails in every way of the list."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

pytest.importorskip("mp_api", reason="the extra mp is not installed")

from matgym.data.sources import Query, source_of
from matgym.data.sources.materials_project import MaterialsProject
from matgym.data.sources.query import reduced_formula
from matgym.errors import ConfigurationError, FetchError, FetchWarning
from scripts.studies.loopback.materials_project import (
    KEY,
    RELEASE,
    THERMO_TYPES,
    documents,
    prototypes,
)
from scripts.studies.loopback.materials_project import MaterialsProject as Stub
from scripts.studies.loopback.server import Fault, Loopback, free_port

PROPERTIES = ("band_gap", "formation_energy", "bulk_modulus")
QUERY = Query(properties=PROPERTIES)
SUMMARY = "materials/summary"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("MP_API_KEY", KEY)
    for name in ("PMG_MAPI_KEY", "MP_API_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def structures():
    return prototypes()


@pytest.fixture(scope="module")
def summary(structures):
    return documents(structures)


@pytest.fixture
def server(summary):
    with Loopback(Stub(summary), silence_s=3.0) as loopback:
        yield loopback


def source(server, **options):
    """The source, with pages of 5, lists of 8, and short waits."""
    patience = {"retries": 2, "backoff_s": 0.01, "timeout_s": 1.0}
    return MaterialsProject(server.url, **{"page_rows": 5, "list_rows": 8, **patience, **options})


def asked(server, text):
    return [request for request in server.requests if text in request.path]


def test_structures_and_values_are_those_of_the_documents(server, summary, structures, tmp_path):
    fetched = source(server, gnome=True).fetch(QUERY, tmp_path)
    assert sorted(fetched.ids) == sorted(row["material_id"] for row in summary)
    assert not fetched.rejected
    by_id = {row["material_id"]: (row, structure) for row, structure in zip(summary, structures, strict=True)}
    shift = THERMO_TYPES["GGA_GGA+U_R2SCAN"]
    for entry in fetched.entries():
        row, structure = by_id[entry.id]
        np.testing.assert_allclose(entry.crystal.cell, structure.lattice.matrix)
        np.testing.assert_allclose(entry.crystal.fractional, structure.frac_coords, atol=1e-12)
        assert entry.crystal.numbers.tolist() == list(structure.atomic_numbers)
        assert entry.values["band_gap"] == row["band_gap"]
        assert entry.values["formation_energy"] == pytest.approx(row["formation_energy_per_atom"] + shift)
        assert entry.values.get("bulk_modulus") == (row["bulk_modulus"] or {}).get("vrh")
        assert entry.modified == row["last_updated"]
        assert entry.periodic.all()


def test_a_value_has_its_thermo_type_and_calculation(server, tmp_path):
    for kind, named in (("GGA_GGA+U_R2SCAN", "GGA_GGA+U_R2SCAN"), ("GGA_GGA+U", "GGA_GGA+U"), ("R2SCAN", "r2SCAN")):
        query = Query(ids=("mp-107",), properties=("energy", "band_gap"))
        entry = next(source(server, thermo_type=kind).fetch(query, tmp_path).entries())
        assert entry.methods == {"energy": f"{named}, GGA", "band_gap": "DFT, task mp-9001"}
        assert entry.values["energy"] == pytest.approx(-5.01 + THERMO_TYPES[named])


def test_provenance_names_release_licence_and_address(server, tmp_path):
    facts = source(server).fetch(QUERY, tmp_path).facts()
    assert (facts["source"], facts["version"], facts["licence"]) == ("mp", RELEASE, "CC BY 4.0")
    assert (facts["url"], facts["thermo_type"], facts["gnome"]) == (server.url, "GGA_GGA+U_R2SCAN", "excluded")
    assert KEY not in json.dumps(facts)


@pytest.mark.parametrize(
    ("query", "formulas"),
    [
        (Query(formulas=("NB", "C")), ["BN", "BN", "BN", "C", "C"]),
        (Query(formulas=("N2",)), []),
        (Query(elements=("N", "Al")), ["AlN", "AlN"]),
        (Query(atoms=(4, 4)), ["AlN", "BN", "GaN"]),
        (Query(ids=("mp-177", "mp-107")), ["C", "MgO"]),
        (Query(elements=("Si",), periodic=3), ["Si", "SiC"]),
    ],
)
def test_conditions_are_those_of_the_server(server, tmp_path, query, formulas):
    found = source(server, gnome=True)
    cells = found.fetch(query, tmp_path).table.column("formula").to_pylist()
    assert sorted(map(reduced_formula, cells)) == sorted(map(reduced_formula, formulas))
    assert found.count(query) == len(formulas)


def test_gnome_is_left_out_unless_its_licence_is_wanted(server, summary, tmp_path):
    of_gnome = {row["material_id"] for row in summary if row["builder_meta"]["batch_id"]}
    assert len(of_gnome) == 3
    assert of_gnome.isdisjoint(source(server).fetch(QUERY, tmp_path).ids)
    whole = source(server, gnome=True)
    assert of_gnome <= set(whole.fetch(QUERY, tmp_path).ids)
    assert "CC BY-NC 4.0" in whole.about()["licence"]


def test_fields_of_its_own(server, tmp_path):
    query = Query(ids=("mp-107",), properties=("efermi", "bulk_modulus.reuss", "thermo.energy_per_atom"))
    fetched = source(server).fetch(query, tmp_path)
    assert fetched.values("efermi") == 2.1
    assert fetched.values("bulk_modulus.reuss") == 99.0
    with pytest.raises(ConfigurationError, match="no field 'colour' in its summary: it has band_gap"):
        source(server).fetch(Query(properties=("colour",)), tmp_path)


def test_a_limit_asks_for_no_more_than_it_needs(server, tmp_path):
    assert len(source(server).fetch(Query(limit=3), tmp_path)) == 3
    documents_asked = [request for request in asked(server, SUMMARY) if "structure" in request.parameters["_fields"]]
    assert len(documents_asked) == 1
    assert not asked(server, "thermo")  # the query names no energy


def test_mp_api_asks_once_for_the_heartbeat_and_downloads_no_collection(server, tmp_path):
    source(server).fetch(Query(), tmp_path)
    assert len(asked(server, "heartbeat")) == 1
    assert {request.path for request in server.requests} == {"/heartbeat", "/materials/summary/"}


def test_the_endpoint_comes_from_the_environment(server, monkeypatch, tmp_path):
    monkeypatch.setenv("MP_API_ENDPOINT", server.url + "/")
    assert len(source_of("mp").fetch(Query(formulas=("C",)), tmp_path)) == 2


# ---- keys


def test_either_variable_holds_the_key(server, monkeypatch, tmp_path):
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setenv("PMG_MAPI_KEY", f" {KEY}\n")
    assert len(source(server).fetch(Query(formulas=("C",)), tmp_path)) == 2


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "asks for a key: copy yours from https://next-gen.materialsproject.org/api and set MP_API_KEY to it"),
        ("abc123", "MP_API_KEY is no key of Materials Project, which has 32 letters and digits"),
        ("0123456789abcdef\n123456789abcde", "MP_API_KEY is no key"),
        ("w" * 32, "refuses access .status 401: .*.: check the key"),
    ],
)
def test_a_missing_or_wrong_key_is_one_sentence_without_the_key(server, monkeypatch, tmp_path, key, sentence):
    monkeypatch.setenv("MP_API_KEY", key)
    with pytest.raises(FetchError, match=sentence) as caught:
        source(server).fetch(QUERY, tmp_path)
    assert not key or key not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_the_server_repeats_is_not_shown(server, tmp_path):
    server.faults = [Fault("echo of the key", SUMMARY)]
    with pytest.raises(FetchError, match=r"does not accept the query \(status 400: the key \*\*\* is not") as caught:
        source(server).fetch(QUERY, tmp_path)
    error, shown = caught.value, []
    while error is not None:
        shown += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert KEY not in "".join(shown)


def test_no_object_shows_the_key(server):
    found = source(server)
    found.count(Query(formulas=("C",)))
    assert KEY not in repr(found)


# ---- faults: each concerns a request in the middle, when rows are there already

LASTING = {
    "401": "refuses access .status 401: .*.: check the key",
    "403": "refuses access .status 403: .*.: check the key",
    "404": "has no /materials/summary/ .status 404.: check the address, or it has moved",
    "429": "limits the number of requests .status 429.: repeat the call later",
    "500": "has an error of its own .status 500.: repeat the call later",
    "truncated": "broke off in the middle of its answer: repeat the call later",
    "silence": r"was silent for 1 s: repeat the call later",
    "not JSON": "is not valid JSON",
    "other schema": "mp-api cannot read the answer of Materials Project .KeyError",
}
"""Faults that end a fetch if they last, with what the user reads."""


@pytest.mark.parametrize("kind", LASTING)
def test_a_lasting_fault_keeps_rows_and_the_next_call_equals_an_undisturbed_one(server, tmp_path, kind):
    server.faults = [Fault(kind, SUMMARY, first=5)]
    began = time.monotonic()
    with pytest.raises(FetchError, match=LASTING[kind]) as caught:
        source(server).fetch(QUERY, tmp_path / "disturbed")
    assert time.monotonic() - began < 30.0
    assert str(caught.value).endswith("; 5 rows are kept, and the same call continues after them")
    assert KEY not in str(caught.value)
    server.faults = []
    resumed = source(server).fetch(QUERY, tmp_path / "disturbed")
    whole = source(server).fetch(QUERY, tmp_path / "undisturbed")
    assert len(whole) == 21
    assert resumed.table.equals(whole.table, check_metadata=True)
    assert resumed.rejected == whole.rejected


@pytest.mark.parametrize("kind", ["429", "500", "truncated", "silence"])
def test_a_passing_fault_goes_unnoticed(server, tmp_path, kind):
    server.faults = [Fault(kind, SUMMARY, first=3, last=4)]
    assert len(source(server).fetch(QUERY, tmp_path)) == 21


def test_retry_after_is_kept(server, tmp_path):
    server.faults = [Fault("429", SUMMARY, first=2, last=2, retry_after="1")]
    began = time.monotonic()
    assert len(source(server).fetch(Query(formulas=("C",)), tmp_path)) == 2
    assert time.monotonic() - began >= 1.0


def test_nobody_waits_an_hour(server, tmp_path):
    server.faults = [Fault("429", SUMMARY, first=2, retry_after="3600")]
    began = time.monotonic()
    with pytest.raises(FetchError, match="it asks to wait 3,600 s, so repeat the call after that"):
        source(server).fetch(QUERY, tmp_path)
    assert time.monotonic() - began < 30.0


@pytest.mark.parametrize("kind", ["silence", "403", "not JSON", "500"])
def test_a_heartbeat_out_of_order_is_one_sentence(server, tmp_path, kind):
    server.faults = [Fault(kind, "heartbeat")]
    with pytest.raises(FetchError):
        source(server).fetch(QUERY, tmp_path)
    assert not asked(server, SUMMARY)


def test_offline_is_one_sentence(tmp_path):
    found = MaterialsProject(f"http://127.0.0.1:{free_port()}", retries=0)
    with pytest.raises(FetchError, match="accepts no connection, so it is down or you are offline"):
        found.fetch(QUERY, tmp_path)


def test_rows_without_a_structure_or_thermo_type_are_reported(server, tmp_path):
    server.faults = [Fault("field less", SUMMARY, first=4, last=4)]
    with pytest.warns(FetchWarning, match="5 of 21 rows of Materials Project are kept out"):
        fetched = source(server).fetch(QUERY, tmp_path)
    assert len(fetched) == 16
    assert {each.reason for each in fetched.rejected} == {"it has no structure"}
    server.requests.clear()
    server.faults = [Fault("field less", "thermo", first=2, last=2)]
    with pytest.warns(FetchWarning, match="for example mp-142: its energies name no thermo type"):
        fetched = source(server).fetch(QUERY, tmp_path, refresh=True)
    assert len(fetched) == 16
    assert {each.reason for each in fetched.rejected} == {
        "its energies name no thermo type, so they cannot be compared with others"
    }


def test_a_schema_without_structures_is_one_sentence(server, tmp_path):
    server.faults = [Fault("field less", SUMMARY)]
    with pytest.raises(
        FetchError, match="no row of Materials Project can be read, for example mp-107: it has no structure"
    ):
        source(server).fetch(QUERY, tmp_path)


def test_new_fields_change_nothing(server, tmp_path):
    before = source(server).fetch(QUERY, tmp_path / "before")
    server.faults = [Fault("field more")]
    after = source(server).fetch(QUERY, tmp_path / "after")
    assert after.table.equals(before.table, check_metadata=True)


def test_a_list_that_repeats_itself_ends(server, tmp_path):
    server.faults = [Fault("paging loop", SUMMARY)]
    with pytest.warns(
        FetchWarning, match="Materials Project repeats its pages, so the answer ends here: 8 rows are kept"
    ):
        fetched = source(server, list_rows=8, page_rows=4).fetch(QUERY, tmp_path)
    assert len(fetched) == 8


def test_a_page_that_comes_twice_is_asked_for_again_and_then_reported(server, tmp_path):
    # The second list of identifiers is the first one, once or always.
    server.faults = [Fault("duplicate page", SUMMARY, first=3, last=3)]
    fetched = source(server, page_rows=8).fetch(QUERY, tmp_path / "once")
    assert len(fetched) == 21
    assert not fetched.rejected
    server.requests.clear()
    server.faults = [Fault("duplicate page", SUMMARY, first=3)]
    with pytest.warns(FetchWarning, match="announced 21 rows, and gave 5 fewer"):
        fetched = source(server, page_rows=8).fetch(QUERY, tmp_path / "always")
    assert [each.reason for each in fetched.rejected] == ["it is there already: the source gave it twice"] * 8
    assert len(set(fetched.ids)) == len(fetched) == 16


def test_impossible_questions_are_errors_before_anything_is_asked(server, tmp_path):
    with pytest.raises(ConfigurationError, match="periodic=2: Materials Project holds crystals"):
        source(server).fetch(Query(periodic=2), tmp_path)
    for wrong in ("graphene", "agm001", "mp-", "MP-149", "mp-149-GGA"):
        with pytest.raises(ConfigurationError, match="is no identifier of Materials Project: give one such as mp-149"):
            source(server).fetch(Query(ids=(wrong,)), tmp_path)
    with pytest.raises(ConfigurationError, match="Materials Project has no 'exfoliation_energy': it has band_gap"):
        source(server).fetch(Query(properties=("exfoliation_energy",)), tmp_path)
    with pytest.raises(ConfigurationError, match="thermo_type='PBE': choose from GGA_GGA"):
        source(server, thermo_type="PBE")
    assert not asked(server, SUMMARY)


def test_a_finished_fetch_needs_neither_server_nor_key(server, monkeypatch, tmp_path):
    first = source(server).fetch(QUERY, tmp_path)
    monkeypatch.delenv("MP_API_KEY")
    server.faults = [Fault("500")]
    again = source(server).fetch(QUERY, tmp_path)
    assert again.table.equals(first.table, check_metadata=True)


def test_the_console_stays_clean(server, tmp_path, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source(server).fetch(QUERY, tmp_path)
    assert capfd.readouterr() == ("", "")


KILLED = """
import sys
from pathlib import Path
from matgym.data.sources import Query, source_of

query = Query(properties=("band_gap", "formation_energy", "bulk_modulus"))
source_of("mp", url=sys.argv[1], page_rows=5, list_rows=8, timeout_s=600.0).fetch(query, Path(sys.argv[2]))
"""


@pytest.mark.long
def test_a_killed_fetch_continues(server, tmp_path):
    server.silence_s = 600.0
    server.faults = [Fault("silence", SUMMARY, first=6)]
    command = [sys.executable, "-c", KILLED, server.url, str(tmp_path / "killed")]
    process = subprocess.Popen(command, env={**os.environ, "MP_API_KEY": KEY})
    try:
        end = time.monotonic() + 400.0
        while len(asked(server, SUMMARY)) < 6:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.faults = []
    before = len(server.requests)
    resumed = source(server).fetch(QUERY, tmp_path / "killed")
    structures_asked = [each for each in server.requests[before:] if "structure" in each.parameters.get("_fields", "")]
    whole = source(server).fetch(QUERY, tmp_path / "whole")
    assert len(structures_asked) < 5  # the pages that were there are not asked for again
    assert resumed.table.equals(whole.table, check_metadata=True)
