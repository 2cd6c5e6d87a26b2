"""OPTIMADE: the real server read by matgym and by other clients, filters, links, and structures of all forms."""

from urllib.parse import urlsplit

import numpy as np
import pytest
from optimade.filterparser import LarkParser
from pymatgen.core import Element, Structure
from pymatgen.ext.optimade import OptimadeRester

from matgym.data.sources import Query, source_of
from matgym.data.sources.optimade import Optimade, filter_of
from matgym.data.sources.providers import PROVIDERS
from matgym.data.sources.sites import structure_of
from matgym.errors import ConfigurationError, FetchError, RowError
from scripts.studies.loopback.optimade import rows
from scripts.studies.loopback.server import Answer, Loopback
from scripts.studies.loopback.structures import structures

KNOWN = {
    "lattice_vectors": [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
    "cartesian_site_positions": [[0.0, 0.0, 0.0], [1.5, 1.5, 1.5]],
    "species_at_sites": ["B", "N"],
    "species": [{"name": each, "chemical_symbols": [each], "concentration": [1.0]} for each in "BN"],
    "dimension_types": [1, 1, 1],
}


@pytest.fixture
def server(loopback_subjects):
    with Loopback(loopback_subjects["optimade"].answer) as loopback:
        yield loopback


def pymatgen(crystal):
    """Return a crystal of matgym as pymatgen has it; atoms at one place are one site."""
    sites: dict[tuple, dict] = {}
    places: dict[tuple, np.ndarray] = {}
    for place, z, share in zip(crystal.fractional, crystal.numbers, crystal.occupancies, strict=True):
        key = tuple(np.round(place, 9))
        places.setdefault(key, place)
        sites.setdefault(key, {})[Element.from_Z(int(z))] = float(share)
    return Structure(crystal.cell, list(sites.values()), list(places.values()))


def test_structures_are_those_that_the_server_was_given(server, tmp_path):
    fetched = source_of("optimade", url=server.url, page_rows=9).fetch(Query(), tmp_path)
    given = structures()
    assert len(fetched) == len(given) == 28
    for entry, (structure, periodic) in zip(fetched.entries(), given, strict=True):
        np.testing.assert_allclose(entry.crystal.cell, structure.lattice.matrix, atol=1e-12)
        read = pymatgen(entry.crystal)
        assert [site.species for site in read] == [site.species for site in structure]
        assert np.abs(read.cart_coords - structure.cart_coords).max() < 1e-9
        assert entry.periodic.tolist() == [bool(each) for each in periodic]
    assert fetched.provenance["version"] == "OPTIMADE 1.2.0"
    assert next(fetched.entries()).modified.startswith("2026-01-02T03:04:05")


BORON_NITRIDE = Query(formulas=("BN",), properties=("_exmpl_band_gap",))


def test_pymatgen_reads_the_same(server, tmp_path):
    fetched = source_of("optimade", url=server.url).fetch(BORON_NITRIDE, tmp_path)
    with OptimadeRester(server.url, timeout=60) as rester:
        (read,) = rester.get_structures_with_filter(filter_of(BORON_NITRIDE)).values()
    assert set(read) == set(fetched.ids)
    for entry in fetched.entries():
        assert pymatgen(entry.crystal).matches(read[entry.id], scale=False, primitive_cell=False)


def test_the_client_of_the_consortium_reads_the_same(server, tmp_path):
    pytest.importorskip("httpx2", reason="optimade[http-client]")
    from optimade.client import OptimadeClient

    fetched = source_of("optimade", url=server.url).fetch(BORON_NITRIDE, tmp_path)
    text = filter_of(BORON_NITRIDE)
    found = OptimadeClient(base_urls=[server.url], silent=True).get(text)["structures"][text][server.url]["data"]
    read = {row["id"]: row["attributes"]["_exmpl_band_gap"] for row in found}
    assert read == dict(zip(fetched.ids, fetched.values("_exmpl_band_gap"), strict=True))


@pytest.mark.parametrize(
    ("query", "meets"),
    [
        (Query(), lambda _row: True),
        (Query(formulas=("C", "NB")), lambda row: row["chemical_formula_reduced"] in {"C", "BN"}),
        (Query(elements=("N", "B")), lambda row: {"B", "N"} <= set(row["elements"])),
        (Query(elements=("Al",), atoms=(2, 3)), lambda row: "Al" in row["elements"] and 2 <= row["nsites"] <= 3),
        (Query(periodic=2), lambda row: row["nperiodic_dimensions"] == 2),
        (Query(ids=("x-03", 'a"b\\')), lambda row: row["id"] == "x-03"),
    ],
)
def test_the_server_finds_what_the_query_says(server, tmp_path, query, meets):
    expected = [row["id"] for row in rows() if meets(row["attributes"] | {"id": row["id"]})]
    source = source_of("optimade", url=server.url, page_rows=4)
    assert source.count(query) == len(expected)
    assert source.fetch(query, tmp_path).ids == expected
    assert expected
    if text := filter_of(query):
        LarkParser(version=(1, 2, 0)).parse(text)


def test_what_is_asked_for_is_as_small_as_can_be(server, tmp_path):
    source_of("optimade", url=server.url).fetch(Query(limit=3, properties=("_exmpl_band_gap",)), tmp_path)
    (page,) = [each for each in server.requests if each.path.endswith("/structures")]
    assert page.parameters["page_limit"] == "3"
    assert "_exmpl_band_gap" in page.parameters["response_fields"].split(",")


def answering(*pages):
    """Return a function that answers with pages of rows; each page names the next one in another form."""

    def answer(request):
        if request.path.endswith("/info"):
            attributes = {"api_version": "1.1.0", "license": {"href": "https://example.org/licence"}}
            return Answer({"data": {"attributes": attributes}, "meta": {}})
        number = int(request.parameters.get("page", 0))
        here = f"http://{request.headers['host']}{request.path}"
        forms = [f"{here}?page=1", {"href": f"{request.path}?page=2", "meta": {}}, "?page=3", None, ""]
        following = forms[number] if number + 1 < len(pages) else None
        return Answer({"data": pages[number], "links": {"next": following}, "meta": {}})

    return answer


def test_links_come_as_text_as_objects_and_relative(tmp_path):
    pages = [[{"id": f"a{k}", "attributes": KNOWN}] for k in range(4)]
    with Loopback(answering(*pages)) as server:
        for base in (server.url, f"{server.url}/", f"{server.url}/v1", f"{server.url}/v1/structures"):
            source = source_of("optimade", url=base)
            assert source.base == server.url
        fetched = source.fetch(Query(), tmp_path)
        assert source.count(Query()) is None  # this server does not say
    assert fetched.ids == ["a0", "a1", "a2", "a3"]
    assert (fetched.provenance["licence"], fetched.provenance["total"]) == ("https://example.org/licence", None)


def test_a_page_elsewhere_and_another_schema_are_errors(tmp_path):
    evil = {"data": [{"id": "a", "attributes": KNOWN}], "links": {"next": "http://192.0.2.1/v1/structures"}, "meta": {}}
    info = {"data": {"attributes": {"api_version": "1.1.0"}}}
    for content, reason in (
        (evil, "names a next page on another host, 192.0.2.1"),
        ({"items": []}, "has no list 'data': it may have changed its schema"),
        ([], "has no list 'data'"),
        (evil | {"links": {"next": 7}}, "has no address in 'links.next'"),
    ):
        with (
            Loopback(lambda request, content=content: Answer(info if "info" in request.path else content)) as server,
            pytest.raises(FetchError, match=reason),
        ):
            source_of("optimade", url=server.url).fetch(Query(), tmp_path)


def test_structures_come_in_many_forms():
    crystal, periodic = structure_of(KNOWN)
    assert crystal.numbers.tolist() == [5, 7]
    assert periodic.all()
    without = {name: value for name, value in KNOWN.items() if name not in {"species", "dimension_types"}}
    assert structure_of(without)[0].numbers.tolist() == [5, 7]
    mixed = [
        {"name": "B", "chemical_symbols": ["B", "C", "vacancy"], "concentration": [0.5, 0.3, 0.2]},
        KNOWN["species"][1],
    ]
    crystal, _ = structure_of(KNOWN | {"species": mixed})
    assert crystal.numbers.tolist() == [5, 6, 7]
    assert crystal.occupancies.tolist() == [0.5, 0.3, 1.0]
    for changes, reason in (
        ({"species_at_sites": ["B", "X"]}, "its site 1 holds 'X', which is no element"),
        ({"species_at_sites": None}, "it has no species_at_sites"),
        ({"species_at_sites": ["B"]}, "it has no coordinates"),
        ({"structure_features": ["assemblies"]}, "correlated occupancies"),
        ({"dimension_types": [1, 1, 2]}, "its dimension_types are"),
        ({"cartesian_site_positions": [[0, 0, 0], [None] * 3]}, "its coordinates are not"),
    ):
        with pytest.raises(RowError, match=reason):
            structure_of(KNOWN | changes)


def test_providers_have_addresses_and_unknown_ones_are_errors():
    for name, provider in PROVIDERS.items():
        parts = urlsplit(Optimade(provider=name).base)
        assert parts.scheme == "https"
        assert (
            OptimadeRester.aliases[{"nomad": "nmd", "alexandria-pbesol": "alexandria.pbesol"}.get(name, name)].rstrip(
                "/"
            )
            == provider.url
        )
    with pytest.raises(ConfigurationError, match="there is no provider 'x': choose from mp, nomad, alexandria"):
        source_of("optimade", provider="x")
    with pytest.raises(ConfigurationError, match="OPTIMADE needs a provider"):
        source_of("optimade")
    with pytest.raises(ConfigurationError, match="optimade takes no path: it takes url, retries"):
        source_of("optimade", path="x")
    with pytest.raises(ConfigurationError, match="there is no source 'x': choose from optimade"):
        source_of("x")


def test_fields_of_providers_are_read_with_units_and_methods(tmp_path):
    fields = {
        "_jarvis_exfoliation_energy": 80.0,  # meV/atom
        "_jarvis_optb88vdw_bandgap": "na",
        "_jarvis_ehull": -99999,
    }

    def answer(request):
        if request.path.endswith("/info"):
            return Answer({"data": {"attributes": {"api_version": "1.1.0"}}})
        assert set(fields) <= set(request.parameters["response_fields"].split(","))
        return Answer({"data": [{"id": "a", "attributes": KNOWN | fields}], "meta": {"data_returned": 1}})

    query = Query(properties=("exfoliation_energy", "band_gap", "energy_above_hull"))
    with Loopback(answer) as server:
        source = source_of("optimade", provider="jarvis", url=server.url)
        with pytest.warns(UserWarning, match="gives no"):
            fetched = source.fetch(query, tmp_path)
    assert fetched.values("exfoliation_energy").tolist() == [pytest.approx(0.08)]
    assert np.isnan(fetched.values("band_gap")).all()
    assert np.isnan(fetched.values("energy_above_hull")).all()
    assert fetched.table.column("exfoliation_energy.method").to_pylist() == ["OptB88vdW"]
