"""Results from elsewhere: names, texts and records of a folder that another person made."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_run import identity, write, write_run

from matgym.benchmark import charts
from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.leaderboard import Table, in_markdown, markdown
from matgym.benchmark.records import MAX_ROWS, read_records, record_files
from matgym.benchmark.report import page
from matgym.benchmark.results import Results
from matgym.cli import app
from matgym.errors import DatasetError

HOSTILE = "<script>alert(1)</script> ![a](https://evil.example/a.png) | `code` [/red] {{ 7*7 }}"
"""A text that is HTML, Markdown, a cell, rich's markup and a template at once."""


def rewrite(path, **changed):
    write(path, [row | changed for row in pq.read_table(path).to_pylist()])


def about(folder, change):
    content = json.loads((folder / "suite.json").read_text())
    change(content)
    (folder / "suite.json").write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run")


# ---- names


def test_the_name_of_a_task_is_not_executed_as_sql(folder, tmp_path):
    """DuckDB gets a name as a value, and no query reaches files; folders with such a name are not read at all."""
    stolen = tmp_path / "written.csv"
    name = f"t'; COPY (SELECT 1) TO '{stolen}'; --"
    about(folder, lambda content: content["amortised"].update({name: content["amortised"].pop("targets")}))
    for path in (folder / "records").glob("targets-*.parquet"):
        rewrite(path, task=name)
    with pytest.raises(DatasetError, match=r"amortised: the name .* does not match"):
        Results.read(folder)
    facts = SuiteFacts.model_validate(json.loads((folder / "suite.json").read_text()))
    results = Results(facts, read_records(record_files(folder / "records")))  # without the check of names
    assert results.share_met(name)[0].tolist() == [1, 2, 4]
    assert results.figures(name)[0].queries == 4
    for sql in (f"COPY (SELECT 1) TO '{stolen}'", f"SELECT * FROM read_csv('{folder}/suite.json')"):  # noqa: S608
        with pytest.raises(DatasetError):
            results.query(sql)
    for sql in ("SET enable_external_access = true", "INSTALL httpfs", f"ATTACH '{tmp_path}/other.db'"):
        with pytest.raises(DatasetError):
            results.query(sql)
    assert not stolen.exists()
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("field", ["tasks", "methods", "amortised"])
@pytest.mark.parametrize("name", ["", "a b", "[/red]", "<b>", "a\nb", "../a", "a" * 81, "ä", "-a", "'"])
def test_names_that_are_none_of_a_task_or_a_method_are_refused(folder, field, name):
    about(folder, lambda content: content[field].update({name: next(iter(content[field].values()))}))
    with pytest.raises(DatasetError, match=f"{field}: the name .* does not match"):
        Results.read(folder)


def test_a_name_of_both_tracks_is_refused(folder):
    about(folder, lambda content: content["amortised"].update(rings=content["amortised"]["targets"]))
    with pytest.raises(DatasetError, match="both have the name 'rings'"):
        Results.read(folder)


@pytest.mark.parametrize("name", ["run?", "run*", "run[12]", "seed=3", "task=1", "{a,b}"])
def test_special_characters_in_the_name_of_a_folder_have_no_meaning(tmp_path, name):
    """`run?` is not `run1`, and `seed=3` gives no column."""
    write_run(tmp_path / "run1")
    write_run(tmp_path / "run2")
    asked = write_run(tmp_path / name)
    for path in (asked / "records").glob("rings-*.parquet"):
        path.unlink()
    results = Results.read(asked)
    assert "rings" not in results.tasks
    assert {found.seed for found in results.searches} == set(range(6))
    with pytest.raises(DatasetError, match="there is no"):
        Results.read(tmp_path / "run[1]")


# ---- texts


def test_texts_are_shown_as_they_are_in_markdown_and_on_the_page(folder):
    def change(content):
        content["suite"] = content["machine"] = HOSTILE
        for task in (*content["tasks"].values(), *content["amortised"].values()):
            task.update(dict.fromkeys(("title", "model", "oracle", "training", "unit"), HOSTILE))
        content["tasks"]["rings"]["found_by"] = HOSTILE
        for method in content["methods"].values():
            method["kind"] = HOSTILE
            method["settings"] = {HOSTILE: HOSTILE}

    about(folder, change)
    for path in (folder / "records").glob("rings-*.parquet"):
        rewrite(path, described=HOSTILE, xyz=HOSTILE)
    results = Results.read(folder)
    text = markdown(results, 5)
    assert "<" not in text.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)`code", text)
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(blocks) == 9
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    html = re.sub(r"<script[^>]*>.*?</script>", "", page(results, 5), flags=re.DOTALL)
    assert "alert(1)" in html
    assert "<img" not in html.replace('<img alt="(', "")
    assert "&lt;script&gt;" in html
    assert "49" not in re.findall(r"Benchmark: [^<]*", html)[0]
    assert "The record holds no structure that can be shown." in html


def test_markdown_keeps_plain_text_and_escapes_the_rest():
    assert (
        in_markdown("0.800 [0.7, 0.9] > 16 (10,0) 14C, 1.2 nW/K – π")
        == "0.800 [0.7, 0.9] > 16 (10,0) 14C, 1.2 nW/K – π"
    )
    assert in_markdown("# a\n\n<b>\\|&") == "\\# a &lt;b>\\\\\\|&amp;"
    assert in_markdown("[a](b) [a][b] ![c](d)") == "[a\\](b) [a\\][b] ![c\\](d)"
    table = Table("*t*", ("_n_",), ("a|b",), (("-1",),))
    assert table.markdown() == "## \\*t\\*\n\n\\_n\\_\n\n| a\\|b |\n| --- |\n| -1 |\n"


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\u202eb", "x" * 1001])
def test_texts_that_a_terminal_cannot_print_are_refused(folder, text):
    about(folder, lambda content: content.update(machine=text))
    with pytest.raises(DatasetError, match=r"machine: .*one line of at most 1,000 printable"):
        Results.read(folder)


def test_markup_in_names_and_queries_reaches_no_console(folder, capsys):
    about(folder, lambda content: content.update(suite="[/red] [bold]"))
    app(["benchmark", "report", str(folder)], standalone_mode=False)
    app(
        ["benchmark", "query", "SELECT '[/red]\\' AS \"[/bold]\\\" FROM records LIMIT 1", "--output", str(folder)],
        standalone_mode=False,
    )
    assert "[/bold]\\" in capsys.readouterr().out
    assert "# Leaderboard: [/red] [bold]" in (folder / "leaderboard.md").read_text()


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT timestamp 'infinity'", "CAST it to text"),
        ("SELECT date '0044-03-15 (BC)'", "CAST it to text"),
        ("SELECT 1 AS a, 2 AS a", "two columns 'a'"),
        ("DROP TABLE records", "give one SELECT"),
        ("UPDATE records SET verified_loss = 0", "give one SELECT"),
        ("SELECT 1; DELETE FROM records", "give one SELECT"),
        ("", "gives no table"),
        ("SELECT $x", "gives no table"),
        ("SELECT * FROM facts", "gives no table"),  # a variable of matgym
    ],
)
def test_queries_without_a_printable_table_are_one_sentence(folder, sql, match):
    results = Results.read(folder)
    facts = pa.table({"a": [1]})
    assert len(facts) == 1
    before = results.rows("SELECT count(*) AS rows, min(verified_loss) AS least FROM records")
    with pytest.raises(DatasetError, match=match):
        results.rows(sql)
    assert results.rows("SELECT count(*) AS rows, min(verified_loss) AS least FROM records") == before
    assert results.rows("WITH a AS (SELECT 1 AS b) SELECT b FROM a") == [{"b": 1}]


# ---- records

DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _content: b"",
    "text": lambda _content: b"PAR1 no table PAR1",
    "flipped": lambda content: content[:200] + bytes(byte ^ 255 for byte in content[200:260]) + content[260:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_one_sentence(folder, damage):
    path = record_files(folder / "records")[3]
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(DatasetError, match=re.escape(str(path))):
        Results.read(folder)


WRONG = {
    "seed": -1, "evaluation": 0, "target_index": 3, "track": "third", "seconds": float("nan"), "oracle": -5,
    "predicted_loss": 1e200, "verified_loss": -1e300, "training_seconds": -1.0, "run": "\ud83d\ude00",
    "identity": "[" * 100_000, "method": "unknown",
}  # fmt: skip


@pytest.mark.parametrize("column", WRONG)
def test_values_that_no_run_writes_are_one_sentence(folder, column):
    about(folder, lambda content: content.update(runs=["a"] * (column == "run")))
    (path,) = (folder / "records").glob("rings-gp-2-*.parquet")
    value = WRONG[column]
    rewrite(path, **{column: value.encode("utf-16", "surrogatepass").decode("utf-16") if column == "run" else value})
    with pytest.raises(DatasetError, match=r"rings-gp-2|gp-2|does not name"):
        Results.read(folder)


@pytest.mark.parametrize(
    "content", ["5", '{"versions": 5}', '{"versions": {"numpy": []}}', "{", '{"budget": NaN}', "null"]
)
def test_identities_that_are_none_of_a_run_are_one_sentence(folder, content):
    (path,) = (folder / "records").glob("rings-gp-2-*.parquet")
    rewrite(path, identity=content)
    with pytest.raises(DatasetError, match="rings-gp-2"):
        Results.read(folder)


@pytest.mark.parametrize("column", ["task", "seed", "verified_loss", "design", "xyz"])
def test_missing_values_and_columns_are_one_sentence(folder, column):
    (path,) = (folder / "records").glob("rings-gp-2-*.parquet")
    whole = pq.read_table(path)
    place = whole.schema.get_field_index(column)
    for table, match in (
        (whole.set_column(place, column, pa.nulls(len(whole), whole.schema.field(column).type)), "is missing"),
        (whole.remove_column(place), f"no column {column}"),
        (whole.set_column(place, column, pa.array([{"a": 1}] * len(whole))), "does not hold records"),
        (whole.slice(0, 0), "0 rows"),
        (pa.concat_tables([whole, whole]), "twice"),
    ):
        pq.write_table(table, path)
        with pytest.raises(DatasetError, match=match):
            Results.read(folder)


def test_a_record_that_would_fill_the_memory_is_not_read(folder):
    (path,) = (folder / "records").glob("rings-gp-2-*.parquet")
    one = pq.read_table(path).slice(0, 1)
    with pq.ParquetWriter(path, one.schema, compression="zstd") as writer:
        many = pa.concat_tables([one] * 1000).combine_chunks()
        for _ in range(MAX_ROWS // 1000 // 100 + 1):
            writer.write_table(pa.concat_tables([many] * 100), row_group_size=100_000)
    assert path.stat().st_size < 1 << 22
    with pytest.raises(DatasetError, match=r"does not hold records: it has 2,[0-9,]* rows"):
        Results.read(folder)


def test_predictions_that_are_not_finite_have_a_page(folder):
    for path in (folder / "records").glob("doping-gp-*.parquet"):
        rewrite(path, predicted_loss=float("inf"))
    figure = charts.predicted_and_verified(Results.read(folder), "doping")
    assert np.isfinite(figure["data"][0]["x"]).all()
    json.dumps(figure, allow_nan=False)


def test_a_record_of_another_suite_is_named(folder):
    (path,) = (folder / "records").glob("rings-gp-2-*.parquet")
    rewrite(path, identity=identity("other", 16))
    with pytest.raises(DatasetError, match="differ in method"):
        Results.read(folder)
    assert Path(path).exists()
