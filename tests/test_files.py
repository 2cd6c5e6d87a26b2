"""What is read is finite, bounded and plain; what is written is whole or absent."""

import os
import re
import time
from pathlib import Path

import pytest

import matgym
from matgym.errors import FormatError
from matgym.files import (
    MAX_JSON_BYTES,
    MAX_YAML_BYTES,
    atomic_path,
    check_output,
    is_file,
    parse_json,
    parse_yaml,
    parsed_number,
    read_json,
    read_text,
    read_yaml,
)


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), (" -2e3 ", -2000.0), ("1e100", 1e100), ("0", 0.0)])
def test_numbers_are_parsed(text, value):
    assert parsed_number(text) == value


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-Infinity", "1e101", "1e999", "٢٠", "1_000", "½", "0x10", "1,5", "x"]
)
def test_other_text_is_no_number(text):
    assert parsed_number(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: .nan", "a: nan is not finite"),
        ("a: [1, -.inf]", r"a\[1\]: -inf is not finite"),
        ("a: 2026-11-29", "is a date"),
        ("a: 2026-99-99", "not valid YAML"),
        ("1: a", "the name 1 must be text"),
        ("a: " + "9" * 200, "a whole number of about 200 digits"),
        ("a: 0x" + "1" * 5000, "a whole number of about 6,020 digits"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper"),
        ("a: " + "[" * 5000, "nest"),
        ("[a, b]: 1", "not valid YAML"),
        ("a: &x [*x]", "stands within the very value"),
        ("a: &x {b: {c: *x}}", "stands within the very value"),
        ("a: 1\na: 2", "'a' is given twice"),
        ("a: 12:30", "to the base 60"),
        ("a: " + "1:" * 100_000 + "1", "to the base 60"),
        ("a: " + "1:" * 100_000 + "1.5", "to the base 60"),
        ("a: !!binary aGk=", "is a bytes"),
    ],
)
def test_yaml_that_is_not_plain_is_one_sentence(text, reason):
    with pytest.raises(FormatError, match=reason) as caught:
        parse_yaml(text, "f.yml")
    assert str(caught.value).startswith("f.yml")
    assert "\n" not in str(caught.value)


def test_aliases_do_not_multiply_without_end():
    """646 bytes of 0.1 took 1.6 GB."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(FormatError, match="more than 1,000,000 values"):
        parse_yaml(bomb, "f.yml")
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a", "f.yml")["b"] == {"x": 1, "y": 3}


def test_the_largest_yaml_takes_seconds():
    """Twelve seconds for 1 MB in 0.1, and 54 for 600 kB of a number to the base 60."""
    for text in ("a: [" + "1," * 131_000 + "]", "\n".join(f"k{i}: v" for i in range(25_000))):
        assert MAX_YAML_BYTES * 0.9 < len(text) <= MAX_YAML_BYTES
        began = time.process_time()
        parse_yaml(text, "f.yml")
        assert time.process_time() - began < 5.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_of_windows_is_read(tmp_path, encoding):
    (tmp_path / "a.yml").write_bytes("name: Gr\u00f6\u00dfe \u65e5\r\n".encode(encoding))
    assert read_yaml(tmp_path / "a.yml") == {"name": "Gr\u00f6\u00dfe \u65e5"}
    (tmp_path / "a.json").write_bytes('{"name": "\u00e9"}'.encode(encoding))
    assert read_json(tmp_path / "a.json") == {"name": "\u00e9"}


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xff\xfe\x00\xd8a\x00"])
def test_half_of_utf_16_is_one_sentence(tmp_path, content):
    (tmp_path / "a.yml").write_bytes(content)
    with pytest.raises(FormatError, match=r"not UTF-16 text: .*; store it as UTF-8"):
        read_yaml(tmp_path / "a.yml")


def test_json_is_bounded_before_it_is_parsed(tmp_path):
    (tmp_path / "a.json").write_text("[" + "[]," * (MAX_JSON_BYTES // 3) + "[]]")
    with pytest.raises(FormatError, match="larger than"):
        read_json(tmp_path / "a.json")


CHECKED_JSON = {
    "benchmark/identity.py", "benchmark/runner.py", "benchmark/runs.py",  # the column `identity` of records
    "data/builder.py", "physics/entries.py", "surrogates/training.py", "learning/trainer.py",  # their own files
    "work.py",  # what it is about to write
    "data/dataset.py",  # provenance, which `Dataset.load` has checked
}  # fmt: skip
READERS = re.compile(r"yaml\.(safe_|full_|unsafe_)?load|json\.loads?\(|from (yaml|json) import .*load")


def test_there_is_one_reader_of_yaml_and_json():
    """All others read what the same process has written, or a value that was checked when its file was read."""
    root = Path(matgym.__file__).parent
    found = {
        str(file.relative_to(root)) for file in root.rglob("*.py") if READERS.search(file.read_text(encoding="utf-8"))
    }
    assert found - CHECKED_JSON == {"files.py"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": NaN}',
        '{"a": 1e999}',
        '"\\ud800"',
        '{"\\ud800": 1}',
        "[" * 100_000,
        "1" * 5000,
        "{",
        b"\xff",
        '{"a": 1, "a": 2}',
    ],
)
def test_json_that_is_not_plain_is_one_sentence(text):
    with pytest.raises(FormatError, match=r"^f\.json"):
        parse_json(text, "f.json")


def test_what_is_no_text_file_is_not_read(tmp_path):
    (tmp_path / "binary.yml").write_bytes(b"\x93\xff\x00")
    (tmp_path / "large.yml").write_bytes(b"#" * (2 << 20))
    os.mkfifo(tmp_path / "pipe.yml")  # reading it would wait for ever
    for name, reason in (
        ("binary.yml", "not UTF-8 text"), ("large.yml", "larger than"), ("pipe.yml", "a folder or a device"),
        (".", "a folder"),
        ("missing.yml", "there is no file"), ("x" * 300, "there is no file"), ("binary.yml/x", "there is no file"),
    ):  # fmt: skip
        with pytest.raises(FormatError, match=reason):
            read_yaml(tmp_path / name)
    assert read_text(tmp_path / "large.yml") == "#" * (2 << 20)
    assert not is_file(tmp_path / ("x" * 300))
    assert not is_file(tmp_path / "a\0b")


def test_outputs_are_checked_before_the_work(tmp_path):
    (tmp_path / "file").write_text("x")
    check_output(tmp_path / "new" / "deep" / "file.txt")
    check_output(tmp_path / "file")
    check_output(tmp_path, folder=True)
    for path, folder, reason in (
        (tmp_path, False, "is a folder: name a file"), (tmp_path / "file", True, "is a file: name a folder"),
        (tmp_path / "file" / "x", False, "is a file, not a folder"), (tmp_path / ("x" * 300), False, "longer than"),
        (tmp_path / "a\0b", False, "null character"),
    ):  # fmt: skip
        with pytest.raises(FormatError, match=reason):
            check_output(path, folder=folder)


def test_a_failed_writer_leaves_nothing(tmp_path):
    def fail(path):
        with atomic_path(path) as scratch:
            scratch.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / ("n" * 240 + ".txt"))
    assert list(tmp_path.iterdir()) == []
