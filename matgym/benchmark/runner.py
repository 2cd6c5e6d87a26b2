"""Run a suite in a folder, in parallel and resumable, or run a comparison in memory."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from matgym.agents.look_up import LOOK_UP
from matgym.agents.policy import Policy
from matgym.benchmark.facts import AmortisedFacts, SearchFacts, SuiteFacts
from matgym.benchmark.identity import in_words, read_identity, versions
from matgym.benchmark.methods import Method, NamedMethod, as_named
from matgym.benchmark.records import read_record, record_files
from matgym.benchmark.results import Results
from matgym.benchmark.runs import AmortisedRun, Outcome, Run, SearchRun
from matgym.benchmark.search import method_name
from matgym.benchmark.suite import (
    ABOUT,
    AMORTISED,
    RECORDS,
    AmortisedTask,
    PolicySpec,
    Suite,
    as_amortised,
    as_instance,
)
from matgym.errors import ConfigurationError, DatasetError
from matgym.execution import execute
from matgym.files import DAMAGED, check_output, remove_scratch, set_aside, write_json, write_text
from matgym.learning.config import validated
from matgym.models import Level
from matgym.tasks import DesignGeneratorLike, DesignTask
from matgym.tasks.instances import INSTANCES, Instance
from matgym.typing import FloatArray
from matgym.work import alone_in

NOTED_S: Final = 10.0
"""Seconds between two updates of the wall time in suite.json."""


def plan(suite: Suite, *, trust: bool = False) -> list[Run]:
    """Return all runs of a suite, seed by seed, so that an interrupted suite has full tables of fewer seeds.

    With `trust`, policies in .zip files are unpickled. Unpickling can run any program.

    Raises:
        ConfigurationError: if a task would have no run.
    """
    runs: list[Run] = []
    if suite.search is not None:
        runs += [
            SearchRun(
                task=task, method=method, seed=seed, budget=suite.search.budget_of(method),
                compared=suite.search.compared,
            )
            for seed in range(suite.search.seeds)
            for task in suite.search.tasks
            for method in suite.search.methods
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
    named = [*(suite.search.tasks if suite.search else ()), *(suite.amortised.tasks if suite.amortised else ())]
    names = [task if isinstance(task, str) else task.name for task in named]
    working = {run.task_name for run in runs}
    if idle := [name for name in names if name not in working]:
        raise ConfigurationError(
            f"no method of the suite {suite.name} applies to the task {idle[0]}: give one that does"
        )
    return runs


def applies(method: NamedMethod, task: str | Instance) -> bool:
    """Return whether an optimizer can search an instance; discrete actions and steps do not fit designs of numbers."""
    if method.kind not in {"RL", "tree"}:
        return True
    from matgym.agents.optimizers.rl_search import check_applies
    from matgym.agents.optimizers.tree_search import steps_of

    space = as_instance(task).task().space
    try:
        if method.algorithm is None:
            steps_of(space)
        else:
            check_applies(method.algorithm, space)
    except ConfigurationError:
        return False
    return True


# ---- in a folder


def run_suite(
    suite: Suite,
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    trust: bool = False,
    on_done: Callable[[Run, bool], None] = lambda _run, _before: None,
) -> Path:
    """Execute the runs of a suite that have no record yet.

    Args:
        suite: suite to run.
        folder: folder of the results: `suite.json`, and `records/` with one Parquet file per run.
        workers: number of processes; see `matgym.execution.execute`.
        scheduler: address of a Dask scheduler, whose workers then execute the runs.
        trust: see `plan`.
        on_done: function that is called with each run that has a record, and with whether the record existed before.

    Returns:
        The folder.

    Raises:
        ConfigurationError: if a task would have no run, a method cannot be loaded or made with its settings, or the
            file of a policy is missing.
        FormatError: if the folder or a file in it cannot be written.
        WeightsError: if the file of a policy holds no agent, or is a .zip file without `trust`.
        DatasetError: if the folder holds records of other code, versions, weights, tables or settings, or of another
            suite.
        ExecutionError: after all other runs are finished, if runs failed; immediately, if another call runs a suite in
            the folder.
    """
    runs = [run.identified() for run in plan(suite, trust=trust)]
    check_output(folder, folder=True)
    check_output(folder / RECORDS, folder=True)
    check_output(folder / ABOUT)
    for run in runs:
        if run.seed == 0:
            run.check()
    with alone_in(folder, f"another call runs a suite in {folder}"):
        return _run_in(folder, suite, runs, workers, scheduler, on_done)


def _run_in(
    folder: Path,
    suite: Suite,
    runs: Sequence[Run],
    workers: int,
    scheduler: str | None,
    on_done: Callable[[Run, bool], None],
) -> Path:
    """Execute the runs of a suite in a folder whose lock this call holds; see `run_suite`."""
    remove_scratch(folder)
    check_folder(folder, runs)
    about = folder / ABOUT
    before = _facts_before(about)
    began = time.perf_counter()
    content = describe(suite, runs, workers).model_dump() | {
        name: before[name] for name in ("created", "wall_seconds") if name in before
    }
    write_json(about, content)
    noted = began

    def spent() -> float:
        return float(before.get("wall_seconds", 0.0)) + time.perf_counter() - began

    def done(run: Any, there: bool) -> None:
        """Write the wall time at intervals, so that a killed call does not lose it."""
        nonlocal noted
        on_done(run, there)
        if time.perf_counter() - noted > NOTED_S:
            noted = time.perf_counter()
            write_json(about, content | {"wall_seconds": spent()})

    files = execute(runs, folder / RECORDS, workers=workers, scheduler=scheduler, on_done=done)
    write_json(about, content | {"wall_seconds": spent(), "seconds": _cpu_seconds(pq.read_table(f) for f in files)})
    for path in (about, *files):  # what was damaged has been done again
        path.with_name(path.name + DAMAGED).unlink(missing_ok=True)
    return folder


def _facts_before(about: Path) -> dict[str, Any]:
    """Return the contents of suite.json of an earlier call; a damaged file is set aside, and is written again."""
    if not about.exists():
        return {}
    try:
        return SuiteFacts.read(about).model_dump()
    except DatasetError as error:
        set_aside(about, str(error))
        return {}


def check_folder(folder: Path, runs: Sequence[Run]) -> None:
    """Check that a folder holds records of the given runs only; damaged records of these runs are set aside.

    Raises:
        DatasetError: if there are other records; the message gives the difference.
    """
    by_key = {run.key: run for run in runs}
    by_place = {(run.task_name, run.name, run.seed): run for run in runs}
    for path in record_files(folder / RECORDS):
        own = by_key.get(path.stem)
        try:
            row = read_record(path).select(["task", "method", "seed", "identity", "run"]).slice(0, 1).to_pylist()[0]
            identity = read_identity(row["identity"], path)
        except DatasetError as error:
            if own is None:
                raise
            set_aside(path, str(error))
            continue
        place = (row["task"], row["method"], row["seed"])
        if own is not None:
            if (row["run"], row["identity"], place) != (own.key, own.identity, (own.task_name, own.name, own.seed)):
                set_aside(path, f"it holds the run {row['run']}")
            continue
        mine = by_place.get(place)
        reason = "the suite has no such run"
        if mine is not None:
            reason = in_words(identity, json.loads(mine.identity)) or "it differs"
        raise DatasetError(f"{path} is not of this suite: {reason}; remove it or choose another folder")


def last_loss(record: Path) -> float:
    """Return the mean over targets of the verified loss after the whole budget; NaN if no design has one."""
    table = pq.read_table(record, columns=["evaluation", "verified_loss"])
    evaluations, losses = (table[name].to_numpy() for name in table.column_names)
    final = losses[evaluations == evaluations.max()]
    known = final[~np.isnan(final)]
    return float(known.mean()) if len(known) else float("nan")


def _cpu_seconds(records: Any) -> float:
    """Return the seconds of all runs together, without verification."""
    return float(sum(max(table[name].to_pylist()) for table in records for name in ("seconds", "training_seconds")))


# ---- in memory


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
    clock = {"wall_seconds": time.perf_counter() - began, "seconds": _cpu_seconds(each.table for each in outcomes)}
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


# ---- contents of suite.json


def describe(suite: Suite, runs: Sequence[Run], workers: int) -> SuiteFacts:
    """Return the facts that a report needs in addition to the records.

    Raises:
        DatasetError: if an instance has no known optimum.
    """
    search, wide = suite.search, suite.amortised
    methods: dict[str, Any] = {}
    of_tracks = [(method, search.budget_of(method)) for method in search.methods] if search else []
    of_tracks += [(method, wide.budget_of(method)) for method in wide.methods] if wide else []
    for method, budget in of_tracks:
        methods.setdefault(method.name, {"kind": method.kind, "budget": budget, "settings": method.settings})
    for policy in wide.policies if wide else ():
        if isinstance(policy, PolicySpec):
            settings = {"trained on designs": policy.designs}
            kind = "look-up" if policy.algorithm == LOOK_UP else "RL"
            methods[policy.title] = {"kind": kind, "budget": policy.designs, "settings": settings}
        else:
            methods[policy.name] = {"kind": "RL", "budget": wide.queries if wide else 0}
    return SuiteFacts(
        suite=suite.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
        versions=versions(),
        workers=workers,
        runs=tuple(run.key for run in runs),
        checkpoints=search.compared if search else (),
        tasks={made.name: _searched(made) for made in map(as_instance, search.tasks if search else ())},
        methods=methods,
        amortised={made.name: _met(made, wide.targets) for made in map(as_amortised, wide.tasks)} if wide else {},
    )


def machine() -> str:
    """Return the processor, its number of cores, and the version of Python."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}"


def _searched(made: Instance) -> SearchFacts:
    task, best = made.task(), made.optimum
    if best is None:
        raise DatasetError(f"the optimum of {made.name} is unknown: run matgym benchmark solve {made.name}")
    direction = "target" if len(task.counted) > 1 or made.target else task.objective.direction
    return SearchFacts(
        title=made.title, direction=direction, target=made.target, optimum_loss=best.loss, proven=best.proven,
        found_by=best.found_by, designs=best.designs, random_loss=best.random_loss, tolerance=best.tolerance,
        **_models(task),
    )  # fmt: skip


def _met(made: AmortisedTask, targets: int) -> AmortisedFacts:
    return AmortisedFacts(title=made.title, targets=targets, met=made.met, **_models(made.make()))


def _models(task: DesignTask) -> dict[str, Any]:
    """Describe the model of the reward, its training, and the oracle of the verification."""
    model, oracle = task.objective.model, task.objective.oracle
    told: dict[str, Any] = {"unit": "" if task.unit == "1" else task.unit, "level": model.level}
    told |= {"is_oracle": model.is_oracle, "oracle": "no oracle" if oracle is None else f"the oracle: {oracle.level}"}
    if model.level is Level.TABLE:
        told |= {"model": "the table of all designs", "oracle": "the same"}
        return told | {"training": "No model is trained. Each look-up counts as one evaluation of the oracle."}
    if model.is_oracle:
        return told | {"model": f"the oracle: {model.level}", "training": "No model is trained."}
    return told | _learned(model)


def _learned(model: Any) -> dict[str, str]:
    """Describe a learned model; the card of a shipped network gives its training."""
    from matgym.surrogates import as_model, load_card, shipped

    for name in shipped():
        if as_model(name, model.properties[0]) is model:
            card = load_card(name)
            rows, answers = card.data["rows"], card.data.get("answers", 0)
            also = f" and on {answers:,} answers of a larger network" if answers else ""
            training = (
                f"The network {name} was trained on {rows['train']:,} of {sum(rows.values()):,} tubes with labels of "
                f"the oracle{also}, for {card.fit['epochs']} epochs. Labels and training are not counted as "
                "evaluations."
            )
            return {"model": f"the network {name}", "training": training}
    return {"model": model.name}
