"""`matgym cache`: the results of physics that are kept on disk."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from matgym.cli.console import Json, print_result

if TYPE_CHECKING:
    from matgym.physics.entries import CacheSize

app = typer.Typer(no_args_is_help=True, help="Show and remove cached results of physics.")

MEGABYTE: Final = 10**6
MAX_MEGABYTES: Final = 1_000_000


@app.command()
def info(json: Json = False) -> None:
    """Print the folder of the cache, its entries and its size."""
    from matgym.physics.entries import MAX_BYTES, cache_size, default_cache

    folder = default_cache()
    found = cache_size(folder)
    row = {"folder": str(folder), "entries": found.entries, "megabytes": round(found.n_bytes / MEGABYTE, 3)}
    row["limit_megabytes"] = round(MAX_BYTES / MEGABYTE)
    print_result(row, ("cache", [row]), json=json)


@app.command()
def prune(
    megabytes: Annotated[
        int | None, typer.Option(min=0, max=MAX_MEGABYTES, help="Size to remain below. Default: the cache's limit.")
    ] = None,
    json: Json = False,
) -> None:
    """Remove damaged and outdated entries, then the oldest ones until the cache is small enough."""
    from matgym.physics.entries import MAX_BYTES, default_cache, prune_outdated, prune_size

    limit = MAX_BYTES if megabytes is None else megabytes * MEGABYTE
    _print_removed([prune_outdated(default_cache()), prune_size(default_cache(), limit)], json=json)


@app.command()
def clear(json: Json = False) -> None:
    """Remove all entries. They are computed again when they are needed."""
    from matgym.physics.entries import clear as clear_all
    from matgym.physics.entries import default_cache

    _print_removed([clear_all(default_cache())], json=json)


def _print_removed(removed: "list[CacheSize]", *, json: bool) -> None:
    row = {
        "removed": sum(part.entries for part in removed),
        "megabytes": round(sum(part.n_bytes for part in removed) / MEGABYTE, 3),
    }
    print_result(row, ("removed from the cache", [row]), json=json)
