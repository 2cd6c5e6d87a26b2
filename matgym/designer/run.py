"""`matgym.design`: from a brief to different tubes, predicted by surrogates and verified by physics."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from matgym.designer.brief import Brief
from matgym.designer.labelled import nearest_labelled
from matgym.designer.lattices import lattices_for
from matgym.designer.predicting import Predictor
from matgym.designer.result import Compared, Design, DesignResult
from matgym.designer.searching import Pool, Search
from matgym.designer.selecting import different
from matgym.designer.verifying import Verified, Verifier, levels_of
from matgym.errors import ConfigurationError, require_counts, require_within
from matgym.structures import Nanotube, Species
from matgym.structures.species import parse_species
from matgym.tasks.any_tube import KINDS

MOST: Final = 50
"""Largest number of designs. A choice of ours."""

ROUNDS: Final = 3
"""Rounds of verification: where physics finds that designs miss the brief, others are verified, too."""

OnProgress = Callable[[str, int, int], None]


def design(
    *,
    minimize: Sequence[str] | str = (),
    maximize: Sequence[str] | str = (),
    brief: Brief | None = None,
    count: int = 5,
    seed: int = 0,
    seconds: float = 25.0,
    workers: int = 2,
    species: Sequence[str] = ("B", "N", "V", "14C"),
    compare: bool = False,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
    **asked: Any,
) -> DesignResult:
    """Return different tubes that meet a brief, with predicted and verified quantities.

    Tubes are unstrained, with as many B as N atoms. The search takes undecorated tubes first, and decorates them where
    the brief needs it. With the same arguments it returns the same tubes.

    Example:
        `matgym.design(gap=0.9, diameter=(0.8, 1.2), minimize="thermal_conductance", max_formation=0.3)`

    Args:
        minimize: names of quantities to be as small as possible.
        maximize: names of quantities to be as large as possible.
        brief: the whole brief, in place of words.
        count: number of designs.
        seed: random seed.
        seconds: estimated time of the verification on `workers` cores, s; what takes longer is not verified.
        workers: number of processes that verify. A script with more than one must call this function under
            `if __name__ == "__main__":`.
        species: species that may be placed: "B" and "N", "V" (vacancy), "14C".
        compare: whether two simpler methods are scored as well, at as many evaluations: the best of random designs, and
            a look-up table. They take twice the time of the search.
        on_progress: function that is told a stage, the number of finished steps, and of all.
        **asked: by the name of a quantity (`matgym.designer.brief.QUANTITIES`) a target or a pair (least, largest); by
            `min_NAME` and `max_NAME` bounds.

    Raises:
        ConfigurationError: if the brief asks nothing, an argument is out of range, or a name is unknown.
    """
    if brief is None:
        brief = Brief.of(minimize, maximize, **asked)
    elif minimize or maximize or asked:
        raise ConfigurationError("a brief and words were given: give one of them")
    require_counts(MOST, count=count)
    require_counts(workers=workers)
    require_within(0.0, 1e6, seconds=seconds)
    return designed(brief, count, seed, seconds, workers, parsed(species), compare=compare, on_progress=on_progress)


def parsed(names: Sequence[str]) -> frozenset[Species]:
    """Return the species that may be placed.

    Raises:
        ConfigurationError: if a name is none of these, or only one of B and N is named.
    """
    found = frozenset(parse_species(name) for name in names)
    if others := found - set(KINDS):
        raise ConfigurationError(f"species {min(each.name for each in others)} cannot be placed: give B, N, V, 14C")
    if (Species.B in found) != (Species.N in found):
        raise ConfigurationError("designs have as many B as N atoms: name both in species, or neither")
    return found


def designed(
    brief: Brief,
    count: int,
    seed: int,
    seconds: float,
    workers: int,
    species: frozenset[Species],
    *,
    compare: bool,
    on_progress: OnProgress,
) -> DesignResult:
    """Return different tubes that meet a brief; arguments are those of `design`."""
    clock, cpu, spent = time.perf_counter(), _cpu_seconds(), dict[str, float]()

    def lap(stage: str) -> None:
        nonlocal clock
        spent[stage], clock = time.perf_counter() - clock, time.perf_counter()

    labelled = nearest_labelled(brief)
    lattices = lattices_for(brief, list(dict.fromkeys(tube.lattice for tube in labelled.tubes)))
    search = Search(brief, lattices, species, np.random.default_rng([seed, 0]))
    pool = search.run(count, labelled, on_progress=lambda done, total: on_progress("searching", done, total))
    places = different(pool, ROUNDS * count, lattices)
    tubes, scored = list(lattices.space.decode(pool.designs[places])), search.scored
    lap("search")
    verifier = Verifier(brief.names, seconds * workers, workers)
    designs: list[Design] = []
    while len(designs) < len(tubes):
        rows = places[len(designs) : len(designs) + count]
        on_progress("verifying", len(designs), len(tubes))
        found = verifier.verify(tubes[len(designs) : len(designs) + count])
        designs += [
            _made(pool, row, tube, of_tube)
            for row, tube, of_tube in zip(rows.tolist(), tubes[len(designs) :], found, strict=False)
        ]
        meeting = sum(each.is_verified and each.excess(brief) == 0.0 for each in designs)
        if meeting >= min(count, int(pool.met.sum())) or verifier.budget <= 0.0:
            break
    on_progress("verifying", len(tubes), len(tubes))
    lap("verification")
    used = _cpu_seconds() - cpu
    compared = _compared(search, pool) if compare else ()
    if compare:
        lap("comparison")
    # verified designs first: what is not verified may be worse than predicted
    designs.sort(
        key=lambda each: (each.excess(brief) > 0.0, not each.is_verified, each.excess(brief), each.loss(brief))
    )
    return DesignResult(
        brief, tuple(designs[:count]), levels_of(brief.names), scored, verifier.calls, spent,
        used, compared,
    )  # fmt: skip


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its finished children."""
    return sum(os.times()[:4])


def _made(pool: Pool, row: int, tube: Nanotube, verified: Verified) -> Design:
    values, half_width = (
        {name: float(of[row]) for name, of in each.items()}
        for each in (pool.estimates.values, pool.estimates.half_width)
    )
    return Design(tube, values, half_width, verified.values, verified.failures, bool(pool.estimates.outside[row]))


def _compared(search: Search, pool: Pool) -> tuple[Compared, ...]:
    """Return the best of the search, of as many random designs on its lattices, and of a look-up table of as many.

    Slow models predict as many designs as in the search: for random designs the most promising ones by the fast models,
    for the table, which does not know the brief, those that were drawn first.
    """
    scored, slow = search.scored, max(search.slow, 1)
    found = [_best("this search", pool, scored)]
    if search.lattices.decorable.any():
        found.append(_best("the best of random designs", search.score(search.random(scored), slow), scored))
    found.append(_best("the nearest of a table of random designs", _table(search, scored, slow), scored))
    return tuple(found)


def _best(method: str, pool: Pool, scored: int) -> Compared:
    """Return the best design of a method by predictions."""
    first = int(pool.order()[0])
    values = {name: float(of[first]) for name, of in pool.estimates.values.items()}
    return Compared(method, scored, bool(pool.met[first]), float(pool.excess[first]), values)


def _table(search: Search, scored: int, slow: int) -> Pool:
    """Return random designs on all lattices that may be decorated, whatever the brief asks."""
    lattices = lattices_for(Brief.of(minimize=search.brief.names))
    table = Search(search.brief, lattices, frozenset(KINDS), search.rng)
    designs = table.random(scored)
    return table.score(designs[:slow] if Predictor(lattices, search.brief.names).slow else designs, slow)
