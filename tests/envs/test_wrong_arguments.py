"""Arguments and options of the wrong type, shape or size: one sentence that names them, before anything is made."""

import re
import subprocess
import sys
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
import yaml

import matgym
from matgym.envs.arguments import MOST_STEPS
from matgym.envs.design import DesignEnv, DesignVectorEnv
from matgym.errors import ConfigurationError, MatgymError
from matgym.registration import SPECS

D, C, I, T, G, R, X, F = (
    f"matgym/{name}-v0"
    for name in (
        "NanotubeDoping", "NanotubeChirality", "NanotubeIsotopes", "NanotubeThermoelectric", "CVDGrowth", "CVDRecipe",
        "Experiments", "FilmAnnealing",
    )
)  # fmt: skip

WRONG = [
    (D, {"targets": 5}),
    (D, {"targets": (1,)}),
    (D, {"targets": ("a", "b")}),
    (D, {"targets": (0, float("inf"))}),
    (D, {"targets": (1.0, 0.5)}),
    (D, {"instance": 5}),
    (D, {"task": "x"}),
    (D, {"n": "a"}),
    (D, {"n": -1}),
    (D, {"n": 3.5}),
    (D, {"n": True}),
    (D, {"cells": 0}),
    (D, {"cells": 10**12}),
    (D, {"n": 99999, "m": 12345}),
    (D, {"budget": 5}),
    (D, {"budget": {"B": "x"}}),
    (D, {"budget": {"B": 10**12}}),
    (D, {"budget": {"B": -1}}),
    (D, {"budget": {5: 1}}),
    (D, {"budget": {}}),
    (D, {"budget": {"Zz": 1}}),
    (D, {"model": 5}),
    (D, {"model": "nope"}),
    (D, {"reward": int}),
    (D, {"reward": 5}),
    (D, {"estimate": 5}),
    (D, {"initial_designs": 5}),
    (D, {"initial_designs": "nope"}),
    (D, {"removed": "a", "initial_designs": "random"}),
    (D, {"variant": 5}),
    (D, {"on_forbidden": 5}),
    (D, {"nope": 1}),
    (D, {"n": 0, "m": 0}),
    (C, {"model": 5}),
    (C, {"task": 5}),
    (C, {"reward": "x"}),
    (C, {"variant": "x"}),
    (I, {"instance": 5}),
    (I, {"n": 10**12}),
    (I, {"cells": 10**12}),
    (I, {"budget": {"13C": 10**12}}),
    (I, {"n": 1}),
    (T, {"n": -4}),
    (T, {"cells": "x"}),
    (T, {"budget": {"SW": 10**9}}),
    (T, {"budget": {"SW": 0}}),
    (G, {"minutes": "a"}),
    (G, {"minutes": 10**9}),
    (G, {"minutes": 0}),
    (G, {"minutes": 1.5}),
    (G, {"level": "x"}),
    (G, {"reward_type": "x"}),
    (F, {"level": 1}),
    (G, {"model": 5}),
    (G, {"model": "nope"}),
    (G, {"variant": 5}),
    (G, {"task": 5}),
    (G, {"minutes": float("nan")}),
    (R, {"experiments": 10**9}),
    (R, {"experiments": "a"}),
    (R, {"experiments": None}),
    (R, {"minutes": 10**9}),
    (R, {"model": 5}),
    (X, {}),
    (X, {"data": 5}),
    (X, {"data": "nope"}),
    (X, {"data": "hplc", "experiments": 10**9}),
    (X, {"data": "x.csv"}),
    (X, {"task": 5}),
    (X, {"data": "x.csv", "direction": 5}),
    (X, {"data": "x.csv", "model": 5}),
    (X, {"data": "x.csv", "log": "x"}),
    (F, {"observation": 5}),
    (F, {"dynamics": None}),
    (F, {"dynamics": 5}),
    (F, {"dynamics": "nope"}),
    (F, {"variant": None}),
    (F, {"task": 5}),
    (D, {"max_episode_steps": "a"}),
    (D, {"max_episode_steps": 0}),
    (D, {"max_episode_steps": 2.5}),
    (D, {"render_mode": "nope"}),
]
WRONG_BATCHES = [
    (D, {"num_envs": 10**12}),
    (D, {"num_envs": 0}),
    (D, {"num_envs": "a"}),
    (D, {"num_envs": 2.5}),
    (D, {"num_envs": 2**20}),
    (D, {"autoreset_mode": 5}),
    (D, {"nope": 1}),
    (D, {"targets": 5}),
    (G, {"num_envs": 10**5, "minutes": 10**4, "max_episode_steps": 10**5}),
    (R, {"num_envs": 10**5, "experiments": 10**4, "max_episode_steps": 10**5}),
    (F, {"num_envs": 10**6}),
    (D, {"max_episode_steps": "a"}),
]
WRONG_OPTIONS = [
    (C, {"target": 0.5}),
    (C, {"target": "a"}),
    (C, {"target": [1, 2]}),
    (C, {"target": [0.8, 1.1, np.nan]}),
    (C, 5),
    (C, "abc"),
    (C, {"target": [[0.8, 1.1, 4.0]] * 2}),
    (D, {"target_ev": "a"}),
    (D, {"target_ev": np.inf}),
    (D, {"target_ev": [0.2, 0.3]}),
    (D, {"target_ev": {}}),
    (G, {"reactor": 5}),
    (G, {"reactor": "abc"}),
    (G, {"reactor": [1, 1, 1, 1]}),
    (G, {"reactor": [1, 1, 1, 1, np.nan]}),
    (R, {"reactor": [[1]]}),
    (F, {"target": "a"}),
    (F, {"target": [1, 2]}),
    (F, {"target": np.nan}),
    (D, {"nope": 1}),
]


def refused(make):
    """The one sentence of an error, before which nothing large was allocated."""
    tracemalloc.start()
    try:
        with pytest.raises(MatgymError) as error:
            make()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**28, f"{peak} bytes before the check"
    message = str(error.value)
    assert "\n" not in message
    assert "make_task" not in message
    return message


@pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")
@pytest.mark.parametrize(("identity", "arguments"), WRONG, ids=str)
def test_wrong_arguments_are_named(identity, arguments):
    message = refused(lambda: gym.make(identity, **arguments))
    if len(arguments) == 1 and "is not right" in message:
        ((name, value),) = arguments.items()
        assert message.startswith(f"{name}={value!r} of ")


@pytest.mark.parametrize(("identity", "arguments"), WRONG_BATCHES, ids=str)
def test_wrong_arguments_of_batches_are_named(identity, arguments):
    refused(lambda: gym.make_vec(identity, **arguments))


@pytest.mark.parametrize(("identity", "options"), WRONG_OPTIONS, ids=str)
def test_wrong_options_of_reset_are_named(identity, options):
    """In 0.1 one target was put in the place of three."""
    refused(lambda: gym.make(identity).reset(seed=0, options=options))
    refused(lambda: gym.make_vec(identity, num_envs=3).reset(seed=0, options=options))


def test_numpy_and_yaml_values_are_what_they_stand_for():
    given = yaml.safe_load("{targets: [0.6, 1.1], budget: {B: 2, N: 2}}")
    env = gym.make(D, n=np.int64(10), cells=np.int32(1), **given)
    assert env.unwrapped.task.space.lattice.n == 10
    assert env.unwrapped.task.target_ranges.tolist() == [[0.6, 1.1]]


@pytest.mark.parametrize("make", [DesignEnv, DesignVectorEnv])
def test_environments_of_any_task_name_what_they_are_told(make):
    with pytest.raises(ConfigurationError, match="DesignEpisodes needs task: give task="):
        make()
    with pytest.raises(ConfigurationError, match="got an unexpected keyword argument 'varaint'; did you mean variant"):
        make(task=None, varaint="goal")
    with pytest.raises(ConfigurationError, match="task=5 of DesignEpisodes is not right: must be a DesignTask"):
        make(task=5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (0.5, "must be a list or a tuple"),
        ((1, 2, 3), "must have 2 entries, not 3"),
        ((), "entry 0 is missing and entry 1 is missing"),
        (("a", 1), "entry 0 must be a number"),
    ],
)
def test_pairs_say_what_is_wrong_in_our_words(values, said):
    with pytest.raises(ConfigurationError, match=f"values=.* of NanotubeDoping is not right: {said}$"):
        gym.make(
            "matgym/NanotubeDoping-v0", model=lambda tubes: [0.0] * len(tubes), direction="maximize", values=values
        )


# ---- lengths of episodes


@pytest.mark.parametrize(
    ("identity", "arguments", "length"),
    [(G, {}, 30), (G, {"minutes": 60}, 60), (R, {"minutes": 2, "experiments": 50}, 50), (F, {}, 30)],
)
def test_runs_end_by_themselves_whatever_their_length(identity, arguments, length):
    env = gym.make(identity, **arguments)
    env.reset(seed=0)
    ends = [env.step(np.zeros(env.action_space.shape, np.float32))[2:4] for _ in range(length)]
    assert ends == [(False, False)] * (length - 1) + [(True, False)]


def test_every_id_has_a_time_limit_and_longer_episodes_are_refused_with_the_fix():
    assert all(gym.spec(spec.id).max_episode_steps for spec in SPECS)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(ConfigurationError, match=r"takes 500 steps.*max_episode_steps=240: give max_episode_steps"):
            make(G, minutes=500)
        make(G, minutes=500, max_episode_steps=500)
    with pytest.raises(ConfigurationError, match=f"must be less than or equal to {MOST_STEPS}"):
        gym.make(G, minutes=MOST_STEPS + 1)


# ---- how environments are found


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium; gymnasium.make('matgym:matgym/NanotubeChirality-v0')",
        "import gymnasium, matgym; gymnasium.register_envs(matgym); gymnasium.make('matgym/NanotubeChirality-v0')",
        """from importlib.metadata import EntryPoint; import gymnasium
import sys, pathlib, tomllib
points = tomllib.loads(pathlib.Path(sys.argv[1]).read_text())["project"]["entry-points"]["gymnasium.envs"]
EntryPoint("__root__", points["__root__"], "gymnasium.envs").load()()
assert not {"torch", "scipy", "pydantic"} & set(sys.modules), "registering imports something heavy"
gymnasium.make("matgym/NanotubeChirality-v0")""",
    ],
)
def test_environments_are_found_without_more_ado(code):
    project = matgym.__path__[0].removesuffix("matgym") + "pyproject.toml"
    subprocess.run([sys.executable, "-W", "error", "-c", code, project], check=True)


@pytest.mark.parametrize(
    ("identity", "arguments", "said"),
    [
        ("CVDGrowth", {"model": 5}, "must be a SequenceSurrogate or the name or the .safetensors file of one"),
        (
            "FilmAnnealing",
            {"dynamics": 5},
            "must be a SequenceSurrogate or 'simulator', 'network' or a .safetensors file",
        ),
        (
            "Experiments",
            {"data": 5},
            "must be an Experiments, an Emulator, a Path or the name of a published campaign or of a CSV file",
        ),
        ("NanotubeDoping", {"budget": {"B": "a"}}, "entry 'B' must be a whole number"),
        ("NanotubeDoping", {"n": 2.5}, "must be a whole number"),
        ("CVDGrowth", {"level": 3}, "must be 'easy', 'medium' or 'hard'"),
    ],
    ids=str,
)
def test_what_an_argument_may_be_is_said_in_our_words(identity, arguments, said):
    with pytest.raises(ConfigurationError, match=f"{re.escape(said)}$"):
        gym.make(f"matgym/{identity}-v0", **arguments)
