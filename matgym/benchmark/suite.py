"""What a benchmark runs: tasks, methods, budgets, seeds; from YAML, or made in memory with objects of one's own."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)

from matgym.agents.policy import Policy
from matgym.benchmark.amortised import AmortisedTask, amortised
from matgym.benchmark.methods import NamedMethod
from matgym.errors import ConfigurationError, MatgymError
from matgym.tasks.instances import Instance, instance

SUITES: Final = "suites"
"""Folder of the shipped suites."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _named(methods: Any) -> Any:
    if not isinstance(methods, list | tuple):
        raise ConfigurationError(f"methods: {methods!r} is no list of names, or of mappings with settings")
    return [{"name": method} if isinstance(method, str) else method for method in methods]


Methods: TypeAlias = Annotated[tuple[NamedMethod, ...], BeforeValidator(_named)]
"""Names, or mappings with settings."""


class SearchTrack(_Model):
    """One target, a budget of evaluations.

    Attributes:
        tasks: names of instances, or instances of one's own.
        methods: names, or mappings with settings.
        budget: evaluations of the task's model.
        seeds: runs of each method on each task.
    """

    tasks: tuple[str | InstanceOf[Instance], ...] = Field(min_length=1)
    methods: Methods = Field(min_length=1)
    budget: int = Field(default=256, ge=1)
    seeds: int = Field(default=10, ge=1)

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, tasks: tuple[str | Instance, ...]) -> tuple[str | Instance, ...]:
        for task in tasks:
            as_instance(task)
        return tasks


class PolicySpec(_Model):
    """An algorithm that is trained once a seed, and then designs for targets it has not seen; or a policy of your own.

    Attributes:
        name: in tables; the algorithm's or the file's by default.
        algorithm: of Stable-Baselines3 or sb3-contrib; see `matgym.agents.sb3.ALGORITHMS`.
        designs: evaluations that its training spends, or, of a file, spent.
        tasks: that it is for; all of the track by default.
        file: a stored agent (`matgym.agents.storage`), in place of an algorithm to be trained.
    """

    name: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._+-]*)?$")
    algorithm: str = ""
    designs: int = Field(default=40_000, ge=1)
    tasks: tuple[str, ...] = ()
    file: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.algorithm) == bool(self.file):
            raise ConfigurationError("a policy is an algorithm to be trained or the file of a stored agent: give one")
        return self

    @property
    def title(self) -> str:
        """In tables."""
        return self.name or self.algorithm or Path(self.file).stem


class AmortisedTrack(_Model):
    """Many targets that nobody has seen, a few queries each.

    Attributes:
        tasks: names of `matgym.benchmark.amortised.AMORTISED`, or tasks of one's own.
        policies: that are trained; in memory, trained ones as well.
        methods: that search each target anew.
        targets: drawn for all alike.
        queries: evaluations a target.
        seeds: trainings of each policy, and runs of each method.
        initial_designs: what searches of decorated tubes begin on; drawn from the space by default.
        every_checkpoint: whether the best designs after 1, 2, 4 and so on queries are verified, and not the last only.
    """

    tasks: tuple[str | InstanceOf[AmortisedTask], ...] = Field(min_length=1)
    policies: tuple[PolicySpec | InstanceOf[Policy], ...] = ()
    methods: Methods = ()
    targets: int = Field(default=100, ge=1)
    queries: int = Field(default=32, ge=1)
    seeds: int = Field(default=10, ge=1)
    initial_designs: Any = None
    every_checkpoint: bool = True

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, tasks: tuple[str | AmortisedTask, ...]) -> tuple[str | AmortisedTask, ...]:
        for task in tasks:
            as_amortised(task)
        return tasks


class Suite(_Model):
    """A benchmark.

    Attributes:
        name: of it.
        search: its first track.
        amortised: its second.

    Raises:
        ConfigurationError: if it has no track.
    """

    name: str
    search: SearchTrack | None = None
    amortised: AmortisedTrack | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.search is None and self.amortised is None:
            raise ConfigurationError("a suite needs a track, search or amortised: this one runs nothing")
        return self

    def with_seeds(self, seeds: int) -> "Suite":
        """The same with another number of seeds; 0 changes nothing."""
        if not seeds:
            return self
        tracks = {
            name: track.model_copy(update={"seeds": seeds})
            for name, track in (("search", self.search), ("amortised", self.amortised))
            if track is not None
        }
        return self.model_copy(update=tracks)

    @classmethod
    def read(cls, source: str | Path) -> "Suite":
        """A YAML file, or the name of a shipped suite.

        Raises:
            ConfigurationError: if there is none, or it says something unknown.
        """
        shipped = {file.name.removesuffix(".yml"): file for file in (files("matgym.benchmark") / SUITES).iterdir()}
        path = Path(source)
        if str(source) in shipped:
            text = shipped[str(source)].read_text(encoding="utf-8")
        elif path.is_file():
            text = path.read_text(encoding="utf-8")
        else:
            raise ConfigurationError(
                f"there is no suite {str(source)!r}: give a YAML file, or one of {', '.join(shipped)}"
            )
        try:
            content = yaml.safe_load(text)
            if not isinstance(content, Mapping):
                raise ConfigurationError(f"{source} holds no mapping with a name and tracks")
            return cls.model_validate(content)
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{source} is no YAML: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"] if "[" not in str(part)) or "suite"
            raise ConfigurationError(f"{source}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
        except MatgymError as error:
            raise ConfigurationError(f"{source}: {error}") from None


def as_instance(task: str | Instance) -> Instance:
    """An instance, by its name or as it is."""
    return instance(task) if isinstance(task, str) else task


def as_amortised(task: str | AmortisedTask) -> AmortisedTask:
    """A task of the second track, by its name or as it is."""
    return amortised(task) if isinstance(task, str) else task
