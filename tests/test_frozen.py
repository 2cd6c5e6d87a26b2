"""Arrays that leave value objects are read-only; shared results are kept by bytes."""

import copy
import gc
import pickle
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from inspect import get_annotations
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import matgym
from matgym.agents.controllers.shooting import Schedule
from matgym.frozen import ValueObject, array_bytes, cached_by_bytes, read_only
from matgym.physics import predict
from matgym.physics.mechanics.strength import Strength
from matgym.physics.registry import PROPERTIES
from matgym.processes.campaigns.columns import TextColumn
from matgym.processes.campaigns.experiments import Experiments
from matgym.processes.sequences.runs import Runs
from matgym.structures import Nanotube, TubeBatch, tube_lattice
from matgym.structures.edits import DefectEdits
from matgym.structures.lattice import TubeLattice

KINETIC_STATES = {"Film"}
"""Models whose property of two arrays is computed anew at every access."""


def classes() -> list[type]:
    """All public classes of matgym."""
    found: list[type] = []
    for module in pkgutil.walk_packages(matgym.__path__, "matgym."):
        if module.name.rpartition(".")[2].startswith("_") or module.name.startswith("matgym.cli"):
            continue
        members = vars(import_module(module.name)).values()
        own = [cls for cls in members if isinstance(cls, type) and cls.__module__ == module.name]
        found += [cls for cls in own if not cls.__name__.startswith("_")]
    return found


def array_fields(cls: type) -> set[str]:
    """The names of fields whose annotation is of arrays."""
    named: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        named |= get_annotations(base)
    return {name for name, kind in named.items() if is_of_arrays(kind) and not name.startswith("_")}


def array_properties(cls: type) -> set[str]:
    """The names of properties that return arrays."""
    found = set()
    for name in dir(cls):
        member = getattr(cls, name, None) if not name.startswith("_") else None
        function = {property: "fget", cached_property: "func"}.get(type(member))
        if function and is_of_arrays(getattr(member, function).__annotations__.get("return", "")):
            found.add(name)
    return found


def is_of_arrays(annotation: Any) -> bool:
    text = str(annotation)
    return bool(re.search(r"Array\b|NDArray|ndarray", text)) and "Callable" not in text and "csr" not in text


def arrays_of(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays_of(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays_of(part)


VALUE_CLASSES = [cls for cls in classes() if issubclass(cls, ValueObject) and cls is not ValueObject]


@pytest.fixture(scope="module")
def live() -> dict[type, list[Any]]:
    """Up to three objects of each class that exist after episodes of every environment, and after physics."""
    kept: list[Any] = [Nanotube(8, 0, 2).decorated({0: "B", 9: "vacancy"}), Nanotube(8, 0, 4).turned((0, 64))]
    kept += [TubeBatch.of(kept), tube_lattice(7, 5, 1), Strength(), DefectEdits(tube_lattice(8, 0, 4), {"SW": 1})]
    kept.append(predict([Nanotube(8, 0, 1).decorated({0: "N"})], [name for name in PROPERTIES if name != "strength"]))
    yields = Experiments._of(  # as `read` makes it of a table
        "own",
        [TextColumn("own", "flow", tuple(map(str, range(12))))],
        TextColumn("own", "yield", tuple(str(i * i) for i in range(12))),
        "maximize",
    )
    for name in [spec for spec in gym.registry if spec.startswith("matgym/")]:
        env = gym.make(name, **({"data": yields} if "Experiments" in name else {}))
        env.reset(seed=0)
        env.action_space.seed(0)
        kept += [env, env.step(env.action_space.sample())]
    gc.collect()
    found: dict[type, list[Any]] = {}
    for item in gc.get_objects():
        if issubclass(type(item), ValueObject) and len(found.setdefault(type(item), [])) < 3:
            found[type(item)].append(item)
    return found


def test_frozen_dataclasses_with_arrays_are_value_objects() -> None:
    writable = [
        cls.__qualname__
        for cls in classes()
        if is_dataclass(cls)
        and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        and (array_fields(cls) or array_properties(cls))
        and not issubclass(cls, ValueObject)
        and cls.__name__ not in KINETIC_STATES
    ]
    assert writable == []


def test_arrays_of_live_objects_are_read_only_also_in_copies(live: dict[type, list[Any]]) -> None:
    assert {Nanotube, TubeBatch, TubeLattice} <= set(live)
    assert len(live) >= 15, sorted(cls.__name__ for cls in live)
    checked = 0
    for cls, objects in live.items():
        for original in objects:
            for item in (original, *copies_of(original)):
                for name in {*vars(item), *array_properties(cls)}:
                    for array in arrays_of(getattr(item, name, None)):
                        checked += 1
                        assert not array.flags.writeable, f"{cls.__qualname__}.{name}"
    assert checked > 200


def copies_of(original: Any) -> list[Any]:
    copies = [copy.copy(original)]
    for deep in (copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))):  # noqa: S301  # our own
        try:
            copies.append(deep(original))
        except (pickle.PicklingError, AttributeError, TypeError, ValueError):  # models that hold functions or sessions
            continue
    return copies


@pytest.mark.parametrize("cls", VALUE_CLASSES, ids=lambda cls: cls.__name__)
def test_no_class_can_be_unpickled_with_writable_arrays(cls: type) -> None:
    if cls is TubeLattice:  # holds three numbers
        return
    item: Any = cls.__new__(cls)
    names = {field.name for field in fields(cls)} if is_dataclass(cls) else {"species"}  # type: ignore[arg-type]
    item.__setstate__({name: {"key": np.zeros(3)} for name in names} | {"extra": (np.zeros(1), 2)})
    given = [array for value in vars(item).values() for array in arrays_of(value)]
    assert len(given) > len(names)
    assert not any(array.flags.writeable for array in given)


@pytest.mark.parametrize("cls", [cls for cls in VALUE_CLASSES if "__post_init__" in vars(cls)], ids=str)
def test_own_checks_of_a_class_do_not_replace_those_of_value_objects(cls: type) -> None:
    assert "__post_init__" in vars(cls)["__post_init__"].__code__.co_names


def test_the_fault_of_0_1_is_gone() -> None:
    tube = Nanotube(8, 0, 2)
    before = float(predict([tube], ["gap"])["gap_ev"][0])
    with pytest.raises(ValueError, match="read-only"):
        tube.bonds[:] = 0
    for copied in (copy.copy(tube), copy.deepcopy(tube), pickle.loads(pickle.dumps(tube))):  # noqa: S301  # our own
        with pytest.raises(ValueError, match="read-only"):
            copied.species[:] = 3
        with pytest.raises(ValueError, match="read-only"):
            copied.bonds[:] = 0
    assert float(predict([Nanotube(8, 0, 2)], ["gap"])["gap_ev"][0]) == before
    assert pickle.loads(pickle.dumps(tube.lattice)) is tube.lattice  # noqa: S301  # our own


def test_the_callers_array_stays_writable_and_copied_ones_apart() -> None:
    own = np.zeros(3)
    assert not read_only(own).flags.writeable
    assert read_only(own).base is own
    kept = read_only({"gap_ev": own}, copy=True)
    own[0] = 1.0
    assert kept["gap_ev"].tolist() == [0.0, 0.0, 0.0]


def test_a_cache_by_bytes_forgets_before_it_holds_more() -> None:
    forgotten: list[int] = []

    @cached_by_bytes(size=lambda number: 1_000_000 * number, forget=forgotten.append, limit=10_000_000)
    def same(number: int) -> int:
        calls.append(number)
        return number

    calls: list[int] = []
    assert [same(3), same(3), same(4), same(3)] == [3, 3, 4, 3]
    assert calls == [3, 4]
    same(5)  # 12 MB together
    assert forgotten == [3, 4]
    assert same(3) == 3
    assert calls == [3, 4, 5, 3]


def test_lattices_are_kept_by_bytes() -> None:
    held = []
    for n in range(100, 124):
        lattice = tube_lattice(n, n - 1, 1)  # about 120,000 sites: 14 MB of arrays
        held.append(lattice)
        _ = lattice.neighbours, lattice.site_fractions, lattice.home_cells
    assert array_bytes(held) < 128 * 2**20
    assert held[0].bonds.shape == (3 * held[0].n_cells, 3)  # computed again


def test_objects_that_users_make_of_their_arrays_copy_them() -> None:
    controls = np.zeros((3, 4))
    schedule = Schedule(controls, 0.0, converged=True)
    outcomes = np.zeros((2, 3, 1))
    runs = Runs(("a",), (), ("b",), np.zeros((2, 3, 1)), np.zeros((2, 0)), np.zeros((2, 1)), outcomes)
    controls[:], outcomes[:] = 1.0, 1.0  # the caller's arrays stay writable
    assert not schedule.controls.any()
    assert not runs.outcomes.any()
