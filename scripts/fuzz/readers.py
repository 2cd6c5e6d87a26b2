"""Valid files of every kind, and what reads each of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.structures import Nanotube, tube_lattice
from matgym.structures.io import read, write


def make_valid(folder: Path) -> None:
    """Write one valid file of each kind."""
    from ase.io import write as write_atoms

    from matgym.agents.storage import save_agent
    from matgym.benchmark.runner import run_suite
    from matgym.benchmark.suite import Suite
    from matgym.data import Dataset
    from matgym.structures.io import to_atoms
    from matgym.surrogates import load, load_card
    from matgym.surrogates.store import save

    tube = Nanotube(8, 0, 2).decorated({0: "B", 9: "N", 20: "vacancy"}).turned((5, 37))
    plain = Nanotube(5, 3, 1).strained(0.01)
    for name, one in (("tube.extxyz", tube.decorated({3: "13C"})), ("tube.cif", tube), ("tube.vasp", plain)):
        write(folder / name, one)
    write(folder / "tube.data", tube)
    foreign = to_atoms(plain)
    for name in ("tube.pdb", "tube.gen", "tube.json", "tube.traj"):
        write_atoms(folder / name, foreign)
    shutil.copy(_source("data/shipped/nanotube-doping.parquet"), folder / "whole.parquet")
    Dataset.load(folder / "whole.parquet").take(np.arange(0, 400, 20)).save(folder / "small.parquet")
    (folder / "whole.parquet").unlink()
    for name, source in (
        ("suite.yml", "benchmark/suites/quick.yml"),
        ("fit.yml", "surrogates/configs/nanotube-doping.yml"),
        ("process.yml", "processes/sequences/configs/cvd-growth.yml"),
    ):
        shutil.copy(_source(source), folder / name)
    (folder / "generator.yml").write_text(
        "epochs: 3\nkey: gap_ev\nspecies: [B, N]\nsize: {noise: 8}\n", encoding="utf-8"
    )
    family = {"n": 8, "m": 0, "cells": 2, "samples": 4, "strain": [0.0, 0.01], "stone_wales": 1}
    spec = {"name": "small", "properties": ["gap"], "families": [family], "largest_share": 0.1}
    (folder / "spec.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    rows = [f"{x},{'ab'[x % 2]},{x * x / 7}" for x in range(24)]
    (folder / "table.csv").write_text("\n".join(["x,kind,y", *rows]) + "\n", encoding="utf-8")
    card = load_card("nanotube-doping")
    save(load("nanotube-doping"), folder / "surrogate.safetensors", data=card.data, fit=card.fit, command="none")
    for name, agent in _agents().items():
        save_agent(agent, folder / f"{name}.safetensors", environment="matgym/CVDRecipe-v0", arguments={})
    for name, source in (
        ("heat", "surrogates/weights/nanotube-heat"),
        *((name, f"generative/weights/{name}") for name in ("gan", "vae", "diffusion")),
        ("growth", "processes/sequences/weights/cvd-growth"),
    ):
        for suffix in (".safetensors", ".json"):
            shutil.copy(_source(source + suffix), folder / f"{name}{suffix}")
    make_onnx(folder / "sum.onnx")
    suite = {"name": "small", "search": {"tasks": ["isotope-rings"], "methods": ["random"], "budget": 4, "seeds": 2}}
    run_suite(Suite.model_validate(suite), folder / "results", workers=1)


def _agents() -> dict[str, Any]:
    import gymnasium as gym
    from stable_baselines3 import DQN, PPO, SAC

    env, discrete = gym.make("matgym/CVDRecipe-v0"), gym.make("matgym/NanotubeDoping-v0")

    def small(kind: Any, env: Any, **settings: int) -> Any:
        return kind("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, device="cpu", **settings)

    return {
        "agent": small(PPO, env),
        "sac": small(SAC, env, buffer_size=100),
        "dqn": small(DQN, discrete, buffer_size=100),
    }


def make_onnx(path: Path) -> None:
    """Write a network of one convolution, and a sum over the raster."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from matgym.surrogates.raster import CHANNELS

    weights = np.random.default_rng(0).normal(size=(1, CHANNELS, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceSum", ["r", "axes"], ["y"], keepdims=0),
    ]
    initial = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes")]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("B", CHANNELS, "H", "W"))
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("B",))
    graph = helper.make_graph(nodes, "sum", [given], [found], initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def _source(name: str) -> Path:
    import matgym

    return Path(matgym.__file__).parent / name


# ---- what reads them


def _structure(path: Path) -> None:
    tube = read(path)
    str(tube), tube.key  # what every command asks


def _dataset(path: Path) -> None:
    from matgym.cli.data import info
    from matgym.data import Dataset

    data = Dataset.load(path)
    list(data.batch)
    info(str(path), json=True)


def _suite(path: Path) -> None:
    from matgym.benchmark.planning import plan
    from matgym.benchmark.suite import Suite

    plan(Suite.read(path))


def _fit(path: Path) -> None:
    from matgym.learning.config import read_config
    from matgym.surrogates.fitting import FitConfig

    read_config(FitConfig, path)


def _process(path: Path) -> None:
    from matgym.learning.config import read_config
    from matgym.processes.sequences.fitting import ProcessConfig

    read_config(ProcessConfig, path)


def _generator_config(path: Path) -> None:
    from matgym.generative.store import read_generator_config

    for model in ("gan", "vae", "diffusion"):
        read_generator_config(model, path)


def _specification(path: Path) -> None:
    from matgym.data import read_specification

    read_specification(str(path))


def _table(path: Path) -> None:
    from matgym.processes.campaigns.experiments import Experiments
    from matgym.tasks.experiments import ExperimentTask

    data = Experiments.read(path)
    data.averaged, data.noise, data.sum  # noqa: B018
    data.at(np.zeros((1, len(data.columns))))
    if len(data) <= 100:  # larger ones take their time, rightly
        task = ExperimentTask.of(data, model="gp")
        task.score(task.carry_out(np.zeros((2, len(data.columns))))[0])


def _surrogate(path: Path) -> None:
    from matgym.surrogates import load

    load(path.with_suffix(".safetensors")).predict([Nanotube(8, 0, 2), Nanotube(5, 5, 2).decorated({0: "B", 7: "N"})])


def _results(path: Path) -> None:
    from matgym.benchmark.leaderboard import leaderboard_rows
    from matgym.benchmark.results import Results

    leaderboard_rows(Results.read(path.parent))


def _loaded_agent(path: Path) -> None:
    from matgym.agents.storage import load_agent

    agent = load_agent(path.with_suffix(".safetensors"))
    agent.predict(agent.observation_space.sample())


def _generator(path: Path) -> None:
    from matgym.generative.store import load_generator
    from matgym.tasks import decoration_task

    generator = load_generator(path.with_suffix(".safetensors"))
    space = decoration_task(lattice=tube_lattice(8, 0, 2), budget={"B": 2, "N": 2}).space
    generator.sample(space, np.array([0.5, 1.0]), np.random.default_rng(0))


def _sequences(path: Path) -> None:
    from matgym.processes.sequences.learned import load_sequences

    found = load_sequences(path.with_suffix(".safetensors"))
    controls, start = np.zeros((2, 3, len(found.control_names))), np.zeros((2, len(found.start_names)))
    found.predict(controls, start, np.zeros((2, len(found.outcome_names))))


def _onnx(path: Path) -> None:
    from matgym.surrogates import OnnxModel

    OnnxModel(path, "gap_ev").predict([Nanotube(8, 0, 2), Nanotube(5, 5, 2).decorated({0: "B", 7: "N"})])


READERS: Final[dict[str, Callable[[Path], None]]] = {
    "tube.extxyz": _structure, "tube.cif": _structure, "tube.vasp": _structure, "tube.data": _structure,
    "tube.pdb": _structure, "tube.gen": _structure, "tube.json": _structure, "tube.traj": _structure,
    "small.parquet": _dataset, "suite.yml": _suite, "fit.yml": _fit, "process.yml": _process,
    "generator.yml": _generator_config, "spec.json": _specification, "table.csv": _table, "suite.json": _results,
    "sum.onnx": _onnx,
}  # fmt: skip
"""By name of a file of one part."""

WEIGHTS: Final[dict[str, Callable[[Path], None]]] = {
    "surrogate": _surrogate, "heat": _surrogate, "agent": _loaded_agent, "sac": _loaded_agent, "dqn": _loaded_agent,
    "gan": _generator, "vae": _generator, "diffusion": _generator, "growth": _sequences,
}  # fmt: skip
"""By name of a file of weights with its card."""
