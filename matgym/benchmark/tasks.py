"""Tasks of suites by name or from the user: instances, tables of experiments, and tasks of many targets."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final, Self, TypeAlias

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from matgym.benchmark.methods import NAME
from matgym.errors import ConfigurationError, one_line
from matgym.frozen import ValueObject
from matgym.models import Level
from matgym.tasks import DesignTask, chirality_task, decoration_task
from matgym.tasks.campaign import campaign_task
from matgym.tasks.instances import INSTANCES, Instance, instance
from matgym.typing import FloatArray

MAX_LETTERS: Final = 1_000
"""Longest sentence in suite.json. A choice of ours."""

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


class OwnTask(BaseModel):
    """A search task of a user in a suite: a function that makes it, or a table of experiments.

    Attributes:
        name: name in tables, which is not that of an instance.
        title: title of one line.
        task: "module:function" without necessary arguments, "module:Class", or "module:object", of a `DesignTask` or an
            `Instance`. The module is imported when the task is first made, which runs its code; reading and reporting
            a suite do not.
        table: path of a CSV file or workbook, or the name of a campaign of the package `olymp` (extra `experiments`):
            the search proposes experiments, and an emulator of the table gives their results.
        settings: keyword arguments of the function, or of `campaign_task`, such as `target` and `direction`.
        noise: whether experiments of a table are noisy. The noise is that of its replicates.
        target: target values of a `DesignTask` with targets.
        best: lowest known loss. The default is that of the `Instance`, the best row of a table, or else the lowest
            verified loss of the runs.
        tolerance: difference of a loss from the lowest one that counts as found.

    Raises:
        ConfigurationError: if there is not exactly one of task and table, the name is that of an instance, or a field
            has no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    title: Line = ""
    task: str = ""
    table: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    noise: bool = True
    target: tuple[float, ...] = ()
    best: float | None = Field(default=None, allow_inf_nan=False)
    tolerance: float = Field(default=1e-9, ge=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.task) == bool(self.table):
            raise ConfigurationError(
                f"the task {self.name} needs either task: module:function or table: FILE: give one"
            )
        if self.name in INSTANCES or self.name in AMORTISED:
            raise ConfigurationError(f"the name {self.name!r} of a task is that of a shipped one: give another name")
        module, _, attribute = self.task.partition(":")
        if self.task and not all(part.isidentifier() for part in (*module.split("."), attribute)):
            raise ConfigurationError(
                f"task {self.task!r:.80} is not of the form module:function, such as package.module:my_task"
            )
        if self.table and self.target:
            raise ConfigurationError(f"target={self.target} has no effect on a table of experiments: leave it out")
        if self.task and not self.noise:
            raise ConfigurationError(f"noise has no effect on {self.task}, which is no table: leave it out")
        return self

    @property
    def is_noisy(self) -> bool:
        """Whether the task needs a source of noise."""
        return bool(self.table) and self.noise

    def instance(self) -> Instance:
        """Return the task as an instance, which imports its module.

        Raises:
            ConfigurationError: if the module cannot be imported, or holds no such task.
        """
        if self.table:
            title = self.title or f"the best experiment of {self.table}"
            make = partial(campaign_task, self.table, **self.settings)
            return Instance(self.name, title, make, tolerance=self.tolerance)
        found = _imported(self.task)
        if isinstance(found, Instance):
            return found
        if not isinstance(found, DesignTask) and not callable(found):
            raise ConfigurationError(f"{self.task} is {found!r:.80}: give a function that returns a DesignTask")
        if isinstance(found, DesignTask) and self.settings:
            raise ConfigurationError(f"settings have no effect on {self.task}, which is a task: leave them out")
        make = partial(_made, self.task, found, self.settings)
        return Instance(self.name, self.title or f"the task {self.task}", make, self.target, tolerance=self.tolerance)


def _imported(place: str) -> Any:
    module, _, attribute = place.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # the module's own code may raise anything
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise ConfigurationError(f"task {place!r} cannot be loaded: {reason}") from error


def _made(place: str, source: Any, settings: dict[str, Any], **further: Any) -> DesignTask:
    """Return the task that a user's function makes."""
    made = source if isinstance(source, DesignTask) else source(**settings | further)
    if not isinstance(made, DesignTask):
        raise ConfigurationError(f"{place} made {made!r:.80}: it must make a matgym.tasks.DesignTask")
    return made


def as_instance(task: str | Instance | OwnTask) -> Instance:
    """Return an instance from its name or from a user's task, or the given instance."""
    if isinstance(task, OwnTask):
        return task.instance()
    return instance(task) if isinstance(task, str) else task


def instance_task(task: str | Instance | OwnTask, seed: int = 0, *, by_oracle: bool = False) -> DesignTask:
    """Return the design task of one run.

    Args:
        task: the task.
        seed: seed of the run, on which the noise of experiments depends.
        by_oracle: whether an oracle scores the designs, instead of a learned model.
    """
    made = as_instance(task)
    if isinstance(task, OwnTask) and task.is_noisy:
        return made.task(rng=np.random.default_rng([seed, 3]))
    usual = made.task()
    return made.task(model="oracle") if by_oracle and not is_exact(usual) else usual


def is_exact(task: DesignTask) -> bool:
    """Return whether the models of the task are its oracles or tables of them, so that no verification is needed."""
    pairs = [(each.model, each.oracle) for each in task.counted]
    return all(
        model.is_oracle
        and not model.is_uncertain  # a noisy measurement
        and (model.level is Level.TABLE or (oracle is not None and model.level is oracle.level))
        for model, oracle in pairs
    )


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


def task_name(task: str | Instance | OwnTask | AmortisedTask) -> str:
    """Return the name of a task."""
    return task if isinstance(task, str) else task.name
