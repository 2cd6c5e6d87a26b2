"""Data cards: what Croissant requires, and what a table's own content says."""

import hashlib
import json

import pytest
from published_tables import GAPS, PROVENANCE, crystal_table, tube_table
from typer.testing import CliRunner

from matgym.cli import app
from matgym.data import Dataset, DatasetSpec, Family, build
from matgym.data.cards import CardFacts, card_of, card_path, write_card
from matgym.data.columns import provenance_of, rejected_of

REQUIRED = {
    "@context", "@type", "conformsTo", "description", "license", "name", "url", "creator", "datePublished",
    "distribution",
}  # fmt: skip
"""Properties that every data set must have by the specification of Croissant 1.0."""

FACTS = CardFacts(
    "mine", "Tubes of mine.", "CC-BY-4.0", "https://example.org", version="2026.1", query={"elements": ["B", "N"]},
    cite_as="me", rejected={"a-3": "a cell of 0 Å³"},
)  # fmt: skip


@pytest.fixture
def card(tmp_path):
    tube_table(tmp_path / "mine.parquet")
    assert write_card(tmp_path / "mine.parquet", FACTS) == tmp_path / "mine.card.json"
    return json.loads((tmp_path / "mine.card.json").read_text())


def test_a_card_has_what_croissant_requires(card):
    assert set(card) >= REQUIRED
    assert card["@type"] == "sc:Dataset"
    assert card["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"


def test_each_column_is_a_field_with_its_count_and_unit(card):
    (records,) = card["recordSet"]
    fields = {field["name"]: field for field in records["field"]}
    assert fields["gap_ev"]["matgym:count"] == sum(gap == gap for gap in GAPS)  # noqa: PLR0124  # NaN
    assert fields["gap_ev"]["matgym:unit"] == "eV"
    assert fields["gap_ev"]["dataType"] == "sc:Float"
    assert fields["turned"]["repeated"]
    assert fields["turned"]["dataType"] == "sc:Integer"
    assert {field["source"]["fileObject"]["@id"] for field in fields.values()} == {"mine.parquet"}
    assert records["key"] == {"@id": "rows/key"}


def test_a_card_knows_its_file_its_query_and_what_was_left_out(card, tmp_path):
    (file,) = card["distribution"]
    assert file["sha256"] == hashlib.sha256((tmp_path / "mine.parquet").read_bytes()).hexdigest()
    assert card["matgym:rows"] == len(GAPS)
    assert card["matgym:rejected"] == dict(FACTS.rejected)
    assert card["matgym:query"] == dict(FACTS.query)
    assert card["matgym:levels"] == {"gap_ev": ["π tight binding"]}
    assert card["matgym:provenance"]["command"] == "by hand"


def test_fetched_crystals_have_a_card(tmp_path):
    import pyarrow.parquet as pq

    crystal_table(tmp_path / "c.parquet")
    table = pq.read_table(tmp_path / "c.parquet")
    card = card_of(table, CardFacts.of("c", provenance_of(table.schema), rejected_of(table.schema)))
    assert card["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert card["dateCreated"] == PROVENANCE["fetched"]
    assert card["matgym:providerVersion"] == "OPTIMADE 1.2.0"
    assert card["matgym:rejected"] == {"a-0": "no atoms"}
    fields = {field["name"]: field for field in card["recordSet"][0]["field"]}
    assert fields["band_gap"]["description"] == "band gap of the provider; unit: eV"
    assert fields["cell"]["dataType"] == "sc:Float"


@pytest.mark.usefixtures("card")
def test_tools_for_croissant_read_the_table_by_its_card(tmp_path):
    croissant = pytest.importorskip("mlcroissant")
    records = list(croissant.Dataset(str(tmp_path / "mine.card.json")).records("rows"))
    assert [record["rows/n"] for record in records] == Dataset.load(tmp_path / "mine.parquet").table["n"].to_pylist()


def test_a_build_writes_its_card(tmp_path):
    spec = DatasetSpec(name="few", properties=("gap",), families=(Family(n=5, m=0, cells=1, samples=3),))
    output = build(spec, tmp_path / "few.parquet", workers=1)
    card = json.loads(card_path(output).read_text())
    assert card["name"] == "few"
    assert card["matgym:rows"] == len(Dataset.load(output))


def test_the_card_of_a_shipped_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = CliRunner().invoke(app, ["data", "card", "nanotube-xtb", "--json"])
    assert called.exit_code == 0, called.output
    content = json.loads((tmp_path / "nanotube-xtb.card.json").read_text())
    assert content["matgym:rows"] == len(Dataset.load("nanotube-xtb"))
    assert content["license"] == "https://spdx.org/licenses/MIT.html"
    assert "exists" in str(CliRunner().invoke(app, ["data", "card", "nanotube-xtb"]).exception)
