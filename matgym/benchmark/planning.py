"""The runs of a suite, and the part of them that one of several jobs executes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from matgym.benchmark.methods import NamedMethod
from matgym.benchmark.runs import AmortisedRun, Run, SearchRun
from matgym.benchmark.suite import Suite
from matgym.benchmark.tasks import AmortisedTask, OwnTask, instance_task, task_name
from matgym.errors import ConfigurationError
from matgym.tasks.instances import Instance


@dataclass(frozen=True)
class Shard:
    """A part of the runs of a suite, for job schedulers: `number` of `count`.

    Raises:
        ConfigurationError: if the number is not from 1 to the count.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigurationError(f"shard {self.number}/{self.count} must be from 1/{self.count} to its count")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard of a text such as "2/8"; of an empty text, the whole.

        Raises:
            ConfigurationError: if the text has another form.
        """
        if not text:
            return cls()
        if not (found := re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)):
            raise ConfigurationError(f"shard {text!r:.40} must be NUMBER/COUNT, such as 2/8")
        return cls(int(found[1]), int(found[2]))

    def part(self, runs: Sequence[Run]) -> list[Run]:
        """Return every `count`-th run from the `number`-th one: all shards together are all runs, each once."""
        return list(runs[self.number - 1 :: self.count])


def plan(suite: Suite, *, trust: bool = False) -> list[Run]:
    """Return all runs of a suite, seed by seed, so that an interrupted suite has full tables of fewer seeds.

    With `trust`, policies in .zip files are unpickled. Unpickling can run any program.

    Raises:
        ConfigurationError: if a task would have no run.
    """
    runs: list[Run] = []
    searched = suite.searched
    if searched is not None:
        by_oracle = suite.discovery is not None
        runs += [
            SearchRun(
                task=task, method=method, seed=seed, budget=searched.budget_of(method), compared=searched.compared,
                by_oracle=by_oracle, batch=searched.batch,
            )
            for seed in range(searched.seeds)
            for task in searched.tasks
            for method in searched.methods
            if applies(method, task)
        ]  # fmt: skip
    if suite.amortised is not None:
        wide = suite.amortised
        runs += [
            AmortisedRun(
                task=task, method=method, seed=seed, budget=wide.budget_of(method), targets=wide.targets,
                initial_designs=wide.initial_designs, every_checkpoint=wide.every_checkpoint, trust=trust,
            )
            for seed in range(wide.seeds)
            for task in wide.tasks
            for method in wide.contenders(task)
        ]  # fmt: skip
    names = [task_name(task) for task in (*(searched.tasks if searched else ()), *_amortised(suite))]
    working = {run.task_name for run in runs}
    if idle := [name for name in names if name not in working]:
        raise ConfigurationError(
            f"no method of the suite {suite.name} applies to the task {idle[0]}: give one that does"
        )
    return runs


def _amortised(suite: Suite) -> tuple[str | AmortisedTask, ...]:
    return suite.amortised.tasks if suite.amortised else ()


def applies(method: NamedMethod, task: str | Instance | OwnTask) -> bool:
    """Return whether an optimizer can search an instance; discrete actions and steps do not fit designs of numbers."""
    if method.kind not in {"RL", "tree"}:
        return True
    from matgym.agents.optimizers.rl_search import check_applies
    from matgym.agents.optimizers.tree_search import steps_of

    space = instance_task(task).space
    try:
        if method.algorithm is None:
            steps_of(space)
        else:
            check_applies(method.algorithm, space)
    except ConfigurationError:
        return False
    return True
