"""Briefs: what words mean, and how far values are from what is asked."""

import math

import numpy as np
import pytest

from matgym.designer.brief import QUANTITIES, Brief
from matgym.errors import ConfigurationError


def test_words_become_asks():
    brief = Brief.of("thermal_conductance", gap=0.9, diameter=(0.8, 1.2), max_formation=0.3)
    gap, diameter, heat, formation = brief.asks
    assert gap.target == 0.9
    assert (diameter.low, diameter.high) == (0.8, 1.2)
    assert heat.extreme == "minimize"
    assert (formation.low, formation.high) == (-math.inf, 0.3)
    assert str(brief) == (
        "gap 0.9 eV ± 0.02; diameter 0.8 to 1.2 nm; thermal_conductance as small as possible; "
        "formation at most 0.3 eV/atom"
    )


def test_excess_is_the_distance_beyond_tolerance_in_scales():
    brief = Brief.of(gap=0.9, min_young=800.0)
    values = {"gap": np.array([0.91, 0.95, np.nan]), "young": np.array([900.0, 700.0, 900.0])}
    gap, young = QUANTITIES["gap"], QUANTITIES["young"]
    second = (0.05 - gap.tolerance) / gap.scale + 100.0 / young.scale
    np.testing.assert_allclose(brief.excess(values), [0.0, second, np.inf])
    assert brief.met(values).tolist() == [True, False, False]


def test_doubt_counts_as_distance():
    brief = Brief.of(max_thermal_conductance=1.0)
    values = {"thermal_conductance": np.array([0.9, 0.9])}
    doubted = brief.excess(values, {"thermal_conductance": np.array([0.05, 0.6])})
    assert doubted[0] == 0.0
    assert doubted[1] == pytest.approx(0.5 / QUANTITIES["thermal_conductance"].scale)


def test_the_loss_prefers_what_is_asked():
    values = {"young": np.array([700.0, 900.0]), "gap": np.array([0.50, 0.51])}
    assert np.argmin(Brief.of("young", gap=0.5).loss(values)) == 0
    assert np.argmin(Brief.of((), "young", gap=0.5).loss(values)) == 1
    assert np.argmin(Brief.of(gap=0.51).loss(values)) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "asks nothing"),
        ({"gap": 0.9, "min_gap": 0.8}, "is a target"),
        ({"gap": (1.0, 0.8)}, "leaves no range"),
        ({"max_gap": -0.1}, "never below 0"),
        ({"gab": 0.9}, "did you mean gap"),
        ({"gap": "0.9"}, "must be a target, or a pair"),
        ({"gap": math.nan}, "must be a finite number"),
        ({"minimize": ["young"], "maximize": ["young"]}, "asked twice"),
    ],
)
def test_errors_name_the_value(asked, message):
    with pytest.raises(ConfigurationError, match=message):
        Brief.of(**asked)
