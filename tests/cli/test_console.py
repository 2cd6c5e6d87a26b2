"""Tables that fit, CSV, and errors in one sentence: what all commands share."""

import csv
import io
import json
import os
import shlex
import subprocess
import sys

import pytest
import typer.main
from typer.testing import CliRunner

from matgym.cli import app, console, main
from matgym.version import __version__

COMMANDS = (
    ("envs", "list"),
    ("envs", "show", "CVDRecipe-v0"),
    ("oracle", "list"),
    ("benchmark", "list"),
    ("data", "info"),
    ("furnace", "grow", "2:705:150"),
    ("predict", "(8,0)x2", "--no-physics"),
)


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of 80 columns."""
    monkeypatch.setattr(console.stdout, "_width", 80)


def run(*words):
    found = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert found.exit_code == 0, found.stderr
    return found.stdout


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_tables_fit_80_columns_and_cut_nothing(words, monkeypatch):
    tables = []
    monkeypatch.setattr(
        "matgym.cli.console.print_table",
        lambda title, rows, show=console.print_table: (tables.append(rows), show(title, rows)),
    )
    text = run(*words)
    assert "…" not in text or "show" in words
    shown = text.split("\n\n", 1)[0] if "show" in words else text  # documentation stands below
    assert max(map(len, shown.splitlines())) <= 80 or not tables
    told = "".join(text.split())
    for rows in tables:
        for row in rows:
            for name, value in row.items():
                cell = f"{value:.4g}" if isinstance(value, float) else str(value)
                assert all(word in told for word in [*name.split(), *cell.split()])


def commands(group, names=()):
    yield names
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*names, name))


@pytest.mark.parametrize("words", [*commands(typer.main.get_command(app))], ids=" ".join)
def test_help_texts_fit_80_columns_and_cut_no_name(words, monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    text = run(*words, "--help")
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_the_properties_of_a_training_have_two_option_names(monkeypatch):
    monkeypatch.chdir("/")  # nothing is written
    for option in ("--property", "--properties"):
        found = CliRunner().invoke(app, ["surrogate", "train", option, "gp"])
        assert "did you mean 'gap'" in str(found.exception)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    "rows",
    [
        [{"name": "x" * 120, "value": "1"}],
        [{f"column {i}": "word " * 9 for i in range(30)}],
        [{"日本語": "広い" * 30, "b": "[/red]"}],
        [],
    ],
)
def test_rows_of_any_width_are_shown_whole(rows, capsys):
    console.print_table("[/title]", rows)
    text = capsys.readouterr().out
    assert "…" not in text
    assert "[/title]" in text
    told = "".join(text.split())
    for row in rows:
        assert all("".join(str(part).split())[:9] in told for pair in row.items() for part in pair)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_csv_holds_what_the_tables_hold(words):
    blocks = run(*words, "--csv").strip("\n").split("\n\n")
    for block in blocks:
        header, *rows = csv.reader(io.StringIO(block))
        assert rows
        assert all(len(row) == len(header) for row in rows)


def test_csv_numbers_are_whole_and_json_is_another_format():
    rows = list(csv.DictReader(io.StringIO(run("furnace", "grow", "2:705:150", "--csv"))))
    found = json.loads(run("furnace", "grow", "2:705:150", "--json"))
    assert {row["property"]: float(row["value"]) for row in rows} == {
        row["property"]: found[row["property"]] for row in rows
    }
    both = CliRunner().invoke(app, ["oracle", "list", "--csv", "--json"])
    assert both.exit_code == 2
    assert "not both" in both.stderr


def test_every_command_takes_csv():
    help_of = {words: run(*words, "--help") for words in (("train",), ("data", "info"), ("benchmark", "query"))}
    assert all("--csv" in text for text in help_of.values())


def test_version():
    assert run("--version") == f"matgym {__version__}\n"


def test_help_imports_nothing_heavy():
    program = "import sys, matgym.cli; print(sorted({'torch', 'pandas', 'ase', 'scipy', 'pyarrow'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize(
    "words",
    [
        ("data", "info", "[/red].parquet"),
        ("oracle", "evaluate", "\udcff[bold].xyz"),
        ("data", "build", "--specification", "[/]"),
        ("furnace", "grow", "٢٠:705:150"),
        ("furnace", "grow", "inf:705:150"),
        ("furnace", "grow", "1000000000:705:150"),
        ("furnace", "train", "x" * 5000, "out.safetensors"),
        ("export", "(8,0)x2", "--to", "vesta", "--output", "file"),
        ("benchmark", "run", "quick", "--output", "file"),
        ("train", "matgym/CVDRecipe-v0", "--output", "file/agent.zip"),
        ("train", "no_such_module:X-v0"),
        ("train", "matgym/CVDGrowth-v0", "--arg", "minutes"),
        ("train", "matgym/CVDGrowth-v0", "--arg", "minutes=2026-01-01"),
        ("evaluate", "missing.safetensors"),
        ("predict", "(8,0)x1000000000000"),
        ("envs", "show", "[/x]"),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_errors_are_one_sentence_and_leave_nothing(words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("sys.argv", ["matgym", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert len(said.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "terminal",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_any_terminal_shows_any_name(terminal, tmp_path):
    """What is not in the terminal's encoding is escaped; a name in rich's markup is no markup."""
    name = "\u00e9\u65e5[red][-red].csv"
    lines = (
        ["envs", "list"],
        ["predict", "(5,5)x2", "--no-physics"],
        ["experiments", "NAME"],
        ["oracle", "list", "--json"],
    )
    program = f"""if True:
        import sys
        from matgym.cli import main
        name = sys.argv[1]
        for line in {lines!a}:
            sys.argv = ["matgym", *(name if word == "NAME" else word for word in line)]
            try:
                main()
            except SystemExit as stop:
                assert not stop.code or line[0] == "experiments", line
    """
    (tmp_path / name).write_text("x,y\n1,2\n", encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-c", program, name], capture_output=True, cwd=tmp_path, env={**os.environ, **terminal}
    )
    assert found.returncode == 0, found.stderr.decode()
    assert b"[red][-red] has no input that varies" in found.stderr


@pytest.mark.usefixtures("narrow")
def test_few_columns_wrap_where_not_all_fit(capsys):
    rows = [{"id": "matgym/" + "x" * 25, "action": "256 choices", "reward": "-1 to 1", "long": "some words " * 6}]
    console.print_table("environments", rows)
    shown = capsys.readouterr().out
    assert "256 choices" in shown
    assert "-1 to 1" in shown


def test_episodes_are_listed_with_the_steps_they_take(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["matgym", "envs", "list", "--json"])
    with pytest.raises(SystemExit):
        main()
    steps = {row["id"].removeprefix("matgym/"): row["steps"] for row in json.loads(capsys.readouterr().out)}
    assert steps["CVDGrowth-v0"] == 30
    assert steps["CVDRecipe-v0"] == 20
    assert steps["FilmAnnealing-v0"] == 30
    assert steps["NanotubeDoping-v0"] == 16  # allowed actions replace forbidden ones, so that each step places an atom
    assert steps["NanotubeIsotopes-v0"] == 16


def test_the_command_of_a_card_is_read_by_a_shell_as_it_was_given():
    options = {"--data": "my labels.csv", "--level": "PBE, VASP", "--seed": 0, "--unit": "", "--log": None}
    line = console.command_line("matgym surrogate train OUT", options | {"--between-leads": True, "--cv": False})
    words = ["--data", "my labels.csv", "--level", "PBE, VASP", "--seed", "0", "--between-leads"]
    assert shlex.split(line) == ["matgym", "surrogate", "train", "OUT", *words]
