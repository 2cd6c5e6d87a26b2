"""A canvas for pictures of environments: text, shapes and charts, fast enough for a video.

Pillow draws a picture at twice its size and then averages it, so that edges are smooth. This takes some milliseconds
per picture; a Matplotlib figure takes about a hundred. Coordinates are pixels from the upper left
corner of the picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from matgym.typing import FloatArray, IntArray
from matgym.viz.palette import INK, MUTED, RULE, VACANCY_EDGE

FRAME_SHAPE: Final = (400, 640, 3)
"""Height, width and number of colours of every picture."""

Colour: TypeAlias = str | tuple[int, int, int]

_FINER: Final = 2
_SMALLEST_TEXT: Final = 9


class Box(NamedTuple):
    """A rectangle in a picture, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The x coordinate of the right edge, pixels."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The y coordinate of the lower edge, pixels."""
        return self.y + self.height


class Balls(NamedTuple):
    """Discs that are shaded as balls: (b, 2) centres, (b,) radii, (b, 3) fill colours, (b, 3) edge colours."""

    centres: FloatArray
    radii: FloatArray
    fills: FloatArray
    edges: FloatArray


class Canvas:
    """A picture that is drawn step by step; it is white at first."""

    def __init__(self) -> None:
        height, width, _ = FRAME_SHAPE
        self._image = Image.new("RGB", (_FINER * width, _FINER * height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def pixels(self) -> NDArray[np.uint8]:
        """Return the picture as uint8 of shape `FRAME_SHAPE`."""
        return np.array(self._image.reduce(_FINER))

    # ---- shapes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 13,
        colour: Colour = INK,
        anchor: str = "lm",
        *,
        bold: bool = False,
        width: float = math.inf,
    ) -> None:
        """Write a line.

        Args:
            x: the x coordinate of the anchor.
            y: the y coordinate of the anchor.
            text: the text.
            size: the height of the letters, pixels.
            colour: the colour of the letters.
            anchor: the point of the text at (x, y), as in Pillow: l, m or r, followed by a, m or s.
            bold: whether the letters are bold.
            width: the largest width, pixels. A longer line is made smaller, and then shortened if necessary.
        """
        while (long := self.length(text, size, bold=bold)) > width and size > _SMALLEST_TEXT:
            size = max(_SMALLEST_TEXT, min(size - 0.5, size * width / long))
        while self.length(text, size, bold=bold) > width and len(text) > 1:
            text = text[:-2] + "…"
        self._draw.text((_FINER * x, _FINER * y), text, fill=colour, font=_font(_FINER * size, bold), anchor=anchor)

    def length(self, text: str, size: float, *, bold: bool = False) -> float:
        """Return the width of a line of text, pixels."""
        return _font(_FINER * size, bold).getlength(text) / _FINER

    def line(self, points: FloatArray | Sequence[Sequence[float]], colour: Colour, width: float = 1.0) -> None:
        """Draw a line through (k, 2) points."""
        corners = (_FINER * np.asarray(points, dtype=np.float64)).ravel().tolist()
        if len(corners) > 2:
            self._draw.line(corners, fill=colour, width=max(1, round(_FINER * width)), joint="curve")

    def segments(self, ends: FloatArray, colours: FloatArray, widths: FloatArray) -> None:
        """Draw k lines with (k, 4) ends x, y, x, y, (k, 3) colours and (k,) widths."""
        width = np.maximum(1, np.round(_FINER * widths)).astype(int).tolist()
        for line, colour, wide in zip((_FINER * ends).tolist(), _whole(colours), width, strict=True):
            self._draw.line(line, fill=colour, width=wide)

    def discs(self, centres: FloatArray, radii: FloatArray, colours: FloatArray, edges: FloatArray) -> None:
        """Draw k discs with (k, 2) centres, (k,) radii, (k, 3) fill colours and (k, 3) edge colours."""
        for box, colour, edge in zip(_round(centres, radii), _whole(colours), _whole(edges), strict=True):
            self._draw.ellipse(box, fill=colour, outline=edge, width=_FINER)

    def solids(self, balls: "Balls", sticks: FloatArray, colours: FloatArray, width: float, order: IntArray) -> None:
        """Draw balls and sticks in an order in which later ones hide earlier ones.

        Args:
            balls: b balls.
            sticks: (s, 4) ends x, y, x, y of the sticks.
            colours: (s, 3) colours of the sticks.
            width: the width of the sticks, pixels.
            order: (b + s,) indices in the order of drawing; the indices of sticks follow those of balls.
        """
        draw, thick = self._draw, max(1, round(_FINER * width))
        boxes, lights = (
            _round(balls.centres, balls.radii),
            _round(balls.centres - 0.3 * balls.radii[:, None], 0.32 * balls.radii),
        )
        fills, edges, bright = _whole(balls.fills), _whole(balls.edges), _whole(0.55 * balls.fills + 0.45 * 255.0)
        lines, paints, shiny = (_FINER * sticks).tolist(), _whole(colours), (balls.radii > 3.0).tolist()
        for i in order.tolist():
            if i >= len(boxes):
                draw.line(lines[i - len(boxes)], fill=paints[i - len(boxes)], width=thick)
                continue
            draw.ellipse(boxes[i], fill=fills[i], outline=edges[i], width=_FINER)
            if shiny[i]:  # a highlight, from the upper left
                draw.ellipse(lights[i], fill=bright[i])

    def polygon(self, points: FloatArray | Sequence[Sequence[float]], colour: Colour) -> None:
        """Fill a polygon of (k, 2) corners."""
        self._draw.polygon((_FINER * np.asarray(points, dtype=np.float64)).ravel().tolist(), fill=colour)

    def disc(
        self, x: float, y: float, radius: float, colour: Colour | None, edge: Colour | None = None, width: float = 1.0
    ) -> None:
        """Draw a disc, or a ring if `colour` is None."""
        x, y, radius = _FINER * x, _FINER * y, _FINER * radius
        ring = 0 if edge is None else max(1, round(_FINER * width))
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=edge, width=ring)

    def box(self, box: Box, colour: Colour | None, edge: Colour | None = None, radius: float = 0.0) -> None:
        """Draw a rectangle with rounded corners."""
        corners = [_FINER * each for each in (box.x, box.y, max(box.right, box.x), max(box.bottom, box.y))]
        self._draw.rounded_rectangle(corners, _FINER * radius, fill=colour, outline=edge, width=_FINER)

    def image(self, box: Box, picture: NDArray[np.uint8]) -> None:
        """Draw an (H, W, 3) picture in a box, with its pixels as squares."""
        size = (round(_FINER * box.width), round(_FINER * box.height))
        scaled = Image.fromarray(picture).resize(size, Image.Resampling.NEAREST)
        self._image.paste(scaled, (round(_FINER * box.x), round(_FINER * box.y)))


@dataclass(frozen=True)
class Chart:
    """A box with axes of fixed ranges.

    Attributes:
        canvas: the canvas.
        box: the area between the axes.
        x: the lowest and highest value of the x axis.
        y: the lowest and highest value of the y axis.
    """

    canvas: Canvas
    box: Box
    x: tuple[float, float]
    y: tuple[float, float]

    def axes(self, title: str, x_label: str = "", ticks: int = 3) -> None:
        """Draw grid lines with numbers, a title above, and the name of the x axis below its right end."""
        box, canvas = self.box, self.canvas
        canvas.text(box.x, box.y - 10, title, 12, INK, width=box.width)
        for value in _ticks(*self.y, ticks):
            height = self.at(self.x[0], value)[1]
            canvas.line([(box.x, height), (box.right, height)], RULE)
            canvas.text(box.x - 5, height, f"{value:g}", 11, MUTED, "rm")
        canvas.line([(box.x, box.bottom), (box.right, box.bottom)], VACANCY_EDGE)
        if x_label:
            canvas.text(box.right, box.bottom + 12, x_label, 11, MUTED, "rm")
            names = canvas.length(x_label, 11)
            for value in _ticks(*self.x, 5):
                at = self.at(value, self.y[0])[0]
                if at + 12 < box.right - names:
                    canvas.text(at, box.bottom + 12, f"{value:g}", 11, MUTED, "mm")

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel coordinates of a point, clipped to the box."""
        right, up = (
            min(max((value - low) / (high - low), 0.0), 1.0) for value, (low, high) in ((x, self.x), (y, self.y))
        )
        return self.box.x + right * self.box.width, self.box.bottom - up * self.box.height

    def line(
        self, x: FloatArray | Sequence[float], y: FloatArray | Sequence[float], colour: Colour, width: float = 2.0
    ) -> None:
        """Draw a line through points."""
        self.canvas.line([self.at(*point) for point in zip(x, y, strict=True)], colour, width)

    def steps(self, x: FloatArray | Sequence[float], y: FloatArray, colour: Colour, width: float = 2.0) -> None:
        """Draw (k,) constant values between (k + 1,) values of x."""
        self.line(np.repeat(np.asarray(x, dtype=np.float64), 2)[1:-1], np.repeat(y, 2), colour, width)

    def dots(
        self, x: FloatArray | Sequence[float], y: FloatArray | Sequence[float], colour: Colour, radius: float = 3.5
    ) -> None:
        """Draw a dot at each point."""
        for point in zip(x, y, strict=True):
            self.canvas.disc(*self.at(*point), radius, colour, "white")

    def level(self, y: float, colour: Colour, label: str = "") -> None:
        """Draw a dashed line at a value of y, with a label at its left end."""
        height = self.at(self.x[0], y)[1]
        for start in np.arange(self.box.x, self.box.right - 4, 9.0):
            self.canvas.line([(start, height), (start + 5, height)], colour, 1.5)
        if label:
            self.canvas.text(self.box.x + 3, height - 8, label, 11, colour)


def blended(colour: Colour, other: Colour, share: float) -> tuple[int, int, int]:
    """Return a mixture of two colours, with `share` of the second one."""
    first, second = (np.array(rgb(each), dtype=np.float64) for each in (colour, other))
    red, green, blue = (first + share * (second - first)).round().astype(int).tolist()
    return red, green, blue


def _round(centres: FloatArray, radii: FloatArray) -> list[list[float]]:
    """Return the corners of the boxes around k discs, in pixels of the enlarged picture."""
    corners = np.concatenate([centres - radii[:, None], centres + radii[:, None]], axis=1)
    boxes: list[list[float]] = (_FINER * corners).tolist()
    return boxes


def _whole(colours: FloatArray) -> list[tuple[int, int, int]]:
    return list(map(tuple, np.clip(colours, 0.0, 255.0).round().astype(int).tolist()))


def rgb(colour: Colour) -> tuple[int, int, int]:
    """Return red, green and blue, from 0 to 255."""
    if not isinstance(colour, str):
        return colour
    red, green, blue = bytes.fromhex(colour.lstrip("#"))
    return red, green, blue


@cache
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    """Return the font DejaVu Sans of Matplotlib, which has Greek letters and superscripts."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


@cache
def _ticks(low: float, high: float, count: int) -> tuple[float, ...]:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=count, steps=[1, 2, 5, 10]).tick_values(low, high)
    return tuple(float(value) + 0.0 for value in ticks if low - 1e-9 <= value <= high + 1e-9)
