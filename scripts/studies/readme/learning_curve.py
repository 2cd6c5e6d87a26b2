"""The learning curve of the README's first agent.

`python -m scripts.studies.readme.learning_curve` (five minutes on two cores) runs the first block of code of the README
once a seed, with the rewards of finished episodes recorded, and writes docs/images/learning-curve.png and
docs/results/learning-curve.json.
"""

import re
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback

from matgym.statistics import estimate
from matgym.viz.palette import INK, METHOD_STYLES, MUTED, new_axes
from scripts.studies.common import ROOT, Study, StudyJob, print_markdown

BLOCK = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    seeds: int = 5
    steps: str = "150_000"  # as the README has it


QUICK = Settings(seeds=1, steps="2_048")


class Recorder(BaseCallback):
    """Keeps the mean return of the last 100 episodes after each rollout."""

    def __init__(self):
        super().__init__()
        self.rows, self.began = [], time.perf_counter()

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        recent = [episode["r"] for episode in self.model.ep_info_buffer]
        seconds = time.perf_counter() - self.began
        self.rows.append({"steps": self.num_timesteps, "seconds": seconds, "reward": float(np.mean(recent))})


@dataclass(frozen=True)
class Training(StudyJob):
    """The README's block with another seed."""

    settings: Settings
    seed: int

    def run(self):
        """Return one row a rollout."""
        recorder, learn = Recorder(), MaskablePPO.learn
        code = BLOCK.replace("seed=0", f"seed={self.seed}").replace("150_000", self.settings.steps)

        def recorded(agent, total_timesteps):
            return learn(agent, total_timesteps, callback=recorder)

        printed = StringIO()
        with patch.object(MaskablePPO, "learn", recorded), redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  # our own text
        before, after = (float(number) for number in re.findall(r"\d\.\d+", printed.getvalue()))
        facts = {"seed": self.seed, "before": before, "after": after}
        return pa.Table.from_pylist([facts | row for row in recorder.rows])


def draw(rows, axes):
    """Draw each seed's curve and their mean."""
    seeds = sorted({row["seed"] for row in rows})
    curves = [[row["reward"] for row in rows if row["seed"] == seed] for seed in seeds]
    steps = [row["steps"] for row in rows if row["seed"] == seeds[0]]
    colour = METHOD_STYLES[0].colour
    for curve in curves:
        axes.plot(steps, curve, color=colour, alpha=0.25, linewidth=1.0)
    axes.plot(steps, np.mean(curves, axis=0), color=colour, linewidth=2.4)
    before = float(np.mean([row["before"] for row in rows]))
    axes.axhline(before, color=MUTED, linewidth=1.0, linestyle="--")
    axes.text(steps[-1], before - 0.05, "untrained", color=MUTED, ha="right", fontsize=10)
    seconds = np.mean([max(row["seconds"] for row in rows if row["seed"] == seed) for seed in seeds])
    axes.set(xlabel="environment steps", ylabel="mean reward of 100 episodes", ylim=(0.0, 1.0), xlim=(0.0, steps[-1]))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    title = f"MaskablePPO on NanotubeDoping: {len(seeds)} seeds, {seconds:.0f} s each"
    axes.set_title(title, fontsize=11, color=INK)


def main():
    study = Study.from_command_line("learning-curve", __doc__, Settings(), QUICK)
    rows = study.rows([Training(study.settings, seed) for seed in range(study.settings.seeds)])
    last = {row["seed"]: row for row in rows}.values()
    figures = {name: estimate([row[name] for row in last]) for name in ("before", "after", "seconds")}
    study.write({"rows": rows, **{name: [each.mean, each.low, each.high] for name, each in figures.items()}})
    axes = new_axes()
    draw(rows, axes)
    study.picture("learning-curve.png", axes.figure.savefig)
    print_markdown(("figure", "mean [95 % interval]"), [(name, f"{each:.2f}") for name, each in figures.items()])


if __name__ == "__main__":
    main()
