"""Pictures of episodes that each make one design, of any design space."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from matgym.envs.assembly import Assembly
from matgym.envs.builders import Choosing, Placement
from matgym.models import Level
from matgym.processes.growth.recipe import LIMITS
from matgym.tasks.base import DesignTask
from matgym.tasks.brief import BriefTask
from matgym.tasks.chirality import STRAINS, ChiralitySpace
from matgym.tasks.furnace_design import FurnaceSpace
from matgym.tasks.objective import AnyModel, Objective
from matgym.typing import BoolArray, IntArray
from matgym.viz import processes, tubes
from matgym.viz.canvas import Box, Canvas
from matgym.viz.palette import MUTED
from matgym.viz.panels import STATE, Gauge, Rewards, chart_so_far, head, side

if TYPE_CHECKING:
    from matgym.envs.batch import Episodes
    from matgym.envs.design import DesignEpisodes

_AIMS: Final = {"maximize": "the larger, the better", "minimize": "the smaller, the better"}
_SOURCES: Final = {Level.SURROGATE: "surrogate", Level.TABLE: "physics (table)", Level.GEOMETRY: "geometry"}
"""The source of a value by the level of its model; "physics" for other levels."""

_READABLE: Final = {
    "zt": "ZT", "gap": "band gap", "objective": "J of the run",
    "formation": "formation energy", "pi_formation": "formation energy",
    "young": "Young's modulus",
}  # fmt: skip
"""Names of properties that differ from their keys."""


def design_frame(episodes: "DesignEpisodes", row: int, so_far: Sequence[float] = ()) -> npt.NDArray[np.uint8]:
    """Return an unfinished or finished design as an (H, W, 3) uint8 picture with targets, values and rewards.

    Args:
        episodes: the batch of episodes.
        row: the index of the episode.
        so_far: predictions of the design after each edit, the one without edits first, for a chart below the first
            gauge. The environment itself predicts, and counts, finished designs only.
    """
    canvas = Canvas()
    done, of = progress(episodes, row)
    builder = episodes.builder
    finished = bool(builder.stopped[row]) if isinstance(builder, Assembly) else done >= of
    gauges = _gauges(episodes, row, finished=finished)
    unit = "atom" if isinstance(builder, Placement | Assembly) else "choice"
    if isinstance(builder, Placement) and builder.space.turns:
        unit = "edit"
    if so_far:
        gauges[0] = replace(gauges[0], value=so_far[-1])
        chart_so_far(canvas, gauges[0], so_far, of, unit)
    head(canvas, _title(episodes), f"{unit} {done} of {of}" if of > 1 else f"design {done} of {of}", done / of)
    _draw_design(canvas, episodes, row, done)
    cost = episodes.told("cost", row)
    bound = episodes.task.constraint
    note = f"{_name(bound.property.name)} {100 * cost:.0f} % too low" if bound and cost and finished else ""
    side(canvas, gauges, rewards_of(episodes, row), note)
    return canvas.pixels()


def rewards_of(episodes: "Episodes", row: int) -> Rewards:
    """Return the rewards of an episode for a picture."""
    noted = episodes.chronicle
    vector = episodes.variant == "multi-objective"
    names = [_name(name) for name in _components(episodes)] if vector else ["reward"]
    return Rewards(names, noted.last[row], noted.total[row], episodes.reward_low, bool(noted.begun[row]))


def _components(episodes: "Episodes") -> Sequence[str]:
    """Return the names of the components of a vector reward, without units."""
    task = episodes.task
    return [each.property.name for each in task.objectives] if isinstance(task, DesignTask) else episodes.reward_names


def progress(episodes: "DesignEpisodes", row: int) -> tuple[int, int]:
    """Return how many edits or choices of a design were made, and how many there are."""
    builder = episodes.builder
    if isinstance(builder, Placement):
        budget = int(np.sum(builder.space.edits.budget))
        return budget - int(builder.remaining[row].sum()), budget
    if isinstance(builder, Choosing):
        return int(builder.place[row]), builder.steps
    if isinstance(builder, Assembly):
        return builder.placed(row), builder.space.edits
    return int(episodes.chronicle.steps[row] > 0), 1


def _title(episodes: "DesignEpisodes") -> str:
    """Return the objectives in words."""
    task = episodes.task
    if isinstance(task, BriefTask):
        return "Wanted: a tube that meets the brief"
    scored = task.objectives if episodes.variant == "multi-objective" else task.counted
    words = {"target": "target", "maximize": "large", "minimize": "small"}
    wanted = [f"{words[each.direction]} {_name(each.property.name)}" for each in scored]
    if all(each.direction == "target" for each in scored):
        wanted = ["target " + wanted[0].removeprefix("target "), *(_name(each.property.name) for each in scored[1:])]
    listed = " and ".join([", ".join(wanted[:-1]), wanted[-1]] if len(wanted) > 1 else wanted)
    return f"Wanted: {listed}"


def _name(name: str) -> str:
    return _READABLE.get(name, name.replace("_", " "))


def _source(model: AnyModel) -> str:
    if getattr(model, "network", None):  # not isinstance, because importing networks imports torch
        return "network"
    return _SOURCES.get(model.level, "physics")


def _gauges(episodes: "DesignEpisodes", row: int, *, finished: bool) -> list[Gauge]:
    """Return one gauge for each objective that is scored."""
    task = episodes.task
    scored = task.objectives if episodes.variant == "multi-objective" else task.counted
    targets = np.atleast_1d(episodes.targets[row]).tolist()
    targeted = [each for each in task.counted if each.direction == "target"]
    begun = bool(episodes.chronicle.begun[row])
    briefed = isinstance(task, BriefTask)

    def gauge(each: Objective) -> Gauge:
        target = targets[targeted.index(each)] if each in targeted and begun and not briefed else None
        aim, band = _AIMS.get(each.direction, ""), None
        if briefed:
            low, high = targets[2 * targeted.index(each) :][:2]
            aim, band = "not asked", (low, high) if begun and np.isfinite([low, high]).any() else None
        return Gauge.around(
            _name(each.property.name),
            "" if each.property.unit == "1" else each.property.unit,
            each.low,
            each.high,
            value=episodes.objective(each.key, row) if finished and begun else None,
            target=target,
            aim=aim,
            source=_source(each.model),
            sd=episodes.spread(row) if each is task.objective and finished else 0.0,
            band=band,
        )

    return [gauge(each) for each in scored]


# ---- designs


def _draw_design(canvas: Canvas, episodes: "DesignEpisodes", row: int, done: int) -> None:
    space, design = episodes.task.space, episodes.builder.designs[row]
    if isinstance(space, ChiralitySpace):
        _draw_choice(canvas, space, np.asarray(design, dtype=np.int64), done * (1 if episodes.builder.steps > 1 else 4))
    elif isinstance(episodes.builder, Assembly) and not episodes.builder.chosen[row]:
        canvas.text(
            STATE.x, STATE.y + 20, f"one of {len(episodes.builder.space.lattices)} tubes is to be chosen", 13, MUTED
        )
    elif space.domain is not None:
        pending = _pending(episodes, row, done)
        tube = episodes.task.tubes(design[None])[0]
        upper, lower = Box(STATE.x, STATE.y, STATE.width, 150), Box(STATE.x, STATE.y + 154, STATE.width, 156)
        tubes.rolled(canvas, upper, tube, pending)
        tubes.unrolled(canvas, lower, tube, pending)
        canvas.text(lower.x, lower.y + 8, "cut open", 12, MUTED)
        tubes.legend(canvas, Box(STATE.x, STATE.bottom - 20, STATE.width, 20), tube, pending)
    elif isinstance(space, FurnaceSpace):
        controls = space.decode(np.asarray(design, dtype=np.float64)[None])[0]
        processes.schedule(canvas, STATE, controls if done else None, LIMITS, space.minutes)
    else:
        made = design if isinstance(episodes.builder, Choosing) or done else design[:0]
        made = made[:done] if isinstance(episodes.builder, Choosing) else made
        processes.numbers(canvas, STATE, np.asarray(made, dtype=np.float64), space.choices)


def _pending(episodes: "DesignEpisodes", row: int, done: int) -> BoolArray | None:
    """Return (n_sites,) sites whose species depend on later choices; None without choices or for a finished design."""
    builder = episodes.builder
    if not isinstance(builder, Choosing) or done >= builder.steps:
        return None
    ends = np.stack([builder.designs[row]] * 2)
    ends[1, done:] = np.array(builder.space.counts)[done:] - 1
    first, second = episodes.task.tubes(ends)
    return None if first.n_sites != second.n_sites else np.asarray(first.species != second.species)


def _draw_choice(canvas: Canvas, space: ChiralitySpace, design: IntArray, done: int) -> None:
    """Draw a tube of chosen chirality; before n and m are chosen, the sheet of graphene."""
    n, m, cells, strain = int(design[0]) + 1, int(design[1]), int(design[2]) + 1, float(STRAINS[design[3]])
    named = {
        "n": str(n) if done > 0 else "",
        "m": str(m) if done > 1 else "",
        "cells": str(cells) if done > 2 else "",
        "strain": f"{100 * strain:+.0f} %" if done > 3 else "",
    }
    tubes.choices(canvas, Box(STATE.x, STATE.y, STATE.width, 54), named, done)
    picture = Box(STATE.x, STATE.y + 64, STATE.width, STATE.height - 112)
    line = STATE.bottom - 18
    if done < 2:
        candidates = np.flatnonzero(space.fits[n - 1]) if done else None
        tubes.sheet(canvas, picture, n if done else None, candidates)
        words = "a sheet of graphene, to be rolled into a tube (n, m)"
        canvas.text(STATE.x, line, words if not done else f"n = {n}: m decides how the sheet is rolled", 13)
        return
    tube = space.decode(np.where(np.arange(4) < done, design, [0, 0, 0, len(STRAINS) // 2])[None])[0]
    tubes.at_scale(canvas, picture, tube)
    size = f"{tube.diameter_nm:.2f} nm across, {tube.length_angstrom / 10.0:.2f} nm long"
    canvas.text(STATE.x, line, f"({n}, {m}), {size}, {tube.n_sites} atoms", 13, width=STATE.width)
