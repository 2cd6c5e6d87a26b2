"""Links, anchors, commands and Python code of the documentation pages are valid."""

import pydoc
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import gymnasium
import pytest
import typer
from markdown_it import MarkdownIt

import matgym  # noqa: F401  # registers the environments
from matgym.cli import app

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "README.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
FOLDERS = ("matgym", "agents", "generative", "scripts", "tests", "docs")
KINDS = r"\b(tutorial|how-to|reference|explanation)\b"


def name(page):
    return str(page.relative_to(ROOT))


@cache
def tokens(page):
    """Return the block tokens of a page."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def links(page):
    """Return the relative targets of all links and images of a page."""
    inline = [child for token in tokens(page) for child in token.children or ()]
    linking = [child for child in inline if child.type in ("link_open", "image")]
    targets = [child.attrGet("href") or child.attrGet("src") for child in linking]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    pairs = pairwise(tokens(page))
    headings = [content.content for opening, content in pairs if opening.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page, language):
    """Return the code blocks of a page in one language."""
    return [token.content for token in tokens(page) if token.type == "fence" and token.info.strip() == language]


def commands():
    """Return every line of the pages that calls the command line of matgym."""
    lines = {
        line.split(" #")[0].strip()
        for page in PAGES
        for block in blocks(page, "bash")
        for line in block.splitlines()
        if line.startswith("matgym ")
    }
    return sorted(lines)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_and_images_exist(page):
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{name(page)} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(file), f"{name(page)} links to {target}, and {name(file)} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_and_python_names_exist(page):
    text = page.read_text(encoding="utf-8")
    known = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}
    known |= {"suite.json"}  # which `matgym benchmark run` writes
    for file in re.findall(r"`([\w/-]+\.(?:py|yml|json|parquet|csv))`", text):
        assert Path(file).name in known, f"{name(page)} names {file}, which does not exist"
    for dotted in re.findall(r"`(matgym(?:\.\w+)+)`", text):
        assert pydoc.locate(dotted) is not None, f"{name(page)} names {dotted}, which does not exist"


def test_every_page_is_reachable_from_the_index():
    reached, waiting = set(), [INDEX]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page) if target[0] != "#"]
    assert set(PAGES) <= reached


def test_the_index_links_every_environment_and_example():
    listed = {(INDEX.parent / target).resolve() for target in links(INDEX)}
    assert {*ROOT.glob("docs/environments/*.md"), *ROOT.glob("docs/examples/*.py")} <= listed


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))], ids=name)
def test_the_first_sentence_says_the_kind_of_the_page(page):
    opening = next(token.content for token in tokens(page)[3:] if token.type == "inline")
    assert re.search(KINDS, opening.split(". ")[0]), opening


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/environments/*-v0.md")), ids=name)
def test_environments_are_made_as_their_pages_say(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    row = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| Make |"))
    alone, batched = (eval(call, {"gymnasium": gymnasium}) for call in re.findall(r"`(.+?)`", row))  # noqa: S307  # ours
    assert alone.spec.id == batched.spec.id == f"matgym/{page.stem}"
    assert batched.num_envs == 64


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line):
    command, arguments = typer.main.get_command(app), shlex.split(line)[1:]
    while subcommands := getattr(command, "commands", None):  # a group
        assert arguments[0] in subcommands, f"{line}: there is no command {arguments[0]}"
        command, arguments = subcommands[arguments[0]], arguments[1:]
    command.make_context(line, arguments)  # raises on an unknown option or a missing argument


@pytest.mark.parametrize("page", [page for page in sorted(ROOT.glob("docs/*.md")) if blocks(page, "python")], ids=name)
def test_python_blocks_run(page):
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {"__name__": "docs"})  # noqa: S102  # our own text
