"""The common parts of the pictures of all environments: title, progress, gauges, and rewards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matgym.frozen import ValueObject
from matgym.typing import FloatArray
from matgym.viz.canvas import FRAME_SHAPE, Box, Canvas, Chart
from matgym.viz.palette import ALARM, INK, MUTED, RULE, TARGET, VACANCY_EDGE, VALUE

STATE: Final = Box(16, 52, 408, 336)
"""The box of the state."""

SIDE: Final = Box(440, 54, 184, 334)
"""The box of the gauges and, at its lower end, of the rewards."""

_MARGIN: Final = 0.12
"""The extension of a gauge beyond the range of targets, as a share of the range."""

_ROWS: Final = (34.0, 28.0)
"""The height of a row of rewards: of a single row, and of one of several rows, pixels."""

_ROOM: Final = (60.0, 96.0)
"""The least and largest height of a gauge, pixels."""


@dataclass(frozen=True)
class Gauge:
    """A quantity on an axis of its own.

    Attributes:
        name: the name of the quantity.
        unit: the printed unit; "" for a pure number.
        low: the lowest value of the axis.
        high: the highest value of the axis.
        value: the achieved value; None if there is none yet.
        target: the target; None if there is none.
        aim: the objective if there is no target, such as "the larger, the better".
        source: the source of the value, such as "physics".
        sd: the standard deviation of the value; 0 if unknown.
        band: the range in which the value should lie; None if there is none. An end may be infinite.
    """

    name: str
    unit: str
    low: float
    high: float
    value: float | None = None
    target: float | None = None
    aim: str = ""
    source: str = ""
    sd: float = 0.0
    band: tuple[float, float] | None = None

    @classmethod
    def around(cls, name: str, unit: str, low: float, high: float, **facts: object) -> "Gauge":
        """Return a gauge that extends a little beyond a range, but not below zero unless the range does."""
        more = _MARGIN * (high - low)
        step = 10.0 ** math.floor(math.log10(high - low) - 0.3)
        least = low - more if low < 0.0 or low >= more else 0.0
        ends = step * math.floor(least / step), step * math.ceil((high + more) / step)
        return cls(name, unit, *ends, **facts)  # type: ignore[arg-type]

    @property
    def wanted(self) -> str:
        """What the value should be, in words; empty without a target or a band."""
        if self.band is None:
            return "" if self.target is None else f"target {self.written(self.target)}"
        low, high = self.band
        if not math.isfinite(low):
            return f"at most {self.written(high)}"
        return f"at least {self.written(low)}" + (f", at most {self.written(high)}" if math.isfinite(high) else "")

    def written(self, value: float) -> str:
        """Return a value as text, with as many digits as the axis resolves."""
        digits = max(0, 2 - math.floor(math.log10(self.high - self.low)))
        return f"{value + 0.0:.{digits}f}"


@dataclass(frozen=True)
class Rewards(ValueObject):
    """The rewards of an episode.

    Attributes:
        names: the names of the components; one name for a scalar reward.
        last: the components of the last reward.
        total: the sums of the components over the episode so far.
        low: the lowest value of the bar; the highest is 1.
        begun: whether an episode has begun.
    """

    names: Sequence[str]
    last: FloatArray
    total: FloatArray
    low: float = 0.0
    begun: bool = True


def head(canvas: Canvas, title: str, note: str, share: float) -> None:
    """Draw a title, the progress in words, and its share as a bar."""
    width = FRAME_SHAPE[1]
    room = canvas.length(note, 13)
    canvas.text(16, 21, title, 17, INK, bold=True, width=width - 48 - room)
    canvas.text(width - 16, 21, note, 13, MUTED, "rm")
    canvas.box(Box(16, 38, width - 32, 3), RULE)
    canvas.box(Box(16, 38, (width - 32) * min(max(share, 0.0), 1.0), 3), MUTED)


def side(canvas: Canvas, gauges: Sequence[Gauge], rewards: Rewards, note: str = "") -> None:
    """Draw gauges one below the other, a note, and the rewards at the lower end."""
    bottom = _rewards(canvas, rewards)
    space = (bottom - 18.0 * bool(note) - SIDE.y) / max(len(gauges), 1)
    room = min(max(space, _ROOM[0]), _ROOM[1])
    for i, gauge in enumerate(gauges):
        _gauge(canvas, gauge, SIDE.y + i * room, room)
    if note:
        canvas.text(SIDE.x, SIDE.y + len(gauges) * room + 4, note, 11, ALARM, width=SIDE.width)


def chart_so_far(canvas: Canvas, gauge: Gauge, values: Sequence[float], steps: int, unit: str) -> None:
    """Draw the course of the value of the only gauge, over steps with a unit such as "atom", and its target."""
    box = Box(SIDE.x + 26, SIDE.y + 118, SIDE.width - 30, 110)
    chart = Chart(canvas, box, (0.0, float(steps)), (gauge.low, gauge.high))
    chart.axes(f"{gauge.name} so far, {gauge.unit}" if gauge.unit else f"{gauge.name} so far", f"{unit}s", ticks=5)
    if gauge.target is not None:
        chart.level(gauge.target, TARGET)
    chart.line(range(len(values)), values, VALUE, 2.5)
    chart.dots([len(values) - 1], [values[-1]], VALUE, 4.5)


def _gauge(canvas: Canvas, gauge: Gauge, top: float, room: float) -> None:
    """Draw a gauge: its name, its target and achieved value as numbers, and both on a bar."""
    gap = min((room - 60.0) / 4.0, 5.0)
    unit = f", {gauge.unit}" if gauge.unit else ""
    canvas.text(SIDE.x, top + 6, gauge.name + unit, 13, INK, bold=True, width=SIDE.width)
    line = top + 23 + gap
    reached = "–" if gauge.value is None else gauge.written(gauge.value) if np.isfinite(gauge.value) else "failed"
    canvas.text(SIDE.right, line, reached, 15, VALUE, "rm", bold=True)
    room_left = SIDE.width - canvas.length(reached, 15, bold=True) - 6
    if gauge.wanted:
        canvas.text(SIDE.x, line, gauge.wanted, 13 if gauge.band is None else 11.5, TARGET, width=room_left)
    else:
        canvas.text(SIDE.x, line, gauge.aim, 11.5, MUTED, width=room_left)
    bar = Box(SIDE.x, line + 17 + gap, SIDE.width, 6)
    canvas.box(bar, RULE, radius=3)

    def place(value: float) -> float:
        return bar.x + bar.width * min(max((value - gauge.low) / (gauge.high - gauge.low), 0.0), 1.0)

    middle = bar.y + bar.height / 2
    if gauge.band is not None:
        start, end = (place(value) for value in gauge.band)
        canvas.box(Box(start, bar.y - 3, max(end - start, 2.0), bar.height + 6), TARGET)
    if gauge.target is not None:
        at = place(gauge.target)
        canvas.line([(at, bar.y - 3), (at, bar.bottom + 3)], TARGET, 2.5)
        canvas.polygon([(at - 5, bar.y - 8), (at + 5, bar.y - 8), (at, bar.y - 1)], TARGET)
    if gauge.value is not None and np.isfinite(gauge.value):
        if gauge.sd > 0.0:
            ends = [(place(gauge.value - gauge.sd), middle), (place(gauge.value + gauge.sd), middle)]
            canvas.line(ends, VALUE, 2.5)
        canvas.disc(place(gauge.value), middle, 5.5, VALUE, "white", 1.5)
    canvas.text(bar.x, bar.bottom + 9, f"{gauge.low:.4g}", 10.5, MUTED)
    canvas.text(bar.x + bar.width / 2, bar.bottom + 9, gauge.source, 10.5, MUTED, "mm")
    canvas.text(bar.right, bar.bottom + 9, f"{gauge.high:.4g}", 10.5, MUTED, "rm")


def _rewards(canvas: Canvas, rewards: Rewards) -> float:
    """Draw a table of rewards with a bar for each sum, and return its upper y coordinate."""
    rows = len(rewards.names)
    height = _ROWS[rows > 1]
    top = SIDE.bottom - rows * height - 18
    canvas.line([(SIDE.x, top - 4), (SIDE.right, top - 4)], VACANCY_EDGE)
    columns = SIDE.x + 0.70 * SIDE.width, SIDE.right
    for title, at in zip(("last step", "episode"), columns, strict=True):
        canvas.text(at, top + 9, title, 11, MUTED, "rm")
    for i, name in enumerate(rewards.names):
        y = top + 18 + i * height + 10
        canvas.text(SIDE.x, y, name, 13, INK, bold=True, width=0.46 * SIDE.width)
        for value, at, bold in ((rewards.last[i], columns[0], False), (rewards.total[i], columns[1], True)):
            canvas.text(at, y, f"{value + 0.0:.3f}" if rewards.begun else "–", 14, INK, "rm", bold=bold)
        bar = Box(SIDE.x, y + 10, SIDE.width, 5)
        zero = bar.x + bar.width * (0.0 - rewards.low) / (1.0 - rewards.low)
        share = min(max((float(rewards.total[i]) - rewards.low) / (1.0 - rewards.low), 0.0), 1.0)
        end = bar.x + bar.width * share
        canvas.box(bar, RULE, radius=2.5)
        canvas.box(Box(min(zero, end), bar.y, abs(end - zero), bar.height), MUTED)
        if rewards.low < 0.0:
            canvas.line([(zero, bar.y - 2), (zero, bar.bottom + 2)], INK)
    return top - 6
