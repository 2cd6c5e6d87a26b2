"""Write the environments' pages, docs/environments/NAME.md, and their index; `--check` only compares.

A page holds the environment's docstring, its spaces, its picture (scripts/studies/readme/pictures.py), and its scores
(scripts/studies/readme/scores.py).
"""

import json
import sys
from inspect import getdoc
from pathlib import Path

import gymnasium as gym

import matgym  # noqa: F401  # registers the environments
from matgym.registration import SPECS, variant_id

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "environments"
SCORES = ROOT / "docs" / "results" / "scores.json"
FILES = {"matgym/Experiments-v0": {"data": "scripts/studies/reference/bowl.csv"}}
"""Files, below the root of the repository, that an environment cannot be made without."""

ARGUMENTS = {identity: {name: str(ROOT / file) for name, file in files.items()} for identity, files in FILES.items()}
"""The same as arguments of the environment."""

NOTE = "<!-- made by scripts/docs.py -->"


def score(estimate):
    """A mean with its interval, as text."""
    mean, low, high = estimate
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def shown(space):
    """Return a space as short text: of a box the least and the largest bound."""
    if isinstance(space, gym.spaces.Dict):
        return ", ".join(f"{name}: {shown(each)}" for name, each in space.items())
    if isinstance(space, gym.spaces.Box):
        return f"Box({space.low.min():g}, {space.high.max():g}, {space.shape}, {space.dtype})"
    return str(space)


def page(spec, scores):
    """Return the text of one page."""
    env = gym.make(spec.id, **ARGUMENTS.get(spec.id, {}))
    episodes, name = env.unwrapped.episodes, spec.id.removeprefix("matgym/")
    files = FILES.get(spec.id, {})
    needed = "".join(f', {argument}="{file}"' for argument, file in files.items())
    alone, batched = f'gymnasium.make("{spec.id}"{needed})', f'gymnasium.make_vec("{spec.id}", num_envs=64{needed})'
    facts = {
        "Make": f"`{alone}`; natively batched: `{batched}`",
        "Actions": f"`{shown(env.action_space)}`",
        "Observations": f"`{shown(env.observation_space)}`",
        "Reward a step": f"{episodes.reward_low:g} to 1",
        "Steps an episode": f"{episodes.steps}; time limit {env.spec.max_episode_steps}",
        "Variants": ", ".join(f"`{variant_id(spec.id, variant)}`" for variant in spec.variants) or "none",
    }
    if files:
        facts["Example"] = "The picture and the rows below are of this table, which has two inputs"
    row = scores.get(spec.id)
    if row:
        facts["Mean return, random actions"] = score(row["random"])
        trained = f"{row['algorithm']}, {row['steps']:,} steps"
        facts["Mean return, trained"] = f"{score(row['trained'])}: {trained}"
    table = "\n".join(f"| {fact} | {value} |" for fact, value in facts.items())
    picture = FOLDER.parent / "images" / "environments" / f"{name}.gif"
    image = f"![One episode of {name}](../images/environments/{name}.gif)\n\n" if picture.exists() else ""
    return (
        f"# `{spec.id}`\n\n{NOTE}\n\nReference. [All environments](README.md) · [Documentation](../README.md)\n\n"
        f"{image}| | |\n|---|---|\n{table}\n\n{getdoc(type(env.unwrapped))}\n"
    )


def index(scores, made):
    """Return the text of the index."""
    rows = []
    for spec in SPECS:
        name = spec.id.removeprefix("matgym/")
        summary = getdoc(gym.envs.registration.load_env_creator(spec.entry_point)).partition("\n")[0]
        row = scores.get(spec.id)
        returns = [score(row[each]) for each in ("random", "trained")] if row else ["", ""]
        rows.append(f"| [`{spec.id}`]({name}.md) | {summary} | {returns[0]} | {returns[1]} |")
    return (
        f"# Environments\n\n{NOTE}\n\nReference. [Documentation](../README.md)\n\n"
        "| environment | what an agent does | mean return, random actions | mean return, trained |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\n{made}\n"
    )


def pages():
    """Yield path and text of every page."""
    results = json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.exists() else {"environments": []}
    scores = {row["environment"]: row for row in results["environments"]}
    made = "There are no scores yet: `python -m scripts.studies.readme.scores` measures them."
    if scores:
        made = (
            f"Mean returns have 95 % intervals over {results['settings']['seeds']} seeds, of "
            f"{results['settings']['episodes']} episodes each that training did not see. "
            f"`{results['command']}` measured them on {results['machine']}."
        )
    for spec in SPECS:
        yield FOLDER / f"{spec.id.removeprefix('matgym/')}.md", page(spec, scores)
    yield FOLDER / "README.md", index(scores, made)


def main():
    check = "--check" in sys.argv
    for path, text in pages():
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                sys.exit(f"{path} is not up to date: run scripts/docs.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
