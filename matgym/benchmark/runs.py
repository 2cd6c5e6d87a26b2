"""Runs of a benchmark: a run is a method, a task and a seed, and can be executed in any process.

The key of a run contains a hash of everything that its figures depend on. A record can therefore not be confused with a
record of other code, weights, tables or settings.
"""

import io
import json
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from matgym.agents.base import CheckedOptimizer, Problem
from matgym.agents.look_up import LOOK_UP, LookUp
from matgym.agents.policy import Policy
from matgym.benchmark.identity import code_digest, digest, fingerprint, in_words, modules_of, versions
from matgym.benchmark.methods import NamedMethod, optimizer_class
from matgym.benchmark.records import KINDS, SCHEMA
from matgym.benchmark.search import Search, check_concurrent, search
from matgym.benchmark.suite import PolicySpec
from matgym.benchmark.tasks import (
    AMORTISED,
    AmortisedTask,
    OwnTask,
    as_amortised,
    as_instance,
    instance_task,
    is_exact,
    task_name,
)
from matgym.benchmark.trajectories import NOTHING, hypervolumes, last_of
from matgym.errors import ConfigurationError, ExecutionError
from matgym.frozen import ValueObject
from matgym.tasks import Designs, DesignTask, as_design_generator
from matgym.tasks.instances import Instance
from matgym.typing import FloatArray

Turn = Callable[[], None]


def checkpoints(budget: int) -> list[int]:
    """Return 1, 2, 4 and so on, and the budget."""
    return sorted({2**power for power in range(budget.bit_length()) if 2**power <= budget} | {budget})


@dataclass(frozen=True)
class Outcome(ValueObject):
    """Outcome of a run.

    Attributes:
        run: the run.
        search: results of the search.
        verified: (T,) values of the final designs by the oracle; NaN without a valid design or a known value.
        table: the record, with a row for every checkpoint of every target.
    """

    run: "Run"
    search: Search
    verified: FloatArray
    table: pa.Table


@dataclass(frozen=True, kw_only=True)
class Run(ABC):
    """Base class of runs.

    Attributes:
        task: name of an instance or of an amortised task, or your own object.
        method: method or policy.
        seed: random seed of the method.
        budget: number of evaluations of the task's model for each target.
        identity: JSON of everything that the figures depend on.
    """

    track: ClassVar[str]
    task: str | Instance | OwnTask | AmortisedTask
    method: NamedMethod | PolicySpec | Policy
    seed: int
    budget: int
    identity: str = ""

    @property
    def key(self) -> str:
        """Return the name of the record."""
        return f"{self.task_name}-{self.name}-{self.seed}-{digest(self.identity.encode())}"

    @property
    def name(self) -> str:
        """Return the name of the method."""
        return self.method.title if isinstance(self.method, PolicySpec) else self.method.name

    @property
    def task_name(self) -> str:
        """Return the name of the task."""
        return task_name(self.task)

    def run(self) -> pa.Table:
        """Execute the run and return its record.

        Raises:
            ExecutionError: if code, versions or files differ from those where the run was planned, for example on a
                cluster.
        """
        if reason := in_words(json.loads(self.identity), json.loads(self.identified().identity)):
            raise ExecutionError(f"{self.key} was planned elsewhere: {reason}; install the same code and files here")
        return self.carry_out().table

    @abstractmethod
    def identified(self) -> Self:
        """Return the run with its current identity on this machine."""

    @abstractmethod
    def check(self) -> None:
        """Make the optimizer, or load the stored agent, so that wrong settings and files are errors before the work.

        Raises:
            ConfigurationError: if the optimizer cannot be made.
            WeightsError: if the file holds no agent, or is not trusted.
        """

    @abstractmethod
    def carry_out(self, on_turn: Turn = lambda: None) -> Outcome:
        """Search, and verify the designs with the oracle.

        Args:
            on_turn: function that is called after each evaluation of all targets.
        """


@dataclass(frozen=True, kw_only=True)
class SearchRun(Run):
    """A run of a search of one instance.

    Attributes:
        compared: numbers of evaluations at which methods are compared; those within the budget are checkpoints.
        by_oracle: whether an oracle scores the designs; see `instance_task`.
        batch: number of designs that are scored together; see `SearchTrack`.
    """

    track = "search"
    task: str | Instance | OwnTask
    method: NamedMethod
    compared: tuple[int, ...] = ()

    by_oracle: bool = False
    batch: int = 1

    @property
    def _marks(self) -> list[int]:
        return sorted({*checkpoints(self.budget), *(mark for mark in self.compared if mark <= self.budget)})

    def _task(self) -> DesignTask:
        return instance_task(self.task, self.seed, by_oracle=self.by_oracle)

    def identified(self) -> Self:
        """Return the run with its current identity on this machine."""
        made = as_instance(self.task)
        facts: dict[str, Any] = {"target": list(made.target)}
        if further := sorted({*self._marks} - {*checkpoints(self.budget)}):
            facts["checkpoints"] = further
        if self.by_oracle:
            facts["by_oracle"] = True
        if self.batch > 1:
            facts["batch"] = self.batch
        if isinstance(self.task, OwnTask):
            facts["own"] = self.task.model_dump(mode="json")
        return replace(self, identity=_identity(self, made.task(), facts))

    def check(self) -> None:
        """Make the optimizer."""
        made = _make_once(self.method, self._task(), as_instance(self.task).targets(1), self.budget)
        check_concurrent(made, self.batch)

    def carry_out(self, on_turn: Turn = lambda: None) -> Outcome:
        """Search, and verify the best designs at the checkpoints with the oracle."""
        made = as_instance(self.task)
        return _carried_out(self, self._task(), made.targets(1), self.method, on_turn, self._marks, batch=self.batch)


@dataclass(frozen=True, kw_only=True)
class AmortisedRun(Run):
    """A run of a method on the targets of an amortised task.

    Attributes:
        targets: number of targets.
        initial_designs: initial designs of searches of decorated tubes.
        every_checkpoint: whether designs are verified after 1, 2, 4 and so on queries, or only after the last one.
        trust: whether the .zip file of a policy is unpickled. Unpickling can run any program.
    """

    track = "amortised"
    task: str | AmortisedTask
    targets: int
    initial_designs: Any = None
    every_checkpoint: bool = True
    trust: bool = False

    def identified(self) -> Self:
        """Return the run with its current identity on this machine."""
        about = as_amortised(self.task)
        facts: dict[str, Any] = {"targets": self.targets, "against_best": about.against_best}
        if about.given is not None:
            facts["given"] = fingerprint(about.given)
        if self.initial_designs is not None:
            facts["initial_designs"] = fingerprint(as_design_generator(self.initial_designs))
        if not self.every_checkpoint:
            facts["every_checkpoint"] = False
        return replace(self, identity=_identity(self, about.make(), facts, about.environment))

    def check(self) -> None:
        """Make the optimizer, or load the stored agent."""
        about, method = as_amortised(self.task), self.method
        if isinstance(method, NamedMethod):
            _make_once(method, about.make(), about.targets(1), self.budget)
        elif isinstance(method, PolicySpec) and method.file:
            trained(method, about.make(), about.environment, self.seed, trust=self.trust)

    def carry_out(self, on_turn: Turn = lambda: None) -> Outcome:
        """Train the policy if necessary, design for all targets, and verify the designs with the oracle."""
        about = as_amortised(self.task)
        task, targets = about.make(), about.targets(self.targets)
        before, began, method, seconds = task.ledger.counts.copy(), time.perf_counter(), self.method, 0.0
        if isinstance(method, PolicySpec):
            method = trained(method, task, about.environment, self.seed, trust=self.trust)
            seconds = time.perf_counter() - began
        return _carried_out(
            self, task, targets, method, on_turn, checkpoints(self.budget) if self.every_checkpoint else [self.budget],
            before=before, best=about.best(targets), initial_designs=self.initial_designs, training_seconds=seconds,
        )  # fmt: skip


def _make_once(method: NamedMethod, task: DesignTask, targets: FloatArray, budget: int) -> CheckedOptimizer:
    """Make an optimizer with its settings."""
    problem = Problem(task, np.atleast_1d(targets[0]))
    return CheckedOptimizer(method.make, problem, budget, np.random.default_rng(0), method.name)


# ---- carrying out


def _carried_out(
    run: Run,
    task: DesignTask,
    targets: FloatArray,
    method: NamedMethod | Policy,
    on_turn: Turn,
    marks: list[int],
    *,
    before: Counter[str] | None = None,
    best: FloatArray | float = 0.0,
    initial_designs: Any = None,
    training_seconds: float = 0.0,
    batch: int = 1,
) -> Outcome:
    """Search, verify the best designs at the marks, and make the record; losses are differences from `best`."""
    import torch

    torch.set_num_threads(1)
    before = task.ledger.counts.copy() if before is None else before
    began, times = time.perf_counter(), []

    def turn() -> None:
        times.append(time.perf_counter() - began)
        on_turn()

    found = search(method, task, targets, run.budget, run.seed, turn, initial_designs, marks, batch)
    spent = task.ledger.counts - before
    predicted = found.progress - best
    failed = ~np.isfinite(predicted)  # invalid, or against the constraint
    if is_exact(task):  # predictions are exact: every improvement of a search is recorded
        improved = np.flatnonzero(predicted[:, 0] < np.append(np.inf, predicted[:-1, 0])) + 1
        marks = sorted({*marks, *improved.tolist()}) if run.track == "search" else marks
        losses, values, verifications = predicted[np.array(marks) - 1], found.predicted, 0
    else:
        losses, values, verifications = verified(task, targets, [found.incumbents[mark] for mark in marks])
        losses = np.where(failed[np.array(marks) - 1], np.nan, losses - best)
        values = np.where(failed[-1], np.nan, values)
    shared = {
        "track": run.track, "task": run.task_name, "method": run.name, "seed": run.seed,
        **{kind: spent[kind] for kind in KINDS}, "verifications": verifications,
        "training_seconds": training_seconds, "identity": run.identity, "run": run.key,
    }  # fmt: skip
    valid = task.space.valid(found.designs) & ~failed[-1]
    volumes = hypervolumes(found, marks)
    rows: list[dict[str, Any]] = []
    for target, design in enumerate(found.designs):
        there = bool(valid[target])
        final = {"design": design.astype(float).tolist() if there else []}
        final["described"] = task.describe(design) if there else ""
        final["xyz"] = _xyz(task, design) if there and run.track == "search" else ""
        final |= last_of(task, found) if found.trajectory is not None else {}
        rows += [
            {**shared, **NOTHING, "target_index": target, "evaluation": mark,
             "predicted_loss": predicted[mark - 1, target], "verified_loss": losses[i, target],
             "seconds": times[mark - 1], "hypervolume": volumes[i], **(final if mark == run.budget else {})}
            for i, mark in enumerate(marks)
        ]  # fmt: skip
    return Outcome(run, found, values, pa.Table.from_pylist(rows, schema=SCHEMA))


def verified(
    task: DesignTask, targets: FloatArray, incumbents: Sequence[Designs]
) -> tuple[FloatArray, FloatArray, int]:
    """Verify the best designs at each mark with the oracle; each different design is evaluated once.

    Returns:
        (marks, T) losses, and (T,) values at the last mark, NaN without a valid design; and the number of different
        designs.
    """
    marks, count = len(incumbents), len(targets)
    rows, wanted = np.concatenate(incumbents), np.concatenate([targets] * marks)
    valid = task.space.valid(rows)
    where = np.concatenate([np.tile(np.arange(count), marks)[:, None].astype(float), rows], axis=1)
    unique, back = np.unique(where[valid], axis=0, return_inverse=True)
    losses, values = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if len(unique):
        first = np.unique(back, return_index=True)[1]
        scores = task.verify(rows[valid][first], wanted[valid][first])
        losses[valid], values[valid] = scores.loss[back], scores.value[back]
    return losses.reshape(marks, count), values[-count:], len(unique)


def trained(policy: PolicySpec, task: DesignTask, environment: str, seed: int, *, trust: bool = False) -> Policy:
    """Return a stored policy, or train a policy in an environment of a task.

    Raises:
        ConfigurationError: if there is no environment for the training.
    """
    if policy.file:
        from matgym.agents.storage import load_agent

        stored = load_agent(policy.file, trust=trust)
        return Policy(stored, policy.title, type(stored).__name__ == "MaskablePPO")
    if policy.algorithm == LOOK_UP:
        return LookUp.of(task, policy.designs, np.random.default_rng(seed), policy.title)
    from matgym.agents.sb3 import make_agent, train_agent

    if not environment:
        raise ConfigurationError(f"policy {policy.title!r} has no environment for its training: give a trained policy")
    agent = make_agent(policy.algorithm, task, seed, environment=environment)
    train_agent(agent, task.ledger, policy.designs, lambda _designs, _reward: None)
    return Policy(agent, policy.title, policy.algorithm == "MaskablePPO")


def _xyz(task: DesignTask, design: Designs) -> str:
    """Return a design as extended XYZ, or an empty text if it is not a tube."""
    if task.space.domain is None:
        return ""
    from ase.io import write

    from matgym.structures.io.convert import to_atoms

    text = io.StringIO()
    write(text, to_atoms(task.tubes(design[None])[0]), format="extxyz")
    return text.getvalue()


# ---- identity


def _identity(run: Run, task: DesignTask, facts: Mapping[str, Any], environment: str = "") -> str:
    """Return JSON of everything that the figures of a run depend on."""
    content = {"versions": versions(), **_of_task(run.task, task), "budget": run.budget, **facts}
    method = run.method
    held: list[Any] = []
    if isinstance(run, AmortisedRun) and run.initial_designs is not None:
        held.append(as_design_generator(run.initial_designs))
    code = {"matgym.benchmark.runs"}  # with the search, the verification and the checkpoints
    if isinstance(run.task, OwnTask) and run.task.task:
        code.add(run.task.task.partition(":")[0])
    if isinstance(method, NamedMethod):
        chosen = optimizer_class(method.chosen)
        held.append(chosen)
        settings = {name: _plain(value) for name, value in method.settings.items()}
        content |= {
            "method": {"name": method.name, "optimizer": f"{chosen.__module__}:{chosen.__qualname__}"},
            "settings": settings, "hyperparameters": _hyperparameters(method.algorithm, ""),
        }  # fmt: skip
    elif isinstance(method, PolicySpec) and method.algorithm == LOOK_UP:
        code.add("matgym.agents.look_up")
        content |= {"policy": method.model_dump(exclude={"file"})}
    elif isinstance(method, PolicySpec) and not method.file:
        code |= {"matgym.agents.sb3", "matgym.envs.design"}
        content |= {
            "policy": method.model_dump(exclude={"file"}),
            "hyperparameters": _hyperparameters(method.algorithm, environment),
        }
    elif isinstance(method, PolicySpec):
        file = Path(method.file)
        if not file.is_file():
            raise ConfigurationError(
                f"policy {method.title!r}: there is no file {file}; give the path of a stored agent"
            )
        code.add("matgym.agents.storage")
        parts = [each.read_bytes() for each in (file, file.with_suffix(".json")) if each.is_file()]
        content |= {"policy": method.model_dump(), "weights": digest(*parts)}
    else:
        held.append(method.agent)
        content |= {"policy": {"name": method.name}, "weights": fingerprint(getattr(method.agent, "policy", None))}
    content["code"] = code_digest(modules_of(task, *held) | code)
    return json.dumps(content, sort_keys=True)


def _of_task(name: str | Instance | OwnTask | AmortisedTask, task: DesignTask) -> dict[str, str]:
    return dict(task_digests(name)) if isinstance(name, str) else _digests(task)


@lru_cache
def task_digests(name: str) -> Mapping[str, str]:
    """Return the digests of a task by its name, and of its models; see `_digests`."""
    return _digests(AMORTISED[name].make() if name in AMORTISED else instance_task(name))


def _digests(task: DesignTask) -> dict[str, str]:
    """Return digests of a whole task and of its models alone, so that a message can tell which of them differ."""
    models = [each.model for each in task.objectives] + ([task.constraint.model] if task.constraint else [])
    return {"model": fingerprint(models), "task": fingerprint(task)}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else fingerprint(value)


@lru_cache
def _hyperparameters(algorithm: str | None, environment: str) -> Any:
    """Return the hyper-parameters of an agent for an environment or a search, or None for other optimizers."""
    if algorithm is None:
        return None
    from matgym.agents.optimizers.rl_search import SEARCH_SETTINGS
    from matgym.agents.sb3 import hyperparameters

    return hyperparameters(environment or SEARCH_SETTINGS, algorithm)
