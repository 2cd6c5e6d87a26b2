"""Moving pictures: an agent at work for the README, and one or more episodes of every environment for its page.

`python -m scripts.studies.readme.pictures` trains an agent on `matgym/NanotubeDoping-v0` for a minute or two, lets it
and others that are at hand act, and writes docs/images/agent.gif and docs/images/environments/NAME.gif.

Who acts: the scripted expert on NanotubeDesign, NanotubeImprovement and FilmAnnealing; the trained agent on
NanotubeDoping; on NanotubeChirality and NanotubeIsotopes, the best design of the table of all; on
NanotubeThermoelectric, the best known one; on CVDGrowth, the predictive controller; on CVDRecipe and Experiments, a
Gaussian process of Optuna.
"""

import json
import time
from dataclasses import dataclass
from importlib.resources import files

import gymnasium as gym
import numpy as np
import optuna
from PIL import Image
from sb3_contrib import MaskablePPO

import matgym  # noqa: F401  # registers the environments
from matgym.agents.controllers.predictive import PredictiveController
from matgym.agents.experts import expert_of
from matgym.agents.sb3 import make_agent
from matgym.agents.scripted import Alone
from matgym.envs.pictures import design_frame
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import measured
from matgym.tasks import decoration_task
from matgym.tasks.experiments import ExperimentTask
from matgym.viz.canvas import rgb
from matgym.viz.palette import ALARM, INK, MUTED, RULE, SPECIES_COLOURS, TARGET, VACANCY_EDGE, VALUE
from matgym.viz.processes import GASES
from scripts.studies.common import Study

COLOURS = 200  # of a GIF, besides those that are named
WHITE = 247  # what is nearly white would tint the ground
AT_WORK, AT_END = 220, 2200  # milliseconds of a frame


@dataclass(frozen=True)
class Settings:
    """What is played."""

    training_steps: int = 300_000
    targets_ev: tuple[float, ...] = (0.25, 0.40, 0.15)
    campaign: str = "fullerenes"
    only: tuple[str, ...] = ()  # environments; all where there are none


QUICK = Settings(4096, (0.3,), only=("NanotubeDoping-v0", "CVDRecipe-v0"))


def palette_of(frames):
    """The colours that stand for something, exactly, and those in between as the frames have them."""
    named = [INK, MUTED, RULE, ALARM, VALUE, TARGET, VACANCY_EDGE, *SPECIES_COLOURS.values(), *dict(GASES).values()]
    exact = [value for colour in named for value in rgb(colour)]
    sample = np.concatenate([frames[i] for i in np.linspace(0, len(frames) - 1, 6).astype(int)])
    between = Image.fromarray(sample).quantize(COLOURS, method=Image.Quantize.MEDIANCUT).getpalette()
    return exact + [255 if value > WHITE else value for value in between]


def save_gif(path, frames, at_work=AT_WORK, ends=()):
    """Frames as a GIF of one palette; those numbered in `ends`, and the last one, are held."""
    palette = Image.new("P", (1, 1))
    palette.putpalette(palette_of(frames))
    quantized = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    held = {*ends, len(frames) - 1}
    times = [AT_END if i in held else at_work for i in range(len(frames))]
    quantized[0].save(
        path, format="GIF", save_all=True, append_images=quantized[1:], duration=times, loop=0, optimize=True
    )


def play(env, act, *, seed, options=None):
    """The frames of one episode, by a function of observations to actions."""
    observation, _ = env.reset(seed=seed, options=options)
    frames, done = [env.render()], False
    while not done:
        observation, _, terminated, truncated, _ = env.step(act(observation))
        frames.append(env.render())
        done = terminated or truncated
    return frames


def joined(episodes):
    """Frames of episodes one after the other, and the numbers of those that end one."""
    return [frame for each in episodes for frame in each], (np.cumsum([len(each) for each in episodes]) - 1).tolist()


# ---- designs


def trained(study):
    """The agent, trained unless it was before."""
    file = study.folder / "agent.zip"
    if not file.exists():
        agent = make_agent("MaskablePPO", decoration_task(), 0)
        began = time.process_time()
        agent.learn(study.settings.training_steps)
        print(f"trained for {time.process_time() - began:.0f} s of one core")
        file.parent.mkdir(parents=True, exist_ok=True)
        agent.save(file)
    return MaskablePPO.load(file, device="cpu")


def agent_at_work(agent, settings):
    """The agent's episodes; the gap that the reward's own network predicts is shown after every atom."""
    env = gym.make("matgym/NanotubeDoping-v0").unwrapped
    model, key = env.task.objective.model, env.task.objective.key
    episodes = []
    for seed, target in enumerate(settings.targets_ev):
        observation, _ = env.reset(seed=seed, options={"target_ev": target})
        frames, so_far, done = [], [], False
        while not done:
            so_far.append(float(model.predict([env.tube])[key][0]))
            frames.append(design_frame(env.episodes, 0, so_far))
            action, _ = agent.predict(observation, action_masks=env.action_masks(), deterministic=True)
            observation, reward, done, _, info = env.step(action)
        frames.append(design_frame(env.episodes, 0, [*so_far, info["objectives"][key]]))
        print(f"target {target:.3f} eV, predicted {info['objectives'][key]:.3f} eV, reward {reward:.3f}")
        episodes.append(frames)
    return joined(episodes)


def choices_of(env, target=None):
    """The best of all designs of a space of choices, choice by choice."""
    task = env.task
    designs = np.concatenate(list(task.space.enumerate()))
    targets = np.zeros((len(designs), 0)) if target is None else np.tile(target, (len(designs), 1))
    best = designs[task.score(designs, targets).reward.argmax()]
    return iter(best.tolist())


def chirality():
    env = gym.make("matgym/NanotubeChirality-v0", render_mode="rgb_array")
    episodes = []
    for target in ((0.8, 1.1, 4.0), (0.3, 0.8, 6.5), (1.1, 0.7, 2.0)):
        chosen = choices_of(env.unwrapped, np.array(target))
        episodes.append(play(env, lambda _, chosen=chosen: next(chosen), seed=0, options={"target": target}))
    return joined(episodes)


def isotopes():
    env = gym.make("matgym/NanotubeIsotopes-v0", render_mode="rgb_array")
    chosen = choices_of(env.unwrapped)
    return joined([play(env, lambda _: next(chosen), seed=0)])


def thermoelectric():
    env = gym.make("matgym/NanotubeThermoelectric-v0", render_mode="rgb_array")
    edits = env.unwrapped.task.space.edits
    design = np.array(json.loads((files("matgym.tasks") / "optima" / "thermoelectric.json").read_text())["design"])
    actions = [
        k * edits.n_sites + int(i) for k, code in enumerate(edits.species) for i in np.flatnonzero(design == code)
    ]
    chosen = iter(actions)
    return joined([play(env, lambda _: next(chosen), seed=0)])


# ---- processes


def growth():
    env = gym.make("matgym/CVDGrowth-v0", render_mode="rgb_array")
    found = json.loads((files("matgym.tasks") / "optima" / "growth-schedule.json").read_text())["design"]
    controller = PredictiveController(env.unwrapped.task, np.reshape(found, (-1, 4)), np.random.default_rng(0))
    return joined([play(env, controller.act, seed=3)])


class Asking:
    """A Gaussian process of Optuna, told what was measured, on actions in [-1, 1]."""

    def __init__(self, inputs, seed):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(direction="maximize", sampler=optuna.samplers.GPSampler(seed=seed))
        self.space = {f"x{i}": optuna.distributions.FloatDistribution(-1.0, 1.0) for i in range(inputs)}
        self.made = 0
        self.trial = None

    def __call__(self, observation):
        if self.trial is not None:
            width = len(self.space) + 1
            self.study.tell(self.trial, float(observation[self.made * width - 1]))
        self.trial = self.study.ask(self.space)
        self.made += 1
        return np.array([self.trial.params[name] for name in self.space], dtype=np.float32)


def campaign(name, **arguments):
    env = gym.make(name, render_mode="rgb_array", **arguments)
    return joined([play(env, Asking(env.action_space.shape[0], 0), seed=3)])


def by_expert(name, seeds, options=None, **arguments):
    """Episodes of the scripted expert of an environment."""
    env = gym.make(f"matgym/{name}", render_mode="rgb_array", **arguments)
    episodes = []
    for seed in seeds:
        expert = Alone(expert_of(f"matgym/{name}").make())
        episodes.append(play(env, lambda seen, expert=expert: expert(env, seen), seed=seed, options=options))
    return joined(episodes)


def main():
    study = Study.from_command_line("readme", __doc__, Settings(), QUICK)
    settings = study.settings
    at_work = {}

    def doping():
        if not at_work:
            at_work["frames"] = agent_at_work(trained(study), settings)
        return at_work["frames"]

    def experiments():
        task = ExperimentTask(emulate(measured(settings.campaign), "trees"))
        return campaign("matgym/Experiments-v0", task=task)

    players = {
        "NanotubeDesign-v0": lambda: by_expert("NanotubeDesign-v0", (0, 1, 2)),
        "NanotubeImprovement-v0": lambda: by_expert("NanotubeImprovement-v0", (0, 1), level="medium"),
        "NanotubeDoping-v0": doping,
        "NanotubeChirality-v0": chirality,
        "NanotubeIsotopes-v0": isotopes,
        "NanotubeThermoelectric-v0": thermoelectric,
        "CVDGrowth-v0": growth,
        "CVDRecipe-v0": lambda: campaign("matgym/CVDRecipe-v0"),
        "Experiments-v0": experiments,
        "FilmAnnealing-v0": lambda: by_expert("FilmAnnealing-v0", (2,), {"target": 8.0}),
    }
    for name in settings.only or players:
        frames, ends = players[name]()
        slow = 900 if name == "NanotubeChirality-v0" else 450 if "Recipe" in name or "Experi" in name else AT_WORK

        def save(path, frames=frames, ends=ends, slow=slow):
            save_gif(path, frames, slow, ends)

        if name == "NanotubeDoping-v0":
            study.picture("agent.gif", save)
            frames, ends = frames[: ends[0] + 1], ends[:1]
            study.picture(f"environments/{name}.gif", lambda path, f=frames, e=ends: save_gif(path, f, AT_WORK, e))
            continue
        study.picture(f"environments/{name}.gif", save)


if __name__ == "__main__":
    main()
