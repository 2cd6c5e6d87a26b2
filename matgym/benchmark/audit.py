"""Audit results: counts, digests, trajectories, and a sample of designs that are scored again."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from matgym.benchmark.identity import digest
from matgym.benchmark.records import KINDS
from matgym.benchmark.results import Results
from matgym.benchmark.runs import task_digests
from matgym.benchmark.tasks import instance_task, is_exact
from matgym.errors import ConfigurationError
from matgym.files import parse_json
from matgym.tasks import DesignTask
from matgym.tasks.instances import INSTANCES, instance

CONFIRMED: Final = 1e-5
"""Relative difference within which a loss is confirmed; single precision and other processors round otherwise."""

FINALS: Final = """
SELECT filename, task, method, seed, identity, run, max(evaluation) AS spent,
       arg_max(design, evaluation) AS design, arg_max(predicted_loss, evaluation) AS predicted,
       arg_max(verified_loss, evaluation) AS verified, arg_max(trajectory, evaluation) AS trajectory,
       list(evaluation ORDER BY evaluation) AS marks, list(predicted_loss ORDER BY evaluation) AS progress,
       max(surrogate) AS surrogate, max(oracle) AS oracle, max(simulation) AS simulation, max(experiment) AS experiment
FROM records WHERE track = 'search' GROUP BY ALL ORDER BY ALL
"""
"""Every search as one row."""


@dataclass(frozen=True)
class Finding:
    """Something in a record that does not agree.

    Attributes:
        run: name of the run.
        what: what was checked.
        stored: value in the record.
        found: value that the audit finds.
    """

    run: str
    what: str
    stored: str
    found: str


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Attributes:
        searches: number of searches whose counts, digests and trajectories were checked.
        scored: number of final designs that were scored again.
        skipped: names of tasks of users, whose designs cannot be scored here.
        findings: everything that does not agree.
    """

    searches: int
    scored: int
    skipped: tuple[str, ...]
    findings: tuple[Finding, ...]


def audit(path: Path, *, sample: int = 20, seed: int = 0) -> Audit:
    """Check results of others, and score a sample of their designs again.

    The check of every search: its name holds the digest of its identity, its tasks and models are those of this
    version, its counts are those of its evaluations, and its predicted losses are the minima of its trajectory. The
    check of the sample: the task's model confirms the predicted loss of the final design, and the oracle the verified
    one. Whether an optimizer evaluated designs elsewhere cannot be seen in a record.

    Args:
        path: folder of the results, or path PATH of PATH.json and PATH.parquet.
        sample: number of searches whose final designs are scored again.
        seed: random seed of the sample.

    Raises:
        ConfigurationError: if `sample` is negative.
        DatasetError: if the results cannot be read, or are inconsistent.
    """
    if sample < 0:
        raise ConfigurationError(f"sample={sample} must be 0 or more")
    results = Results.read(path)
    rows = results.query(FINALS).to_pylist()
    findings: list[Finding] = []
    tasks: dict[str, DesignTask] = {}
    for row in rows:
        findings += _of_record(row)
        if row["task"] in INSTANCES:
            by_oracle = bool(results.facts.within)
            task = tasks.setdefault(row["task"], instance_task(row["task"], by_oracle=by_oracle))
            findings += _of_task(row, task)
    known = [row for row in rows if row["task"] in INSTANCES and row["design"]]
    chosen = np.random.default_rng(seed).permutation(len(known))[:sample]
    for index in sorted(chosen.tolist()):
        findings += _of_design(known[index], tasks[known[index]["task"]])
    skipped = sorted({row["task"] for row in rows} - set(INSTANCES))
    return Audit(len(rows), len(chosen), tuple(skipped), tuple(findings))


def _of_record(row: dict[str, Any]) -> list[Finding]:
    """Check what a record says of itself."""
    run, found = row["run"], []
    own = digest(row["identity"].encode())
    if not run.endswith(f"-{own}"):
        found.append(Finding(run, "digest of the identity", run.rpartition("-")[2], own))
    budget = parse_json(row["identity"], row["run"]).get("budget")
    if budget != row["spent"]:
        found.append(Finding(run, "evaluations", str(row["spent"]), f"a budget of {budget}"))
    losses = np.array(row["trajectory"], dtype=np.float64)
    if len(losses) != row["spent"]:
        found.append(Finding(run, "length of the trajectory", str(len(losses)), str(row["spent"])))
        return found
    least = np.minimum.accumulate(losses)[np.array(row["marks"]) - 1]
    wrong = ~np.isclose(least, np.array(row["progress"]), rtol=1e-9, atol=1e-12)
    if wrong.any():
        mark = int(np.flatnonzero(wrong)[0])
        found.append(
            Finding(
                run, f"predicted loss after {row['marks'][mark]} evaluations", f"{row['progress'][mark]:.6g}",
                f"{least[mark]:.6g}, the least of the trajectory",
            )
        )  # fmt: skip
    return found


def _of_task(row: dict[str, Any], task: DesignTask) -> list[Finding]:
    """Check that the task is that of this version, and the counts are those of its evaluations."""
    found, identity = [], parse_json(row["identity"], row["run"])
    for what, own in task_digests(row["task"]).items():
        if identity.get(what) != own:
            found.append(Finding(row["run"], f"digest of the {what}", str(identity.get(what)), own))
    for kind, each in _counts(task).items():
        if row[kind] != each * row["spent"]:
            found.append(Finding(row["run"], f"{kind} evaluations", f"{row[kind]:,}", f"{each * row['spent']:,}"))
    return found


def _counts(task: DesignTask) -> Counter[str]:
    """Return the evaluations of each kind that one design takes."""
    before = task.ledger.counts.copy()
    task.score(task.space.sample(1, np.random.default_rng(0)), np.zeros((1, len(task.target_names))))
    spent = task.ledger.counts - before
    return Counter({kind: spent[kind] for kind in KINDS})


def _of_design(row: dict[str, Any], task: DesignTask) -> list[Finding]:
    """Score the final design of a search again, by the task's model and by the oracle."""
    made = instance(row["task"])
    kind = task.space.sample(1, np.random.default_rng(0)).dtype
    design = np.array([row["design"]]).astype(kind)
    if design.shape[1] != task.space.width or not task.space.valid(design)[0]:
        return [Finding(row["run"], "final design", f"{row['design']!r:.40}", "no design of the task")]
    targets, found = made.targets(1), []
    cost = task.cost(design)
    if cost is not None and cost[0] > 0.0:
        found.append(Finding(row["run"], "violation of the constraint", "0", f"{cost[0]:.3g}"))
    pairs = [("predicted loss", row["predicted"], task.score(design, targets).loss[0])]
    if not is_exact(task):
        pairs.append(("verified loss", row["verified"], task.verify(design, targets).loss[0]))
    for what, stored, own in pairs:
        if not abs(stored - own) <= CONFIRMED * max(1.0, abs(own)):
            found.append(Finding(row["run"], what, f"{stored:.6g}", f"{own:.6g}"))
    return found
