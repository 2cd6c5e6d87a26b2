"""`matgym train` and `evaluate`: agents are trained, stored and measured beside random actions."""

import json
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from typer.testing import CliRunner

import matgym.agents
from matgym.agents.acting import Acts
from matgym.agents.storage import STORE, load_agent, save_agent
from matgym.agents.training import evaluated, learn, learner, opened
from matgym.cli import app
from matgym.data.builder import random_codoped
from matgym.errors import ConfigurationError, FormatError
from matgym.structures.io import write

MODULE = '''
import gymnasium as gym
import numpy as np


class Echo(gym.Env):
    """Pays the action that was asked for."""

    observation_space = gym.spaces.Box(0, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.wanted = int(self.np_random.integers(2))
        return np.array([self.wanted], np.float32), {}

    def step(self, action):
        return np.array([self.wanted], np.float32), float(action == self.wanted), True, False, {}


gym.register("mine/Echo-v0", entry_point=Echo)
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        found = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
        assert found.exit_code == 0, found.stderr
        return json.loads(found.stdout)

    return call


def test_an_agent_of_an_imported_module_learns_and_beats_random(run, tmp_path):
    (tmp_path / "echo_module.py").write_text(MODULE)
    made = run("train", "echo_module:mine/Echo-v0", "--algo", "A2C", "--steps", "3000", "--output", "agent.zip")
    assert made["steps"] >= 3000
    assert not made["tuned"]
    found = run("evaluate", "agent.zip", "--trust", "--episodes", "40")
    agent, random = found["policies"]
    assert (agent["policy"], random["policy"]) == ("A2C", "random")
    assert agent["returns"]["mean"] > 0.9 > random["returns"]["high"]
    assert agent["verified"] is None


def test_a_module_that_an_agent_names_runs_only_if_trusted(run, tmp_path):
    module = tmp_path / "named_module.py"
    module.write_text(MODULE.replace("mine/Echo-v0", "named/Echo-v0"))
    run("train", "named_module:named/Echo-v0", "--algo", "A2C", "--steps", "64", "--output", "agent")
    module.write_text("from pathlib import Path\nPath('it-ran').touch()\n")
    sys.modules.pop("named_module")
    refused = CliRunner().invoke(app, ["evaluate", "agent", "--episodes", "2"])
    assert refused.exit_code == 1
    assert "Python would run the module named_module" in " ".join(str(refused.exception or refused.stderr).split())
    assert not (tmp_path / "it-ran").exists()


def test_designs_are_verified_by_physics_on_the_same_seeds(run):
    words = ("--num-envs", "8", "--arg", "n=8", "--arg", "m=0", "--arg", "cells=2", "--arg", "budget={B: 1, N: 1}")
    made = run("train", "matgym/NanotubeDoping-v0", "--algo", "MaskablePPO", "--steps", "64", "--output", "out", *words)
    assert made["tuned"]
    assert made["agent"] == "out/agent.safetensors"
    assert STORE.load_card("out/agent.safetensors").arguments == {
        "n": 8,
        "m": 0,
        "cells": 2,
        "budget": {"B": 1, "N": 1},
    }
    found = run("evaluate", "out", "--episodes", "6")
    assert found == run("evaluate", "out", "--episodes", "6")  # seeded
    for row in found["policies"]:
        assert row["steps"] == 2.0
        assert row["unfinished"] == 0
        assert abs(row["verified"]["mean"] - row["returns"]["mean"]) < 0.3
        assert row["verified"]["low"] <= row["verified"]["mean"] <= row["verified"]["high"]


def test_verified_rewards_of_physics_itself_are_the_returns():
    arguments = {"n": 8, "m": 0, "cells": 2, "budget": {"B": 1, "N": 1}, "model": "oracle"}
    found = evaluated("matgym/NanotubeDoping-v0", arguments, None, 4, seed=3)
    assert found.verified is not None
    assert found.verified.mean == pytest.approx(found.returns.mean, abs=1e-9)


@pytest.mark.parametrize(
    ("environment", "algorithm", "arguments", "reason"),
    [
        ("matgym/NanotubeDoping-v0", "SAC", {}, "SAC cannot learn"),
        ("matgym/Nope-v0", "PPO", {}, "there is no environment"),
        ("no_such_module:X-v0", "PPO", {}, "No module named 'no_such_module'"),
        ("matgym/CVDRecipe-v0", "PPG", {}, "algorithm 'PPG' is unknown"),
        ("matgym/MO-CVDGrowth-v0", "PPO", {}, "has vector rewards"),
        ("matgym/CVDRecipe-v0", "PPO", {"nope": 1}, "nope"),
    ],
)
def test_what_cannot_be_learned_is_one_sentence(environment, algorithm, arguments, reason):
    with pytest.raises(ConfigurationError, match=reason) as caught:
        learner(environment, algorithm, seed=0, arguments=arguments)
    assert "\n" not in str(caught.value)


def test_an_interrupted_training_is_kept():
    agent, _ = learner("CartPole-v1", "PPO", seed=0)

    def stop(_done, _reward):
        raise KeyboardInterrupt

    assert not learn(agent, 10_000, stop)
    assert agent.num_timesteps == 2048


def test_an_agent_on_another_environment_is_an_error():
    agent, _ = learner("CartPole-v1", "PPO", seed=0)
    with pytest.raises(ConfigurationError, match="the agent observes"):
        evaluated("matgym/CVDRecipe-v0", {}, Acts(agent), 2, seed=0)


def test_arguments_need_not_be_given_to_store_an_agent(tmp_path):
    from stable_baselines3 import PPO

    agent = PPO("MlpPolicy", gym.make("matgym/CVDRecipe-v0"), policy_kwargs={"net_arch": [4]}, device="cpu")
    card = save_agent(agent, tmp_path / "a.safetensors", environment="matgym/CVDRecipe-v0")
    assert card.arguments == {}
    _, environment, arguments = opened(tmp_path / "a.safetensors")
    assert (environment, arguments) == ("matgym/CVDRecipe-v0", {})
    zeros = np.zeros(agent.observation_space.shape, np.float32)
    again = load_agent(tmp_path / "a.safetensors").predict(zeros, deterministic=True)[0]
    assert np.array_equal(again, agent.predict(zeros, deterministic=True)[0])


def test_an_output_that_cannot_be_written_is_told_before_the_training(run, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(FormatError, match="is a file, not a folder"):
        run("train", "CartPole-v1", "--steps", "1000000000", "--output", "file/agent.zip")
    with pytest.raises(FormatError, match="is a file"):
        run("train", "CartPole-v1", "--steps", "1000000000", "--tensorboard", "file")


@pytest.mark.parametrize("name", ["agent.pt", "agent.onnx", "folder/agent.safetensor"])
def test_an_output_with_another_suffix_is_an_error_before_the_training(run, tmp_path, name):
    with pytest.raises(ConfigurationError, match=r"ends in \.\w+: give a \.safetensors or \.zip file, or a folder"):
        run("train", "CartPole-v1", "--steps", "1000000000", "--output", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("algorithm", "steps", "done"),
    [
        ("PPO", "500", "2,048 steps instead of 500, to complete a rollout of 2,048 steps"),
        ("A2C", "15", "15 steps"),
        ("DQN", "15", "16 steps instead of 15, to complete a rollout of 4 steps"),
    ],
)
def test_the_end_line_says_how_many_steps_were_done_and_why(tmp_path, monkeypatch, algorithm, steps, done):
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["train", "CartPole-v1", "--algo", algorithm, "--steps", steps])
    assert found.exit_code == 0, found.stderr
    line = next(line for line in found.stdout.splitlines() if line.startswith(algorithm))
    assert line.partition("for it: ")[2].partition(", mean return")[0] == done


def test_failures_of_physics_are_one_sentence_for_each_reason_below_the_table():
    found = CliRunner().invoke(app, ["predict", "(1,0)x4"], catch_exceptions=False)
    sentences = [line for line in found.stdout.splitlines() if "gives no value of" in line]
    (electrons,) = [line for line in sentences if line.startswith("self-consistent π tight binding")]
    assert electrons.startswith("self-consistent π tight binding gives no value of gap: (1,0)x4 nanotube has")
    assert electrons.count("0.08 nm") == electrons.count("not valid below 0.6 nm") == 1
    assert len({line.partition(": ")[2] for line in sentences}) == len(sentences)


def test_predictions_stand_beside_physics_and_tell_the_domain(run, tmp_path):
    write(tmp_path / "tube.extxyz", random_codoped(11, 0, 3, 0.1, np.random.default_rng(0)))
    found = run("predict", str(tmp_path / "tube.extxyz"))
    of_gap = {row["surrogate"]: row for row in found["predictions"] if row["property"] == "gap_ev"}
    assert of_gap["nanotube-gap"]["level"] == "self-consistent π tight binding"
    row = of_gap["nanotube-doping"]
    assert row["level"] == "self-consistent π tight binding"
    assert abs(row["predicted"] - row["physics"]) < 5 * row["half_width"]
    assert row["in_domain"] is (row["distance"] <= 1.0)
    assert all(other["physics"] is None for other in run("predict", "(11,0)x3", "--no-physics")["predictions"])


def test_a_missing_agent_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "matgym.cli", "evaluate", str(tmp_path / "none.safetensors")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "there is no agent" in done.stderr
    assert "Traceback" not in done.stderr


def test_tuned_hyper_parameters_are_used_by_a_training(run, tmp_path):
    (tmp_path / "tuned_module.py").write_text(MODULE.replace("mine/Echo-v0", "tuned/Echo-v0"))
    words = ("tuned_module:tuned/Echo-v0", "--algo", "PPO")
    found = run("tune", *words, "--trials", "3", "--steps", "256", "--num-envs", "4", "--output", "best.yml")
    assert len(found["trials"]) == 3
    assert found["steps"] == sum(trial["steps"] for trial in found["trials"])
    best = found["trials"][found["best"]]
    made = run("train", *words, "--steps", "64", "--hyperparams", "best.yml", "--output", "agent")
    assert made["tuned"]
    assert STORE.load_card("agent/agent.safetensors").settings["gamma"] == best.get("gamma", 0.99)
    again = CliRunner().invoke(app, ["tune", *words, "--output", "best.yml"])
    assert "best.yml" in str(again.exception)


def test_shipped_agents_are_listed_loaded_and_played_by_name(run):
    agents = {agent["name"]: agent for agent in run("agents", "list")["agents"]}
    assert agents
    folder = STORE.shipped
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    for name, agent in agents.items():
        assert agent["designs"] > 0
        assert agent["seconds"] > 0
        scores = agent["scores"]
        assert scores["returns"][0] > scores["random"][2], name  # beyond the interval of random actions
        assert matgym.agents.load(name).num_timesteps == agent["steps"]
    found = run("evaluate", "isotopes", "--episodes", "4")
    assert found["policies"][0]["returns"]["mean"] > found["policies"][1]["returns"]["mean"]
    missing = CliRunner().invoke(app, ["evaluate", "nobody"])
    assert "matgym agents list" in str(missing.exception)
