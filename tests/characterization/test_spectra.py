"""Raman and optical spectra: peaks against published relations and tables, and limits."""

from pathlib import Path

import numpy as np
import pytest

from matgym.characterization.optical import Photometer, absorption_spectra, emission_maps
from matgym.characterization.raman import (
    BROADENING_EV,
    Spectrometer,
    d_over_g,
    defect_distance_nm,
    raman_bands,
    raman_spectra,
    resonance,
)
from matgym.errors import ChiralityError, ConfigurationError
from matgym.physics.electrons.kataura import RELATIONS
from matgym.physics.phonons.named_modes import named_modes
from matgym.structures import Nanotube

TABLES = Path(__file__).parents[1] / "physics" / "data"


def rows_of(name):
    lines = (TABLES / name).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split(",")) for line in lines if line[0].isdigit()]


def test_absorption_peaks_are_the_table_of_weisman_and_bachilo():
    tubes = [(int(n), int(m), float(first)) for n, m, first, _ in rows_of("weisman_bachilo.csv")]
    tubes = [row for row in tubes if 0.8 < row[2] < 1.4]
    assert len(tubes) > 30
    grid = Photometer(0.7, 1.5, 3201)
    spectra = absorption_spectra([row[:2] for row in tubes], grid, environment="sds")
    peaks = grid.energies_ev[spectra.argmax(axis=1)]
    # E22 and sidebands pull a peak by less than 2 meV.
    assert np.abs(peaks - [row[2] for row in tubes]).max() < 2e-3


def test_emission_maps_peak_at_both_transitions():
    tubes = {(6, 5): (1.27, 2.19), (7, 5): (1.21, 1.92), (8, 4): (1.11, 2.11)}
    """Bachilo et al., Science 298, 2361 (2002): 976/566, 1024/645, 1111/589 nm."""
    maps = emission_maps(list(tubes), environment="sds")
    emission, excitation = Photometer(0.75, 1.5, 151).energies_ev, Photometer(1.5, 3.0, 151).energies_ev
    for each, (first, second) in zip(maps, tubes.values(), strict=True):
        row, column = np.unravel_index(each.argmax(), each.shape)
        assert (emission[column], excitation[row]) == pytest.approx((first, second), abs=0.02)


def test_metallic_tubes_absorb_and_do_not_emit():
    assert (emission_maps([(9, 9)]) == 0.0).all()
    assert absorption_spectra([(9, 9)]).max() > 0.0
    with pytest.raises(ConfigurationError, match=r"knows no transition of \(9, 9\)"):
        absorption_spectra([(9, 9)], environment="sds")


@pytest.mark.parametrize("environment", ["air", "dispersed", "sds"])
def test_breathing_modes_are_within_the_spread_of_measured_relations(environment):
    """Telg et al., Phys. Rev. Lett. 93, 177401 (2004): 214.4/d + 18.7 cm⁻¹ (abstract read but for 18.7, flag M)."""
    for n, m in [(6, 5), (7, 5), (8, 4), (10, 2), (11, 1), (10, 5)]:
        if environment == "sds" and (n - m) % 3 == 0:
            continue
        bands = {band.name: band for band in raman_bands(n, m, 2.33, environment)}
        measured = 214.4 / Nanotube(n, m).diameter_nm + 18.7
        assert bands["rbm"].shift_cm == pytest.approx(measured, rel=0.05)


def test_breathing_modes_are_near_those_of_the_force_constants():
    tube = Nanotube(8, 4)
    bands = {band.name: band for band in raman_bands(8, 4, 2.33, "air")}
    assert bands["rbm"].shift_cm == pytest.approx(named_modes(tube)["rbm"].frequency_cm, rel=0.05)


def test_g_minus_is_the_published_relation_with_diameter():
    """Jorio et al. (2002): 1591 - 47.7/d² of semiconducting, 79.5/d² of metallic tubes."""
    for (n, m), constant in (((10, 0), 47.7), ((9, 9), 79.5), ((12, 4), 47.7)):
        bands = {band.name: band for band in raman_bands(n, m, 1.96, "dispersed")}
        diameter = Nanotube(n, m).diameter_nm
        assert bands["g_plus"].shift_cm - bands["g_minus"].shift_cm == pytest.approx(constant / diameter**2)


@pytest.mark.parametrize("laser", [1.58, 1.96, 2.33, 2.54])
def test_d_over_g_tends_to_the_published_limit(laser):
    """Cançado et al. (2011): L_D² = (4.3 ± 1.3)·10³ / E_L⁴ · I_G/I_D nm² for L_D above 10 nm."""
    distance = 30.0
    assert d_over_g(distance, laser) == pytest.approx(4.3e3 / laser**4 / distance**2, rel=0.02)


def test_d_over_g_has_its_maximum_at_the_published_distance():
    distances = np.linspace(1.0, 20.0, 400)
    ratios = np.array([d_over_g(distance, 2.33) for distance in distances])
    assert 2.5 < distances[ratios.argmax()] < 4.0  # Lucchese et al., Carbon 48, 1592 (2010): near 3 nm
    assert d_over_g(np.inf, 2.33) == 0.0


def test_spectra_have_their_bands_where_they_belong():
    spectrometer = Spectrometer(laser_ev=2.19)
    spectrum, x = (
        raman_spectra([(6, 5)], spectrometer, environment="sds", defect_distance_nm=8.0)[0],
        spectrometer.shifts_cm,
    )
    low = x < 400.0
    assert x[low][spectrum[low].argmax()] == pytest.approx(309.0, abs=4.0)  # measured (6,5): 309 cm⁻¹, Bachilo (2002)
    high = (x > 1400.0) & (x < 1700.0)
    assert x[high][spectrum[high].argmax()] == pytest.approx(1591.0, abs=1.0)
    clean = raman_spectra([(6, 5)], spectrometer, environment="sds")[0]
    d_band = np.abs(x - 1326.0).argmin()
    assert spectrum[d_band] > 3.0 * clean[d_band]


def test_metallic_g_minus_leans_to_low_shifts():
    spectrometer = Spectrometer(laser_ev=1.96, start_cm=1300.0, stop_cm=1700.0)
    spectrum, x = raman_spectra([(9, 9)], spectrometer, environment="air")[0], spectrometer.shifts_cm
    middle = 1591.0 - 79.5 / Nanotube(9, 9).diameter_nm ** 2
    below, above = (spectrum[np.abs(x - (middle + away)).argmin()] for away in (-25.0, 25.0))
    assert below > above


def test_bands_are_strongest_in_resonance():
    energy = RELATIONS["sds"].energies_ev(6, 5)["e22"]
    lasers = np.linspace(energy - 0.5, energy + 0.5, 1001)
    profile = np.array([resonance(float(laser), [energy], 0.2) for laser in lasers])
    peaks = lasers[1:-1][(profile[1:-1] > profile[:-2]) & (profile[1:-1] > profile[2:])]
    # Incoming and outgoing resonance: the maxima of 1/((x² + γ²)((x - ħω)² + γ²)) are at ħω/2 ± √((ħω/2)² - γ²).
    assert peaks == pytest.approx(energy + 0.1 + np.array([-1.0, 1.0]) * np.sqrt(0.1**2 - BROADENING_EV**2), abs=1e-3)
    assert resonance(energy, [energy], 0.2) == pytest.approx(1.0)
    narrow = np.array([resonance(float(laser), [energy], 0.02) for laser in lasers])
    assert lasers[narrow.argmax()] == pytest.approx(energy + 0.01, abs=0.002)


def test_defect_distances_count_defects_for_each_area():
    tube = Nanotube(10, 10, 10)
    assert defect_distance_nm(tube) == np.inf
    one = defect_distance_nm(tube.decorated({5: "vacancy"}))
    two = defect_distance_nm(tube.decorated({5: "vacancy", 100: "N"}))
    assert one / two == pytest.approx(np.sqrt(2.0))
    assert one**2 == pytest.approx(np.pi * tube.diameter_nm * tube.length_angstrom / 10.0)
    assert defect_distance_nm(tube.decorated({5: "13C"})) == np.inf


def test_errors_name_the_value_and_the_fix():
    with pytest.raises(ConfigurationError, match=r"environment='vacuum' is unknown: give one of air"):
        raman_spectra([(6, 5)], environment="vacuum")
    with pytest.raises(ConfigurationError, match=r"knows no transition of \(9, 9\)"):
        raman_spectra([(9, 9)], environment="sds")
    with pytest.raises(ConfigurationError, match=r"defect_distance_nm=0.0 is not positive"):
        raman_spectra([(6, 5)], defect_distance_nm=0.0)
    with pytest.raises(ChiralityError, match="is not canonical"):
        absorption_spectra([(5, 6)])
