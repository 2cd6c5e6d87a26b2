"""`matgym benchmark`: run suites, report them, query their records, and find optima."""

from pathlib import Path
from typing import Annotated, Any

import typer

from matgym.cli.console import MAX_DRAWN, Force, Json, Scheduler, Workers, print_result, progress
from matgym.files import check_output

app = typer.Typer(no_args_is_help=True, help="Compare optimizers and agents on one count of evaluations.")

Results = Annotated[Path, typer.Argument(help="Folder of the results, or NAME of NAME.json and NAME.parquet.")]


@app.command()
def run(
    suite: Annotated[
        str,
        typer.Argument(
            help="YAML file or shipped suite: quick, sanity, combinatorial, discovery, campaign or amortised. A method "
            "module:Class or a task module:function is imported, which runs the code of the module."
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for records and report.")] = Path("benchmark"),
    workers: Workers = 2,
    scheduler: Scheduler = "",
    seeds: Annotated[int, typer.Option(min=0, max=1000, help="Number of random seeds. 0: as in the suite.")] = 0,
    shard: Annotated[
        str, typer.Option(help="Part of the runs, such as 2/8, for job schedulers; each job takes its own folder.")
    ] = "",
    track: Annotated[str, typer.Option(help="tensorboard, wandb:PROJECT, or none.")] = "tensorboard",
    trust: Annotated[
        bool, typer.Option(help="Allow policies in .zip files. They contain pickles, which can run any code.")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Run a benchmark suite and report it. An interrupted run resumes."""
    from matgym.benchmark.planning import Shard
    from matgym.benchmark.suite import Suite

    part = Shard.parse(shard)
    made = Suite.read(suite).with_seeds(seeds)
    check_output(output, folder=True)
    _check_pages(output, output, force=force)
    _run(made, output, part, workers, scheduler, track=track, trust=trust)
    report(output, force=force, json=json)


def _run(
    suite: Any, output: Path, shard: Any, workers: int, scheduler: str, *, track: str = "none", trust: bool = False
) -> None:
    """Run a suite with a progress bar."""
    from itertools import count

    from matgym.agents.tracking import as_tracker
    from matgym.benchmark.planning import plan
    from matgym.benchmark.runner import last_loss, run_suite
    from matgym.benchmark.suite import RECORDS

    where = {"none": None, "tensorboard": f"tensorboard:{output / 'tensorboard'}"}.get(track, track)
    total, finished = len(shard.part(plan(suite))), count(1)
    with progress() as show, as_tracker(where, {"suite": suite.name}) as tracker:
        show(f"suite {suite.name}", 0, total)

        def done(one: Any, before: bool) -> None:
            show(f"suite {suite.name}", next(finished), total, one.name * (not before))
            if not before:
                loss = last_loss(output / RECORDS / f"{one.key}.parquet")
                tracker.scalars(one.seed, {f"{one.task_name}/{one.name}": loss})

        run_suite(suite, output, workers=workers, scheduler=scheduler or None, trust=trust, shard=shard, on_done=done)


@app.command()
def add(
    results: Annotated[
        Path, typer.Argument(help="Published results: NAME of NAME.json and NAME.parquet, or a folder.")
    ],
    methods: Annotated[list[str], typer.Argument(help="Names of methods, or module:Class, which is imported.")],
    output: Annotated[
        Path, typer.Option(help="Folder of the records of the new methods, and of both together.")
    ] = Path("benchmark-added"),
    workers: Workers = 2,
    scheduler: Scheduler = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Run further methods on the tasks, budget and seeds of published results, and report them together."""
    from matgym.benchmark.folders import merge, suite_of
    from matgym.benchmark.planning import Shard

    made = suite_of(results, methods)
    own, both = output / "own", output / "all"
    check_output(own, folder=True)
    check_output(both, folder=True)
    _run(made, own, Shard(), workers, scheduler)
    merge([results, own], both, force=True)
    report(both, force=force, json=json)


@app.command()
def merge(
    sources: Annotated[list[Path], typer.Argument(help="Folders of results of one suite, such as those of shards.")],
    output: Annotated[Path, typer.Option(help="New folder, or NAME of new files NAME.json and NAME.parquet.")],
    archive: Annotated[bool, typer.Option(help="Write two files, without structures, instead of a folder.")] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Join the results of shards, or of other methods, and say which runs are missing."""
    from matgym.benchmark.folders import merge as joined

    found = joined(sources, output, archive=archive, force=force)
    about = {"searches": len(found.searches), "missing": list(found.missing)}
    lines = [f"{len(found.searches)} searches are in {output}; {len(found.missing)} runs are missing"]
    print_result(about, lines=lines, json=json)


@app.command()
def verify(
    results: Results,
    sample: Annotated[int, typer.Option(min=0, max=MAX_DRAWN, help="Number of final designs to score again.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the sample.")] = 0,
    json: Json = False,
) -> None:
    """Check a submission: counts, digests, trajectories, and the losses of a sample of its designs."""
    from dataclasses import asdict

    from matgym.benchmark.audit import audit

    found = audit(results, sample=sample, seed=seed)
    skipped = f"; tasks of users were not scored: {', '.join(found.skipped)}" if found.skipped else ""
    counts = f"{found.searches} searches checked, {found.scored} final designs scored again"
    lines = [f"{counts}, {len(found.findings)} disagreements{skipped}"]
    rows = [asdict(each) for each in found.findings]
    print_result(asdict(found), *([("What does not agree", rows)] if rows else []), lines=lines, json=json)
    if rows:
        raise typer.Exit(1)


@app.command()
def report(
    results: Results = Path("benchmark"),
    output: Annotated[Path | None, typer.Option(help="Output folder. Default: the folder of the results.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write report.html and leaderboard.md, and print the leaderboard."""
    from matgym.benchmark.leaderboard import leaderboard_rows, markdown
    from matgym.benchmark.report import page
    from matgym.benchmark.results import Results as Records
    from matgym.files import write_text

    found = Records.read(results)
    folder = output or (results if results.is_dir() else results.parent)
    files = _check_pages(folder, results, force=force)
    write_text(files["report"], page(found))
    write_text(files["leaderboard"], markdown(found))
    rows = leaderboard_rows(found)
    shown = [{k: v for k, v in row.items() if k in ("method", "tasks", "optima found") or "IQM" in k} for row in rows]
    print_result(
        {"leaderboard": rows, "files": {name: str(path) for name, path in files.items()}},
        ("All tasks, verified by the oracle", shown),
        lines=[f"  {name}: {path.resolve()}" for name, path in files.items()],
        csv_rows=rows,
        json=json,
    )


def _check_pages(folder: Path, results: Path, *, force: bool) -> dict[str, Path]:
    """Return the files of a report, which are replaced in the folder of its results, and elsewhere only with `force`.

    Raises:
        FormatError: if a file exists elsewhere without `force`.
    """
    from matgym.benchmark.suite import ABOUT

    check_output(folder, folder=True)
    files = {"report": folder / "report.html", "leaderboard": folder / "leaderboard.md"}
    own = folder.resolve() == results.resolve() and (folder / ABOUT).is_file()
    for file in files.values():
        check_output(file, force=force or own)
    return files


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="DuckDB SQL on the table `records`.")],
    output: Annotated[Path, typer.Option(help="Folder of the results, or NAME of NAME.json and NAME.parquet.")] = Path(
        "benchmark"
    ),
    json: Json = False,
) -> None:
    """Query the records, e.g. "SELECT method, min(verified_loss) FROM records GROUP BY method"."""
    from matgym.benchmark.results import Results as Records

    rows = Records.read(output).rows(sql)
    print_result(rows, (sql, [{name: str(value) for name, value in row.items()} for row in rows]), json=json)


@app.command()
def solve(
    name: Annotated[str, typer.Argument(help="Instance, such as isotope-rings. `matgym benchmark list` lists all.")],
    output: Annotated[Path, typer.Option(help="Output folder for the table and the optimum.")] = Path(),
    workers: Workers = 2,
    scheduler: Scheduler = "",
    evaluations: Annotated[
        int, typer.Option(min=1, max=MAX_DRAWN, help="Evaluations per search, if the designs cannot be enumerated.")
    ] = 10_000,
    force: Force = False,
    json: Json = False,
) -> None:
    """Find the optimum of an instance, by evaluating every design or by long searches."""
    from dataclasses import asdict

    from matgym.benchmark import solve as solving
    from matgym.tasks.instances import instance

    check_output(output, folder=True)
    task = instance(name)  # an unknown name is an error before progress is shown
    with progress() as show:
        show(name, 0)

        def done(finished: int, of: int) -> None:
            show(name, finished, of)

        if task.enumerable:
            best = solving.solve(name, output, workers=workers, scheduler=scheduler or None, force=force, on_done=done)
        else:
            best = solving.best_known(name, output, evaluations=evaluations, force=force, on_done=done)
    what = "proven by enumeration" if best.proven else "the best known"
    row = {"loss": f"{best.loss:.6g}", "design": best.described, "found by": best.found_by}
    print_result(asdict(best), (f"{name}: {what}", [row]), json=json)


@app.command()
def adopt(
    results: Results = Path("benchmark"),
    output: Annotated[Path, typer.Option(help="Output folder for the optima.")] = Path(),
    force: Force = False,
    json: Json = False,
) -> None:
    """Store the designs of a run that improve on the best known designs."""
    from matgym.benchmark import solve as solving

    better = solving.adopt(results, output, force=force)
    print_result(better, lines=[f"improved instances: {', '.join(better) or 'none'}"], json=json)


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the instances with their optima, and the methods."""
    from matgym.benchmark.methods import OPTIMIZERS
    from matgym.tasks.instances import INSTANCES

    rows = []
    for made in INSTANCES.values():
        best = made.optimum
        known = "unknown" if best is None else f"{best.loss:.6g} ({'proven' if best.proven else 'best known'})"
        rows.append({"instance": made.name, "what": made.title, "least loss": known})
    methods = [{"method": name, "kind": kind} for name, (kind, _) in OPTIMIZERS.items()]
    print_result({"instances": rows, "methods": methods}, ("instances", rows), ("methods", methods), json=json)
