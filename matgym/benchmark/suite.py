"""What a benchmark runs: tasks, methods, budgets, seeds, read from YAML."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from matgym.benchmark.amortised import AMORTISED
from matgym.benchmark.methods import NamedMethod, optimizer_class
from matgym.errors import ConfigurationError, MatgymError
from matgym.tasks.instances import instance


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MethodSpec(_Model):
    """A method of a suite.

    Attributes:
        name: in tables.
        optimizer: a name of `matgym.benchmark.methods.OPTIMIZERS`, or "module:Class" of yours; the name by default.
        budget: evaluations, where it is less than the track's: of methods whose own time grows too fast.
        settings: of the optimizer.
    """

    name: str = Field(pattern=r"[A-Za-z0-9][A-Za-z0-9._+-]*")
    optimizer: str = ""
    budget: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        optimizer_class(self.optimizer or self.name)
        return self

    @property
    def method(self) -> NamedMethod:
        """As searches take it."""
        return NamedMethod(self.name, self.optimizer or self.name, self.settings)


def _named(methods: Any) -> Any:
    return [{"name": method} if isinstance(method, str) else method for method in methods]


Methods: TypeAlias = Annotated[tuple[MethodSpec, ...], BeforeValidator(_named)]
"""Names, or mappings with settings."""


class SearchTrack(_Model):
    """One target, a budget of evaluations.

    Attributes:
        tasks: names of instances.
        methods: names, or mappings with settings.
        budget: evaluations of the reward model.
        seeds: runs of each method on each task.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    methods: Methods = Field(min_length=1)
    budget: int = Field(default=256, ge=1)
    seeds: int = Field(default=10, ge=1)

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            instance(name)
        return names


class PolicySpec(_Model):
    """An algorithm that is trained once a seed, and then designs for targets it has not seen; or a policy of your own.

    Attributes:
        name: in tables; the algorithm's or the file's by default.
        algorithm: of Stable-Baselines3 or sb3-contrib; see `matgym.agents.sb3.ALGORITHMS`.
        designs: evaluations that its training spends, or, of a file, spent.
        tasks: that it is for; all of the track by default.
        file: a stored agent (`matgym.agents.storage`), in place of an algorithm to be trained.
        trust: whether a .zip of Stable-Baselines3 may be unpickled; not to be set in a file.
    """

    name: str = ""
    algorithm: str = ""
    designs: int = Field(default=40_000, ge=1)
    tasks: tuple[str, ...] = ()
    file: str = ""
    trust: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.algorithm) == bool(self.file):
            raise ConfigurationError("a policy is an algorithm to be trained or the file of a stored agent: give one")
        return self

    @property
    def title(self) -> str:
        """In tables."""
        return self.name or self.algorithm or Path(self.file).stem

    def about(self) -> dict[str, Any]:
        """What its figures depend on."""
        return self.model_dump(exclude={"trust"} if self.file else {"trust", "file"})


class AmortisedTrack(_Model):
    """A hundred targets nobody has seen, a few queries each.

    Attributes:
        tasks: names of `matgym.benchmark.amortised.AMORTISED`.
        policies: that are trained.
        methods: that search each target anew.
        targets: drawn for all alike.
        queries: evaluations a target.
        seeds: trainings of each policy, and runs of each method.
    """

    tasks: tuple[str, ...] = Field(min_length=1)
    policies: tuple[PolicySpec, ...] = ()
    methods: Methods = ()
    targets: int = Field(default=100, ge=1)
    queries: int = Field(default=32, ge=1)
    seeds: int = Field(default=10, ge=1)

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in AMORTISED:
                raise ConfigurationError(f"there is no amortised task {name!r}; there are {', '.join(AMORTISED)}")
        return names


class Suite(_Model):
    """A benchmark.

    Attributes:
        name: of it.
        search: its first track.
        amortised: its second.
    """

    name: str
    search: SearchTrack | None = None
    amortised: AmortisedTrack | None = None

    def trusting(self) -> "Suite":
        """The same, whose policies in .zip files are opened, which runs whatever program is in them."""
        if self.amortised is None:
            return self
        policies = tuple(policy.model_copy(update={"trust": True}) for policy in self.amortised.policies)
        return self.model_copy(update={"amortised": self.amortised.model_copy(update={"policies": policies})})

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
    def read(cls, source: "str | Path") -> "Suite":
        """A YAML file, or the name of a shipped suite.

        Raises:
            ConfigurationError: if there is none, or it says something unknown.
        """
        shipped = {file.name.removesuffix(".yml"): file for file in (files("matgym.benchmark") / "suites").iterdir()}
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
            return cls.model_validate(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{source} is no YAML: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"{source}: {place}: {first['msg']}") from None
        except MatgymError as error:
            raise ConfigurationError(f"{source}: {error}") from None
