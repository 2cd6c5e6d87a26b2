"""The README's code runs as it stands there, and prints what it says."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
import typer

from matgym.cli import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", TEXT, re.DOTALL)
LINES = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]

NUMBER = re.compile(r"-?\d+(?:\.\d*)?")
TOLERANCES = {
    "train": 0.15,  # rounding differs between processors, and a training amplifies it
    "design": 0.15,  # eV, of that agent's designs
    "own reward": 2.0,  # bonds
    "compare": 20.0,  # meV: a rounding error can change the path of a search
    "physics": 0.02,
}
"""How far each printed number may lie from the README's, by block; fixed before the first run of this test."""


def test_there_are_uses_of_about_ten_lines_each_with_its_output():
    assert len(BLOCKS) == len(TOLERANCES)
    for code, output in BLOCKS:
        assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
        assert output


@pytest.fixture(scope="module")
def names():
    """What the blocks define: the second one goes on with the first one's agent."""
    return {"__name__": "readme"}


def form(text):
    """Return the words of a text without its numbers; an array of numpy may end in "1.  ]" or in "0.99]"."""
    return re.sub(r" +\]", "]", NUMBER.sub("#", text)).split()


@pytest.mark.parametrize(("block", "tolerance"), [*zip(BLOCKS, TOLERANCES.values(), strict=True)], ids=TOLERANCES)
def test_the_code_prints_what_the_readme_says(block, tolerance, names, capsys):
    code, expected = block
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102  # our own text
    printed = capsys.readouterr().out
    assert form(printed) == form(expected)
    apart = np.abs(np.subtract([*map(float, NUMBER.findall(printed))], [*map(float, NUMBER.findall(expected))]))
    assert apart.max() <= tolerance, printed


def test_the_first_agent_learns():
    before, after = map(float, re.findall(r"training: +(\d\.\d+)", BLOCKS[0][1]))
    assert after > before + 0.3


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("matgym ")])
def test_commands_in_the_readme_exist(line):
    command, words = typer.main.get_command(app), shlex.split(line, comments=True)[1:]
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        assert command is not None, f"there is no command {name}"
        context = click.Context(command, info_name=name, parent=context)
    command.make_parser(context).parse_args(list(words))


def test_every_path_that_the_readme_names_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if "://" not in link:
            assert (ROOT / link).exists(), link
