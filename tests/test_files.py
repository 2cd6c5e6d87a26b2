"""What is read is finite, bounded and plain; what is written is whole or absent."""

import os

import pytest

from matgym.errors import FormatError
from matgym.files import atomic_path, check_output, is_file, parse_json, parse_yaml, parsed_number, read_text, read_yaml


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
        ("a: " + "[" * 5000, "not valid YAML"),
        ("[a, b]: 1", "not valid YAML"),
        ("a: &x [*x]", "nested deeper"),
        ("a: !!binary aGk=", "is a bytes"),
    ],
)
def test_yaml_that_is_not_plain_is_one_sentence(text, reason):
    with pytest.raises(FormatError, match=reason) as caught:
        parse_yaml(text, "f.yml")
    assert str(caught.value).startswith("f.yml")
    assert "\n" not in str(caught.value)


def test_aliases_do_not_multiply_without_end():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(FormatError, match="more than 1,000,000 values"):
        parse_yaml(bomb, "f.yml")


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": 1e999}', '"\\ud800"', '{"\\ud800": 1}', "[" * 100_000, "1" * 5000, "{", b"\xff"]
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
