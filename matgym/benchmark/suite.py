"""Suites of benchmarks: tasks, methods, budgets and seeds, from YAML or from objects in memory."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    model_validator,
)

from matgym.agents.policy import Policy
from matgym.benchmark.methods import NAME, NamedMethod
from matgym.errors import ConfigurationError
from matgym.frozen import ValueObject
from matgym.learning.config import read_config
from matgym.tasks import DesignTask, chirality_task, decoration_task
from matgym.tasks.instances import Instance, instance
from matgym.typing import FloatArray

SUITES: Final = Path(__file__).parent / "suites"
"""Folder of the shipped suites."""

ABOUT: Final = "suite.json"
"""File that describes the runs of a folder."""

RECORDS: Final = "records"
"""Folder of the records within the folder of the results."""

MAX_BUDGET: Final = 10_000_000
"""Most evaluations of a run. This limit and the next two are ours, so that a mistyped number is an error at once."""

MAX_SEEDS: Final = 10_000
"""Most seeds of a track."""

MAX_TARGETS: Final = 100_000
"""Most targets of an amortised task."""

MAX_LETTERS: Final = 1_000
"""Longest sentence in suite.json. A choice of ours."""

CHECKPOINTS: Final = (64, 256)
"""Numbers of evaluations at which methods are compared by default, beside their budgets. A choice of ours."""

UNSEEN_TARGETS_SEED: Final = 2026
"""Random seed of the targets. No training and no tuning uses it."""


@dataclass(frozen=True, eq=False)
class AmortisedTask(ValueObject):
    """A task of the amortised track: many targets, with a few queries for each.

    A policy is trained once and then designs for targets that were not used in training.

    Attributes:
        name: name in tables.
        title: title of one line.
        make: function that makes the task.
        met: loss by the oracle within which a target counts as met, in the unit of the loss. The value was chosen by
            the authors of matgym.
        environment: environment in which policies are trained, with its hyper-parameters. Empty if there is none.
        against_best: whether losses are differences from the lowest loss of any design for a target. This needs an
            enumerable space. It is used if some combinations of targets cannot be reached.
        given: (T,) or (T, k) targets instead of those drawn with `UNSEEN_TARGETS_SEED`.
    """

    name: str
    title: str
    make: Callable[[], DesignTask]
    met: float
    environment: str = ""
    against_best: bool = False
    given: FloatArray | None = None

    def best(self, targets: FloatArray) -> FloatArray:
        """Return the (T,) lowest loss of any design for each target, or 0 without `against_best`."""
        if not self.against_best:
            return np.zeros(len(targets))
        task = self.make()
        every = np.concatenate(list(task.space.enumerate()))
        rows = [task.score(every, np.broadcast_to(target, (len(every), *target.shape))).loss for target in targets]
        return np.array([np.nanmin(losses) for losses in rows])

    def targets(self, count: int) -> FloatArray:
        """Return (T,) or (T, k) targets: the given ones, or `count` targets that no training and no tuning used."""
        if self.given is not None:
            return self.given
        return self.make().draw_targets([np.random.default_rng(UNSEEN_TARGETS_SEED)] * count)


AMORTISED: Final = {
    task.name: task
    for task in (
        AmortisedTask(
            "doping-targets",
            "a band gap to be met within 20 meV by eight B and eight N on 132 sites of (11,0), rewarded by a network",
            decoration_task, 0.02, "matgym/NanotubeDoping-v0",
        ),
        AmortisedTask(
            "chirality-targets",
            "gap, diameter and length to be met: a mean tolerance within 0.1 of the best of all 15,708 tubes",
            chirality_task, 0.1, "matgym/NanotubeChirality-v0", against_best=True,
        ),
    )
}  # fmt: skip
"""Amortised tasks by name."""


def _one_line(text: str) -> str:
    """Return a text of a file as one line.

    Raises:
        ConfigurationError: if it is too long, or a terminal cannot print it.
    """
    line = " ".join(text.split())
    if len(line) > MAX_LETTERS or not line.isprintable():
        raise ConfigurationError(f"{text[:80]!r} is not one line of at most {MAX_LETTERS:,} printable characters")
    return line


Line: TypeAlias = Annotated[str, AfterValidator(_one_line)]
"""A sentence or a title in a file."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _named(methods: Any) -> Any:
    if not isinstance(methods, list | tuple):
        raise ConfigurationError(
            f"methods: {methods!r} is not a list: give a list of names or of mappings with settings"
        )
    return [_by_name(method) if isinstance(method, str) else method for method in methods]


def _by_name(method: str) -> dict[str, str]:
    """Return the mapping of a name, or of a "module:Class", which is named after its class."""
    return {"name": method.rpartition(":")[2], "optimizer": method} if ":" in method else {"name": method}


Methods: TypeAlias = Annotated[tuple[NamedMethod, ...], BeforeValidator(_named)]
"""Names, or mappings with settings."""


def as_instance(task: str | Instance) -> Instance:
    """Return an instance from its name, or the given instance."""
    return instance(task) if isinstance(task, str) else task


def as_amortised(task: str | AmortisedTask) -> AmortisedTask:
    """Return an amortised task from its name, or the given task.

    Raises:
        ConfigurationError: if the name is unknown, or it is neither a name nor a task.
    """
    if isinstance(task, AmortisedTask):
        return task
    if not isinstance(task, str):
        raise ConfigurationError(
            f"{task!r:.80} is not a task: give a name, an Instance, a DesignTask or an AmortisedTask"
        )
    if task not in AMORTISED:
        close = get_close_matches(task, AMORTISED, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"there is no amortised task {task!r}; {hint}give one of {', '.join(AMORTISED)}")
    return AMORTISED[task]


def _known(look_up: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that raises an error for unknown tasks."""

    def check(task: Any) -> Any:
        look_up(task)
        return task

    return AfterValidator(check)


def _check_distinct(what: str, names: Iterable[str]) -> None:
    """Raise an error if a name occurs twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigurationError(f"two {what} have the name {twice[0]!r}: give each another name")


def _task_name(task: str | Instance | AmortisedTask) -> str:
    return task if isinstance(task, str) else task.name


def compared_at(budgets: Collection[int]) -> tuple[int, ...]:
    """Return the numbers of evaluations at which methods are compared by default: `CHECKPOINTS`, and every budget."""
    return tuple(sorted({*budgets, *(mark for mark in CHECKPOINTS if mark < max(budgets, default=0))}))


class SearchTrack(_Model):
    """The search track: one target and a budget of evaluations.

    Attributes:
        tasks: names of instances, or your own instances.
        methods: names, or mappings with settings.
        budget: number of evaluations of the task's model.
        seeds: number of runs of each method on each task.
        checkpoints: numbers of evaluations at which methods are compared. The default is that of `compared_at`. A
            method with a smaller budget of its own has no score at larger checkpoints.

    Raises:
        ConfigurationError: if a checkpoint is above the budget, or a method's own budget is below every checkpoint.
    """

    tasks: tuple[Annotated[str | InstanceOf[Instance], _known(as_instance)], ...] = Field(min_length=1)
    methods: Methods = Field(min_length=1)
    budget: int = Field(default=256, ge=1, le=MAX_BUDGET)
    seeds: int = Field(default=10, ge=1, le=MAX_SEEDS)
    checkpoints: tuple[Annotated[int, Field(ge=1, le=MAX_BUDGET)], ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _check_distinct("tasks", map(_task_name, self.tasks))
        _check_distinct("methods", (method.name for method in self.methods))
        if above := [mark for mark in self.checkpoints if mark > self.budget]:
            raise ConfigurationError(f"the checkpoint {above[0]} is above the budget {self.budget}: leave it out")
        for method in self.methods:
            if self.budget_of(method) < self.compared[0]:
                raise ConfigurationError(
                    f"the budget {method.budget} of {method.name} is below every checkpoint: add it to checkpoints"
                )
        return self

    def budget_of(self, method: NamedMethod) -> int:
        """Return the number of evaluations of a method: its own one if that is smaller."""
        return min(method.budget or self.budget, self.budget)

    @property
    def compared(self) -> tuple[int, ...]:
        """Return the numbers of evaluations at which methods are compared, ascending."""
        return tuple(sorted({*self.checkpoints})) or compared_at({self.budget_of(each) for each in self.methods})


class PolicySpec(_Model):
    """A policy: an algorithm that is trained once per seed, or a stored agent.

    Attributes:
        name: name in tables; the default is the name of the algorithm or of the file.
        algorithm: algorithm of Stable-Baselines3 or sb3-contrib, see `matgym.agents.sb3.ALGORITHMS`; or "look-up", the
            nearest of as many random designs (`matgym.agents.look_up`).
        designs: number of evaluations that its training uses, or that the training of the file used.
        tasks: tasks of the policy; the default is all tasks of the track.
        file: file of a stored agent (`matgym.agents.storage`), instead of an algorithm.
    """

    name: str = ""
    algorithm: str = ""
    designs: int = Field(default=40_000, ge=1, le=1_000_000_000)
    tasks: tuple[str, ...] = ()
    file: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.algorithm) == bool(self.file):
            raise ConfigurationError(
                "a policy needs either an algorithm to be trained or the file of a stored agent: give one"
            )
        if not re.fullmatch(NAME, self.title):
            raise ConfigurationError(
                f"the name {self.title!r:.80} of a policy does not match {NAME}: give another name"
            )
        return self

    @property
    def title(self) -> str:
        """Return the name in tables."""
        return self.name or self.algorithm or Path(self.file).stem


class AmortisedTrack(_Model):
    """The amortised track: many unseen targets, with a few queries for each.

    Attributes:
        tasks: names of `AMORTISED`, or your own tasks.
        policies: policies that are trained. In memory they can also be trained already.
        methods: methods that search each target separately.
        targets: number of targets, which are equal for all methods.
        queries: number of evaluations per target.
        seeds: number of trainings of each policy, and of runs of each method.
        initial_designs: initial designs of searches of decorated tubes; the default draws them from the space.
        every_checkpoint: whether the best designs after 1, 2, 4 and so on queries are verified, or only the last ones.
    """

    tasks: tuple[Annotated[str | InstanceOf[AmortisedTask], _known(as_amortised)], ...] = Field(min_length=1)
    policies: tuple[PolicySpec | InstanceOf[Policy], ...] = ()
    methods: Methods = ()
    targets: int = Field(default=100, ge=1, le=MAX_TARGETS)
    queries: int = Field(default=32, ge=1, le=MAX_BUDGET)
    seeds: int = Field(default=10, ge=1, le=MAX_SEEDS)
    initial_designs: Any = None
    every_checkpoint: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tasks = list(map(_task_name, self.tasks))
        _check_distinct("tasks", tasks)
        _check_distinct("methods and policies", (*map(_policy_name, self.policies), *(m.name for m in self.methods)))
        for policy in self.policies:
            others = [task for task in getattr(policy, "tasks", ()) if task not in tasks]
            if others:
                raise ConfigurationError(
                    f"the policy {_policy_name(policy)!r} names the task {others[0]!r}, which the track does not have: "
                    f"give some of {', '.join(tasks)}"
                )
        return self

    def budget_of(self, method: NamedMethod | PolicySpec | Policy) -> int:
        """Return the number of queries of a method: its own budget if that is smaller."""
        own = method.budget if isinstance(method, NamedMethod) else None
        return min(own or self.queries, self.queries)

    def contenders(self, task: str | AmortisedTask) -> list[NamedMethod | PolicySpec | Policy]:
        """Return the policies and methods of one task."""
        name = _task_name(task)
        policies = [each for each in self.policies if not getattr(each, "tasks", ()) or name in each.tasks]  # type: ignore[union-attr]
        return [*policies, *self.methods]


def _policy_name(policy: PolicySpec | Policy) -> str:
    return policy.title if isinstance(policy, PolicySpec) else policy.name


class Suite(_Model):
    """A suite of a benchmark.

    Attributes:
        name: name of the suite.
        search: search track.
        amortised: amortised track.

    Raises:
        ConfigurationError: if the suite has no track.
    """

    name: Line = Field(min_length=1)
    search: SearchTrack | None = None
    amortised: AmortisedTrack | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.search is None and self.amortised is None:
            raise ConfigurationError("this suite has no track: give search or amortised")
        if self.search is not None and self.amortised is not None:
            _check_distinct("tasks", map(_task_name, (*self.search.tasks, *self.amortised.tasks)))
            searched = {method.name: method for method in self.search.methods}
            _check_distinct("methods and policies", (*searched, *map(_policy_name, self.amortised.policies)))
            for method in self.amortised.methods:
                own = searched.get(method.name, method)
                if (own.chosen, own.settings) != (method.chosen, method.settings):
                    raise ConfigurationError(
                        f"the tracks have two different methods {method.name!r}: give each another name"
                    )
        return self

    def with_seeds(self, seeds: int) -> "Suite":
        """Return the suite with another number of seeds; 0 changes nothing.

        Raises:
            ConfigurationError: if there are more than `MAX_SEEDS`.
        """
        if not 0 <= seeds <= MAX_SEEDS:
            raise ConfigurationError(f"seeds={seeds} must be 0 to {MAX_SEEDS:,}")
        tracks = {"search": self.search, "amortised": self.amortised}
        changed = {name: track.model_copy(update={"seeds": seeds}) for name, track in tracks.items() if track and seeds}
        return self.model_copy(update=changed)

    @classmethod
    def read(cls, source: str | Path) -> "Suite":
        """Read a YAML file or a shipped suite by its name; for errors see `matgym.learning.config.read_config`."""
        return read_config(cls, source, shipped=SUITES)
