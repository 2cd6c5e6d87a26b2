"""Frames: text that fits, axes that hold, tubes to scale."""

import numpy as np
import pytest

from matgym.structures import Nanotube
from matgym.viz import processes, tubes
from matgym.viz.canvas import FRAME_SHAPE, Box, Canvas, Chart
from matgym.viz.panels import STATE, Gauge, Rewards, side


def drawn(canvas):
    """Rows and columns in which something was drawn."""
    inked = (canvas.pixels() != 255).any(axis=2)
    return np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))


@pytest.mark.parametrize("text", ["gap", "a name of a column that nobody would ever think of", "Ж" * 80])
def test_text_fits_its_width(text):
    canvas = Canvas()
    canvas.text(50, 50, text, 15, width=120)
    columns = drawn(canvas)[1]
    assert len(columns)
    assert columns.max() <= 50 + 120 + 1


def test_charts_keep_what_lies_beyond_at_their_edge():
    chart = Chart(Canvas(), Box(100, 100, 200, 50), (0.0, 10.0), (0.0, 1.0))
    assert chart.at(5.0, 0.5) == (200.0, 125.0)
    assert chart.at(20.0, -3.0) == (300.0, 150.0)


@pytest.mark.parametrize(("low", "high"), [(0.55, 1.2), (2.27, 2.282), (0.0, 0.4), (-100.0, 160.0), (33.0, 51.0)])
def test_gauges_reach_a_little_beyond_their_range(low, high):
    gauge = Gauge.around("gap", "eV", low, high)
    assert gauge.low <= low
    assert gauge.high > high
    assert gauge.high - gauge.low < 2.0 * (high - low)
    assert gauge.low >= 0.0 or low < 0.0
    assert gauge.written(low) != gauge.written(low + 0.01 * (high - low))


def test_a_failed_value_and_no_value_are_drawn_apart():
    found = []
    for value in (None, np.nan, 0.8):
        canvas = Canvas()
        side(canvas, [Gauge("gap", "eV", 0.0, 1.0, value)], Rewards(["reward"], np.zeros(1), np.zeros(1)))
        found.append(canvas.pixels())
    assert (found[0] != found[1]).any()
    assert (found[1] != found[2]).any()


def test_tubes_of_all_sizes_are_drawn_to_one_scale():
    heights = []
    for n in (9, 18):
        canvas = Canvas()
        tubes.at_scale(canvas, STATE, Nanotube(n, 0, 1))
        heights.append(np.ptp(drawn(canvas)[0]))
    assert heights[1] == pytest.approx(2.0 * heights[0], rel=0.15)


def test_turned_bonds_and_vacancies_show_on_the_sheet():
    tube = Nanotube(8, 0, 3)
    first, second = (int(site) for site in tube.bonds[20, :2])
    pictures = []
    for other in (tube, tube.turned((first, second)), tube.decorated({first: "vacancy"})):
        canvas = Canvas()
        tubes.unrolled(canvas, STATE, other)
        pictures.append(canvas.pixels())
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[0] != pictures[2]).any()
    assert pictures[0].shape == FRAME_SHAPE


@pytest.mark.parametrize("counts", [(0, 0, 0), (3, 5, 2)])
def test_designs_of_numbers_are_drawn_bar_by_bar(counts):
    frames = []
    for design in ([], [1.0], [1.0, 0.0], [1.0, 1.0]):
        canvas = Canvas()
        processes.numbers(canvas, STATE, np.array(design), counts)
        frames.append(canvas.pixels())
    assert all((a != b).any() for i, a in enumerate(frames) for b in frames[:i])
