"""`matgym benchmark`: run suites, report them, ask their records, and find optima."""

from pathlib import Path
from typing import Annotated, Any

import typer

from matgym.app.console import print_json, print_table, progress_bar

benchmark = typer.Typer(no_args_is_help=True, help="Compare optimizers and agents on one ledger.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; progress goes to stderr.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each on one core.")]
Scheduler = Annotated[str, typer.Option(help="Dask scheduler, such as tcp://127.0.0.1:8786, whose workers run it.")]
Results = Annotated[Path, typer.Argument(help="Folder of the results.")]


@benchmark.command("run")
def run(
    suite: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped suite: standard, quick.")],
    output: Annotated[Path, typer.Option(help="Folder for records and report.")] = Path("benchmark"),
    workers: Workers = 2,
    scheduler: Scheduler = "",
    seeds: Annotated[int, typer.Option(min=0, help="Seeds in place of the suite's; 0 takes these.")] = 0,
    track: Annotated[str, typer.Option(help="tensorboard, wandb:PROJECT, or none.")] = "tensorboard",
    trust: Annotated[
        bool, typer.Option(help="Open policies in .zip files: pickles, which can run any program.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a suite, and report it; a killed run goes on where it was."""
    from matgym.agents.tracking import as_tracker
    from matgym.benchmark.runner import RECORDS, cells_of, last_loss, run_suite
    from matgym.benchmark.suite import Suite

    made = Suite.read(suite).with_seeds(seeds)
    made = made.trusting() if trust else made
    where = {"none": None, "tensorboard": f"tensorboard:{output / 'tensorboard'}"}.get(track, track)
    with progress_bar() as bar, as_tracker(where, {"suite": made.name}) as tracker:
        cells = bar.add_task(f"suite {made.name}", total=len(cells_of(made)), note="")

        def done(cell: Any, before: bool) -> None:
            bar.update(cells, advance=1, note=cell.name * (not before))
            if not before:
                loss = last_loss(output / RECORDS / f"{cell.key}.parquet")
                tracker.scalars(cell.seed, {f"{cell.task}/{cell.name}": loss})

        run_suite(made, output, workers=workers, scheduler=scheduler or None, on_done=done)
    report(output, json=json)


@benchmark.command("report")
def report(output: Results = Path("benchmark"), json: Json = False) -> None:
    """Write report.html and leaderboard.md beside the records, and print the table."""
    from matgym.benchmark.leaderboard import leaderboard_rows, write_leaderboard
    from matgym.benchmark.report import write_report
    from matgym.benchmark.results import Results as Records
    from matgym.benchmark.winners import tube_of

    files = {"report": write_report(output, tube_of=tube_of), "leaderboard": write_leaderboard(output)}
    rows = leaderboard_rows(Records(output))
    if json:
        print_json({"leaderboard": rows, "files": {name: str(path) for name, path in files.items()}})
        return
    print_table("All tasks, by physics", rows)
    for name, path in files.items():
        print(f"  {name}: {path.resolve()}")  # noqa: T201  # the result, on stdout


@benchmark.command("query")
def query(
    sql: Annotated[str, typer.Argument(help="DuckDB SQL on the view `records`.")],
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("benchmark"),
    json: Json = False,
) -> None:
    """Ask the records: matgym benchmark query "SELECT method, min(true_loss) FROM records GROUP BY method"."""
    from matgym.benchmark.results import Results as Records

    rows = Records(output).query(sql).to_pylist()
    if json:
        print_json(rows)
        return
    print_table(sql, [{name: str(value) for name, value in row.items()} for row in rows])


@benchmark.command("solve")
def solve(
    name: Annotated[str, typer.Argument(help="An instance: isotope-rings, doping-easy, …")],
    output: Annotated[Path | None, typer.Option(help="Folder for table and optimum; the package's by default.")] = None,
    workers: Workers = 2,
    scheduler: Scheduler = "",
    evaluations: Annotated[
        int, typer.Option(min=1, help="Of each search, where designs cannot be enumerated.")
    ] = 10_000,
    json: Json = False,
) -> None:
    """Find an instance's optimum: by asking physics about every design, or by long searches."""
    from dataclasses import asdict

    from matgym.benchmark.solve import best_known
    from matgym.benchmark.solve import solve as enumerate_all
    from matgym.tasks.instances import instance

    with progress_bar() as bar:
        task = bar.add_task(name, total=None, note="")

        def done(finished: int, of: int) -> None:
            bar.update(task, completed=finished, total=of)

        if instance(name).enumerable:
            best = enumerate_all(name, output, workers=workers, scheduler=scheduler or None, on_done=done)
        else:
            best = best_known(name, output, evaluations=evaluations, on_done=done)
    if json:
        print_json(asdict(best))
        return
    what = "proven by enumeration" if best.proven else "the best known"
    print_table(f"{name}: {what}", [{"loss": f"{best.loss:.6g}", "design": best.described, "found by": best.found_by}])


@benchmark.command("adopt")
def adopt(output: Results = Path("benchmark"), json: Json = False) -> None:
    """Take over what a run found better than the best known designs of instances that are not proven."""
    from matgym.benchmark.solve import adopt as take_over

    better = take_over(output)
    if json:
        print_json(better)
        return
    print(f"better than what was known: {', '.join(better) or 'nothing'}")  # noqa: T201  # the result, on stdout


@benchmark.command("list")
def list_all(json: Json = False) -> None:
    """What can be run: instances with their optima, and methods."""
    from matgym.benchmark.methods import OPTIMIZERS
    from matgym.tasks.instances import INSTANCES

    rows = []
    for made in INSTANCES.values():
        best = made.optimum
        known = "unknown" if best is None else f"{best.loss:.6g} ({'proven' if best.proven else 'best known'})"
        rows.append({"instance": made.name, "what": made.title, "least loss": known})
    methods = [{"method": name, "kind": kind} for name, (kind, _) in OPTIMIZERS.items()]
    if json:
        print_json({"instances": rows, "methods": methods})
        return
    print_table("instances", rows)
    print_table("methods", methods)
