"""One cell of a benchmark: a method, a task and a seed, run from what the cell holds alone, anywhere.

A cell's key holds a hash of everything that its figures depend on, so that a record is never taken for one of other
code, weights, tables or settings.
"""

import hashlib
import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from matgym.agents.policy import Policy
from matgym.benchmark.amortised import AMORTISED
from matgym.benchmark.methods import NamedMethod, algorithm_of
from matgym.benchmark.search import Search, search
from matgym.benchmark.suite import PolicySpec
from matgym.errors import ConfigurationError, ExecutionError
from matgym.physics.cache import PHYSICS_VERSION
from matgym.tasks import Cube, Designs, DesignTask
from matgym.tasks.instances import instance
from matgym.tasks.solved import SOLVED, optima_folder
from matgym.typing import FloatArray

LIBRARIES: Final = ("numpy", "scipy", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "optuna", "cmaes")
"""Whose versions a record depends on."""

SCHEMA: Final = pa.schema(
    [
        ("track", pa.string()),
        ("task", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("target_index", pa.int64()),
        ("evaluation", pa.int64()),
        ("believed_loss", pa.float64()),
        ("true_loss", pa.float64()),
        ("seconds", pa.float64()),
        ("surrogate", pa.int64()),
        ("oracle", pa.int64()),
        ("simulation", pa.int64()),
        ("audits", pa.int64()),
        ("training_seconds", pa.float64()),
        ("design", pa.list_(pa.float64())),
        ("described", pa.string()),
        ("xyz", pa.string()),
        ("identity", pa.string()),
        ("cell", pa.string()),
    ]
)
"""A row for every checkpoint of every target."""


@lru_cache
def versions() -> dict[str, str]:
    """Of matgym, its physics, and the libraries that figures depend on."""
    found = {"matgym": version("matgym"), "physics": str(PHYSICS_VERSION)}
    return found | {name: version(name) for name in LIBRARIES}


def digest(*contents: bytes) -> str:
    """Twelve hexadecimal digits of a hash."""
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]


def _task(name: str) -> DesignTask:
    return AMORTISED[name].make() if name in AMORTISED else instance(name).task()


@lru_cache
def source_digest(task: str) -> str:
    """Hash of what rewards an instance or an amortised task: the network's weights, or the table of all designs."""
    source = getattr(_task(task), "source", "oracle")
    if isinstance(source, str) and source.startswith(SOLVED):
        return digest((optima_folder() / f"{source.removeprefix(SOLVED)}.parquet").read_bytes())
    if isinstance(source, str) and source != "oracle":
        from matgym.surrogates.store import located

        return digest(located(source).read_bytes())
    return "physics"


@lru_cache
def task_digest(task: str) -> str:
    """Hash of a task's own settings, which their printed form holds all of."""
    return digest(repr(_task(task)).encode())


def checkpoints(budget: int) -> list[int]:
    """1, 2, 4 and so on, and the budget."""
    return sorted({2**power for power in range(budget.bit_length()) if 2**power <= budget} | {budget})


@dataclass(frozen=True)
class Cell(ABC):
    """What all cells have.

    Attributes:
        task: name of an instance, or of an amortised task.
        seed: of the method.
        identity: JSON of everything that the figures depend on.
    """

    task: str
    seed: int
    identity: str

    @property
    def key(self) -> str:
        """Name of its record."""
        return f"{self.task}-{self.name}-{self.seed}-{digest(self.identity.encode())}"

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the method."""

    @abstractmethod
    def run(self) -> pa.Table:
        """The record."""

    def check_versions(self) -> None:
        """Refuse to run where other versions are installed than where the cell was made: on a cluster, say.

        Raises:
            ExecutionError: if they differ.
        """
        wanted, here = json.loads(self.identity)["versions"], versions()
        for name, there in wanted.items():
            if here.get(name) != there:
                raise ExecutionError(f"{self.key} is for {name} {there}, but {here.get(name)} is installed here")


@dataclass(frozen=True)
class SearchCell(Cell):
    """A search of one instance.

    Attributes:
        method: that searches.
        budget: evaluations of the reward model.
    """

    method: NamedMethod
    budget: int

    @classmethod
    def of(cls, task: str, method: NamedMethod, seed: int, budget: int) -> "SearchCell":
        """A cell, with its identity."""
        return cls(task, seed, _identity(task, budget, {"method": asdict(method)}, method), method, budget)

    @property
    def name(self) -> str:
        """Of the method."""
        return self.method.name

    def run(self) -> pa.Table:
        """Search, and let physics say what was found at the checkpoints."""
        self.check_versions()
        _one_thread()
        made = instance(self.task)
        task, targets = made.task(), made.targets(1)
        began, times = time.perf_counter(), []
        found = search(
            self.method, task, targets, self.budget, self.seed,
            on_turn=lambda: times.append(time.perf_counter() - began), checkpoints=range(1, self.budget + 1),
        )  # fmt: skip
        spent = dict(task.ledger.counts)
        # Where physics rewards, what is believed is true, and every improvement is on record.
        exact = spent.get("surrogate", 0) == 0
        progress = found.progress[:, 0]
        improved = np.flatnonzero(np.diff(progress, prepend=np.inf) < 0.0) + 1 if exact else np.zeros(0, dtype=int)
        marks = sorted({*checkpoints(self.budget), *improved.tolist()})
        if exact:
            truth = progress[np.array(marks) - 1][:, None]
        else:
            truth = audited(task, targets, [found.incumbents[mark] for mark in marks])
        rows = [
            {"target_index": 0, "evaluation": mark, "believed_loss": progress[mark - 1],
             "true_loss": truth[i, 0], "seconds": times[mark - 1]}
            for i, mark in enumerate(marks)
        ]  # fmt: skip
        return _record(self, "search", task, found, rows, spent, 0.0)


@dataclass(frozen=True)
class AmortisedCell(Cell):
    """A method on the targets of an amortised task.

    Attributes:
        method: that searches each target anew, or None.
        policy: that is trained first, or None.
        targets: how many.
        queries: evaluations a target.
    """

    method: NamedMethod | None
    policy: PolicySpec | None
    targets: int
    queries: int

    @classmethod
    def of(
        cls, task: str, method: "NamedMethod | PolicySpec", seed: int, targets: int, queries: int
    ) -> "AmortisedCell":
        """A cell, with its identity."""
        shared = {"targets": targets, "against_best": AMORTISED[task].against_best}
        if isinstance(method, PolicySpec):
            identity = _identity(task, queries, _of_policy(method, task) | shared)
            return cls(task, seed, identity, None, method, targets, queries)
        about = {"method": asdict(method), **shared}
        return cls(task, seed, _identity(task, queries, about, method), method, None, targets, queries)

    @property
    def name(self) -> str:
        """Of the method, or of the policy's algorithm."""
        return self.policy.title if self.policy else self.method.name if self.method else ""

    def run(self) -> pa.Table:
        """Train if there is a policy, design for all targets, and let physics say what was met."""
        self.check_versions()
        _one_thread()
        about = AMORTISED[self.task]
        task, targets = about.make(), about.targets(self.targets)
        began = time.perf_counter()
        method = self.method if self.policy is None else trained(self.policy, task, about.environment, self.seed)
        trained_s = time.perf_counter() - began if self.policy else 0.0
        marks, times, turn = checkpoints(self.queries), {}, [0]
        began = time.perf_counter()

        def on_turn() -> None:
            turn[0] += 1
            times[turn[0]] = time.perf_counter() - began

        assert method is not None  # noqa: S101  # a cell has one or the other
        found = search(method, task, targets, self.queries, self.seed, on_turn=on_turn, checkpoints=marks)
        spent = dict(task.ledger.counts)
        best = about.best(targets)
        believed = found.progress - best
        if spent.get("surrogate", 0) == 0:  # physics rewards: what is believed is true
            truth = believed[np.array(marks) - 1]
        else:
            truth = audited(task, targets, [found.incumbents[mark] for mark in marks]) - best
        rows = [
            {"target_index": target, "evaluation": mark,
             "believed_loss": believed[mark - 1, target], "true_loss": truth[i, target], "seconds": times[mark]}
            for target in range(self.targets)
            for i, mark in enumerate(marks)
        ]  # fmt: skip
        return _record(self, "amortised", task, found, rows, spent, trained_s)


def trained(policy: PolicySpec, task: DesignTask, environment: str, seed: int) -> Policy:
    """A policy after its training on an environment of a task, or as it was stored."""
    from matgym.agents.sb3 import make_agent, train_agent

    if policy.file:
        from matgym.agents.storage import load_agent

        stored = load_agent(policy.file, trust=policy.trust)
        return Policy(stored, policy.title, type(stored).__name__ == "MaskablePPO")
    agent = make_agent(policy.algorithm, task, seed, environment=environment)
    train_agent(agent, task.ledger, policy.designs, lambda _designs, _reward: None)
    return Policy(agent, policy.title, policy.algorithm == "MaskablePPO")


def _of_policy(policy: PolicySpec, task: str) -> dict[str, Any]:
    """What a policy's figures depend on: hyper-parameters, or the weights of a file."""
    if policy.file:
        if not Path(policy.file).is_file():
            raise ConfigurationError(f"policy {policy.title!r}: there is no file {policy.file}")
        return {"policy": policy.about(), "weights": digest(Path(policy.file).read_bytes())}
    from matgym.agents.sb3 import file_of, hyperparameters

    settings = hyperparameters(file_of(AMORTISED[task].environment), policy.algorithm)
    return {"policy": policy.about(), "hyperparameters": settings}


def audited(task: DesignTask, targets: FloatArray, incumbents: Sequence[Designs]) -> FloatArray:
    """(marks, T) true losses of the designs believed best at each mark; each different one is asked once."""
    marks, count = len(incumbents), len(targets)
    rows, wanted = np.concatenate(incumbents), np.concatenate([targets] * marks)
    valid = task.space.valid(rows)
    where = np.concatenate([np.tile(np.arange(count), marks)[:, None].astype(float), rows], axis=1)
    unique, back = np.unique(where[valid], axis=0, return_inverse=True)
    losses = np.full(len(rows), np.nan)
    if len(unique):
        first = np.unique(back, return_index=True)[1]
        losses[valid] = task.audit(rows[valid][first], wanted[valid][first]).loss[back]
    return losses.reshape(marks, count)


def _identity(task: str, budget: int, about: dict[str, Any], method: NamedMethod | None = None) -> str:
    content: dict[str, Any] = {
        "versions": versions(), "source": source_digest(task), "task": task_digest(task), "budget": budget, **about,
    }  # fmt: skip
    if method is not None:
        content["hyperparameters"] = _hyperparameters(method)
    return json.dumps(content, sort_keys=True)


def _hyperparameters(method: NamedMethod) -> Any:
    algorithm = algorithm_of(method.optimizer)
    if algorithm is None:
        return None
    from matgym.agents.optimizers.rl_search import SEARCH_SETTINGS
    from matgym.agents.sb3 import hyperparameters

    return hyperparameters(SEARCH_SETTINGS, algorithm)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _record(
    cell: Cell,
    track: str,
    task: DesignTask,
    found: Search,
    rows: list[dict[str, Any]],
    spent: dict[str, int],
    training_seconds: float,
) -> pa.Table:
    after = task.ledger.counts
    shared = {
        "track": track, "task": cell.task, "method": cell.name, "seed": cell.seed,
        "surrogate": spent.get("surrogate", 0), "oracle": spent.get("oracle", 0),
        "simulation": spent.get("simulation", 0),
        "audits": int(sum(after.values()) - sum(spent.values())),
        "training_seconds": training_seconds, "identity": cell.identity, "cell": cell.key,
    }  # fmt: skip
    valid = task.space.valid(found.designs)
    full: list[dict[str, Any]] = []
    for row in rows:
        target = row["target_index"]
        last = row["evaluation"] == len(found.progress)
        there = last and bool(valid[target])
        design = found.designs[target]
        full.append(
            shared
            | row
            | {
                "design": design.astype(float).tolist() if there else [],
                "described": task.describe(design) if there else "",
                "xyz": _xyz(task, design) if there and track == "search" else "",
            }
        )
    return pa.Table.from_pylist(full, schema=SCHEMA)


def _xyz(task: DesignTask, design: Designs) -> str:
    """A tube as extended XYZ; nothing where a design is none."""
    if isinstance(task.space, Cube):
        return ""
    from ase.io import write

    from matgym.structures.io.convert import to_atoms

    text = io.StringIO()
    write(text, to_atoms(task.tubes(design[None])[0]), format="extxyz")
    return text.getvalue()
