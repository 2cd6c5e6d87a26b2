"""`matgym train`, `evaluate` and `agents list`: agents of Stable-Baselines3 on registered environments."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from matgym.cli.console import MAX_COUNT, Force, Json, print_note, print_result, progress
from matgym.errors import ConfigurationError, FormatError
from matgym.files import check_output, is_file, parse_yaml
from matgym.work import work_folder

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

app = typer.Typer(no_args_is_help=True, help="List the trained agents that come with matgym.")

FILE: Final = "agent.safetensors"
"""Name of an agent's file in a folder."""

ZOO: Final = Path(str(files("matgym"))) / "agents" / "zoo"
"""The folder of the agents that come with matgym."""

SUFFIXES: Final = (".safetensors", ".zip")
"""Suffixes of the files of agents."""

Arguments = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="NAME=VALUE", help="Argument of the environment, in YAML. Repeatable."),
]


def train(
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="Id of an environment. For your own environment: MODULE:ID.")
    ],
    algo: Annotated[str, typer.Option(help="Algorithm of Stable-Baselines3 or sb3-contrib.")] = "PPO",
    steps: Annotated[
        int, typer.Option(min=1, max=MAX_COUNT, help="Environment steps. The last rollout is completed.")
    ] = 100_000,
    output: Annotated[
        Path, typer.Option(help="Output: a .safetensors file, a Stable-Baselines3 .zip file, or a folder.")
    ] = Path(FILE),
    num_envs: Annotated[
        int, typer.Option(min=0, max=65_536, help="Number of parallel environments. 0: the tuned number, else 1.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed of the agent and the environments.")] = 0,
    arg: Arguments = None,
    imitate: Annotated[
        int, typer.Option(min=0, max=MAX_COUNT, help="Episodes of the scripted expert to imitate before the training.")
    ] = 0,
    hyperparams: Annotated[
        Path | None, typer.Option(help="Hyper-parameters in rl_zoo3's format, such as those of `matgym tune`.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard logs.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train an agent and save it. Uses tuned hyper-parameters if matgym has them. Ctrl-C stops and saves."""
    arguments, file = parsed(arg), _output_file(output)  # before the slow imports
    from matgym.agents.storage import check_storable
    from matgym.agents.training import imitated, learn, learner, rollout_of, settings_in

    find_modules()
    outputs = [file] if file.suffix == ".zip" else [file, file.with_suffix(".json")]
    for each in outputs:
        check_output(each)
    if tensorboard is not None:
        check_output(tensorboard, folder=True)
    settings = None if hyperparams is None else settings_in(hyperparams, environment)
    agent, tuned = learner(environment, algo, seed=seed, num_envs=num_envs, arguments=arguments, settings=settings)
    if file.suffix == ".safetensors":
        check_storable(agent, file, environment=environment, arguments=arguments)
    with work_folder(file, outputs=outputs, force=force) as work, progress() as show:
        show(f"{algo} on {environment}", 0, steps)

        def on_steps(done: int, reward: float) -> None:
            show(f"{algo} on {environment}", done, steps, f"mean return {reward:.3f}")

        copied = imitated(agent, environment, imitate, seed, show) if imitate else None
        finished = learn(agent, steps, on_steps, tensorboard)
        work.begin_output()
        store(agent, file, environment, arguments, imitate)
    if not finished:
        print_note("Note", "yellow", f"stopped after {agent.num_timesteps} of {steps} steps")
    recent = [float(episode["r"]) for episode in agent.ep_info_buffer or ()]
    content = {
        "agent": str(file), "algorithm": algo, "environment": environment, "arguments": arguments,
        "steps": agent.num_timesteps, "tuned": tuned, "finished": finished, "imitated": imitate,
        "recent_return": sum(recent) / len(recent) if recent else None,
    }  # fmt: skip
    kind = "tuned hyper-parameters" if tuned else "default hyper-parameters: none are tuned for it"
    trusted = " --trust" if file.suffix == ".zip" or ":" in environment else ""
    lines = [
        f"{algo}, {kind}: {agent.num_timesteps:,} steps"
        + (f" instead of {steps:,}, to complete {rollout_of(agent)}" if agent.num_timesteps > steps else "")
        + (f", mean return of the last {len(recent)} episodes {content['recent_return']:.3f}" if recent else ""),
        *(
            [f"  began with {imitate:,} episodes of the expert, mean return {copied.reward:.3f}"]
            if copied is not None
            else []
        ),
        f"  stored in {file}; next: matgym evaluate {file}{trusted}",
    ]
    print_result(content, lines=lines, json=json)


def evaluate(
    agent: Annotated[
        Path | None,
        typer.Argument(help="File or folder that `matgym train` wrote, or a name of `matgym agents list`."),
    ] = None,
    expert: Annotated[
        bool, typer.Option("--expert", help="The scripted expert of --env, instead of an agent.")
    ] = False,
    episodes: Annotated[int, typer.Option(min=2, max=100_000, help="Number of episodes.")] = 50,
    env: Annotated[str, typer.Option(help="Environment, if not the training environment.")] = "",
    arg: Arguments = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Random seed of the first episode.")] = 1_000_000,
    stochastic: Annotated[bool, typer.Option(help="Sample actions instead of taking the most likely action.")] = False,
    trust: Annotated[
        bool, typer.Option(help="Allow .zip files, and environments in modules. Both can run any code.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare the mean return of an agent, or of the scripted expert, with that of random actions.

    Physics verifies the designed tubes.
    """
    from dataclasses import asdict

    if expert == (agent is not None):
        raise ConfigurationError("give either an agent, or --expert and --env")
    file = None if agent is None else agent_file(agent)
    if file is not None and not is_file(file):  # before the slow imports
        raise FormatError(
            f"there is no agent {file}: give a file or a folder that `matgym train` wrote, or a name of "
            "`matgym agents list`"
        )
    from matgym.agents.acting import Acts
    from matgym.agents.experts import expert_of
    from matgym.agents.scripted import Alone
    from matgym.agents.training import evaluated, opened

    find_modules()
    policies: dict[str, Acts | Alone | None] = {"random": None}
    if file is None:
        if stochastic or trust:
            raise ConfigurationError("--stochastic and --trust have no effect on a scripted expert: leave them out")
        environment, arguments = env, parsed(arg)
        policies = {"expert": Alone(expert_of(env).make(), seed), **policies}
    else:
        made, environment, arguments = opened(file, trust=trust)
        environment, arguments = env or environment, parsed(arg) if arg or env else arguments
        policies = {type(made).__name__: Acts(made, deterministic=not stochastic), **policies}
        if not environment:
            raise ConfigurationError(f"{file} does not name its environment: give --env")
    rows = []
    with progress() as show:
        for name, policy in policies.items():
            show(name, 0, episodes)

            def on_episode(done: int, name: str = name) -> None:
                show(name, done, episodes)

            rows.append(
                {"policy": name} | asdict(evaluated(environment, arguments, policy, episodes, seed, on_episode))
            )
    shown = [
        {"policy": row["policy"], "mean return": _interval(row["returns"]), "steps": f"{row['steps']:.1f}"}
        | ({"verified by physics": _interval(row["verified"])} if row["verified"] else {})
        for row in rows
    ]
    content = {
        "agent": "expert" if file is None else str(file), "environment": environment, "arguments": arguments,
        "episodes": episodes, "seed": seed, "policies": rows,
    }  # fmt: skip
    title = f"{environment}, {episodes} episodes, means with 95 % intervals"
    plain = [
        {"policy": row["policy"], "steps": row["steps"]}
        | {f"{of}_{part}": value for of in ("returns", "verified") for part, value in (row[of] or {}).items()}
        for row in rows
    ]
    print_result(content, (title, shown), csv_rows=plain, json=json)


def find_modules() -> None:
    """Add the working folder to the module path, so that MODULE:ID finds a module there; `matgym` starts without it."""
    if "" not in sys.path:
        sys.path.insert(0, "")


@app.command(name="list")
def list_agents(json: Json = False) -> None:
    """List the agents: where they were trained, on how many designs, and what they reach."""
    from matgym.agents.storage import STORE

    cards = {name: STORE.load_card(name) for name in STORE.names()}
    rows = [
        {
            "name": name, "environment": card.environment, "arguments": card.arguments, "algorithm": card.algorithm,
            "policy": card.policy, "designs": card.designs, "steps": card.timesteps, "seconds": card.seconds,
            "seed": card.seed, "scores": None if card.scores is None else card.scores.model_dump(),
        }
        for name, card in cards.items()
    ]  # fmt: skip
    shown = [
        {
            "name": name,
            "environment": card.environment.removeprefix("matgym/"),
            "algorithm": f"{card.algorithm}, {card.policy}",
            "designs": f"{card.designs:,}",
            "seconds": f"{card.seconds:.0f}",
        }
        | {
            column: "" if card.scores is None or (each := getattr(card.scores, field)) is None else _text(*each)
            for column, field in (("random", "random"), ("return", "returns"), ("verified by physics", "verified"))
        }
        for name, card in cards.items()
    ]
    plain = [{k: v for k, v in row.items() if k not in {"arguments", "scores"}} for row in rows]
    print_result(
        {"agents": rows}, ("trained agents, mean returns with 95 % intervals", shown), csv_rows=plain, json=json
    )


def agent_file(path: Path) -> Path:
    """Return the file of an agent: the path itself, `agent.safetensors` in that folder, or one that is shipped."""
    if not path.suffix and path.name == str(path) and not path.exists() and is_file(ZOO / f"{path}.safetensors"):
        return ZOO / f"{path}.safetensors"
    return path if path.suffix in SUFFIXES and not path.is_dir() else path / FILE


def _output_file(path: Path) -> Path:
    """Return the file for a new agent; see `agent_file`.

    Raises:
        ConfigurationError: if the path has a suffix that is not one of `SUFFIXES` and is not a folder.
    """
    if path.suffix and path.suffix not in SUFFIXES and not path.is_dir():
        raise ConfigurationError(
            f"--output {path} ends in {path.suffix}: give a .safetensors or .zip file, or a folder without a suffix"
        )
    return agent_file(path)


def store(agent: "BaseAlgorithm", file: Path, environment: str, arguments: dict[str, Any], imitated: int = 0) -> None:
    """Write an agent to a file atomically.

    Args:
        agent: the agent.
        file: a .zip file for the format of Stable-Baselines3, otherwise a .safetensors file.
        environment: id of the environment of the training.
        arguments: arguments of that environment.
        imitated: number of episodes of the expert that the agent imitated, for the card.
    """
    from matgym.agents.storage import save_agent, save_zip

    if file.suffix == ".zip":
        save_zip(agent, file, environment=environment, arguments=arguments)
    else:
        save_agent(agent, file, environment=environment, arguments=arguments, imitated=imitated)


def _interval(figures: dict[str, float]) -> str:
    return _text(figures["mean"], figures["low"], figures["high"])


def _text(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def parsed(pairs: list[str] | None) -> dict[str, Any]:
    """Return the arguments in texts of the form NAME=VALUE, with values in YAML.

    Raises:
        ConfigurationError: if a text has another form.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError(f"--arg {pair!r} must be NAME=VALUE, such as cells=4 or 'targets=[0.6, 1.0]'")
        try:
            arguments[name] = parse_yaml(text, f"--arg {name}")
        except FormatError as error:
            raise ConfigurationError(str(error)) from None
    return arguments
