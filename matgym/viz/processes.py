"""Pictures of furnaces, films and campaigns, drawn from plain numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matgym.frozen import ValueObject
from matgym.typing import FloatArray
from matgym.viz.canvas import Box, Canvas, Chart, blended
from matgym.viz.palette import ALARM, INK, MUTED, RULE, TARGET, VACANCY_EDGE, VALUE

GASES: Final = (("C₂H₂", "#ccbb44"), ("H₂", "#228833"), ("H₂O", "#66ccee"))
"""The gases of a furnace, with colours from Paul Tol's scheme."""

_COLD: Final = "#eef0f3"
_HOT: Final = "#e8883a"
_DARK, _BRIGHT = "#20324e", "#ffe08a"
"""The colours of low and high inputs, dark blue and light yellow, which are also ordered in grey."""


# ---- recipes and designs of numbers


def schedule(
    canvas: Canvas, box: Box, controls: FloatArray | None, limits: Mapping[str, tuple[float, float]], minutes: int
) -> None:
    """Draw the controls of a furnace over time.

    Args:
        canvas: the canvas.
        box: the box of the picture.
        controls: (minutes, 4) set point in °C, acetylene, hydrogen and water in Pa; None before they are chosen.
        limits: the lowest and highest value of each control.
        minutes: the length of the run, min.
    """
    names = ("set point, °C", *(f"{name}, Pa" for name, _ in GASES))
    room = box.height / len(names)
    for i, (name, span) in enumerate(zip(names, limits.values(), strict=True)):
        last = i == len(names) - 1
        part = Box(box.x + 46, box.y + i * room + 18, box.width - 52, room - 38)
        chart = Chart(canvas, part, (0.0, float(minutes)), span)
        chart.axes(name, "minutes" if last else "", ticks=2)
        if controls is not None:
            chart.steps(np.arange(minutes + 1.0), controls[:, i], ALARM if i == 0 else GASES[i - 1][1], 3.0)
    if controls is None:
        canvas.text(box.x + 60, box.y + 0.5 * room, "a whole schedule is chosen in one step", 13, MUTED)


def numbers(canvas: Canvas, box: Box, design: FloatArray, counts: Sequence[int]) -> None:
    """Draw a design with one bar for each of its numbers.

    Args:
        canvas: the canvas.
        box: the box of the picture.
        design: (k,) numbers that were chosen so far.
        counts: the number of values of each number; 0 for any value in [-1, 1].
    """
    discrete = any(counts)
    span = (0.0, float(max(max(counts) - 1, 1))) if discrete else (-1.0, 1.0)
    count = max(len(counts), len(design))
    part = Box(box.x + 40, box.y + 26, box.width - 46, box.height - 60)
    chart = Chart(canvas, part, (0.0, float(count)), span)
    chart.axes("the design, number by number", "number", ticks=4)
    for i, value in enumerate(design.tolist()):
        left, right = chart.at(i + 0.15, 0.0), chart.at(i + 0.85, value)
        top, bottom = min(left[1], right[1]), max(left[1], right[1])
        canvas.box(Box(left[0], top - 1, right[0] - left[0], bottom - top + 2), VALUE)


# ---- growth


@dataclass(frozen=True)
class Growth(ValueObject):
    """A run in a furnace, minute by minute.

    Attributes:
        minutes: the length of the whole run, min.
        minute: the present minute.
        course: (t, 6) temperature and set point in °C, three flows as shares of their ranges, height in µm.
        hottest_c: the highest safe temperature, °C.
        ends_c: the lowest and highest temperature of the axis, °C.
        tallest_um: the largest height of the axis, µm.
        soot: the amorphous carbon, monolayers.
    """

    minutes: int
    minute: int
    course: FloatArray
    hottest_c: float
    ends_c: tuple[float, float]
    tallest_um: float
    soot: float


def growth(canvas: Canvas, box: Box, run: Growth) -> None:
    """Draw the furnace with its tubes, and temperature, flows and height over time."""
    temperature, _, *flows, height = run.course[-1].tolist()
    _furnace(canvas, Box(box.x, box.y, box.width, 126), run, temperature, flows, height)
    passed = np.arange(len(run.course), dtype=np.float64) + (run.minute + 1 - len(run.course))
    span = (0.0, float(run.minutes))
    low = box.y + 152
    half = (box.width - 60) / 2
    heat = Chart(canvas, Box(box.x + 38, low, half - 14, 76), span, run.ends_c)
    heat.axes("temperature, °C", ticks=3)
    heat.level(run.hottest_c, VACANCY_EDGE, "")
    heat.steps(passed, run.course[1:, 1], MUTED, 1.5)
    heat.line(passed, run.course[:, 0], ALARM, 2.5)
    tall = Chart(canvas, Box(box.x + half + 56, low, half + 4, 76), span, (0.0, run.tallest_um))
    tall.axes("height of the tubes, µm", ticks=3)
    tall.line(passed, run.course[:, 5], VALUE, 2.5)
    part = Box(box.x + 38, low + 104, box.width - 38, 62)
    gas = Chart(canvas, part, span, (0.0, 100.0))
    gas.axes("gases, % of the most", "minutes", ticks=2)
    for (name, colour), shares, at in zip(GASES, run.course[:, 2:5].T, (0.48, 0.66, 0.81), strict=True):
        gas.steps(passed, 100.0 * shares[1:], colour, 2.5)
        canvas.disc(part.x + at * part.width, part.y - 10, 4, colour)
        canvas.text(part.x + at * part.width + 8, part.y - 10, name, 12)
    for chart, value, colour in ((heat, temperature, ALARM), (tall, height, VALUE)):
        chart.dots([passed[-1]], [value], colour, 4.5)


def _furnace(canvas: Canvas, box: Box, run: Growth, temperature: float, flows: Sequence[float], height: float) -> None:
    """Draw a glowing quartz tube, gas flows from the left, and tubes on a wafer, all runs at the same scale."""
    low, high = run.ends_c
    glow = min(max((temperature - low) / (high - low), 0.0), 1.0)
    inside = Box(box.x + 74, box.y + 8, box.width - 74, box.height - 22)
    for i in range(6):  # the coils glow more than the middle of the furnace
        coil = inside.x + 22 + i * (inside.width - 44) / 5
        for y in (inside.y - 3, inside.bottom + 3):
            canvas.disc(coil, y, 6, blended(VACANCY_EDGE, _HOT, glow))
    canvas.box(inside, blended(_COLD, _HOT, 0.5 * glow**2), VACANCY_EDGE, radius=12)
    for i, ((name, colour), share) in enumerate(zip(GASES, flows, strict=True)):
        y = inside.y + 18 + i * 32
        canvas.text(box.x, y, name, 12)
        reach = 10 + 30 * share
        if share > 0.005:
            canvas.line([(box.x + 36, y), (box.x + 36 + reach, y)], colour, 2 + 5 * share)
            tip = box.x + 44 + reach
            canvas.polygon([(tip, y), (tip - 9, y - 6), (tip - 9, y + 6)], colour)
    wafer = Box(inside.x + 24, inside.bottom - 12, inside.width - 48, 5)
    canvas.box(wafer, INK)
    full = wafer.y - inside.y - 14
    tall = full * min(max(height / run.tallest_um, 0.0), 1.0)
    sooty = blended("#474d57", "#8a5a2b", min(run.soot / 10.0, 1.0))
    across = np.linspace(wafer.x + 4, wafer.right - 4, 56)
    for i, x in enumerate(across.tolist()):
        up = np.linspace(0.0, tall, 7)
        sway = 1.6 * np.sin(0.35 * up + 1.7 * i) * (up > 0)
        canvas.line(np.stack([x + sway, wafer.y - up], axis=1), sooty, 1.6)
    canvas.text(inside.right - 10, inside.y + 13, f"{temperature:.0f} °C", 14, INK, "rm", bold=True)
    canvas.text(inside.x + 10, inside.y + 13, f"{height:.0f} µm", 14, VALUE, "lm", bold=True)


# ---- campaigns


@dataclass(frozen=True)
class Record(ValueObject):
    """A campaign of experiments so far.

    Attributes:
        experiments: the budget.
        inputs: the names of the inputs.
        tried: (t, d) inputs of the experiments, in [-1, 1].
        measured: (t,) measured values.
        best: (t,) best true values so far.
        name: the name of the measured quantity.
        span: the lowest and highest value of its axis.
    """

    experiments: int
    inputs: Sequence[str]
    tried: FloatArray
    measured: FloatArray
    best: FloatArray
    name: str
    span: tuple[float, float]


def campaign(canvas: Canvas, box: Box, record: Record) -> None:
    """Draw the measured values over the budget, the best so far, and below them the inputs."""
    rows = len(record.inputs)
    strip = min(15.0, 110.0 / rows)
    plot = Box(box.x + 110, box.y + 24, box.width - 112, box.height - 68 - rows * strip)
    chart = Chart(canvas, plot, (0.5, record.experiments + 0.5), record.span)
    chart.axes(f"{record.name}, by experiment", ticks=5)
    key = box.x + 2
    canvas.disc(key + 5, plot.y + 20, 3.5, VALUE)
    canvas.text(key + 14, plot.y + 20, "measured", 11.5, VALUE)
    canvas.line([(key, plot.y + 38), (key + 10, plot.y + 38)], TARGET, 2.5)
    canvas.text(key + 14, plot.y + 38, "best", 11.5, TARGET)
    made = np.arange(1.0, len(record.measured) + 1.0)
    if len(made):
        chart.steps(np.arange(len(made) + 1.0) + 0.5, record.best, TARGET, 2.5)
        chart.dots(made, record.measured, VALUE, 4.5)
    top = plot.bottom + 14
    for row, name in enumerate(record.inputs):
        y = top + row * strip
        canvas.text(plot.x - 6, y + strip / 2, name, min(11.5, strip), INK, "rm", width=104)
        for at in range(record.experiments):
            left, right = chart.at(at + 0.56, 0.0)[0], chart.at(at + 1.44, 0.0)[0]
            tile = Box(left, y + 1, right - left, strip - 2)
            if at < len(record.tried):
                canvas.box(tile, blended(_DARK, _BRIGHT, (record.tried[at, row] + 1.0) / 2.0))
            else:
                canvas.box(tile, None, RULE)
    y = top + rows * strip + 14
    canvas.text(plot.x, y, "what was tried: least", 11, MUTED)
    start = plot.x + canvas.length("what was tried: least", 11) + 6
    for i in range(20):
        canvas.box(Box(start + 3 * i, y - 4, 3, 8), blended(_DARK, _BRIGHT, i / 19))
    canvas.text(start + 66, y, "most", 11, MUTED)


# ---- annealing


@dataclass(frozen=True)
class Annealing(ValueObject):
    """A film in a furnace, step by step.

    Attributes:
        steps: the number of steps of the whole run.
        step: the number of steps so far.
        minutes: the length of a step, min.
        course: (t, 4) temperature and set point in °C, mean radius in lattice constants, remaining share of defects.
        target: the target mean radius, lattice constants; None before a run.
        ends_c: the lowest and highest temperature of the axis, °C.
        largest: the largest radius of the axis, lattice constants.
        micrograph: (H, W) values from 0 in grains to 1 at particles; None if the grains are unknown.
        sites: the number of sites along a side of the film.
    """

    steps: int
    step: int
    minutes: float
    course: FloatArray
    target: float | None
    ends_c: tuple[float, float]
    largest: float
    micrograph: FloatArray | None
    sites: int


def annealing(canvas: Canvas, box: Box, run: Annealing) -> None:
    """Draw the film, or its mean crystallite, and temperature, radius and defects over time."""
    side = 190.0
    film = Box(box.x, box.y + 20, side, side)
    if run.micrograph is None:
        canvas.text(film.x, film.y - 10, "mean crystallite, by a network", 12, width=side)
        _grain(canvas, film, run, side / run.sites * 2.0)
    else:
        canvas.text(film.x, film.y - 10, "film: boundaries and particles bright", 12, width=side)
        canvas.image(film, _shaded(run.micrograph))
        _grain(canvas, Box(film.x, film.bottom + 4, side, box.bottom - film.bottom - 4), run, side / run.sites)
    passed = run.minutes * (np.arange(len(run.course), dtype=np.float64) + (run.step + 1 - len(run.course)))
    span = (0.0, run.minutes * run.steps)
    left, width = film.right + 52, box.right - film.right - 56
    heat = Chart(canvas, Box(left, box.y + 20, width, 76), span, run.ends_c)
    size = Chart(canvas, Box(left, box.y + 124, width, 76), span, (0.0, run.largest))
    flaws = Chart(canvas, Box(left, box.y + 228, width, 62), span, (0.0, 100.0))
    heat.axes("temperature, °C", ticks=3)
    heat.steps(passed, run.course[1:, 1], MUTED, 1.5)
    size.axes("mean radius, lattice constants", ticks=4)
    if run.target is not None:
        size.level(run.target, TARGET)
    flaws.axes("defects left, %", "minutes", ticks=2)
    drawn = ((heat, run.course[:, 0], ALARM), (size, run.course[:, 2], VALUE), (flaws, 100.0 * run.course[:, 3], INK))
    for chart, values, colour in drawn:
        chart.line(passed, values, colour, 2.5)
        chart.dots(passed[-1:], values[-1:], colour, 4.5)


def _grain(canvas: Canvas, box: Box, run: Annealing, scale: float) -> None:
    """Draw a disc as large as the mean crystallite and a ring as large as the target; `scale` is in pixels per site."""
    radius = float(run.course[-1, 2])
    x, y = box.x + box.width * 0.28, box.y + box.height / 2
    canvas.disc(x, y, scale * radius, blended(VALUE, "#ffffff", 0.55), VALUE, 1.5)
    if run.target is not None:
        canvas.disc(x, y, scale * run.target, None, TARGET, 2.5)
    right = x + scale * 9.5 + 12
    canvas.disc(right, y - 11, 5, blended(VALUE, "#ffffff", 0.55), VALUE)
    canvas.text(right + 10, y - 11, "mean size", 12, VALUE)
    canvas.disc(right, y + 11, 5, None, TARGET, 2)
    canvas.text(right + 10, y + 11, "target", 12, TARGET)


def _shaded(micrograph: FloatArray) -> NDArray[np.uint8]:
    """Return an (H, W, 3) picture: grains dark blue, boundaries grey, particles nearly white."""
    ends = np.array([[32, 50, 78], [150, 170, 196], [255, 224, 138]], dtype=np.float64)
    share = np.clip(micrograph, 0.0, 1.0)[:, :, None] * 2.0
    picture = np.where(
        share < 1.0, ends[0] + share * (ends[1] - ends[0]), ends[1] + (share - 1.0) * (ends[2] - ends[1])
    )
    return np.asarray(picture.round(), dtype=np.uint8)
