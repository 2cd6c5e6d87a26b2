"""Values that nobody should give, and files that are none."""

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import numpy as np

NUMBERS: Final = (
    "-1", "0", "1", "0.5", "1e308", "-1e308", "1e-320", "1000000000000", "99999999999999999999999", "nan", "inf",
    "-inf",
    "٢٠", "1_000", "½", "1e5", "0x10", "1,5", "--1", "+", "1e999", "1" * 5000,
)  # fmt: skip
"""As text."""

WORDS: Final = (
    "", " ", "é", "日本語", "[bold]x[/]", "[/red]", "[/]", "[", "]", "\\[", "a" * 300, "a" * 5000, "../../etc/passwd",
    "/",
    ".", "..", "~", "%s", "{0}", "'; DROP TABLE records; --", "two\nlines", "\ud800", "\u202e", "(8,0)x4",
    "(99999,12345)",
    "(8,0)x1000000000000", "(0,0)", "(٨,0)x4", "8,0", "(10,0)x4", "gap", "gap,zt", "B=8,N=8", "B=1000000000000", "B=٨",
    "B=-1", "X=3", "=", "B", "oracle", "random", "gan", "--help", "-", "--", "--json", "--csv", "nanotube-doping",
    "quick",
    "standard", "doping-easy", "none", "wandb:x", "tcp://127.0.0.1:1", "20:705:150", "20:inf:150", "1e9:700:1",
    "1000000000:700:1", "٢٠:705:150", "nan:1:1", "matgym/NanotubeDoping-v0", "CartPole-v1", "no_module:No-v0", "PPO",
    "name=1",
    "name=[1", "n=1000000000000", "=1",
)  # fmt: skip
"""As text."""

VALUES: Final = (
    None, True, -1, 0, 1, 5, 10**12, 10**30, -(10**12), 0.5, 1.5, float("nan"), float("inf"), 1e308, "", "a",
    "x" * 5000,
    "[/]", (), (1,), ("a", "b"), (0.0, float("inf")), (1.0, 0.0), [1, 2, 3], {}, {"B": -1}, {"B": 10**12}, {"X": 1},
    {1: 2},
    int, len, object(), b"bytes", np.zeros(3), np.array("x"), np.float32(1.0), np.int64(3), {1, 2}, range(3), ...,
    (8, 0), "oracle", "gan", "goal", "PPO", 2**63, -0.0, (0.5, 0.9), 1j,
)  # fmt: skip
"""As objects."""


def pick(rng: np.random.Generator, listed: Any) -> Any:
    """Return one of a list, as it is: NumPy's own would make arrays of what it draws."""
    return listed[int(rng.integers(len(listed)))]


def make_files(folder: Path) -> list[str]:
    """Write files that are none of what they claim to be, and return their paths and those of other odd places."""
    rng = np.random.default_rng(0)
    noise = rng.bytes(3000)
    suffixes = ("yml", "json", "csv", "parquet", "cif", "xyz", "extxyz", "data", "vasp", "safetensors", "zip", "gz")
    made = []
    for suffix in suffixes:
        for name, content in (("binary", noise), ("empty", b""), ("text", "Grüße: [/x]\n".encode())):
            path = folder / f"{name}.{suffix}"
            path.write_bytes(content)
            made.append(path.name)
    (folder / "folder.yml").mkdir()
    (folder / "[bold]marked[red].xyz").write_text("3\n\nC 0 0 0\n", encoding="utf-8")
    (folder / "POSCAR").write_bytes(noise)
    with contextlib.suppress(OSError):  # not every file system has pipes
        os.mkfifo(folder / "pipe.yml")
    return [
        *made, "folder.yml", "[bold]marked[red].xyz", "POSCAR", "pipe.yml", "missing.yml", "missing.parquet",
        "missing/x.cif",
        "text.csv/x.json", "b" * 300 + ".yml", "/dev/null", "/dev/zero", "/proc/self/mem", "/root",
        "x" * 300 + ".safetensors",
    ]  # fmt: skip
