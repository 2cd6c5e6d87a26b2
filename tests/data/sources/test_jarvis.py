"""Data sets of JARVIS: files of a stub of figshare, in the form that jarvis-tools writes and reads."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk, graphene

from matgym.data.sources import Query, archives, source_of
from matgym.data.sources.jarvis import DATA_SETS, Jarvis, periodic_along
from matgym.errors import ConfigurationError, FetchError, FetchWarning
from matgym.structures import Crystal
from scripts.studies.loopback.figshare import LICENCE, Figshare, data_sets, figshare, zipped
from scripts.studies.loopback.server import Fault, Loopback, free_port

FILE = "/files/"
QUERY = Query(properties=("band_gap", "formation_energy"))


@pytest.fixture
def server():
    with Loopback(figshare(), silence_s=4.0) as loopback:
        yield loopback


def source(server, tmp_path, **options):
    patience = {"retries": 2, "backoff_s": 0.01, "timeout_s": 1.0}
    return Jarvis(server.url, store=tmp_path / "store", **{"page_rows": 5, **patience, **options})


def asked(server):
    return [request for request in server.requests if FILE in request.path]


@pytest.mark.parametrize("dataset", DATA_SETS)
def test_each_data_set_has_the_structures_of_its_rows(server, tmp_path, dataset):
    known, rows = DATA_SETS[dataset], data_sets()[dataset]
    fetched = source(server, tmp_path, dataset=dataset).fetch(Query(), tmp_path)
    assert len(fetched) == len(rows)
    assert not fetched.rejected
    for entry, row in zip(fetched.entries(), rows, strict=True):
        atoms = row[known.structure]
        np.testing.assert_allclose(entry.crystal.cell, atoms["lattice_mat"])
        places = np.array(atoms["coords"])
        places = places if atoms["cartesian"] else places @ np.array(atoms["lattice_mat"])
        np.testing.assert_allclose(entry.crystal.fractional @ entry.crystal.cell, places, atol=1e-9)
        assert entry.periodic.sum() == (known.periodic or int(row["material_type"][0]))


def test_the_rows_are_what_jarvis_tools_reads(server, tmp_path):
    jarvis = pytest.importorskip("jarvis.core.atoms", reason="jarvis-tools is not installed")
    for entry, row in zip(
        source(server, tmp_path).fetch(Query(), tmp_path).entries(), data_sets()["dft_2d"], strict=True
    ):
        theirs = jarvis.Atoms.from_dict(row["atoms"])
        np.testing.assert_allclose(entry.crystal.cell, theirs.lattice_mat)
        # jarvis-tools rounds cell vectors to 5e-6 Å (`round_off=5`), which is 2e-6 of the shortest.
        np.testing.assert_allclose(entry.crystal.fractional, theirs.frac_coords, atol=1e-5)
        assert entry.crystal.numbers.tolist() == list(theirs.atomic_numbers)


def test_numbers_of_files_are_those_of_jarvis_tools():
    figshare = pytest.importorskip("jarvis.db.figshare", reason="jarvis-tools is not installed")
    theirs = figshare.get_db_info()
    for name, known in DATA_SETS.items():
        assert theirs[name][0] == f"https://ndownloader.figshare.com/files/{known.file}"


def test_values_have_units_of_matgym(server, tmp_path):
    query = Query(properties=("band_gap", "exfoliation_energy", "bulk_modulus", "mbj_bandgap"))
    with pytest.warns(FetchWarning, match="gives no mbj_bandgap for any of 12 rows"):
        fetched = source(server, tmp_path).fetch(query, tmp_path)
    np.testing.assert_allclose(fetched.values("band_gap"), 0.1 * np.arange(1, 13))
    exfoliation = fetched.values("exfoliation_energy")
    np.testing.assert_allclose(exfoliation[[0, 1, 3]], 0.070)  # 70 meV/atom
    assert np.isnan(exfoliation[[2, 5, 8, 11]]).all()  # "na"
    assert np.isnan(fetched.values("mbj_bandgap")).all()
    assert next(fetched.entries()).methods["bulk_modulus"] == "OptB88vdW, Voigt"
    of_cell = source(server, tmp_path, dataset="alex_pbe_1d_all").fetch(Query(properties=("energy",)), tmp_path)
    np.testing.assert_allclose(of_cell.values("energy"), -8.0)  # eV/atom, of a value per cell


def test_a_vacancy_has_its_own_fields(server, tmp_path):
    fetched = source(server, tmp_path, dataset="vacancydb").fetch(Query(properties=("ef",)), tmp_path)
    assert fetched.ids == ["JVASP-1_Si_a", "JVASP-2_C_a"]
    np.testing.assert_allclose(fetched.values("ef"), [4.5, 5.5])
    assert [len(crystal.numbers) for crystal in fetched.crystals()] == [7, 17]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (Query(formulas=("CSi",)), 4),
        (Query(formulas=("NB", "C")), 8),
        (Query(elements=("N",)), 4),
        (Query(elements=("N",), atoms=(2, 8)), 2),
        (Query(ids=("JVASP-3", "JVASP-99")), 1),
        (Query(periodic=2), 12),
        (Query(periodic=3), 0),
        (Query(limit=7), 12),
    ],
)
def test_conditions_are_applied_here(server, tmp_path, query, count):
    found = source(server, tmp_path)
    assert found.count(query) == count
    assert len(found.fetch(query, tmp_path)) == min(count, query.limit or count)


def test_provenance_names_file_licence_and_article(server, tmp_path):
    facts = source(server, tmp_path).fetch(Query(), tmp_path).facts()
    assert facts["licence"] == LICENCE
    assert (facts["dataset"], facts["file"], facts["doi"]) == ("dft_2d", "38521268", "10.6084/m9.figshare.6815705")


def test_periodic_vectors_are_those_without_vacuum():
    crystal = Crystal.of(bulk("Si", "diamond", a=5.4))
    assert periodic_along(crystal, 3).all()
    sheet = graphene("C2", a=2.46, vacuum=6.0)
    sheet.pbc = True
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        turned = sheet.copy()
        turned.set_cell(sheet.cell.array[order])
        periodic = periodic_along(Crystal.of(turned), 2)
        assert order[int(np.flatnonzero(~periodic)[0])] == 2


# ---- downloads and faults

LASTING = {
    "401": r"refuses access \(status 401",
    "403": r"refuses access \(status 403",
    "404": r"has no /files/38521268 \(status 404\): check the address, or it has moved",
    "429": r"limits the number of requests \(status 429\): repeat the call later",
    "500": r"has an error of its own \(status 500\): repeat the call later",
    "truncated": "broke off in the middle of its answer: repeat the call later",
    "silence": "was silent for 1 s: repeat the call later",
    "not JSON": "answers with something else than a zip file: the address is not that of its data",
}


@pytest.fixture
def blocks(monkeypatch):
    """Parts of 600 bytes, so that a file has several."""
    monkeypatch.setattr(archives, "BLOCK_BYTES", 600)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("kind", LASTING)
def test_a_download_continues_after_a_fault(server, tmp_path, kind):
    server.faults = [Fault(kind, FILE, first=1 if kind == "not JSON" else 3)]
    with pytest.raises(FetchError, match=LASTING[kind]) as caught:
        source(server, tmp_path).fetch(QUERY, tmp_path / "disturbed")
    assert "\n" not in str(caught.value)
    server.faults, before = [], len(asked(server))
    resumed = source(server, tmp_path).fetch(QUERY, tmp_path / "disturbed")
    if kind != "not JSON":
        assert asked(server)[before].headers["range"] == "bytes=1198-1797"  # after two parts
    other = source(server, tmp_path / "other").fetch(QUERY, tmp_path / "undisturbed")
    assert len(other) == 12
    assert resumed.table.equals(other.table, check_metadata=True)
    assert resumed.rejected == other.rejected


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("kind", ["429", "500", "truncated", "silence"])
def test_a_passing_fault_goes_unnoticed(server, tmp_path, kind):
    server.faults = [Fault(kind, FILE, first=2, last=3)]
    assert len(source(server, tmp_path).fetch(QUERY, tmp_path)) == 12


@pytest.mark.usefixtures("blocks")
def test_a_server_without_parts_gives_the_whole_file(server, tmp_path):
    server.faults = [Fault("no parts", FILE)]
    assert len(source(server, tmp_path).fetch(QUERY, tmp_path)) == 12
    assert len(asked(server)) == 1


@pytest.mark.usefixtures("blocks")
def test_a_file_that_is_complete_but_not_yet_named_is_taken(server, tmp_path):
    known = DATA_SETS["dft_2d"]
    store = tmp_path / "store"
    store.mkdir()
    (store / f"dft_2d-{known.file}.zip.part").write_bytes(figshare().files[known.file])
    assert len(source(server, tmp_path).fetch(QUERY, tmp_path)) == 12
    assert len(asked(server)) == 1


def test_a_file_is_downloaded_once(server, tmp_path):
    source(server, tmp_path).fetch(QUERY, tmp_path)
    source(server, tmp_path).fetch(Query(formulas=("C",)), tmp_path)
    assert len(asked(server)) == 1


def test_offline_is_one_sentence(tmp_path):
    found = Jarvis(f"http://127.0.0.1:{free_port()}", retries=0, store=tmp_path)
    with pytest.raises(FetchError, match="accepts no connection, so it is down or you are offline"):
        found.fetch(QUERY, tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"rows": []}, "its JSON is no list"),
        ('[{"jid": "JVASP-1"}, {"jid": ', "its JSON list ends too early"),
        ('[{"jid": JVASP}]', "ends too early, or is not valid"),
    ],
)
def test_another_schema_is_one_sentence_and_the_file_is_removed(tmp_path, content, reason):
    with Loopback(Figshare({38521268: zipped(content)})) as server, pytest.raises(FetchError, match=reason):
        source(server, tmp_path).fetch(Query(), tmp_path)
    assert not list((tmp_path / "store").glob("*.zip"))


def test_a_damaged_file_is_removed_and_downloaded_again(server, tmp_path):
    first = source(server, tmp_path).fetch(QUERY, tmp_path)
    file = next((tmp_path / "store").glob("*.zip"))
    content = bytearray(file.read_bytes())
    content[100:140] = bytes(40)
    file.write_bytes(content)
    with pytest.raises(FetchError, match=r"is damaged, .* the same call downloads it again"):
        source(server, tmp_path).fetch(QUERY, tmp_path, refresh=True)
    assert source(server, tmp_path).fetch(QUERY, tmp_path).table.equals(first.table, check_metadata=True)


def test_bad_rows_are_reported_and_new_fields_ignored(tmp_path):
    good = data_sets()["dft_2d"][0]
    rows = [
        good,
        {**good, "jid": "JVASP-20", "colour": "blue", "nested": {"new": [1]}},
        {name: value for name, value in {**good, "jid": "JVASP-21"}.items() if name != "atoms"},
        {**good, "jid": "JVASP-22", "atoms": {**good["atoms"], "elements": ["C", "Qq"]}},
        {**good, "jid": "JVASP-23", "atoms": {**good["atoms"], "coords": [[0, 0, None], [0, 0, 1]]}},
        {**good, "jid": "JVASP-24", "optb88vdw_bandgap": "wide"},
        {**good, "jid": None},
        "no row",
        good,
    ]
    with Loopback(Figshare({38521268: zipped(rows)})) as server, pytest.warns(FetchWarning, match="6 of 9 rows"):
        fetched = source(server, tmp_path).fetch(QUERY, tmp_path)
    assert fetched.ids == ["JVASP-1", "JVASP-20"]
    reasons = {each.id: each.reason for each in fetched.rejected}
    assert reasons["JVASP-21"] == "it has no structure"
    assert "'Qq', which is no element" in reasons["JVASP-22"]
    assert "coordinates" in reasons["JVASP-23"]
    assert "optb88vdw_bandgap" in reasons["JVASP-24"]
    assert "twice" in reasons["JVASP-1"]
    assert {"row 7", "row 8"} <= set(reasons)


def test_rows_longer_than_a_chunk_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_CHUNK", 64)
    rows = data_sets()["dft_2d"]
    path = tmp_path / "rows.zip"
    path.write_bytes(zipped(json.dumps(rows, indent=1)))
    assert list(archives.rows_of(path, "JARVIS")) == rows


def test_impossible_settings_name_the_choice():
    with pytest.raises(ConfigurationError, match="dataset='graphene': choose from dft_3d, dft_2d"):
        source_of("jarvis", dataset="graphene")
    with pytest.raises(ConfigurationError, match="has no 'band_gap'"):
        source_of("jarvis", dataset="vacancydb").fetch(QUERY)


KILLED = """
import sys
from pathlib import Path
from matgym.data.sources import Query, archives, source_of

archives.BLOCK_BYTES = 600
query = Query(properties=("band_gap", "formation_energy"))
folder = Path(sys.argv[2])
source_of("jarvis", url=sys.argv[1], store=folder / "store", timeout_s=600.0).fetch(query, folder / "killed")
"""


@pytest.mark.usefixtures("blocks")
def test_a_killed_download_continues(server, tmp_path):
    server.silence_s = 600.0
    server.faults = [Fault("silence", FILE, first=3)]
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, str(tmp_path)], env=os.environ)
    try:
        end = time.monotonic() + 200.0
        while len(asked(server)) < 3:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.faults, before = [], len(asked(server))
    resumed = source(server, tmp_path).fetch(QUERY, tmp_path / "killed")
    assert asked(server)[before].headers["range"].startswith("bytes=1198-")
    whole = source(server, tmp_path / "whole").fetch(QUERY, tmp_path / "whole")
    assert resumed.table.equals(whole.table, check_metadata=True)
