"""Electronic transmission against kwant and sisl, with Hamiltonians that are independent of matgym's."""

from pathlib import Path

import numpy as np
import pytest

from matgym.errors import ConvergenceError
from matgym.physics import PiParameters, PiTransport
from matgym.physics.transport import greens
from matgym.structures import Nanotube, Species
from scripts.studies.physics.independent import sisl_transmission

KWANT_TOLERANCE = 1e-8
SISL_TOLERANCE = 1e-8
PRISTINE_TOLERANCE = 1e-9

DATA = np.load(Path(__file__).parent / "data" / "kwant.npz")
ORACLE = PiTransport()


def stored(i):
    """Return the i-th of the 200 tubes."""
    species = DATA["species"][DATA["species_start"][i] : DATA["species_start"][i + 1]]
    pairs = tuple((int(a), int(b)) for tube, a, b in DATA["stone_wales"] if tube == i)
    n, m, cells = (int(DATA[name][i]) for name in ("n", "m", "cells"))
    return Nanotube(n, m, cells, species, float(DATA["strain"][i]), stone_wales=pairs)


TUBES = [stored(i) for i in range(len(DATA["n"]))]


def ours(tube, energies):
    # The references include curvature at every diameter; the formula also holds for tubes too thin for the oracle.
    found, failures = ORACLE.transmission([tube], energies)
    assert not failures
    return found[0]


def test_the_200_tubes_are_of_every_kind():
    assert len(TUBES) == 200
    kinds = {"zigzag" if t.m == 0 else "armchair" if t.n == t.m else "chiral" for t in TUBES}
    assert kinds == {"zigzag", "armchair", "chiral"}
    held = {species for tube in TUBES for species in tube.species.tolist()}
    assert {Species.B, Species.N, Species.C13, Species.VACANCY} <= held
    assert sum(bool(t.stone_wales) for t in TUBES) >= 80
    assert any(t.strain for t in TUBES)


def test_transmission_of_200_decorated_tubes_is_that_of_kwant():
    assert DATA["unitarity"].max() < 1e-9
    found = np.stack([ours(tube, energies) for tube, energies in zip(TUBES, DATA["energies_ev"], strict=True)])
    worst = np.abs(found - DATA["transmission"]).max()
    assert worst <= KWANT_TOLERANCE
    assert np.ptp(DATA["transmission"]) > 2.0


SMALL = [i for i, tube in enumerate(TUBES) if tube.n_sites <= 200][:60]


@pytest.mark.parametrize(
    "part", [SMALL[::10], pytest.param(range(len(TUBES)), marks=pytest.mark.long)], ids=["some", "all"]
)
def test_transmission_of_decorated_tubes_is_that_of_sisl(part):
    pytest.importorskip("sisl")
    worst = 0.0
    for i in part:
        energies = DATA["energies_ev"][i]
        worst = max(worst, np.abs(ours(TUBES[i], energies) - sisl_transmission(TUBES[i], energies)).max())
    assert worst <= SISL_TOLERANCE


@pytest.mark.parametrize(("n", "m"), [(10, 0), (9, 0), (10, 10), (6, 5), (6, 4), (9, 3), (8, 2), (11, 1)])
def test_pristine_transmission_counts_the_bands_that_cross(n, m):
    flat = PiTransport(PiParameters(curvature=False))
    energies = np.linspace(-2.5, 2.5, 101) + 0.00317
    found, _ = flat.transmission([Nanotube(n, m)], energies)
    np.testing.assert_allclose(found, np.rint(found), atol=PRISTINE_TOLERANCE, rtol=0)
    # Count the channels: each |f(κ)| of the helical bands that crosses E as κ runs once around the zone.
    from matgym.physics.electrons.tight_binding import pristine_bands

    kappa = np.linspace(-np.pi, np.pi, 4001)
    above = pristine_bands(Nanotube(n, m), kappa, flat.parameters)[:, :, None] > np.abs(energies)
    crossings = (above[:, 1:] != above[:, :-1]).sum(axis=(0, 1)) / 2.0
    np.testing.assert_array_equal(np.rint(found[0]), crossings)


def test_conductance_of_metallic_tubes_is_quantised_at_any_temperature():
    quantum_us = 77.480917298  # 2e²/h, CODATA 2018
    for kelvin in (4.0, 77.0, 300.0):
        oracle = PiTransport(PiParameters(curvature=False), temperature_k=kelvin)
        found = oracle.predict([Nanotube(5, 5, 2), Nanotube(9, 0, 2), Nanotube(10, 10, 1)])["conductance_us"]
        np.testing.assert_allclose(found, 2.0 * quantum_us, rtol=1e-7)


def test_armchair_tubes_stay_metallic_with_curvature_and_zigzag_ones_do_not():
    low_ev = np.array([0.004, 0.02])
    assert ours(Nanotube(5, 5, 2), low_ev) == pytest.approx(2.0, abs=PRISTINE_TOLERANCE)
    assert ours(Nanotube(9, 0, 2), low_ev) == pytest.approx(0.0, abs=PRISTINE_TOLERANCE)
    assert ours(Nanotube(9, 0, 2), np.array([0.08])) == pytest.approx(2.0, abs=PRISTINE_TOLERANCE)


def test_one_vacancy_blocks_one_of_two_channels_and_two_on_a_sublattice_block_both():
    """Igami, Nakanishi and Ando, J. Phys. Soc. Jpn. 68, 716 (1999): N_A - N_B = 1 gives e²/πħ, 2 gives none."""
    flat = PiTransport(PiParameters(curvature=False))
    tube = Nanotube(10, 10, 6)
    middle = np.flatnonzero(np.abs(tube.lattice.site_fractions[:, 1] - 0.5) < 0.09)
    a_sites = [int(site) for site in middle if site < tube.lattice.n_cells]
    one = tube.decorated({a_sites[0]: "vacancy"})
    two = tube.decorated({a_sites[0]: "vacancy", a_sites[1]: "vacancy"})
    near_zero = np.array([1e-6])
    found, _ = flat.transmission([one, two], near_zero)
    assert found[0, 0] == pytest.approx(1.0, abs=0.01)
    assert found[1, 0] == pytest.approx(0.0, abs=0.02)


def test_failures_are_named_and_hold_no_number():
    tube = Nanotube(8, 0, 3)
    height = tube.positions_angstrom[:, 2]
    cut = tube.decorated({int(i): "vacancy" for i in np.flatnonzero((height > 5.0) & (height < 7.2))})
    crossing = next((int(a), int(b)) for a, b, image in tube.lattice.bonds if image)
    found = ORACLE.predict([cut, Nanotube(5, 0, 2), tube.turned(crossing), tube])
    assert np.isnan(found["conductance_us"]).tolist() == [True, True, True, False]
    assert "cut the tube in two" in found.reasons[0]
    assert "diameter of 0.39 nm" in found.reasons[1]
    assert "crosses the end" in found.reasons[2]


def test_leads_that_do_not_converge_are_failures_of_their_tubes(monkeypatch):
    """In a search for ZT one such lead ended the search; other tubes of the batch have their values."""
    tubes = [Nanotube(9, 0, strain=0.0123), Nanotube(11, 2, strain=0.0123)]
    assert not ORACLE.transmission(tubes, np.array([0.71]))[1]
    surface = greens.Lead.surface

    def poor(lead, z, broadening):
        if lead.folds == 1:  # of (11, 2)
            raise ConvergenceError("the lead did not converge")
        return surface(lead, z, broadening)

    monkeypatch.setattr(greens.Lead, "surface", poor)
    found, failures = ORACLE.transmission(tubes, np.array([0.7]))
    assert failures == {1: "the lead did not converge"}
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[0]).all()
