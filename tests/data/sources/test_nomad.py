"""NOMAD's own interface: structures, band gaps of archives in SI units, conditions, missing parts."""

import json

import numpy as np
import pytest

from matgym.data.sources import Query, source_of
from matgym.data.sources.nomad import _band_gap_ev, _required
from matgym.errors import FetchError
from scripts.studies.loopback.nomad import CHARGE_C, Nomad, archives
from scripts.studies.loopback.server import Answer, Loopback
from scripts.studies.loopback.structures import structures

DENSITY = "results.properties.structures.structure_original.mass_density"


@pytest.fixture
def server():
    with Loopback(Nomad(archives())) as loopback:
        yield loopback


def test_structures_values_and_methods_are_those_of_the_archives(server, tmp_path):
    source = source_of("nomad", url=server.url, page_rows=10)
    fetched = source.fetch(Query(properties=("band_gap", DENSITY)), tmp_path)
    assert fetched.ids == [f"entry-{number:03d}" for number in range(1, 29)]
    for entry, (structure, periodic) in zip(fetched.entries(), structures(), strict=True):
        np.testing.assert_allclose(entry.crystal.cell, structure.lattice.matrix)
        assert entry.periodic.tolist() == [bool(each) for each in periodic]
    # Every fifth entry has no band structure; in every fourth the other spin channel does not narrow the gap.
    gaps = [np.nan if number % 5 == 0 else 0.25 * (number % 9) for number in range(1, 29)]
    np.testing.assert_allclose(fetched.values("band_gap"), gaps, atol=1e-12)
    np.testing.assert_allclose(fetched.values(DENSITY), 1000.0 + np.arange(1, 29))
    methods = fetched.table.column("band_gap.method").to_pylist()
    assert set(methods) == {"VASP 5.4.4, GGA_C_PBE GGA_X_PBE", None}
    assert [each.unit for each in fetched.properties] == ["eV", "SI"]
    facts = fetched.facts()
    assert (facts["version"], facts["licence"], facts["total"]) == ("NOMAD 1.3.16", "CC-BY-4.0", 28)
    assert next(fetched.entries()).url == f"{server.url}/gui/entry/id/entry-001"


@pytest.mark.parametrize(
    ("query", "meets"),
    [
        (Query(), lambda _structure, _periodic: True),
        (Query(formulas=("C", "NB")), lambda each, _: each.composition.reduced_formula in {"C", "BN"}),
        (Query(elements=("Al",), atoms=(2, 3)), lambda each, _: "Al" in each.symbol_set and 2 <= len(each) <= 3),
        (Query(periodic=2), lambda _, periodic: sum(periodic) == 2),
    ],
)
def test_conditions_are_sent_in_the_form_of_nomad(server, tmp_path, query, meets):
    expected = [f"entry-{k:03d}" for k, each in enumerate(structures(), 1) if meets(*each)]
    source = source_of("nomad", url=server.url, page_rows=5)
    assert source.count(query) == len(expected)
    assert source.fetch(query, tmp_path).ids == expected
    assert source.fetch(Query(ids=(expected[0],)), tmp_path).ids == expected[:1]


def test_only_what_is_needed_is_asked_for(server, tmp_path):
    source_of("nomad", url=server.url).fetch(Query(limit=2), tmp_path)
    body = json.loads(server.requests[-1].body)
    assert body["pagination"] == {"page_size": 2, "order_by": "entry_id", "order": "asc"}
    assert body["required"] == {"metadata": dict.fromkeys(("entry_id", "last_processing_time", "optimade"), "*")}
    assert _required(["a.b", "a.0.c", "d"]) == {"a": {"b": "*", "c": "*"}, "d": "*"}
    assert _required(["a", "a.b"]) == {"a": "*"}


def test_gaps_lie_between_the_edges_of_all_spin_channels():
    def channel(top, bottom, value=None):
        edges = {"energy_highest_occupied": top, "energy_lowest_unoccupied": bottom, "value": value}
        return {name: energy * CHARGE_C for name, energy in edges.items() if energy is not None}

    assert _band_gap_ev([{"band_gap": [channel(0.0, 2.0), channel(0.5, 3.0)]}]) == pytest.approx(1.5)
    assert _band_gap_ev([{"band_gap": [channel(0.0, 1.0), channel(1.5, 3.0)]}]) == 0.0
    assert _band_gap_ev([{"band_gap": [channel(None, None, 1.2), channel(None, None, 0.7)]}]) == pytest.approx(0.7)
    assert _band_gap_ev([{}, {"band_gap": [channel(0.0, 2.0)]}]) == pytest.approx(2.0)
    assert _band_gap_ev(None) is None
    assert _band_gap_ev([]) is None


def test_entries_without_a_structure_are_kept_out(tmp_path):
    held = archives()[:4]
    del held[1]["metadata"]["optimade"]["cartesian_site_positions"]
    with Loopback(Nomad(held)) as server, pytest.warns(UserWarning, match="1 of 4 rows of NOMAD are kept out"):
        fetched = source_of("nomad", url=server.url).fetch(Query(), tmp_path)
    assert fetched.ids == ["entry-001", "entry-003", "entry-004"]
    assert fetched.rejected[0].reason == "it has no coordinates (cartesian_site_positions) for each of its sites"


def test_another_server_is_no_nomad(tmp_path):
    with Loopback(lambda _: Answer({"hello": "world"})) as server:
        for url in (server.url, f"{server.url}/api/v1/"):
            with pytest.raises(FetchError, match="has no text 'version': it may have changed its schema"):
                source_of("nomad", url=url).fetch(Query(), tmp_path)
        with pytest.raises(FetchError, match=r"has no number 'pagination\.total'"):
            source_of("nomad", url=server.url).count(Query())
