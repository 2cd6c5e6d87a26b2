"""rl_zoo3 trains with matgym's hyper-parameters, tunes, plays and records by its command line."""

import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

NAME = "matgym/CVDGrowth-v0"


def zoo(module, *arguments):
    """Run one of rl_zoo3's commands."""
    command = [sys.executable, "-W", "ignore", "-m", f"rl_zoo3.{module}", "--env", NAME, "--algo", "ppo"]
    subprocess.run([*command, "--gym-packages", "matgym", *map(str, arguments)], check=True)  # noqa: S603


def main():
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    configuration = files("matgym.agents") / "hyperparams" / "ppo.yml"
    with tempfile.TemporaryDirectory() as folder:
        zoo("train", "-n", 2000, "-f", folder, "-conf", configuration, "--eval-freq", -1, "--seed", 0)
        zoo("enjoy", "-f", folder, "-n", 60, "--no-render", "--exp-id", 1)
        zoo("record_video", "-f", folder, "-n", 40, "--exp-id", 1, "-o", f"{folder}/videos")
        assert list(Path(folder, "videos").rglob("*.mp4")), "record_video wrote no film"
        settings = ("--n-trials", 2, "--n-evaluations", 1, "--n-startup-trials", 1, "--no-optim-plots")
        zoo("train", "-n", 1000, "-f", folder, "-conf", configuration, "-optimize", *settings)


if __name__ == "__main__":
    main()
