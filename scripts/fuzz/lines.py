"""Command lines: a valid one of each command, of which values are replaced, dropped, doubled and added."""

import contextlib
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import typer

from matgym.cli import app, main
from scripts.fuzz.engine import Make, WorkBegan
from scripts.fuzz.files import CORPUS
from scripts.fuzz.hostile import NUMBERS, WORDS, make_files, pick

LONG = {
    "experiments",
    "demo", "train", "surrogate train", "surrogate improve", "surrogate evaluate", "furnace train", "generate train",
    "generate evaluate", "generate sample", "benchmark run", "benchmark solve", "data build", "evaluate",
}  # fmt: skip
"""Commands that work for minutes once their checks have passed: they are stopped where they first tell of progress."""

VALID = {
    "export": [["(8,0)x2", "--to", "vesta", "--output", "out"], ["tube.extxyz", "--to", "ovito"]],
    "experiments": [["table.csv"], ["table.csv", "--model", "trees", "--target", "y", "--na", "NA,", "--inputs", "x"]],
    "data build": [["out.parquet", "--specification", "spec.json"]],
    "data info": [["small.parquet"]],
    "oracle evaluate": [["tube.extxyz", "--properties", "gap", "--no-cache"], ["tube.cif", "--no-cache"]],
    "surrogate train": [["out.safetensors", "--property", "gap", "--epochs", "1"]],
    "surrogate improve": [["nanotube-doping", "out.safetensors", "--budget", "B=2,N=2"]],
    "surrogate evaluate": [["nanotube-doping", "--dataset", "small.parquet"]],
    "furnace grow": [["2:705:150"], ["2:705:150:0:10", "1:690:300"]],
    "furnace train": [["cvd-growth", "out.safetensors"]],
    "generate train": [["out.safetensors", "--model", "vae", "--epochs", "1"]],
    "generate evaluate": [["--generator", "random", "--samples", "4"]],
    "generate sample": [["out", "--generator", "random", "--samples", "2"]],
    "benchmark run": [["quick", "--output", "out", "--track", "none"]],
    "benchmark report": [["results"], ["results", "--output", "out"]],
    "benchmark query": [["SELECT count(*) FROM records", "--output", "results"]],
    "benchmark solve": [["doping-easy", "out"]],
    "benchmark adopt": [["results", "--output", "out"]],
    "demo": [["--output", "out"]],
    "train": [["matgym/CVDGrowth-v0", "--algo", "PPO", "--steps", "60", "--output", "out.safetensors"]],
    "evaluate": [["agent.safetensors", "--episodes", "1"]],
    "predict": [["(10,0)x2"], ["tube.extxyz"]],
    "envs show": [["matgym/CVDRecipe-v0"]],
}
"""By command; whatever else there is needs no arguments."""


def commands() -> dict[str, Any]:
    """Every command by its words."""
    found: dict[str, Any] = {}

    def walk(group: Any, words: tuple[str, ...]) -> None:
        if hasattr(group, "commands"):
            for name, command in group.commands.items():
                walk(command, (*words, name))
        else:
            found[" ".join(words)] = group

    walk(typer.main.get_command(app), ())
    return found


def corpus() -> list[list[str]]:
    """Return the command lines that once failed."""
    return json.loads((CORPUS / "lines.json").read_text(encoding="utf-8"))


def case_maker(seed: int, folder: Path, valid: Path) -> Make:
    """Return what makes command lines; `valid` is a folder of valid files, which is copied for each child."""
    known = commands()
    names = sorted(known)
    options = [text for command in known.values() for parameter in command.params for text in parameter.opts]
    odd: list[str] = []

    kept = corpus()

    def make(case: int):
        if not odd:  # once a child
            os.chdir(folder)
            place = folder / f"lines-{os.getpid()}"
            shutil.copytree(valid, place)
            os.chdir(place)
            odd.extend(make_files(place))
            _stop_where_work_begins()
        if case < 0:
            line = kept[case]
            name = next((name for name in names if line[: len(name.split())] == name.split()), "")
            return f"corpus: matgym {line}", lambda: _called(line, name in LONG, "utf-8")
        rng = np.random.default_rng([seed, 1, case])
        name = pick(rng, names)
        words = _mutated(list(pick(rng, VALID.get(name, [[]]))), known[name], odd, options, rng)
        line = [*name.split(), *words]
        terminal = pick(rng, ("utf-8", "utf-8", "ascii", "latin-1"))
        return f"matgym {line} on {terminal}", lambda: _called(line, name in LONG, terminal)

    return make


def _mutated(words, command, odd, options, rng):
    def hostile():
        return str(pick(rng, [*(NUMBERS if rng.random() < 0.4 else WORDS), *(odd if rng.random() < 0.6 else ())]))

    own = [text for each in command.params for text in each.opts if text.startswith("--") and not _is_flag(each)]
    for _ in range(int(rng.integers(0, 4))):
        change = rng.random()
        if change < 0.5 and words:
            words[int(rng.integers(len(words)))] = hostile()
        elif change < 0.88 and own:
            words += [str(pick(rng, own)), hostile()]
        elif change < 0.9:
            words += [str(pick(rng, options)), hostile()]
        elif change < 0.94:
            words.insert(int(rng.integers(len(words) + 1)), hostile())
        elif words:
            del words[int(rng.integers(len(words)))]
    if rng.random() < 0.3:
        words.append("--json")
    return words


def _is_flag(parameter) -> bool:
    return bool(getattr(parameter, "is_flag", False))


_began_stops = False


def _stop_where_work_begins() -> None:
    """Let the first report of progress of a long command end it."""
    from matgym.cli import console

    shown = console.Progress.add_task

    def add_task(self, *args, **kwargs):
        task = shown(self, *args, **kwargs)  # and what it shows is drawn on the way out
        if _began_stops:
            raise WorkBegan
        return task

    console.Progress.add_task = add_task  # type: ignore[method-assign]


def _called(line, long, terminal):
    """Run a command as the shell does: what `main` shows counts as well as what it raises."""
    global _began_stops  # noqa: PLW0603
    _began_stops = long
    os.environ["MATGYM_CACHE"] = "cache"
    before, out = _contents(), io.BytesIO()
    sys.argv = ["matgym", *line]
    stream = io.TextIOWrapper(out, encoding=terminal, write_through=True)
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            main()
    except SystemExit as stop:
        left = sorted(set(_contents()) - set(before))
        if stop.code and left and not any("checkpoints" in name or "cache" in name for name in left):
            raise RuntimeError(f"left files: {left[:3]}, after exit {stop.code}") from None
        said = out.getvalue().decode(terminal, "replace")
        if stop.code and (not said.strip() or "allocate" in said or said.rstrip().endswith("Error:")):
            raise RuntimeError(f"exit {stop.code} said {said[-200:]!r}") from None
    finally:
        _restore(before)


def _contents() -> list[str]:
    return [str(path) for path in Path().rglob("*")]


def _restore(before) -> None:
    for name in sorted(set(_contents()) - set(before), reverse=True):
        path = Path(name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
