"""`matgym envs`: list the environments and describe them."""

import re
from inspect import cleandoc
from typing import Annotated, Any

import typer

from matgym.cli.console import Json, print_result
from matgym.errors import ConfigurationError, MatgymError

app = typer.Typer(no_args_is_help=True, help="List environments and describe them.")


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the environments: spaces, reward per step, steps of an episode, and variants."""
    import gymnasium as gym

    from matgym.registration import SPECS, variant_id

    rows = []
    for spec in SPECS:
        facts: dict[str, Any] = {"id": spec.id}
        try:
            env: Any = gym.make(spec.id)
        except MatgymError:  # an environment that needs the user's data
            facts |= dict.fromkeys(("action", "observed", "reward", "steps"), "by table")
        else:
            facts |= {
                "action": _in_words(env.action_space),
                "observed": _in_words(env.observation_space),
                "reward": _reward_bounds(env.unwrapped),
                "steps": int(env.unwrapped.episodes.steps),
            }
            env.close()
        rows.append(facts | {"variants": [variant_id(spec.id, variant) for variant in spec.variants]})
    shown = [row | {"variants": ", ".join(_short(name) for name in row["variants"])} for row in rows]
    print_result(
        rows,
        ("environments", shown),
        lines=["", "Variants: goal is matgym/NAMEGoal-v0; MO, multi-objective, is matgym/MO-NAME-v0."],
        json=json,
    )


@app.command()
def show(
    environment: Annotated[str, typer.Argument(metavar="ID", help="Id, such as matgym/NanotubeDoping-v0.")],
    json: Json = False,
) -> None:
    """Print an environment's documentation, spaces and arguments."""
    import gymnasium as gym

    from matgym.registration import SPECS, variant_id

    ids = {variant_id(spec.id, variant): spec for spec in SPECS for variant in ("", *spec.variants)}
    name = environment if environment in ids else f"matgym/{environment}"
    if name not in ids:
        raise ConfigurationError(f"there is no environment {environment!r}; the environments are {', '.join(ids)}")
    spec = ids[name]
    text = cleandoc(gym.envs.registration.load_env_creator(spec.entry_point).__doc__ or "")
    content: dict[str, Any] = {
        "id": name,
        "entry_point": spec.entry_point,
        "variants": [variant_id(spec.id, variant) for variant in spec.variants],
        "sections": _sections(text),
    }
    spaces = {}
    try:
        env: Any = gym.make(name)
    except MatgymError as error:
        spaces["needs arguments"] = str(error)
    else:
        spaces = {
            "action_space": str(env.action_space),
            "observation_space": str(env.observation_space),
            "reward": _reward_bounds(env.unwrapped),
            "steps": str(env.unwrapped.episodes.steps),
        }
        env.close()
    facts = [{"name": key.replace("_", " "), "value": value} for key, value in spaces.items()]
    print_result(content | spaces, (name, facts), lines=["", text], json=json)


def _sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring by heading; the text before the first heading is the summary."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"Summary": parts[0].strip()} | {
        title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _in_words(space: Any) -> str:
    """Return a short description of a space, such as "256 choices" or "259 numbers"."""
    kind = type(space).__name__
    if kind == "Discrete":
        return f"{space.n} choices"
    if kind == "Box":
        return "1 number" if space.shape == (1,) else f"{' × '.join(map(str, space.shape))} numbers"
    return kind


def _reward_bounds(env: Any) -> str:
    """Return the smallest and the largest reward of a step as text."""
    box = getattr(env, "reward_space", None)
    low, high = (env.episodes.reward_low, 1.0) if box is None else (float(box.low.min()), float(box.high.max()))
    return f"{low:g} to {high:g}"


def _short(name: str) -> str:
    return "MO" if "/MO-" in name else "goal"
