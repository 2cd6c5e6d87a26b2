"""The contents of suite.json, from a suite."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matgym.agents.look_up import LOOK_UP
from matgym.benchmark.facts import AmortisedFacts, SearchFacts, SuiteFacts
from matgym.benchmark.identity import versions
from matgym.benchmark.runs import Run
from matgym.benchmark.solve import random_loss
from matgym.benchmark.suite import PolicySpec, Suite
from matgym.benchmark.tasks import AmortisedTask, OwnTask, as_amortised, as_instance, instance_task, task_name
from matgym.errors import DatasetError
from matgym.models import Level
from matgym.tasks import DesignTask
from matgym.tasks.campaign import CampaignTask
from matgym.tasks.instances import Instance


def describe(suite: Suite, runs: Sequence[Run], workers: int) -> SuiteFacts:
    """Return the facts that a report needs in addition to the records.

    Raises:
        DatasetError: if an instance has no known optimum.
    """
    search, wide = suite.searched, suite.amortised
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
        batch=search.batch if search else 1,
        within=suite.discovery.within if suite.discovery else 0.0,
        tasks={
            task_name(task): _searched(task, by_oracle=suite.discovery is not None)
            for task in (search.tasks if search else ())
        },
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


def _searched(given: str | Instance | OwnTask, *, by_oracle: bool) -> SearchFacts:
    made, task = as_instance(given), instance_task(given, by_oracle=by_oracle)
    best = made.optimum
    if best is None and not isinstance(given, OwnTask):
        raise DatasetError(f"the optimum of {made.name} is unknown: run matgym benchmark solve {made.name}")
    direction = "target" if len(task.counted) > 1 or made.target else task.objective.direction
    shared = {"title": made.title, "direction": direction, "target": made.target, "constrained": bool(task.constraint),
              "objectives": len(task.counted), **_models(task)}  # fmt: skip
    if best is None or isinstance(given, OwnTask):
        return SearchFacts(
            **shared, **_own_scale(given, made, task), designs=task.space.size, random_loss=random_loss(task, made)[0]
        )
    return SearchFacts(
        **shared, optimum_loss=best.loss, proven=best.proven, found_by=best.found_by, designs=best.designs,
        random_loss=best.random_loss, tolerance=best.tolerance,
    )  # fmt: skip


def _own_scale(given: Any, made: Instance, task: DesignTask) -> dict[str, Any]:
    """Return the lowest loss of a user's task that is known before its runs, and who found it."""
    told: dict[str, Any] = {"proven": False, "tolerance": made.tolerance}
    if given.best is not None:
        return told | {"optimum_loss": given.best, "found_by": "the suite"}
    if isinstance(task, CampaignTask):
        return told | {"optimum_loss": -task.best if task.objective.direction == "maximize" else task.best,
                       "found_by": "the best row of the table"}  # fmt: skip
    if made.optimum is not None:
        return told | {"optimum_loss": made.optimum.loss, "found_by": made.optimum.found_by}
    return told | {"optimum_loss": None, "found_by": "the best of these runs"}


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
