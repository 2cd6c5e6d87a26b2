"""Environments of processes: growth, recipes, experiments, annealing; scalar and batched are one."""

from functools import cache
from inspect import getdoc

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import matgym  # noqa: F401  # registers the environments
from matgym.errors import ConfigurationError, TableWarning, WeightsError
from matgym.processes.annealing.runs import annealing_runs
from matgym.processes.campaigns.emulator import emulate
from matgym.processes.campaigns.experiments import Column, Experiments
from matgym.processes.growth.furnace import STANDARD
from matgym.processes.growth.recipe import scaled_actions
from matgym.processes.growth.runs import growth_runs
from matgym.processes.sequences.fitting import SequenceConfig, fit_sequences
from matgym.tasks.annealing import AnnealingTask
from matgym.tasks.experiments import ExperimentTask
from matgym.tasks.growth import GrowthTask
from matgym.testing import check_env
from matgym.units import CELSIUS_K

SAME = 1e-9  # scalar against batch, and surrogates step by step against all at once


def quadratic():
    """Experiments on a bowl, with noise."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(-1.0, 1.0, (40, 2))
    columns = tuple(Column(name, -1.0, 1.0) for name in "ab")
    values = 3.0 - (inputs**2).sum(axis=1) + 0.01 * rng.standard_normal(40)
    return Experiments("bowl", columns, "height", "maximize", inputs, values)


@cache
def campaign():
    """A task on the bowl, whose ledger and all are shared: fitting takes seconds."""
    return ExperimentTask(emulate(quadratic(), "trees"))


@pytest.fixture(scope="module")
def surrogates():
    """Networks that learned next to nothing, which is enough for how they are used."""
    rng = np.random.default_rng(0)
    growth = growth_runs(40, rng), growth_runs(20, rng)
    films = {"steps": 4, "size": 16, "grains": (120, 121), "particles": (0.05, 0.1)}
    annealing = annealing_runs(20, rng, **films), annealing_runs(10, rng, **films)
    return {
        "growth": fit_sequences(*growth, SequenceConfig(width=8, depth=2, epochs=1)),
        "annealing": fit_sequences(*annealing, SequenceConfig("lstm", 8, 1, epochs=1)),
    }


SMALL = {"size": 36, "steps": 4}
ENVS = {
    "growth": ("matgym/CVDGrowth-v0", lambda _: {"minutes": 5}),
    "growth by network": ("matgym/CVDGrowth-v0", lambda s: {"minutes": 5, "model": s["growth"]}),
    "recipe": ("matgym/CVDRecipe-v0", lambda _: {"minutes": 5, "experiments": 3}),
    "recipe by network": ("matgym/CVDRecipe-v0", lambda s: {"experiments": 3, "model": s["growth"]}),
    "experiments": ("matgym/Experiments-v0", lambda _: {"task": campaign()}),
    "annealing": ("matgym/FilmAnnealing-v0", lambda _: {"task": AnnealingTask(**SMALL)}),
    "micrographs": ("matgym/FilmAnnealing-v0", lambda _: {"task": AnnealingTask(**SMALL), "observation": "image"}),
    "annealing by network": (
        "matgym/FilmAnnealing-v0",
        lambda s: {"task": AnnealingTask(**SMALL), "dynamics": s["annealing"]},
    ),
}


@pytest.mark.parametrize("name", ENVS)
def test_every_environment_passes_the_checks(name, surrogates):
    identity, arguments = ENVS[name]
    check_env(gym.make(identity, **arguments(surrogates)))


@pytest.mark.parametrize("name", ENVS)
def test_vector_and_sync_environments_give_the_same_trajectories(name, surrogates):
    identity, arguments = ENVS[name]
    given = arguments(surrogates)
    native = gym.make_vec(identity, num_envs=3, **given)
    sync = SyncVectorEnv([lambda: gym.make(identity, **given)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    np.testing.assert_array_equal(native.reset(seed=5)[0], sync.reset(seed=5)[0])
    native.action_space.seed(1)
    ended = 0
    for _ in range(12 if "experiments" not in name else 22):
        actions = native.action_space.sample()
        ours, theirs = native.step(actions), sync.step(actions)
        for a, b in zip(ours[:4], theirs[:4], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
        if ours[2].any():
            ended += 1
            for one, other in zip(theirs[4]["final_obs"], ours[4]["final_obs"], strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    np.testing.assert_allclose(one, other, atol=1e-6)
            for key, values in ours[4]["final_info"]["objectives"].items():
                if not key.startswith("_"):
                    np.testing.assert_allclose(theirs[4]["final_info"]["objectives"][key], values, rtol=1e-5, atol=SAME)
    assert ended


def test_growth_rewards_add_up_to_what_the_task_says_of_the_whole_run():
    env = gym.make("matgym/CVDGrowth-v0", level="easy")
    env.reset(seed=0, options={"reactor": STANDARD})
    action = scaled_actions(np.array([705.0, 150.0, 0.0, 10.0])).astype(np.float32)
    total, done = 0.0, False
    while not done:
        _, reward, done, _, info = env.step(action)
        total += reward
    controls = np.repeat(np.array([[705.0, 150.0, 0.0, 10.0]]), 30, axis=0)
    worth = GrowthTask(variation=None).run(controls[None], STANDARD)[0]
    assert info["objectives"]["objective"] == pytest.approx(worth, rel=1e-5)  # actions are float32
    assert 150.0 * total == pytest.approx(worth, rel=1e-5)
    assert info["cost"] == 0.0
    parts = info["objectives"]  # J is made of them, as the page of the environment says
    spoilt = min(8.0 * (parts["disorder"] + parts["amorphous"] / 10.0), 135.0)
    assert parts["yield_um"] - spoilt - 20.0 * parts["energy_kwh"] == pytest.approx(worth, rel=1e-5)


def test_scores_beyond_the_best_of_the_table_are_clipped_as_rewards_and_as_observations(monkeypatch):
    env = gym.make("matgym/Experiments-v0", task=campaign(), experiments=2).unwrapped
    monkeypatch.setattr(env.episodes, "carry_out", lambda *_: (np.array([1.5]), np.array([-1.5]), {}))
    env.reset(seed=0)
    observation, reward, *_, info = env.step(np.zeros(2, dtype=np.float32))
    assert reward == 1.0
    assert observation[2] == -1.0
    assert info["objectives"]["best"] == 1.5


def test_what_is_unsafe_costs():
    env = gym.make("matgym/CVDGrowth-v0", level="easy")
    env.reset(seed=0)
    hot = scaled_actions(np.array([950.0, 1000.0, 0.0, 0.0])).astype(np.float32)
    costs = [env.step(hot)[4]["cost"] for _ in range(10)]
    assert costs[0] == 0.0  # neither hot nor full of gas yet
    assert costs[-1] == 1.0


def test_growth_is_seen_only_through_its_instruments():
    """Catalysts look alike as long as nothing grows; then only the height and its change tell them apart."""
    seen = []
    for diameter, covering, pyrolysis in ((8.0, 0.5, 0.5), (12.0, 3.0, 2.0)):
        env = gym.make("matgym/CVDGrowth-v0")
        first, _ = env.reset(seed=3, options={"reactor": (diameter, covering, pyrolysis, 1.0, 5.0)})
        feeds = [0.0] * 8 + [400.0] * 12
        actions = [scaled_actions(np.array([750.0, feed, 0.0, 0.0])).astype(np.float32) for feed in feeds]
        seen.append([first, *(env.step(action)[0] for action in actions)])
    before, after = np.split(np.array(seen), [9], axis=1)
    np.testing.assert_array_equal(*before)
    differs = (after[0] != after[1]).any(axis=0)
    assert np.flatnonzero(differs).tolist() == [4, 5]
    assert abs(after[0, -1, 4] - after[1, -1, 4]) * 150.0 > 10.0  # µm: ten times the gauge's noise


@pytest.mark.parametrize(("entry", "quantity"), [(0, "temperature_k"), (4, "length_um")])
def test_documented_ranges_of_growth_are_the_ends_of_the_observation(entry, quantity):
    env = gym.make("matgym/CVDGrowth-v0").unwrapped
    env.reset(seed=0)
    env.episodes._noise[:] = 0.0
    env.episodes.reactor.offset_k[:] = 0.0
    table = getdoc(type(env)).split("## Observation Space")[1]
    row = next(line for line in table.splitlines() if line.startswith(f"| {entry} "))
    for documented, end in zip(row.split("|")[3:5], (-1.0, 1.0), strict=True):
        value = float(documented) + (CELSIUS_K if quantity == "temperature_k" else 0.0)
        getattr(env.episodes.state, quantity)[:] = value
        assert env.episodes.observe()[0, entry] == pytest.approx(end, abs=1e-6)
        # The end is not clipped: a little inside the range the observation is inside, too.
        getattr(env.episodes.state, quantity)[:] = value - 0.5 * end
        assert abs(env.episodes.observe()[0, entry]) < 1.0


def test_a_thermocouple_that_reads_high_leaves_the_furnace_too_cold():
    temperatures = []
    for offset in (0.0, 20.0):
        env = gym.make("matgym/CVDGrowth-v0")
        env.reset(seed=0, options={"reactor": (10.0, 1.0, 1.0, 0.0, offset)})
        for _ in range(20):
            env.step(scaled_actions(np.array([700.0, 0.0, 0.0, 0.0])).astype(np.float32))
        temperatures.append(env.unwrapped.episodes.state.temperature_k[0])
    assert temperatures[0] - temperatures[1] == pytest.approx(20.0, abs=0.1)


def test_campaigns_reward_what_is_better_than_before():
    env = gym.make("matgym/Experiments-v0", task=campaign(), experiments=4)
    env.reset(seed=0)
    corner, middle = np.full(2, 0.9, dtype=np.float32), np.zeros(2, dtype=np.float32)
    rewards = [env.step(action)[1] for action in (corner, middle, corner, middle)]
    assert rewards[1] > 0.3
    assert rewards[2] == rewards[3] == 0.0


def test_annealing_environments_say_what_is_wrong():
    with pytest.raises(ConfigurationError, match="observation='sound' is unknown"):
        gym.make("matgym/FilmAnnealing-v0", observation="sound")
    with pytest.raises(WeightsError, match="no weights 'nothing'"):
        gym.make("matgym/FilmAnnealing-v0", dynamics="nothing")
    env = gym.make("matgym/FilmAnnealing-v0", task=AnnealingTask(**SMALL))
    with pytest.raises(ConfigurationError, match="must lie between 0 and 20"):
        env.reset(options={"target": -1.0})


def test_growth_environments_say_what_is_wrong(surrogates):
    with pytest.raises(ConfigurationError, match="cannot predict growth rewards"):
        gym.make("matgym/CVDGrowth-v0", model=surrogates["annealing"])
    env = gym.make("matgym/CVDGrowth-v0")
    with pytest.raises(ConfigurationError, match="diameter_nm, covering"):
        env.reset(options={"reactor": (1.0, 2.0)})
    with pytest.raises(ConfigurationError, match="give either a task or data"):
        gym.make("matgym/Experiments-v0")
    with pytest.raises(ConfigurationError, match="experiments=0"):
        gym.make("matgym/CVDRecipe-v0", experiments=0)


def test_a_file_of_experiments_is_read_as_the_arguments_say(tmp_path):
    file = tmp_path / "mine.csv"
    rows = [f"{x},5;{x % 3};{x * x % 7};{'NA' if x == 4 else x}" for x in range(20)]
    file.write_text("flow;site;y;y2\n" + "\n".join(rows))
    options = {"target": "y2", "na": ["NA"], "decimal": ",", "delimiter": ";", "encoding": "utf-8", "model": "trees"}
    for more in ({"ignore": ["y"]}, {"inputs": np.array(["flow", "site"])}):
        with pytest.warns(TableWarning, match="1 of 20 rows were left out"):
            env = gym.make("matgym/Experiments-v0", data=str(file), categorical=["site"], **options, **more)
        data = env.unwrapped.episodes.task.data
        assert data.columns == (Column("flow", 0.5, 19.5), Column("site", 0.0, 2.0, ("0", "1", "2")))
        assert data.values.tolist() == [x for x in range(20) if x != 4]
    for name, value in {"inputs": "flow", "na": [1], "decimal": ";"}.items():
        with pytest.raises(ConfigurationError, match=f"^{name}=.* of ExperimentCampaign is not right"):
            gym.make("matgym/Experiments-v0", data=str(file), **{name: value})


def arguments_without_effect(surrogates):
    """Identity, arguments one of which has no effect, and what the error says."""
    table = quadratic()
    emulator = campaign().emulator
    growth = {"task": GrowthTask()}
    beside = "has no effect with task"
    for identity in ("matgym/CVDGrowth-v0", "matgym/CVDRecipe-v0"):
        for name, value in (("minutes", 30), ("level", "medium"), ("level", "easy"), ("model", "oracle")):
            yield identity, growth | {name: value}, f"{name} {beside}"
    of_file = {
        "target": "height", "direction": "maximize", "inputs": ["a"], "ignore": ["a"], "categorical": ["a"],
        "na": ["NA"], "decimal": ",", "delimiter": ";", "encoding": "latin-1",
    }  # fmt: skip
    given = {"data": table, **of_file, "model": "gp", "log": False}
    for name, value in given.items():
        yield "matgym/Experiments-v0", {"task": ExperimentTask(emulator), name: value}, f"{name} {beside}"
    for name, value in list(given.items())[1:]:
        yield "matgym/Experiments-v0", {"data": emulator, name: value}, f"{name}=.* has no effect on an emulator"
    for data, called in ((table, "a table in memory"), ("suzuki", "a published campaign")):
        for name, value in of_file.items():
            yield "matgym/Experiments-v0", {"data": data, name: value}, f"has no effect on {called}"
    films = "matgym/FilmAnnealing-v0"
    for network in ("network", surrogates["annealing"]):
        yield films, {"observation": "image", "dynamics": network}, 'observation="image" needs films with grains'
    yield films, {"observation": "image", "variant": "goal"}, "the goal variant observes statistics"
    yield "matgym/MO-CVDGrowth-v0", {"model": surrogates["growth"]}, "multi-objective rewards need the oracle"
    yield "matgym/CVDGrowth-v0", {"variant": "goal"}, "variant='goal' is none of plain, multi-objective"
    yield "matgym/CVDGrowth-v0", {"minute": 5}, "unexpected keyword argument 'minute'; did you mean minutes"


def test_arguments_without_effect_are_errors(surrogates):
    for identity, arguments, message in arguments_without_effect(surrogates):
        for make in (gym.make, gym.make_vec):
            with pytest.raises(ConfigurationError, match=message):
                make(identity, **arguments)


@pytest.mark.parametrize("name", ["matgym/CVDGrowth-v0", "matgym/FilmAnnealing-v0"])
def test_pictures_show_what_happens(name):
    """Hotter and longer: the picture of a run changes, as an (H, W, 3) uint8 array."""
    env = gym.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    for _ in range(8):
        env.step(np.array([0.3, *(-0.5 for _ in range(env.action_space.shape[0] - 1))], dtype=np.float32))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert (first != env.render()).any()
