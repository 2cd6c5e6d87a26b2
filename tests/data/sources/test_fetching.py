"""Fetching from any source: pages, resuming, invalid rows, repetitions, the cache."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym.data.sources import Entry, Fetched, Field, Page, Query, Source
from matgym.data.sources.entries import crystal_of
from matgym.data.sources.table import read_table, write_table
from matgym.errors import ConfigurationError, DatasetError, ExecutionError, FetchError, FetchWarning, RowError
from matgym.work import alone_in

CELL = [[2.46, 0.0, 0.0], [-1.23, 2.13042, 0.0], [0.0, 0.0, 20.0]]


def rows(start, stop):
    return [{"id": f"x-{i}", "z": 6, "gap": 0.1 * i} for i in range(start, stop)]


@dataclass
class Shelf(Source):
    """A source in memory. It has pages, and may fail before one of them."""

    shelf: list[list] = field(default_factory=lambda: [rows(0, 3), rows(3, 6), rows(6, 8)])
    fails_before: int = -1
    following: dict = field(default_factory=dict)  # number of the next page, if it is not the next number
    asked: list = field(default_factory=list)
    name = "shelf"
    fields = {"band_gap": Field("gap", method="test")}  # noqa: RUF012  # as sources have it

    @property
    def identity(self):
        return {"place": "here"}

    def about(self):
        return {"version": "7", "licence": "CC0-1.0"}

    def count(self, query):  # noqa: ARG002  # of the interface
        return sum(map(len, self.shelf))

    def pages(self, query, cursor) -> Iterator[Page]:
        number = int(cursor or 0)
        while True:
            if number == self.fails_before:
                raise FetchError("the shelf is locked")
            self.asked.append(number)
            following = self.following.get(number, number + 1)
            more = following < len(self.shelf)
            yield Page(self.shelf[number % len(self.shelf)], str(following) if more else None, self.count(query))
            if not more:
                return
            number = following

    def entry(self, row, query):
        if row["z"] is None:
            raise RowError("it has no element")
        crystal = crystal_of(CELL, [[0.0, 0.0, 0.0]], [row["z"]], [1.0], np.ones(3, dtype=bool))
        values = {name: each.read(row, 1) for name, each in self.chosen(query).items()}
        found = {name: value for name, value in values.items() if value is not None}
        return Entry(row["id"], crystal, values=found, methods=dict.fromkeys(found, "test"))


QUERY = Query(properties=("band_gap",))


def same(one: Fetched, other: Fetched):
    return one.table.equals(other.table, check_metadata=True) and one.rejected == other.rejected


def test_a_fetch_has_the_rows_of_all_pages_with_provenance(tmp_path):
    shown = []
    fetched = Shelf().fetch(QUERY, tmp_path, on_page=lambda *each: shown.append(each))
    assert fetched.ids == [f"x-{i}" for i in range(8)]
    np.testing.assert_allclose(fetched.values("band_gap"), 0.1 * np.arange(8))
    assert shown == [(3, 8), (6, 8), (8, 8)]
    facts = fetched.facts()
    assert (facts["source"], facts["version"], facts["licence"], facts["place"]) == ("shelf", "7", "CC0-1.0", "here")
    assert facts["counts"] == {"kept": 8, "rejected": 0, "duplicates": 0}
    assert {"name": "band_gap", "type": "double", "unit": "eV"}.items() <= facts["fields"][-2].items()
    with pytest.raises(DatasetError, match="has no 'energy': it has band_gap; fetch it with --properties energy"):
        fetched.values("energy")


def test_an_interrupted_fetch_continues_and_equals_an_undisturbed_one(tmp_path):
    whole = Shelf().fetch(QUERY, tmp_path / "whole")
    for stop in (1, 2):
        broken = Shelf(fails_before=stop)
        kept = [0, 3, 6][stop]
        with pytest.raises(FetchError, match=f"locked; {kept} rows are kept, and the same call continues after them"):
            broken.fetch(QUERY, tmp_path / "again")
    later = Shelf()
    assert same(later.fetch(QUERY, tmp_path / "again"), whole)
    assert later.asked == [2]


def test_a_finished_fetch_is_read_from_the_cache_until_it_is_refreshed(tmp_path):
    first = Shelf().fetch(QUERY, tmp_path)
    second = Shelf(fails_before=0)
    again = second.fetch(QUERY, tmp_path)
    assert same(again, first)
    assert not second.asked
    assert again.provenance["fetched"] == first.provenance["fetched"]
    assert (first.provenance["from_cache"], again.provenance["from_cache"]) == (False, True)
    with pytest.raises(FetchError, match="locked"):
        second.fetch(QUERY, tmp_path, refresh=True)
    assert len(Shelf().fetch(Query(), tmp_path).properties) == 0  # another query has another folder


def test_an_unfinished_fetch_is_continued_within_a_week_only(tmp_path):
    for days, said, asked in ((6, None, [1, 2]), (8, "older than 7 days, so all its rows are fetched anew", [0, 1, 2])):
        folder = tmp_path / str(days)
        with pytest.raises(FetchError, match="3 rows are kept"):
            Shelf([rows(10, 13), [], []], fails_before=1).fetch(QUERY, folder)  # what the shelf held then
        (page,) = folder.glob("*/page-*")
        table, held = read_table(page)
        begun = datetime.fromisoformat(held["begun"]["fetched"]) - timedelta(days=days)
        write_table(page, table, held | {"begun": held["begun"] | {"fetched": begun.isoformat()}})
        later = Shelf()
        with pytest.warns(FetchWarning, match=said) if said else nullcontext():
            fetched = later.fetch(QUERY, folder)
        assert later.asked == asked
        assert fetched.ids == [f"x-{i}" for i in (range(8) if said else (10, 11, 12, 3, 4, 5, 6, 7))]


def test_a_finished_fetch_has_no_age(tmp_path):
    first = Shelf([rows(0, 3)]).fetch(QUERY, tmp_path)
    (page,) = tmp_path.glob("*/page-*")
    table, held = read_table(page)
    write_table(page, table, held | {"begun": held["begun"] | {"fetched": "2020-01-01T00:00:00+00:00"}})
    assert same(Shelf(fails_before=0).fetch(QUERY, tmp_path), first)


def test_a_damaged_page_is_set_aside_and_fetched_again(tmp_path):
    whole = Shelf().fetch(QUERY, tmp_path)
    (page,) = tmp_path.glob("*/page-000001.parquet")
    page.write_bytes(page.read_bytes()[:200])
    later = Shelf()
    with pytest.warns(UserWarning, match="is damaged"):
        assert same(later.fetch(QUERY, tmp_path), whole)
    assert later.asked == [1, 2]


def test_invalid_rows_are_reported_and_kept_out(tmp_path):
    shelf = [[*rows(0, 2), {"id": "bad", "z": None, "gap": 0}], [{"z": 6}, {"id": "worse", "z": 6, "gap": "wide"}]]
    fetched = Shelf(shelf).fetch(QUERY, tmp_path)
    assert fetched.ids == ["x-0", "x-1"]
    assert [(each.id, each.reason) for each in fetched.rejected[:1]] == [("bad", "it has no element")]
    assert fetched.rejected[-1].reason == "its field 'gap' is no number"


def test_a_source_whose_rows_are_all_invalid_is_said_to_have_changed(tmp_path):
    with pytest.raises(FetchError, match="no row of shelf can be read, for example a: it has no element; it may have"):
        Shelf([[{"id": "a", "z": None}]]).fetch(QUERY, tmp_path)
    assert not list(tmp_path.glob("*/page*"))


def test_a_property_that_no_row_has_is_said(tmp_path):
    shelf = [[{key: value for key, value in row.items() if key != "gap"} for row in rows(0, 3)]]
    with pytest.warns(FetchWarning, match="gives no band_gap for any of 3 rows: it may have renamed it"):
        fetched = Shelf(shelf).fetch(QUERY, tmp_path)
    assert np.isnan(fetched.values("band_gap")).all()


def test_a_page_that_comes_twice_is_dropped_and_the_others_follow(tmp_path):
    fetched = Shelf([rows(0, 3), rows(0, 3), rows(3, 5)]).fetch(QUERY, tmp_path)
    assert fetched.ids == [f"x-{i}" for i in range(5)]
    assert fetched.provenance["counts"] == {"kept": 5, "rejected": 0, "duplicates": 3}


def test_pages_in_a_circle_end_with_a_sentence(tmp_path):
    circle = Shelf(following={1: 0})
    for _ in range(2):  # nor does a later call go round
        with pytest.warns(FetchWarning, match="shelf repeats its pages, so the answer ends here: 6 rows are kept"):
            fetched = circle.fetch(QUERY, tmp_path)
        assert fetched.ids == [f"x-{i}" for i in range(6)]
        assert fetched.provenance["complete"] is False
    assert circle.asked == [0, 1, 0, 1, 1]  # two pages without a new row, and one in the later call


def test_known_rows_under_ever_new_cursors_end_as_well(tmp_path):
    endless = Shelf([rows(0, 3)] * 1000)
    with pytest.warns(FetchWarning, match="3 rows are kept"):
        endless.fetch(QUERY, tmp_path)
    assert len(endless.asked) <= 3


def test_a_limit_ends_the_fetch(tmp_path):
    source = Shelf()
    fetched = source.fetch(Query(limit=4), tmp_path)
    assert fetched.ids == ["x-0", "x-1", "x-2", "x-3"]
    assert source.asked == [0, 1]
    assert fetched.provenance["complete"]


def test_two_calls_do_not_fetch_the_same(tmp_path):
    Shelf().fetch(QUERY, tmp_path)
    (folder,) = tmp_path.iterdir()
    with alone_in(folder, "busy"), pytest.raises(ExecutionError, match="another call fetches the same from shelf"):
        Shelf().fetch(QUERY, tmp_path)


def test_an_unknown_property_is_an_error_before_anything_is_asked(tmp_path):
    source = Shelf()
    with pytest.raises(ConfigurationError, match="shelf has no 'energy': it has band_gap"):
        source.fetch(Query(properties=("energy",)), tmp_path)
    assert not source.asked


def test_what_is_saved_is_read_again(tmp_path):
    fetched = Shelf([[*rows(0, 2), {"id": "bad", "z": None}]]).fetch(QUERY, tmp_path / "cache")
    fetched.save(tmp_path / "a.parquet")
    again = Fetched.load(tmp_path / "a.parquet")
    assert again.table.equals(fetched.table)
    assert again.rejected == fetched.rejected
    assert again.provenance == fetched.provenance
    assert again.properties == fetched.properties
    crystal = again.crystals()[1]
    np.testing.assert_array_equal(crystal.cell, CELL)
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"b\.parquet cannot be read as a table of structures"):
        Fetched.load(tmp_path / "b.parquet")
    pq.write_table(pa.table({"gap_ev": [1.0]}), tmp_path / "tubes.parquet")
    with pytest.raises(DatasetError, match=r"tubes\.parquet cannot .*: it is no table of `matgym data fetch`"):
        Fetched.load(tmp_path / "tubes.parquet")


def test_a_card_stands_beside_the_table(tmp_path):
    """The card names the rejected rows and the hash of the very file."""
    bad = {"id": "x-9", "z": None, "gap": 0.0}
    fetched = Shelf([[*rows(0, 3), bad]]).fetch(QUERY, tmp_path / "cache")
    target = tmp_path / "out.parquet"
    fetched.save(target)
    card = json.loads((tmp_path / "out.card.json").read_text())
    assert (card["matgym:rows"], card["matgym:rejected"]) == (3, {"x-9": "it has no element"})
    assert card["distribution"][0]["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert card["license"] == "https://spdx.org/licenses/CC0-1.0.html"
