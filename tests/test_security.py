"""SECURITY.md: what it says of the code, of the dependencies and of other people's files."""

import ast
import hashlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from matgym.files import _yaml_loader

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text()
MODULES = sorted(path for room in ("matgym", "agents", "generative") for path in (ROOT / room).rglob("*.py"))

FORBIDDEN = {
    "eval", "exec", "compile", "os.system", "os.popen", "marshal.load", "marshal.loads", "shelve.open",
    "pickle.load", "pickle.Unpickler", "pickle.loads", "joblib.load", "cloudpickle.load", "cloudpickle.loads",
    "yaml.load", "yaml.full_load", "yaml.unsafe_load", "pandas.read_pickle", "numpy.load",
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "urllib.request.urlopen", "requests.get", "torch.hub.load", "torch.jit.load", "importlib.import_module",
}  # fmt: skip
"""Calls that execute, unpickle, import by name, start programs or reach the network."""

ALLOWED = {
    ("matgym/files.py", "yaml.load"),  # with a subclass of PyYAML's safe loader
    ("matgym/testing.py", "pickle.loads"),  # of what was pickled in the same line
    ("matgym/benchmark/methods.py", "importlib.import_module"),  # the optimizer of a suite that is run
    ("matgym/benchmark/tasks.py", "importlib.import_module"),  # the task of a suite that is run
    ("agents/training.py", "importlib.import_module"),  # an environment that the user names, or an agent with --trust
    ("matgym/surrogates/__init__.py", "importlib.import_module"),  # of matgym
    ("matgym/tasks/initial_designs.py", "importlib.import_module"),  # of matgym
    ("matgym/surrogates/engines.py", "importlib.import_module"),  # these four are optional libraries
    ("matgym/physics/mechanics/lammps.py", "importlib.import_module"),
    ("agents/tracking.py", "importlib.import_module"),
    ("agents/offline.py", "importlib.import_module"),
}


def calls(path):
    """Yield the full name and the node of each call in a module, whatever names it has imported things by."""
    tree, names = ast.parse(path.read_text()), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, _, rest = ast.unparse(node.func).partition(".")
            yield ".".join([names.get(first, first), *([rest] if rest else [])]), node


def test_the_package_makes_no_call_that_executes_unpickles_or_connects():
    found = {
        (path.relative_to(ROOT).as_posix().replace("matgym/agents", "agents"), name)
        for path in MODULES
        for name, _ in calls(path)
        if name in FORBIDDEN
    }
    assert found == ALLOWED


def test_torch_reads_weights_only():
    keywords = [
        {each.arg: ast.unparse(each.value) for each in node.keywords}
        for path in MODULES
        for name, node in calls(path)
        if name == "torch.load"
    ]
    assert keywords
    assert all(given.get("weights_only") == "True" for given in keywords)


def test_the_loader_of_yaml_is_a_safe_one():
    assert issubclass(_yaml_loader(), yaml.SafeLoader | getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def test_no_module_imports_pickle_or_opens_programs():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            taken = {name.split(".")[0] for name in names} & {"pickle", "subprocess", "marshal", "shelve", "joblib"}
            assert not taken or path.name == "testing.py", f"{path}: {taken}"


@pytest.mark.parametrize(
    "row", [line for line in PAGE.splitlines() if re.search(r"[0-9a-f]{64}", line)], ids=lambda row: row.split("`")[1]
)
def test_vendored_files_are_those_that_the_page_names(row):
    cells = row.split("`")
    assert hashlib.sha256((ROOT / cells[1]).read_bytes()).hexdigest() == cells[-2]


def test_every_vendored_file_and_every_dependency_is_on_the_page():
    for path in (ROOT / "matgym").glob("**/vendor/*"):
        assert path.name.startswith("LICENSE") or path.relative_to(ROOT).as_posix() in PAGE
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for name in project["optional-dependencies"] if not name.startswith(("compat", "dev"))]
    wanted = [*project["dependencies"], *(each for name in extras for each in project["optional-dependencies"][name])]
    missing = [each for each in map(_name, wanted) if not re.search(rf"\b{each}\b", PAGE)]
    assert not missing


def _name(requirement):
    return re.split(r"[\[<>=~ ;]", requirement)[0]


def test_the_lowest_torch_reads_weights_safely():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (torch,) = [each for each in dependencies if _name(each) == "torch"]
    lowest = tuple(int(part) for part in re.search(r">=([\d.]+)", torch)[1].split("."))
    assert lowest >= (2, 10)  # CVE-2026-24747
