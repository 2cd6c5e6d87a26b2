"""The Python code of the README runs unchanged."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


NAMES = ["train", "bring", "others", "furnace", "compare", "physics"]


def test_there_are_uses_of_about_ten_lines():
    assert len(BLOCKS) == len(NAMES)
    assert max(sum(bool(line.strip()) for line in block.splitlines()) for block in BLOCKS) <= 10


@pytest.mark.parametrize("block", BLOCKS, ids=NAMES)
def test_readme_code_runs(block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  # our own text


def test_every_path_that_the_readme_names_exists():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (ROOT / link).exists(), link
