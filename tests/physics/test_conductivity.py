"""Heat in long tubes by classical statistics and inside the tube: exact limits, and molecular dynamics by others."""

import csv
from pathlib import Path

import numpy as np
import pytest

from matgym.physics import LongTubeHeat
from matgym.physics.phonons.boltzmann import HeatSpectrum
from matgym.structures import Nanotube

PUBLISHED = Path(__file__).parent / "data" / "conductivity.csv"
HOT_K = 5e4
HOT_TOLERANCE = 1e-3  # (ħω/k_B T)²/12 of the fastest phonons
SHORTEST_NM = 10.0  # of the shorter tube of 5 nm the baths and the fixed ends take half
NEIGHBOURS_NM = (300.0, 400.0)  # lengths of the two groups whose single-walled tubes differ most


def read():
    lines = [line for line in PUBLISHED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_hot_phonons_are_classical():
    lengths = np.array([1.0, 10.0, 100.0])
    quantum, classical = (
        LongTubeHeat(HOT_K, share_13c=0.0, sampled_angstrom=20.0, classical=on)
        .spectrum(Nanotube(5, 5))
        .conductivity_w_mk(lengths)
        for on in (False, True)
    )
    assert classical == pytest.approx(quantum, rel=HOT_TOLERANCE)


def test_classical_heat_conducts_more_without_scattering_and_scatters_more():
    quantum, classical = (
        LongTubeHeat(share_13c=0.0, sampled_angstrom=40.0, classical=on).spectrum(Nanotube(5, 5))
        for on in (False, True)
    )
    none = np.zeros(1)
    assert classical.conductance_nw_k(none)[0] > 2.0 * quantum.conductance_nw_k(none)[0]
    assert np.median(classical.mean_free_paths_nm) < np.median(quantum.mean_free_paths_nm)


def test_inside_the_tube_one_mean_free_path_gives_one_conductivity():
    speeds = np.array([2.0, 8.0, 20.0])
    spectrum = HeatSpectrum(
        omega_rad_ps=np.ones(3),
        velocities_km_s=speeds,
        heat_j_k=np.full(3, 1e-23),
        rates_ps=2.0 * speeds / 50.0,  # 50 nm
        inward_ps=np.zeros((3, 3)),
        sampled_nm=10.0,
        area_nm2=1.5,
    )
    endless = spectrum.conductivity_w_mk(np.array([1e8]))[0]
    assert spectrum.inner_conductivity_w_mk(np.array([1.0, 50.0, 1e3])) == pytest.approx(endless, rel=1e-4)
    assert spectrum.conductivity_w_mk(np.array([50.0]))[0] == pytest.approx(endless / 2.0, rel=1e-4)


def test_double_walled_tubes_conduct_as_in_molecular_dynamics_with_the_same_potential():
    """Nie et al. (2020), full text read (A). The tolerance is the factor between single-walled tubes of two groups."""
    rows = read()
    others = [
        float(row["conductivity_w_mk"])
        for row in rows
        if not row["walls"] and NEIGHBOURS_NM[0] <= float(row["length_nm"]) <= NEIGHBOURS_NM[1]
    ]
    factor = max(others) / min(others)
    assert 3.9 < factor < 4.1
    walls = [
        LongTubeHeat(200.0, share_13c=0.0, sampled_angstrom=30.0, classical=True).spectrum(Nanotube(*wall))
        for wall in ((17, 0), (15, 15))
    ]
    chosen = [row for row in rows if row["walls"] == "17-0 15-15" and row["kelvin"] == "200"]
    lengths, published = (np.array([float(row[key]) for row in chosen]) for key in ("length_nm", "conductivity_w_mk"))
    areas = [wall.area_nm2 for wall in walls]
    inside = np.average([wall.inner_conductivity_w_mk(lengths) for wall in walls], axis=0, weights=areas)
    between = np.average([wall.conductivity_w_mk(lengths) for wall in walls], axis=0, weights=areas)
    long = lengths >= SHORTEST_NM
    assert long.sum() == 3
    assert (np.abs(np.log(inside / published))[long] < np.log(factor)).all()
    assert (np.diff(inside) > 0.0).all()
    assert (published[long] > between[long]).all()  # the steps at the ends are not in the published gradient
