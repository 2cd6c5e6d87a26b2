"""Files of experiments: columns, missing values, decimal marks, encodings and workbooks; and their errors."""

import re
import sys

import numpy as np
import pytest

from matgym.errors import ConfigurationError, DatasetError, MissingExtraError, TableWarning
from matgym.processes.campaigns.experiments import Experiments, measured, measured_names

RNG = np.random.default_rng(0)
INPUTS = RNG.random((60, 3)).round(4)
VALUES = (np.sin(3 * INPUTS[:, 0]) + INPUTS[:, 1] ** 2 + INPUTS[:, 2]).round(4)


def lines(header="a,b,c,y", delimiter=",", changes=None, more=()):
    """The text of a table; `changes` maps (row of the data, column) to a cell, and `more` are columns before y."""
    rows = [[str(v) for v in row] for row in np.column_stack([INPUTS, *more, VALUES])]
    for (row, column), cell in (changes or {}).items():
        rows[row][column] = cell
    return "\n".join([header, *(delimiter.join(row) for row in rows)]) + "\n"


@pytest.fixture
def write(tmp_path):
    def written(text, encoding="utf-8"):
        file = tmp_path / "mine.csv"
        file.write_bytes(text.encode(encoding))
        return file

    return written


def check(data, rows=slice(None)):
    np.testing.assert_array_equal(data.inputs, INPUTS[rows])
    np.testing.assert_array_equal(data.values, VALUES[rows])


# ---- nearly numeric columns


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (
            "NA",
            (
                "no number, while 59 of 60 cells look like numbers: drop such rows with na=['NA'], leave the column "
                "out with ignore=['a'], or give categorical=['a'] if these are names"
            ),
        ),
        ('"1,012"', "no number, while 60 of 60 cells look like numbers: write numbers without separators of thousands"),
        ("inf", "not finite, while 60 of 60"),
        ("-Infinity", "not finite"),
        ("nan", "not finite"),
        ("1e300", "beyond 1e+100"),
        ("0.5_1", "no number"),
    ],
)
def test_a_column_of_numbers_with_another_cell_is_refused_by_row_and_column(write, cell, said):
    """In 0.1 such a column became 60 categories, and R² fell from 0.99 to 0.17."""
    file = write(lines(changes={(7, 0): cell}))
    with pytest.raises(DatasetError, match=re.escape(f"mine.csv, row 9: 'a' is {cell.strip(chr(34))!r}, {said}")):
        Experiments.read(file)


def test_rows_are_counted_as_a_spreadsheet_counts_them(write):
    head, *rest = lines(changes={(7, 0): "NA"}).splitlines()
    with pytest.raises(DatasetError, match=r"row 11: 'a' is 'NA'"):
        Experiments.read(write("\n".join([head, "", ",,,", *rest])))


def test_a_column_is_ignored_or_categorical_if_the_user_says_so(write):
    file = write(lines(changes={(7, 0): "NA"}))
    ignored = Experiments.read(file, ignore=["a"])
    np.testing.assert_array_equal(ignored.inputs, INPUTS[:, 1:])
    words = Experiments.read(file, categorical=["a"])
    assert len(words.columns[0].choices) == len({*INPUTS[:, 0]} - {INPUTS[7, 0]}) + 1
    assert words.columns[1].choices == ()


def test_numbers_can_be_names_and_words_with_digits_stay_words(write):
    rows = [f"{('1', '2', '3')[x % 3]},{('A1', 'B2')[x % 2]},{x * x % 11},{x * x % 7}" for x in range(24)]
    file = write("site,lot,n,y\n" + "\n".join(rows))
    assert Experiments.read(file).columns[0].choices == ()
    named = Experiments.read(file, categorical=["site"])
    assert [column.choices for column in named.columns] == [("1", "2", "3"), ("A1", "B2"), ()]


def test_many_different_words_are_doubted(write):
    file = write("n,sample,y\n" + "\n".join(f"{x * x % 7},S-{x},{x * x % 5}" for x in range(24)))
    with pytest.warns(TableWarning, match=r"'sample' has 24 different words in 24 rows.*ignore=\['sample'\]"):
        Experiments.read(file)
    assert len(Experiments.read(file, categorical=["sample"]).columns) == 2


# ---- missing values


def test_rows_with_a_missing_value_are_left_out_and_counted(write):
    file = write(lines(changes={(7, 0): "NA", (7, 1): "NA", (9, 2): "", (11, 3): "NA"}))
    with pytest.warns(TableWarning, match=r"3 of 60 rows were left out .*\(by column: 'a' 1, 'b' 1, 'c' 1, 'y' 1\)"):
        data = Experiments.read(file, na=["NA", ""])
    check(data, [k for k in range(60) if k not in {7, 9, 11}])


def test_a_missing_value_in_a_column_that_is_not_read_drops_no_row(write):
    file = write(lines("a,b,note,c,y", changes={(7, 2): "NA"}, more=[INPUTS[:, 2]]))
    check(Experiments.read(file, ignore=["note"], na=["NA"]))


def test_a_table_without_any_complete_row_is_refused(write):
    file = write(lines(changes={(k, 1): "" for k in range(60)} | {(3, 0): ""}))
    with pytest.raises(DatasetError, match=r"each of its 60 rows has a missing value .*'b' has the most, 60"):
        Experiments.read(file, na=[""])


def test_an_empty_cell_is_refused_unless_it_is_declared(write):
    for column, name in enumerate("abcy"):
        file = write(lines(changes={(7, column): " "}))
        for options in ({}, {"categorical": ["a"]}):
            with pytest.raises(DatasetError, match=f"row 9: '{name}' is empty; fill it in, or drop such rows with na="):
                Experiments.read(file, **options)


# ---- headers and roles


@pytest.mark.parametrize(
    ("header", "said"),
    [("a,b,a,y", "has 2 columns 'a'"), ("a,y,c,y", "has 2 columns 'y'"), ("a,b, ,y", "column 3 has no name")],
)
def test_duplicate_and_empty_headers_are_refused_by_name(write, header, said):
    with pytest.raises(DatasetError, match=said):
        Experiments.read(write(lines(header)))


def test_what_is_not_read_may_have_any_header(write):
    assert [c.name for c in Experiments.read(write(lines("a,b,,y")), ignore=[""]).columns] == ["a", "b"]
    assert [c.name for c in Experiments.read(write(lines("n,n,c,y")), inputs=["c"]).columns] == ["c"]
    check(Experiments.read(write("\n".join(line + ",," for line in lines().splitlines()))))  # as spreadsheets write


def test_a_second_target_is_doubted_unless_the_user_has_named_the_inputs(write):
    file = write(lines("a,b,c,y2,y", more=[5 - 2 * VALUES]))
    with pytest.warns(TableWarning, match=r"'y2' may be a second target, .* 'y' is -1.0000: give ignore=\['y2'\]"):
        Experiments.read(file)
    check(Experiments.read(file, ignore=["y2"]))
    check(Experiments.read(file, inputs=["a", "b", "c"]))
    assert len(Experiments.read(file, inputs=["a", "y2"]).columns) == 2


def test_the_target_is_the_last_column_that_is_left(write):
    file = write(lines("a,b,c,y,note", more=[VALUES]))
    assert Experiments.read(file, ignore=["note"]).target == "y"
    assert Experiments.read(file, inputs=["a", "b", "c", "note"]).target == "y"
    with pytest.raises(DatasetError, match=r"no column for the target; it has a, b, c, y, note"):
        Experiments.read(file, ignore=["a", "b", "c", "y", "note"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"inputs": ["a"], "ignore": ["b"]}, "ignore=['b'] has no effect with inputs"),
        ({"target": "a", "ignore": ["a"]}, "target='a' is also in ignore=['a']: give it one role"),
        ({"target": "a", "inputs": ["a"]}, "target='a' is also in inputs=['a']"),
        ({"ignore": ["a"], "categorical": ["a"]}, "categorical=['a'] has no effect"),
        ({"inputs": "a"}, "inputs='a' must be a list of texts"),
        ({"na": [0]}, "na=[0] must be a list of texts"),
        ({"ignore": ["a", "a"]}, "names one of them twice"),
        ({"decimal": ";"}, "decimal=';' must be '.' or ','"),
        ({"delimiter": "ab"}, "delimiter='ab' must be one character"),
        ({"delimiter": "5"}, "delimiter='5' must be one character"),
        ({"encoding": "latin-99"}, "encoding='latin-99' is unknown"),
        ({"encoding": "rot13"}, "encoding='rot13' is unknown"),
        ({"encoding": "a\0b"}, "is unknown"),
    ],
)
def test_options_that_are_wrong_or_without_effect_are_named(write, options, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Experiments.read(write(lines()), **options)


@pytest.mark.parametrize("options", [{"inputs": ["aa"]}, {"ignore": ["aa"]}, {"target": "aa"}])
def test_a_column_that_is_not_there_is_named_with_the_next_one(write, options):
    with pytest.raises(DatasetError, match=r"no column 'aa'; it has a, b, c, y; did you mean 'a'\?"):
        Experiments.read(write(lines()), **options)


# ---- decimal marks, delimiters, encodings


def test_decimal_commas_are_read_if_they_are_named(write):
    text = lines("a;b;c;y", ";").replace(".", ",")
    with pytest.raises(DatasetError, match=r"row 2: 'a' is '0,637', no number, while 60 of 60 .*: give decimal=','"):
        Experiments.read(write(text))
    check(Experiments.read(write(text), decimal=","))
    check(Experiments.read(write(text), decimal=",", delimiter=";"))
    quoted = "\n".join('"' + line.replace(",", '","').replace(".", ",") + '"' for line in lines().splitlines())
    check(Experiments.read(write(quoted), decimal=","))


def test_points_are_no_numbers_among_decimal_commas(write):
    text = lines("a;b;c;y", ";").replace(".", ",").replace("0,637;", "1.012,5;", 1)
    with pytest.raises(DatasetError, match=r"row 2: 'a' is '1.012,5', no number.*without separators of thousands"):
        Experiments.read(write(text), decimal=",")
    with pytest.raises(DatasetError, match=r"row 2: 'a' is '0.637', no number.*: give decimal='.'"):
        Experiments.read(write(lines()), decimal=",")


def test_the_delimiter_is_the_one_that_parts_the_header(write):
    """In 0.1 commas within quoted names counted."""
    check(Experiments.read(write(lines('"a, C";"b, V";"c, bar";y', ";"))))
    check(Experiments.read(write(lines("a|b|c|y", "|")), delimiter="|"))
    with pytest.raises(DatasetError, match=r"row 2: 1 cells under 2 column names; .* delimiter=\.\.\."):
        Experiments.read(write("a,b\n1;2\n"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_lines_is_read(write, end):
    check(Experiments.read(write(lines().replace("\n", end))))


def test_a_byte_order_mark_is_dropped(write):
    for encoding in ("utf-8-sig", "utf-16"):
        check(Experiments.read(write(lines(), encoding)))
        check(Experiments.read(write(lines(), encoding), encoding=encoding.removesuffix("-sig")))


def test_other_encodings_are_read_if_they_are_named(write):
    file = write(lines("température,b,c,y"), "latin-1")
    with pytest.raises(DatasetError, match=r"is not UTF-8 text: .* at byte 4; store it as UTF-8, or name its encoding"):
        Experiments.read(file)
    assert Experiments.read(file, encoding="latin-1").columns[0].name == "température"
    for encoding in ("ascii", "undefined", "punycode"):  # "undefined" decodes nothing
        with pytest.raises(DatasetError, match=f"is not {encoding} text"):
            Experiments.read(file, encoding=encoding)


# ---- workbooks


@pytest.fixture
def workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")

    def written(*sheets):
        book = openpyxl.Workbook()
        for title, rows in sheets:
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / "mine.xlsx")
        return tmp_path / "mine.xlsx"

    return written


TABLE = [["a", "b", "c", "y"], *np.column_stack([INPUTS, VALUES]).tolist()]


def test_a_workbook_is_read_as_its_numbers(workbook):
    check(Experiments.read(workbook(("runs", TABLE), ("empty", []))))


def test_what_is_wrong_with_a_workbook_is_said(workbook, tmp_path):
    with pytest.raises(DatasetError, match=r"mine\.xlsx has tables in 2 sheets \(runs, more\)"):
        Experiments.read(workbook(("runs", TABLE), ("more", TABLE)))
    with pytest.raises(DatasetError, match="row 4: 'b' is empty"):
        Experiments.read(workbook(("runs", [*TABLE[:3], [0.1, None, 0.2, 0.3], *TABLE[3:]])))
    with pytest.raises(ConfigurationError, match="decimal=',' has no effect on a workbook"):
        Experiments.read(workbook(("runs", TABLE)), decimal=",")
    (tmp_path / "mine.xlsx").write_text(lines())
    with pytest.raises(DatasetError, match=r"mine\.xlsx cannot be read as a workbook: .*zip"):
        Experiments.read(tmp_path / "mine.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_refused(workbook, monkeypatch):
    monkeypatch.setattr("matgym.processes.campaigns.tables.MAX_WORKBOOK_BYTES", 1000)
    with pytest.raises(DatasetError, match=r"it unpacks to .* bytes, and 1,000 are the limit"):
        Experiments.read(workbook(("runs", TABLE)))


def test_a_workbook_without_openpyxl_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'matgym\[xlsx\]'"):
        Experiments.read(tmp_path / "mine.xlsx")


def test_no_column_of_a_published_campaign_is_refused():
    for name in measured_names():
        assert len(measured(name)) > 0
