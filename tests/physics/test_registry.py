"""Properties by name: a constant table, the oracle of each, conditions."""

import math
from types import MappingProxyType

import pytest

from matgym.errors import ConfigurationError, PropertyError
from matgym.models import Level
from matgym.physics import PROPERTIES, Conditions, PiElectrons, Thermoelectric, oracle_of, parse_properties, registry
from matgym.physics.cache import Remembered
from matgym.structures import Nanotube
from matgym.structures.io import to_atoms

NAMES = [
    *("gap", "fermi", "pi_formation", "conductance", "thermal_conductance"),
    *("seebeck", "power_factor", "electron_thermal_conductance", "mu", "zt"),
    *("e11", "e22", "e33", "e44", "m11_lower", "m11_upper", "m22_lower", "m22_upper"),
    *("rbm", "zo", "g_minus", "g_plus", "thermal_conductivity"),
    *("heat_capacity", "young", "poisson_ratio", "formation", "tensile_strength", "failure_strain"),
]


def test_the_registry_is_a_constant():
    assert list(PROPERTIES) == NAMES
    for table in (registry.ORACLES, registry.PROPERTIES, registry.PROPERTIES_BY_KEY):
        assert isinstance(table, MappingProxyType)
    assert list(registry.PROPERTIES_BY_KEY.values()) == list(PROPERTIES.values())


@pytest.mark.parametrize("name", NAMES)
def test_each_property_has_one_oracle_which_predicts_it(name):
    oracle, prop = oracle_of(name), PROPERTIES[name]
    assert prop in oracle.properties
    assert oracle.is_oracle
    assert type(oracle_of(prop.key)) is type(oracle)
    assert sum(prop in kind.properties for kind in registry.ORACLES) == 1
    assert " at 0x" not in repr(oracle)  # its repr holds the settings, on which caches depend


def test_conditions_reach_the_oracles():
    at = Conditions(temperature_k=77.0, mu_ev=0.2)
    assert oracle_of("gap", at) == PiElectrons()
    for name in ("conductance", "thermal_conductance", "zt", "heat_capacity"):
        assert oracle_of(name, at).temperature_k == 77.0
    assert oracle_of("conductance", at).mu_ev == 0.2
    assert oracle_of("zt", at).mu_ev == 0.2
    assert oracle_of("zt", at).phonons.temperature_k == 77.0
    assert isinstance(oracle_of("seebeck"), Thermoelectric)
    assert oracle_of("zt").mu_ev is None  # the best one
    assert oracle_of("conductance").mu_ev == 0.0  # neutrality


def test_levels_have_short_names_and_validity():
    for level in Level:
        assert Level(level.short) is level
        assert level.short.isascii()
    with pytest.raises(ValueError, match="dft"):
        Level("dft")
    assert registry.levels_of("gap") == (Level.PI, Level.SCC_PI, Level.XTB)
    assert oracle_of("gap", level="scc-pi") == oracle_of("gap", level=Level.SCC_PI)
    with pytest.raises(PropertyError, match="'zt' by level='xtb'; give one of 'pi-classical'"):
        oracle_of("zt", level="xtb")
    for name in NAMES:
        for oracle in registry.oracles_of(name):
            assert oracle.validity
            assert Remembered(oracle).validity == oracle.validity


def test_only_oracles_that_take_coordinates_are_given_them():
    assert registry.takes_coordinates("formation")
    assert registry.takes_coordinates("gap", level="xtb")
    assert not registry.takes_coordinates("gap")
    tube = Nanotube(8, 0).decorated({3: "vacancy"})
    moved = to_atoms(tube)
    moved.rattle(0.05, seed=0)
    found = registry.predict([tube, tube], ["gap", "formation"], atoms=[None, moved])
    assert found["gap_ev"][0] == found["gap_ev"][1]
    assert "own coordinates" in found.notes["formation_ev"][1]
    assert "own coordinates" not in found.notes["formation_ev"][0]
    (alone,) = registry.predict([tube], ["formation"])["formation_ev"]
    assert found["formation_ev"][0] == alone


@pytest.mark.parametrize("kelvin", [0.0, -1.0, math.inf, math.nan])
def test_temperatures_out_of_range_are_an_error(kelvin):
    for made in (Conditions, *(kind for kind in registry.ORACLES if "temperature_k" in kind.__dataclass_fields__)):
        with pytest.raises(ConfigurationError, match=f"temperature_k={kelvin} must be a number from 1 to"):
            made(temperature_k=kelvin)


def test_names_and_keys_are_the_same_and_others_are_an_error():
    assert parse_properties(["gap", "young_gpa"]) == parse_properties(["gap_ev", "young"])
    with pytest.raises(PropertyError, match="no oracle computes 'seebek'; did you mean 'seebeck'"):
        parse_properties(["seebek"])
    with pytest.raises(PropertyError, match="no property is named"):
        parse_properties([])
