"""Pictures show the given tubes and values."""

import re

import numpy as np
import pytest

from matgym.structures import Nanotube
from matgym.viz.figures import (
    error_by_method,
    learning_curve,
    surrogate_against_oracle,
    target_against_achieved,
    to_svg,
)
from matgym.viz.palette import new_axes
from matgym.viz.raster import ansi
from matgym.viz.tube3d import DISC_LAYERS, STRIP_LAYERS, draw_tube, script_tag, tube_html, visible

TUBES = [Nanotube(8, 0, 2), Nanotube(5, 5, 2), Nanotube(4, 2, 1)]


@pytest.mark.parametrize("tube", TUBES, ids=str)
def test_drawn_bonds_are_those_between_present_atoms_within_the_cell(tube):
    gone = tube.decorated({0: "vacancy", 9: "vacancy"})
    for shown in (tube, gone):
        sites, bonds = visible(shown)
        assert len(sites) == shown.n_sites - shown.counts[5]
        positions = shown.positions_angstrom
        # Every pair in space at bonding distance, found without the lattice.
        distance = np.linalg.norm(positions[sites][:, None] - positions[sites][None], axis=2)
        close = {tuple(sorted(sites[list(pair)])) for pair in np.argwhere((distance > 0.1) & (distance < 1.6))}
        assert {tuple(sorted(pair)) for pair in bonds.tolist()} == close


def test_page_fragment_holds_every_atom_and_loads_nothing():
    tube = TUBES[0].decorated({0: "B", 5: "N", 7: "vacancy"})
    fragment = tube_html(tube, "one")
    assert len(re.findall(r'"elem"', fragment)) == tube.n_sites - 1
    assert len(re.findall(r'"elem": ?"B"', fragment)) == 1
    for page in (fragment, script_tag()):
        assert not re.search(r'(?:src|href)\s*=\s*["\']https?:', page)
        assert "@import" not in page


def test_text_shows_one_letter_a_site():
    tube = Nanotube(8, 0, 2).decorated({0: "B", 1: "N", 2: "vacancy"})
    text = ansi(tube)
    assert (text.count("B"), text.count(".")) == (1, 1)
    letters = [letter for line in text.splitlines() for letter in line.split() if letter in {"C", "B", "N", "."}]
    assert len(letters) == tube.n_sites


def test_figures_draw_every_point_and_are_the_same_bytes_twice():
    rng = np.random.default_rng(0)
    targets = rng.uniform(0.5, 1.2, 30)

    def svgs():
        curve, scatter, parity, errors = (new_axes() for _ in range(4))
        learning_curve(curve, np.arange(1.0, 21.0), np.linspace(0, 1, 20))
        target_against_achieved(scatter, targets, {"a": targets, "b": targets + 0.01}, 0.02)
        surrogate_against_oracle(parity, targets, targets + 0.01, np.arange(30) < 3)
        error_by_method(errors, {"a": rng.random((3, 5)) * 0 + 0.02, "b": rng.random((1, 5)) * 0 + 0.05})
        assert [len(c.get_offsets()) for c in scatter.collections[1:]] == [30, 30]
        assert [len(c.get_offsets()) for c in parity.collections] == [27, 3]
        assert "MAE 10 meV" in parity.texts[0].get_text()
        return [to_svg(axes.figure, name) for axes, name in zip((curve, scatter, parity, errors), "wxyz", strict=True)]

    first, second = svgs(), svgs()
    assert first == second
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in first]
    assert not ids[0] & ids[1]  # pages hold several
    for svg, own in zip(first, ids, strict=True):
        assert set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg)) <= own


def test_still_picture_draws_every_atom_and_bond():
    for tube in (TUBES[0], TUBES[0].decorated({0: "vacancy"})):
        axes = new_axes()
        draw_tube(axes, tube)
        sites, bonds = visible(tube)
        drawn = sum(len(collection.get_paths()) for collection in axes.collections)
        assert drawn == len(sites) * DISC_LAYERS + 2 * len(bonds) * STRIP_LAYERS
