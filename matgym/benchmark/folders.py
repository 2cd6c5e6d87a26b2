"""Join the results of several folders: shards of one suite, or published records and those of another method."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matgym.benchmark.facts import SuiteFacts
from matgym.benchmark.records import SCHEMA, read_records, record_files
from matgym.benchmark.results import Results
from matgym.benchmark.suite import ABOUT, RECORDS, Suite
from matgym.errors import ConfigurationError, DatasetError
from matgym.files import atomic_path, check_output, write_json
from matgym.learning.config import validated
from matgym.tasks.instances import INSTANCES

SAME: Final = ("suite", "checkpoints", "within", "batch")
"""Fields of suite.json that results must share to be joined, beside the names of their tasks."""


def source_of(path: Path) -> tuple[SuiteFacts, pa.Table]:
    """Return the facts and the records of a folder, or of PATH.json and PATH.parquet.

    Raises:
        DatasetError: if there are no such results.
    """
    archive = path.parent / f"{path.name}.parquet"
    if archive.is_file() and not path.is_dir():
        return SuiteFacts.read(path.parent / f"{path.name}.json"), read_records([archive])
    return SuiteFacts.read(path / ABOUT), read_records(record_files(path / RECORDS))


def merge(sources: Sequence[Path], output: Path, *, archive: bool = False, force: bool = False) -> Results:
    """Join results into a folder, or into OUTPUT.json and OUTPUT.parquet, and return them.

    A run that several sources hold is taken from the first of them.

    Args:
        sources: folders of results, or paths PATH of PATH.json and PATH.parquet.
        output: the new folder, or the path of the new files without suffix.
        archive: whether two files are written, without structures, instead of a folder.
        force: whether files that exist are replaced.

    Raises:
        ConfigurationError: if there is no source.
        DatasetError: if the sources are of different suites, or their records are inconsistent together.
        FormatError: if an output exists without `force`.
    """
    if not sources:
        raise ConfigurationError("there is nothing to merge: give the folders of results")
    about, records = _joined(sources)
    results = Results(about, records)  # an error before anything is written
    table = records.drop_columns(["filename"])
    files = [output.parent / f"{output.name}.{kind}" for kind in ("json", "parquet")] if archive else [output / ABOUT]
    for file in files:
        check_output(file, force=force)
    if archive:
        bare = pa.array([""] * len(table), pa.string())
        _write(table.set_column(table.column_names.index("xyz"), "xyz", bare), files[1])
    else:
        for run in dict.fromkeys(table["run"].to_pylist()):
            _write(table.filter(pc.equal(table["run"], run)), output / RECORDS / f"{run}.parquet")
    write_json(files[0], about.model_dump(mode="json"))
    return results


def _joined(sources: Sequence[Path]) -> tuple[SuiteFacts, pa.Table]:
    first, table = source_of(sources[0])
    tables, runs, methods = [table], dict.fromkeys(first.runs), dict(first.methods)
    seconds, wall = first.seconds, first.wall_seconds
    for source in sources[1:]:
        facts, table = source_of(source)
        for field in (*SAME, "tasks", "amortised"):
            named = [getattr(each, field) for each in (facts, first)]
            if named[0] != named[1] if field in SAME else named[0].keys() != named[1].keys():
                raise DatasetError(
                    f"{source} and {sources[0]} differ in {field} of {ABOUT}: join results of one suite only"
                )
        for name, about in facts.methods.items():
            if methods.setdefault(name, about) != about:
                raise DatasetError(f"{source} and {sources[0]} have two methods {name!r}: give one another name")
        known = set(pc.unique(pa.concat_tables(tables)["run"]).to_pylist())
        fresh = [run not in known for run in table["run"].to_pylist()]
        tables.append(table.filter(pa.array(fresh)))
        runs |= dict.fromkeys(facts.runs)
        seconds, wall = seconds + facts.seconds, max(wall, facts.wall_seconds)
    changes = {"runs": tuple(runs), "methods": methods, "seconds": seconds, "wall_seconds": wall}
    return first.model_copy(update=changes), pa.concat_tables(tables)


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as scratch:
        pq.write_table(table.select(SCHEMA.names), scratch, compression="zstd", write_page_checksum=True)


def suite_of(published: Path, methods: Sequence[str]) -> Suite:
    """Return the suite that runs other methods on the tasks of published results, with their budget and seeds.

    Args:
        published: folder of results, or path PATH of PATH.json and PATH.parquet.
        methods: names of methods, or "module:Class".

    Raises:
        DatasetError: if the results have a task that is not an instance, or no search.
        ConfigurationError: if a method is unknown, or is in the results already.
    """
    facts, table = source_of(published)
    own = [name for name in facts.tasks if name not in INSTANCES]
    if own or not facts.tasks:
        raise DatasetError(
            f"{published} has {'the task ' + own[0] + ' of a user' if own else 'no search'}: give its suite to "
            "matgym benchmark run, with the new method"
        )
    track = {
        "tasks": list(facts.tasks), "methods": list(methods), "budget": max(facts.checkpoints),
        "checkpoints": list(facts.checkpoints), "seeds": 1 + max(table["seed"].to_pylist()), "batch": facts.batch,
    }  # fmt: skip
    content: dict[str, Any] = {"name": facts.suite}
    content |= {"discovery": track | {"within": facts.within}} if facts.within else {"search": track}
    made = validated(Suite, content, str(published))
    searched = made.searched
    there = [method.name for method in searched.methods if method.name in facts.methods] if searched else []
    if there:
        raise ConfigurationError(f"{published} has the method {there[0]!r} already: give another one")
    return made
