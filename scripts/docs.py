"""Write the pages that are made of code and results; `--check` only compares.

These are docs/characterization-accuracy.md (scripts/accuracy_page.py), and the environments' pages,
docs/environments/NAME.md, with their index. A page of an environment holds its docstring, its spaces, its picture
(scripts/studies/readme/pictures.py), its scores (scripts/studies/environments.py), and what makes it hard, which is
written here.
"""

import json
import sys
from inspect import getdoc
from pathlib import Path

import accuracy_page  # beside this script
import gymnasium as gym

import matgym  # noqa: F401  # registers the environments
from matgym.agents.experts import EXPERTS
from matgym.registration import SPECS, variant_id

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "environments"
SCORES = ROOT / "docs" / "results" / "environments.json"
FILES = {"matgym/Experiments-v0": {"data": "scripts/studies/reference/bowl.csv"}}
"""Files, below the root of the repository, that an environment cannot be made without."""

ARGUMENTS = {identity: {name: str(ROOT / file) for name, file in files.items()} for identity, files in FILES.items()}
"""The same as arguments of the environment."""

NOTE = "<!-- made by scripts/docs.py -->"

POLICIES = ("random", "look-up", "expert", "blind", "trained")

HARD = {
    "matgym/NanotubeDesign-v0": (
        "Atoms act on several properties at once, tubes differ, and each episode asks for something else: an agent "
        "that sees neither the properties of its unfinished tube nor a score before the end has to know them. A search "
        "that asks the same surrogates, thousands of designs a second, needs no agent; "
        "`python -m scripts.studies.briefs` compares them."
    ),
    "matgym/NanotubeImprovement-v0": (
        "The agent is told what each single change does, so that greedy changes go far. What is left is a sequence: "
        "several changes that only together help, which atom to take away, and which one to move. "
        "Look-up in a table of random designs, one for each tube, meets most briefs of level medium; at level hard it "
        "needs thousands of designs. "
        "`python -m scripts.studies.amortised` compares the policies on tubes that training did not see, and verifies "
        "designs by the oracles."
    ),
    "matgym/NanotubeDoping-v0": (
        "There are 10²⁴ designs, the gap depends on the order of all atoms, and large gaps are rare among random "
        "designs. `doping-easy` has 9,523 different designs "
        "and no target; `targets`, the default, asks for another gap in each episode; `doping` asks for the largest "
        "gap. The last two are searches for one design: nothing is observed that changes between episodes."
    ),
    "matgym/NanotubeChirality-v0": (
        "Four choices, but three targets at once, which depend on whole numbers: neighbouring (n, m) have different "
        "gaps. Looking up the best of all tubes is cheap and exact, so that a trained agent has no advantage here. "
        "There is one level: the table is small and complete."
    ),
    "matgym/NanotubeIsotopes-v0": (
        "The effect of a heavy ring depends on the distances to all other ones. All episodes are the same problem, so "
        "that a search for one design is enough. `isotope-rings` has 65,536 designs, `isotope-sites` 27,720."
    ),
    "matgym/NanotubeThermoelectric-v0": (
        "Most edits scatter electrons and phonons alike, and only few arrangements raise ZT. All episodes are the same "
        "problem. `thermoelectric-easy` has a table; in `thermoelectric` a design takes half a second, so that "
        "evaluations are few. The scores of this level were not measured, for the same reason."
    ),
    "matgym/CVDGrowth-v0": (
        "Haste early costs catalyst late, and neither the catalyst nor the reactor is observed. At `easy` every run "
        "has the same reactor, so that one schedule is enough. At `medium` reactors differ, but one schedule is nearly "
        "as good as any controller. At `hard` they differ so much that the best schedules differ as well: a controller "
        "has to find out from the height which reactor it has."
    ),
    "matgym/CVDRecipe-v0": (
        "Twenty noisy experiments in eight dimensions, on a reactor that is unknown at `medium` and `hard`. At `easy` "
        "one recipe is the best for all campaigns; at `hard` the best recipes of reactors differ most. A reward counts "
        "only improvements, so that good first experiments are worth most."
    ),
    "matgym/Experiments-v0": (
        "Few noisy experiments on an unknown function. The table and the budget set the difficulty, so that there is "
        "one level; make it harder by a smaller `experiments`."
    ),
    "matgym/FilmAnnealing-v0": (
        "Heat heals defects and makes crystallites grow, so that small targets leave defects. Hidden particles hold "
        "boundaries back until they evaporate. At `easy` there are no particles; at `hard` the films at the start, the "
        "particles and the targets vary more."
    ),
}
"""What makes each environment hard."""


def score(estimate):
    """A mean with its interval, as text; one seed has no interval."""
    mean, low, high = estimate
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]" if low < high else f"{mean:.2f}"


def shown(space):
    """Return a space as short text: of a box the least and the largest bound."""
    if isinstance(space, gym.spaces.Dict):
        return ", ".join(f"{name}: {shown(each)}" for name, each in space.items())
    if isinstance(space, gym.spaces.Box):
        return f"Box({space.low.min():g}, {space.high.max():g}, {space.shape}, {space.dtype})"
    return str(space)


def standing(spec, scores):
    """Return the section on scores of a page."""
    rows = []
    for level, arguments in spec.levels.items():
        row = scores.get((spec.id, level), {"scores": {}})
        cells = [score(row["scores"][policy]) if policy in row["scores"] else "" for policy in POLICIES]
        given = ", ".join(f"`{name}={value!r}`" for name, value in arguments.items())
        rows.append(f"| {level} | {given} | {' | '.join(cells)} |")
    trained = next((row for (name, _), row in scores.items() if name == spec.id and "steps" in row), None)
    how = f" Trained: {trained['algorithm']}, {trained['steps']:,} steps." if trained else ""
    return (
        f"## Scores\nMean return of an episode. Expert: {EXPERTS[spec.id].description}.{how} The [index](README.md) "
        f"explains the columns.\n\n| level | arguments | {' | '.join(POLICIES)} |\n|{'---|' * (len(POLICIES) + 2)}\n"
        + "\n".join(rows)
        + "\n"
    )


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
    table = "\n".join(f"| {fact} | {value} |" for fact, value in facts.items())
    picture = FOLDER.parent / "images" / "environments" / f"{name}.gif"
    image = f"![One episode of {name}](../images/environments/{name}.gif)\n\n" if picture.exists() else ""
    return (
        f"# `{spec.id}`\n\n{NOTE}\n\nReference. [All environments](README.md) · [Documentation](../README.md)\n\n"
        f"{image}| | |\n|---|---|\n{table}\n\n{getdoc(type(env.unwrapped))}\n"
        f"\n## What makes it hard\n{HARD[spec.id]}\n\n{standing(spec, scores)}"
    )


def index(scores, made):
    """Return the text of the index."""
    rows, table = [], []
    for spec in SPECS:
        name = spec.id.removeprefix("matgym/")
        summary = getdoc(gym.envs.registration.load_env_creator(spec.entry_point)).partition("\n")[0]
        rows.append(f"| [`{spec.id}`]({name}.md) | {summary} |")
        for level in spec.levels:
            row = scores.get((spec.id, level), {"scores": {}})
            cells = [score(row["scores"][policy]) if policy in row["scores"] else "" for policy in POLICIES]
            table.append(f"| [{name}]({name}.md) | {level} | {' | '.join(cells)} | {row.get('seeds', '')} |")
    return (
        f"# Environments\n\n{NOTE}\n\nReference. [Documentation](../README.md)\n\n"
        "| environment | what an agent does |\n|---|---|\n"
        + "\n".join(rows)
        + "\n\n## Scores\n"
        + made
        + f"\n\n| environment | level | {' | '.join(POLICIES)} | seeds |\n|{'---|' * (len(POLICIES) + 3)}\n"
        + "\n".join(table)
        + "\n"
    )


def standings(scores):
    """Return in how many levels the trained agent is better than random actions, and as good as the expert."""

    def least(other, margin):
        return sum(each["trained"][0] - each[other][0] >= margin for each in scores)

    return (
        f"The trained agent is better than random actions on {least('random', 1e-9)} of {len(scores)} levels, and at "
        f"least as good as the scripted expert on {least('expert', 0.0)}."
    )


def pages():
    """Yield path and text of every page."""
    results = json.loads(SCORES.read_text(encoding="utf-8")) if SCORES.exists() else {"environments": []}
    scores = {(row["environment"], row["level"]): row for row in results["environments"]}
    made = "There are no scores yet: `python -m scripts.studies.environments` measures them."
    if scores:
        made = (
            "The mean return of an episode: random actions; look-up, the nearest of as many random designs as the "
            "training of the agent scored, for tasks with targets; the scripted expert; a blind policy, which sees the "
            "clock only; and the trained agent. If the blind policy is as good as the others, there is nothing to gain "
            "from looking. Figures are interquartile means over seeds, with 95 % bootstrap intervals, of "
            f"{results['settings']['episodes']} episodes each that training did not see; a figure of one seed has no "
            f"interval. Empty cells were not measured. `{results['command']}` measured them on {results['machine']}. "
            f"{standings([row['scores'] for row in results['environments']])}"
        )
    for spec in SPECS:
        yield FOLDER / f"{spec.id.removeprefix('matgym/')}.md", page(spec, scores)
    yield FOLDER / "README.md", index(scores, made)
    yield accuracy_page.page()


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
