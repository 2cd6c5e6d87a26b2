"""Calls of the public interface in Python with hostile values.

Types are right, as annotated; numbers, texts and arrays are what nobody should give.

Pydantic's models are made as users make them: its own error for a wrong field is as good as one of matgym's.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from scripts.fuzz.draws import REAL, WHOLE, Draw, doping_surrogate, gan, small_data, small_task, some_tubes
from scripts.fuzz.engine import Make
from scripts.fuzz.hostile import WORDS, pick

# ---- structures


def _nanotube(d: Draw) -> Any:
    from matgym.structures import Nanotube
    from matgym.structures.lattice import MAX_SITES, unit_sites

    n, m, cells = d.near(8, 5, 6), d.near(0, 5, 2), d.near(1, 2, 3)
    if 0 <= m <= n < 10**6 and n and 10**4 < cells * unit_sites(n, m) <= MAX_SITES:
        n, m, cells = 8, 0, 100  # keys of more sites take their time
    tube = Nanotube(n, m, cells, strain=d.near(0.0, 0.01), torsion=d.near(0.0, 0.01))
    return str(tube), tube.key


def _species(d: Draw) -> Any:
    from matgym.structures import Nanotube

    tube = Nanotube(8, 0, 2, species=d.array(64, whole=True, top=6).astype(pick(d.rng, (np.uint8, np.int64))))
    return str(tube), tube.key


def _edited(d: Draw) -> Any:
    tube = d.tube()
    kind = pick(d.rng, ("decorated", "strained", "twisted", "turned"))
    if kind == "decorated":
        return tube.decorated({d.near(0, 1, 9): pick(d.rng, (*WORDS, "B", "N", "C", 3, 5)) for _ in range(2)}).key
    if kind == "turned":
        return tube.turned((d.near(5, 0), d.near(37, 1))).key
    return getattr(tube, kind)(d.near(0.01, 0.0)).key


def _edits(d: Draw) -> Any:
    from matgym.structures import DefectEdits, SubstitutionEdits, lattice_edits, tube_lattice

    lattice = tube_lattice(8, 0, 2)
    kind = pick(
        d.rng,
        (
            lambda counts: SubstitutionEdits(d.near(64, 1), counts),
            lambda counts: lattice_edits(lattice, counts),
            lambda counts: DefectEdits(lattice, counts),
        ),
    )
    return kind({**d.counts(), **({"stone-wales": d.near(1, 2)} if d.rng.random() < 0.3 else {})})


def _io(d: Draw) -> Any:
    from matgym.structures import io

    folder = Path(f"calls-{os.getpid()}")
    kind = pick(d.rng, ("write", "parse", "export", "read"))
    if kind == "parse":
        return io.parse_design(d.near("(8,0)x2", "5,5", "(4,2)x1"))
    if kind == "export":
        return io.export(d.tube(), d.near("lammps", "vasp", "ovito", "vesta"), folder / "out")
    if kind == "read":
        return io.read(d.near("tube.cif", "x.cif"), pick(d.rng, (None, "cif", "extxyz", *WORDS)))
    path = folder / d.near("a.cif", "a.xyz", "a.data", "POSCAR")
    return io.write(path, d.tube(), pick(d.rng, (None, None, "cif", "lammps", *WORDS)))


def _atoms(d: Draw) -> Any:
    from ase import Atoms

    from matgym.structures import io

    atoms = io.to_atoms(pick(d.rng, some_tubes()[:4]))
    kind = pick(d.rng, ("positions", "cell", "numbers", "pbc", "info", "drop", "none"))
    if kind == "positions":
        atoms.positions[int(d.rng.integers(len(atoms))), int(d.rng.integers(3))] = pick(d.rng, REAL)
    elif kind == "cell":
        atoms.cell[2, 2] = pick(d.rng, REAL)
    elif kind == "numbers":
        atoms.numbers[0] = pick(d.rng, (0, 1, 5, 7, 300))
    elif kind == "pbc":
        atoms.pbc = pick(d.rng, (False, True, (True, False, False)))
    elif kind == "info":
        atoms.info[pick(d.rng, ("n", "m", "cells", "strain", "torsion", "stone_wales"))] = pick(
            d.rng, (*WHOLE, *REAL, "x", None, [1])
        )
    elif kind == "drop":
        del atoms[: int(d.rng.integers(len(atoms) + 1))]
    else:
        atoms = Atoms()
    return io.from_atoms(atoms)


# ---- models and physics


def _predictions(d: Draw) -> Any:
    from matgym.models import Predictions

    found = Predictions(
        {d.near("gap_ev"): d.array(3)}, {d.near("gap_ev"): {d.near(0, 1): d.near("why")}}, {"gap_ev": d.array(3)}
    )
    return found["gap_ev"]


def _settings_of_physics(d: Draw) -> Any:
    from matgym import physics

    def transport() -> Any:
        made = physics.PiTransport(temperature_k=d.near(300.0), mu_ev=d.near(0.0), tolerance_us=d.near(0.05))
        return made.predict([d.tube()])

    def thermoelectric() -> Any:
        made = physics.Thermoelectric(
            temperature_k=d.near(300.0), mu_range_ev=d.pairs(-1.0, 1.0), step_ev=d.near(0.05), frequencies=d.near(16)
        )
        return made.predict([d.tube()])

    def electrons() -> Any:
        parameters = physics.PiParameters(hopping_ev=d.near(2.7), harrison_exponent=d.near(2.0))
        return physics.PiElectrons(parameters).predict([d.tube()])

    kinds: tuple[Callable[[], Any], ...] = (
        lambda: physics.Conditions(d.near(300.0), pick(d.rng, (None, *REAL))),
        lambda: physics.PhononTransport(d.near(300.0), d.near(16, 128)).predict([d.tube()]),
        transport,
        thermoelectric,
        lambda: physics.Vibrations(d.near(300.0), d.near(1, 4)).predict([d.tube()]),
        lambda: physics.PristinePhonons(d.near(300.0), d.near(16, 128)).predict([d.tube()]),
        electrons,
        lambda: physics.Cost(d.near(1.0), d.near(64), d.near(3.0)),
        lambda: physics.Property(d.near("gap_ev", "mine"), d.near("eV")),
    )
    return pick(d.rng, kinds)()


def _physics(d: Draw) -> Any:
    from matgym import physics

    names = [d.near("gap", "fermi", "pi_formation", "conductance") for _ in range(int(d.rng.integers(0, 3)))]
    return physics.predict(d.tubes(), names, physics.Conditions(d.near(300.0)))


def _oracle(d: Draw) -> Any:
    from matgym import physics

    return physics.oracle_of(d.near("gap_ev", "zt", "young_gpa")), physics.parse_properties([d.near("gap", "zt")])


def _user_model(d: Draw) -> Any:
    import torch

    from matgym import surrogates

    answer = pick(
        d.rng,
        (
            d.array(2), d.array(2, 1), None, "x", 1.0, [1.0, 2.0], [None, 1.0], {"gap_ev": d.array(2)}, {},
            torch.ones(2),
            torch.full((2,), float("nan")), (), [[1.0], [2.0, 3.0]], iter([1.0, 2.0]), np.array(["a", "b"]), 1j,
            object(), torch.ones(2, requires_grad=True), np.ones((2, 1, 1)), [np.float16(1), 10**400],
        ),
    )  # fmt: skip
    tubes = [some_tubes()[0], some_tubes()[6]]
    if d.rng.random() < 0.4:
        return surrogates.FunctionModel(lambda _tubes: answer, pick(d.rng, (None, "gap_ev", ["gap_ev", "zt"]))).predict(
            tubes
        )
    if d.rng.random() < 0.5:
        module = torch.nn.Module()
        module.forward = lambda _x: answer  # type: ignore[method-assign]
        return surrogates.TorchModel(module, "gap_ev").predict(tubes)

    class Regressor:
        n_features_in_ = pick(d.rng, (0, 1, 6, 7, 10**9, -1))

        def fit(self) -> None:
            """Be one of scikit-learn's."""

        def predict(self, _x: Any) -> Any:
            return answer

    return surrogates.SklearnModel(Regressor(), "gap_ev").predict(tubes)


def _as_model(d: Draw) -> Any:
    from matgym import surrogates

    source = pick(
        d.rng,
        (
            "oracle",
            "nanotube-doping",
            "gap",
            "sum.onnx",
            "missing.onnx",
            "a.pt",
            "x.zip",
            Path("missing.safetensors"),
            *WORDS,
            5,
            None,
            int,
            object(),
        ),
    )
    return surrogates.as_model(source, d.near("gap_ev", "zt"))


def _surrogate(d: Draw) -> Any:
    found = doping_surrogate()
    if d.rng.random() < 0.3:
        return found.with_engine(d.near("torch", "onnxruntime"), d.near(1, 2))
    return found.predict(d.tubes())


def _fit_config(d: Draw) -> Any:
    from matgym.surrogates import FitConfig

    return FitConfig(
        properties=pick(d.rng, (("gap_ev",), (), ("gap_ev", "gap_ev"), ("x",))), network=d.near("resnet", "graph"),
        size=pick(d.rng, ({}, {"width": d.near(8)}, {"depth": d.near(2)}, {"x": 1}, {"channels": [d.near(4)]})),
        members=d.near(1), species=pick(d.rng, (("B", "N"), (), ("B", "B"), ("X",))), epochs=d.near(1),
        batch_size=d.near(8), learning_rate=d.near(1e-3), seed=d.near(0),
    )  # fmt: skip


# ---- tasks


def _objective(d: Draw) -> Any:
    from matgym.physics import GAP_EV, oracle_of
    from matgym.tasks import Constraint, Objective

    if d.rng.random() < 0.3:
        return Constraint(GAP_EV, oracle_of("gap_ev"), d.near(0.1))
    return Objective(
        GAP_EV,
        oracle_of("gap_ev"),
        d.near("target", "minimize"),
        d.near(0.0),
        d.near(1.0),
        d.near(1.0),
        weight=d.near(1.0),
    )


def _tasks(d: Draw) -> Any:
    from matgym.structures import tube_lattice
    from matgym.tasks import chirality_task, decoration_task, rings_task

    kind = pick(d.rng, ("decoration", "rings", "chirality"))
    if kind == "rings":
        return rings_task(
            n=d.near(10),
            rings=d.near(16),
            heavy=d.near("14C", "13C"),
            direction=d.near("minimize"),
            low=pick(d.rng, (None, *REAL)),
        )
    if kind == "chirality":
        return chirality_task(
            diameters_nm=d.pairs(0.6, 1.6),
            gaps_ev=d.pairs(0.0, 1.2),
            lengths_nm=d.pairs(0.5, 8.0),
            margins=(d.near(0.1), 0.1, 0.5),
        )
    return decoration_task(
        lattice=tube_lattice(8, 0, 2), budget=d.counts(), property=d.near("gap_ev", "pi_formation_ev"),
        direction=d.near("target", "maximize"), low=pick(d.rng, (None, *REAL)), high=pick(d.rng, (None, *REAL)),
        margin=pick(d.rng, (None, 0.1, *REAL)),
    )  # fmt: skip


def _scores(d: Draw) -> Any:
    task = small_task()
    count = int(d.rng.integers(0, 4))
    designs = task.space.sample(count, d.rng)
    targets = d.array(count) if d.rng.random() < 0.6 else np.full(count, 0.5)
    return pick(d.rng, (task.score, task.score, lambda designs, _targets: task.space.decode(designs)))(designs, targets)


# ---- data


def _dataset(d: Draw) -> Any:
    from matgym.models import Level

    data = small_data()
    return pick(
        d.rng,
        (
            lambda: data.take(d.array(3, whole=True, top=20)), lambda: data.values(d.near("gap_ev", "fermi_ev")),
            lambda: data.split(d.near("train", "test")), lambda: data.labelled([d.near("gap_ev")]),
            lambda: data.with_column(d.near("mine"), d.array(20), Level.TABLE), lambda: data.failures(d.near("gap_ev")),
            lambda: type(data).load(d.near("nanotube-doping", "x.parquet")),
        ),
    )()  # fmt: skip


def _specification(d: Draw) -> Any:
    from matgym.data import DatasetSpec, Family

    family = Family(
        n=d.near(8),
        m=d.near(0),
        cells=d.near(2),
        samples=d.near(4),
        strain=d.pairs(0.0, 0.01),
        stone_wales=d.near(0, 1),
    )
    return DatasetSpec(
        name=d.near("mine"),
        properties=(d.near("gap"),),
        families=(family,),
        temperature_k=d.near(300.0),
        largest_share=d.near(0.1),
        seed=d.near(0),
    ).digest


def _statistics(d: Draw) -> Any:
    from matgym import statistics

    name = pick(
        d.rng, ("estimate", "middle_mean", "optimality_gap", "probability_of_improvement", "interquartile_mean")
    )
    if name == "estimate":
        return statistics.estimate(d.numbers(5).tolist())
    if name == "probability_of_improvement":
        return statistics.probability_of_improvement(d.numbers(4, 2), d.numbers(4, 2))
    if name == "interquartile_mean":
        return statistics.interquartile_mean(d.numbers(4, 2), d.rng, d.near(50))
    return getattr(statistics, name)(d.numbers(4, 2))


# ---- processes


def _recipe(d: Draw) -> Any:
    from matgym.processes.growth.recipe import Stage, recipe_of, scaled_controls, two_stages

    if d.rng.random() < 0.3:
        return scaled_controls(d.array(2, 4)), two_stages(d.array(2, 8), d.near(30))
    return recipe_of(
        *(
            Stage(d.near(2, 20), d.near(705.0), d.near(150.0), d.near(0.0), d.near(0.0))
            for _ in range(int(d.rng.integers(0, 4)))
        )
    )


def _furnace(d: Draw) -> Any:
    from matgym.processes.growth.furnace import Furnace, Variation

    if d.rng.random() < 0.5:
        return Variation(
            diameter_nm=d.pairs(7.0, 13.0), covering=d.near(0.3), pyrolysis=d.near(0.5), leak_pa=d.near(5.0)
        )
    return Furnace(heating_lag_s=d.near(45.0), ramp_k_s=d.near(2.0), gas_lag_s=d.near(50.0))


def _film(d: Draw) -> Any:
    from matgym.processes.annealing.film import Film
    from matgym.processes.annealing.microstructure import voronoi

    if d.rng.random() < 0.5:
        return voronoi(d.near(16, 32), d.near(8), d.near(0, 4), d.rng)
    return Film(sweeps_s=d.near(0.25), mobility_ev=d.near(1.2), healing_ev=d.near(7.08), ramp_k_s=d.near(3.0))


def _experiments(d: Draw) -> Any:
    from matgym.processes.campaigns.emulator import emulate
    from matgym.processes.campaigns.experiments import Column, Experiments, measured

    if d.rng.random() < 0.2:
        return measured(d.near("suzuki"))
    columns = tuple(Column(f"c{k}", *d.pairs(-1.0, 1.0)) for k in range(pick(d.rng, (0, 1, 2, 2, 2))))
    data = Experiments("mine", columns, "y", d.near("maximize", "minimize"), d.array(14, 2), d.array(14))
    return emulate(data, d.near("gp"), log=bool(d.rng.random() < 0.2), seed=d.near(0)).predict(d.array(2, 2))


# ---- agents, generators, suites


def _search(d: Draw) -> Any:
    from matgym.agents import GeneticAlgorithm, ParallelTempering, Problem, RandomSearch, SimulatedAnnealing

    kind = pick(d.rng, (GeneticAlgorithm, ParallelTempering, RandomSearch, SimulatedAnnealing))
    optimizer = kind(Problem(small_task(), d.array() if d.rng.random() < 0.5 else np.array(0.5)), d.near(8, 16), d.rng)
    designs = optimizer.ask()
    optimizer.tell(designs, small_task().score(designs, np.full(len(designs), 0.5)))
    return optimizer.ask()


def _hyperparameters(d: Draw) -> Any:
    from matgym.agents.sb3 import constructor, hyperparameters, schedule

    return (
        hyperparameters(d.near("matgym/NanotubeDoping-v0"), d.near("PPO", "DQN")),
        constructor(d.near("PPO")),
        schedule(d.near("lin_0.1", "x")),
    )


def _generator(d: Draw) -> Any:
    return gan().sample(small_task().space, d.array(2), d.rng)


def _suite(d: Draw) -> Any:
    from matgym.benchmark import Suite

    track = {"tasks": [d.near("doping-easy")], "methods": [d.near("random")], "budget": d.near(4), "seeds": d.near(1)}
    return Suite.model_validate({"name": d.near("mine"), pick(d.rng, ("search", "amortised", "x")): track})


CALLS: Final[tuple[Callable[[Draw], Any], ...]] = (
    _nanotube, _species, _edited, _edits, _io, _atoms, _predictions, _settings_of_physics, _physics, _oracle,
    _user_model, _as_model, _surrogate, _fit_config, _objective, _tasks, _scores, _dataset, _specification,
    _statistics, _recipe, _furnace, _film, _experiments, _search, _hyperparameters, _generator, _suite,
)  # fmt: skip


def case_maker(seed: int, valid: Path) -> Make:
    """Return what makes cases; they run in the folder of valid files."""

    def make(case: int):
        rng = np.random.default_rng([seed, 5, case])
        call = pick(rng, CALLS)
        os.chdir(valid)
        os.environ["MATGYM_CACHE"] = "cache"
        return call.__name__.strip("_"), lambda: _called(call, rng)

    return make


def _called(call: Callable[[Draw], Any], rng: np.random.Generator) -> None:
    with suppress(ValidationError):
        call(Draw(rng))
