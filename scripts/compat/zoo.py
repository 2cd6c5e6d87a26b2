"""rl_zoo3 trains, tunes, plays and records by its own command lines, with our files of hyper-parameters."""

import subprocess
import sys
import tempfile
from pathlib import Path

from matgym.agents.sb3 import hyperparameters_file

COMMON = ("--algo", "ppo", "--seed", "1", "--env", "matgym/NanotubeDoping-v0")
REGISTERED = ("--gym-packages", "matgym")
# rl_zoo3's record_video has no --gym-packages, and fails on "matgym:matgym/NanotubeDoping-v0".
RECORD = "import runpy, matgym; runpy.run_module('rl_zoo3.record_video', run_name='__main__')"


def zoo(command, folder, *arguments):
    """Run one command of rl_zoo3 and return what it printed."""
    start = ("-c", RECORD) if command == "record_video" else ("-m", f"rl_zoo3.{command}")
    done = subprocess.run(  # noqa: S603  # our own arguments
        [sys.executable, *start, *COMMON, "-f", folder, *arguments],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, f"rl_zoo3.{command}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
    return done.stdout


def main():
    file = str(hyperparameters_file("PPO"))
    small = ("-conf", file, "--num-threads", "1", "--eval-freq", "-1", "-params", "n_envs:4", "batch_size:32")
    with tempfile.TemporaryDirectory() as folder:
        said = zoo("train", folder, *REGISTERED, *small, "-n", "128")
        assert file in said, "rl_zoo3 read another file"
        assert "('n_epochs', 4)" in said, f"rl_zoo3 did not take our hyper-parameters: {said}"
        assert list(Path(folder).rglob("*NanotubeDoping-v0.zip")), "no agent was saved"
        said = zoo("enjoy", folder, *REGISTERED, "--no-render", "-n", "40")
        assert "Episode Reward" in said, "no episode ended"
        zoo("record_video", folder, "-n", "20", "-o", f"{folder}/videos")
        (video,) = Path(folder, "videos").glob("*.mp4")
        assert video.stat().st_size > 1000
        tune = ("-optimize", "--n-trials", "2", "--sampler", "random", "--pruner", "none", "--no-optim-plots")
        said = zoo(
            "train", folder, *REGISTERED, *small, "-n", "64", *tune, "--n-evaluations", "1", "--eval-episodes", "1"
        )
        assert "Number of finished trials:  2" in said, f"tuning did not end: {said[-300:]}"


if __name__ == "__main__":
    main()
