"""Numbers that physics is given are finite and bounded, and large tubes are refused before memory is taken."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from matgym.errors import ConfigurationError, StructureError
from matgym.physics import (
    PROPERTIES,
    Conditions,
    FormationEnergy,
    PhononTransport,
    PiElectrons,
    PiParameters,
    PiTransport,
    Strength,
    Thermoelectric,
    Vibrations,
    predict,
    predict_in_parallel,
)
from matgym.physics.mechanics.calculators import Relaxation
from matgym.physics.phonons.ring_isotopes import RingIsotopes
from matgym.structures import Nanotube

TUBE = Nanotube(8, 0, 1)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("temperature", [0.01, 0, -1, 1e300, 1e-300, INF, NAN, True, "300", None])
@pytest.mark.parametrize("oracle", [Conditions, PiTransport, PhononTransport, Thermoelectric, Vibrations, RingIsotopes])
def test_temperatures_out_of_range_are_errors(oracle, temperature):
    with pytest.raises(ConfigurationError, match="temperature_k="):
        oracle(temperature_k=temperature)


@pytest.mark.parametrize("mu", [1e300, NAN, INF, 21, -50, "a", True])
@pytest.mark.parametrize("oracle", [Conditions, PiTransport, Thermoelectric])
def test_chemical_potentials_out_of_range_are_errors(oracle, mu):
    with pytest.raises(ConfigurationError, match="mu_ev="):
        oracle(mu_ev=mu)


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: PiParameters(hopping_ev=NAN), "hopping_ev=nan"),
        (lambda: PiParameters(harrison_exponent=1e300), "harrison_exponent"),
        (lambda: PiParameters(onsite_ev={3: 1e300}), "onsite_ev"),
        (lambda: PiTransport(tolerance_us=1e-300), "tolerance_us"),
        (lambda: Thermoelectric(step_ev=1e-300), "step_ev"),
        (lambda: Thermoelectric(step_ev=1e-5), "10,000"),
        (lambda: Thermoelectric(mu_range_ev=(NAN, 1.0)), "lowest_mu_ev"),
        (lambda: Thermoelectric(mu_range_ev=(-1e300, 1e300)), "lowest_mu_ev"),
        (lambda: Thermoelectric(frequencies=10**12), "frequencies"),
        (lambda: PhononTransport(frequencies=10**12), "frequencies"),
        (lambda: PhononTransport(frequencies=1.5), "frequencies=1.5 must be a whole number"),
        (lambda: Vibrations(phases=10**9), "phases"),
        (lambda: RingIsotopes(n=10**9), "n=1000000000"),
        (lambda: RingIsotopes(rings=4.0), r"rings=4\.0"),
        (lambda: Strength(step=1e-300), "step"),
        (lambda: Strength(max_strain=NAN), "max_strain"),
        (lambda: FormationEnergy(chemical_potentials_ev={"N": NAN}), "chemical_potentials_ev"),
        (lambda: Relaxation(force_ev_per_angstrom=NAN), "force_ev_per_angstrom"),
        (lambda: Relaxation(max_steps=1.5), "max_steps"),
        (lambda: PiElectrons().density_of_states(TUBE, [NAN]), "energies_ev holds nan"),
        (lambda: PiElectrons().density_of_states(TUBE, "a"), "energies_ev='a'"),
        (lambda: PiElectrons().density_of_states(TUBE, [0.0], phases=10**9), "phases"),
        (lambda: PiElectrons().density_of_states(TUBE, [0.0], 1e-300), "broadening_ev"),
        (lambda: PiTransport().transmission([TUBE], [NAN]), "energies_ev holds nan"),
        (lambda: PhononTransport().transmission([TUBE], [INF]), "omega holds inf"),
        (lambda: Vibrations().density_of_states(TUBE, np.array([NAN])), "omega holds nan"),
        (lambda: Vibrations().density_of_states(TUBE, [0.0], 0.0), "broadening"),
        (lambda: Vibrations().bands(TUBE, [NAN]), "thetas holds nan"),
        (lambda: predict_in_parallel([TUBE], ["gap"], Path("never"), piece=1.5), r"piece=1\.5"),
    ],
)
def test_settings_out_of_range_are_errors(make, setting):
    with pytest.raises(ConfigurationError, match=setting):
        make()


LARGE = {
    "gap": Nanotube(8, 0, 3000).decorated({0: "B"}),
    "fermi": Nanotube(30_000, 30_000, 1),
    "conductance": Nanotube(700, 700, 100),
    "zt": Nanotube(700, 700, 100),
    "thermal_conductance": Nanotube(300, 300, 1),
    "heat_capacity": Nanotube(8, 0, 300).decorated({0: "B"}),
    "young": Nanotube(8, 0, 10_000).decorated({0: "B"}),
    "formation": Nanotube(8, 0, 3000).decorated({0: "vacancy"}),
    "tensile_strength": Nanotube(8, 0, 3000),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_tubes_fail_with_a_sentence_before_memory_is_taken(name):
    tube = LARGE[name]
    _ = tube.bonds, tube.lattice.home_cells, tube.lattice.site_fractions
    tracemalloc.start()
    try:
        found = predict([tube, TUBE], [name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    key = PROPERTIES[name].key
    assert "GiB of memory" in found.failures[key][0]
    assert found.failures[key][0].count("nanotube") == 1
    assert np.isnan(found[key][0])
    assert np.isfinite(found[key][1])
    assert peak < 600e6


def test_functions_of_one_large_tube_raise_it():
    large = Nanotube(8, 0, 3000)
    with pytest.raises(StructureError, match="GiB of memory"):
        _ = large.key
    with pytest.raises(StructureError, match="GiB of memory"):
        PiElectrons().density_of_states(large, [0.0])
    with pytest.raises(StructureError, match="GiB of memory"):
        Vibrations().frequencies(Nanotube(8, 0, 50_000))
    _, failures = PiTransport().transmission([TUBE], np.zeros(10**7))
    assert "GiB of memory" in failures[0]


def test_batches_are_split_to_fit_and_give_the_same_bits(monkeypatch):
    rng = np.random.default_rng(0)
    tubes = [Nanotube(8, 0, 2).decorated({int(site): "N"}) for site in rng.integers(64, size=6)]
    names = ["gap", "conductance", "thermal_conductance"]
    whole = predict(tubes, names)
    for module in ("matgym.physics.electrons.tight_binding", "matgym.physics.transport.slabs"):
        monkeypatch.setattr(f"{module}.MAX_DENSE_BYTES", 10**6)
    split = predict(tubes, names)
    for key, values in whole.values.items():
        np.testing.assert_array_equal(split[key], values)
