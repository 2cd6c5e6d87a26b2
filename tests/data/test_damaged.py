"""Damaged data sets: each ends in one sentence, before or while the file is read."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from matgym.data import Dataset, read_specification
from matgym.data.table import check_size
from matgym.errors import ConfigurationError, DatasetError

SMALL = Dataset.load("nanotube-doping").take(np.arange(0, 200, 10)).table


def changed(name, values, kind=None):
    """The small table with one column of other values."""
    field = SMALL.schema.field(name)
    column = pa.array(values, kind or field.type)
    return SMALL.set_column(SMALL.column_names.index(name), pa.field(name, column.type), column)


def first(name, value):
    """The small table with one cell changed."""
    return changed(name, [value, *SMALL.column(name).to_pylist()[1:]])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (SMALL.drop_columns(["species"]), "must have one column 'species'"),
        (SMALL.drop_columns(["gap_ev"]), "must have one column 'gap_ev'"),
        (SMALL.drop_columns(["gap_ev.failure"]), r"must have one column 'gap_ev\.failure'"),
        (SMALL.append_column("species", SMALL.column("species")), "must have one column 'species'"),
        (changed("torsion", ["x"] * 20, pa.string()), "'torsion' has type string: it must be double"),
        (changed("turned", [None] * 20, pa.null()), "'turned' has type null"),
        (first("n", None), "'n' holds 1 empty cells"),
        (first("split", "[/x]"), r"'split' holds '\[/x\]'"),
        (first("gap_ev.level", "hearsay"), "'hearsay': it may hold"),
        (first("strain", np.nan), "'strain' holds numbers that are not finite"),
        (first("strain", 0.5), r"outside ±0\.3"),
        (first("gap_ev", np.inf), "'gap_ev' holds numbers that are not finite"),
        (first("species", b"\xff" * 128), "the code 255"),
        (SMALL.replace_schema_metadata({}), "has no provenance of matgym"),
        (SMALL.replace_schema_metadata({b"matgym": b"{"}), "provenance .* is not valid JSON"),
        (SMALL.replace_schema_metadata({b"matgym": b"[]"}), "schema version None"),
    ],
)
def test_columns_are_checked_where_they_are_read(tmp_path, table, reason):
    pq.write_table(table, tmp_path / "damaged.parquet")
    with pytest.raises(DatasetError, match=reason) as caught:
        Dataset.load(tmp_path / "damaged.parquet")
    assert "damaged.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (first("species", b"\x00" * 3), "row 0 holds 3 species"),
        (first("cells", 32_767), "sites"),
        (first("n", -1), "cannot exist"),
        (first("turned", [10**9]), "a turned bond that its tube does not have"),
        (first("turned", [-1]), "a turned bond that its tube does not have"),
    ],
)
def test_tubes_are_checked_where_they_are_made(tmp_path, table, reason):
    pq.write_table(table, tmp_path / "damaged.parquet")
    data = Dataset.load(tmp_path / "damaged.parquet")
    with pytest.raises(DatasetError, match=reason):
        _ = data.batch


def test_an_undamaged_table_is_read(tmp_path):
    pq.write_table(SMALL, tmp_path / "fine.parquet")
    assert Dataset.load(tmp_path / "fine.parquet").table.equals(SMALL)


def test_a_file_s_own_account_of_its_size_is_looked_at_first():
    class Metadata:
        num_rows, num_row_groups = 10**12, 0

    with pytest.raises(DatasetError, match="1,000,000,000,000 rows"):
        check_size(Metadata())


@pytest.mark.parametrize("cut", [10, 1000, 2000])
def test_cut_and_flipped_files(tmp_path, cut):
    pq.write_table(SMALL, tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[:-cut])
    with pytest.raises(DatasetError, match="is not a Parquet file, or is damaged"):
        Dataset.load(tmp_path / "cut.parquet")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "x/" * 3000])
def test_names_that_no_file_has(name):
    with pytest.raises(DatasetError, match="there is no data set"):
        Dataset.load(name)
    with pytest.raises(ConfigurationError, match="neither one of"):
        read_specification(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n": 99_999}, "less than or equal to 32767"), ({"cells": 32_767, "n": 32_767}, "sites"),
        ({"samples": 10**12}, "less than or equal to"), ({"stone_wales": 10**9}, "less than or equal to"),
        ({"strain": [0.2, 0.1]}, "families.0: strain=.* must be a range"), ({"n": "[/x]"}, "valid integer"),
    ],
)  # fmt: skip
def test_specifications_that_ask_for_the_impossible(tmp_path, change, reason):
    family = {"n": 8, "m": 0, "cells": 1, "samples": 4, "stone_wales": 1} | change
    (tmp_path / "spec.json").write_text(json.dumps({"name": "s", "families": [family]}))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        read_specification(str(tmp_path / "spec.json"))
    assert "\n" not in str(caught.value)
    (tmp_path / "spec.json").write_bytes(b"\x93\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8 text"):
        read_specification(str(tmp_path / "spec.json"))
