"""Comparisons in memory: a suite of objects, run in this process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from matgym.agents.policy import Policy
from matgym.benchmark.description import describe
from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.methods import Method, as_named
from matgym.benchmark.planning import plan
from matgym.benchmark.results import Results
from matgym.benchmark.runner import cpu_seconds
from matgym.benchmark.runs import Outcome
from matgym.benchmark.search import method_name
from matgym.benchmark.suite import Suite
from matgym.benchmark.tasks import AMORTISED, AmortisedTask, as_amortised
from matgym.errors import ConfigurationError
from matgym.files import check_output, write_text
from matgym.learning.config import validated
from matgym.tasks import DesignGeneratorLike, DesignTask
from matgym.tasks.instances import INSTANCES, Instance
from matgym.typing import FloatArray


class Comparison(Results):
    """Results of runs in this process, with the searches themselves."""

    def __init__(self, facts: SuiteFacts, outcomes: Sequence[Outcome]) -> None:
        records = pa.concat_tables([outcome.table for outcome in outcomes])
        super().__init__(facts, records.append_column("filename", records["run"]))
        self.outcomes = tuple(outcomes)

    def of(self, method: str) -> list[Outcome]:
        """Return the runs of one method, by seed."""
        return [outcome for outcome in self.outcomes if outcome.run.name == method]

    def report(self, output: Path | str) -> None:
        """Write the report of these results as one HTML page.

        Raises:
            FormatError: if no file can be written there.
        """
        from matgym.benchmark.report import page

        check_output(Path(output))
        write_text(Path(output), page(self))


def run(
    methods: Sequence[Method],
    tasks: "str | DesignTask | Instance | AmortisedTask | Sequence[Any]" = "doping-targets",
    *,
    targets: int | FloatArray = 100,
    queries: int = 16,
    seeds: int = 5,
    met: float | None = None,
    initial_designs: DesignGeneratorLike | None = "random",
    on_turn: Callable[[], None] = lambda: None,
) -> Comparison:
    """Compare methods at equal numbers of evaluations, in memory; the oracle verifies all final designs.

    The comparison is a suite. Names of instances and `Instance` objects make its search track. All other tasks make its
    amortised track.

    Args:
        methods: names, `Optimizer` classes, `NamedMethod`, or trained `Policy` objects.
        tasks: one or several names of instances or of amortised tasks, or your own objects. The targets of a
            `DesignTask` are drawn at random.
        targets: number of targets to draw (with `UNSEEN_TARGETS_SEED`), or the (T,) or (T, k) targets. A task without
            targets is searched once for each seed.
        queries: number of evaluations of the task's model per target.
        seeds: number of runs of each method.
        met: loss within which a target of a `DesignTask` counts as met; the default is 0.02. A `DesignTask` without
            targets needs it: the loss at which a design counts as good enough.
        initial_designs: initial designs of searches of decorated tubes: "random", "gan", or another name of
            `matgym.tasks.DESIGN_GENERATORS`. None draws from the space.
        on_turn: function that is called after each evaluation of all targets.

    Returns:
        The results and the searches.

    Raises:
        ConfigurationError: if a method or a task is unknown, two have the same name, an argument has no effect, or
            the targets do not fit a task.
        ModelError: if an optimizer cannot be made.
    """
    listed: list[Any] = list(tasks) if isinstance(tasks, list | tuple) else [tasks]
    searched = [task for task in listed if isinstance(task, Instance) or (isinstance(task, str) and task in INSTANCES)]
    if met is not None and not any(isinstance(task, DesignTask) for task in listed):
        raise ConfigurationError(f"met={met} has no effect, because named tasks have their own: leave it out")
    given = None if isinstance(targets, int) else _given(targets)
    wide = [_targets_of(task, given, met) for task in listed if task not in searched]
    policies = [method for method in methods if isinstance(method, Policy)]
    if searched and not wide and (given is not None or policies):
        what = f"targets={targets!r:.80}" if given is not None else f"the policy {policies[0].name}"
        raise ConfigurationError(
            f"{what} has no effect on an instance, which has one target of its own: leave it out, or give an amortised "
            "task"
        )
    named = [as_named(method) for method in methods if not isinstance(method, Policy)]
    names = [method_name(method) for method in methods]
    for what, given_names in (("methods", names), ("tasks", [as_amortised(task).name for task in wide])):
        if len(set(given_names)) < len(given_names):
            raise ConfigurationError(f"{what} {', '.join(given_names)} must have different names")
    shared = {"methods": named, "seeds": seeds}
    content = {
        "name": "comparison",
        "search": {"tasks": searched, "budget": queries} | shared if searched else None,
        "amortised": {
            "tasks": wide, "policies": policies, "targets": targets if given is None else len(given),
            "queries": queries, "initial_designs": initial_designs, "every_checkpoint": False,
        } | shared if wide else None,
    }  # fmt: skip
    suite = validated(Suite, content, "comparison")
    runs = [replace(each, identity="{}") for each in plan(suite)]  # no record is stored, so that no identity is needed
    for each in runs:
        if each.seed == 0:
            each.check()
    facts = describe(suite, runs, workers=1)
    facts = facts.model_copy(update={"methods": {name: facts.methods[name] for name in names}})
    began = time.perf_counter()
    outcomes = [each.carry_out(on_turn) for each in runs]
    clock = {"wall_seconds": time.perf_counter() - began, "seconds": cpu_seconds(each.table for each in outcomes)}
    return Comparison(facts.model_copy(update=clock), outcomes)


def _given(targets: Any) -> FloatArray:
    """Return targets of a user as an array.

    Raises:
        ConfigurationError: if they are not (T,) or (T, k) finite numbers.
    """
    try:
        given = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.zeros(())
    if given.ndim not in (1, 2) or not given.size or not np.isfinite(given).all():
        raise ConfigurationError(
            f"targets={targets!r:.80} must be a number of targets, or (T,) or (T, k) finite numbers"
        )
    return given


def _targets_of(task: str | DesignTask | AmortisedTask, given: FloatArray | None, met: float | None) -> AmortisedTask:
    """Return an amortised task, with the given targets if there are any.

    Raises:
        ConfigurationError: if the targets do not fit the task, or a task without targets has no `met`.
    """
    if not isinstance(task, DesignTask):
        made = as_amortised(task)
        return made if given is None else replace(made, given=_fitting(given, made.name, made.make().target_names))
    within = AMORTISED["doping-targets"].met if met is None else met
    made = AmortisedTask(task.value_name, f"{task.value_name} to be met", lambda: task, within)
    if given is not None:
        return replace(made, given=_fitting(given, made.name, task.target_names))
    if task.target_names:
        return made
    if met is None:
        raise ConfigurationError(
            f"the task {made.name} has no targets, so that no loss counts as met: give met=, or an Instance"
        )
    return replace(made, given=np.zeros((1, 0)))


def _fitting(given: FloatArray, task: str, names: Sequence[str]) -> FloatArray:
    """Return a user's targets as (T,) or (T, k) numbers of a task.

    Raises:
        ConfigurationError: if the task has another number of targets.
    """
    columns = given.reshape(len(given), -1)
    if not names:
        raise ConfigurationError(f"targets={given.tolist()!r:.80} has no effect on the task {task}: leave it out")
    if columns.shape[1] != len(names):
        raise ConfigurationError(
            f"targets of shape {given.shape} do not fit the task {task}: give (T, {len(names)}) numbers of "
            f"{', '.join(names)}"
        )
    return columns[:, 0] if len(names) == 1 else columns
