"""Suites of benchmarks: tasks, methods, budgets and seeds, from YAML or from objects in memory."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

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
from matgym.benchmark.tasks import AmortisedTask, Line, OwnTask, as_amortised, as_instance, task_name
from matgym.errors import ConfigurationError
from matgym.learning.config import read_config
from matgym.tasks.instances import Instance

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

CHECKPOINTS: Final = (64, 256)
"""Numbers of evaluations at which methods are compared by default, beside their budgets. A choice of ours."""


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


def _own(task: Any) -> Any:
    """Return the task of a mapping, or of a "module:function", which is named after its function."""
    if isinstance(task, str) and ":" in task:
        return OwnTask(name=task.rpartition(":")[2], task=task)
    return OwnTask.model_validate(task) if isinstance(task, dict) else task


def _known(look_up: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that raises an error for unknown tasks; a user's own task is not imported."""

    def check(task: Any) -> Any:
        if not isinstance(task, OwnTask):
            look_up(task)
        return task

    return AfterValidator(check)


SearchTask: TypeAlias = Annotated[
    str | InstanceOf[Instance] | InstanceOf[OwnTask], BeforeValidator(_own), _known(as_instance)
]
"""The name of an instance, an instance, "module:function", or a mapping of the fields of an `OwnTask`."""


def _check_distinct(what: str, names: Iterable[str]) -> None:
    """Raise an error if a name occurs twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigurationError(f"two {what} have the name {twice[0]!r}: give each another name")


def compared_at(budgets: Collection[int]) -> tuple[int, ...]:
    """Return the numbers of evaluations at which methods are compared by default: `CHECKPOINTS`, and every budget."""
    return tuple(sorted({*budgets, *(mark for mark in CHECKPOINTS if mark < max(budgets, default=0))}))


class SearchTrack(_Model):
    """The search track: one target and a budget of evaluations.

    Attributes:
        tasks: names of instances, or your own tasks: see `SearchTask`.
        methods: names, or mappings with settings.
        budget: number of evaluations of the task's model.
        seeds: number of runs of each method on each task.
        checkpoints: numbers of evaluations at which methods are compared. The default is that of `compared_at`. A
            method with a smaller budget of its own has no score at larger checkpoints.
        batch: number of designs that a method asks for before it receives the scores of any of them. Above 1, every
            method must be able to (`Optimizer.concurrent`).

    Raises:
        ConfigurationError: if a checkpoint is above the budget, or a method's own budget is below every checkpoint.
    """

    tasks: tuple[SearchTask, ...] = Field(min_length=1)
    methods: Methods = Field(min_length=1)
    budget: int = Field(default=256, ge=1, le=MAX_BUDGET)
    seeds: int = Field(default=10, ge=1, le=MAX_SEEDS)
    checkpoints: tuple[Annotated[int, Field(ge=1, le=MAX_BUDGET)], ...] = ()
    batch: int = Field(default=1, ge=1, le=MAX_BUDGET)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _check_distinct("tasks", map(task_name, self.tasks))
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


class DiscoveryTrack(SearchTrack):
    """The discovery track: the oracle scores every design and is counted; models that a method has of its own are free.

    Attributes:
        within: distance from the best known loss at which a brief counts as met, as a share of the distance between the
            median random design and the best known one.
    """

    within: float = Field(default=0.05, gt=0.0, lt=1.0)


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
        tasks = list(map(task_name, self.tasks))
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
        name = task_name(task)
        policies = [each for each in self.policies if not getattr(each, "tasks", ()) or name in each.tasks]  # type: ignore[union-attr]
        return [*policies, *self.methods]


def _policy_name(policy: PolicySpec | Policy) -> str:
    return policy.title if isinstance(policy, PolicySpec) else policy.name


class Suite(_Model):
    """A suite of a benchmark.

    Attributes:
        name: name of the suite.
        search: search track.
        discovery: discovery track; a suite has one of the two.
        amortised: amortised track.

    Raises:
        ConfigurationError: if the suite has no track, or both a search and a discovery track.
    """

    name: Line = Field(min_length=1)
    search: SearchTrack | None = None
    discovery: DiscoveryTrack | None = None
    amortised: AmortisedTrack | None = None

    @property
    def searched(self) -> SearchTrack | None:
        """Return the search track or the discovery track."""
        return self.search or self.discovery

    @model_validator(mode="after")
    def _some(self) -> Self:
        searched = self.searched
        if searched is None and self.amortised is None:
            raise ConfigurationError("this suite has no track: give search, discovery or amortised")
        if self.search is not None and self.discovery is not None:
            raise ConfigurationError("this suite has both a search and a discovery track: make two suites")
        if searched is not None and self.amortised is not None:
            _check_distinct("tasks", map(task_name, (*searched.tasks, *self.amortised.tasks)))
            named = {method.name: method for method in searched.methods}
            _check_distinct("methods and policies", (*named, *map(_policy_name, self.amortised.policies)))
            for method in self.amortised.methods:
                own = named.get(method.name, method)
                if (own.chosen, own.settings) != (method.chosen, method.settings):
                    raise ConfigurationError(
                        f"the tracks have two different methods {method.name!r}: give each another name"
                    )
        return self

    def _with(self, **changes: Any) -> "Suite":
        """Return the suite with changed fields of its search or discovery track, and of its amortised track."""
        tracks = {"search": self.search, "discovery": self.discovery, "amortised": self.amortised}
        changed = {name: track.model_copy(update=changes) for name, track in tracks.items() if track is not None}
        return self.model_copy(update=changed)

    def with_seeds(self, seeds: int) -> "Suite":
        """Return the suite with another number of seeds; 0 changes nothing.

        Raises:
            ConfigurationError: if there are more than `MAX_SEEDS`.
        """
        if not 0 <= seeds <= MAX_SEEDS:
            raise ConfigurationError(f"seeds={seeds} must be 0 to {MAX_SEEDS:,}")
        return self._with(seeds=seeds) if seeds else self

    @classmethod
    def read(cls, source: str | Path) -> "Suite":
        """Read a YAML file or a shipped suite by its name; for errors see `matgym.learning.config.read_config`."""
        return read_config(cls, source, shipped=SUITES)
