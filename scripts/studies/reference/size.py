"""Count the size of one or several checkouts of matgym.

    python scripts/studies/reference/size.py                    # this checkout
    python scripts/studies/reference/size.py --before           # 0.1, from the history, and this checkout
    python scripts/studies/reference/size.py FOLDER [FOLDER]    # others

Only Python files count, in three parts: the package (matgym/, agents/, generative/), scripts/, tests/. A line of code
is a line that is not blank and not part of a comment or a docstring. `Any` is counted in annotations and type aliases.
The command `duplicates`, if it is installed, counts pairs of places in one part that repeat each other, word for word
or with other names.
"""

import argparse
import ast
import io
import re
import shutil
import statistics
import subprocess
import tempfile
import tokenize
from contextlib import ExitStack
from pathlib import Path

from checkout import COMMIT, ROOT, checkout

PARTS = {"package": ("matgym", "agents", "generative"), "scripts": ("scripts",), "tests": ("tests",)}
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def modules(root, part):
    """Return the Python files of a part; links (matgym/agents, matgym/generative) are not followed."""
    found = [file for folder in PARTS[part] for file in (root / folder).rglob("*.py")]
    return sorted(file for file in found if not any(parent.is_symlink() for parent in (file, *file.parents)))


def code_lines(text, tree):
    """Return the number of lines that hold code."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):  # expressions that are strings: docstrings, also of constants
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def count_any(tree):
    """Return the number of times that `Any` occurs in annotations and type aliases."""
    annotations = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            annotations.append(node.returns)
        elif isinstance(node, ast.arg):
            annotations.append(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            annotations.append(node.annotation)
            if ast.unparse(node.annotation).endswith("TypeAlias"):
                annotations.append(node.value)
    return sum(len(re.findall(r"\bAny\b", ast.unparse(annotation))) for annotation in annotations if annotation)


def duplicate_pairs(files, root):
    """Return the number of pairs of places that repeat each other, and of exact repeats; None without the command."""
    command = shutil.which("duplicates")
    if command is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            copy = Path(folder) / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        arguments = [command, "--repo", folder, "--most", "200", "--seconds", "120"]
        said = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout  # noqa: S603  # see above
    count = re.match(r"(\d+) pair", said)
    if count is None:
        return (0, 0)
    by_shape = re.search(r"(\d+) by shape alone", said)
    return int(count[1]), int(count[1]) - int(by_shape[1] if by_shape else 0)


def measure(root, part):
    """Return a row of the table."""
    files = modules(root, part)
    texts = [file.read_text(encoding="utf-8") for file in files]
    lines = [text.count("\n") for text in texts]
    trees = [ast.parse(text) for text in texts]
    largest = max(range(len(files)), key=lines.__getitem__)
    pairs = duplicate_pairs(files, root)
    return {
        "files": len(files),
        "lines": sum(lines),
        "lines of code": sum(map(code_lines, texts, trees)),
        "median module": statistics.median(lines),
        "largest module": lines[largest],
        "which": str(files[largest].relative_to(root)),
        "modules over 500 lines": sum(count > 500 for count in lines),  # the limit of the design
        "Any in annotations": sum(map(count_any, trees)),
        "duplicate pairs": "not counted" if pairs is None else pairs[0],
        "of these word for word": "not counted" if pairs is None else pairs[1],
    }


def main():
    parser = argparse.ArgumentParser(description="Count the size of checkouts of matgym.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--before", action="store_true", help=f"begin with 0.1, commit {COMMIT}")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        roots = {"0.1": stack.enter_context(checkout())} if chosen.before else {}
        roots |= {str(folder): folder.resolve() for folder in chosen.folders} or {"now": ROOT}
        for part in PARTS:
            columns = {name: measure(root, part) for name, root in roots.items()}
            print(f"| {part} | " + " | ".join(columns) + " |")
            print("|---" * (len(columns) + 1) + "|")
            for figure in next(iter(columns.values())):
                values = [column[figure] for column in columns.values()]
                print(f"| {figure} | " + " | ".join(f"{v:,}" if isinstance(v, int) else str(v) for v in values) + " |")
            print()


if __name__ == "__main__":
    main()
