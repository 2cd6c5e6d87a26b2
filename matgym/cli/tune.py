"""`matgym tune`: tune the hyper-parameters of an agent within a declared budget."""

from pathlib import Path
from typing import Annotated, Any

import typer

from matgym.cli.agents import Arguments, find_modules, parsed
from matgym.cli.console import MAX_COUNT, Force, Json, print_result, progress
from matgym.files import check_output


def tune(
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="Id of an environment. For your own environment: MODULE:ID.")
    ],
    algo: Annotated[str, typer.Option(help="Algorithm of Stable-Baselines3 or sb3-contrib.")] = "PPO",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Number of trainings.")] = 20,
    steps: Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Environment steps of one training.")] = 100_000,
    output: Annotated[Path, typer.Option(help="Output .yml file, in rl_zoo3's format.")] = Path("tuned.yml"),
    num_envs: Annotated[int, typer.Option(min=1, max=65_536, help="Number of parallel environments.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Random seed of the trials.")] = 0,
    arg: Arguments = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Tune hyper-parameters by training `trials` agents for `steps` steps each. The first trial has the stored ones."""
    arguments = parsed(arg)
    check_output(output, force=force)  # before the slow imports
    from matgym.agents.tuning import EPISODES, REPORTS, SEED, Trial, Tuning, write_settings

    find_modules()
    tuning = Tuning(environment, algo, steps, seed, num_envs, arguments)
    with progress() as show:
        show(f"{algo} on {environment}", 0, trials)
        scores: list[float] = []

        def on_trial(trial: Trial) -> None:
            scores.extend([] if trial.score is None else [trial.score])
            show(f"{algo} on {environment}", trial.number + 1, trials, f"best {max(scores):.3f}")

        best, done = tuning.run(trials, on_trial)
    spent = sum(trial.steps for trial in done)
    first = float(done[0].score or 0.0)
    command = f"matgym tune {environment} --algo {algo} --trials {trials} --steps {steps} --num-envs {num_envs}"
    command += f" --seed {seed}" + "".join(f" --arg '{name}={value}'" for name, value in arguments.items())
    comment = (
        f"{algo}, by `{command}`:\nmean return {best.score:.3f} in {EPISODES} episodes from seed {SEED}, "
        f"{first:.3f} of the first trial; {spent:,} steps in all."
    )
    write_settings(output, environment.rpartition(":")[2], best.settings, comment)
    rows: list[dict[str, Any]] = [
        {"trial": trial.number, "score": trial.score, "steps": trial.steps} | dict(trial.settings) for trial in done
    ]
    content = {
        "environment": environment, "algorithm": algo, "arguments": arguments, "steps": spent, "best": best.number,
        "output": str(output), "trials": rows,
    }  # fmt: skip
    lines = [
        f"{algo} on {environment}: mean return {best.score:.3f} by trial {best.number}, {first:.3f} by the first one",
        f"  {len(scores)} of {trials} trials were finished, others stopped by one of {REPORTS} checks; {spent:,} steps",
        f"  stored in {output}; next: matgym train {environment} --algo {algo} --hyperparams {output}",
    ]
    print_result(content, lines=lines, csv_rows=[{k: str(v) for k, v in row.items()} for row in rows], json=json)
