"""Queries, fields of sources, and entries: what is accepted, and what is said of the rest."""

import numpy as np
import pytest
from pymatgen.core import Composition

from matgym.data.sources import PROPERTIES, Entry, Field, Query
from matgym.data.sources.entries import VACUUM_ANGSTROM, crystal_of
from matgym.data.sources.properties import at, chosen_fields, number
from matgym.data.sources.query import reduced_formula
from matgym.errors import ConfigurationError, RowError

CUBE = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]
BULK = np.ones(3, dtype=bool)


@pytest.mark.parametrize("formula", ["B2N2", "NB", "C60", "Ca(OH)2", "BC2N", "Fe2O3", "N3C3"])
def test_compositions_are_reduced_and_in_alphabetical_order(formula):
    reduced = Composition(formula).element_composition.get_reduced_composition_and_factor()[0].get_el_amt_dict()
    expected = "".join(f"{name}{f'{n:g}' if n > 1 else ''}" for name, n in sorted(reduced.items()))
    assert reduced_formula(formula) == expected


def test_the_same_question_has_the_same_digest_and_another_one_has_not():
    assert Query(formulas=("B2N2", "C")).digest() == Query(formulas=("NB", "C60", "C")).digest()
    others = [
        Query(),
        Query(limit=3),
        Query(atoms=(1, 3)),
        Query(periodic=2),
        Query(ids=("a",)),
        Query(elements=("C",)),
    ]
    assert len({each.digest() for each in others}) == len(others)
    assert Query().digest(url="a") != Query().digest(url="b")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"formulas": ("Zz",)}, "'Zz' is no chemical formula: give one such as C, BN or BC2N"),
        ({"formulas": ("C0",)}, "'C0' is no chemical formula"),
        ({"formulas": "BN"}, r"formulas='BN' must be several names: give \('BN',\)"),
        ({"elements": ("BN",)}, "elements has 'BN': give symbols of elements"),
        ({"ids": ("a\n",)}, "give printable names"),
        ({"ids": tuple(map(str, range(1001)))}, "ids has 1,001 names: give at most 1,000"),
        ({"atoms": (3, 2)}, r"atoms=\(3, 2\) must be two whole numbers from 1 to 5,000"),
        ({"periodic": 0}, "periodic=0 must be 1, 2 or 3"),
        ({"limit": 0}, "limit=0 must be a whole number of 1 or more"),
    ],
)
def test_an_impossible_question_is_an_error(settings, reason):
    with pytest.raises(ConfigurationError, match=reason):
        Query(**settings)


def test_fields_convert_units_and_know_what_stands_for_no_value():
    row = {"outer": {"list": [{"value": 8.0}], "a+b": 2}, "dotted.name": 5, "none": None, "text": "1.5", "na": "na"}
    assert Field("outer.list.0.value", factor=1e-3).read(row, 2) == 0.008
    assert Field("outer.list.0.value", per_cell=True).read(row, 2) == 4.0
    assert Field("outer.a+b").read(row, 1) == 2.0
    assert Field("dotted.name").read(row, 1) == 5.0
    assert Field("text").read(row, 1) == 1.5
    assert Field("outer.a+b", missing=(2.0,)).read(row, 1) is None
    for path in ("none", "na", "outer.list.1.value", "outer.list.value", "nowhere", "text.more"):
        assert Field(path).read(row, 1) is None
    for value in ("wide", [1.0], {}, True, 1e200):
        with pytest.raises(RowError, match="its field 'x' is"):
            number(value, "x")
    assert number(float("nan"), "x") is None
    assert at({"a": [1, 2]}, "a.1") == 2


def test_a_shared_property_that_a_source_lacks_is_an_error_and_its_own_fields_are_not():
    known = {"band_gap": Field("gap")}
    assert chosen_fields(("band_gap", "_own.field"), known, "x") == known | {"_own.field": Field("_own.field")}
    with pytest.raises(ConfigurationError, match="x has no 'energy': it has band_gap"):
        chosen_fields(("energy",), known, "x")
    assert all(each.unit for each in PROPERTIES.values())


@pytest.mark.parametrize(
    ("cell", "places", "numbers", "shares", "reason"),
    [
        (None, [[0, 0, 0]], [6], [1], "its cell is None, not three vectors"),
        ([[3, 0, 0], [0, 3, 0], None], [[0, 0, 0]], [6], [1], "its cell vectors are missing"),
        ([[3, 0, 0], [0, 3, 0], [3, 3, 0]], [[0, 0, 0]], [6], [1], "it is no structure"),
        ([[3, 0, 0], [0, 3, 0], [0, "x", 3]], [[0, 0, 0]], [6], [1], "its cell vectors are not"),
        (CUBE, [[0, 0, None]], [6], [1], "its coordinates are not"),
        (CUBE, [[0, 0, 1e9]], [6], [1], "its coordinates are not"),
        (CUBE, None, [6], [1], "its coordinates are missing"),
        (CUBE, [[0, 0, 0]], [0], [1], "it has an atomic number of 0"),
        (CUBE, [[0, 0, 0]], [6], [1.5], "its occupancies are 1.5"),
        (CUBE, [], [], [], "its coordinates are not|a crystal of 0 atoms"),
    ],
)
def test_what_is_no_structure_is_said(cell, places, numbers, shares, reason):
    with pytest.raises(RowError, match=reason):
        Entry("a", crystal_of(cell, places, numbers, shares, BULK), BULK)


def test_directions_that_are_not_periodic_get_vacuum():
    sheet = np.array([True, True, False])
    cell = [[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], None]
    crystal = crystal_of(cell, [[0.0, 0.0, -1.0], [1.0, 1.0, 1.0]], [6, 6], [1.0, 1.0], sheet)
    assert crystal.volume == pytest.approx(6.0 * (2.0 + VACUUM_ANGSTROM))
    np.testing.assert_allclose(crystal.fractional @ crystal.cell, [[0.0, 0.0, -1.0], [1.0, 1.0, 1.0]], atol=1e-12)
    chain = np.array([False, True, False])
    crystal = crystal_of([[None] * 3, [0.0, 2.5, 0.0], [0.0] * 3], [[0.0, 0.0, 0.0]], [6], [1.0], chain)
    assert crystal.volume == pytest.approx(2.5 * VACUUM_ANGSTROM**2)
    with pytest.raises(RowError, match="it is periodic in no direction"):
        Entry("a", crystal, np.zeros(3, dtype=bool))


def test_an_entry_has_a_name_finite_values_and_a_formula():
    crystal = crystal_of(CUBE, [[0, 0, 0], [0, 0, 0], [1, 1, 1]], [28, 26, 13], [0.75, 0.25, 1.0], BULK)
    assert Entry("a", crystal).formula == "AlFe0.25Ni0.75"
    with pytest.raises(RowError, match="its gap is inf, which is not finite"):
        Entry("a", crystal, values={"gap": float("inf")})
    with pytest.raises(RowError, match="its identifier is ''"):
        Entry("", crystal)
