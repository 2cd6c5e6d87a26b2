"""What a benchmark runs: tasks, methods, budgets, seeds; from YAML, or made in memory with objects of one's own."""

import re
from collections.abc import Callable, Mapping
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
    ValidationError,
    model_validator,
)

from matgym.agents.policy import Policy
from matgym.benchmark.methods import NamedMethod
from matgym.errors import ConfigurationError, DatasetError, FormatError
from matgym.files import is_file, read_json
from matgym.learning.config import read_config
from matgym.tasks import DesignTask, Direction, chirality_task, decoration_task
from matgym.tasks.instances import Instance, instance
from matgym.typing import FloatArray

SUITES: Final = Path(__file__).parent / "suites"
"""Folder of the shipped suites."""

ABOUT: Final = "suite.json"
"""File that says what the runs of a folder are."""

RECORDS: Final = "records"
"""Folder of the runs' files, within that of the results."""

MAX_BUDGET: Final = 10_000_000
"""Most evaluations of a run. This limit and the next two are ours, so that a mistyped number is an error at once."""

MAX_SEEDS: Final = 10_000
"""Most seeds of a track."""

MAX_TARGETS: Final = 100_000
"""Most targets of an amortised task."""

UNSEEN_TARGETS_SEED: Final = 2026
"""Draws the targets; no training and no tuning uses it."""


@dataclass(frozen=True, eq=False)
class AmortisedTask:
    """Many targets to be met, of which each method gets only a few queries: a task of the second track.

    This is what learning is for: a policy is trained once, and then asked for designs for targets it has not seen.

    Attributes:
        name: in tables.
        title: one line.
        make: the task.
        met: loss within which a target counts as met, by the oracle, in the unit of the loss. Chosen by us.
        environment: on which policies are trained; named hyper-parameters go with it. Empty if none are.
        against_best: whether losses are counted from the best that any design reaches for a target, which is known
            where all can be enumerated: not every combination of targets can be had.
        given: (T,) or (T, k) targets in place of those drawn by `UNSEEN_TARGETS_SEED`.
    """

    name: str
    title: str
    make: Callable[[], DesignTask]
    met: float
    environment: str = ""
    against_best: bool = False
    given: FloatArray | None = None

    def best(self, targets: FloatArray) -> FloatArray:
        """(T,) least loss that any design has for each target; 0 where losses are not counted from it."""
        if not self.against_best:
            return np.zeros(len(targets))
        task = self.make()
        every = np.concatenate(list(task.space.enumerate()))
        rows = [task.score(every, np.broadcast_to(target, (len(every), *target.shape))).loss for target in targets]
        return np.array([np.nanmin(losses) for losses in rows])

    def targets(self, count: int) -> FloatArray:
        """(T,) or (T, k) targets: those given, or as many as asked for that no training and no tuning has seen."""
        if self.given is not None:
            return self.given
        return self.make().draw_targets([np.random.default_rng(UNSEEN_TARGETS_SEED)] * count)


AMORTISED: Final = {
    task.name: task
    for task in (
        AmortisedTask(
            "doping-targets",
            "a band gap to be met within 20 meV by eight B and eight N on 128 sites of (8,0), rewarded by a network",
            decoration_task, 0.02, "matgym/NanotubeDoping-v0",
        ),
        AmortisedTask(
            "chirality-targets",
            "gap, diameter and length to be met: a mean tolerance within 0.1 of the best of all 15,708 tubes",
            chirality_task, 0.1, "matgym/NanotubeChirality-v0", against_best=True,
        ),
    )
}  # fmt: skip
"""Name to task."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _named(methods: Any) -> Any:
    if not isinstance(methods, list | tuple):
        raise ConfigurationError(f"methods: {methods!r} is no list of names, or of mappings with settings")
    return [{"name": method} if isinstance(method, str) else method for method in methods]


Methods: TypeAlias = Annotated[tuple[NamedMethod, ...], BeforeValidator(_named)]
"""Names, or mappings with settings."""


def as_instance(task: str | Instance) -> Instance:
    """An instance, by its name or as it is."""
    return instance(task) if isinstance(task, str) else task


def as_amortised(task: str | AmortisedTask) -> AmortisedTask:
    """A task of the second track, by its name or as it is.

    Raises:
        ConfigurationError: if there is none of this name.
    """
    if not isinstance(task, str):
        return task
    if task not in AMORTISED:
        close = get_close_matches(task, AMORTISED, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigurationError(f"there is no amortised task {task!r}; {hint}there are {', '.join(AMORTISED)}")
    return AMORTISED[task]


def _known(look_up: Callable[[Any], object]) -> AfterValidator:
    """A validator of tasks: whatever is unknown is an error."""

    def check(task: Any) -> Any:
        look_up(task)
        return task

    return AfterValidator(check)


class SearchTrack(_Model):
    """One target, a budget of evaluations.

    Attributes:
        tasks: names of instances, or instances of one's own.
        methods: names, or mappings with settings.
        budget: evaluations of the task's model.
        seeds: runs of each method on each task.
    """

    tasks: tuple[Annotated[str | InstanceOf[Instance], _known(as_instance)], ...] = Field(min_length=1)
    methods: Methods = Field(min_length=1)
    budget: int = Field(default=256, ge=1, le=MAX_BUDGET)
    seeds: int = Field(default=10, ge=1, le=MAX_SEEDS)


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
    designs: int = Field(default=40_000, ge=1, le=1_000_000_000)
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
        tasks: names of `AMORTISED`, or tasks of one's own.
        policies: that are trained; in memory, trained ones as well.
        methods: that search each target anew.
        targets: drawn for all alike.
        queries: evaluations a target.
        seeds: trainings of each policy, and runs of each method.
        initial_designs: what searches of decorated tubes begin on; drawn from the space by default.
        every_checkpoint: whether the best designs after 1, 2, 4 and so on queries are verified, and not the last only.
    """

    tasks: tuple[Annotated[str | InstanceOf[AmortisedTask], _known(as_amortised)], ...] = Field(min_length=1)
    policies: tuple[PolicySpec | InstanceOf[Policy], ...] = ()
    methods: Methods = ()
    targets: int = Field(default=100, ge=1, le=MAX_TARGETS)
    queries: int = Field(default=32, ge=1, le=MAX_BUDGET)
    seeds: int = Field(default=10, ge=1, le=MAX_SEEDS)
    initial_designs: Any = None
    every_checkpoint: bool = True


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
        """The same with another number of seeds; 0 changes nothing.

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
        """A YAML file, or the name of a shipped suite; errors as `matgym.learning.config.read_config` raises them."""
        return read_config(cls, source, shipped=SUITES)


# ---- what suite.json says


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rewarded(_Facts):
    """What every task says: which model rewards, which verifies, and what the former cost to make.

    Attributes:
        title: one line.
        unit: of losses; empty for a pure number.
        model: what rewards, in words.
        level: what stands behind the model's values: see `matgym.models.Level`.
        is_oracle: whether the model is physics, so that what it predicts is true.
        oracle: what verifies, in words.
        training: what it took to train the model.
    """

    title: str
    unit: str = ""
    model: str = ""
    level: str = ""
    is_oracle: bool
    oracle: str = ""
    training: str = ""


class SearchFacts(Rewarded):
    """One target to be searched for."""

    direction: Direction
    target: tuple[float, ...] = ()
    optimum_loss: float
    proven: bool
    found_by: str = ""
    designs: int | None = None
    random_loss: float
    tolerance: float = Field(ge=0.0)


class AmortisedFacts(Rewarded):
    """Many targets, of which each gets few queries."""

    targets: int
    met: float


class MethodFacts(_Facts):
    """A method as the suite had it."""

    kind: str
    budget: int
    settings: Mapping[str, Any] = Field(default_factory=dict)


class SuiteFacts(_Facts):
    """The contents of suite.json: what a report needs to know besides the records."""

    suite: str
    created: str = ""
    machine: str = ""
    versions: Mapping[str, str] = Field(default_factory=dict)
    seconds: float = 0.0
    wall_seconds: float = 0.0
    workers: int = 1
    runs: tuple[str, ...] = ()
    tasks: Mapping[str, SearchFacts] = Field(default_factory=dict)
    methods: Mapping[str, MethodFacts]
    amortised: Mapping[str, AmortisedFacts] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read suite.json.

        Raises:
            DatasetError: if it is missing, or a field of it is.
        """
        if not is_file(path):
            raise DatasetError(f"there is no {path}: give a folder that `matgym benchmark run` made")
        try:
            facts = cls.model_validate(read_json(path))
        except FormatError as error:
            raise DatasetError(str(error)) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise DatasetError(f"{path}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from None
        for name, task in facts.tasks.items():
            if not task.random_loss > task.optimum_loss:
                raise DatasetError(
                    f"{path}: tasks.{name}.random_loss: {task.random_loss} must be above the optimum's "
                    f"{task.optimum_loss}"
                )
        return facts

    def planned(self) -> list[tuple[str, str, str, int]]:
        """(track, task, method, seed) of the runs that are listed by their keys."""
        planned = []
        for track, tasks in (("search", self.tasks), ("amortised", self.amortised)):
            for task in tasks:
                for method in self.methods:
                    key = re.compile(re.escape(f"{task}-{method}-") + r"(\d+)-[0-9a-f]+")
                    planned += [(track, task, method, int(m[1])) for run in self.runs if (m := key.fullmatch(run))]
        return planned
