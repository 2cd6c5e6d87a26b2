"""Compare the amount of code on five paths through matgym with 0.1, the paths that CONTRIBUTING describes.

    python scripts/studies/reference/walks.py

Either version runs each path twice in a process of its own, first with another tube, so that imports are done. The
script counts the different functions of matgym that run, and their modules, which is the code that one would have to
read, and prints a table.
"""

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from checkout import HERE, ROOT, checkout, environment

WALKS = (
    "an action in step",
    "a user's model",
    "a file through an oracle",
    "a benchmark run",
    "a tube through training",
)
SUITE = {"name": "one", "search": {"tasks": ["doping-easy"], "methods": ["random"], "budget": 4, "seeds": 1}}


def prepared(version, walk, folder):
    """Return a function that runs one path with the tube (n, 0)."""
    import gymnasium as gym
    import torch

    import matgym  # noqa: F401  # registers the environments

    class Mean(torch.nn.Module):
        def forward(self, x):
            return 0.5 + x.mean(dim=(1, 2, 3))

    doping = "matgym/NanotubeDoping-v0"
    if walk == "an action in step":
        env = gym.make(doping).unwrapped
        env.reset(seed=0)
        return lambda _: env.step(int(env.action_masks().argmax()))
    if walk == "a user's model":

        def own_model(n):
            env = gym.make(doping, n=n, disable_env_checker=True, **{version.MODEL: Mean()}).unwrapped
            env.reset(seed=0)
            done = False
            while not done:
                _, _, done, _, _ = env.step(int(env.action_masks().argmax()))

        return own_model
    if walk == "a file through an oracle":
        from ase.build import nanotube

        from matgym.cli import app

        def evaluate(n):
            path = folder / f"{n}.xyz"
            nanotube(n, 0, length=2, vacuum=8.0).write(path)
            app(["oracle", "evaluate", str(path), "--properties", "gap"], standalone_mode=False)

        return evaluate
    if walk == "a benchmark run":
        from matgym.benchmark.runner import run_suite
        from matgym.benchmark.suite import Suite

        (folder / "one.yml").write_text(json.dumps(SUITE), encoding="utf-8")
        return lambda n: run_suite(Suite.read(folder / "one.yml"), folder / f"results-{n}")
    fit = version.surrogate_fit(64)
    return lambda _: fit()


def counted(work):
    """Return the functions and modules of matgym that a call runs."""
    seen = set()

    def note(frame, event, _argument):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("matgym") and not frame.f_code.co_name.startswith("<"):
            seen.add((module, frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return len(seen), len({module for module, _ in seen})


def worker(version, walk):
    """Print the counts of one path."""
    with tempfile.TemporaryDirectory() as folder:
        go = prepared(import_module(version), walk, Path(folder))
        go(10)
        print(json.dumps(counted(lambda: go(8))), file=sys.stderr)


def main():
    with checkout() as old:
        print(f"| {'way':<24} | functions, 0.1 | now | modules, 0.1 | now |\n|---|---|---|---|---|")
        for walk in WALKS:
            found = []
            for version, folder in (("version_0_1", old), ("present", ROOT)):
                command = [sys.executable, HERE / "walks.py", version, walk]
                done = subprocess.run(  # noqa: S603  # this file's own
                    command, cwd=folder, env=environment(folder), check=False, capture_output=True, text=True
                )
                if done.returncode:
                    sys.exit(done.stderr)
                found.append(json.loads(done.stderr.strip().splitlines()[-1]))
            (f0, m0), (f1, m1) = found
            print(f"| {walk:<24} | {f0:>14} | {f1:>3} | {m0:>12} | {m1:>3} |")


if __name__ == "__main__":
    worker(*sys.argv[1:]) if len(sys.argv) == 3 else main()
